//! Reads all that can be read of a journal, whatever its state, and says where it cannot.
//!
//! Changes nothing. What lies between two readable records and is none is a [`Gap`]; which records
//! it holds follows from the sequence numbers around it. Start reading at [`salvage`].

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::{io, mem};

use super::JournalError;
use super::recovery::{is_blank, read_last_segment};
use super::segment::{self, HEADER_BYTES, HeaderError, SegmentHeader};
use super::window::{ReadFailure, Window, read_record};
use crate::store::record::{
    ALIGNMENT, GLIMPSE_BYTES, Glimpse, Record, RecordError, RecordKind, claimed_event_id,
};

/// The search for the next record passes over blank pages of this size at once.
const PAGE_BYTES: usize = 4096;

/// What a journal holds, piece by piece, in order.
pub enum Found {
    Record(Record),
    Gap(Gap),
}

/// What should be there and cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    pub places: Vec<Place>,
    /// The records that are lost; empty where all of them are there nevertheless.
    pub sequences: Option<RangeInclusive<u64>>,
    /// Nothing says how many follow.
    pub maybe_more: bool,
}

/// A piece of a file that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    pub from: u64,
    pub to: u64,
    pub what: String,
    /// The event id that the bytes give, which nothing vouches for.
    pub says: Option<String>,
}

/// Reads the journal in `folder` and tells what is found.
///
/// Records up to `acknowledged` are known to have been stored. Gives the bytes of an unfinished
/// batch at the end, which are no damage.
pub fn salvage<E: From<JournalError>>(
    folder: &Path,
    acknowledged: u64,
    tell: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<u64, E> {
    let files = segment_files(folder)?;
    let torn = torn_tail(folder, &files, acknowledged)?;
    let mut salvage = Salvage { tell, next: 1, places: Vec::new() };
    for (index, file) in files.iter().enumerate() {
        let stop = files.get(index + 1).and_then(|next| next.header).map(|next| next.previous_end);
        let torn_from = torn.filter(|_| index + 1 == files.len()).map(|torn| torn.from);
        salvage.file(file, stop.map(u64::from), torn_from)?;
    }
    salvage.finish(acknowledged)?;
    Ok(torn.map_or(0, |torn| torn.bytes))
}

/// A file of the journal, or the lack of one.
struct SegmentFile {
    path: PathBuf,
    number: u32,
    header: Option<SegmentHeader>,
    /// What is wrong with it as a whole.
    fault: Option<(u64, String)>,
    exists: bool,
}

/// The files in the order of what they hold: a sound header knows better than a name.
fn segment_files(folder: &Path) -> Result<Vec<SegmentFile>, JournalError> {
    let numbers = segment::list(folder).map_err(JournalError::io(folder.to_owned()))?;
    let mut files = Vec::new();
    for &number in &numbers {
        let file = segment_file(folder, number)?;
        let never_used = numbers.last() == Some(&number) && file.header.is_none();
        if !(never_used && is_blank_file(&file.path)?) {
            files.push(file);
        }
    }
    let last = files.iter().map(|file| file.number).max().unwrap_or(0);
    let known: BTreeSet<u32> = files.iter().map(|file| file.number).collect();
    let missing = (1..last).filter(|number| !known.contains(number));
    files.extend(missing.map(|number| missing_file(folder, number)));
    files.sort_by_key(|file| file.number);
    Ok(files)
}

fn missing_file(folder: &Path, number: u32) -> SegmentFile {
    SegmentFile {
        path: segment::path(folder, number),
        number,
        header: None,
        fault: Some((0, "the file is missing".to_owned())),
        exists: false,
    }
}

fn segment_file(folder: &Path, number: u32) -> Result<SegmentFile, JournalError> {
    let path = segment::path(folder, number);
    let end = u64::from(HEADER_BYTES);
    let (header, fault) =
        match segment::read_header(&path).map_err(JournalError::io(path.clone()))? {
            Ok(header) if header.number == number => (Some(header), None),
            Ok(header) => {
                let what = format!("this is the file of segment {}", header.number);
                (Some(header), Some((end, what)))
            }
            Err(error @ HeaderError::NewerFormat) => {
                return Err(JournalError::at_header(path, error, None));
            }
            Err(HeaderError::Blank) => (None, Some((end, "the header is missing".to_owned()))),
            Err(HeaderError::Damaged(what)) => (None, Some((end, what.to_owned()))),
        };
    let number = header.map_or(number, |header| header.number);
    Ok(SegmentFile { path, number, header, fault, exists: true })
}

fn is_blank_file(path: &Path) -> Result<bool, JournalError> {
    let starts_blank = segment::read_header(path).map_err(JournalError::io(path.to_owned()))?
        == Err(HeaderError::Blank);
    Ok(starts_blank && is_blank(path)?)
}

/// An unfinished batch behind a sound end.
#[derive(Clone, Copy)]
struct Torn {
    from: u64,
    bytes: u64,
}

fn torn_tail(
    folder: &Path,
    files: &[SegmentFile],
    acknowledged: u64,
) -> Result<Option<Torn>, JournalError> {
    let Some(SegmentFile { header: Some(header), fault: None, .. }) = files.last() else {
        return Ok(None);
    };
    match read_last_segment(folder, *header, acknowledged) {
        Ok(ending) => Ok(Some(Torn { from: ending.end.offset.into(), bytes: ending.torn_bytes() })),
        Err(JournalError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Walks the files, and gathers what is wrong until the next record says what it cost.
struct Salvage<'a, E> {
    tell: &'a mut dyn FnMut(Found) -> Result<(), E>,
    /// The sequence number that should come next.
    next: u64,
    places: Vec<Place>,
}

impl<E: From<JournalError>> Salvage<'_, E> {
    fn file(
        &mut self,
        file: &SegmentFile,
        stop: Option<u64>,
        torn_from: Option<u64>,
    ) -> Result<(), E> {
        if let Some((to, what)) = &file.fault {
            self.note(file, 0..*to, what, None);
        }
        if !file.exists {
            return Ok(());
        }
        let on_disk = || JournalError::io(file.path.clone());
        let window = File::open(&file.path).and_then(Window::new).map_err(on_disk())?;
        let length = window.length();
        let end = torn_from.unwrap_or(length);
        let mut walk = Walk { window, offset: HEADER_BYTES.into(), end, stop };
        while let Some(step) = walk.step().map_err(on_disk())? {
            match step {
                Step::Record { bytes, record } => self.record(file, bytes, *record)?,
                Step::Unreadable { bytes, why: RecordError::NewerFormat(what) } => {
                    let why = ReadFailure::Record(RecordError::NewerFormat(what));
                    let path = file.path.clone();
                    return Err(JournalError::at_record(path, bytes.start, why, None).into());
                }
                Step::Unreadable { bytes, why } => {
                    let says = walk.claimed_id(bytes.start, self.next).map_err(on_disk())?;
                    self.note(file, bytes, &why.to_string(), says);
                }
            }
        }
        if let Some(stop) = stop.filter(|stop| length < *stop) {
            self.note(file, length..stop, "the file is cut short", None);
        }
        Ok(())
    }

    fn record(&mut self, file: &SegmentFile, bytes: Bytes, record: Record) -> Result<(), E> {
        if record.sequence < self.next {
            self.note(file, bytes, "records lie here that were read before", None);
            return Ok(());
        }
        let Some(record) = with_body(&file.path, record) else {
            self.note(file, bytes, "what is left of its body lies in a record that is lost", None);
            return Ok(());
        };
        self.close_gap(record.sequence, false)?;
        self.next = record.sequence.saturating_add(1);
        (self.tell)(Found::Record(record))
    }

    /// Neighbours with the same fault become one place.
    fn note(&mut self, file: &SegmentFile, bytes: Bytes, what: &str, says: Option<String>) {
        match self.places.last_mut() {
            Some(last) if last.what == what && last.to == bytes.start && last.file == file.path => {
                last.to = bytes.end;
            }
            _ => self.places.push(Place {
                file: file.path.clone(),
                from: bytes.start,
                to: bytes.end,
                what: what.to_owned(),
                says,
            }),
        }
    }

    /// The next readable record is `sequence`.
    fn close_gap(&mut self, sequence: u64, maybe_more: bool) -> Result<(), E> {
        let sequences = (sequence > self.next).then(|| self.next..=sequence - 1);
        let places = mem::take(&mut self.places);
        if sequences.is_none() && places.is_empty() {
            return Ok(());
        }
        (self.tell)(Found::Gap(Gap { places, sequences, maybe_more }))
    }

    fn finish(&mut self, acknowledged: u64) -> Result<(), E> {
        let maybe_more = !self.places.is_empty();
        self.close_gap(self.next.max(acknowledged.saturating_add(1)), maybe_more)
    }
}

/// The record with a body that was moved in its place; none when that cannot be read.
fn with_body(path: &Path, record: Record) -> Option<Record> {
    let Some((segment, offset)) = record.body.lies_at() else { return Some(record) };
    let file = File::open(segment::path(path.parent()?, segment)).ok()?;
    let (moved, _) = read_record(&file, offset.into(), file.metadata().ok()?.len()).ok()?;
    let is_it = moved.kind == RecordKind::MovedBody && moved.event_id == record.event_id;
    is_it.then_some(Record { body: moved.body, ..record })
}

type Bytes = Range<u64>;

enum Step {
    Record { bytes: Bytes, record: Box<Record> },
    Unreadable { bytes: Bytes, why: RecordError },
}

/// Goes through one file, from each readable record to the next.
struct Walk {
    window: Window,
    offset: u64,
    /// What lies from here on is none of this walk's business.
    end: u64,
    /// Where the records end, by the header of the next segment.
    stop: Option<u64>,
}

impl Walk {
    fn step(&mut self) -> io::Result<Option<Step>> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let start = self.offset;
        match self.window.record(start) {
            Ok((record, next)) => {
                self.offset = next;
                Ok(Some(Step::Record { bytes: start..next, record: Box::new(record) }))
            }
            Err(ReadFailure::Io(error)) => Err(error),
            // Only a cursor, which knows what should come, calls a record out of place.
            Err(ReadFailure::OutOfPlace(_)) => self.unreadable(RecordError::Absent),
            Err(ReadFailure::Record(why)) => self.unreadable(why),
        }
    }

    /// Passes over what is no record, up to the next one or to the end of what was written.
    fn unreadable(&mut self, why: RecordError) -> io::Result<Option<Step>> {
        let start = self.offset;
        let (next, dirty_end) = self.next_record(start)?;
        let known_end = self.stop.unwrap_or(0).min(self.window.length());
        let to = next.unwrap_or_else(|| dirty_end.max(known_end));
        self.offset = next.unwrap_or(self.end);
        Ok((to > start).then_some(Step::Unreadable { bytes: start..to, why }))
    }

    /// Where the next whole record starts behind `from`, or else the last byte that is not zero.
    fn next_record(&mut self, from: u64) -> io::Result<(Option<u64>, u64)> {
        let (mut page, mut dirty_end) = (from, from);
        while page < self.end {
            let bytes = self.window.get(page, PAGE_BYTES)?;
            if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
                dirty_end = page + last as u64 + 1;
                for offset in (page..dirty_end).step_by(ALIGNMENT).filter(|it| *it > from) {
                    let is_record = Glimpse::of(self.window.get(offset, GLIMPSE_BYTES)?).is_some()
                        && self.window.record(offset).is_ok();
                    if is_record {
                        return Ok((Some(offset), offset));
                    }
                }
            }
            page += PAGE_BYTES as u64;
        }
        Ok((None, dirty_end.min(self.end)))
    }

    /// The event id in the bytes of a record whose checksum is wrong, when the rest looks right.
    fn claimed_id(&mut self, offset: u64, sequence: u64) -> io::Result<Option<String>> {
        let bytes = self.window.get(offset, PAGE_BYTES)?;
        let id = claimed_event_id(bytes, sequence);
        Ok(id.filter(|id| !id.is_empty() && id.chars().all(|it| it.is_ascii_graphic())))
    }
}
