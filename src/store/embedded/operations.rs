//! Recording the steps of calls to Stripe: each is on disk before anyone acts upon it.

use std::sync::PoisonError;

use crate::clock;
use crate::domain::operation::{Operation, OperationState};
use crate::store::embedded::commit::append_while;
use crate::store::embedded::{Inner, Writer};
use crate::store::journal::Draft;
use crate::store::record::{PackedBody, RecordKind};
use crate::store::stored::stored_operation;
use crate::store::update::Update;
use crate::store::views::operations::{StoredOperation, Told};
use crate::store::{Advanced, Begun, OperationName, StoreError};

impl Inner {
    pub(super) fn begin(&self, operation: &Operation) -> Result<Begun, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready(&mut writer)?;
        let livemode = operation.livemode;
        let key = OperationName::Key(operation.client_key.clone());
        if let Some(known) = self.or_failure(self.views.operation_named(livemode, &key))? {
            return Ok(Begun::Known(self.whole(&known)?));
        }
        // What was refused, as an import can bring it, takes nobody's place.
        let refused = operation.state == OperationState::Refused;
        let exclusive = operation.tag.as_ref().filter(|tag| tag.exclusive && !refused);
        let name = exclusive.map(|tag| OperationName::Tag(tag.name.clone()));
        let holder = name.map(|name| self.views.operation_named(livemode, &name));
        match self.or_failure(holder.transpose())?.flatten() {
            Some(holder) => Ok(Begun::Taken(self.whole(&holder)?)),
            None => Ok(Begun::New(self.record(&mut writer, operation)?)),
        }
    }

    pub(super) fn advance(
        &self,
        operation: &Operation,
        version: u64,
    ) -> Result<Advanced, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready(&mut writer)?;
        let held = self.or_failure(self.views.operation(operation.livemode, &operation.id))?;
        match held {
            Some(held) if held.operation.version == version => {
                Ok(Advanced::Recorded(self.record(&mut writer, operation)?))
            }
            Some(held) => Ok(Advanced::Overtaken(self.whole(&held)?)),
            None => Err(StoreError::Damaged(format!("operation {} is not stored", operation.id))),
        }
    }

    /// An operation as it stands: its newest step, and what an event has told since.
    pub(super) fn whole(&self, stored: &StoredOperation) -> Result<Operation, StoreError> {
        let record = self.journal.read(stored.position)?;
        let is_it = record.kind == RecordKind::Operation && record.event_id == stored.operation.id;
        if !is_it {
            return Err(StoreError::Damaged(format!(
                "where operation {} should lie is record {}; `bursar verify` finds what is wrong",
                stored.operation.id, record.sequence
            )));
        }
        let recorded = stored_operation(&record)?;
        let told = stored
            .told
            .as_ref()
            .and_then(|Told { evidence, event_id, at }| recorded.reported(evidence, event_id, *at));
        Ok(told.unwrap_or(recorded))
    }

    /// Answers the operation as it then stands: an event may know more of it.
    fn record(&self, writer: &mut Writer, operation: &Operation) -> Result<Operation, StoreError> {
        let mut update = Update::new(&self.views, &self.journal, &*self.rules);
        let draft = draft(operation)?;
        let folded = append_while(writer, vec![draft], |positions| {
            let mut now = operation.clone();
            for &(sequence, position) in positions {
                now = update.operation(sequence, position, operation.clone())?;
                update.reached(sequence, position);
            }
            Ok((now, update.finish()?))
        })?;
        writer.behind = true;
        let (now, rows) = self.or_failure(folded)?;
        self.views.hold(rows)?;
        self.caught_up(writer);
        Ok(now)
    }
}

fn draft(operation: &Operation) -> Result<Draft, StoreError> {
    let body = serde_json::to_vec(operation)
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(Draft {
        received_at: operation.updated_at.0,
        recorded_at: clock::now().0,
        livemode: operation.livemode,
        kind: RecordKind::Operation,
        source: operation.by.clone(),
        event_id: operation.id.clone(),
        body: PackedBody::pack(&body),
    })
}
