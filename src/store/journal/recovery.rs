//! What opening does: reads the headers, finds the end, and tells a torn tail from damage.
//!
//! A batch is written only after the one before it was synced. So when something does not check
//! out behind committed batch *n*, it can be the torn write of batch *n + 1*, unless something
//! proves that batch *n + 1* had been whole: a whole record of batch *n + 2* or later, or a later
//! segment. Bytes that a crash cannot have left (a sound checksum over a misplaced record, a record
//! that was written to the end and does not check out: see [`super::torn`]) are damage as well.

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::cursor::Cursor;
use super::segment::{self, HEADER_BYTES, HeaderError, SegmentHeader};
use super::torn::Suspect;
use super::window::{ReadFailure, Window, read_record};
use super::{End, JournalError};
use crate::store::record::{ALIGNMENT, GLIMPSE_BYTES, Glimpse, RecordError, SHORTEST_RECORD};

/// The search of a tail passes over blank pages of this size at once.
const PAGE_BYTES: usize = 4096;
static BLANK_PAGE: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

const REWRITTEN_AT_ONCE: usize = 1024 * 1024;

/// The headers of all segments.
pub(super) struct Chain {
    pub(super) headers: Vec<SegmentHeader>,
    /// A last file whose creation was cut off. It holds nothing.
    pub(super) unfinished: Option<u32>,
}

/// Reads the header of every segment and checks that they follow one another.
pub(super) fn read_chain(folder: &Path) -> Result<Chain, JournalError> {
    let numbers = segment::list(folder).map_err(JournalError::io(folder.to_owned()))?;
    let mut headers = Vec::with_capacity(numbers.len());
    let mut unfinished = None;
    for (expected, &number) in (1..).zip(&numbers) {
        let previous = headers.last().copied();
        let file = segment::path(folder, expected);
        if number != expected {
            let sequence = sequence_behind(folder, previous);
            return Err(JournalError::damaged(file, 0, "the file is missing", sequence));
        }
        match segment::read_header(&file).map_err(JournalError::io(file.clone()))? {
            Ok(header) => {
                check_continues(folder, previous, number, header)?;
                headers.push(header);
            }
            Err(HeaderError::Blank) if numbers.last() == Some(&number) && is_blank(&file)? => {
                unfinished = Some(number);
            }
            Err(error) => {
                let sequence = sequence_behind(folder, previous);
                return Err(JournalError::at_header(file, error, sequence));
            }
        }
    }
    Ok(Chain { headers, unfinished })
}

fn open(file: &Path) -> Result<Window, JournalError> {
    File::open(file).and_then(Window::new).map_err(JournalError::io(file.to_owned()))
}

/// Whether a file holds nothing behind the place of its header.
pub(super) fn is_blank(file: &Path) -> Result<bool, JournalError> {
    let header = u64::from(HEADER_BYTES);
    Ok(last_byte_written(file, header)? <= header)
}

/// Behind the last byte from `from` on that is not zero; `from` when all are.
pub(super) fn last_byte_written(file: &Path, from: u64) -> Result<u64, JournalError> {
    let mut window = open(file)?;
    let tail = survey(&mut window, from, u64::MAX);
    Ok(tail.map_err(JournalError::io(file.to_owned()))?.dirty_end)
}

fn check_continues(
    folder: &Path,
    previous: Option<SegmentHeader>,
    number: u32,
    header: SegmentHeader,
) -> Result<(), JournalError> {
    let follows = previous.map_or(header == SegmentHeader::FIRST, |previous| {
        header.number == number
            && header.first_sequence >= previous.first_sequence
            && header.first_batch >= previous.first_batch
            && header.previous_end >= HEADER_BYTES
    });
    if !follows {
        let what = "the header does not continue the segment before";
        let sequence = sequence_behind(folder, previous);
        return Err(JournalError::damaged(segment::path(folder, number), 0, what, sequence));
    }
    previous.map_or(Ok(()), |previous| check_closed(folder, previous, header))
}

/// Checks that the records of `previous` can reach to where `next` says they end, and not beyond.
fn check_closed(
    folder: &Path,
    previous: SegmentHeader,
    next: SegmentHeader,
) -> Result<(), JournalError> {
    let path = segment::path(folder, previous.number);
    let on_disk = || JournalError::io(path.clone());
    let file = File::open(&path).map_err(on_disk())?;
    let length = file.metadata().map_err(on_disk())?.len();
    let stop = u64::from(next.previous_end);
    if length < stop {
        let sequence = sequence_behind(folder, Some(previous));
        return Err(JournalError::damaged(path, length, "the file is cut short", sequence));
    }
    match read_record(&file, stop, length) {
        Ok(_) => {
            let what = "records lie behind the end that the next segment names";
            Err(JournalError::damaged(path, stop, what, Some(next.first_sequence)))
        }
        Err(ReadFailure::Io(source)) => Err(JournalError::Io { file: path, source }),
        Err(ReadFailure::Record(_) | ReadFailure::OutOfPlace(_)) => Ok(()),
    }
}

/// The sequence number that follows the sound records of a segment, for an error's message.
fn sequence_behind(folder: &Path, header: Option<SegmentHeader>) -> Option<u64> {
    let Some(header) = header else { return Some(1) };
    let window = open(&segment::path(folder, header.number)).ok()?;
    let mut cursor = Cursor::new(window, End::at_start_of(header));
    while cursor.next(u64::MAX).is_ok() {}
    Some(cursor.sequence)
}

/// The last segment, ready to be appended to.
pub(super) struct Recovered {
    pub(super) file: File,
    pub(super) end: End,
    /// Bytes of a torn batch that lay behind the end.
    pub(super) cut: u64,
}

/// How the last segment ends.
pub(super) struct Ending {
    path: PathBuf,
    file: File,
    window: Window,
    /// Where the last whole batch starts; 0, the header, when there is none.
    newest: u64,
    /// Behind the last whole batch.
    pub(super) end: End,
    /// Behind the last byte that is not zero.
    dirty_end: u64,
}

/// Finds the end of the last segment, and changes nothing.
///
/// Records up to `acknowledged` must be there: where one is not, nothing is torn.
pub(super) fn read_last_segment(
    folder: &Path,
    header: SegmentHeader,
    acknowledged: u64,
) -> Result<Ending, JournalError> {
    let path = segment::path(folder, header.number);
    let on_disk = || JournalError::io(path.clone());
    let file = segment::open(folder, header.number).map_err(on_disk())?;
    let window = file.try_clone().and_then(Window::new).map_err(on_disk())?;
    let mut cursor = Cursor::new(window, End::at_start_of(header));

    let Committed { newest, end, failure } = committed(&mut cursor, header);
    let tail = survey(&mut cursor.window, end.offset.into(), end.batch).map_err(on_disk())?;
    let is_lost = end.sequence <= acknowledged;
    let (offset, sequence) = (cursor.offset, cursor.sequence);
    let window = &mut cursor.window;
    let mut suspect =
        Suspect { window, offset, sequence, batch: end.batch, dirty_end: tail.dirty_end };
    let is_damage =
        is_lost || tail.later_batch || !suspect.can_be_torn(&failure).map_err(on_disk())?;
    if is_damage {
        let ends = matches!(failure, ReadFailure::Record(RecordError::Absent));
        return Err(if is_lost && ends {
            JournalError::ends_too_early(path, offset, sequence, acknowledged)
        } else {
            JournalError::at_record(path, offset, failure, Some(sequence))
        });
    }
    Ok(Ending { path, file, window: cursor.window, newest, end, dirty_end: tail.dirty_end })
}

impl Ending {
    /// Bytes of a torn batch that lie behind the end.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.dirty_end - u64::from(self.end.offset)
    }

    /// Cuts the torn batch, and makes sure that what counts from here on is on stable storage.
    pub(super) fn recover(mut self) -> Result<Recovered, JournalError> {
        let cut = self.torn_bytes();
        let Self { path, file, window, newest, end, dirty_end } = &mut self;
        rewrite(file, window, *newest, end.offset.into())
            .and_then(|()| segment::erase(file, end.offset.into(), *dirty_end))
            .and_then(|()| segment::sync(file))
            .map_err(JournalError::io(path.clone()))?;
        Ok(Recovered { file: self.file, end: self.end, cut })
    }
}

/// Writes bytes over themselves.
///
/// The newest batch may never have been synced, or its sync may have failed: then the kernel
/// holds it in memory, takes it for written, and would not write it for being asked to sync.
fn rewrite(file: &File, window: &mut Window, from: u64, to: u64) -> io::Result<()> {
    let mut offset = from;
    while offset < to {
        let count = usize::try_from(to - offset).unwrap_or(usize::MAX).min(REWRITTEN_AT_ONCE);
        let bytes = window.get(offset, count)?;
        segment::write(file, bytes, offset)?;
        offset += count as u64;
    }
    Ok(())
}

/// What the records of a segment amount to.
struct Committed {
    /// Where the last whole batch starts; 0, the header, when there is none.
    newest: u64,
    /// Behind the last whole batch.
    end: End,
    /// What is wrong with the record at the cursor.
    failure: ReadFailure,
}

fn committed(cursor: &mut Cursor, header: SegmentHeader) -> Committed {
    let mut newest = 0;
    let mut end = End::at_start_of(header);
    loop {
        match cursor.next(u64::MAX) {
            Ok(_) => {
                if let Some(place) = cursor.place(header.number) {
                    newest = end.offset.into();
                    end = place;
                }
            }
            Err(failure) => return Committed { newest, end, failure },
        }
    }
}

/// What lies behind the last whole batch.
struct Tail {
    /// A whole record proves that more than one batch followed.
    later_batch: bool,
    /// Behind the last byte that is not zero.
    dirty_end: u64,
}

/// Looks through the file from `from`, where batch `next_batch` was to be written.
fn survey(window: &mut Window, from: u64, next_batch: u64) -> io::Result<Tail> {
    let mut tail = Tail { later_batch: false, dirty_end: from };
    // More batches than fit cannot lie there, whatever some bytes say.
    let room = window.length().saturating_sub(from) / SHORTEST_RECORD as u64;
    let later_batches = next_batch.saturating_add(1)..=next_batch.saturating_add(room);
    let mut page = from;
    while page < window.length() {
        let bytes = window.get(page, PAGE_BYTES)?;
        if bytes == BLANK_PAGE {
            // Nearly all pages are, and comparing is the quickest way to see it.
        } else if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            tail.dirty_end = page + last as u64 + 1;
            for offset in (page..tail.dirty_end).step_by(ALIGNMENT) {
                if whole_record_at(window, offset, &later_batches)? {
                    return Ok(Tail { later_batch: true, ..tail });
                }
            }
        }
        page += PAGE_BYTES as u64;
    }
    Ok(tail)
}

/// Whether a whole record of one of `batches` starts at `offset`.
fn whole_record_at(
    window: &mut Window,
    offset: u64,
    batches: &RangeInclusive<u64>,
) -> io::Result<bool> {
    let glimpse = Glimpse::of(window.get(offset, GLIMPSE_BYTES)?);
    if !glimpse.is_some_and(|it| batches.contains(&it.batch)) {
        return Ok(false);
    }
    match window.record(offset) {
        Ok(_) => Ok(true),
        Err(ReadFailure::Io(error)) => Err(error),
        Err(ReadFailure::Record(_) | ReadFailure::OutOfPlace(_)) => Ok(false),
    }
}
