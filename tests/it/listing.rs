//! Lists, parked events and counts while derived records move from memory to sled behind the
//! acknowledgement: what was acknowledged before a read began is in it, once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bursar::clock;
use bursar::domain::event::Outcome;
use bursar::domain::id::Kind;
use bursar::pipeline::receive::incoming;
use bursar::pipeline::rules::StripeRules;
use bursar::store::embedded::{Embedded, Options};
use bursar::store::{EventFilter, ObjectFilter, Rules, Slice, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::events::topup;
use crate::support::with;

const COMMITS: u64 = 400;
/// More than fit in memory, so that they are read from both places.
const PER_COMMIT: u64 = 40;

/// Every fourth event cannot be understood.
fn made(number: u64) -> Value {
    let event = topup(&format!("tu_{number}"), "created", "pending");
    if number % 4 == 3 { with(event, "data.object.status", json!(7)) } else { event }
}

async fn commit(store: &Embedded, events: impl Iterator<Item = Value>) {
    let events = events.map(|event| {
        let body = event.to_string();
        let read = StripeRules.read(body.as_bytes(), clock::now()).unwrap();
        incoming(read, body.as_bytes(), "test", clock::now(), false)
    });
    store.commit(events.collect()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_shows_all_that_was_acknowledged_before_it_was_asked_for() {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(
        folder.path(),
        Options { segment_bytes: 1 << 20 },
        Arc::new(StripeRules),
        &mut |_| {},
    );
    let store = Arc::new(store.unwrap());
    let (known, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut readers = Vec::new();
    for reader in 0..3 {
        let (store, known, over) = (Arc::clone(&store), Arc::clone(&known), Arc::clone(&over));
        readers.push(tokio::spawn(async move {
            let mut rounds = 0;
            while !over.load(Ordering::SeqCst) {
                let least = known.load(Ordering::SeqCst);
                let parked = least / 4;
                match reader {
                    0 => assert_whole(&events(&store, None).await, least),
                    1 => {
                        assert!(events(&store, Some(Outcome::Parked)).await.len() as u64 >= parked);
                    }
                    _ => {
                        let listed = topups(&store).await;
                        let once: BTreeSet<_> = listed.iter().collect();
                        assert_eq!(once.len(), listed.len());
                        assert!(listed.len() as u64 >= least - parked, "{}", listed.len());
                    }
                }
                let summary = store.summary(false).await.unwrap();
                assert!(summary.events.values().sum::<u64>() >= least);
                rounds += 1;
            }
            rounds
        }));
    }
    for number in 0..COMMITS {
        let first = number * PER_COMMIT;
        commit(&store, (first..first + PER_COMMIT).map(made)).await;
        known.store(first + PER_COMMIT, Ordering::SeqCst);
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

/// Sequences from the newest to the first, without a gap.
fn assert_whole(sequences: &[u64], least: u64) {
    let newest = sequences.first().copied().unwrap_or(0);
    assert!(newest >= least, "{newest} < {least}");
    assert_eq!(sequences, (1..=newest).rev().collect::<Vec<_>>());
}

async fn events(store: &Embedded, outcome: Option<Outcome>) -> Vec<u64> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let filter = EventFilter { outcome, ..EventFilter::default() };
        let page = store.events(false, filter, Slice { from, limit: 300 }).await.unwrap();
        all.extend(page.items.iter().map(|event| event.sequence));
        from = page.next;
        if from.is_none() {
            return all;
        }
    }
}

async fn topups(store: &Embedded) -> Vec<u64> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let slice = Slice { from, limit: 300 };
        let page = store.objects(false, Kind::Topup, ObjectFilter::default(), slice).await.unwrap();
        all.extend(page.items.iter().map(|object| object.first_seen));
        from = page.next;
        if from.is_none() {
            return all;
        }
    }
}
