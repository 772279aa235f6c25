//! Whether bytes that do not check out can be what a crash has left of a write.
//!
//! Everything behind the end is zero before a write, a sector reaches the disk whole or not at
//! all, and what a process had not written yet when it was killed is the end of the batch. So of
//! a torn record some sector, or the end, is still zero. A record of which every sector was
//! written, and that does not check out, was changed later: that is damage.

use std::io;

use super::window::{ReadFailure, Window};
use crate::store::record::{
    ALIGNMENT, GLIMPSE_BYTES, Glimpse, PREFIX_BYTES, RecordError, record_length, split_prefix,
};

/// The smallest piece that disks write whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// Where something does not check out, behind the last whole batch.
pub(super) struct Suspect<'a> {
    pub(super) window: &'a mut Window,
    pub(super) offset: u64,
    /// The sequence number that belongs there.
    pub(super) sequence: u64,
    /// The batch that was being written, if any was.
    pub(super) batch: u64,
    /// Behind the last byte that is not zero.
    pub(super) dirty_end: u64,
}

impl Suspect<'_> {
    pub(super) fn can_be_torn(&mut self, failure: &ReadFailure) -> io::Result<bool> {
        match failure {
            ReadFailure::Record(RecordError::Absent) => Ok(!self.has_a_follower()?),
            ReadFailure::Record(RecordError::Checksum) => Ok(!(self.was_written_whole()?
                || self.was_written_with_another_length()?
                || self.has_a_follower()?)),
            // A segment has its full length before it is used, and no batch reaches beyond.
            ReadFailure::Record(RecordError::Truncated) => Ok(!self.claims_the_place()?),
            ReadFailure::Io(_)
            | ReadFailure::OutOfPlace(_)
            | ReadFailure::Record(
                RecordError::Malformed(_) | RecordError::NewerFormat(_) | RecordError::Body,
            ) => Ok(false),
        }
    }

    /// Whether it says of itself that it belongs here. What a write that failed long ago has left
    /// does not. One of the two numbers is enough: the other may be what was changed.
    fn claims_the_place(&mut self) -> io::Result<bool> {
        let bytes = self.window.get(self.offset, GLIMPSE_BYTES)?;
        let numbers = bytes.last_chunk::<16>().filter(|_| bytes.len() == GLIMPSE_BYTES);
        let expected = [self.sequence.to_le_bytes(), self.batch.to_le_bytes()];
        Ok(numbers.is_some_and(|numbers| {
            numbers.chunks(8).zip(expected).any(|(number, expected)| *number == expected)
        }))
    }

    /// Whether all that the record should cover was written.
    fn was_written_whole(&mut self) -> io::Result<bool> {
        let Some(prefix) = self.prefix()? else { return Ok(false) };
        if !self.claims_the_place()? {
            return Ok(false);
        }
        let end = self.offset + PREFIX_BYTES as u64 + u64::from(split_prefix(prefix).0);
        let last = self.window.get(end - 1, 1)?.first().copied();
        Ok(last.is_some_and(|last| last != 0) && self.first_blank_sector(end)? == end)
    }

    /// Whether the checksum is that of everything up to the last byte written.
    fn was_written_with_another_length(&mut self) -> io::Result<bool> {
        let Some(prefix) = self.prefix()? else { return Ok(false) };
        let start = self.offset + PREFIX_BYTES as u64;
        let length = usize::try_from(self.dirty_end.saturating_sub(start)).unwrap_or(usize::MAX);
        let payload = self.window.get(start, length)?;
        Ok(payload.len() == length && crc32c::crc32c(payload) == split_prefix(prefix).1)
    }

    /// Whether a whole record of the same batch follows, and every sector up to it was written.
    fn has_a_follower(&mut self) -> io::Result<bool> {
        let written_until = self.first_blank_sector(self.dirty_end)?;
        for offset in (self.offset..written_until).step_by(ALIGNMENT).skip(1) {
            let glimpse = Glimpse::of(self.window.get(offset, GLIMPSE_BYTES)?);
            if glimpse.is_some_and(|it| it.batch == self.batch)
                && self.window.record(offset).is_ok()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn prefix(&mut self) -> io::Result<Option<[u8; PREFIX_BYTES]>> {
        let bytes = self.window.get(self.offset, PREFIX_BYTES)?;
        let prefix: Option<[u8; PREFIX_BYTES]> = bytes.try_into().ok();
        Ok(prefix.filter(|prefix| record_length(*prefix).is_some()))
    }

    /// Where the first sector lies of which nothing was written; `end` when there is none.
    fn first_blank_sector(&mut self, end: u64) -> io::Result<u64> {
        let mut from = self.offset;
        while from < end {
            let to = end.min((from + 1).next_multiple_of(SECTOR_BYTES));
            let length = usize::try_from(to - from).unwrap_or(usize::MAX);
            if self.window.get(from, length)?.iter().all(|&byte| byte == 0) {
                return Ok(from);
            }
            from = to;
        }
        Ok(end)
    }
}
