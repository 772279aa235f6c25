//! The audit trail: entries, and the outcomes that follow them.

use crate::domain::audit::Audit;
use crate::store::StoreError;
use crate::store::update::Update;

impl Update<'_> {
    /// Takes in a recorded entry, or what came of it. Answers whether it was new.
    pub(in crate::store) fn audit(
        &mut self,
        sequence: u64,
        entry: &Audit,
    ) -> Result<bool, StoreError> {
        let known = self.pending.audit(self.views, &entry.id)?;
        let (first_seen, is_new) = match &known {
            None => (sequence, true),
            Some((first_seen, known)) => {
                (*first_seen, !known.outcome.is_final() && entry.outcome.is_final())
            }
        };
        if is_new {
            self.pending.put_audit(first_seen, entry)?;
        }
        Ok(is_new)
    }
}
