//! Files that settings are read from, and whether they are still what they were.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file, by its path, and what the system said of it before it was read. Links are followed: a
/// link to another file is a change.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceFile {
    path: PathBuf,
    /// None while there is no such file.
    stamp: Option<Stamp>,
}

#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    device_and_inode: (u64, u64),
    length: u64,
    /// Seconds and nanoseconds: of the content, and of everything about the file.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device_and_inode: (metadata.dev(), metadata.ino()),
            length: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl SourceFile {
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let stamp = std::fs::metadata(&path).ok().as_ref().map(Stamp::of);
        Self { path, stamp }
    }

    /// The same file as it is now.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::new(&self.path)
    }
}

/// The path may be a secret that somebody gave by mistake.
impl fmt::Debug for SourceFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_replaced_removed_or_linked_elsewhere_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        let before = SourceFile::new(&path);
        assert!(before == before.again(), "there is none");
        std::fs::write(&path, "one").unwrap();
        let written = before.again();
        assert!(before != written && written == written.again());
        std::fs::write(&other, "two").unwrap();
        std::fs::rename(&other, &path).unwrap();
        let replaced = written.again();
        assert!(written != replaced);
        std::fs::remove_file(&path).unwrap();
        assert!(replaced != replaced.again() && before == before.again());

        // As an orchestrator swaps what it mounts.
        for name in ["1", "2"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("a"), "one").unwrap();
        }
        let data = folder.path().join("data");
        std::os::unix::fs::symlink("1", &data).unwrap();
        std::os::unix::fs::symlink("data/a", &path).unwrap();
        let linked = SourceFile::new(&path);
        std::os::unix::fs::symlink("2", folder.path().join("next")).unwrap();
        std::fs::rename(folder.path().join("next"), &data).unwrap();
        assert!(linked != linked.again());
        assert_eq!(format!("{linked:?}"), "a file");
    }
}
