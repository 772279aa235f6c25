//! The change feed, read from the rows that it shares with the event records.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::change::Change;
use crate::domain::time::Timestamp;
use crate::store::views::{StoredEvent, Views};
use crate::store::{ChangePage, ChangeRecord, StoreError};

/// Rows that one page looks at before it answers with what it has found.
const ROWS_LOOKED_AT_PER_PAGE: usize = 2_000;

/// An entry of the feed, as far as the event's record does not tell it. What it takes from there
/// (id, time, object) never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredChange {
    pub change: Change,
    /// For an event that was parked first: its entry stands where it was redriven.
    pub redriven: Option<Redriven>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// The event's own sequence.
    pub event: u64,
    pub recorded_at: Timestamp,
}

/// An entry, and its event where that lies in the same row.
#[derive(Clone)]
struct Found {
    stored: StoredChange,
    event: Option<Arc<StoredEvent>>,
}

impl Views {
    /// The entries after `after` and up to `newest`, a record that these views reflect.
    pub fn changes(
        &self,
        livemode: bool,
        after: u64,
        newest: u64,
        limit: usize,
    ) -> Result<ChangePage, StoreError> {
        if after >= newest {
            return Ok(ChangePage { items: Vec::new(), next: after });
        }
        let wanted = after + 1..=newest;
        // First, so that what moves from memory to sled meanwhile is met here or there.
        let held: BTreeMap<u64, Found> = self.writer.gather(|found: &mut BTreeMap<_, _>, held| {
            let changes = held.of(livemode).changes.range(wanted.clone());
            found.extend(changes.map(|(&sequence, stored)| {
                (sequence, Found { stored: stored.clone(), event: None })
            }));
        });
        let (mut found, looked_until) = self.stored_changes(livemode, wanted, limit)?;
        found.extend(held.into_iter().take_while(|(sequence, _)| *sequence <= looked_until));
        let items = found.into_iter().take(limit);
        let items = items.map(|(sequence, found)| self.announced(livemode, sequence, found));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let next = match items.last() {
            Some(last) if items.len() == limit => last.sequence,
            _ => looked_until,
        };
        Ok(ChangePage { items, next })
    }

    /// Entries that sled has, and how far it was searched.
    fn stored_changes(
        &self,
        livemode: bool,
        wanted: RangeInclusive<u64>,
        limit: usize,
    ) -> Result<(BTreeMap<u64, Found>, u64), StoreError> {
        let mut found = BTreeMap::new();
        for (count, row) in self.rows.event_rows(livemode, wanted.clone()).enumerate() {
            let (first, mut row) = row?;
            if count == ROWS_LOOKED_AT_PER_PAGE || found.len() >= limit {
                return Ok((found, first - 1));
            }
            for (sequence, stored) in row.changes {
                let event = row.events.remove(&sequence).map(Arc::new);
                if wanted.contains(&sequence) {
                    found.insert(sequence, Found { stored, event });
                }
            }
        }
        Ok((found, *wanted.end()))
    }

    /// An entry, with what the record of its event tells.
    fn announced(
        &self,
        livemode: bool,
        sequence: u64,
        Found { stored, event }: Found,
    ) -> Result<ChangeRecord, StoreError> {
        let event = match (&stored.redriven, event) {
            (Some(redriven), _) => self.event(livemode, redriven.event)?,
            (None, None) => self.event(livemode, sequence)?,
            (None, event) => event,
        };
        let missing = || StoreError::Damaged(format!("change {sequence} has no event"));
        let record = &event.as_ref().ok_or_else(missing)?.record;
        Ok(ChangeRecord {
            sequence,
            object: record.object.clone().ok_or_else(missing)?,
            change: stored.change,
            event_id: record.id.clone(),
            created: record.created,
            recorded_at: stored
                .redriven
                .map_or(record.recorded_at, |redriven| redriven.recorded_at),
        })
    }
}
