//! Reads that need more than a row of the views.

use crate::domain::operation::Operation;
use crate::store::embedded::{Inner, SCAN_BYTES, unpack};
use crate::store::journal::Position;
use crate::store::stored::stored_record;
use crate::store::views::StoredEvent;
use crate::store::{
    EventFilter, EventRecord, Figures, OperationFilter, OperationName, Page, Slice, StoreError,
};

impl Inner {
    pub(super) fn figures(&self) -> Result<Figures, StoreError> {
        let (journal_files, journal_bytes) = self.journal.extent();
        // In this order, so that no more is written than there is.
        let records_written = self.views.written()?;
        Ok(Figures {
            journal_bytes,
            journal_files,
            records: *self.newest.borrow(),
            records_written,
            unwritten_bytes: self.views.unwritten_bytes() as u64,
            free_bytes: self.folder.free_bytes(),
        })
    }

    pub(super) fn parked(&self, livemode: bool) -> Result<Vec<String>, StoreError> {
        let ids = self.views.parked(livemode).map(|parked| {
            let (sequence, _) = parked?;
            Ok(self.views.event(livemode, sequence)?.map(|event| event.record.id))
        });
        ids.filter_map(Result::transpose).collect()
    }

    /// Passes a result on. When it tells of damaged views, the next start recomputes them.
    pub(super) fn noting_damage<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::ViewsDamaged(_)) = result {
            self.folder.note_views_damaged();
        }
        result
    }

    /// Bodies change where rows do not, so the journal is asked. One that cannot be read is for
    /// `verify` to tell.
    pub(super) fn with_flag(&self, position: Position, mut record: EventRecord) -> EventRecord {
        record.erased = self.journal.is_reduced(position).unwrap_or(false);
        record
    }

    pub(super) fn events(
        &self,
        livemode: bool,
        filter: &EventFilter,
        slice: Slice,
    ) -> Result<Page<EventRecord>, StoreError> {
        let Page { items, next } = self.views.events(livemode, filter, slice)?;
        let flagged = |StoredEvent { record, position, .. }| self.with_flag(position, record);
        Ok(Page { items: items.into_iter().map(flagged).collect(), next })
    }

    pub(super) fn operations(
        &self,
        livemode: bool,
        filter: &OperationFilter,
        slice: Slice,
    ) -> Result<Page<Operation>, StoreError> {
        let Page { items, next } = self.views.operations(livemode, filter, slice)?;
        let items: Result<_, _> = items.iter().map(|stored| self.whole(stored)).collect();
        Ok(Page { items: items?, next })
    }

    pub(super) fn operation_named(
        &self,
        livemode: bool,
        name: &OperationName,
    ) -> Result<Option<Operation>, StoreError> {
        let stored = self.views.operation_named(livemode, name)?;
        stored.map(|stored| self.whole(&stored)).transpose()
    }

    pub(super) fn body(&self, livemode: bool, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.views.event_of_id(livemode, id)? {
            Some(event) => unpack(&stored_record(&self.journal, &event)?.body).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn scan(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(EventRecord, Vec<u8>)>, StoreError> {
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
                let mut event = event.ok_or_else(|| {
                    StoreError::Damaged(format!(
                        "event {} is not indexed; `bursar rebuild` recomputes the index",
                        record.event_id
                    ))
                })?;
                event.record.erased = record.body.is_reduced();
                events.push((event.record, body));
            }
            if events.len() == limit || bytes > SCAN_BYTES {
                break;
            }
        }
        Ok(events)
    }
}
