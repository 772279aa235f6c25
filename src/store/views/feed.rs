//! The change feed, read from the rows that it shares with the event records.

use serde::{Deserialize, Serialize};

use crate::domain::change::Change;
use crate::domain::time::Timestamp;
use crate::store::views::rows::{EventRow, SEQUENCES_PER_ROW, row_of};
use crate::store::views::{StoredEvent, Views, key};
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

impl Views {
    /// The entries after `after` and up to `newest`, a record that these views reflect.
    pub fn changes(
        &self,
        livemode: bool,
        after: u64,
        newest: u64,
        limit: usize,
    ) -> Result<ChangePage, StoreError> {
        let mut items = Vec::new();
        if after >= newest {
            return Ok(ChangePage { items, next: after });
        }
        let row = |sequence| key::event_row(livemode, sequence);
        let rows = self.oldest_first(row(row_of(after + 1))..row(row_of(newest) + 1));
        for (count, found) in rows.enumerate() {
            let (number, EventRow { mut events, changes }) = found?;
            if count == ROWS_LOOKED_AT_PER_PAGE {
                return Ok(ChangePage { items, next: number * SEQUENCES_PER_ROW - 1 });
            }
            let wanted = |(sequence, _): &(u64, _)| (after + 1..=newest).contains(sequence);
            for (sequence, change) in changes.into_iter().filter(wanted) {
                let event = events.remove(&sequence);
                items.push(self.announced(livemode, sequence, change, event)?);
                if items.len() == limit {
                    return Ok(ChangePage { items, next: sequence });
                }
            }
        }
        Ok(ChangePage { items, next: newest })
    }

    /// An entry, with what the record of its event tells; `event` where that lies in its row.
    fn announced(
        &self,
        livemode: bool,
        sequence: u64,
        stored: StoredChange,
        event: Option<StoredEvent>,
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
