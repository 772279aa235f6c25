//! What a store takes on disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Error;

const BLOCK_BYTES: u64 = 512;

/// Allocated bytes, without the part of journal segments that is kept free for later records.
pub(crate) fn bytes_below(folder: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let path = entry.path();
        bytes += if metadata.is_dir() {
            bytes_below(&path)?
        } else if path.extension().is_some_and(|it| it == "journal") {
            let content = fs::read(&path)?;
            let used = content.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            u64::try_from(used)?
        } else {
            metadata.blocks() * BLOCK_BYTES
        };
    }
    Ok(bytes)
}
