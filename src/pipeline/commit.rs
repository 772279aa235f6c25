//! Group commit: many deliveries wait, one task commits what has gathered, all are answered.
//!
//! The queue is bounded by count and by bytes. When it is full the answer is an immediate
//! [`CommitError::Overloaded`]; Stripe delivers again. Memory never grows with the backlog.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::meters::Commits;
use crate::store::{Incoming, Receipt, SharedStore, StoreError};

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests that may wait.
    pub waiting: usize,
    /// Bytes of packed bodies that may wait.
    pub waiting_bytes: usize,
    /// Requests that go into one commit. A few dozen share one sync well; with more, all who
    /// deliver wait for one commit, and nobody prepares the next.
    pub batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { waiting: 4096, waiting_bytes: 64 << 20, batch: 64 }
    }
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    #[error("too many events are waiting to be stored")]
    Overloaded,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("bursar is stopping")]
    Stopping,
}

/// Hands events to the committer. Cheap to clone; the committer ends when the last is gone.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
    limits: Limits,
    meter: Arc<Commits>,
}

/// What waits to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    pub requests: usize,
    pub bytes: usize,
}

/// A request in the queue.
struct Waiting {
    events: Vec<Incoming>,
    asker: Asker,
}

/// Who waits for an answer, and the room its events take meanwhile.
struct Asker {
    span: Span,
    answer: oneshot::Sender<Result<Vec<Receipt>, StoreError>>,
    room: OwnedSemaphorePermit,
}

impl Asker {
    /// Who no longer listens has lost nothing: what could be stored is.
    fn answer(self, answer: Result<Vec<Receipt>, StoreError>) {
        // First, so that who is answered finds room for the next request.
        drop(self.room);
        self.answer.send(answer).ok();
    }
}

/// Says when the store has stopped for good and the process must end.
pub type Failure = watch::Receiver<Option<StoreError>>;

impl Committer {
    /// Starts the task that owns writing.
    pub fn start(store: SharedStore, limits: Limits) -> (Self, JoinHandle<()>, Failure) {
        let (queue, waiting) = mpsc::channel(limits.waiting);
        let (failed, failure) = watch::channel(None);
        let meter = Arc::new(Commits::default());
        let task = tokio::spawn(run(store, waiting, (limits.batch, Arc::clone(&meter)), failed));
        let bytes = Arc::new(Semaphore::new(limits.waiting_bytes));
        (Self { queue, bytes, limits, meter }, task, failure)
    }

    pub fn meter(&self) -> &Commits {
        &self.meter
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What waits now.
    pub fn queue(&self) -> Queue {
        Queue {
            requests: self.queue.max_capacity() - self.queue.capacity(),
            bytes: self.limits.waiting_bytes - self.bytes.available_permits(),
        }
    }

    /// Stores and applies events; all of them or none. Returns once that is durable.
    pub async fn commit(&self, events: Vec<Incoming>) -> Result<Vec<Receipt>, CommitError> {
        let size: usize = events.iter().map(|event| event.body.stored_length()).sum();
        // One request larger than the whole queue may pass when nothing else waits.
        let size = u32::try_from(size.min(self.limits.waiting_bytes)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.bytes)
            .try_acquire_many_owned(size)
            .map_err(|_| CommitError::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        let span = tracing::debug_span!("commit", events = events.len(), batch = Empty);
        let asker = Asker { span: span.clone(), answer, room };
        let waiting = Waiting { events, asker };
        self.queue.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommitError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => CommitError::Stopping,
        })?;
        Ok(answered.instrument(span).await.map_err(|_| CommitError::Stopping)??)
    }
}

async fn run(
    store: SharedStore,
    mut queue: mpsc::Receiver<Waiting>,
    (batch, meter): (usize, Arc<Commits>),
    failed: watch::Sender<Option<StoreError>>,
) {
    let mut gathered = Vec::with_capacity(batch);
    let mut number: u64 = 0;
    while queue.recv_many(&mut gathered, batch).await > 0 {
        let mut events = Vec::with_capacity(gathered.len());
        let mut askers = Vec::with_capacity(gathered.len());
        for waiting in gathered.drain(..) {
            askers.push((waiting.events.len(), waiting.asker));
            events.extend(waiting.events);
        }
        number += 1;
        let (count, begun) = (events.len(), Instant::now());
        let span = tracing::debug_span!("batch", number, events = count, error = Empty);
        for (_, asker) in &askers {
            asker.span.record("batch", number);
            span.follows_from(&asker.span);
        }
        let result = store.commit(events).instrument(span.clone()).await;
        let took = begun.elapsed();
        meter.done(count, took, result.is_ok());
        if result.is_err() {
            span.record("error", "not_stored");
        }
        span.in_scope(|| tracing::debug!(microseconds = took.as_micros(), "committed"));
        if let Err(
            error @ (StoreError::SyncFailed(_)
            | StoreError::ViewsFailed(_)
            | StoreError::ViewsDamaged(_)),
        ) = &result
        {
            failed.send_replace(Some(error.clone()));
        }
        answer(result, askers);
    }
}

/// Gives each asker the receipts of its events, which stand in the order of asking.
fn answer(result: Result<Vec<Receipt>, StoreError>, askers: Vec<(usize, Asker)>) {
    match result {
        Ok(receipts) => {
            let mut receipts = receipts.into_iter();
            for (count, asker) in askers {
                asker.answer(Ok(receipts.by_ref().take(count).collect()));
            }
        }
        Err(error) => {
            tracing::error!(%error, "{} requests could not be committed", askers.len());
            for (_, asker) in askers {
                asker.answer(Err(error.clone()));
            }
        }
    }
}
