//! Why a stored event did what it did, said of the present.

use crate::domain::event::Outcome;
use crate::domain::explain;
use crate::store::{EventRecord, SharedStore, StoreError};
use crate::stripe::wire::tracked_types;

/// One sentence, and a second one when the id came again with another content.
pub async fn explain(store: &SharedStore, event: &EventRecord) -> Result<String, StoreError> {
    let sentence = match event.outcome {
        Outcome::Ignored => explain::ignored(&event.event_type, is_thin(event)),
        Outcome::Parked => explain::parked(event.reason.as_deref().unwrap_or("no reason is known")),
        Outcome::Applied | Outcome::Stale | Outcome::Unchanged | Outcome::Duplicate => {
            of_its_object(store, event).await?
        }
    };
    Ok(if event.conflicting_redelivery {
        format!("{sentence} {}", explain::OTHER_CONTENT)
    } else {
        sentence
    })
}

async fn of_its_object(store: &SharedStore, event: &EventRecord) -> Result<String, StoreError> {
    let sentence = match &event.object {
        Some(key) => explain::report(key, &store.reports(key).await?, &event.id),
        None => None,
    };
    Ok(sentence.unwrap_or_else(|| "Kept; no object's history shows it.".to_owned()))
}

/// Of the tracked types only thin events are ignored.
fn is_thin(event: &EventRecord) -> bool {
    event.event_type.starts_with("v2.")
        || tracked_types().any(|(tracked, _)| tracked == event.event_type)
}
