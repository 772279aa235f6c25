//! One list of events, from the newest back.

use crate::domain::event::Outcome;
use crate::domain::time::Timestamp;
use crate::pipeline::backfill::{Counts, Works, mark};
use crate::pipeline::commit::CommitError;
use crate::pipeline::receive::incoming;
use crate::store::{Incoming, Receipt, StoreError};
use crate::stripe::client::{Answer, Call, CallError};
use crate::stripe::wire::{Listed, ListedEvent, listed_events, read, tracked_types};

/// Stripe's most.
const PAGE: usize = 100;
/// Events that go to the committer together: deliveries wait while they are stored.
const CHUNK: usize = 20;

/// Why a walk ended before its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// Stripe does not show this list.
    Hidden(String),
    /// This list could not be read to its end; another may be.
    List(String),
    /// Nothing can be done now, with this list or another.
    All(String),
}

/// Whose list, and back to where.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) works: &'a Works,
    pub(super) account: Option<&'a str>,
    /// Inclusive, in Unix seconds; `None` is as far as Stripe goes.
    pub(super) since: Option<u64>,
}

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Start {
    Newest,
    /// After this event, which is the last of the page before.
    After {
        id: String,
        created: u64,
    },
    /// At this second: the event to go on after is gone.
    Until(u64),
}

impl Walk<'_> {
    /// Reads and stores all of it. `noted` hears of each page, the first with Stripe's time of it.
    pub(super) async fn walk(
        &self,
        mut noted: impl FnMut(Counts, Option<Timestamp>),
    ) -> Result<(), Halt> {
        let mut from = Start::Newest;
        loop {
            let answer =
                match self.works.pace.read(&*self.works.access.stripe, &self.page(&from)).await {
                    Ok(answer) => answer,
                    Err(error) => match (from, is_gone(&error)) {
                        (Start::After { created, .. }, true) => {
                            from = Start::Until(created);
                            continue;
                        }
                        (from, _) => return Err(halt(&error, from == Start::Newest)),
                    },
                };
            let Listed { events, has_more } = listed_events(&answer.body, self.account)
                .ok_or_else(|| Halt::List("Stripe's list of events cannot be read".to_owned()))?;
            let counts = self.keep(&events).await?;
            noted(counts, moment_of(&answer));
            let Some(last) = events.into_iter().next_back().filter(|_| has_more) else {
                return Ok(());
            };
            from = Start::After { id: last.id, created: last.created };
        }
    }

    fn page(&self, from: &Start) -> Call {
        let mut call = Call::get("/v1/events").on_behalf_of(self.account).with("limit", PAGE);
        for event_type in listed_types() {
            call = call.with("types[]", event_type);
        }
        if let Some(since) = self.since {
            call = call.with("created[gte]", since);
        }
        match from {
            Start::Newest => call,
            Start::After { id, .. } => call.with("starting_after", id),
            Start::Until(second) => call.with("created[lte]", second),
        }
    }

    /// Stores a page, the oldest first.
    async fn keep(&self, events: &[ListedEvent]) -> Result<Counts, Halt> {
        let mut counts = Counts::default();
        let oldest_first: Vec<&ListedEvent> = events.iter().rev().collect();
        for chunk in oldest_first.chunks(CHUNK) {
            let mut batch = Vec::with_capacity(chunk.len());
            for incoming in chunk.iter().filter_map(|event| self.incoming(event)) {
                // What Stripe lists can be in another version of the API than what it delivered:
                // the committer would take that for another content.
                if self.is_known(&incoming).await? {
                    counts.count(Outcome::Duplicate);
                } else {
                    batch.push(incoming);
                }
            }
            for receipt in commit(self.works, batch).await? {
                counts.count(receipt.outcome);
            }
        }
        Ok(counts)
    }

    async fn is_known(&self, incoming: &Incoming) -> Result<bool, Halt> {
        Ok(self.works.store.event(incoming.livemode, &incoming.event.id).await?.is_some())
    }

    fn incoming(&self, listed: &ListedEvent) -> Option<Incoming> {
        let (body, now) = (listed.body.as_bytes(), (self.works.clock)());
        match read(body, now) {
            Ok(event) => Some(incoming(event, body, mark::SOURCE, now, self.works.access.livemode)),
            Err(error) => {
                tracing::warn!(event.id = %listed.id, %error, "a listed event is left out");
                None
            }
        }
    }
}

/// The types that bursar tracks, of which Stripe takes at the most 20: the others would fill the
/// store with what nobody subscribed to.
fn listed_types() -> impl Iterator<Item = &'static str> {
    tracked_types().map(|(name, _)| name).filter(|name| !name.ends_with(".observed"))
}

fn moment_of(answer: &Answer) -> Option<Timestamp> {
    let seconds = i64::try_from(answer.date?).ok()?;
    Some(Timestamp(seconds.checked_mul(1_000_000)?))
}

/// Whether the event to go on after is no longer kept at Stripe.
fn is_gone(error: &CallError) -> bool {
    match error {
        CallError::Refused { error, .. } => error.param.as_deref() == Some("starting_after"),
        CallError::NotDone { .. } | CallError::Unknown { .. } => false,
    }
}

fn halt(error: &CallError, is_first_page: bool) -> Halt {
    match error {
        // The key itself is refused.
        CallError::Refused { status: 401, .. } => Halt::All(error.to_string()),
        CallError::Refused { .. } | CallError::NotDone { retry: false, .. } if is_first_page => {
            Halt::Hidden(error.to_string())
        }
        CallError::Refused { .. } | CallError::NotDone { .. } | CallError::Unknown { .. } => {
            Halt::List(error.to_string())
        }
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::All(error.to_string())
    }
}

/// Hands events to the committer. Deliveries go first: when there is no room, these wait.
pub(super) async fn commit(works: &Works, batch: Vec<Incoming>) -> Result<Vec<Receipt>, Halt> {
    let mut failures = 0;
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    loop {
        let error = match works.committer.commit(batch.clone()).await {
            Ok(receipts) => return Ok(receipts),
            Err(error) => error,
        };
        failures += 1;
        let may_pass = match &error {
            CommitError::Overloaded | CommitError::Store(StoreError::Unavailable(_)) => true,
            CommitError::Store(_) | CommitError::Stopping => false,
        };
        let wait = works.pace.wait_after(failures).filter(|_| may_pass);
        let Some(wait) = wait else { return Err(Halt::All(error.to_string())) };
        tokio::time::sleep(wait).await;
    }
}

impl Counts {
    fn count(&mut self, outcome: Outcome) {
        self.fetched += 1;
        match outcome {
            Outcome::Duplicate => self.known += 1,
            Outcome::Parked => {
                self.new += 1;
                self.parked += 1;
            }
            Outcome::Applied | Outcome::Stale | Outcome::Unchanged | Outcome::Ignored => {
                self.new += 1;
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.fetched += other.fetched;
        self.new += other.new;
        self.known += other.known;
        self.parked += other.parked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_types_are_asked_for_than_stripe_takes() {
        assert!(listed_types().count() <= 20);
    }
}
