//! What sled was told last, in a file beside its own.
//!
//! sled's batches are atomic, but while one is applied nobody can read. So rows are written one
//! by one, and what makes a batch whole again after a crash is this file: a batch stands here
//! before its first row is written, and until sled has handed all of its rows to the operating
//! system. Opening writes every batch in it once more, in their order: a row says what is, not
//! what changed, so that nothing is counted twice. Like sled's own files it outlives the process
//! but not a loss of power, after which the views are not trusted anyway.
//!
//! A batch is its length and its CRC-32C, and then its rows: the lengths of key and value, the
//! largest of which stands for no value, key and value. Numbers are four bytes, little-endian.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use crate::store::views::layer::Put;

const NO_VALUE: u32 = u32::MAX;

pub(super) struct Redo {
    file: File,
    bytes: usize,
}

impl Redo {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file =
            File::options().create(true).read(true).write(true).truncate(false).open(path)?;
        Ok(Self { file, bytes: 0 })
    }

    /// The batches in the file, as far as they are whole: of one that is not, no row was written.
    pub(super) fn batches(&mut self) -> io::Result<Vec<Vec<Put>>> {
        let mut content = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut content)?;
        let mut rest = content.as_slice();
        let mut batches = Vec::new();
        while let Some((batch, after)) = first_batch(rest) {
            batches.push(batch);
            rest = after;
        }
        Ok(batches)
    }

    pub(super) fn append(&mut self, batch: &[Put]) -> io::Result<()> {
        let mut rows = Vec::new();
        for (key, value) in batch {
            rows.extend_from_slice(&length(key)?.to_le_bytes());
            let value_length = value.as_deref().map_or(Ok(NO_VALUE), length)?;
            rows.extend_from_slice(&value_length.to_le_bytes());
            rows.extend_from_slice(key);
            rows.extend_from_slice(value.as_deref().unwrap_or_default());
        }
        let header = [length(&rows)?.to_le_bytes(), crc32c::crc32c(&rows).to_le_bytes()];
        self.file.write_all(header.as_flattened())?;
        self.file.write_all(&rows)?;
        self.bytes += rows.len();
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets all batches.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.bytes = 0;
        Ok(())
    }
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(io::Error::other)
}

fn first_batch(bytes: &[u8]) -> Option<(Vec<Put>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (mut rows, rest) = taken(rest, u32::from_le_bytes(*length))?;
    if crc32c::crc32c(rows) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut batch = Vec::new();
    while !rows.is_empty() {
        let put;
        (put, rows) = first_row(rows)?;
        batch.push(put);
    }
    Some((batch, rest))
}

fn first_row(bytes: &[u8]) -> Option<(Put, &[u8])> {
    let (key_length, rest) = bytes.split_first_chunk::<4>()?;
    let (value_length, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = taken(rest, u32::from_le_bytes(*key_length))?;
    match u32::from_le_bytes(*value_length) {
        NO_VALUE => Some(((key.into(), None), rest)),
        length => {
            let (value, rest) = taken(rest, length)?;
            Some(((key.into(), Some(value.into())), rest))
        }
    }
}

fn taken(bytes: &[u8], length: u32) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: Option<&str>) -> Put {
        (key.into(), value.map(Into::into))
    }

    /// Two batches in a file, and the file's length after each.
    fn written(path: &Path) -> [u64; 2] {
        let mut redo = Redo::open(path).expect("a file");
        [[put("a", Some("1")), put("b", None)].as_slice(), &[put("a", Some("2"))]].map(|batch| {
            redo.append(batch).expect("room");
            path.metadata().expect("a file").len()
        })
    }

    #[test]
    fn batches_come_back_in_their_order_until_they_are_cleared() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("redo");
        written(&path);
        let mut redo = Redo::open(&path).expect("a file");
        let batches = redo.batches().expect("readable");
        assert_eq!(batches, [vec![put("a", Some("1")), put("b", None)], vec![put("a", Some("2"))]]);
        redo.clear().expect("a file");
        assert_eq!(redo.batches().expect("readable"), Vec::<Vec<Put>>::new());
    }

    #[test]
    fn a_batch_that_is_not_whole_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("redo");
        let [first, second] = written(&path);
        for length in 0..second {
            written(&path);
            let mut redo = Redo::open(&path).expect("a file");
            redo.file.set_len(length).expect("a file");
            let whole = usize::from(length >= first);
            assert_eq!(redo.batches().expect("readable").len(), whole, "{length} bytes");
            redo.clear().expect("a file");
        }
    }

    #[test]
    fn a_batch_with_a_flipped_bit_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("redo");
        let [first, _] = written(&path);
        let mut bytes = std::fs::read(&path).expect("a file");
        let place = usize::try_from(first).expect("short") - 1;
        bytes[place] ^= 1;
        std::fs::write(&path, bytes).expect("room");
        assert_eq!(Redo::open(&path).expect("a file").batches().expect("readable").len(), 0);
    }
}
