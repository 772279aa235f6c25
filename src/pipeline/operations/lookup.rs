//! Asking Stripe what there is, when it is too late to send something again.

use crate::domain::operation::{Action, Happening, Operation};
use crate::pipeline::operations::Inner;
use crate::pipeline::operations::drive::Turn;
use crate::store::StoreError;
use crate::stripe::client::{Answer, Call, CallError};
use crate::stripe::outgoing::{Listed, listed, lookup_of, status_of};

/// Pages that are read of one list.
const MOST_PAGES: usize = 100;

impl Inner {
    /// Asks once, when nothing else is left to do.
    pub(super) async fn look_up(&self, operation: Operation) -> Result<Turn, StoreError> {
        match self.found(&operation).await {
            Ok(Some(happening)) => {
                self.take(&operation, happening).await?;
                Ok(Turn::Done)
            }
            // What it may have made is of no use any more.
            Ok(None) if operation.action == Action::CreateOnboardingLink => {
                self.take(&operation, Happening::Expired).await?;
                Ok(Turn::Done)
            }
            // Neither the next look nor any other would tell.
            Ok(None) => Ok(Turn::Done),
            Err(_) => Ok(Turn::Later),
        }
    }

    /// Takes what there is as an answer; that there is nothing is none yet, since the call may be
    /// made again.
    pub(super) async fn look_for(&self, operation: Operation) -> Result<Turn, StoreError> {
        match self.found(&operation).await {
            Ok(Some(happening @ Happening::Found { .. })) => {
                self.take(&operation, happening).await?;
                Ok(Turn::Done)
            }
            Ok(_) | Err(_) => Ok(Turn::Later),
        }
    }

    /// What there is at Stripe of an operation; nothing where that cannot be told.
    async fn found(&self, operation: &Operation) -> Result<Option<Happening>, CallError> {
        let Some(call) = lookup_of(operation) else { return Ok(None) };
        let found = if operation.action == Action::CancelTopup {
            self.canceled(&call).await
        } else {
            self.in_list(operation, call).await
        };
        found.inspect_err(|error| {
            tracing::warn!(operation.id = %operation.id, %error, "Stripe could not be asked what became of an operation");
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
    ) -> Result<Option<Happening>, CallError> {
        let first = call.clone();
        for _ in 0..MOST_PAGES {
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
