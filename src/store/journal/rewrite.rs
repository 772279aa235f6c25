//! Rewriting a closed segment, so that bodies in it say less.
//!
//! Each record keeps its place, its length, its numbers and its times; only its body may change,
//! for one that takes just as many bytes. So every position stays what it was, whoever noted it,
//! and one rename puts the new file in the place of the old. Who has the old one open reads on in
//! it; what was in it is gone from the folder.

use std::fs::File;

use super::cursor::Cursor;
use super::segment::{self, HEADER_BYTES};
use super::window::Window;
use super::{End, JournalError, JournalReader, Position};
use crate::store::record::{PackedBody, Record};

const WRITTEN_AT_ONCE: usize = 1 << 20;

/// What becomes of a record's body: another one of the same stored length, or none, and it stays.
pub type Change<'a, E> = &'a mut dyn FnMut(&Record) -> Result<Option<PackedBody>, E>;

impl JournalReader {
    /// The number of the segment that is written to; those before it are closed.
    pub fn open_segment(&self) -> u32 {
        self.shared.end().segment
    }

    /// Tells the records of one segment, as they lie there.
    pub fn each_in<E: From<JournalError>>(
        &self,
        segment: u32,
        tell: &mut dyn FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut walk = Walk::begin(self, segment)?;
        while let Some((_, record)) = walk.next()? {
            tell(record)?;
        }
        Ok(())
    }

    /// Puts a segment in which `change` was made in the place of a closed one, durably. Answers how
    /// many bodies are others now; with none, nothing is written.
    ///
    /// One at a time: the caller sees to it.
    pub fn rewrite<E: From<JournalError>>(
        &self,
        segment: u32,
        change: Change<'_, E>,
    ) -> Result<u64, E> {
        let mut walk = Walk::begin(self, segment)?;
        let mut new: Option<New> = None;
        let mut changed = 0;
        while let Some((position, record)) = walk.next()? {
            if let Some(body) = change(&record)? {
                changed += 1;
                let new = match &mut new {
                    Some(new) => new,
                    // What came before is as it was.
                    None => new.insert(New::begin(self, segment)?),
                };
                new.copy(&mut walk, position.offset.into())?;
                new.put(&Record { body, ..record }, walk.cursor.offset)?;
            }
        }
        let Some(mut new) = new else { return Ok(0) };
        let stop = walk.stop;
        new.copy(&mut walk, stop)?;
        new.finish(&walk)?;
        Ok(changed)
    }
}

/// Goes through the records of a segment.
struct Walk<'a> {
    reader: &'a JournalReader,
    segment: u32,
    cursor: Cursor,
    stop: u64,
    begun: End,
}

impl<'a> Walk<'a> {
    fn begin(reader: &'a JournalReader, segment: u32) -> Result<Self, JournalError> {
        let end = reader.shared.end();
        let path = reader.shared.path(segment);
        let header = reader.shared.header(segment);
        let start = Position { segment, offset: HEADER_BYTES };
        let header = header.ok_or(JournalError::BeyondEnd { position: start })?;
        let stop = reader.shared.stop(segment, end).unwrap_or(HEADER_BYTES).into();
        let window = File::open(&path).and_then(Window::new).map_err(JournalError::io(path))?;
        let begun = End::at_start_of(header);
        Ok(Self { reader, segment, cursor: Cursor::new(window, begun), stop, begun })
    }

    fn next(&mut self) -> Result<Option<(Position, Record)>, JournalError> {
        let offset = self.cursor.offset;
        if offset >= self.stop {
            return Ok(None);
        }
        let record = self.cursor.next(self.stop).map_err(|failure| {
            let file = self.reader.shared.path(self.segment);
            JournalError::at_record(file, offset, failure, Some(self.cursor.sequence))
        })?;
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        Ok(Some((Position { segment: self.segment, offset }, record)))
    }
}

/// The file that is to take a segment's place.
struct New {
    file: File,
    /// Bytes that are complete, in the file or in the buffer.
    complete: u64,
    buffer: Vec<u8>,
}

impl New {
    fn begin(reader: &JournalReader, segment: u32) -> Result<Self, JournalError> {
        let created = segment::create_beside(reader.shared.folder(), segment);
        let file = created.map_err(JournalError::io(reader.shared.path(segment)))?;
        Ok(Self { file, complete: 0, buffer: Vec::new() })
    }

    /// Takes over what lies before `to`.
    fn copy(&mut self, walk: &mut Walk<'_>, to: u64) -> Result<(), JournalError> {
        let on_disk = || JournalError::io(walk.reader.shared.path(walk.segment));
        let mut copied = Window::again(&walk.cursor.window).map_err(on_disk())?;
        while self.complete < to {
            let count = usize::try_from(to - self.complete).unwrap_or(usize::MAX);
            let bytes = copied.get(self.complete, count.min(WRITTEN_AT_ONCE)).map_err(on_disk())?;
            if bytes.is_empty() {
                let (path, at) = (walk.reader.shared.path(walk.segment), self.complete);
                return Err(JournalError::damaged(path, at, "the file is cut short", None));
            }
            self.buffer.extend_from_slice(bytes);
            self.complete += bytes.len() as u64;
            self.write(WRITTEN_AT_ONCE).map_err(on_disk())?;
        }
        Ok(())
    }

    /// Puts a record where one of the same length ends at `end`.
    fn put(&mut self, record: &Record, end: u64) -> Result<(), JournalError> {
        let before = self.buffer.len();
        let encoded = record.encode(&mut self.buffer);
        self.complete += (self.buffer.len() - before) as u64;
        if encoded.is_err() || self.complete != end {
            let error = std::io::Error::other("a reduced body does not fit into its room");
            return Err(JournalError::Io { file: std::path::PathBuf::new(), source: error });
        }
        Ok(())
    }

    /// Writes the buffer once it holds as much.
    fn write(&mut self, enough: usize) -> std::io::Result<()> {
        if self.buffer.len() >= enough && !self.buffer.is_empty() {
            let at = self.complete - self.buffer.len() as u64;
            segment::write(&self.file, &self.buffer, at)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Reads all of it again before it counts.
    fn finish(mut self, walk: &Walk<'_>) -> Result<(), JournalError> {
        let Walk { reader, segment, .. } = *walk;
        let path = reader.shared.path(segment);
        let on_disk = || JournalError::io(path.clone());
        self.write(0).and_then(|()| segment::sync(&self.file)).map_err(on_disk())?;
        let window = Window::new(self.file).map_err(on_disk())?;
        let mut cursor = Cursor::new(window, walk.begun);
        while cursor.offset < walk.stop {
            cursor.next(walk.stop).map_err(|failure| {
                let sequence = Some(cursor.sequence);
                JournalError::at_record(path.clone(), cursor.offset, failure, sequence)
            })?;
        }
        segment::replace(reader.shared.folder(), segment).map_err(on_disk())?;
        reader.shared.was_replaced(segment);
        Ok(())
    }
}
