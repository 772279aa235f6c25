//! How a repair exchanges the journal, so that a crash at any moment leaves a folder that can be
//! repaired again.
//!
//! The file `REPAIR` stands from before the first change until after the last: while it is there
//! nobody else opens the store. The damaged files are moved to a folder `damaged-N` and stay there.
//! A repair that was cut off is done once more, from them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Folder, delete, failed, sync_folder, write_synced};
use crate::store::StoreError;

const NOTE: &str = "REPAIR";
const ASIDE: &str = "damaged-";
const LOST: &str = "LOST";

/// A repair that has begun.
pub(in crate::store) struct Aside<'a> {
    folder: &'a Folder,
    path: PathBuf,
    /// Records up to this one were known to have been stored when the repair began.
    pub(in crate::store) acknowledged: u64,
}

impl Folder {
    pub(super) fn check_no_repair_is_under_way(&self) -> Result<(), StoreError> {
        if !self.path.join(NOTE).exists() {
            return Ok(());
        }
        Err(StoreError::Damaged(
            "a repair was cut off; run `bursar repair --apply` again to complete it".to_owned(),
        ))
    }

    /// Names of the folders that hold what was damaged once.
    pub(in crate::store) fn copies(&self) -> Result<Vec<String>, StoreError> {
        let read = |error| failed(&self.path, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(read)? {
            let name = entry.map_err(read)?.file_name().to_string_lossy().into_owned();
            names.extend(name.starts_with(ASIDE).then_some(name));
        }
        names.sort();
        Ok(names)
    }

    /// The repair that was cut off, if one was.
    pub(in crate::store) fn unfinished_repair(&self) -> Result<Option<Aside<'_>>, StoreError> {
        let path = self.path.join(NOTE);
        let note = match fs::read_to_string(&path) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, &error)),
        };
        let read = note.trim().split_once(' ').and_then(|(name, acknowledged)| {
            name.strip_prefix(ASIDE)?.parse::<u32>().ok()?;
            Some((self.path.join(name), acknowledged.parse().ok()?))
        });
        let (path, acknowledged) = read.ok_or_else(|| {
            StoreError::Damaged(format!(
                "{} does not say which repair was cut off: write `damaged-N 0` into it, with the \
                 highest number that there is such a folder of",
                path.display()
            ))
        })?;
        Ok(Some(Aside { folder: self, path, acknowledged }))
    }

    /// From here on the store cannot be opened until the repair is complete.
    pub(in crate::store) fn begin_repair(
        &self,
        acknowledged: u64,
    ) -> Result<Aside<'_>, StoreError> {
        let names = (1_u32..).map(|number| format!("{ASIDE}{number}"));
        let name = names.into_iter().find(|name| !self.path.join(name).exists());
        let name = name.unwrap_or_else(|| ASIDE.to_owned());
        write_synced(&self.path, NOTE, &format!("{name} {acknowledged}"))?;
        Ok(Aside { folder: self, path: self.path.join(name), acknowledged })
    }
}

impl Aside<'_> {
    /// The damaged journal: moved already by a repair that was cut off, or where it always was.
    pub(in crate::store) fn damaged_journal(&self) -> PathBuf {
        let moved = self.path.join("journal");
        if moved.exists() { moved } else { self.folder.journal() }
    }

    /// Where the new journal is made. What an earlier attempt has left there is gone.
    pub(in crate::store) fn new_journal(&self) -> Result<PathBuf, StoreError> {
        let path = self.folder.path.join("journal.new");
        delete(&path)?;
        Ok(path)
    }

    /// Writes down what is lost, once: a later attempt has no derived records to ask.
    pub(in crate::store) fn note_lost(&self, lost: &str) -> Result<(), StoreError> {
        fs::create_dir_all(&self.path).map_err(|error| failed(&self.path, &error))?;
        if self.path.join(LOST).exists() {
            return Ok(());
        }
        write_synced(&self.path, LOST, lost)
    }

    /// Exchanges the journals, and makes sure that nobody takes the new one for the old.
    pub(in crate::store) fn finish(
        self,
        new_journal: &Path,
        lost: &str,
    ) -> Result<PathBuf, StoreError> {
        self.note_lost(lost)?;
        let Self { folder, path, acknowledged: _ } = self;
        for name in ["views", "IDENTITY", "journal"] {
            set_aside(&folder.path, &path, name)?;
        }
        let journal = folder.journal();
        fs::rename(new_journal, &journal).map_err(|error| failed(&journal, &error))?;
        let synced = sync_folder(&path).and_then(|()| sync_folder(&folder.path));
        synced.map_err(|error| failed(&folder.path, &error))?;
        let note = folder.path.join(NOTE);
        fs::remove_file(&note)
            .and_then(|()| sync_folder(&folder.path))
            .map_err(|error| failed(&note, &error))?;
        Ok(path)
    }
}

/// Moves a file or folder, under another name where one of that name was moved before.
fn set_aside(from: &Path, to: &Path, name: &str) -> Result<(), StoreError> {
    let source = from.join(name);
    if !source.exists() {
        return Ok(());
    }
    let names = (2_u32..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.to_owned()).chain(names).find(|it| !to.join(it).exists());
    let target = to.join(free.unwrap_or_else(|| name.to_owned()));
    fs::rename(&source, &target)
        .and_then(|()| sync_folder(to))
        .and_then(|()| sync_folder(from))
        .map_err(|error| failed(&source, &error))
}
