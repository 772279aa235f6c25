//! Who else on this machine may look into a store: its bodies tell of people.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

const OWNER_ONLY: u32 = 0o700;
const EVERYONE: u32 = 0o007;

/// Makes the folder, closed to other users, if it is not there.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above)?;
    }
    DirBuilder::new().recursive(true).mode(OWNER_ONLY).create(folder)
}

/// What a folder lets others do is its owner's to decide; a group may be meant to make copies.
pub(super) fn warn_of_others(folder: &Path) {
    let Ok(found) = fs::metadata(folder) else { return };
    let mode = found.permissions().mode();
    if mode & EVERYONE != 0 {
        let folder = folder.display();
        tracing::warn!(
            "every user of this machine may look into {folder}, where bodies of events tell of \
             people: `chmod o-rwx {folder}` closes it"
        );
    }
}
