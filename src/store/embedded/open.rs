//! Opening: whether the views can be trusted, whether the journal is theirs, and what is made anew.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, watch};

use crate::store::embedded::upkeep::{catch_up, rebuilt_views};
use crate::store::embedded::{Embedded, FEED_READS, Inner, Options, Progress, Writer};
use crate::store::folder::Folder;
use crate::store::journal::{Journal, JournalError, JournalReader};
use crate::store::views::{self, Views};
use crate::store::{EventRecord, Rules, StoreError, Summary};

impl Embedded {
    /// Opens the store, or makes it. Views that cannot be trusted are made anew.
    pub fn open(
        path: &Path,
        options: Options,
        rules: Arc<dyn Rules>,
        progress: Progress<'_>,
    ) -> Result<Self, StoreError> {
        match Self::try_open(path, options, Arc::clone(&rules), progress) {
            Err(error @ StoreError::ViewsDamaged(_)) => {
                tracing::warn!(%error, "the derived records are damaged");
                Folder::open(path)?.note_views_damaged();
                Self::try_open(path, options, rules, progress)
            }
            other => other,
        }
    }

    fn try_open(
        path: &Path,
        options: Options,
        rules: Arc<dyn Rules>,
        progress: Progress<'_>,
    ) -> Result<Self, StoreError> {
        let folder = Folder::open(path)?;
        folder.delete_leftovers()?;
        let views = trusted_views(&folder);
        let journal = open_journal(&folder, options, views.as_ref())?;
        folder.stay_open();
        if journal.recovered_tail() > 0 {
            let dropped = journal.recovered_tail();
            tracing::warn!(
                bytes = dropped,
                "cut {dropped} bytes of an unfinished commit off the journal; nothing in it had been acknowledged"
            );
        }
        let reader = journal.reader();
        let views = match views {
            Some((views, _)) => views,
            None => rebuilt_views(&folder, &journal, &*rules, progress)?,
        };
        let newest = watch::Sender::new(journal.newest());
        let inner = Inner {
            // What other rules made of the same events cannot be followed across either.
            epoch: format!("{}-{}", folder.identity()?, views::RULES_VERSION),
            newest,
            feed_reads: Semaphore::new(FEED_READS),
            folder,
            views,
            journal: reader,
            rules,
            rewriting: Mutex::default(),
            writer: Mutex::new(Writer { journal, behind: false, stopped: None }),
        };
        let newest = *inner.newest.borrow();
        catch_up(&inner.views, (&inner.journal, newest), &*inner.rules, progress)?;
        if let Err(error) = inner.finish_erasures() {
            tracing::error!(%error, "an erasure that was cut off could not be completed; the next start tries again");
        }
        inner.retry_parked()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether the store at `path` could be opened, as far as its lock, layout and journal tell.
    /// Makes nothing where there is none.
    pub fn probe(path: &Path) -> Result<(), StoreError> {
        if Folder::exists(path) {
            let folder = Folder::open(path)?;
            match open_journal(&folder, Options::default(), trusted_views(&folder).as_ref()) {
                // Opening recomputes them.
                Err(StoreError::ViewsDamaged(_)) => folder.note_views_damaged(),
                other => drop(other?),
            }
        } else if path.exists() && !path.is_dir() {
            return Err(StoreError::Unavailable(format!("{} is not a folder", path.display())));
        }
        Ok(())
    }

    /// What the store at `path` says of its partitions, test mode first, without being opened for
    /// work; `None` when the next opening makes that anew. Fails where opening would.
    pub fn look(path: &Path) -> Result<Option<[Summary; 2]>, StoreError> {
        let folder = Folder::open(path)?;
        let views = trusted_views(&folder);
        match open_journal(&folder, Options::default(), views.as_ref()) {
            Err(StoreError::ViewsDamaged(_)) => {
                folder.note_views_damaged();
                return Ok(None);
            }
            opened => drop(opened?),
        }
        let Some((views, _)) = views else { return Ok(None) };
        Ok(Some([views.summary(false)?, views.summary(true)?]))
    }

    /// Whether a store was ever made at `path`.
    pub fn exists(path: &Path) -> bool {
        Folder::exists(path)
    }
}

/// The views on disk and the last record they reflect (0: none), unless a power loss can have
/// hurt them or they are of another version.
pub(super) fn trusted_views(folder: &Folder) -> Option<(Views, u64)> {
    if !folder.views().is_dir() {
        return None;
    }
    if let Some(reason) = folder.distrust_of_views() {
        tracing::warn!("the derived records are recomputed: {reason}");
        return None;
    }
    let was_closed = folder.is_closed();
    // From here on sled may write: a power loss must not find it trusted.
    let opened = folder.note_opened().and_then(|()| Views::open(&folder.views()));
    match opened.and_then(|views| Ok((views.reached()?, views))) {
        Ok((Some(reached), views)) => {
            // Who only looks, or is refused, leaves them closed: they say what was acknowledged.
            if was_closed {
                folder.close_when_dropped();
            }
            Some((views, reached))
        }
        Ok((None, _)) => {
            tracing::warn!("the derived records are recomputed: another version made them");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "the derived records are recomputed: they cannot be used");
            None
        }
    }
}

/// Opens the journal, which must hold what the views reflect.
pub(super) fn open_journal(
    folder: &Folder,
    options: Options,
    views: Option<&(Views, u64)>,
) -> Result<Journal, StoreError> {
    let acknowledged = views.map_or(0, |(_, reached)| *reached);
    let path = folder.journal();
    if folder.was_open_before() && !Journal::exists(&path) {
        return Err(StoreError::Damaged(format!(
            "all files of the journal are missing from {}; put the missing files back, or restore \
             the folder from a copy (to begin with an empty store, take another folder)",
            path.display()
        )));
    }
    let journal = Journal::create_or_open_with(&path, options.segment_bytes, acknowledged)?;
    match views {
        Some((views, _)) if !are_of_journal(views, &journal.reader())? => {
            Err(StoreError::Damaged(format!(
                "the derived records in {} do not belong to the journal in {}: put the journal back \
                 that they were made from, or, if this one is right, delete the derived records, \
                 which are then recomputed",
                folder.views().display(),
                path.display(),
            )))
        }
        _ => Ok(journal),
    }
}

/// Whether the last record that the views reflect is the one that lies there.
fn are_of_journal(views: &Views, journal: &JournalReader) -> Result<bool, StoreError> {
    let Some(applied) = views.applied()? else { return Ok(true) };
    let record = match journal.read(applied.position) {
        // Had it been damaged since, the derived records would still not say which is right.
        Err(JournalError::BeyondEnd { .. } | JournalError::Damaged { .. }) => return Ok(false),
        read => read?,
    };
    if record.sequence != applied.sequence || !record.kind.is_event() {
        return Ok(record.sequence == applied.sequence);
    }
    let event = views.event(record.livemode, record.sequence)?;
    let event = event.ok_or_else(|| {
        StoreError::ViewsDamaged(format!("event {} is not in them", record.event_id))
    })?;
    let EventRecord { id, recorded_at, .. } = &event.record;
    Ok(*id == record.event_id && recorded_at.0 == record.recorded_at)
}
