//! Walks the records of one segment and checks that each is the one that belongs there.

use super::End;
use super::window::{ReadFailure, Window};
use crate::store::record::Record;

pub(super) struct Cursor {
    pub(super) window: Window,
    pub(super) offset: u64,
    /// The sequence number that belongs at `offset`.
    pub(super) sequence: u64,
    batch: u64,
    within_batch: bool,
}

impl Cursor {
    /// Stands between two batches, where `place` says.
    pub(super) fn new(window: Window, place: End) -> Self {
        let End { segment: _, offset, sequence, batch } = place;
        Self { window, offset: offset.into(), sequence, batch, within_batch: false }
    }

    /// Stands behind `record`, which ends at `offset`.
    pub(super) fn behind(window: Window, offset: u64, record: &Record) -> Self {
        let within_batch = !record.last_in_batch;
        let batch = record.batch.saturating_add(u64::from(record.last_in_batch));
        let sequence = record.sequence.saturating_add(1);
        Self { window, offset, sequence, batch, within_batch }
    }

    /// The next record. Stays where it is on failure. Records end at `stop`.
    pub(super) fn next(&mut self, stop: u64) -> Result<Record, ReadFailure> {
        let (record, next_offset) = self.window.record(self.offset)?;
        if record.batch != self.batch {
            return Err(ReadFailure::OutOfPlace("a record of another batch lies here"));
        }
        if record.sequence != self.sequence {
            return Err(ReadFailure::OutOfPlace("a record with another sequence number lies here"));
        }
        if next_offset > stop || (next_offset == stop && !record.last_in_batch) {
            return Err(ReadFailure::OutOfPlace(
                "the batch crosses the end that the next segment names",
            ));
        }
        self.within_batch = !record.last_in_batch;
        self.batch += u64::from(record.last_in_batch);
        self.sequence += 1;
        self.offset = next_offset;
        Ok(record)
    }

    /// The place behind the last record, when that closed its batch.
    pub(super) fn place(&self, segment: u32) -> Option<End> {
        let offset = u32::try_from(self.offset).ok().filter(|_| !self.within_batch)?;
        Some(End { segment, offset, sequence: self.sequence, batch: self.batch })
    }
}
