//! What one commit makes of the derived records, and the rows that say so.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use crate::store::views::layer::Layer;
use crate::store::views::rows::{EventRow, ListRow, SEQUENCES_PER_ROW, decode, encode, row_of};
use crate::store::views::{Applied, StoredChange, StoredEvent, StoredObject, Views, key};
use crate::store::{StoreError, Summary};

/// Each record stands as it is after the latest change.
#[derive(Default)]
pub struct Pending {
    test: Partition,
    live: Partition,
    pub objects: BTreeMap<ObjectKey, Arc<StoredObject>>,
    pub applied: Option<Applied>,
    /// Rows of operations and of the audit trail.
    pub(super) others: Layer,
}

/// What belongs to one value of `livemode`.
#[derive(Default)]
pub struct Partition {
    /// Event id to sequence.
    pub ids: BTreeMap<String, u64>,
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

    /// What one of the other rows says after what has changed so far.
    pub(super) fn look<T: DeserializeOwned>(
        &self,
        views: &Views,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        match self.others.get(key) {
            Some(row) => row.as_ref().map(|row| decode(row)).transpose(),
            None => views.get(key),
        }
    }

    pub(super) fn put<T: Serialize>(
        &mut self,
        key: Vec<u8>,
        value: Option<&T>,
    ) -> Result<(), StoreError> {
        let value = value.map(encode).transpose()?;
        self.others.put((key.into(), value));
        Ok(())
    }

    /// All of it as rows, beside what `views` has in the same rows.
    pub fn rows(self, views: &Views) -> Result<Layer, StoreError> {
        let Self { test, live, objects, applied, others } = self;
        let mut layer = others;
        let newest = views.applied()?.map_or(0, |applied| applied.sequence);
        test.rows(false, (views, newest), &mut layer)?;
        live.rows(true, (views, newest), &mut layer)?;
        for (key, stored) in &objects {
            layer.put((key::object(key).into(), Some(encode(&**stored)?)));
        }
        if let Some(applied) = &applied {
            layer.put((key::APPLIED.into(), Some(encode(applied)?)));
        }
        Ok(layer)
    }
}

impl Partition {
    fn rows(
        self,
        livemode: bool,
        before: (&Views, u64),
        layer: &mut Layer,
    ) -> Result<(), StoreError> {
        let Self { ids, events, changes, parked, listed, summary } = self;
        for (id, sequence) in &ids {
            layer.put((key::event_id(livemode, id).into(), Some(encode(sequence)?)));
        }
        let mut rows: Changed<'_, EventRow> = Changed::since(before);
        for (sequence, event) in events {
            let row = rows.row(sequence, |row| key::event_row(livemode, row))?;
            row.events.insert(sequence, Arc::unwrap_or_clone(event));
        }
        for (sequence, change) in changes {
            let row = rows.row(sequence, |row| key::event_row(livemode, row))?;
            row.changes.insert(sequence, change);
        }
        rows.put(layer)?;
        let mut rows: Changed<'_, ListRow> = Changed::since(before);
        for ((kind, sequence), object) in listed {
            let row = rows.row(sequence, |row| key::list_row(livemode, kind, row))?;
            row.insert(sequence, object);
        }
        rows.put(layer)?;
        for (sequence, received_at) in parked {
            let value = received_at.map(|received_at| encode(&received_at)).transpose()?;
            layer.put((key::parked(livemode, sequence).into(), value));
        }
        if let Some(summary) = &summary {
            layer.put((key::summary(livemode).into(), Some(encode(summary)?)));
        }
        Ok(())
    }
}

/// Rows that neighbouring sequences share, as they become; each is read once.
struct Changed<'a, T> {
    views: &'a Views,
    /// The last sequence that the views know.
    newest: u64,
    rows: BTreeMap<Vec<u8>, T>,
}

impl<'a, T: Default + DeserializeOwned + Serialize> Changed<'a, T> {
    fn since((views, newest): (&'a Views, u64)) -> Self {
        Self { views, newest, rows: BTreeMap::new() }
    }

    /// The row that holds `sequence`, whose key `key` makes of its number.
    fn row(
        &mut self,
        sequence: u64,
        key: impl FnOnce(u64) -> Vec<u8>,
    ) -> Result<&mut T, StoreError> {
        let number = row_of(sequence);
        let is_new = number * SEQUENCES_PER_ROW > self.newest;
        Ok(match self.rows.entry(key(number)) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(place) if is_new => place.insert(T::default()),
            Entry::Vacant(place) => {
                let known = self.views.get(place.key())?;
                place.insert(known.unwrap_or_default())
            }
        })
    }

    fn put(self, layer: &mut Layer) -> Result<(), StoreError> {
        for (key, row) in self.rows {
            layer.put((key.into(), Some(encode(&row)?)));
        }
        Ok(())
    }
}
