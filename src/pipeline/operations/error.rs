//! Why a request is not taken up.

use crate::domain::operation::{Operation, OperationState, Reason};
use crate::store::StoreError;

/// Why a request was not taken up. No call was made.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(
        "this Idempotency-Key was used for another request (operation {0}); a new request needs a new key"
    )]
    KeyReused(String),
    #[error("{}", sentence(.0))]
    TurnedDown(Vec<Reason>),
    #[error(
        "an onboarding link was made for {0}: from then on Stripe asks its holder, and takes no more prefilled details"
    )]
    LinkMade(String),
    #[error("{}", taken(.0))]
    ReferenceTaken(Box<Operation>),
    #[error("no operation with the id `{0}` is known")]
    NoSuchOperation(String),
    #[error("operation {id} is {}: a person decides an unknown outcome, or refuses what waits for funds", .state.word())]
    NotUnknown { id: String, state: OperationState },
    /// Stripe said no, to this or when the same was asked before.
    #[error("Stripe refused it: {}", .0.error.as_ref().map_or("no details", |error| &error.message))]
    Refused(Box<Operation>),
    #[error(
        "the link of this Idempotency-Key was asked for too long ago (operation {0}); a new link needs a new key"
    )]
    LinkOver(String),
    /// A link has no second half that could be told of later.
    #[error("{0}")]
    NoLink(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn sentence(reasons: &[Reason]) -> String {
    let details: Vec<&str> = reasons.iter().map(|reason| reason.detail.as_str()).collect();
    details.join("; ")
}

fn taken(operation: &Operation) -> String {
    match &operation.object_id {
        Some(account) => format!("this reference is the one of the account {account}"),
        None => format!("this reference is the one of operation {}", operation.id),
    }
}
