//! The embedded engine: one folder, a journal for the truth and views for all that follows.
//!
//! A commit drops what is known, appends the rest to the journal, folds it while the disk syncs,
//! and only then shows it in the views and answers. Whatever happens after the disk has confirmed
//! can be recomputed: opening the store folds the journal from where the views stand.
//!
//! **Never in here:** what an event means (see [`crate::store::Rules`] and the domain).

mod commit;
mod repair;
mod upkeep;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};

use crate::domain::event::Report;
use crate::domain::id::{Kind, ObjectKey};
use crate::store::embedded::upkeep::{catch_up, rebuilt_views};
use crate::store::folder::Folder;
use crate::store::journal::{Journal, JournalError, JournalReader};
use crate::store::record::PackedBody;
use crate::store::update::{stored_record, stored_report};
use crate::store::views::{self, Views};
use crate::store::{
    ChangePage, EventFilter, EventRecord, Feed, Incoming, Object, ObjectFilter, Page, Receipt,
    Rules, Slice, Store, StoreError, Summary,
};
pub use repair::{Lost, Repaired, Survey};
pub use upkeep::{Check, Verified};

/// Bodies that one scan holds in memory, about.
const SCAN_BYTES: usize = 16 << 20;

/// Pages of the feed that are read at the same time. Every commit can wake every reader, and
/// with a thread for each they would take more memory than all else.
const FEED_READS: usize = 4;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Size that journal segments are given when they are made.
    pub segment_bytes: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20 }
    }
}

pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    views: Views,
    journal: JournalReader,
    rules: Arc<dyn Rules>,
    writer: Mutex<Writer>,
    /// The newest sequence that the views show.
    newest: watch::Sender<u64>,
    feed_reads: Semaphore,
    epoch: String,
    /// Last, so that its lock is the last thing given back.
    folder: Folder,
}

struct Writer {
    journal: Journal,
    /// The journal holds records that could not be folded into the views yet.
    behind: bool,
    /// Set when no commit may follow, with the reason.
    stopped: Option<StoreError>,
}

/// How far a long work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// What is counted, such as `records folded`; a work can have several stages.
    pub stage: &'static str,
    pub done: u64,
    /// Where that is known.
    pub total: Option<u64>,
}

/// Told now and then.
pub type Progress<'a> = &'a mut dyn FnMut(At);

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
            epoch: format!("{}-{}", folder.identity()?, views::VIEWS_VERSION),
            newest,
            feed_reads: Semaphore::new(FEED_READS),
            folder,
            views,
            journal: reader,
            rules,
            writer: Mutex::new(Writer { journal, behind: false, stopped: None }),
        };
        let newest = *inner.newest.borrow();
        catch_up(&inner.views, (&inner.journal, newest), &*inner.rules, progress)?;
        inner.retry_parked()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether the store at `path` could be opened, as far as its lock, layout and journal tell.
    /// Makes nothing where there is none.
    pub fn probe(path: &Path) -> Result<(), StoreError> {
        if Folder::exists(path) {
            let folder = Folder::open(path)?;
            let was_closed = folder.is_closed();
            let views = trusted_views(&folder);
            match open_journal(&folder, Options::default(), views.as_ref()) {
                // Opening recomputes them.
                Err(StoreError::ViewsDamaged(_)) => folder.note_views_damaged(),
                other => drop(other?),
            }
            // Looking opened them; the next start need not recompute them for that.
            if let Some((views, _)) = views.filter(|_| was_closed) {
                views.flush()?;
                folder.close_when_dropped();
            }
        } else if path.exists() && !path.is_dir() {
            return Err(StoreError::Unavailable(format!("{} is not a folder", path.display())));
        }
        Ok(())
    }

    /// Whether a store was ever made at `path`.
    pub fn exists(path: &Path) -> bool {
        Folder::exists(path)
    }
}

/// The views on disk and the last record they reflect (0: none), unless a power loss can have
/// hurt them or they are of another version.
fn trusted_views(folder: &Folder) -> Option<(Views, u64)> {
    if !folder.views().is_dir() {
        return None;
    }
    if let Some(reason) = folder.distrust_of_views() {
        tracing::warn!("the derived records are recomputed: {reason}");
        return None;
    }
    // From here on sled may write: a power loss must not find it trusted.
    let opened = folder.note_opened().and_then(|()| Views::open(&folder.views()));
    match opened.and_then(|views| Ok((views.reached()?, views))) {
        Ok((Some(reached), views)) => Some((views, reached)),
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
fn open_journal(
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

impl Inner {
    fn parked(&self, livemode: bool) -> Result<Vec<String>, StoreError> {
        let ids = self.views.parked(livemode).map(|parked| {
            let (sequence, _) = parked?;
            Ok(self.views.event(livemode, sequence)?.map(|event| event.record.id))
        });
        ids.filter_map(Result::transpose).collect()
    }

    /// Passes a result on. When it tells of damaged views, the next start recomputes them.
    fn noting_damage<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::ViewsDamaged(_)) = result {
            self.folder.note_views_damaged();
        }
        result
    }

    fn body(&self, livemode: bool, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.views.event_of_id(livemode, id)? {
            Some(event) => unpack(&stored_record(&self.journal, &event)?.body).map(Some),
            None => Ok(None),
        }
    }

    fn scan(&self, after: u64, limit: usize) -> Result<Vec<(EventRecord, Vec<u8>)>, StoreError> {
        // The journal has a commit a little before the views do.
        let newest = *self.newest.borrow();
        let from = self.views.event_at(after)?.map(|event| event.position);
        let (mut events, mut bytes) = (Vec::new(), 0);
        for read in self.journal.scan(from) {
            let (_, record) = read?;
            if record.sequence > newest {
                break;
            }
            if record.kind.is_event() {
                let body = unpack(&record.body)?;
                bytes += body.len();
                let event = self.views.event(record.livemode, record.sequence)?;
                let event = event.ok_or_else(|| {
                    StoreError::Damaged(format!(
                        "event {} is not indexed; `bursar rebuild` recomputes the index",
                        record.event_id
                    ))
                })?;
                events.push((event.record, body));
            }
            if events.len() == limit || bytes > SCAN_BYTES {
                break;
            }
        }
        Ok(events)
    }
}

fn unpack(body: &PackedBody) -> Result<Vec<u8>, StoreError> {
    body.unpack().map_err(|error| StoreError::Damaged(error.to_string()))
}
/// Runs blocking work where it does not hold up requests.
async fn blocking<T: Send + 'static>(
    inner: &Arc<Inner>,
    work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let inner = Arc::clone(inner);
    let work = move || inner.noting_damage(work(&inner));
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}

#[async_trait]
impl Store for Embedded {
    async fn commit(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
        blocking(&self.inner, |inner| inner.commit(batch)).await
    }

    async fn preview(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
        blocking(&self.inner, |inner| inner.preview(batch)).await
    }

    async fn redrive(
        &self,
        livemode: bool,
        ids: Vec<String>,
        dry_run: bool,
    ) -> Result<Vec<Receipt>, StoreError> {
        blocking(&self.inner, move |inner| inner.redrive(livemode, &ids, dry_run)).await
    }

    async fn object(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        let stored = self.inner.noting_damage(self.inner.views.object(key))?;
        Ok(stored.map(|stored| stored.object))
    }

    async fn objects(
        &self,
        livemode: bool,
        kind: Kind,
        filter: ObjectFilter,
        slice: Slice,
    ) -> Result<Page<Object>, StoreError> {
        blocking(&self.inner, move |inner| inner.views.objects(livemode, kind, &filter, slice))
            .await
    }

    async fn reports(&self, key: &ObjectKey) -> Result<Vec<Report>, StoreError> {
        let key = key.clone();
        let read = move |inner: &Inner| {
            let sequences = inner.views.reports_of(&key)?.into_iter();
            sequences
                .map(|sequence| {
                    stored_report(&inner.views, &inner.journal, &*inner.rules, &key, sequence)
                })
                .collect()
        };
        blocking(&self.inner, read).await
    }

    async fn event(&self, livemode: bool, id: &str) -> Result<Option<EventRecord>, StoreError> {
        let event = self.inner.noting_damage(self.inner.views.event_of_id(livemode, id))?;
        Ok(event.map(|event| event.record))
    }

    async fn body(&self, livemode: bool, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.noting_damage(self.inner.body(livemode, id))
    }

    async fn events(
        &self,
        livemode: bool,
        filter: EventFilter,
        slice: Slice,
    ) -> Result<Page<EventRecord>, StoreError> {
        blocking(&self.inner, move |inner| inner.views.events(livemode, &filter, slice)).await
    }

    async fn parked(&self, livemode: bool) -> Result<Vec<String>, StoreError> {
        blocking(&self.inner, move |inner| inner.parked(livemode)).await
    }

    async fn summary(&self, livemode: bool) -> Result<Summary, StoreError> {
        self.inner.noting_damage(self.inner.views.summary(livemode))
    }

    async fn scan(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(EventRecord, Vec<u8>)>, StoreError> {
        blocking(&self.inner, move |inner| inner.scan(after, limit)).await
    }

    async fn feed(&self) -> Result<Feed, StoreError> {
        Ok(Feed { epoch: self.inner.epoch.clone(), newest: *self.inner.newest.borrow() })
    }

    async fn changes(
        &self,
        livemode: bool,
        after: u64,
        limit: usize,
    ) -> Result<ChangePage, StoreError> {
        // Never closed; held until the page is read.
        let _turn = self.inner.feed_reads.acquire().await;
        let newest = *self.inner.newest.borrow();
        blocking(&self.inner, move |inner| inner.views.changes(livemode, after, newest, limit))
            .await
    }

    async fn changed_after(&self, after: u64) -> Result<(), StoreError> {
        // The sender lives as long as this store.
        self.inner.newest.subscribe().wait_for(|newest| *newest > after).await.ok();
        Ok(())
    }

    async fn health(&self) -> Result<(), StoreError> {
        blocking(&self.inner, |inner| {
            // A commit under way is not waited for.
            if let Ok(mut writer) = inner.writer.try_lock() {
                inner.ready(&mut writer)?;
            }
            inner.folder.check_writable()
        })
        .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        blocking(&self.inner, |inner| {
            let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.stopped = Some(StoreError::Unavailable("the store is closed".to_owned()));
            inner.folder.close_when_dropped();
            inner.views.flush()
        })
        .await
    }
}
impl From<JournalError> for StoreError {
    fn from(error: JournalError) -> Self {
        let message = error.to_string();
        match error {
            JournalError::Damaged { .. } => Self::Damaged(format!(
                "{message}; nothing was changed: put the missing files back if there are any, or \
                 restore the folder from a copy, or let `bursar repair` keep what can be read"
            )),
            JournalError::NewerFormat { .. } => Self::NewerFormat(message),
            JournalError::Io { .. } | JournalError::BeyondEnd { .. } => Self::Unavailable(message),
        }
    }
}

#[cfg(test)]
mod tests;
