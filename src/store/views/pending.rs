//! Derived records that are not in sled yet: what one commit makes, and what gathers in memory
//! until it is written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use crate::store::Summary;
use crate::store::views::{Applied, StoredChange, StoredEvent, StoredObject};

/// Each record stands as it is after the latest change.
#[derive(Default)]
pub struct Pending {
    test: Partition,
    live: Partition,
    pub objects: HashMap<ObjectKey, Arc<StoredObject>>,
    pub applied: Option<Applied>,
}

/// What belongs to one value of `livemode`.
#[derive(Default)]
pub struct Partition {
    /// Event id to sequence.
    pub ids: HashMap<String, u64>,
    pub events: BTreeMap<u64, Arc<StoredEvent>>,
    /// Entries of the change feed.
    pub changes: BTreeMap<u64, StoredChange>,
    /// When the event with this sequence came; `None` when it is parked no longer.
    pub parked: BTreeMap<u64, Option<Timestamp>>,
    /// Objects in the order of first sight.
    pub listed: BTreeMap<(Kind, u64), ObjectKey>,
    pub summary: Option<Summary>,
}

impl Pending {
    pub fn of(&self, livemode: bool) -> &Partition {
        if livemode { &self.live } else { &self.test }
    }

    pub fn of_mut(&mut self, livemode: bool) -> &mut Partition {
        if livemode { &mut self.live } else { &mut self.test }
    }

    pub fn is_empty(&self) -> bool {
        self.applied.is_none()
    }

    /// Event records in it, which most of the rest goes by.
    pub fn events(&self) -> usize {
        self.live.events.len() + self.test.events.len()
    }

    /// Takes in what was made later.
    pub fn absorb(&mut self, later: Self) {
        let Self { test, live, objects, applied } = later;
        self.test.absorb(test);
        self.live.absorb(live);
        self.objects.extend(objects);
        self.applied = applied.or(self.applied);
    }
}

impl Partition {
    fn absorb(&mut self, later: Self) {
        let Self { ids, events, changes, parked, listed, summary } = later;
        self.ids.extend(ids);
        self.events.extend(events);
        self.changes.extend(changes);
        self.parked.extend(parked);
        self.listed.extend(listed);
        self.summary = summary.or_else(|| self.summary.take());
    }
}
