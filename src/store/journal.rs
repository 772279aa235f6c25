//! The append-only journal: numbered files of records, one writer, any number of readers.
//!
//! What [`Journal::append`] returned is on stable storage and is found again by every later open.
//! A batch counts as a whole or not at all. After a crash only the newest batch can be torn, and
//! it is cut; anything else that does not check out is damage, is named with its file and offset,
//! and is never passed over. `docs/journal-format.md` gives the bytes and the argument.
//!
//! Start reading at [`Journal::append`]; `recovery` tells torn from damaged.
//!
//! **Never in here:** what records mean, clocks, and the lock that keeps a second process out.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::store::record::{PackedBody, Record, RecordKind, TooLong};

mod cursor;
mod error;
mod reader;
mod recovery;
mod rewrite;
mod salvage;
mod segment;
mod syncer;
mod torn;
mod window;

#[cfg(test)]
mod fault;
#[cfg(test)]
mod tests;

pub use error::{AppendError, JournalError};
pub use reader::{JournalReader, Scan};
pub use rewrite::Change;
pub use salvage::{Found, Gap, Place, salvage};

use reader::Shared;
use recovery::{Chain, Recovered, read_last_segment};
use segment::{HEADER_BYTES, SegmentHeader};
use syncer::Syncer;

/// What the writer keeps of its buffer between batches.
const KEPT_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Where a record starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    pub segment: u32,
    /// Bytes from the start of the segment's file.
    pub offset: u32,
}

/// A [`Record`] that has not been given its place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// µs since the Unix epoch.
    pub received_at: i64,
    /// µs since the Unix epoch.
    pub recorded_at: i64,
    pub livemode: bool,
    pub kind: RecordKind,
    pub source: String,
    pub event_id: String,
    pub body: PackedBody,
}

/// Where the next batch goes, and the numbers it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    segment: u32,
    offset: u32,
    sequence: u64,
    batch: u64,
}

impl End {
    fn at_start_of(header: SegmentHeader) -> Self {
        Self {
            segment: header.number,
            offset: HEADER_BYTES,
            sequence: header.first_sequence,
            batch: header.first_batch,
        }
    }
}

/// What a failed write may have left on disk. Gone before anything else is written.
#[derive(Clone, Copy, Debug)]
enum Leftover {
    /// Part of a batch behind the end of the current segment.
    Bytes { from: u32, to: u32 },
    /// A segment file that never came into use.
    Segment(u32),
}

/// The one writer.
pub struct Journal {
    shared: Arc<Shared>,
    segment_bytes: u32,
    /// The segment that `end` lies in.
    file: Arc<File>,
    syncer: Syncer,
    file_bytes: u32,
    end: End,
    leftover: Option<Leftover>,
    sync_failed: bool,
    recovered_tail: u64,
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens the journal in `folder`, and begins one where there is none.
    ///
    /// `segment_bytes` is the size of segments made from now on. The caller holds the lock on the
    /// folder.
    pub fn create_or_open(folder: &Path, segment_bytes: u32) -> Result<Self, JournalError> {
        Self::create_or_open_with(folder, segment_bytes, 0)
    }

    /// The same, where it is known that records up to `acknowledged` were stored: a journal that
    /// lacks one of them is damaged, and stays as it is.
    pub fn create_or_open_with(
        folder: &Path,
        segment_bytes: u32,
        acknowledged: u64,
    ) -> Result<Self, JournalError> {
        let in_folder = || JournalError::io(folder.to_owned());
        fs::create_dir_all(folder).map_err(in_folder())?;
        segment::sync_folder(&folder.join("..")).map_err(in_folder())?;
        segment::remove_unfinished(folder).map_err(in_folder())?;
        let Chain { mut headers, unfinished } = recovery::read_chain(folder)?;
        let ending = headers.last().map(|last| read_last_segment(folder, *last, acknowledged));
        let ending = ending.transpose()?;
        if ending.is_none() && acknowledged > 0 {
            let first = segment::path(folder, SegmentHeader::FIRST.number);
            return Err(JournalError::ends_too_early(first, 0, 1, acknowledged));
        }
        // Only now is it sure that nothing stored ever lay in it.
        if let Some(number) = unfinished {
            segment::remove(folder, number)
                .and_then(|()| segment::sync_folder(folder))
                .map_err(JournalError::io(segment::path(folder, number)))?;
        }
        let Some(ending) = ending else {
            let first = SegmentHeader::FIRST;
            let file = segment::create(folder, first, segment_bytes.max(HEADER_BYTES))
                .and_then(|file| segment::sync_folder(folder).map(|()| file))
                .map_err(JournalError::io(segment::path(folder, first.number)))?;
            headers.push(first);
            return Self::new(folder, headers, segment_bytes, file, End::at_start_of(first));
        };
        let Recovered { file, end, cut } = ending.recover()?;
        segment::sync_folder(folder).map_err(in_folder())?;
        let journal = Self::new(folder, headers, segment_bytes, file, end)?;
        Ok(Self { recovered_tail: cut, ..journal })
    }

    /// Whether there is any file of a journal in `folder`.
    pub fn exists(folder: &Path) -> bool {
        segment::list(folder).is_ok_and(|numbers| !numbers.is_empty())
    }

    fn new(
        folder: &Path,
        headers: Vec<SegmentHeader>,
        segment_bytes: u32,
        file: File,
        end: End,
    ) -> Result<Self, JournalError> {
        let length =
            file.metadata().map_err(JournalError::io(segment::path(folder, end.segment)))?.len();
        Ok(Self {
            shared: Arc::new(Shared::new(folder.to_owned(), headers, end)),
            segment_bytes,
            file: Arc::new(file),
            syncer: Syncer::start().map_err(JournalError::io(folder.to_owned()))?,
            file_bytes: u32::try_from(length).unwrap_or(u32::MAX),
            end,
            leftover: None,
            sync_failed: false,
            recovered_tail: 0,
            buffer: Vec::new(),
        })
    }

    /// The last record's sequence; 0 when there is none.
    pub fn newest(&self) -> u64 {
        self.next_sequence() - 1
    }

    /// The sequence number that the next record will get.
    pub fn next_sequence(&self) -> u64 {
        self.end.sequence
    }

    /// Bytes of a torn batch that opening cut off; for the log.
    pub fn recovered_tail(&self) -> u64 {
        self.recovered_tail
    }

    pub fn reader(&self) -> JournalReader {
        JournalReader::new(Arc::clone(&self.shared))
    }

    /// Stores one batch and returns when it is durable: all of it, or nothing of it.
    ///
    /// Gives the sequence number and the position of each draft, in their order.
    pub fn append(&mut self, drafts: Vec<Draft>) -> Result<Vec<(u64, Position)>, AppendError> {
        self.append_while(drafts, <[_]>::to_vec)
    }

    /// The same, and what `meanwhile` makes of those numbers and positions. It runs while the disk
    /// is waited for, so nobody may hear of it before this returns.
    pub fn append_while<T>(
        &mut self,
        drafts: Vec<Draft>,
        meanwhile: impl FnOnce(&[(u64, Position)]) -> T,
    ) -> Result<T, AppendError> {
        self.check_synced()?;
        if drafts.is_empty() {
            return Ok(meanwhile(&[]));
        }
        self.clear_leftover()?;
        let (places, batch_bytes) = self.encode(drafts)?;
        self.make_room(batch_bytes)?;
        self.write_batch(batch_bytes)?;

        // Making room may have moved the end, so positions are known only now.
        let End { segment, offset: start, .. } = self.end;
        let stored = places
            .into_iter()
            .map(|(sequence, at)| (sequence, Position { segment, offset: start + at }))
            .collect::<Vec<_>>();
        // Until it is synced, it is what a failed append would leave.
        self.leftover = Some(Leftover::Bytes { from: start, to: start + batch_bytes });
        let (synced, done) = self.syncer.sync_while(&self.file, || meanwhile(&stored));
        synced.map_err(|error| self.sync_failed(error))?;
        self.leftover = None;
        self.end.offset += batch_bytes;
        self.end.sequence += stored.len() as u64;
        self.end.batch += 1;
        self.shared.publish(self.end);
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        Ok(done)
    }

    /// Fills the buffer with the batch. Gives each record's sequence and its place in the batch,
    /// and the length of the whole.
    fn encode(&mut self, drafts: Vec<Draft>) -> Result<(Vec<(u64, u32)>, u32), TooLong> {
        self.buffer.clear();
        let mut places = Vec::with_capacity(drafts.len());
        let last = drafts.len() - 1;
        for ((index, draft), sequence) in drafts.into_iter().enumerate().zip(self.end.sequence..) {
            places.push((sequence, length_in_segment(&self.buffer)?));
            draft.numbered(sequence, self.end.batch, index == last).encode(&mut self.buffer)?;
        }
        Ok((places, length_in_segment(&self.buffer)?))
    }

    /// Goes on to a new segment unless the batch fits into the rest of this one.
    fn make_room(&mut self, batch_bytes: u32) -> Result<(), AppendError> {
        if batch_bytes <= self.file_bytes.saturating_sub(self.end.offset) {
            return Ok(());
        }
        self.next_segment(batch_bytes)
    }

    /// Goes on to a new segment, so that nothing more is written to those there are; they can then
    /// be [rewritten](JournalReader::rewrite).
    pub fn close_segment(&mut self) -> Result<(), AppendError> {
        self.check_synced()?;
        self.clear_leftover()?;
        if self.end.offset == HEADER_BYTES { Ok(()) } else { self.next_segment(0) }
    }

    fn check_synced(&self) -> Result<(), AppendError> {
        let earlier = || AppendError::SyncFailed(io::Error::other("an earlier sync failed"));
        if self.sync_failed { Err(earlier()) } else { Ok(()) }
    }

    fn next_segment(&mut self, batch_bytes: u32) -> Result<(), AppendError> {
        let header = SegmentHeader {
            number: self.end.segment + 1,
            first_sequence: self.end.sequence,
            first_batch: self.end.batch,
            previous_end: self.end.offset,
        };
        let file_bytes = self.segment_bytes.max(batch_bytes + HEADER_BYTES);
        match segment::create(self.shared.folder(), header, file_bytes) {
            Ok(file) => self.file = Arc::new(file),
            Err(error) => return self.give_up(Leftover::Segment(header.number), error),
        }
        segment::sync_folder(self.shared.folder()).map_err(|error| self.sync_failed(error))?;
        self.file_bytes = file_bytes;
        self.end = End::at_start_of(header);
        self.shared.begin_segment(header, self.end);
        Ok(())
    }

    fn write_batch(&mut self, batch_bytes: u32) -> Result<(), AppendError> {
        if let Err(error) = segment::write(&self.file, &self.buffer, self.end.offset.into()) {
            let from = self.end.offset;
            let to = from + batch_bytes;
            return self.give_up(Leftover::Bytes { from, to }, error);
        }
        Ok(())
    }

    /// Ends a failed append. Clears up at once, since the process may not live to append again.
    fn give_up(&mut self, leftover: Leftover, error: io::Error) -> Result<(), AppendError> {
        self.leftover = Some(leftover);
        match self.clear_leftover() {
            Err(AppendError::SyncFailed(error)) => Err(AppendError::SyncFailed(error)),
            Ok(()) | Err(AppendError::NotStored(_) | AppendError::TooLong(_)) => {
                Err(AppendError::NotStored(error))
            }
        }
    }

    /// Makes sure, durably, that nothing of a failed append is on disk.
    fn clear_leftover(&mut self) -> Result<(), AppendError> {
        let Some(leftover) = self.leftover else { return Ok(()) };
        let cleared = match leftover {
            Leftover::Bytes { from, to } => segment::erase(&self.file, from.into(), to.into()),
            Leftover::Segment(number) => segment::remove(self.shared.folder(), number),
        };
        cleared.map_err(AppendError::NotStored)?;
        let synced = match leftover {
            Leftover::Bytes { .. } => segment::sync(&self.file),
            Leftover::Segment(_) => segment::sync_folder(self.shared.folder()),
        };
        synced.map_err(|error| self.sync_failed(error))?;
        self.leftover = None;
        Ok(())
    }

    fn sync_failed(&mut self, error: io::Error) -> AppendError {
        self.sync_failed = true;
        AppendError::SyncFailed(error)
    }
}

impl Draft {
    fn numbered(self, sequence: u64, batch: u64, last_in_batch: bool) -> Record {
        let Self { received_at, recorded_at, livemode, kind, source, event_id, body } = self;
        Record {
            sequence,
            batch,
            last_in_batch,
            received_at,
            recorded_at,
            livemode,
            kind,
            source,
            event_id,
            body,
        }
    }
}

/// A record that is to get another place.
impl From<Record> for Draft {
    fn from(record: Record) -> Self {
        let Record {
            sequence: _,
            batch: _,
            last_in_batch: _,
            received_at,
            recorded_at,
            livemode,
            kind,
            source,
            event_id,
            body,
        } = record;
        Self { received_at, recorded_at, livemode, kind, source, event_id, body }
    }
}

/// The length of what is to lie behind a segment's header. Offsets have 32 bits.
fn length_in_segment(bytes: &[u8]) -> Result<u32, TooLong> {
    u32::try_from(bytes.len())
        .ok()
        .filter(|length| length.checked_add(HEADER_BYTES).is_some())
        .ok_or(TooLong("batch"))
}
