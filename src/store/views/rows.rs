//! The rows in sled: one tree, written in batches that are whole after a crash (see [`redo`]).
//!
//! A batch carries the place in the journal that it reflects. sled's own `flush` is not durable:
//! it survives the process, which is all that is asked of it here.
//!
//! [`redo`]: super::redo

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
pub(super) use sled::IVec as Bytes;

use crate::domain::id::ObjectKey;
use crate::store::views::key;
use crate::store::views::layer::{Layer, Put};
use crate::store::views::redo::Redo;
use crate::store::views::{StoredChange, StoredEvent};
use crate::store::{PackedBody, StoreError};

/// sled's own cache, which takes more than its size in memory; the operating system's serves the
/// rest about as well.
const CACHE_BYTES: u64 = 24 << 20;

/// Neighbouring sequences that share a row: sled's cost is by the row. A leaf of sled's holds
/// up to 16 rows and is written whole, so long rows cost as much as many.
pub(super) const SEQUENCES_PER_ROW: u64 = 8;

/// Batches are kept for a crash up to about this size; then sled is flushed.
const REDO_BYTES: usize = 4 << 20;

thread_local! {
    /// Rows are encoded here, so that each is allocated once, in its own length.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What has neighbouring sequences in one partition: event records, and entries of the change
/// feed.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct EventRow {
    pub(super) events: BTreeMap<u64, StoredEvent>,
    pub(super) changes: BTreeMap<u64, StoredChange>,
}

/// Objects of one kind that were first seen in neighbouring sequences.
pub(super) type ListRow = BTreeMap<u64, ObjectKey>;

/// The number of the row that holds what has this sequence.
pub(super) fn row_of(sequence: u64) -> u64 {
    sequence / SEQUENCES_PER_ROW
}

#[derive(Clone)]
pub(super) struct Rows {
    db: sled::Db,
}

/// A key and a value, or why they cannot be read.
pub(super) type Row = Result<(Bytes, Bytes), StoreError>;

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

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.db.get(key).map_err(|error| sled_failed(&error))?;
        value.map(|value| unpacked(key, value)).transpose()
    }

    /// Rows in the order of their keys, from either end.
    pub(super) fn range(
        &self,
        range: Range<Vec<u8>>,
    ) -> impl DoubleEndedIterator<Item = Row> + use<> {
        self.db.range(range).map(|row| {
            let (key, value) = row.map_err(|error| sled_failed(&error))?;
            let value = unpacked(&key, value)?;
            Ok((key, value))
        })
    }

    /// Every row as it lies in sled, in the order of the keys.
    pub(super) fn all(&self) -> impl Iterator<Item = Row> + use<> {
        self.db.iter().map(|row| row.map_err(|error| sled_failed(&error)))
    }
}

/// The one who writes rows.
pub(super) struct RowWriter {
    rows: Rows,
    redo: Redo,
}

impl RowWriter {
    /// Writes all of it; after a crash there is all of it or nothing.
    pub(super) fn write(&mut self, layer: &Layer) -> Result<(), StoreError> {
        let packed = |(key, value): (&Bytes, Option<&Bytes>)| {
            (key.clone(), value.map(|value| packed(key, value)))
        };
        let batch: Vec<Put> = layer.iter().map(packed).collect();
        self.redo.append(&batch).map_err(|error| unavailable(&error))?;
        self.put(batch)?;
        if self.redo.bytes() >= REDO_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands everything to the operating system. Not durable by itself.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.rows.db.flush().map_err(|error| sled_failed(&error))?;
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
            put.map_err(|error| sled_failed(&error))?;
        }
        Ok(())
    }
}

/// Large rows are compressed: sled copies and writes whole pages for each of them.
fn packed(key: &[u8], value: &Bytes) -> Bytes {
    if key::is_packed(key) { PackedBody::pack(value).to_bytes().into() } else { value.clone() }
}

fn unpacked(key: &[u8], value: Bytes) -> Result<Bytes, StoreError> {
    if !key::is_packed(key) {
        return Ok(value);
    }
    let unpacked = PackedBody::from_bytes(&value).and_then(|packed| packed.unpack());
    let unpacked = unpacked.map_err(|error| StoreError::ViewsDamaged(error.to_string()))?;
    Ok(unpacked.into())
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Bytes, StoreError> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let encoded = postcard::to_extend(value, std::mem::take(scratch));
        *scratch = encoded.map_err(|error| unavailable(&error))?;
        Ok(Bytes::from(scratch.as_slice()))
    })
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|error| StoreError::ViewsDamaged(error.to_string()))
}

fn sled_failed(error: &sled::Error) -> StoreError {
    if matches!(error, sled::Error::Corruption { .. }) {
        return StoreError::ViewsDamaged(error.to_string());
    }
    unavailable(error)
}

fn unavailable(error: &impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
