//! The store's folder: who may use it, which layout it has, and whether its views can be trusted.
//!
//! `LOCK` is held as long as the store is open. `FORMAT` names the layout. `OPENED` holds the
//! machine's boot id while the store is open, and after an orderly end the checksum of the views:
//! sled's files are only trusted when no power loss can lie between their writing and now, and
//! when they are what was written. `IDENTITY` tells this store from every other one. `RULES` says
//! by which rules parked events were last read. `REPAIR` is there while a repair is under way.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::{StoreError, views};
use checksum::checksum_of;

mod aside;
mod checksum;
mod privacy;

/// The layout this program writes, and the only one it reads.
const FORMAT: u32 = 1;
/// Comes before the views' checksum.
const CLOSED: &str = "closed";
const DAMAGED: &str = "damaged";
const IDENTITY_BYTES: usize = 8;
const PROBE_BYTES: usize = 4096;

/// Free space below which nothing more is taken. What is taken already is still to be written into
/// sled, which a full disk stops for good.
const RESERVE_BYTES: u64 = 64 << 20;

pub(super) struct Folder {
    path: PathBuf,
    closing: AtomicBool,
    /// Somebody met damage in the views; they are not closed as if they were sound.
    views_damaged: AtomicBool,
    _lock: File,
}

impl Drop for Folder {
    /// Comes after everything that writes in the folder is dropped.
    fn drop(&mut self) {
        if self.closing.load(Ordering::Relaxed)
            && !self.views_damaged.load(Ordering::Relaxed)
            && let Err(error) = self.note_closed()
        {
            tracing::warn!(%error, "the store was not closed in order; the next start may recompute");
        }
    }
}

impl Folder {
    /// Makes the folder if it is not there, and takes its lock.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let folder = Self::open_for_repair(path)?;
        folder.check_no_repair_is_under_way()?;
        Ok(folder)
    }

    /// The same, also when a repair was cut off.
    pub(super) fn open_for_repair(path: &Path) -> Result<Self, StoreError> {
        let unusable = |error: io::Error| {
            StoreError::Unavailable(format!(
                "the folder {} cannot be used: {error}",
                path.display()
            ))
        };
        privacy::make(path).map_err(unusable)?;
        privacy::warn_of_others(path);
        if !Self::exists(path) {
            sync_above(path).map_err(unusable)?;
        }
        let lock = lock(path)?;
        let folder = Self {
            path: path.to_owned(),
            closing: AtomicBool::new(false),
            views_damaged: AtomicBool::new(false),
            _lock: lock,
        };
        folder.check_format()?;
        folder.check_rules()?;
        Ok(folder)
    }

    /// Whether a store was ever made here.
    pub(super) fn exists(path: &Path) -> bool {
        ["FORMAT", "journal", "REPAIR"].iter().any(|name| path.join(name).exists())
    }

    /// Whether a store was opened here to the end: then it has a journal.
    pub(super) fn was_open_before(&self) -> bool {
        self.path.join("RULES").exists()
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
        let Some(noted) = read_small(&path)? else {
            if self.journal().exists() {
                tracing::warn!("the file FORMAT was missing and is written again");
            }
            return write_synced(&self.path, "FORMAT", &FORMAT.to_string());
        };
        let remedy = format!("if no newer bursar ever ran here, write `{FORMAT}` into it");
        match noted.parse() {
            Ok(FORMAT) => Ok(()),
            Ok(0) | Err(_) => Err(StoreError::Damaged(format!(
                "{} says `{noted}`, which is no layout: {remedy}",
                path.display(),
            ))),
            Ok(newer) => Err(StoreError::NewerFormat(format!(
                "{} says layout `{newer}`, but this bursar knows only `{FORMAT}`; use the version that wrote it, or a newer one ({remedy})",
                path.display(),
            ))),
        }
    }

    /// Refuses what a newer program has derived: by its rules parked events may have been used.
    fn check_rules(&self) -> Result<(), StoreError> {
        let (path, known) = (self.path.join("RULES"), views::RULES_VERSION);
        match read_small(&path)?.and_then(|noted| noted.parse::<u32>().ok()) {
            Some(noted) if noted > known => Err(StoreError::NewerFormat(format!(
                "{} says rules `{noted}`, but this bursar knows only `{known}`; use the version that wrote it, or a newer one (to let this one recompute everything by its own rules, delete the file)",
                path.display(),
            ))),
            _ => Ok(()),
        }
    }

    /// Made with the first opening, and again when the file was deleted or is not what was written.
    pub(super) fn identity(&self) -> Result<String, StoreError> {
        let path = self.path.join("IDENTITY");
        let noted = read_small(&path)?;
        let is_whole = |noted: &str| hex::decode(noted).is_ok_and(|it| it.len() == IDENTITY_BYTES);
        match noted {
            Some(identity) if is_whole(&identity) => return Ok(identity),
            Some(_) => tracing::warn!(
                "the file IDENTITY is damaged: the store gets a new identity, and readers of the change feed begin anew"
            ),
            None => {}
        }
        let mut bytes = [0; IDENTITY_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| failed(&path, &io::Error::other(error)))?;
        let identity = hex::encode(bytes);
        write_synced(&self.path, "IDENTITY", &identity)?;
        Ok(identity)
    }

    /// Whether parked events were already read by these rules.
    pub(super) fn knows_rules(&self, version: u32) -> bool {
        let noted = fs::read_to_string(self.path.join("RULES")).unwrap_or_default();
        noted == version.to_string()
    }

    pub(super) fn note_rules(&self, version: u32) -> Result<(), StoreError> {
        write_synced(&self.path, "RULES", &version.to_string())
    }

    /// Whether the store was closed in order, and not opened since.
    pub(super) fn is_closed(&self) -> bool {
        self.noted().starts_with(CLOSED)
    }

    fn noted(&self) -> String {
        fs::read_to_string(self.path.join("OPENED")).unwrap_or_default()
    }

    /// Why the views cannot be trusted, if so. They can when they were last written here since the
    /// machine started, or were closed in order and are what they were then.
    pub(super) fn distrust_of_views(&self) -> Option<&'static str> {
        let noted = self.noted();
        if let Some(checksum) = noted.strip_prefix(CLOSED) {
            let is = checksum_of(&self.views()).ok().map(|sum| format!("{sum:08x}"));
            let as_written = is.as_deref() == Some(checksum.trim());
            return (!as_written).then_some("their files are not what was written");
        }
        if noted == DAMAGED {
            return Some("a read of them met damage");
        }
        let as_left = self.this_run().is_some_and(|run| noted == run);
        (!as_left).then_some(
            "they were not closed in order, and the machine was started since, or this is a copy",
        )
    }

    pub(super) fn note_opened(&self) -> Result<(), StoreError> {
        let run = self.this_run().unwrap_or_else(|| "unknown".to_owned());
        write_synced(&self.path, "OPENED", &run)
    }

    /// The next start recomputes the views.
    pub(super) fn note_views_damaged(&self) {
        if !self.views_damaged.swap(true, Ordering::Relaxed)
            && let Err(error) = write_synced(&self.path, "OPENED", DAMAGED)
        {
            tracing::warn!(%error, "run `bursar rebuild`: that the derived records are damaged could not be noted");
        }
    }

    /// This run of the machine, and this folder: a copy of it that was made meanwhile is another.
    fn this_run(&self) -> Option<String> {
        let folder = fs::metadata(&self.path).ok()?.ino();
        Some(format!("{} {folder}", boot_id()?))
    }

    /// The store ends in order; its views will be durable, and noted to be.
    pub(super) fn close_when_dropped(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// The store is used from here on: only an orderly end closes it again.
    pub(super) fn stay_open(&self) {
        self.closing.store(false, Ordering::Relaxed);
    }

    /// Makes the views durable, then notes that they are.
    pub(super) fn note_closed(&self) -> Result<(), StoreError> {
        views::wait_until_let_go(&self.views());
        let checksum = sync_all(&self.views()).and_then(|()| checksum_of(&self.views()));
        let checksum = checksum.map_err(|error| failed(&self.views(), &error))?;
        write_synced(&self.path, "OPENED", &format!("{CLOSED} {checksum:08x}"))
    }

    /// Bytes that may still be written, where the system tells.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether there is room for one more commit and for all that follows from it.
    pub(super) fn check_room(&self) -> Result<(), StoreError> {
        // Where the system does not tell, the writes will.
        if self.free_bytes().is_none_or(|free| free >= RESERVE_BYTES) {
            return Ok(());
        }
        Err(StoreError::Unavailable(format!(
            "the disk is full: less than {} MiB are free; free some space",
            RESERVE_BYTES >> 20
        )))
    }

    /// Whether the disk still takes something; a full one does not.
    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        self.check_room()?;
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

/// Makes the name of a new folder durable, and of those above it, which may be new as well.
fn sync_above(path: &Path) -> io::Result<()> {
    for folder in path.canonicalize()?.ancestors().skip(1) {
        match sync_folder(folder) {
            // Where nothing can be made, nothing is new.
            Err(error) if is_closed_to_us(&error) => return Ok(()),
            synced => synced?,
        }
    }
    Ok(())
}

fn is_closed_to_us(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), InvalidInput | PermissionDenied | ReadOnlyFilesystem)
}

fn sync_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_all(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

/// The content of a small file, however it looks; `None` when there is no such file.
fn read_small(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
