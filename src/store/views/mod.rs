//! Everything derived: which ids are known, what became of each event, the state of every
//! object, the events known about it, lists and counts.
//!
//! All of it can be deleted and is then folded again from the journal. It lies in sled
//! (`rows`); what is newer than sled is held in memory (`writer`), and every read looks
//! there first.

mod audit;
mod erasures;
mod feed;
mod key;
mod layer;
pub mod operations;
pub mod pending;
mod redo;
mod rows;
mod writer;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use crate::store::journal::Position;
use crate::store::{
    EventFilter, EventRecord, Object, ObjectFilter, PackedBody, Page, Slice, StoreError, Summary,
};
pub use feed::{Redriven, StoredChange};
pub use layer::Layer;
use layer::Put;
use rows::{Bytes, EventRow, ListRow, Row, Rows, decode, row_of};
use writer::Writer;

/// Raised when the rules, or what these records mean, change: older views are then rebuilt.
pub(super) const VIEWS_VERSION: u32 = 5;

/// Raised, and [`VIEWS_VERSION`] with it, when other rules make something else of the same events:
/// parked events are then read again, and readers of the change feed begin anew.
pub(super) const RULES_VERSION: u32 = 2;

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
        let applied: Option<Applied> = self.get(key::APPLIED)?;
        Ok(applied.filter(|applied| applied.version == VIEWS_VERSION))
    }

    /// The last record that these views reflect, 0 for new ones; `None` for another version.
    pub fn reached(&self) -> Result<Option<u64>, StoreError> {
        match self.applied()? {
            Some(applied) => Ok(Some(applied.sequence)),
            None => Ok(self.rows.is_empty().then_some(0)),
        }
    }

    pub fn sequence_of(&self, livemode: bool, id: &str) -> Result<Option<u64>, StoreError> {
        self.get(&key::event_id(livemode, id))
    }

    pub fn event(&self, livemode: bool, sequence: u64) -> Result<Option<StoredEvent>, StoreError> {
        let row: Option<EventRow> = self.get(&key::event_row(livemode, row_of(sequence)))?;
        Ok(row.and_then(|mut row| row.events.remove(&sequence)))
    }

    /// The event at this place of the order of arrival, in whichever partition.
    pub fn event_at(&self, sequence: u64) -> Result<Option<StoredEvent>, StoreError> {
        match self.event(false, sequence)? {
            Some(event) => Ok(Some(event)),
            None => self.event(true, sequence),
        }
    }

    pub fn event_of_id(&self, livemode: bool, id: &str) -> Result<Option<StoredEvent>, StoreError> {
        match self.sequence_of(livemode, id)? {
            Some(sequence) => self.event(livemode, sequence),
            None => Ok(None),
        }
    }

    pub fn object(&self, key: &ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        self.get(&key::object(key))
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
        let oldest_parked = self.parked(livemode).next().transpose()?;
        let oldest_parked = oldest_parked.map(|(_, received_at)| received_at);
        Ok(Summary { oldest_parked, ..self.counts(livemode)? })
    }

    /// The summary without what is looked up when it is asked for.
    pub fn counts(&self, livemode: bool) -> Result<Summary, StoreError> {
        Ok(self.get(&key::summary(livemode))?.unwrap_or_default())
    }

    /// All parked events and when they came, the oldest first.
    pub fn parked(
        &self,
        livemode: bool,
    ) -> impl Iterator<Item = Result<(u64, Timestamp), StoreError>> + use<> {
        self.oldest_first(key::parked(livemode, 0)..key::parked(livemode, u64::MAX))
    }

    pub fn objects(
        &self,
        livemode: bool,
        kind: Kind,
        filter: &ObjectFilter,
        slice: Slice,
    ) -> Result<Page<Object>, StoreError> {
        let row = |number| key::list_row(livemode, kind, number);
        let rows = self.newest_first::<ListRow>(row(0)..row(end_of(slice)));
        page(rows.map(|row| Ok(row?.1)), slice, |key| {
            let stored = self.object(&key)?;
            Ok(stored.map(|stored| stored.object).filter(|object| filter.admits(object)))
        })
    }

    pub fn events(
        &self,
        livemode: bool,
        filter: &EventFilter,
        slice: Slice,
    ) -> Result<Page<StoredEvent>, StoreError> {
        let row = |number| key::event_row(livemode, number);
        let rows = self.newest_first::<EventRow>(row(0)..row(end_of(slice)));
        page(rows.map(|row| Ok(row?.1.events)), slice, |event| {
            Ok(Some(event).filter(|event: &StoredEvent| filter.admits(&event.record)))
        })
    }

    /// What a row says, in memory or in sled.
    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let row = match self.writer.look(key) {
            Some(held) => held,
            None => self.rows.get(key)?,
        };
        row.map(|row| decode(&row)).transpose()
    }

    /// What the rows of a range say, each with the number at the end of its key, by which they
    /// come.
    fn oldest_first<T: DeserializeOwned>(
        &self,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<(u64, T), StoreError>> + use<T> {
        let held = self.writer.range(&range).into_iter();
        merged(held, self.rows.range(range), Bytes::cmp).map(|row| {
            let (key, row) = row?;
            Ok((key::last_sequence(&key)?, decode(&row)?))
        })
    }

    /// The same, backwards.
    fn newest_first<T: DeserializeOwned>(
        &self,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<(u64, T), StoreError>> + use<T> {
        let held = self.writer.range(&range).into_iter().rev();
        let descending = |a: &Bytes, b: &Bytes| b.cmp(a);
        merged(held, self.rows.range(range).rev(), descending).map(|row| {
            let (key, row) = row?;
            Ok((key::last_sequence(&key)?, decode(&row)?))
        })
    }

    /// The last record that sled reflects, which a start would go on after; 0 for none.
    pub fn written(&self) -> Result<u64, StoreError> {
        let applied: Option<Applied> =
            self.rows.get(key::APPLIED)?.map(|row| decode(&row)).transpose()?;
        Ok(applied.map_or(0, |applied| applied.sequence))
    }

    /// Bytes of rows that wait in memory.
    pub fn unwritten_bytes(&self) -> usize {
        self.writer.bytes()
    }

    /// Makes rows visible at once; sled has them later. Waits when too many wait already.
    pub fn hold(&self, rows: Layer) -> Result<(), StoreError> {
        self.writer.hold(rows)
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
    pub fn all_rows(
        &self,
    ) -> Result<impl Iterator<Item = Result<(Bytes, Bytes), StoreError>> + use<>, StoreError> {
        self.flush()?;
        Ok(self.rows.all())
    }
}

/// Two runs of rows as one, both in this order. Where both know a row, memory is right: sled's
/// copy is older, or was written meanwhile.
fn merged(
    held: impl Iterator<Item = Put>,
    stored: impl Iterator<Item = Row>,
    order: impl Fn(&Bytes, &Bytes) -> Ordering,
) -> impl Iterator<Item = Row> {
    let (mut held, mut stored) = (held.peekable(), stored.peekable());
    std::iter::from_fn(move || {
        while let Some((key, _)) = held.peek() {
            match stored.peek().map(|row| row.as_ref().map(|(other, _)| order(other, key))) {
                Some(Ok(Ordering::Less) | Err(_)) => return stored.next(),
                Some(Ok(Ordering::Equal)) => drop(stored.next()),
                Some(Ok(Ordering::Greater)) | None => {}
            }
            // The others are gone.
            if let Some((key, Some(value))) = held.next() {
                return Some(Ok((key, value)));
            }
        }
        stored.next()
    })
}

/// The number of the first row that holds nothing of a slice any more.
fn end_of(slice: Slice) -> u64 {
    slice.from.map_or(u64::MAX, |before| row_of(before) + 1)
}

/// Takes a page from rows of items by sequence; rows come from the newest to the oldest.
fn page<I, T>(
    rows: impl Iterator<Item = Result<BTreeMap<u64, I>, StoreError>>,
    slice: Slice,
    read: impl Fn(I) -> Result<Option<T>, StoreError>,
) -> Result<Page<T>, StoreError> {
    let before = slice.from.unwrap_or(u64::MAX);
    let (mut taken, mut last, mut count) = (Vec::new(), None, 0);
    for row in rows {
        for (sequence, item) in row?.into_iter().rev().filter(|(sequence, _)| *sequence < before) {
            if taken.len() == slice.limit || count == LOOKED_AT_PER_PAGE {
                return Ok(Page { items: taken, next: last });
            }
            taken.extend(read(item)?);
            last = Some(sequence);
            count += 1;
        }
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
