//! The rows of the audit trail: each entry lies under the sequence of its first record.

use std::collections::BTreeMap;

use crate::domain::audit::Audit;
use crate::store::views::operations::oldest_page;
use crate::store::views::pending::Pending;
use crate::store::views::{Views, key, page};
use crate::store::{AuditFilter, Page, Slice, StoreError};

impl Views {
    /// An entry, and the sequence under which it lies.
    pub fn audit(&self, id: &str) -> Result<Option<(u64, Audit)>, StoreError> {
        let Some(sequence) = self.get(&key::audit_id(id))? else { return Ok(None) };
        Ok(self.get(&key::audit(sequence))?.map(|entry| (sequence, entry)))
    }

    pub fn audit_trail(
        &self,
        filter: &AuditFilter,
        slice: Slice,
    ) -> Result<Page<Audit>, StoreError> {
        let read = |entry| Ok(Some(entry).filter(|entry| filter.admits(entry)));
        if filter.oldest_first {
            let after = slice.from.map_or(0, |after| after.saturating_add(1));
            let rows = self.oldest_first::<Audit>(key::audit(after)..key::audit(u64::MAX));
            return oldest_page(rows, slice.limit, read);
        }
        let range = key::audit(0)..key::audit(slice.from.unwrap_or(u64::MAX));
        let rows = self.newest_first::<Audit>(range);
        page(rows.map(|row| row.map(|row| BTreeMap::from([row]))), slice, read)
    }
}

impl Pending {
    pub fn audit(&self, views: &Views, id: &str) -> Result<Option<(u64, Audit)>, StoreError> {
        let Some(sequence) = self.look(views, &key::audit_id(id))? else { return Ok(None) };
        let entry: Option<Audit> = self.look(views, &key::audit(sequence))?;
        Ok(entry.map(|entry| (sequence, entry)))
    }

    pub fn put_audit(&mut self, sequence: u64, entry: &Audit) -> Result<(), StoreError> {
        self.put(key::audit_id(&entry.id), Some(&sequence))?;
        self.put(key::audit(sequence), Some(entry))
    }
}
