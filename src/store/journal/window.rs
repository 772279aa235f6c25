//! Reading records off a file: many in order through a buffer of bounded size, or a single one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::store::record::{PREFIX_BYTES, Record, RecordError, record_length};

/// Read ahead; a longer record is read whole all the same.
const WINDOW_BYTES: usize = 1024 * 1024;

/// Most records are shorter, and then one read of the file is enough.
const FIRST_READ_BYTES: usize = 2048;

pub(super) struct Window {
    file: File,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

/// What kept a record from being read.
#[derive(Debug)]
pub(super) enum ReadFailure {
    Io(io::Error),
    Record(RecordError),
    /// A whole record that does not belong where it lies.
    OutOfPlace(&'static str),
}

impl From<io::Error> for ReadFailure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<RecordError> for ReadFailure {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl Window {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length, start: 0, bytes: Vec::new() })
    }

    /// The same file, looked at elsewhere.
    pub(super) fn again(of: &Self) -> io::Result<Self> {
        Ok(Self { file: of.file.try_clone()?, length: of.length, start: 0, bytes: Vec::new() })
    }

    /// Bytes in the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Up to `count` bytes from `offset`; fewer only at the end of the file.
    pub(super) fn get(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let left = self.length.saturating_sub(offset);
        let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        if self.held(offset, count).is_none() {
            self.fill(offset, count.max(WINDOW_BYTES))?;
        }
        Ok(self.held(offset, count).unwrap_or_default())
    }

    fn held(&self, offset: u64, count: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from.checked_add(count)?)
    }

    fn fill(&mut self, offset: u64, count: usize) -> io::Result<()> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.bytes.resize(count.min(left), 0);
        self.bytes.shrink_to(WINDOW_BYTES);
        self.start = offset;
        let result = self.file.read_exact_at(&mut self.bytes, offset);
        if result.is_err() {
            self.bytes.clear();
        }
        result
    }

    /// The record at `offset`, and where the next one would start.
    pub(super) fn record(&mut self, offset: u64) -> Result<(Record, u64), ReadFailure> {
        let prefix = self.get(offset, PREFIX_BYTES)?;
        let prefix = prefix.try_into().map_err(|_| RecordError::Truncated)?;
        let length = record_length(prefix).ok_or(RecordError::Absent)?;
        if length > self.length.saturating_sub(offset) {
            return Err(RecordError::Truncated.into());
        }
        let length_in_memory = usize::try_from(length).map_err(|_| RecordError::Truncated)?;
        let record = Record::decode(self.get(offset, length_in_memory)?)?;
        Ok((record, offset + length))
    }
}

/// Reads one record with one system call where that is enough. Records end at `stop`.
pub(super) fn read_record(
    file: &File,
    offset: u64,
    stop: u64,
) -> Result<(Record, u64), ReadFailure> {
    let left = usize::try_from(stop.saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; left.min(FIRST_READ_BYTES)];
    read_exactly(file, &mut bytes, offset)?;
    let prefix = bytes.first_chunk::<PREFIX_BYTES>().ok_or(RecordError::Truncated)?;
    let length = record_length(*prefix).ok_or(RecordError::Absent)?;
    let length_in_memory = usize::try_from(length).map_err(|_| RecordError::Truncated)?;
    if length_in_memory > left {
        return Err(RecordError::Truncated.into());
    }
    if length_in_memory > bytes.len() {
        bytes.resize(length_in_memory, 0);
        read_exactly(file, &mut bytes, offset)?;
    }
    Ok((Record::decode(&bytes)?, length))
}

/// A file that ends too early is damaged; the disk is not to blame.
fn read_exactly(file: &File, bytes: &mut [u8], offset: u64) -> Result<(), ReadFailure> {
    file.read_exact_at(bytes, offset).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            RecordError::Truncated.into()
        } else {
            error.into()
        }
    })
}
