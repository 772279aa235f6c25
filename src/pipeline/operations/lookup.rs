//! Asking Stripe what there is, when it is too late to send something again.

use crate::domain::operation::{Action, Happening, Operation};
use crate::pipeline::operations::Inner;
use crate::pipeline::operations::drive::Turn;
use crate::store::StoreError;
use crate::stripe::client::{Answer, Call, CallError};
use crate::stripe::outgoing::{Listed, listed, lookup_of, status_of};

/// Pages that are read of one list, the newest objects first.
const MOST_PAGES: usize = 100;
/// While the same call can be made again, which is done often: what it made is among the newest.
const FIRST_PAGE: usize = 1;

/// What Stripe tells of an operation that seems never to have been sent.
pub(super) enum Past {
    NeverMade,
    /// It was made, or nobody can tell. Either is recorded.
    Recorded,
    /// Stripe could not be asked.
    NotToldNow,
}

impl Inner {
    /// Asks once, when nothing else is left to do.
    pub(super) async fn look_up(&self, operation: Operation) -> Result<Turn, StoreError> {
        match self.found(&operation, MOST_PAGES).await {
            Ok(Some(happening)) => {
                self.take(&operation, happening).await?;
                Ok(Turn::Done)
            }
            // What it may have made is of no use any more.
            Ok(None) if operation.action == Action::CreateOnboardingLink => {
                self.take(&operation, Happening::Expired).await?;
                Ok(Turn::Done)
            }
            // Neither the next look nor any other would tell. An event or a person still can.
            Ok(None) => Ok(Turn::Done),
            Err(_) => Ok(Turn::Later),
        }
    }

    /// Takes what there is as an answer; that there is nothing is none yet, since the call may be
    /// made again.
    pub(super) async fn look_for(&self, operation: Operation) -> Result<Turn, StoreError> {
        match self.found(&operation, FIRST_PAGE).await {
            Ok(Some(happening @ Happening::Found { .. })) => {
                self.take(&operation, happening).await?;
                Ok(Turn::Done)
            }
            Ok(_) | Err(_) => Ok(Turn::Later),
        }
    }

    /// Looks at what Stripe has of an operation that seems never to have been sent, and was asked
    /// for long ago: a store that was put back from a copy does not know what was sent since, and
    /// Stripe may have forgotten the key.
    pub(super) async fn past(&self, operation: &Operation) -> Result<Past, StoreError> {
        let happening = match self.found(operation, MOST_PAGES).await {
            Ok(Some(found @ Happening::Found { .. })) => found,
            Ok(Some(_)) => return Ok(Past::NeverMade),
            Ok(None) if lookup_of(operation).is_none() => return Ok(Past::NeverMade),
            Ok(None) => Happening::Doubted {
                reason:
                    "it is so old that an earlier run may have sent it, and Stripe's lists are \
                         too long to tell"
                        .to_owned(),
            },
            Err(_) => return Ok(Past::NotToldNow),
        };
        self.take(operation, happening).await?;
        Ok(Past::Recorded)
    }

    /// A refusal can speak of the request alone, and not of an earlier call whose outcome is in
    /// doubt: believed when Stripe has nothing of the operation.
    pub(super) async fn believed(&self, operation: &Operation, refusal: Happening) -> Happening {
        if lookup_of(operation).is_none() {
            return refusal;
        }
        match self.found(operation, MOST_PAGES).await {
            Ok(Some(found @ Happening::Found { .. })) => found,
            Ok(Some(_)) => refusal,
            Ok(None) | Err(_) => {
                let reason = "Stripe refused it, and cannot tell what became of an earlier call";
                Happening::Lost { reason: reason.to_owned(), request_id: None }
            }
        }
    }

    /// What there is at Stripe of an operation; nothing where that cannot be told.
    async fn found(
        &self,
        operation: &Operation,
        pages: usize,
    ) -> Result<Option<Happening>, CallError> {
        let Some(call) = lookup_of(operation) else { return Ok(None) };
        let found = if operation.action == Action::CancelTopup {
            self.canceled(&call).await
        } else {
            self.in_list(operation, call, pages).await
        };
        found.inspect_err(|error| {
            tracing::warn!(
                operation.id = %operation.id,
                error = %error.plainly(),
                request.id = error.request_id(),
                "Stripe could not be asked what became of an operation"
            );
        })
    }

    async fn canceled(&self, call: &Call) -> Result<Option<Happening>, CallError> {
        let answer = self.read(call).await?;
        Ok(match status_of(&answer).as_deref() {
            Some("canceled") => Some(Happening::Found { object_id: answer.id() }),
            // Where it is still pending, canceling it again is a new request.
            Some("pending" | "succeeded" | "failed" | "reversed") => Some(Happening::NotFound),
            _ => None,
        })
    }

    async fn in_list(
        &self,
        operation: &Operation,
        mut call: Call,
        pages: usize,
    ) -> Result<Option<Happening>, CallError> {
        let first = call.clone();
        for _ in 0..pages {
            match listed(&operation.id, &self.read(&call).await?) {
                Listed::Made(id) => return Ok(Some(Happening::Found { object_id: Some(id) })),
                Listed::Nowhere => return Ok(Some(Happening::NotFound)),
                Listed::Unusable => return Ok(None),
                Listed::GoOn(last) => call = first.clone().with("starting_after", last),
            }
        }
        Ok(None)
    }

    async fn read(&self, call: &Call) -> Result<Answer, CallError> {
        let _turn = self.calls.acquire().await;
        self.access.stripe.call(call).await
    }
}
