//! The embedded engine: one folder, a journal for the truth and views for all that follows.
//!
//! A commit drops what is known, appends the rest to the journal, folds it while the disk syncs,
//! and only then shows it in the views and answers. Whatever happens after the disk has confirmed
//! can be recomputed: opening the store folds the journal from where the views stand.
//!
//! **Never in here:** what an event means (see [`crate::store::Rules`] and the domain).

mod ahead;
mod audit;
mod commit;
mod erase;
mod open;
mod operations;
mod reads;
mod repair;
mod upkeep;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};

use crate::domain::audit::Audit;
use crate::domain::event::Report;
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::operation::Operation;
use crate::domain::time::Timestamp;
use crate::store::embedded::erase::Turn;
use crate::store::erasure::{Erasure, Retained};
use crate::store::folder::Folder;
use crate::store::journal::{Journal, JournalError, JournalReader};
use crate::store::record::PackedBody;
use crate::store::stored::stored_report;
use crate::store::views::Views;
use crate::store::{
    Advanced, AuditFilter, Begun, ChangePage, EventFilter, EventRecord, Feed, Figures, Incoming,
    Object, ObjectFilter, OperationFilter, OperationName, Page, Receipt, Rules, Slice, Store,
    StoreError, Summary,
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
    /// Who holds it rewrites segments. Taken before `writer`.
    rewriting: Mutex<Turn>,
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

fn unpack(body: &PackedBody) -> Result<Vec<u8>, StoreError> {
    body.unpack().map_err(|error| StoreError::Damaged(error.to_string()))
}
/// Runs blocking work where it does not hold up requests.
async fn blocking<T: Send + 'static>(
    inner: &Arc<Inner>,
    work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let inner = Arc::clone(inner);
    // What is logged there belongs to whoever asked.
    let span = tracing::Span::current();
    let work = move || span.in_scope(|| inner.noting_damage(work(&inner)));
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
        Ok(event.map(|event| self.inner.with_flag(event.position, event.record)))
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
        blocking(&self.inner, move |inner| inner.events(livemode, &filter, slice)).await
    }

    async fn parked(&self, livemode: bool) -> Result<Vec<String>, StoreError> {
        blocking(&self.inner, move |inner| inner.parked(livemode)).await
    }

    async fn summary(&self, livemode: bool) -> Result<Summary, StoreError> {
        self.inner.noting_damage(self.inner.views.summary(livemode))
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        blocking(&self.inner, Inner::figures).await
    }

    async fn scan(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(EventRecord, Vec<u8>)>, StoreError> {
        blocking(&self.inner, move |inner| inner.scan(after, limit)).await
    }

    async fn begin(&self, operation: Operation) -> Result<Begun, StoreError> {
        blocking(&self.inner, move |inner| inner.begin(&operation)).await
    }

    async fn advance(&self, operation: Operation, version: u64) -> Result<Advanced, StoreError> {
        blocking(&self.inner, move |inner| inner.advance(&operation, version)).await
    }

    async fn operation(&self, livemode: bool, id: &str) -> Result<Option<Operation>, StoreError> {
        let stored = self.inner.noting_damage(self.inner.views.operation(livemode, id))?;
        stored.map(|stored| self.inner.whole(&stored)).transpose()
    }

    async fn operation_named(
        &self,
        livemode: bool,
        name: OperationName,
    ) -> Result<Option<Operation>, StoreError> {
        self.inner.noting_damage(self.inner.operation_named(livemode, &name))
    }

    async fn operations(
        &self,
        livemode: bool,
        filter: OperationFilter,
        slice: Slice,
    ) -> Result<Page<Operation>, StoreError> {
        blocking(&self.inner, move |inner| inner.operations(livemode, &filter, slice)).await
    }

    async fn erase(&self, livemode: bool, account: String) -> Result<Erasure, StoreError> {
        blocking(&self.inner, move |inner| inner.erase(livemode, &account)).await
    }

    async fn retain(&self, before: Timestamp) -> Result<Retained, StoreError> {
        blocking(&self.inner, move |inner| inner.retain(before)).await
    }

    async fn audit(&self, entry: Audit) -> Result<bool, StoreError> {
        blocking(&self.inner, move |inner| inner.audit(&entry)).await
    }

    async fn audit_trail(
        &self,
        filter: AuditFilter,
        slice: Slice,
    ) -> Result<Page<Audit>, StoreError> {
        blocking(&self.inner, move |inner| inner.views.audit_trail(&filter, slice)).await
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
