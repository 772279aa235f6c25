//! Operations, and the ways to find them.
//!
//! A tag's row names the operation that has it: the first one, unless that was refused or a later
//! one succeeded before it. Rows of open operations are what a start has to look at.
//!
//! Nothing that can be personal is in any row: rows outlive what replaces them in sled's files. So
//! a row has an outline, and says where in the journal the operation itself lies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::operation::{Evidence, Operation, OperationState};
use crate::domain::time::Timestamp;
use crate::store::journal::Position;
use crate::store::views::pending::Pending;
use crate::store::views::{Views, key, page};
use crate::store::{OperationFilter, OperationName, Page, Slice, StoreError};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredOperation {
    /// [`Operation::outline`]
    pub operation: Operation,
    /// Its newest recorded step.
    pub position: Position,
    /// What an event has told of it since.
    pub told: Option<Told>,
    /// The sequence of its first record, by which it is listed.
    pub first_seen: u64,
}

/// What an event told of an operation that is not known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvidence {
    pub evidence: Evidence,
    pub event_id: String,
}

/// Evidence that changed an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub evidence: Evidence,
    pub event_id: String,
    pub at: Timestamp,
}

/// Who has a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    operation: String,
    succeeded: bool,
}

impl Views {
    pub fn operation(
        &self,
        livemode: bool,
        id: &str,
    ) -> Result<Option<StoredOperation>, StoreError> {
        self.get(&key::operation(livemode, id))
    }

    pub fn operation_named(
        &self,
        livemode: bool,
        name: &OperationName,
    ) -> Result<Option<StoredOperation>, StoreError> {
        let id = match name {
            OperationName::Key(client_key) => {
                self.get(&key::operation_of_key(livemode, client_key))?
            }
            OperationName::Tag(name) => {
                let holder: Option<Holder> = self.get(&key::tag(livemode, name))?;
                holder.map(|holder| holder.operation)
            }
        };
        id.map_or(Ok(None), |id: String| self.operation(livemode, &id))
    }

    pub fn operations(
        &self,
        livemode: bool,
        filter: &OperationFilter,
        slice: Slice,
    ) -> Result<Page<StoredOperation>, StoreError> {
        let open = filter.open || filter.state.is_some_and(OperationState::is_open);
        let row = |sequence| match &filter.object {
            Some(object) => key::operation_about(livemode, object, sequence),
            None if open => key::open_operation(livemode, sequence),
            None => key::listed_operation(livemode, sequence),
        };
        let read = |id: String| {
            let stored = self.operation(livemode, &id)?;
            Ok(stored.filter(|stored| filter.admits(&stored.operation)))
        };
        if filter.oldest_first {
            let after = slice.from.map_or(0, |after| after.saturating_add(1));
            let rows = self.oldest_first::<String>(row(after)..row(u64::MAX));
            return oldest_page(rows, slice.limit, read);
        }
        let rows = self.newest_first::<String>(row(0)..row(slice.from.unwrap_or(u64::MAX)));
        page(rows.map(|row| row.map(|row| BTreeMap::from([row]))), slice, read)
    }
}

pub(super) fn oldest_page<I, T>(
    rows: impl Iterator<Item = Result<(u64, I), StoreError>>,
    limit: usize,
    read: impl Fn(I) -> Result<Option<T>, StoreError>,
) -> Result<Page<T>, StoreError> {
    let (mut items, mut last) = (Vec::new(), None);
    for row in rows {
        if items.len() == limit {
            return Ok(Page { items, next: last });
        }
        let (sequence, item) = row?;
        items.extend(read(item)?);
        last = Some(sequence);
    }
    Ok(Page { items, next: None })
}

impl Pending {
    pub fn operation(
        &self,
        views: &Views,
        livemode: bool,
        id: &str,
    ) -> Result<Option<StoredOperation>, StoreError> {
        self.look(views, &key::operation(livemode, id))
    }

    pub fn evidence(
        &self,
        views: &Views,
        livemode: bool,
        id: &str,
    ) -> Result<Option<StoredEvidence>, StoreError> {
        self.look(views, &key::evidence(livemode, id))
    }

    /// The first event to tell of an operation is kept.
    pub fn keep_evidence(
        &mut self,
        views: &Views,
        livemode: bool,
        evidence: &Evidence,
        event_id: &str,
    ) -> Result<(), StoreError> {
        if self.evidence(views, livemode, &evidence.operation)?.is_some() {
            return Ok(());
        }
        let key = key::evidence(livemode, &evidence.operation);
        let stored = StoredEvidence { evidence: evidence.clone(), event_id: event_id.to_owned() };
        self.put(key, Some(&stored))
    }

    pub fn forget_evidence(&mut self, livemode: bool, id: &str) {
        self.others.put((key::evidence(livemode, id).into(), None));
    }

    /// Puts an operation, and all by which it is found, in the place of what was before.
    pub fn put_operation(
        &mut self,
        views: &Views,
        before: Option<&StoredOperation>,
        now: &StoredOperation,
    ) -> Result<(), StoreError> {
        let StoredOperation { operation, first_seen, .. } = now;
        let (livemode, id) = (operation.livemode, &operation.id);
        self.put(key::operation(livemode, id), Some(now))?;
        if before.is_none() {
            self.put(key::operation_of_key(livemode, &operation.client_key), Some(id))?;
            self.put(key::listed_operation(livemode, *first_seen), Some(id))?;
        }
        let open = operation.state.is_open().then_some(id);
        if open.is_some() || before.is_some_and(|before| before.operation.state.is_open()) {
            self.put(key::open_operation(livemode, *first_seen), open)?;
        }
        let known: Vec<&String> = before.map_or_else(Vec::new, |it| objects(&it.operation));
        for object in objects(operation).into_iter().filter(|object| !known.contains(object)) {
            self.put(key::operation_about(livemode, object, *first_seen), Some(id))?;
        }
        self.put_tag(views, operation)
    }

    fn put_tag(&mut self, views: &Views, operation: &Operation) -> Result<(), StoreError> {
        let Some(tag) = &operation.tag else { return Ok(()) };
        let key = key::tag(operation.livemode, &tag.name);
        let holder: Option<Holder> = self.look(views, &key)?;
        let is_its = holder.as_ref().is_some_and(|holder| holder.operation == operation.id);
        let is_free = holder.as_ref().is_none_or(|holder| !holder.succeeded);
        let succeeded = operation.state == OperationState::Succeeded;
        let now = Holder { operation: operation.id.clone(), succeeded };
        if !operation.holds_tag() {
            return if is_its { self.put::<Holder>(key, None) } else { Ok(()) };
        }
        if is_its || holder.is_none() || succeeded && is_free {
            self.put(key, Some(&now))?;
        }
        Ok(())
    }
}

fn objects(operation: &Operation) -> Vec<&String> {
    operation.subject.iter().chain(&operation.object_id).collect()
}
