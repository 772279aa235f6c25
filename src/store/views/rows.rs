//! The rows in sled: one tree, written in batches that are whole after a crash (see [`redo`]).
//!
//! A batch carries the place in the journal that it reflects. sled's own `flush` is not durable:
//! it survives the process, which is all that is asked of it here.
//!
//! [`redo`]: super::redo

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use crate::store::views::key;
use crate::store::views::pending::{Partition, Pending};
use crate::store::views::redo::{Put, Redo};
use crate::store::views::{Applied, StoredChange, StoredEvent, StoredObject};
use crate::store::{PackedBody, StoreError, Summary};

/// sled's own cache, which takes several times its size in memory; the operating system's serves
/// the rest about as well.
const CACHE_BYTES: u64 = 16 << 20;

/// Sequences that share a row of event records: sled's cost is by the row. A leaf of sled's holds
/// up to 16 rows and is written whole, so long rows cost as much as many.
const EVENTS_PER_ROW: u64 = 8;

/// Batches are kept for a crash up to about this size; then sled is flushed.
const REDO_BYTES: usize = 4 << 20;

/// What has neighbouring sequences in one partition: event records, and entries of the change
/// feed, which have no rows of their own because sled's cost is by the row.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct EventRow {
    pub(super) events: BTreeMap<u64, StoredEvent>,
    pub(super) changes: BTreeMap<u64, StoredChange>,
}

#[derive(Clone)]
pub(super) struct Rows {
    db: sled::Db,
}

impl Rows {
    pub(super) fn open(path: &Path) -> Result<(Self, RowWriter), StoreError> {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
        // A damaged sled can panic on open; to us that is one more way of being unusable.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| config.open()));
        let db = match opened {
            Ok(Ok(db)) => db,
            Ok(Err(error)) => return Err(unavailable(&error)),
            Err(_) => {
                return Err(StoreError::Unavailable("sled could not open its folder".to_owned()));
            }
        };
        let rows = Self { db };
        let redo = Redo::open(&path.join("redo")).map_err(|error| unavailable(&error))?;
        let mut writer = RowWriter { rows: rows.clone(), redo };
        writer.recover()?;
        Ok((rows, writer))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.db.is_empty()
    }

    pub(super) fn applied(&self) -> Result<Option<Applied>, StoreError> {
        self.get(key::APPLIED)
    }

    pub(super) fn sequence_of(&self, livemode: bool, id: &str) -> Result<Option<u64>, StoreError> {
        self.get(&key::event_id(livemode, id))
    }

    pub(super) fn event(
        &self,
        livemode: bool,
        sequence: u64,
    ) -> Result<Option<StoredEvent>, StoreError> {
        Ok(self.event_row(livemode, row_of(sequence))?.events.remove(&sequence))
    }

    fn event_row(&self, livemode: bool, row: u64) -> Result<EventRow, StoreError> {
        Ok(self.get_packed(&key::event_row(livemode, row))?.unwrap_or_default())
    }

    pub(super) fn object(&self, key: &ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        self.get_packed(&key::object(key))
    }

    pub(super) fn summary(&self, livemode: bool) -> Result<Option<Summary>, StoreError> {
        self.get(&key::summary(livemode))
    }

    /// Parked events and when they came, the oldest first.
    pub(super) fn parked(
        &self,
        livemode: bool,
    ) -> impl Iterator<Item = Result<(u64, Timestamp), StoreError>> + use<> {
        self.db.scan_prefix(key::all_parked(livemode)).map(|row| {
            let (key, received_at) = row.map_err(|error| unavailable(&error))?;
            Ok((key::last_sequence(&key)?, decode(&received_at)?))
        })
    }

    /// Objects first seen before `before`, the newest first.
    pub(super) fn listed(
        &self,
        livemode: bool,
        kind: Kind,
        before: u64,
    ) -> impl Iterator<Item = Result<(u64, ObjectKey), StoreError>> + use<> {
        let range = key::all_listed(livemode, kind)..key::listed(livemode, kind, before);
        self.db.range(range).rev().map(|row| {
            let (key, object) = row.map_err(|error| unavailable(&error))?;
            Ok((key::last_sequence(&key)?, decode(&object)?))
        })
    }

    /// Event records with sequences below `before`, the newest first.
    pub(super) fn events(
        &self,
        livemode: bool,
        before: u64,
    ) -> impl Iterator<Item = Result<(u64, StoredEvent), StoreError>> + use<> {
        let range = key::all_events(livemode)..=key::event_row(livemode, row_of(before));
        let rows = self.db.range(range).rev().map(|row| {
            let (_, row) = row.map_err(|error| unavailable(&error))?;
            decode_packed::<EventRow>(&row)
        });
        let events = rows.flat_map(|row| match row {
            Ok(row) => row.events.into_iter().rev().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        events.filter(move |event| event.as_ref().map_or(true, |(sequence, _)| *sequence < before))
    }

    /// Rows of events and changes that hold something of `sequences`, the oldest first, each with
    /// its first sequence.
    pub(super) fn event_rows(
        &self,
        livemode: bool,
        sequences: RangeInclusive<u64>,
    ) -> impl Iterator<Item = Result<(u64, EventRow), StoreError>> + use<> {
        let row = |sequence: &u64| key::event_row(livemode, row_of(*sequence));
        let range = row(sequences.start())..=row(sequences.end());
        self.db.range(range).map(|row| {
            let (key, row) = row.map_err(|error| unavailable(&error))?;
            Ok((key::last_sequence(&key)? * EVENTS_PER_ROW, decode_packed(&row)?))
        })
    }

    /// All rows, for comparison with others.
    pub(super) fn all(
        &self,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>> + use<> {
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

/// The one who writes rows.
pub(super) struct RowWriter {
    rows: Rows,
    redo: Redo,
}

impl RowWriter {
    /// Writes all of it; after a crash there is all of it or nothing.
    pub(super) fn write(&mut self, pending: &Pending) -> Result<(), StoreError> {
        let batch = self.batch(pending)?;
        self.redo.append(&batch).map_err(|error| unavailable(&error))?;
        self.put(batch)?;
        if self.redo.bytes() >= REDO_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands everything to the operating system. Not durable by itself.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.rows.db.flush().map_err(|error| unavailable(&error))?;
        self.redo.clear().map_err(|error| unavailable(&error))
    }

    /// Makes batches whole of which a crash may have left some rows unwritten.
    fn recover(&mut self) -> Result<(), StoreError> {
        for batch in self.redo.batches().map_err(|error| unavailable(&error))? {
            self.put(batch)?;
        }
        self.flush()
    }

    fn put(&self, batch: Vec<Put>) -> Result<(), StoreError> {
        for (key, value) in batch {
            let put = match value {
                Some(value) => self.rows.db.insert(key, value),
                None => self.rows.db.remove(key),
            };
            put.map_err(|error| unavailable(&error))?;
        }
        Ok(())
    }

    fn batch(&self, pending: &Pending) -> Result<Vec<Put>, StoreError> {
        let mut batch = Vec::new();
        for livemode in [false, true] {
            self.partition(&mut batch, livemode, pending.of(livemode))?;
        }
        for (key, stored) in &pending.objects {
            batch.push((key::object(key), Some(encode_packed(&**stored)?)));
        }
        if let Some(applied) = &pending.applied {
            batch.push((key::APPLIED.to_vec(), Some(encode(applied)?)));
        }
        Ok(batch)
    }

    fn partition(
        &self,
        batch: &mut Vec<Put>,
        livemode: bool,
        pending: &Partition,
    ) -> Result<(), StoreError> {
        let Partition { ids, events, changes, parked, listed, summary } = pending;
        for (id, sequence) in ids {
            batch.push((key::event_id(livemode, id), Some(encode(sequence)?)));
        }
        let mut rows = ChangedRows { rows: &self.rows, livemode, changed: BTreeMap::new() };
        for (&sequence, event) in events {
            rows.row_of(sequence)?.events.insert(sequence, StoredEvent::clone(event));
        }
        for (&sequence, change) in changes {
            rows.row_of(sequence)?.changes.insert(sequence, change.clone());
        }
        for (row, content) in &rows.changed {
            batch.push((key::event_row(livemode, *row), Some(encode_packed(content)?)));
        }
        for (&sequence, received_at) in parked {
            let value = received_at.map(|received_at| encode(&received_at)).transpose()?;
            batch.push((key::parked(livemode, sequence), value));
        }
        for (&(kind, sequence), object) in listed {
            batch.push((key::listed(livemode, kind, sequence), Some(encode(object)?)));
        }
        if let Some(summary) = summary {
            batch.push((key::summary(livemode), Some(encode(summary)?)));
        }
        Ok(())
    }
}

/// The rows of events and changes that a batch changes, each read once.
struct ChangedRows<'a> {
    rows: &'a Rows,
    livemode: bool,
    changed: BTreeMap<u64, EventRow>,
}

impl ChangedRows<'_> {
    fn row_of(&mut self, sequence: u64) -> Result<&mut EventRow, StoreError> {
        let row = row_of(sequence);
        Ok(match self.changed.entry(row) {
            Entry::Occupied(content) => content.into_mut(),
            Entry::Vacant(place) => place.insert(self.rows.event_row(self.livemode, row)?),
        })
    }
}

/// The number of the row that holds the record of the event with this sequence.
fn row_of(sequence: u64) -> u64 {
    sequence / EVENTS_PER_ROW
}

/// Large rows are compressed: sled copies and writes whole pages for each of them.
fn encode_packed<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    Ok(PackedBody::pack(&encode(value)?).to_bytes())
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_allocvec(value).map_err(|error| unavailable(&error))
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
