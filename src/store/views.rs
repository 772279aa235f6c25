//! Everything derived, in one sled tree: which ids are known, what became of each event, the
//! state of every object, the events known about it, lists and counts.
//!
//! All of it can be deleted and is then folded again from the journal. One atomic sled batch per
//! commit carries the place in the journal that it reflects. sled's own `flush` is not durable
//! and is not relied on.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::id::{Kind, ObjectKey};
use crate::store::journal::Position;
use crate::store::{
    EventFilter, EventRecord, Object, ObjectFilter, PackedBody, Page, Slice, StoreError, Summary,
};

/// Raised when the rules, or what these records mean, change: older views are then rebuilt.
const VIEWS_VERSION: u32 = 1;

/// sled's own cache; the operating system's serves the rest.
const CACHE_BYTES: u64 = 64 << 20;

/// Items that one page looks at before it answers with what it has found.
const LOOKED_AT_PER_PAGE: usize = 20_000;

/// Sequences that share a row of event records: sled's cost is by the row. A leaf of sled's holds
/// up to 16 rows and is written whole, so long rows cost as much as many.
const EVENTS_PER_ROW: u64 = 8;

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

/// Event records of one partition with neighbouring sequences.
pub type EventRow = BTreeMap<u64, StoredEvent>;

/// An object, and the event that was applied to it last. From there [`StoredEvent::previous`]
/// leads through all events known about it, which takes no rows of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    pub object: Object,
    pub last_applied: u64,
}

#[derive(Clone)]
pub struct Views {
    db: sled::Db,
}

/// One commit's changes.
#[derive(Default)]
pub struct Writes {
    batch: sled::Batch,
}

impl Views {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        wait_until_let_go(path);
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
        // A damaged sled can panic on open; to us that is one more way of being unusable.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| config.open()));
        match opened {
            Ok(Ok(db)) => Ok(Self { db }),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(_) => Err(StoreError::Unavailable("sled could not open its folder".to_owned())),
        }
    }

    /// `None` for views that are new, or of another version.
    pub fn applied(&self) -> Result<Option<Applied>, StoreError> {
        let applied: Option<Applied> = self.get(key::APPLIED)?;
        Ok(applied.filter(|applied| applied.version == VIEWS_VERSION))
    }

    /// The last record that these views reflect, 0 for new ones; `None` for another version.
    pub fn reached(&self) -> Result<Option<u64>, StoreError> {
        let applied: Option<Applied> = self.get(key::APPLIED)?;
        Ok(match applied {
            None => self.db.is_empty().then_some(0),
            Some(applied) => (applied.version == VIEWS_VERSION).then_some(applied.sequence),
        })
    }

    pub fn sequence_of(&self, livemode: bool, id: &str) -> Result<Option<u64>, StoreError> {
        self.get(&key::event_id(livemode, id))
    }

    pub fn event(&self, livemode: bool, sequence: u64) -> Result<Option<StoredEvent>, StoreError> {
        Ok(self.event_row(livemode, event_row_of(sequence))?.remove(&sequence))
    }

    /// The row with this number; see [`event_row_of`].
    pub fn event_row(&self, livemode: bool, row: u64) -> Result<EventRow, StoreError> {
        Ok(self.get_packed(&key::event_row(livemode, row))?.unwrap_or_default())
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
        self.get_packed(&key::object(key))
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
        let mut summary: Summary = self.get(&key::summary(livemode))?.unwrap_or_default();
        let oldest = self.db.scan_prefix(key::all_parked(livemode)).values().next();
        summary.oldest_parked = match oldest {
            Some(row) => Some(decode(&row.map_err(|error| unavailable(&error))?)?),
            None => None,
        };
        Ok(summary)
    }

    pub fn objects(
        &self,
        livemode: bool,
        kind: Kind,
        filter: &ObjectFilter,
        slice: Slice,
    ) -> Result<Page<Object>, StoreError> {
        let all = key::all_listed(livemode, kind);
        let end = key::with_sequence(&all, slice.from.unwrap_or(u64::MAX));
        let rows = self.db.range(all..end).rev().map(|row| {
            let (listed, object) = row.map_err(|error| unavailable(&error))?;
            Ok((key::last_sequence(&listed)?, object))
        });
        page(rows, slice, |object| {
            let stored: Option<StoredObject> = self.get_packed(&object)?;
            Ok(stored.map(|stored| stored.object).filter(|object| filter.admits(object)))
        })
    }

    pub fn events(
        &self,
        livemode: bool,
        filter: &EventFilter,
        slice: Slice,
    ) -> Result<Page<EventRecord>, StoreError> {
        let from = slice.from.unwrap_or(u64::MAX);
        let last_row = key::event_row(livemode, event_row_of(from));
        let rows = self.db.range(key::all_events(livemode)..=last_row).rev();
        let rows = rows.map(|row| {
            let (_, events) = row.map_err(|error| unavailable(&error))?;
            decode_packed::<EventRow>(&events)
        });
        let events = rows.flat_map(|row| match row {
            Ok(events) => events.into_iter().rev().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        let before = |event: &Result<(u64, StoredEvent), _>| {
            event.as_ref().map_or(true, |(sequence, _)| *sequence < from)
        };
        page(events.filter(before), slice, |event| {
            Ok(Some(event.record).filter(|record| filter.admits(record)))
        })
    }

    pub fn write(&self, writes: Writes) -> Result<(), StoreError> {
        self.db.apply_batch(writes.batch).map_err(|error| unavailable(&error))
    }

    /// Hands everything to the operating system. Not durable by itself.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map(|_| ()).map_err(|error| unavailable(&error))
    }

    /// All rows, for comparison with other views.
    pub fn rows(&self) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> + use<> {
        self.db.iter().map(|row| match row {
            Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
            Err(error) => Err(unavailable(&error)),
        })
    }

    fn get_packed<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let value = self.db.get(key).map_err(|error| unavailable(&error))?;
        value.map(|bytes| decode_packed(&bytes)).transpose()
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let value = self.db.get(key).map_err(|error| unavailable(&error))?;
        value.map(|bytes| decode(&bytes)).transpose()
    }
}

impl Writes {
    pub fn applied(&mut self, applied: Applied) -> Result<(), StoreError> {
        self.put(key::APPLIED.to_vec(), &applied)
    }

    pub fn event_row(
        &mut self,
        livemode: bool,
        row: u64,
        events: &EventRow,
    ) -> Result<(), StoreError> {
        self.put_packed(key::event_row(livemode, row), events)
    }

    pub fn event_id(&mut self, livemode: bool, id: &str, sequence: u64) -> Result<(), StoreError> {
        self.put(key::event_id(livemode, id), &sequence)
    }

    pub fn parked(&mut self, record: &EventRecord) -> Result<(), StoreError> {
        self.put(key::parked(record.livemode, record.sequence), &record.received_at)
    }

    pub fn no_longer_parked(&mut self, record: &EventRecord) {
        self.batch.remove(key::parked(record.livemode, record.sequence));
    }

    /// `is_new`: the object was not known before.
    pub fn object(&mut self, stored: &StoredObject, is_new: bool) -> Result<(), StoreError> {
        let object = &stored.object;
        let row = key::object(&object.key);
        if is_new && object.key.kind != Kind::Balance {
            let listed = key::all_listed(object.key.livemode, object.key.kind);
            self.batch.insert(key::with_sequence(&listed, object.first_seen), row.clone());
        }
        self.put_packed(row, stored)
    }

    pub fn summary(&mut self, livemode: bool, summary: &Summary) -> Result<(), StoreError> {
        self.put(key::summary(livemode), summary)
    }

    /// Large rows are compressed: sled copies and writes whole pages for each of them.
    fn put_packed<T: Serialize>(&mut self, key: Vec<u8>, value: &T) -> Result<(), StoreError> {
        let bytes = postcard::to_allocvec(value).map_err(|error| unavailable(&error))?;
        self.batch.insert(key, PackedBody::pack(&bytes).to_bytes());
        Ok(())
    }

    fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) -> Result<(), StoreError> {
        let bytes = postcard::to_allocvec(value).map_err(|error| unavailable(&error))?;
        self.batch.insert(key, bytes);
        Ok(())
    }
}

/// The number of the row that holds the record of the event with this sequence.
pub fn event_row_of(sequence: u64) -> u64 {
    sequence / EVENTS_PER_ROW
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

fn decode_packed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let unpacked = PackedBody::from_bytes(bytes).and_then(|packed| packed.unpack());
    decode(&unpacked.map_err(|error| StoreError::Damaged(format!("a derived record: {error}")))?)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|error| {
        StoreError::Damaged(format!(
            "a derived record does not decode: {error}; `bursar rebuild` recomputes all of them"
        ))
    })
}

fn unavailable(error: &impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// What a row is about, in words; for reports of differences.
pub fn describe(row: &[u8]) -> String {
    let of = match row.first() {
        Some(b'e') => "event id",
        Some(b'n') => "event records",
        Some(b'o') => "object state",
        Some(b'l') => "list index",
        Some(b'p') => "parked index",
        Some(b's') => "summary",
        Some(b'm') => "journal position",
        _ => "unknown row",
    };
    let text: String =
        row.iter().skip(1).copied().filter(u8::is_ascii_graphic).map(char::from).collect();
    format!("{of} {text}")
}

/// The keys. Numbers are big-endian so that rows sort by them.
mod key {
    use sha2::{Digest, Sha256};

    use crate::domain::id::{Kind, ObjectKey};
    use crate::store::StoreError;

    pub(super) const APPLIED: &[u8] = b"m";
    /// Longer ids are keyed by their hash: nobody promises that an id is short.
    const LONGEST_ID_IN_A_KEY: usize = 255;

    pub(super) fn event_id(livemode: bool, id: &str) -> Vec<u8> {
        let mut key = vec![b'e', u8::from(livemode)];
        if id.len() <= LONGEST_ID_IN_A_KEY {
            key.extend_from_slice(id.as_bytes());
        } else {
            key.push(0);
            key.extend_from_slice(&Sha256::digest(id));
        }
        key
    }

    pub(super) fn all_events(livemode: bool) -> Vec<u8> {
        vec![b'n', u8::from(livemode)]
    }

    pub(super) fn event_row(livemode: bool, row: u64) -> Vec<u8> {
        with_sequence(&all_events(livemode), row)
    }

    pub(super) fn all_parked(livemode: bool) -> Vec<u8> {
        vec![b'p', u8::from(livemode)]
    }

    pub(super) fn parked(livemode: bool, sequence: u64) -> Vec<u8> {
        with_sequence(&all_parked(livemode), sequence)
    }

    pub(super) fn summary(livemode: bool) -> Vec<u8> {
        vec![b's', u8::from(livemode)]
    }

    pub(super) fn all_listed(livemode: bool, kind: Kind) -> Vec<u8> {
        vec![b'l', u8::from(livemode), code(kind)]
    }

    /// Each part carries its length, so that no object's key is the beginning of another's.
    pub(super) fn object(key: &ObjectKey) -> Vec<u8> {
        let ObjectKey { livemode, kind, owner, id } = key;
        let owner = owner.as_deref().unwrap_or("");
        let mut row = vec![b'o', u8::from(*livemode), code(*kind)];
        for part in [owner, id.as_str()] {
            row.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            row.extend_from_slice(part.as_bytes());
        }
        row
    }

    pub(super) fn with_sequence(prefix: &[u8], sequence: u64) -> Vec<u8> {
        [prefix, &sequence.to_be_bytes()].concat()
    }

    pub(super) fn last_sequence(row: &[u8]) -> Result<u64, StoreError> {
        match row.last_chunk::<8>() {
            Some(bytes) => Ok(u64::from_be_bytes(*bytes)),
            None => Err(StoreError::Damaged("an index row is too short".to_owned())),
        }
    }

    fn code(kind: Kind) -> u8 {
        match kind {
            Kind::Account => 1,
            Kind::Topup => 2,
            Kind::Transfer => 3,
            Kind::Payout => 4,
            Kind::Balance => 5,
        }
    }
}
