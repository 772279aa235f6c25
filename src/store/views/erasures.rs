//! Erasures that were begun and not completed.

use crate::store::StoreError;
use crate::store::erasure::ErasureStep;
use crate::store::views::pending::Pending;
use crate::store::views::rows::{decode, encode};
use crate::store::views::{Views, key, merged};

impl Views {
    /// Partition, account, and the record up to which it is about it.
    pub fn open_erasures(&self) -> Result<Vec<(bool, String, u64)>, StoreError> {
        let range = key::erasures();
        let held = self.writer.range(&range).into_iter();
        let rows = merged(held, self.rows.range(range), Ord::cmp).map(|row| {
            let (_, row) = row?;
            decode(&row)
        });
        rows.collect()
    }
}

impl Pending {
    pub(in crate::store) fn put_erasure(
        &mut self,
        livemode: bool,
        account: &str,
        step: ErasureStep,
    ) -> Result<(), StoreError> {
        let row = match step {
            ErasureStep::Begun { through } => Some(encode(&(livemode, account, through))?),
            ErasureStep::Done => None,
        };
        self.others.put((key::erasure(livemode, account).into(), row));
        Ok(())
    }
}
