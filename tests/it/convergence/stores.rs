//! The promise on the real store: whatever is done with it between the deliveries, and by
//! whichever way each of them comes in, reads and histories end the same, byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bursar::domain::event::{Outcome, Report};
use bursar::domain::fold::fold;
use bursar::domain::id::{Kind, ObjectKey};
use bursar::http::view;
use bursar::pipeline::history::history;
use bursar::store::embedded::Embedded;
use bursar::store::{EventFilter, ObjectFilter, SharedStore, Slice, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Serialize;
use serde_json::{Value, json};

use super::place::{Deed, Place, lines};
use super::seen;
use crate::support::events::{live, one_of_each, topup};
use crate::support::lives::{Life, lives, world};
use crate::support::with;

const EVERYTHING: Slice = Slice { from: None, limit: 10_000 };

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let ways = select(vec![Deed::Webhooks, Deed::Replay, Deed::Import, Deed::DryRun]);
    let quiet = select(vec![Deed::Restart, Deed::Crash, Deed::Rebuild, Deed::Move]);
    let deliver = (ways, 1_usize..8).prop_map(|(way, count)| way(count));
    vec(prop_oneof![3 => deliver, 1 => quiet], 0..8)
}

/// Every event of the lives at least once, some twice, in any order.
fn deliveries(lives: &[Life]) -> impl Strategy<Value = Vec<String>> + use<> {
    let bodies = |delivery| {
        let of = move |life: &Life| -> Vec<String> {
            life.told.iter().map(|told| told.body(&life.key, delivery)).collect()
        };
        lives.iter().flat_map(of).collect::<Vec<String>>()
    };
    let (first, again) = (bodies(1), bodies(2));
    let twice = vec(prop::bool::weighted(0.2), again.len());
    let delivered = twice.prop_map(move |twice| {
        let again = again.iter().zip(twice).filter(|(_, twice)| *twice).map(|(body, _)| body);
        first.iter().chain(again).cloned().collect::<Vec<String>>()
    });
    delivered.prop_shuffle()
}

/// JSON without the fields that tell of arrival.
fn shown(value: impl Serialize, arrival: &[&str]) -> String {
    let mut value = serde_json::to_value(value).unwrap();
    for pointer in arrival {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = value.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
        parent.shift_remove(name).unwrap();
    }
    value.to_string()
}

/// All that can be read, as JSON, by what it is of.
async fn everything(store: &Arc<Embedded>, keys: &BTreeSet<ObjectKey>) -> BTreeMap<String, String> {
    let shared: SharedStore = store.clone();
    let mut all = BTreeMap::new();
    for key in keys {
        let Some(object) = store.object(key).await.unwrap() else { continue };
        let object = shown(view::object(&object), &["/version", "/as_of/recorded_at"]);
        all.insert(format!("{key:?}"), object);
        for (place, told) in history(&shared, key).await.unwrap().iter().enumerate() {
            let entry = view::history_entry(told);
            let entry = shown(entry, &["/received_at", "/source", "/arrived_late"]);
            all.insert(format!("{key:?}, history {place}"), entry);
        }
    }
    for livemode in [false, true] {
        all.insert(format!("summary, live {livemode}"), summary(store, livemode).await);
        let page = store.events(livemode, EventFilter::default(), EVERYTHING).await.unwrap();
        for event in page.items {
            let name = format!("event {}, live {livemode}", event.id);
            let record = shown(view::event(&event), &["/received_at", "/source", "/outcome"]);
            all.insert(name, record);
        }
        for kind in Kind::ALL {
            let filter = ObjectFilter::default();
            let page = store.objects(livemode, kind, filter, EVERYTHING).await.unwrap();
            let keys: BTreeSet<ObjectKey> = page.items.into_iter().map(|item| item.key).collect();
            all.insert(format!("list of {kind:?}, live {livemode}"), format!("{keys:?}"));
        }
    }
    all
}

/// What a summary says of the way by which events came.
const ARRIVAL: [&str; 5] = ["/sources", "/oldest_parked", "/events", "/deliveries", "/warnings"];

async fn summary(store: &Arc<Embedded>, livemode: bool) -> String {
    let summary = store.summary(livemode).await.unwrap();
    let count = |outcome| summary.events.get(&outcome).copied().unwrap_or_default();
    let folded: u64 =
        [Outcome::Applied, Outcome::Stale, Outcome::Unchanged].into_iter().map(count).sum();
    let shown = shown(view::summary(&summary, &[], livemode, &[], &[]), &ARRIVAL);
    format!("{shown} {folded} {} {}", count(Outcome::Ignored), count(Outcome::Parked))
}

/// What the pure rules make of every object.
fn rules_say(lives: &[Life]) -> BTreeMap<ObjectKey, Vec<Report>> {
    let mut reports: BTreeMap<ObjectKey, Vec<Report>> = BTreeMap::new();
    for life in lives {
        reports.entry(life.key.clone()).or_default().extend(life.reports());
    }
    reports
}

async fn check(lives: &[Life], deeds: &[Deed], delivered: &[String]) {
    let told: Vec<String> = lives
        .iter()
        .flat_map(|life| life.told.iter().map(|told| told.body(&life.key, 1)))
        .collect();
    let plain = Place::new();
    plain.import(&lines(&told)).await;

    let mut place = Place::new();
    let mut left = delivered;
    for &deed in deeds {
        left = place.deed(deed, left).await;
    }
    place.deed(Deed::Replay(left.len()), left).await;

    let reports = rules_say(lives);
    let keys: BTreeSet<ObjectKey> = reports.keys().cloned().collect();
    for (key, reports) in reports {
        let expected = fold(key.kind, &reports, None).map(|folded| seen(folded.progress));
        let object = place.store().object(&key).await.unwrap();
        assert_eq!(object.map(|object| seen(object.progress)), expected, "{key:?}");
    }
    let (expected, found) =
        (everything(&plain.store(), &keys).await, everything(&place.store(), &keys).await);
    assert_eq!(found, expected);
    let checked = place.store().check(10, &mut |_| {}).unwrap();
    assert!(checked.rows > 0 && checked.differences.is_empty(), "{checked:?}");
}

/// Runs to the end, on this thread.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    // Each is a world of one to four lives.
    #![proptest_config(lives(100))]

    #[test]
    fn whatever_is_done_with_a_store_its_reads_and_histories_end_the_same(
        (lives, delivered) in world().prop_flat_map(|lives| {
            let deliveries = deliveries(&lives);
            (Just(lives), deliveries)
        }),
        deeds in deeds(),
    ) {
        block_on(check(&lives, &deeds, &delivered));
    }
}

/// A store that knows something of every kind, of both partitions.
fn full_store() -> Place {
    let bodies: Vec<String> = one_of_each()
        .into_iter()
        .flat_map(|(_, event)| [live(event.clone()), event])
        .chain([with(topup("tu_9", "created", "pending"), "data.object.status", json!("new"))])
        .map(|event| event.to_string())
        .collect();
    let place = Place::new();
    block_on(place.replay(&bodies, false));
    place
}

#[test]
fn a_row_that_the_journal_does_not_give_is_found_whichever_it_is() {
    // The row that names the place in the journal, and those of the newest events, are looked at
    // by the start, before any check.
    const PLACE_IN_THE_JOURNAL: &[u8] = b"m";
    let mut place = full_store();
    let rows = place.store().check(0, &mut |_| {}).unwrap().rows;
    let mut wrong = Vec::new();
    let mut left_alone = Vec::from([PLACE_IN_THE_JOURNAL.to_vec()]);
    block_on(place.tamper(|views| {
        let newest = [[b'n', 0], [b'n', 1]].into_iter().filter_map(|of_partition| {
            views.scan_prefix(of_partition).keys().last().map(|key| key.unwrap().to_vec())
        });
        left_alone.extend(newest);
        let keys = views.iter().keys().map(Result::unwrap);
        for (number, key) in keys.filter(|key| !left_alone.contains(&key.to_vec())).enumerate() {
            let value = views.get(&key).unwrap().unwrap();
            let other = [&value[..value.len() - 1], &[value[value.len() - 1] ^ 1]].concat();
            match number % 3 {
                0 => views.remove(&key),
                1 => views.insert(&key, other),
                _ => views.insert([&key[..], b"+"].concat(), value),
            }
            .unwrap();
            wrong.push(["is missing", "differs", "should not be there"][number % 3]);
        }
    }));
    let found = place.store().check(1_000, &mut |_| {}).unwrap().differences;
    let tampered_with = usize::try_from(rows).unwrap() - left_alone.len();
    assert_eq!(wrong.len(), tampered_with, "every row but those");
    assert_eq!(found.len(), wrong.len(), "{found:?}");
    for (found, wrong) in found.iter().zip(wrong) {
        assert!(found.contains(wrong), "{found}: {wrong}");
    }
    place.rebuild();
    assert!(place.store().check(1, &mut |_| {}).unwrap().differences.is_empty());
}
