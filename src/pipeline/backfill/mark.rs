//! What the complete runs so far have reached: two notes a run, kept among the events.
//!
//! A run notes when it has begun, before it looks which accounts there are, and that it is
//! complete. The second note is stored as received at the moment that the first names, under a
//! source of its own: when that source was last heard is then where the next run has to read back
//! to, and no event of an account that was first seen after the first note counts as looked for.

use std::collections::BTreeSet;

use serde_json::json;

use crate::domain::event::is_of_deliveries;
use crate::domain::time::Timestamp;
use crate::pipeline::receive::incoming;
use crate::store::{Incoming, SharedStore, StoreError};
use crate::stripe::wire::{self, Note};

/// Of events that were fetched.
pub(super) const SOURCE: &str = "backfill";
/// Of the notes that a run is complete.
pub const COMPLETE: &str = "backfill:complete";

pub(super) fn run_id(at: Timestamp) -> String {
    format!("bf_{}", at.0)
}

/// What is known of earlier runs, in one partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// All that Stripe had listed until then is known, in Unix seconds; `None` without a complete
    /// run.
    pub(super) complete_until: Option<u64>,
    /// Accounts that were first seen after this place in the order of arrival were not looked at.
    pub(super) looked_at: u64,
    /// Accounts whose lists Stripe did not show to the last complete run.
    pub(super) skipped: BTreeSet<String>,
    /// When a delivery last came, in Unix seconds.
    pub(super) last_heard: Option<u64>,
}

impl Mark {
    pub(super) async fn of(
        store: &SharedStore,
        livemode: bool,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let sources = store.summary(livemode).await?.sources;
        // A clock was wrong when that was noted, and no later note would stand before it: rather
        // read everything than too little.
        let complete = sources.get(COMPLETE).copied().filter(|moment| *moment <= now);
        let (begun, completed) = match complete {
            Some(moment) => (
                store.event(livemode, &begun_id(moment)).await?,
                store.body(livemode, &completed_id(moment)).await?,
            ),
            None => (None, None),
        };
        let delivered = sources.iter().filter(|(name, _)| is_of_deliveries(name));
        Ok(Self {
            complete_until: complete.map(Timestamp::unix_seconds),
            looked_at: begun.map_or(0, |begun| begun.sequence),
            skipped: completed.map(|body| skipped(&body)).unwrap_or_default(),
            last_heard: delivered.map(|(_, heard)| heard.unix_seconds()).max(),
        })
    }
}

fn begun_id(moment: Timestamp) -> String {
    format!("{}_begun", run_id(moment))
}

fn completed_id(moment: Timestamp) -> String {
    format!("{}_completed", run_id(moment))
}

/// What the note of a complete run says of the accounts that it left.
fn skipped(note: &[u8]) -> BTreeSet<String> {
    let note: serde_json::Value = serde_json::from_slice(note).unwrap_or_default();
    let ids = note.pointer("/data/object/skipped").and_then(serde_json::Value::as_array);
    let ids = ids.into_iter().flatten().filter_map(serde_json::Value::as_str);
    ids.map(str::to_owned).collect()
}

/// The note that a run has begun; `moment` is that of Stripe's first answer.
pub(super) fn begun(moment: Timestamp, livemode: bool, now: Timestamp) -> Option<Incoming> {
    let what = json!({ "object": "bursar.backfill", "id": run_id(moment) });
    let id = begun_id(moment);
    noted(&id, "bursar.backfill_begun", &what, (moment, livemode), (SOURCE, now))
}

/// The note that it is complete.
pub(super) fn completed(
    moment: Timestamp,
    livemode: bool,
    what: &serde_json::Value,
) -> Option<Incoming> {
    let id = completed_id(moment);
    noted(&id, "bursar.backfill_completed", what, (moment, livemode), (COMPLETE, moment))
}

fn noted(
    id: &str,
    event_type: &str,
    what: &serde_json::Value,
    (moment, livemode): (Timestamp, bool),
    (source, received_at): (&str, Timestamp),
) -> Option<Incoming> {
    let created = moment.unix_seconds();
    let body = wire::note(Note { id, event_type, created, livemode, what });
    let event = wire::read(body.as_bytes(), received_at).ok()?;
    Some(incoming(event, body.as_bytes(), source, received_at, livemode))
}
