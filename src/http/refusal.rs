//! Why a call to Stripe was not made, or did nothing: the words for programs.
//!
//! What Stripe says is passed on beside them, in `stripe`; its codes are an open set.

use serde_json::{Map, Value};

use crate::domain::operation::{Operation, Reason};
use crate::http::error::{ApiError, Code};
use crate::http::view;
use crate::pipeline::operations::RequestError;

/// The words of reasons, and of refusals that are for one reason.
const REASONS: &[Code] = &[
    Code::AccountUnknown,
    Code::AccountNotPayable,
    Code::RegionNotAllowed,
    Code::BalanceInsufficient,
    Code::CurrencyNotAvailable,
    Code::TopupFailed,
    Code::StripeUnreachable,
];

pub(super) fn of_request(error: &RequestError) -> Code {
    match error {
        RequestError::KeyReused(_) => Code::IdempotencyMismatch,
        RequestError::TurnedDown(reasons) => of_reasons(reasons),
        RequestError::LinkMade(_) => Code::LinkAlreadyCreated,
        RequestError::ReferenceTaken(_) => Code::ReferenceTaken,
        RequestError::NoSuchOperation(_) => Code::NotFound,
        RequestError::NotUnknown { .. } => Code::OutcomeIsKnown,
        RequestError::Refused(operation) => of_operation(operation),
        RequestError::LinkOver(_) => Code::LinkExpired,
        RequestError::NoLink(_) => Code::OutcomeUnknown,
        RequestError::Store(_) => Code::StoreUnavailable,
    }
}

/// Of one that was refused.
pub(super) fn of_operation(operation: &Operation) -> Code {
    let Some(error) = &operation.error else { return of_reasons(&operation.reasons) };
    match (error.status, error.code.as_deref()) {
        (Some(401), _) => Code::StripeRefused,
        // The key is known: it is this that it may not do, or may no longer.
        (Some(403), _) => Code::RefusedByStripe,
        (Some(_), Some("balance_insufficient")) => Code::BalanceInsufficient,
        (Some(_), _) if error.param.is_some() => Code::InvalidAtStripe,
        (None, Some("not_sent")) => Code::NotSent,
        (None, Some("not_done" | "expired")) => Code::NotDone,
        _ => Code::RefusedByStripe,
    }
}

fn of_reasons(reasons: &[Reason]) -> Code {
    let first = reasons.first().map_or("", |reason| reason.code.as_str());
    REASONS.iter().find(|known| known.word() == first).copied().unwrap_or(Code::NotPossible)
}

/// Stripe itself said that the money is not there.
pub(super) fn is_for_money(error: &ApiError) -> bool {
    let (ApiError::Refused(operation) | ApiError::Request(RequestError::Refused(operation))) =
        error
    else {
        return false;
    };
    operation.error.is_some() && of_operation(operation) == Code::BalanceInsufficient
}

/// What goes with a problem beside the members that all have.
pub(super) fn members(error: &ApiError, members: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    if let ApiError::InvalidRequest(problems) = error {
        put("errors", serde_json::to_value(problems).unwrap_or_default());
    }
    if let ApiError::Request(RequestError::TurnedDown(reasons)) = error {
        put("reasons", view::reasons(reasons));
    }
    if let ApiError::Request(RequestError::ReferenceTaken(other)) = error {
        put("account", other.object_id.clone().into());
        put("operation_id", other.id.as_str().into());
    }
    if let Some(operation) = refused(error) {
        put("reasons", view::reasons(&operation.reasons));
        put("stripe", operation.error.as_ref().map_or(Value::Null, view::operation_error));
        put("request_id", operation.request_id.clone().into());
        put("operation", serde_json::to_value(view::operation(operation)).unwrap_or_default());
    }
}

/// The operation that was refused.
fn refused(error: &ApiError) -> Option<&Operation> {
    if let ApiError::Refused(operation) | ApiError::Request(RequestError::Refused(operation)) =
        error
    {
        return Some(operation);
    }
    None
}
