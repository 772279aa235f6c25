//! Where events and what follows from them are kept.
//!
//! [`Store`] is the seam: async, in the domain's words, with no positions, keys or bytes of an
//! engine in it. [`embedded`] is the engine: a [`journal`] that holds the truth and [`views`] that
//! hold everything derived. What an event *says* a store learns from [`Rules`], which it is
//! opened with; what follows from it, from the pure functions of the domain.
//!
//! **Never in here:** Stripe's spellings, HTTP, or a reading of the clock, the journal's own stamp
//! aside.

pub mod journal;
pub mod record;
pub mod views;

mod audit;
pub mod embedded;
mod erasure;
mod filter;
mod folder;
mod operations;
mod stored;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::domain::audit::Audit;
use crate::domain::change::Change;
use crate::domain::event::{Event, Outcome, Report};
use crate::domain::fold::Progress;
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::operation::{Operation, OperationState};
use crate::domain::time::Timestamp;
use crate::domain::warning::Heard;
pub use audit::AuditFilter;
pub use erasure::{Erased, Erasure, Retained};
pub use filter::{EventFilter, ObjectFilter};
pub use operations::{Advanced, Begun, OperationFilter, OperationName};
pub use record::PackedBody;

/// What a store must be told about bodies. Pure: the same body always reads the same.
pub trait Rules: Send + Sync {
    /// What a stored body says; `None` when it is no event at all.
    fn read(&self, body: &[u8], received_at: Timestamp) -> Option<Event>;
    /// Whether two bodies under one id are the same event.
    fn same_content(&self, a: &[u8], b: &[u8]) -> bool;
    /// What is left of an event's body when all is gone that [`Rules::read`] does not look at: it
    /// reads as the whole did. `None` when it is no event at all.
    fn reduce(&self, body: &[u8]) -> Option<Vec<u8>>;
    /// Whether a body names this account.
    fn mentions(&self, body: &[u8], account: &str) -> bool;
}

/// An event on its way into the store.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub event: Event,
    /// The partition it belongs to.
    pub livemode: bool,
    pub received_at: Timestamp,
    pub source: String,
    pub body: PackedBody,
    /// It is known that this id also came with another content (set by `import`).
    pub conflicting_redelivery: bool,
}

/// What became of one event of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub id: String,
    pub outcome: Outcome,
}

/// What is known of a stored event beside its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its place in the order of arrival.
    pub sequence: u64,
    pub id: String,
    pub livemode: bool,
    pub event_type: String,
    pub created: Option<u64>,
    pub received_at: Timestamp,
    pub recorded_at: Timestamp,
    pub source: String,
    pub account: Option<String>,
    pub api_version: Option<String>,
    pub object_id: Option<String>,
    /// The tracked object it reports about.
    pub object: Option<ObjectKey>,
    pub outcome: Outcome,
    /// Why it is parked.
    pub reason: Option<String>,
    /// The id came again with another content; the first body stayed.
    pub conflicting_redelivery: bool,
    /// Of the body only what the rules read is left.
    #[serde(skip)]
    pub erased: bool,
}

/// An object as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    pub key: ObjectKey,
    pub progress: Progress,
    /// Grows with every change of what a read shows.
    pub version: u64,
    /// Place in the order of arrival of the first event known about it.
    pub first_seen: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page goes on; `None` when this was the last.
    pub next: Option<u64>,
}

/// Where a list starts and how long it may get.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// `next` of the page before.
    pub from: Option<u64>,
    pub limit: usize,
}

/// An entry of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRecord {
    /// Grows from entry to entry, with gaps; one order for both partitions.
    pub sequence: u64,
    pub object: ObjectKey,
    pub change: Change,
    /// The event that caused it.
    pub event_id: String,
    pub created: Option<u64>,
    pub recorded_at: Timestamp,
}

/// A part of the change feed, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePage {
    pub items: Vec<ChangeRecord>,
    /// Nothing will ever appear between the last item and this; the next page goes on after it.
    pub next: u64,
}

/// Where the change feed stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Another epoch: the sequences of earlier answers no longer mean the same.
    pub epoch: String,
    /// The newest sequence that reads show, whether or not it announced something.
    pub newest: u64,
}

/// Counts of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub events: BTreeMap<Outcome, u64>,
    /// Objects by kind and status word.
    pub statuses: BTreeMap<Kind, BTreeMap<String, u64>>,
    pub operations: BTreeMap<OperationState, u64>,
    /// Reports that no legal path explains.
    pub conflicts: u64,
    /// When each source was last heard.
    pub sources: BTreeMap<String, Timestamp>,
    /// Deliveries about the platform itself.
    pub platform: Heard,
    /// Deliveries about connected accounts.
    pub connect: Heard,
    /// When the oldest parked event came.
    pub oldest_parked: Option<Timestamp>,
}

/// How large what is stored has become, and how far what is derived is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Of what cannot be derived.
    pub journal_bytes: u64,
    pub journal_files: u64,
    /// Records that reads show, and which of them a start would not have to derive again.
    pub records: u64,
    pub records_written: u64,
    /// Of what is derived and waits in memory to be written.
    pub unwritten_bytes: u64,
    /// On the disk that it lies on, where that is known.
    pub free_bytes: Option<u64>,
}

/// Why the store did not do as asked, by what the caller can do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was stored; trying again later is right.
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
    /// Stored bytes are not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A sync failed. Nobody knows what is on disk; the process must stop and start again.
    #[error("the disk did not confirm a write: {0}; stop and start bursar again")]
    SyncFailed(String),
    /// What is derived cannot be written. Nothing acknowledged is lost; a new start recomputes it.
    #[error(
        "the derived records cannot be written: {0}; free some space if the disk is full, and start bursar again"
    )]
    ViewsFailed(String),
    /// What is derived is not what was written. Nothing is lost; a new start recomputes it.
    #[error(
        "the derived records are damaged: {0}; `bursar rebuild` recomputes them, and so does the next start"
    )]
    ViewsDamaged(String),
    /// Another process has the store open.
    #[error("{0}")]
    Locked(String),
    /// Written by a newer bursar.
    #[error("{0}")]
    NewerFormat(String),
}

/// The seam between bursar and an engine.
#[async_trait]
pub trait Store: Send + Sync {
    /// Stores and applies a batch, all of it or nothing. What it answers is durable; the receipt
    /// of a duplicate too, since its first copy is.
    async fn commit(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError>;
    /// What [`Store::commit`] would answer, without storing anything.
    async fn preview(&self, batch: Vec<Incoming>) -> Result<Vec<Receipt>, StoreError>;
    /// Reads stored events again; those still parked stay so. Others answer `duplicate`. A
    /// `dry_run` changes nothing.
    async fn redrive(
        &self,
        livemode: bool,
        ids: Vec<String>,
        dry_run: bool,
    ) -> Result<Vec<Receipt>, StoreError>;

    async fn object(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError>;
    /// Newest first, by first sight.
    async fn objects(
        &self,
        livemode: bool,
        kind: Kind,
        filter: ObjectFilter,
        slice: Slice,
    ) -> Result<Page<Object>, StoreError>;
    /// Every known report about an object, in no promised order.
    async fn reports(&self, key: &ObjectKey) -> Result<Vec<Report>, StoreError>;
    async fn event(&self, livemode: bool, id: &str) -> Result<Option<EventRecord>, StoreError>;
    /// The body byte for byte; of one that was reduced, what is left.
    async fn body(&self, livemode: bool, id: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Newest first, by arrival.
    async fn events(
        &self,
        livemode: bool,
        filter: EventFilter,
        slice: Slice,
    ) -> Result<Page<EventRecord>, StoreError>;
    /// Ids of all parked events, the oldest first.
    async fn parked(&self, livemode: bool) -> Result<Vec<String>, StoreError>;
    async fn summary(&self, livemode: bool) -> Result<Summary, StoreError>;
    async fn figures(&self) -> Result<Figures, StoreError>;
    /// All events with their bodies, of both partitions, in the order of arrival, after the one
    /// with this sequence.
    async fn scan(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(EventRecord, Vec<u8>)>, StoreError>;

    /// Records what is wanted, unless its key, or a tag that is one operation's alone, is in use.
    /// It is durable when this answers.
    async fn begin(&self, operation: Operation) -> Result<Begun, StoreError>;
    /// Records an operation as it is after a step, if `version` is still its version. It is
    /// durable when this answers.
    async fn advance(&self, operation: Operation, version: u64) -> Result<Advanced, StoreError>;
    async fn operation(&self, livemode: bool, id: &str) -> Result<Option<Operation>, StoreError>;
    async fn operation_named(
        &self,
        livemode: bool,
        name: OperationName,
    ) -> Result<Option<Operation>, StoreError>;
    /// By the moment they were begun.
    async fn operations(
        &self,
        livemode: bool,
        filter: OperationFilter,
        slice: Slice,
    ) -> Result<Page<Operation>, StoreError>;

    /// Records an entry of the audit trail, or its outcome; answers whether that was new. An
    /// outcome that is final stays. It is durable when this answers.
    async fn audit(&self, entry: Audit) -> Result<bool, StoreError>;
    /// Newest first, by when they were recorded first.
    async fn audit_trail(
        &self,
        filter: AuditFilter,
        slice: Slice,
    ) -> Result<Page<Audit>, StoreError>;

    /// Takes all that is personal out of what is stored about an account so far, for good: ids,
    /// statuses, histories and the feed stay as they are. It is durable when this answers; done
    /// again, it finds nothing to do.
    async fn erase(&self, livemode: bool, account: String) -> Result<Erasure, StoreError>;
    /// Does the same to all that was received before this moment, a part of it in each call.
    async fn retain(&self, before: Timestamp) -> Result<Retained, StoreError>;

    async fn feed(&self) -> Result<Feed, StoreError>;
    /// The change feed after this sequence. May end before `limit`, even empty, with more to come:
    /// only `next` says how far it got.
    async fn changes(
        &self,
        livemode: bool,
        after: u64,
        limit: usize,
    ) -> Result<ChangePage, StoreError>;
    /// Waits until the feed may have something after this sequence. Can return for nothing, and
    /// never misses.
    async fn changed_after(&self, after: u64) -> Result<(), StoreError>;

    /// Whether a commit can be expected to work.
    async fn health(&self) -> Result<(), StoreError>;
    /// Leaves everything on disk so that the next start is quick. No commit works afterwards.
    async fn close(&self) -> Result<(), StoreError>;
}

pub type SharedStore = Arc<dyn Store>;
