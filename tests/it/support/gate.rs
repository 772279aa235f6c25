//! A store that can be held, and told to fail, just before a commit.

use std::sync::Arc;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bursar::domain::audit::Audit;
use bursar::domain::event::Report;
use bursar::domain::id::{Kind, ObjectKey};
use bursar::domain::operation::Operation;
use bursar::domain::time::Timestamp;
use bursar::store::embedded::Embedded;
use bursar::store::{
    Advanced, AuditFilter, Begun, ChangePage, Erasure, EventFilter, EventRecord, Feed, Figures,
    Incoming, Object, ObjectFilter, OperationFilter, OperationName, Page, Receipt, Retained, Slice,
    Store, StoreError, Summary,
};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);

/// Every commit passes here.
pub(crate) struct Gate {
    /// How many more may pass; none for any number.
    open: watch::Sender<Option<usize>>,
    /// Whether who began an operation is told so.
    tells: watch::Sender<bool>,
    /// What the next commits answer instead of being made.
    failures: Mutex<Vec<StoreError>>,
    /// What the store says of its health, when it is not its own word.
    illness: Mutex<Option<StoreError>>,
    /// How many commits have come so far.
    came: Mutex<usize>,
    comes: Condvar,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            open: watch::Sender::new(None),
            tells: watch::Sender::new(true),
            failures: Mutex::default(),
            illness: Mutex::default(),
            came: Mutex::default(),
            comes: Condvar::new(),
        }
    }

    /// Holds every commit from now on.
    pub(crate) fn close(&self) {
        self.open.send_replace(Some(0));
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(None);
    }

    /// Lets so many through that wait, or come next.
    pub(crate) fn let_through(&self, count: usize) {
        self.open.send_modify(|left| {
            if let Some(left) = left {
                *left += count;
            }
        });
    }

    /// Whether who begins an operation is told that it is recorded, or waits for that.
    pub(crate) fn tell(&self, tells: bool) {
        self.tells.send_replace(tells);
    }

    /// Lets the next commit fail.
    pub(crate) fn fail_next(&self, error: StoreError) {
        self.failures.lock().unwrap().push(error);
    }

    /// Lets the store say that it cannot be used, or its own word again.
    pub(crate) fn be_ill(&self, illness: Option<StoreError>) {
        *self.illness.lock().unwrap() = illness;
    }

    /// Waits until so many commits have come to the gate since the start.
    #[track_caller]
    pub(crate) fn wait_for(&self, commits: usize) {
        let came = self.came.lock().unwrap();
        let waited = self.comes.wait_timeout_while(came, PATIENCE, |came| *came < commits);
        assert!(!waited.unwrap().1.timed_out(), "{commits} commits never came");
    }

    /// How many commits have come to the gate since the start.
    pub(crate) fn came(&self) -> usize {
        *self.came.lock().unwrap()
    }

    async fn pass(&self) -> Result<(), StoreError> {
        *self.came.lock().unwrap() += 1;
        self.comes.notify_all();
        let mut open = self.open.subscribe();
        loop {
            let passes = self.open.send_if_modified(|left| match left {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    true
                }
                Some(_) | None => false,
            });
            if passes || open.borrow_and_update().is_none() {
                break;
            }
            open.changed().await.ok();
        }
        self.failures.lock().unwrap().pop().map_or(Ok(()), Err)
    }
}

pub(super) struct Gated {
    pub(super) store: Embedded,
    pub(super) gate: Arc<Gate>,
}

#[async_trait]
impl Store for Gated {
    async fn commit(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
        self.gate.pass().await?;
        self.store.commit(batch).await
    }

    async fn preview(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError> {
        self.store.preview(batch).await
    }

    async fn redrive(
        &self,
        livemode: bool,
        ids: Vec<String>,
        dry_run: bool,
    ) -> Result<Vec<Receipt>, StoreError> {
        self.store.redrive(livemode, ids, dry_run).await
    }

    async fn object(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.store.object(key).await
    }

    async fn objects(
        &self,
        livemode: bool,
        kind: Kind,
        filter: ObjectFilter,
        slice: Slice,
    ) -> Result<Page<Object>, StoreError> {
        self.store.objects(livemode, kind, filter, slice).await
    }

    async fn reports(&self, key: &ObjectKey) -> Result<Vec<Report>, StoreError> {
        self.store.reports(key).await
    }

    async fn event(&self, livemode: bool, id: &str) -> Result<Option<EventRecord>, StoreError> {
        self.store.event(livemode, id).await
    }

    async fn body(&self, livemode: bool, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.body(livemode, id).await
    }

    async fn events(
        &self,
        livemode: bool,
        filter: EventFilter,
        slice: Slice,
    ) -> Result<Page<EventRecord>, StoreError> {
        self.store.events(livemode, filter, slice).await
    }

    async fn parked(&self, livemode: bool) -> Result<Vec<String>, StoreError> {
        self.store.parked(livemode).await
    }

    async fn summary(&self, livemode: bool) -> Result<Summary, StoreError> {
        self.store.summary(livemode).await
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        self.store.figures().await
    }

    async fn scan(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(EventRecord, Vec<u8>)>, StoreError> {
        self.store.scan(after, limit).await
    }

    async fn begin(&self, operation: Operation) -> Result<Begun, StoreError> {
        self.gate.pass().await?;
        let begun = self.store.begin(operation).await;
        self.gate.tells.subscribe().wait_for(|tells| *tells).await.ok();
        begun
    }

    async fn advance(&self, operation: Operation, version: u64) -> Result<Advanced, StoreError> {
        self.gate.pass().await?;
        self.store.advance(operation, version).await
    }

    async fn operation(&self, livemode: bool, id: &str) -> Result<Option<Operation>, StoreError> {
        self.store.operation(livemode, id).await
    }

    async fn operation_named(
        &self,
        livemode: bool,
        name: OperationName,
    ) -> Result<Option<Operation>, StoreError> {
        self.store.operation_named(livemode, name).await
    }

    async fn operations(
        &self,
        livemode: bool,
        filter: OperationFilter,
        slice: Slice,
    ) -> Result<Page<Operation>, StoreError> {
        self.store.operations(livemode, filter, slice).await
    }

    async fn audit(&self, entry: Audit) -> Result<bool, StoreError> {
        self.gate.pass().await?;
        self.store.audit(entry).await
    }

    async fn audit_trail(
        &self,
        filter: AuditFilter,
        slice: Slice,
    ) -> Result<Page<Audit>, StoreError> {
        self.store.audit_trail(filter, slice).await
    }

    async fn erase(&self, livemode: bool, account: String) -> Result<Erasure, StoreError> {
        self.store.erase(livemode, account).await
    }

    async fn retain(&self, before: Timestamp) -> Result<Retained, StoreError> {
        self.store.retain(before).await
    }

    async fn feed(&self) -> Result<Feed, StoreError> {
        self.store.feed().await
    }

    async fn changes(
        &self,
        livemode: bool,
        after: u64,
        limit: usize,
    ) -> Result<ChangePage, StoreError> {
        self.store.changes(livemode, after, limit).await
    }

    async fn changed_after(&self, after: u64) -> Result<(), StoreError> {
        self.store.changed_after(after).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        let illness = self.gate.illness.lock().unwrap().clone();
        illness.map_or(Ok(()), Err)?;
        self.store.health().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}
