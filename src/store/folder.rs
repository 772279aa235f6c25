//! The store's folder: who may use it, which layout it has, and whether its views can be trusted.
//!
//! `LOCK` is held as long as the store is open. `FORMAT` names the layout. `OPENED` holds the
//! machine's boot id while the store is open and `closed` after an orderly end: sled's files are
//! only trusted when no power loss can lie between their writing and now. `IDENTITY` tells this
//! store from every other one. `RULES` says by which rules parked events were last read.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::{StoreError, views};

/// The layout this program writes, and the only one it reads.
const FORMAT: &str = "1";
const CLOSED: &str = "closed";
const IDENTITY_BYTES: usize = 8;
const PROBE_BYTES: usize = 4096;

pub(super) struct Folder {
    path: PathBuf,
    closing: AtomicBool,
    _lock: File,
}

impl Drop for Folder {
    /// Comes after everything that writes in the folder is dropped.
    fn drop(&mut self) {
        if self.closing.load(Ordering::Relaxed)
            && let Err(error) = self.note_closed()
        {
            tracing::warn!(%error, "the store was not closed in order; the next start may recompute");
        }
    }
}

impl Folder {
    /// Makes the folder if it is not there, and takes its lock.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let unusable = |error: io::Error| {
            StoreError::Unavailable(format!(
                "the folder {} cannot be used: {error}",
                path.display()
            ))
        };
        fs::create_dir_all(path).map_err(unusable)?;
        let lock = lock(path)?;
        let closing = AtomicBool::new(false);
        let folder = Self { path: path.to_owned(), closing, _lock: lock };
        folder.check_format()?;
        Ok(folder)
    }

    /// Whether a store was ever made here.
    pub(super) fn exists(path: &Path) -> bool {
        path.join("FORMAT").is_file()
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    pub(super) fn views(&self) -> PathBuf {
        self.path.join("views")
    }

    /// Views under construction; worthless after a crash.
    pub(super) fn new_views(&self) -> PathBuf {
        self.path.join("views.new")
    }

    fn old_views(&self) -> PathBuf {
        self.path.join("views.old")
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let path = self.path.join("FORMAT");
        match fs::read_to_string(&path) {
            Ok(format) if format.trim() == FORMAT => Ok(()),
            Ok(format) => Err(StoreError::NewerFormat(format!(
                "{} says layout `{}`, but this bursar knows only `{FORMAT}`; use the version that wrote it, or a newer one",
                path.display(),
                format.trim(),
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_synced(&self.path, "FORMAT", FORMAT)
            }
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// Made with the first opening, and again when the file was deleted.
    pub(super) fn identity(&self) -> Result<String, StoreError> {
        let path = self.path.join("IDENTITY");
        match fs::read_to_string(&path) {
            Ok(identity) => Ok(identity.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = [0; IDENTITY_BYTES];
                getrandom::fill(&mut bytes)
                    .map_err(|error| failed(&path, &io::Error::other(error)))?;
                let identity = hex::encode(bytes);
                write_synced(&self.path, "IDENTITY", &identity)?;
                Ok(identity)
            }
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// Whether parked events were already read by these rules.
    pub(super) fn knows_rules(&self, version: u32) -> bool {
        let noted = fs::read_to_string(self.path.join("RULES")).unwrap_or_default();
        noted == version.to_string()
    }

    pub(super) fn note_rules(&self, version: u32) -> Result<(), StoreError> {
        write_synced(&self.path, "RULES", &version.to_string())
    }

    /// Whether the views were last written by a process that a power loss cannot have followed,
    /// or were closed in order.
    pub(super) fn views_can_be_trusted(&self) -> bool {
        self.is_closed() || boot_id().is_some_and(|boot| self.noted() == boot)
    }

    /// Whether the store was closed in order, and not opened since.
    pub(super) fn is_closed(&self) -> bool {
        self.noted() == CLOSED
    }

    fn noted(&self) -> String {
        fs::read_to_string(self.path.join("OPENED")).unwrap_or_default()
    }

    pub(super) fn note_opened(&self) -> Result<(), StoreError> {
        write_synced(&self.path, "OPENED", &boot_id().unwrap_or_else(|| "unknown".to_owned()))
    }

    /// The store ends in order; its views will be durable, and noted to be.
    pub(super) fn close_when_dropped(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Makes the views durable, then notes that they are.
    pub(super) fn note_closed(&self) -> Result<(), StoreError> {
        views::wait_until_let_go(&self.views());
        sync_all(&self.views()).map_err(|error| failed(&self.views(), &error))?;
        write_synced(&self.path, "OPENED", CLOSED)
    }

    /// Whether the disk still takes something; a full one does not.
    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        let path = self.path.join("PROBE");
        fs::write(&path, [0; PROBE_BYTES]).map_err(|error| failed(&path, &error))?;
        // Another caller may have removed it first.
        fs::remove_file(&path).ok();
        Ok(())
    }

    pub(super) fn delete_new_views(&self) -> Result<(), StoreError> {
        delete(&self.new_views())
    }

    /// Deletes what a rebuild that was cut off has left beside the views.
    pub(super) fn delete_leftovers(&self) -> Result<(), StoreError> {
        self.delete_new_views()?;
        delete(&self.old_views())
    }

    /// Puts the new views where the old ones were. After a crash in between there are none, and
    /// the next start makes them again.
    pub(super) fn swap_views(&self) -> Result<(), StoreError> {
        let (new, old) = (self.new_views(), self.old_views());
        delete(&old)?;
        sync_all(&new).map_err(|error| failed(&new, &error))?;
        if self.views().exists() {
            fs::rename(self.views(), &old).map_err(|error| failed(&old, &error))?;
        }
        fs::rename(&new, self.views()).map_err(|error| failed(&new, &error))?;
        sync_folder(&self.path).map_err(|error| failed(&self.path, &error))?;
        delete(&old)
    }
}

/// Deletes a folder, if it is there.
fn delete(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(folder, &error)),
        _ => Ok(()),
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let lock_path = path.join("LOCK");
    let opened =
        File::options().create(true).read(true).write(true).truncate(false).open(&lock_path);
    let mut file = opened.map_err(|error| failed(&lock_path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).ok();
            return Err(StoreError::Locked(format!(
                "the store {} is in use by process {}; stop that process first",
                path.display(),
                holder.trim(),
            )));
        }
        Err(TryLockError::Error(error)) => return Err(failed(&lock_path, &error)),
    }
    // Only for people: the lock itself is the operating system's and ends with the process.
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|error| failed(&lock_path, &error))?;
    Ok(file)
}

/// Identifies this run of the machine; `None` where the system does not tell.
fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Replaces a small file so that a crash leaves the old content or the new.
fn write_synced(folder: &Path, name: &str, content: &str) -> Result<(), StoreError> {
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&new, &path))
        .and_then(|()| sync_folder(folder))
        .map_err(|error| failed(&path, &error))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn sync_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_all(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
