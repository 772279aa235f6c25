//! Everything derived: which ids are known, what became of each event, the state of every
//! object, the events known about it, lists and counts.
//!
//! All of it can be deleted and is then folded again from the journal. It lies in sled
//! (`rows`); what is newer than sled is held in memory (`writer`), and every read looks
//! there first.

mod feed;
mod key;
pub mod pending;
mod redo;
mod rows;
mod writer;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use crate::store::journal::Position;
use crate::store::{
    EventFilter, EventRecord, Object, ObjectFilter, PackedBody, Page, Slice, StoreError, Summary,
};
pub use feed::{Redriven, StoredChange};
use pending::Pending;
use rows::Rows;
use writer::Writer;

/// Raised when the rules, or what these records mean, change: older views are then rebuilt.
pub(super) const VIEWS_VERSION: u32 = 2;

/// Items that one page looks at before it answers with what it has found.
const LOOKED_AT_PER_PAGE: usize = 20_000;

/// How long sled may take to let go of its file.
const LET_GO_TRIES: u32 = 1_000;
const LET_GO_PAUSE: Duration = Duration::from_millis(10);

/// The last record of the journal that the views reflect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    version: u32,
    pub sequence: u64,
    pub position: Position,
}

impl Applied {
    pub fn at(sequence: u64, position: Position) -> Self {
        Self { version: VIEWS_VERSION, sequence, position }
    }
}

/// An event's record, and where its body lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    pub record: EventRecord,
    pub position: Position,
    /// The event that was applied to its object before it.
    pub previous: Option<u64>,
}

/// An object, and the event that was applied to it last. From there [`StoredEvent::previous`]
/// leads through all events known about it, which takes no rows of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    pub object: Object,
    pub last_applied: u64,
}

pub struct Views {
    rows: Rows,
    writer: Writer,
}

impl Views {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        wait_until_let_go(path);
        let (rows, writer) = Rows::open(path)?;
        Ok(Self { rows, writer: Writer::start(writer) })
    }

    /// `None` for views that are new, or of another version.
    pub fn applied(&self) -> Result<Option<Applied>, StoreError> {
        if let Some(applied) = self.writer.look(|held| held.applied) {
            return Ok(Some(applied));
        }
        Ok(self.rows.applied()?.filter(|applied| applied.version == VIEWS_VERSION))
    }

    /// The last record that these views reflect, 0 for new ones; `None` for another version.
    pub fn reached(&self) -> Result<Option<u64>, StoreError> {
        match self.applied()? {
            Some(applied) => Ok(Some(applied.sequence)),
            None => Ok(self.rows.is_empty().then_some(0)),
        }
    }

    pub fn sequence_of(&self, livemode: bool, id: &str) -> Result<Option<u64>, StoreError> {
        match self.writer.look(|held| held.of(livemode).ids.get(id).copied()) {
            Some(sequence) => Ok(Some(sequence)),
            None => self.rows.sequence_of(livemode, id),
        }
    }

    pub fn event(
        &self,
        livemode: bool,
        sequence: u64,
    ) -> Result<Option<Arc<StoredEvent>>, StoreError> {
        match self.writer.look(|held| held.of(livemode).events.get(&sequence).cloned()) {
            Some(event) => Ok(Some(event)),
            None => Ok(self.rows.event(livemode, sequence)?.map(Arc::new)),
        }
    }

    /// The event at this place of the order of arrival, in whichever partition.
    pub fn event_at(&self, sequence: u64) -> Result<Option<Arc<StoredEvent>>, StoreError> {
        match self.event(false, sequence)? {
            Some(event) => Ok(Some(event)),
            None => self.event(true, sequence),
        }
    }

    pub fn event_of_id(
        &self,
        livemode: bool,
        id: &str,
    ) -> Result<Option<Arc<StoredEvent>>, StoreError> {
        match self.sequence_of(livemode, id)? {
            Some(sequence) => self.event(livemode, sequence),
            None => Ok(None),
        }
    }

    pub fn object(&self, key: &ObjectKey) -> Result<Option<Arc<StoredObject>>, StoreError> {
        match self.writer.look(|held| held.objects.get(key).cloned()) {
            Some(object) => Ok(Some(object)),
            None => Ok(self.rows.object(key)?.map(Arc::new)),
        }
    }

    /// Sequences of the events known about an object, the one applied last first.
    pub fn reports_of(&self, object: &ObjectKey) -> Result<Vec<u64>, StoreError> {
        let mut sequences = Vec::new();
        let mut next = self.object(object)?.map(|stored| stored.last_applied);
        while let Some(sequence) = next {
            sequences.push(sequence);
            next = self.event(object.livemode, sequence)?.and_then(|event| event.previous);
        }
        Ok(sequences)
    }

    pub fn summary(&self, livemode: bool) -> Result<Summary, StoreError> {
        let oldest_parked = self.oldest_parked(livemode)?;
        Ok(Summary { oldest_parked, ..self.counts(livemode)? })
    }

    /// The summary without what is looked up when it is asked for.
    pub fn counts(&self, livemode: bool) -> Result<Summary, StoreError> {
        match self.writer.look(|held| held.of(livemode).summary.clone()) {
            Some(summary) => Ok(summary),
            None => Ok(self.rows.summary(livemode)?.unwrap_or_default()),
        }
    }

    fn oldest_parked(&self, livemode: bool) -> Result<Option<Timestamp>, StoreError> {
        let held = self.held_parked(livemode);
        let mut stored = self.rows.parked(livemode);
        let stored = stored.find(|row| row.as_ref().map_or(true, |row| !held.contains_key(&row.0)));
        let held = held.into_iter().find_map(|(sequence, at)| at.map(|at| (sequence, at)));
        let oldest = held.into_iter().chain(stored.transpose()?).min();
        Ok(oldest.map(|(_, received_at)| received_at))
    }

    /// Sequences of all parked events, the oldest first.
    pub fn parked(&self, livemode: bool) -> Result<Vec<u64>, StoreError> {
        let held = self.held_parked(livemode);
        let stored = self.rows.parked(livemode).collect::<Result<Vec<_>, _>>()?;
        let mut all: BTreeMap<_, _> =
            stored.into_iter().map(|(sequence, at)| (sequence, Some(at))).collect();
        all.extend(held);
        Ok(all.into_iter().filter_map(|(sequence, at)| at.map(|_| sequence)).collect())
    }

    fn held_parked(&self, livemode: bool) -> BTreeMap<u64, Option<Timestamp>> {
        self.writer.gather(|all, held| BTreeMap::extend(all, &held.of(livemode).parked))
    }

    pub fn objects(
        &self,
        livemode: bool,
        kind: Kind,
        filter: &ObjectFilter,
        slice: Slice,
    ) -> Result<Page<Object>, StoreError> {
        let before = slice.from.unwrap_or(u64::MAX);
        let held: BTreeMap<u64, ObjectKey> = self.writer.gather(|all, held| {
            let listed = held.of(livemode).listed.range((kind, 0)..(kind, before));
            BTreeMap::extend(all, listed.map(|(&(_, sequence), key)| (sequence, key.clone())));
        });
        let stored = self.rows.listed(livemode, kind, before);
        page(newest_first(held, stored), slice, |key| {
            let stored = self.object(&key)?;
            Ok(stored
                .filter(|stored| filter.admits(&stored.object))
                .map(|stored| stored.object.clone()))
        })
    }

    pub fn events(
        &self,
        livemode: bool,
        filter: &EventFilter,
        slice: Slice,
    ) -> Result<Page<EventRecord>, StoreError> {
        let before = slice.from.unwrap_or(u64::MAX);
        let held: BTreeMap<u64, Arc<StoredEvent>> = self.writer.gather(|all, held| {
            let events = held.of(livemode).events.range(..before);
            BTreeMap::extend(all, events.map(|(&sequence, event)| (sequence, Arc::clone(event))));
        });
        let stored = self.rows.events(livemode, before);
        let stored = stored.map(|event| event.map(|(sequence, event)| (sequence, Arc::new(event))));
        page(newest_first(held, stored), slice, |event| {
            Ok(Some(&event.record).filter(|record| filter.admits(record)).cloned())
        })
    }

    /// Makes records visible at once; sled has them later. Waits when too many wait already.
    pub fn hold(&self, pending: Pending) -> Result<(), StoreError> {
        self.writer.hold(pending)
    }

    /// Why nothing more can be written, if so.
    pub fn failure(&self) -> Option<StoreError> {
        self.writer.failure()
    }

    /// Hands everything to the operating system. Not durable by itself.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.writer.flush()
    }

    /// All rows, for comparison with other views.
    pub fn all_rows(&self) -> Result<impl Iterator<Item = Row> + use<>, StoreError> {
        self.flush()?;
        Ok(self.rows.all())
    }
}

/// A key and a value, or why they cannot be read.
type Row = Result<(Vec<u8>, Vec<u8>), StoreError>;

/// What is held in memory and what sled has, by sequence from the newest to the oldest. Where
/// both know one, memory is right: sled's copy is older, or was written meanwhile.
fn newest_first<T>(
    held: BTreeMap<u64, T>,
    stored: impl Iterator<Item = Result<(u64, T), StoreError>>,
) -> impl Iterator<Item = Result<(u64, T), StoreError>> {
    let mut held = held.into_iter().rev().peekable();
    let mut stored = stored.peekable();
    std::iter::from_fn(move || {
        let Some(&(sequence, _)) = held.peek() else { return stored.next() };
        match stored.peek() {
            Some(Ok((other, _))) if *other > sequence => stored.next(),
            Some(Err(_)) => stored.next(),
            Some(Ok((other, _))) if *other == sequence => {
                stored.next();
                held.next().map(Ok)
            }
            Some(Ok(_)) | None => held.next().map(Ok),
        }
    })
}

/// Takes a page from items that come, each with its sequence, from the newest to the oldest.
fn page<I, T>(
    items: impl Iterator<Item = Result<(u64, I), StoreError>>,
    slice: Slice,
    read: impl Fn(I) -> Result<Option<T>, StoreError>,
) -> Result<Page<T>, StoreError> {
    let mut taken = Vec::new();
    let mut last = None;
    for (count, item) in items.enumerate() {
        if taken.len() == slice.limit || count == LOOKED_AT_PER_PAGE {
            return Ok(Page { items: taken, next: last });
        }
        let (sequence, item) = item?;
        taken.extend(read(item)?);
        last = Some(sequence);
    }
    Ok(Page { items: taken, next: None })
}

/// sled's threads close its file a moment after the last handle in this process is dropped, and
/// until then it cannot be opened again. Other processes are kept out by the folder's lock.
pub(super) fn wait_until_let_go(path: &Path) {
    let Ok(file) = File::open(path.join("db")) else { return };
    for _ in 0..LET_GO_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LET_GO_PAUSE),
            // What else is wrong, sled will say.
            Ok(()) | Err(TryLockError::Error(_)) => return,
        }
    }
}

/// Whether two rows with this key say the same.
pub fn says_the_same(key: &[u8], a: &[u8], b: &[u8]) -> bool {
    a == b || key::is_packed(key) && PackedBody::same_content(a, b)
}

/// What a row is about, in words; for reports of differences.
pub fn describe(row: &[u8]) -> String {
    key::describe(row)
}
