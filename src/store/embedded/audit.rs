//! Recording what operators do: on disk before it has an effect.

use std::sync::PoisonError;

use crate::clock;
use crate::domain::audit::Audit;
use crate::store::StoreError;
use crate::store::embedded::Inner;
use crate::store::embedded::commit::append_while;
use crate::store::journal::Draft;
use crate::store::record::{PackedBody, RecordKind};
use crate::store::update::Update;

impl Inner {
    pub(super) fn audit(&self, entry: &Audit) -> Result<bool, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready(&mut writer)?;
        let known = self.or_failure(self.views.audit(&entry.id))?;
        if known.is_some_and(|(_, it)| it.outcome.is_final() || !entry.outcome.is_final()) {
            return Ok(false);
        }
        let mut update = Update::new(&self.views, &self.journal, &*self.rules);
        let folded = append_while(&mut writer, vec![draft(entry)?], |positions| {
            for &(sequence, position) in positions {
                update.audit(sequence, entry)?;
                update.reached(sequence, position);
            }
            update.finish()
        })?;
        writer.behind = true;
        let rows = self.or_failure(folded)?;
        self.views.hold(rows)?;
        self.caught_up(&mut writer);
        Ok(true)
    }
}

fn draft(entry: &Audit) -> Result<Draft, StoreError> {
    let body =
        serde_json::to_vec(entry).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(Draft {
        received_at: entry.at.0,
        recorded_at: clock::now().0,
        livemode: entry.livemode.unwrap_or_default(),
        kind: RecordKind::Audit,
        source: entry.actor.clone(),
        event_id: entry.id.clone(),
        body: PackedBody::pack(&body),
    })
}
