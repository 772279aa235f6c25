//! A delivery of Stripe's: is it genuine, what does it say, and is it safely stored?

use crate::current::Current;
use crate::domain::event::{Event, Outcome, Reading};
use crate::domain::time::Timestamp;
use crate::pipeline::commit::{CommitError, Committer};
use crate::store::{Incoming, PackedBody, Receipt};
use crate::stripe::signature::{SecretUse, SignatureError, Verifier};
use crate::stripe::wire::{self, JSON_DEPTH, NotAnEvent, check_depth};

#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    NotAnEvent(#[from] NotAnEvent),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

pub struct Receiver {
    verifier: Current<Verifier>,
    committer: Committer,
    /// The partition of events that do not say which they belong to.
    default_livemode: bool,
    json_depth: usize,
}

impl Receiver {
    pub fn new(
        verifier: impl Into<Current<Verifier>>,
        committer: Committer,
        default_livemode: bool,
    ) -> Self {
        let verifier = verifier.into();
        Self { verifier, committer, default_livemode, json_depth: JSON_DEPTH }
    }

    /// Refuses events with more levels than this.
    #[must_use]
    pub fn nested_at_most(self, json_depth: usize) -> Self {
        Self { json_depth, ..self }
    }

    /// The secrets that deliveries are checked against, and when each was last used.
    pub fn secrets(&self) -> Vec<SecretUse> {
        self.verifier.get().uses()
    }

    /// `signature` is the value of the one `Stripe-Signature` header. Returns once the event is
    /// durable and applied.
    pub async fn receive(
        &self,
        signature: &[u8],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Receipt, ReceiveError> {
        let verifier = self.verifier.get();
        let source = verifier.verify(signature, body, now.signed_seconds())?;
        check_depth(body, self.json_depth)?;
        let event = wire::read(body, now)?;
        let (id, event_type) = (event.id.clone(), event.event_type.clone());
        let object_id = event.object_id.clone();
        let parked = match &event.reading {
            Reading::Parked { reason } => Some(reason.clone()),
            Reading::Report { .. } | Reading::Ignored => None,
        };
        let incoming = incoming(event, body, source, now, self.default_livemode);
        let receipts = self.committer.commit(vec![incoming]).await?;
        let receipt = receipts.into_iter().next().ok_or(CommitError::Stopping)?;
        match parked {
            Some(reason) if receipt.outcome == Outcome::Parked => {
                tracing::warn!(event.id = %id, event.type = %event_type, reason, "parked an event");
            }
            _ => tracing::info!(
                event.id = %id,
                event.type = %event_type,
                object.id = object_id,
                outcome = receipt.outcome.word(),
                "received an event"
            ),
        }
        Ok(receipt)
    }
}

/// An event read from `body`, ready to be stored.
pub fn incoming(
    event: Event,
    body: &[u8],
    source: &str,
    received_at: Timestamp,
    default_livemode: bool,
) -> Incoming {
    Incoming {
        livemode: event.livemode.unwrap_or(default_livemode),
        event,
        received_at,
        source: source.to_owned(),
        body: PackedBody::pack(body),
        conflicting_redelivery: false,
    }
}
