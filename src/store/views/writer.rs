//! Writes derived records into sled behind the acknowledgement.
//!
//! An event is durable once the journal holds it, so nobody waits for sled: what a commit makes
//! is held in memory, where reads find it first, and a thread of its own writes what has
//! gathered. Fewer and larger batches cost sled less. What a crash leaves unwritten is folded
//! again from the journal.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::store::StoreError;
use crate::store::views::layer::Layer;
use crate::store::views::rows::{Bytes, RowWriter};

/// Bytes of rows that are written without waiting for more. sled reads and writes whole leaves of
/// rows, so the more neighbours go together, the less each costs in time and on disk.
const ENOUGH_BYTES: usize = 4 << 20;
/// Bytes of rows that may wait in memory, beside those being written.
const MOST_BYTES: usize = 8 << 20;
/// How long fewer than enough wait for company. What a crash finds unwritten is folded again, which
/// takes less time than it took to arrive.
const LINGER: Duration = Duration::from_secs(1);

/// What is held in memory, and the thread that writes it.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    held: Mutex<Held>,
    /// Something in `held` is otherwise.
    turn: Condvar,
}

#[derive(Default)]
struct Held {
    filling: Layer,
    writing: Arc<Layer>,
    /// How often somebody wanted all of it written and flushed, and how often that was done.
    flushes_wanted: u64,
    flushes_done: u64,
    stop: bool,
    /// sled stays with its first error, so that this does too.
    failure: Option<StoreError>,
}

impl Writer {
    pub(super) fn start(mut rows: RowWriter) -> Self {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("bursar-views".to_owned())
            .spawn(move || run(&mut rows, &for_thread));
        match thread {
            Ok(thread) => Self { shared, thread: Some(thread) },
            Err(error) => {
                shared.lock().failure = Some(StoreError::ViewsFailed(error.to_string()));
                Self { shared, thread: None }
            }
        }
    }

    /// Makes rows visible, once there is room for them.
    pub(super) fn hold(&self, rows: Layer) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut held = self.shared.wait_while(self.shared.lock(), |held| {
            held.failure.is_none() && held.filling.bytes() >= MOST_BYTES
        });
        if let Some(failure) = &held.failure {
            return Err(failure.clone());
        }
        let was_empty = held.filling.is_empty();
        held.filling.absorb(rows);
        if was_empty || held.filling.bytes() >= ENOUGH_BYTES {
            self.shared.turn.notify_all();
        }
        Ok(())
    }

    /// What is held under a key; `Some(None)`: there is no such row any more.
    #[expect(clippy::option_option, reason = "not held is something else than held to be gone")]
    pub(super) fn look(&self, key: &[u8]) -> Option<Option<Bytes>> {
        let held = self.shared.lock();
        held.filling.get(key).or_else(|| held.writing.get(key)).cloned()
    }

    /// All that is held in a range of keys, in their order.
    pub(super) fn range(&self, range: &Range<Vec<u8>>) -> BTreeMap<Bytes, Option<Bytes>> {
        let held = self.shared.lock();
        // The oldest first, so that the newest has the last word.
        held.writing.range(range).chain(held.filling.range(range)).collect()
    }

    /// Returns when sled has handed everything held so far to the operating system.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let mut held = self.shared.lock();
        held.flushes_wanted += 1;
        let wanted = held.flushes_wanted;
        self.shared.turn.notify_all();
        let held = self
            .shared
            .wait_while(held, |held| held.failure.is_none() && held.flushes_done < wanted);
        held.failure.clone().map_or(Ok(()), Err)
    }

    /// Of what is held.
    pub(super) fn bytes(&self) -> usize {
        let held = self.shared.lock();
        held.filling.bytes() + held.writing.bytes()
    }

    pub(super) fn failure(&self) -> Option<StoreError> {
        self.shared.lock().failure.clone()
    }
}

impl Drop for Writer {
    /// Lets go of sled. What is not written by then is folded again from the journal.
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.turn.notify_all();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while<'a>(
        &self,
        held: MutexGuard<'a, Held>,
        condition: impl FnMut(&mut Held) -> bool,
    ) -> MutexGuard<'a, Held> {
        self.turn.wait_while(held, condition).unwrap_or_else(PoisonError::into_inner)
    }

    /// What to do next; `None` when there is nothing more to do.
    fn next(&self) -> Option<Turn> {
        let held = self.wait_while(self.lock(), |held| {
            held.filling.is_empty() && held.flushes_done == held.flushes_wanted && !held.stop
        });
        let waited = self.turn.wait_timeout_while(held, LINGER, |held| {
            held.filling.bytes() < ENOUGH_BYTES
                && held.flushes_done == held.flushes_wanted
                && !held.stop
        });
        let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if held.stop {
            return None;
        }
        if held.filling.is_empty() {
            return Some(Turn::Flush { wanted: held.flushes_wanted });
        }
        held.writing = Arc::new(std::mem::take(&mut held.filling));
        self.turn.notify_all();
        Some(Turn::Write(Arc::clone(&held.writing)))
    }

    /// Takes note of a turn that was done; what could not be written stays readable in memory.
    fn done(&self, turn: &Turn, result: Result<(), StoreError>) {
        let mut held = self.lock();
        match (result, turn) {
            (Ok(()), Turn::Write(_)) => held.writing = Arc::default(),
            (Ok(()), Turn::Flush { wanted }) => held.flushes_done = *wanted,
            (Err(error @ StoreError::ViewsDamaged(_)), _) => held.failure = Some(error),
            (Err(error), _) => held.failure = Some(StoreError::ViewsFailed(error.to_string())),
        }
        self.turn.notify_all();
    }
}

/// What the thread does next.
enum Turn {
    Write(Arc<Layer>),
    Flush { wanted: u64 },
}

fn run(rows: &mut RowWriter, shared: &Shared) {
    while let Some(turn) = shared.next() {
        // sled can panic; those who wait must hear of that too.
        let done = catch_unwind(AssertUnwindSafe(|| match &turn {
            Turn::Write(layer) => rows.write(layer),
            Turn::Flush { .. } => rows.flush(),
        }));
        let panicked = |_| Err(StoreError::Unavailable("sled panicked".to_owned()));
        let result = done.unwrap_or_else(panicked);
        let failed = result.is_err();
        shared.done(&turn, result);
        if failed {
            return;
        }
    }
}
