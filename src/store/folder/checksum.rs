//! Whether the files of a folder are what they were.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

const READ_AT_ONCE: usize = 1 << 20;

/// One checksum over the names and contents of all files in a folder.
pub(super) fn checksum_of(folder: &Path) -> io::Result<u32> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().try_fold(0, |sum, path| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let sum = crc32c::crc32c_append(sum, name);
        let of_content = if path.is_dir() { checksum_of(path)? } else { checksum_of_file(path)? };
        Ok(crc32c::crc32c_append(sum, &of_content.to_le_bytes()))
    })
}

fn checksum_of_file(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let (mut buffer, mut sum) = (vec![0; READ_AT_ONCE], 0);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(sum);
        }
        sum = crc32c::crc32c_append(sum, buffer.get(..count).unwrap_or_default());
    }
}
