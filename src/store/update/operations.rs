//! Operations: their recorded steps, and what events tell of them.

use crate::domain::event::Event;
use crate::domain::operation::{Evidence, Operation};
use crate::store::StoreError;
use crate::store::journal::Position;
use crate::store::stored::Header;
use crate::store::update::Update;
use crate::store::views::operations::{StoredEvidence, StoredOperation, Told};

impl Update<'_> {
    /// Takes in a recorded step. Answers the operation as it then stands: an event may have told
    /// of its object already.
    pub(in crate::store) fn operation(
        &mut self,
        sequence: u64,
        position: Position,
        recorded: Operation,
    ) -> Result<Operation, StoreError> {
        let (livemode, id) = (recorded.livemode, recorded.id.clone());
        let before = self.pending.operation(self.views, livemode, &id)?;
        let known = self.pending.evidence(self.views, livemode, &id)?;
        let settled = known.as_ref().and_then(|StoredEvidence { evidence, event_id }| {
            recorded.reported(evidence, event_id, recorded.updated_at)
        });
        let told = settled.as_ref().and(known.as_ref()).map(|known| Told {
            evidence: known.evidence.clone(),
            event_id: known.event_id.clone(),
            at: recorded.updated_at,
        });
        let operation = settled.unwrap_or(recorded);
        let first_seen = before.as_ref().map_or(sequence, |before| before.first_seen);
        let now = StoredOperation { operation: operation.outline(), position, told, first_seen };
        self.stands(before.as_ref(), &now)?;
        if known.is_some() {
            self.pending.forget_evidence(livemode, &id);
        }
        Ok(operation)
    }

    /// Takes in what an event tells of operations.
    pub(super) fn evidence(&mut self, header: &Header, event: &Event) -> Result<(), StoreError> {
        for evidence in &event.evidence {
            self.evidence_of(header, &event.id, evidence)?;
        }
        Ok(())
    }

    fn evidence_of(
        &mut self,
        header: &Header,
        event_id: &str,
        evidence: &Evidence,
    ) -> Result<(), StoreError> {
        let (livemode, id) = (header.livemode, &evidence.operation);
        let Some(before) = self.pending.operation(self.views, livemode, id)? else {
            return self.pending.keep_evidence(self.views, livemode, evidence, event_id);
        };
        let at = header.recorded_at;
        match before.operation.reported(evidence, event_id, at) {
            Some(operation) => {
                let told = Told { evidence: evidence.clone(), event_id: event_id.to_owned(), at };
                let operation = operation.outline();
                let now = StoredOperation { operation, told: Some(told), ..before.clone() };
                self.stands(Some(&before), &now)
            }
            None => Ok(()),
        }
    }

    /// Puts an operation in the place of what it was.
    fn stands(
        &mut self,
        before: Option<&StoredOperation>,
        now: &StoredOperation,
    ) -> Result<(), StoreError> {
        let counts = &mut self.summary(now.operation.livemode)?.operations;
        let was = before.map(|before| before.operation.state);
        if was != Some(now.operation.state) {
            if let Some(count) = was.and_then(|was| counts.get_mut(&was)) {
                *count = count.saturating_sub(1);
            }
            *counts.entry(now.operation.state).or_default() += 1;
        }
        self.pending.put_operation(self.views, before, now)
    }
}
