//! Events that an operator hands in, without a signature: the rules are the same.

use crate::domain::event::Outcome;
use crate::domain::time::Timestamp;
use crate::pipeline::commit::{CommitError, Committer};
use crate::pipeline::receive::incoming;
use crate::store::{Incoming, Receipt, SharedStore, StoreError};
use crate::stripe::wire::{self, JSON_DEPTH, NotAnEvent, check_depth};

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("item {index}: {error}; nothing was stored")]
    NotAnEvent { index: usize, error: NotAnEvent },
    #[error(
        "no stored event has the id {}; nothing was done; `?livemode=` names the other partition",
        .0.join(", ")
    )]
    UnknownEvents(Vec<String>),
    #[error("event {0} is not parked; only parked events can be tried again")]
    NotParked(String),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub struct Replayer {
    store: SharedStore,
    committer: Committer,
    default_livemode: bool,
    json_depth: usize,
}

impl Replayer {
    pub fn new(store: SharedStore, committer: Committer, default_livemode: bool) -> Self {
        Self { store, committer, default_livemode, json_depth: JSON_DEPTH }
    }

    /// Refuses events with more levels than this.
    #[must_use]
    pub fn nested_at_most(self, json_depth: usize) -> Self {
        Self { json_depth, ..self }
    }

    /// Reads events handed in by the token `by`: all of them, before any is stored.
    pub fn read(
        &self,
        bodies: &[&[u8]],
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Incoming>, ReplayError> {
        let source = format!("replay:{by}");
        let read = |(index, body): (usize, &&[u8])| {
            let event = check_depth(body, self.json_depth).and_then(|()| wire::read(body, now));
            let event = event.map_err(|error| ReplayError::NotAnEvent { index, error })?;
            Ok(incoming(event, body, &source, now, self.default_livemode))
        };
        bodies.iter().enumerate().map(read).collect()
    }

    /// Applies events that were read.
    pub async fn events(
        &self,
        events: Vec<Incoming>,
        dry_run: bool,
    ) -> Result<Vec<Receipt>, ReplayError> {
        if dry_run {
            return Ok(self.store.preview(events).await?);
        }
        Ok(self.committer.commit(events).await?)
    }

    /// Applies stored events again; refuses unknown ids before it does anything.
    pub async fn stored(
        &self,
        livemode: bool,
        ids: Vec<String>,
        dry_run: bool,
    ) -> Result<Vec<Receipt>, ReplayError> {
        let mut unknown = Vec::new();
        for id in &ids {
            if self.store.event(livemode, id).await?.is_none() {
                unknown.push(id.clone());
            }
        }
        if !unknown.is_empty() {
            return Err(ReplayError::UnknownEvents(unknown));
        }
        Ok(self.store.redrive(livemode, ids, dry_run).await?)
    }

    /// Tries a parked event again.
    pub async fn redrive(
        &self,
        livemode: bool,
        id: &str,
        dry_run: bool,
    ) -> Result<Receipt, ReplayError> {
        let unknown = || ReplayError::UnknownEvents(vec![id.to_owned()]);
        let event = self.store.event(livemode, id).await?.ok_or_else(unknown)?;
        if event.outcome != Outcome::Parked {
            return Err(ReplayError::NotParked(id.to_owned()));
        }
        let receipts = self.store.redrive(livemode, vec![id.to_owned()], dry_run).await?;
        receipts.into_iter().next().ok_or_else(unknown)
    }
}
