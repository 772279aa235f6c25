//! Many parked events, tried again.

use crate::store::{Receipt, SharedStore, StoreError};

/// What one call asks of the store, so that commits in between do not wait long.
const EVENTS_PER_CALL: usize = 100;

/// Tries parked events of a partition again, in this order. A `dry_run` changes nothing; it weighs
/// a hundred at a time together.
pub async fn these(
    store: &SharedStore,
    livemode: bool,
    parked: &[String],
    dry_run: bool,
) -> Result<Vec<Receipt>, StoreError> {
    let mut receipts = Vec::with_capacity(parked.len());
    for ids in parked.chunks(EVENTS_PER_CALL) {
        receipts.extend(store.redrive(livemode, ids.to_vec(), dry_run).await?);
    }
    Ok(receipts)
}
