//! A delivery of Stripe's: is it genuine, what does it say, and is it safely stored?

use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::current::Current;
use crate::domain::event::{Event, Outcome, Reading};
use crate::domain::time::Timestamp;
use crate::meters::Deliveries;
use crate::pipeline::commit::{CommitError, Committer};
use crate::store::{Incoming, PackedBody, Receipt};
use crate::stripe::signature::{SecretUse, SignatureError, Verifier, signed_at};
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
    meter: Deliveries,
    json_depth: usize,
}

impl Receiver {
    pub fn new(
        verifier: impl Into<Current<Verifier>>,
        committer: Committer,
        default_livemode: bool,
    ) -> Self {
        let (verifier, meter) = (verifier.into(), Deliveries::default());
        verifier.get().names().for_each(|source| meter.expect(source));
        Self { verifier, committer, default_livemode, meter, json_depth: JSON_DEPTH }
    }

    pub fn meter(&self) -> &Deliveries {
        &self.meter
    }

    pub fn committer(&self) -> &Committer {
        &self.committer
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

    /// Takes note of how far the clocks are apart.
    fn note_skew<T>(&self, signature: &[u8], verified: &Result<T, SignatureError>, now: i64) {
        let genuine = matches!(verified, Ok(_) | Err(SignatureError::OutOfTolerance { .. }));
        if let Some(at) = signed_at(signature).filter(|_| genuine) {
            self.meter.signed(at, now);
        }
    }

    /// `signature` is the value of the one `Stripe-Signature` header. Returns once the event is
    /// durable and applied.
    pub async fn receive(
        &self,
        signature: &[u8],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Receipt, ReceiveError> {
        let span = tracing::debug_span!(
            "delivery",
            event.id = Empty,
            event.type = Empty,
            object.id = Empty,
            account.id = Empty,
            source = Empty,
            outcome = Empty,
            error = Empty,
        );
        let received = self.receive_within(&span, signature, body, now);
        let result = received.instrument(span.clone()).await;
        match &result {
            Ok(receipt) => span.record("outcome", receipt.outcome.word()),
            Err(ReceiveError::Signature(_)) => span.record("error", "signature"),
            Err(ReceiveError::NotAnEvent(_)) => span.record("error", "not_an_event"),
            Err(ReceiveError::Commit(_)) => span.record("error", "not_stored"),
        };
        result
    }

    async fn receive_within(
        &self,
        span: &Span,
        signature: &[u8],
        body: &[u8],
        now: Timestamp,
    ) -> Result<Receipt, ReceiveError> {
        let (verifier, seconds) = (self.verifier.get(), now.signed_seconds());
        let signer = verifier.verify(signature, body, seconds);
        self.note_skew(signature, &signer, seconds);
        let source = signer?;
        check_depth(body, self.json_depth)?;
        let event = wire::read(body, now)?;
        let (id, event_type) = (event.id.clone(), event.event_type.clone());
        let object_id = event.object_id.clone();
        span.record("source", source);
        span.record("event.id", &*id);
        span.record("event.type", &*event_type);
        span.record("object.id", object_id.as_deref());
        span.record("account.id", event.account.as_deref());
        let parked = match &event.reading {
            Reading::Parked { reason } => Some(reason.clone()),
            Reading::Report { .. } | Reading::Ignored => None,
        };
        let incoming = incoming(event, body, source, now, self.default_livemode);
        let receipts = self.committer.commit(vec![incoming]).await?;
        let receipt = receipts.into_iter().next().ok_or(CommitError::Stopping)?;
        self.meter.taken(source, receipt.outcome);
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
