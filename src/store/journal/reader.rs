//! Reading what the writer has made durable, one record by its position or all in order.
//!
//! Readers never see a batch before its sync: the end is published after it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::iter::FusedIterator;
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cursor::Cursor;
use super::segment::{self, HEADER_BYTES, SegmentHeader};
use super::window::{Window, read_record};
use super::{End, JournalError, Position, recovery};
use crate::store::record::{Encoding, PREFIX_BYTES, Record, RecordKind, encoding_of};

/// Open files that readers keep; the oldest segments are closed first.
const OPEN_FILES: usize = 128;

/// What the writer tells its readers.
pub(super) struct Shared {
    folder: PathBuf,
    committed: Mutex<Committed>,
    files: Mutex<BTreeMap<u32, Arc<File>>>,
}

struct Committed {
    /// One for each segment, from number 1.
    headers: Vec<SegmentHeader>,
    end: End,
}

impl Shared {
    pub(super) fn new(folder: PathBuf, headers: Vec<SegmentHeader>, end: End) -> Self {
        let committed = Mutex::new(Committed { headers, end });
        Self { folder, committed, files: Mutex::default() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn publish(&self, end: End) {
        self.committed().end = end;
    }

    pub(super) fn begin_segment(&self, header: SegmentHeader, end: End) {
        let mut committed = self.committed();
        committed.headers.push(header);
        committed.end = end;
    }

    /// Nothing that holds this lock can panic half-way.
    fn committed(&self) -> MutexGuard<'_, Committed> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end(&self) -> End {
        self.committed().end
    }

    pub(super) fn header(&self, number: u32) -> Option<SegmentHeader> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.committed().headers.get(index).copied()
    }

    /// How many segments there are, and the bytes of records and headers in them.
    fn extent(&self) -> (u64, u64) {
        let committed = self.committed();
        let earlier = committed.headers.iter().skip(1).map(|header| u64::from(header.previous_end));
        let bytes = earlier.sum::<u64>() + u64::from(committed.end.offset);
        (committed.headers.len() as u64, bytes)
    }

    pub(super) fn path(&self, number: u32) -> PathBuf {
        segment::path(&self.folder, number)
    }

    fn file(&self, number: u32) -> Result<Arc<File>, JournalError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&number) {
            return Ok(Arc::clone(file));
        }
        let path = self.path(number);
        let file = Arc::new(File::open(&path).map_err(JournalError::io(path))?);
        while files.len() >= OPEN_FILES {
            files.pop_first();
        }
        files.insert(number, Arc::clone(&file));
        Ok(file)
    }

    /// Its file is another one now.
    pub(super) fn was_replaced(&self, number: u32) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// Where the records of a segment end.
    pub(super) fn stop(&self, number: u32, end: End) -> Option<u32> {
        if number == end.segment {
            return Some(end.offset);
        }
        self.header(number.checked_add(1)?).map(|next| next.previous_end)
    }
}

/// Reads records, from any thread, while the writer goes on.
#[derive(Clone)]
pub struct JournalReader {
    pub(super) shared: Arc<Shared>,
}

impl JournalReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// How many files there are, and how many bytes of them are in use.
    pub fn extent(&self) -> (u64, u64) {
        self.shared.extent()
    }

    /// The record that starts at `position`.
    pub fn read(&self, position: Position) -> Result<Record, JournalError> {
        self.read_with_length(position).and_then(|(record, _)| self.with_body(record))
    }

    /// Whether the body of the record there is no longer what was delivered.
    pub fn is_reduced(&self, position: Position) -> Result<bool, JournalError> {
        let Position { segment, offset } = position;
        let mut first = [0; PREFIX_BYTES + 4];
        let file = self.shared.file(segment)?;
        file.read_exact_at(&mut first, offset.into())
            .map_err(JournalError::io(self.shared.path(segment)))?;
        Ok(encoding_of(&first).is_some_and(Encoding::is_reduced))
    }

    /// Puts a body that was moved in its place.
    pub fn with_body(&self, record: Record) -> Result<Record, JournalError> {
        let Some((segment, offset)) = record.body.lies_at() else { return Ok(record) };
        let (moved, _) = self.read_with_length(Position { segment, offset })?;
        if moved.kind == RecordKind::MovedBody && moved.event_id == record.event_id {
            return Ok(Record { body: moved.body, ..record });
        }
        let what = "the body of another record is not here";
        let path = self.shared.path(segment);
        Err(JournalError::damaged(path, offset.into(), what, Some(record.sequence)))
    }

    fn read_with_length(&self, position: Position) -> Result<(Record, u64), JournalError> {
        let Position { segment, offset } = position;
        let end = self.shared.end();
        if (segment, offset) >= (end.segment, end.offset) {
            return Err(JournalError::BeyondEnd { position });
        }
        let file = self.shared.file(segment)?;
        let stop = self.shared.stop(segment, end).unwrap_or(0);
        read_record(&file, offset.into(), stop.into()).map_err(|failure| {
            JournalError::at_record(self.shared.path(segment), offset.into(), failure, None)
        })
    }

    /// Closed segments with something behind their last record, in words: bytes that change there
    /// cost nothing, and show that the disk is not to be trusted.
    pub fn written_behind_the_ends(&self) -> Result<Vec<String>, JournalError> {
        let mut found = Vec::new();
        for number in 1..self.shared.end().segment {
            let path = self.shared.path(number);
            let stop = u64::from(self.shared.stop(number, self.shared.end()).unwrap_or(0));
            if recovery::last_byte_written(&path, stop)? > stop {
                let file = path.display();
                found.push(format!(
                    "{file}, from byte {stop} on: not blank behind the last record; nothing is lost"
                ));
            }
        }
        Ok(found)
    }

    /// The records behind `from` (none: all of them), in order, up to the end as of this call.
    ///
    /// Checks everything that can be checked: checksums, that sequence and batch numbers have no
    /// gaps, and that the segments fit together. Ends after the first error.
    pub fn scan(&self, from: Option<Position>) -> Scan {
        let end = self.shared.end();
        Scan { reader: self.clone(), end, state: ScanState::Unstarted(from) }
    }
}

/// The records of the journal in order; see [`JournalReader::scan`].
pub struct Scan {
    reader: JournalReader,
    end: End,
    state: ScanState,
}

enum ScanState {
    Unstarted(Option<Position>),
    Inside(u32, Cursor),
    Finished,
}

impl Scan {
    fn advance(&mut self) -> Result<Option<(Position, Record)>, JournalError> {
        let (mut segment, mut cursor) = match mem::replace(&mut self.state, ScanState::Finished) {
            ScanState::Unstarted(None) => self.enter(End::at_start_of(SegmentHeader::FIRST))?,
            ScanState::Unstarted(Some(position)) => self.enter_behind(position)?,
            ScanState::Inside(segment, cursor) => (segment, cursor),
            ScanState::Finished => return Ok(None),
        };
        let mut stop = self.stop(segment);
        while cursor.offset == stop {
            if segment == self.end.segment {
                return Ok(None);
            }
            let place = cursor.place(segment).ok_or_else(|| {
                let what = "the batch crosses the end that the next segment names";
                let file = self.reader.shared.path(segment);
                JournalError::damaged(file, stop, what, Some(cursor.sequence))
            })?;
            let next = End { segment: segment + 1, offset: HEADER_BYTES, ..place };
            (segment, cursor) = self.enter(next)?;
            stop = self.stop(segment);
        }
        let offset = cursor.offset;
        let record = cursor.next(stop).map_err(|failure| {
            let file = self.reader.shared.path(segment);
            JournalError::at_record(file, offset, failure, Some(cursor.sequence))
        })?;
        // `stop` fits, and the record lies before it.
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.state = ScanState::Inside(segment, cursor);
        Ok(Some((Position { segment, offset }, self.reader.with_body(record)?)))
    }

    fn stop(&self, segment: u32) -> u64 {
        self.reader.shared.stop(segment, self.end).unwrap_or(0).into()
    }

    /// Begins a segment, whose header must say what `place` says.
    fn enter(&self, place: End) -> Result<(u32, Cursor), JournalError> {
        let mut window = self.open(place.segment, Some(place.sequence))?;
        let file = self.reader.shared.path(place.segment);
        let bytes = window.get(0, HEADER_BYTES as usize).map_err(JournalError::io(file.clone()))?;
        let header = SegmentHeader::decode(bytes)
            .map_err(|error| JournalError::at_header(file.clone(), error, Some(place.sequence)))?;
        let known = self.reader.shared.header(place.segment);
        if End::at_start_of(header) != place || known != Some(header) {
            let what = "the header does not continue the segment before";
            return Err(JournalError::damaged(file, 0, what, Some(place.sequence)));
        }
        Ok((place.segment, Cursor::new(window, place)))
    }

    fn enter_behind(&self, position: Position) -> Result<(u32, Cursor), JournalError> {
        let (record, length) = self.reader.read_with_length(position)?;
        let window = self.open(position.segment, Some(record.sequence))?;
        let offset = u64::from(position.offset).saturating_add(length);
        Ok((position.segment, Cursor::behind(window, offset, &record)))
    }

    fn open(&self, segment: u32, sequence: Option<u64>) -> Result<Window, JournalError> {
        let path = self.reader.shared.path(segment);
        match File::open(&path).and_then(Window::new) {
            Ok(window) => Ok(window),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(JournalError::damaged(path, 0, "the file is missing", sequence))
            }
            Err(error) => Err(JournalError::io(path)(error)),
        }
    }
}

impl Iterator for Scan {
    type Item = Result<(Position, Record), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl FusedIterator for Scan {}
