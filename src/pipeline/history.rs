//! How an object came to be what it is: its reports in their order, each with what it changed.

use crate::domain::event::Report;
use crate::domain::fold::{Entry, fold};
use crate::domain::id::ObjectKey;
use crate::store::{SharedStore, StoreError};

/// One report, and the object before and after it.
#[derive(Debug)]
pub struct Told {
    pub report: Report,
    pub before: Option<Entry>,
    pub after: Entry,
    /// A report that stands after this one was there before it.
    pub arrived_late: bool,
}

/// The whole history, oldest first; empty for an unknown object.
pub async fn history(store: &SharedStore, key: &ObjectKey) -> Result<Vec<Told>, StoreError> {
    let reports = store.reports(key).await?;
    let entries = fold(key.kind, &reports, None).map(|folded| folded.history).unwrap_or_default();
    let mut told = Vec::with_capacity(entries.len());
    let mut before = None;
    for after in entries {
        if let Some(report) = reports.get(after.report) {
            let report = report.clone();
            told.push(Told { report, before, after: after.clone(), arrived_late: false });
        }
        before = Some(after);
    }
    let mut earliest_after = u64::MAX;
    for told in told.iter_mut().rev() {
        let sequence = told.report.arrival.sequence;
        told.arrived_late = earliest_after < sequence;
        earliest_after = earliest_after.min(sequence);
    }
    Ok(told)
}
