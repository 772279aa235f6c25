//! One file of the journal: its name, its header, and the writes to it.
//!
//! All writing to disk that the journal does goes through [`create`], [`write()`], [`sync`],
//! [`erase`], [`remove`], [`create_beside`], [`replace`] and [`sync_folder`], which is also where
//! tests let a disk fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

pub(super) const HEADER_BYTES: u32 = 64;
const MAGIC: [u8; 8] = *b"BURSARJ1";
const FORMAT_VERSION: u32 = 1;
const CHECKSUM_AT: usize = 60;

/// Zeros are written in pieces of this size.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// What a segment says of itself and of where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u32,
    pub(super) first_sequence: u64,
    pub(super) first_batch: u64,
    /// Where the records of the segment before end; 0 in the first segment.
    pub(super) previous_end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// Short or all zero: the creation of the file was cut off, or a header was lost.
    Blank,
    Damaged(&'static str),
    NewerFormat,
}

impl SegmentHeader {
    pub(super) const FIRST: Self =
        Self { number: 1, first_sequence: 1, first_batch: 1, previous_end: 0 };

    pub(super) fn encode(self) -> Vec<u8> {
        let Self { number, first_sequence, first_batch, previous_end } = self;
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&first_sequence.to_le_bytes());
        bytes.extend_from_slice(&first_batch.to_le_bytes());
        bytes.extend_from_slice(&previous_end.to_le_bytes());
        bytes.resize(CHECKSUM_AT, 0);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// Reads a header from the first bytes of a file.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut rest = bytes;
        if bytes.len() < HEADER_BYTES as usize || bytes.iter().all(|&byte| byte == 0) {
            return Err(HeaderError::Blank);
        }
        if take(&mut rest)? != MAGIC {
            return Err(HeaderError::Damaged("the file does not begin like a journal segment"));
        }
        let (covered, mut checksum) = bytes.split_at_checked(CHECKSUM_AT).unwrap_or_default();
        if crc32c::crc32c(covered) != u32::from_le_bytes(take(&mut checksum)?) {
            return Err(HeaderError::Damaged("the header's checksum does not match"));
        }
        if u32::from_le_bytes(take(&mut rest)?) != FORMAT_VERSION {
            return Err(HeaderError::NewerFormat);
        }
        Ok(Self {
            number: u32::from_le_bytes(take(&mut rest)?),
            first_sequence: u64::from_le_bytes(take(&mut rest)?),
            first_batch: u64::from_le_bytes(take(&mut rest)?),
            previous_end: u32::from_le_bytes(take(&mut rest)?),
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], HeaderError> {
    let (&chunk, after) = rest.split_first_chunk().ok_or(HeaderError::Blank)?;
    *rest = after;
    Ok(chunk)
}

pub(super) fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.journal"))
}

/// The numbers of the segment files in `folder`, ascending. Other files are none of our business.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal"));
        let number = number.and_then(|digits| digits.parse().ok());
        numbers.extend(number.filter(|&it| it > 0 && path(folder, it).ends_with(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes a segment's file and syncs it. Its name is durable only after [`sync_folder`].
pub(super) fn create(folder: &Path, header: SegmentHeader, size: u32) -> io::Result<File> {
    #[cfg(test)]
    super::fault::on_create()?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path(folder, header.number))?;
    preallocate(&file, size.into())?;
    write(&file, &header.encode(), 0)?;
    file.sync_all()?;
    Ok(file)
}

/// Claims the space now, so that a full disk is met here and not in the midst of a batch.
fn preallocate(file: &File, size: u64) -> io::Result<()> {
    match rustix::io::retry_on_intr(|| {
        rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size)
    }) {
        Err(Errno::OPNOTSUPP) => file.set_len(size),
        other => Ok(other?),
    }
}

pub(super) fn open(folder: &Path, number: u32) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path(folder, number))
}

/// What the segment says of itself; nothing but these bytes is read.
pub(super) fn read_header(file: &Path) -> io::Result<Result<SegmentHeader, HeaderError>> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
    File::open(file)?.take(HEADER_BYTES.into()).read_to_end(&mut bytes)?;
    Ok(SegmentHeader::decode(&bytes))
}

pub(super) fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(test)]
    super::fault::on_write(file, bytes, offset)?;
    file.write_all_at(bytes, offset)
}

pub(super) fn sync(file: &File) -> io::Result<()> {
    #[cfg(test)]
    super::fault::on_sync()?;
    file.sync_data()
}

/// Overwrites `from..to` with zeros, without syncing. The blocks stay allocated.
pub(super) fn erase(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut offset = from;
    while offset < to {
        let length = usize::try_from(to - offset).unwrap_or(usize::MAX).min(ZEROS.len());
        let zeros = ZEROS.get(..length).unwrap_or_default();
        write(file, zeros, offset)?;
        offset += zeros.len() as u64;
    }
    Ok(())
}

/// Removes a segment that never came into use, without syncing the folder.
pub(super) fn remove(folder: &Path, number: u32) -> io::Result<()> {
    match fs::remove_file(path(folder, number)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where what takes the place of a segment is written.
fn new_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.journal.new"))
}

/// Begins a file that is to take the place of a segment.
pub(super) fn create_beside(folder: &Path, number: u32) -> io::Result<File> {
    #[cfg(test)]
    super::fault::on_create()?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).open(new_path(folder, number))
}

/// Puts the file begun beside a segment, whole and synced, in its place; after a crash there is
/// the one or the other.
pub(super) fn replace(folder: &Path, number: u32) -> io::Result<()> {
    fs::rename(new_path(folder, number), path(folder, number))?;
    sync_folder(folder)
}

/// Removes what a rewriting that was cut off has left.
pub(super) fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_str().is_some_and(|path| path.ends_with(".journal.new")) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Makes the creation and removal of files in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(test)]
    super::fault::on_sync()?;
    File::open(folder)?.sync_all()
}
