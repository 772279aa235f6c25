//! The change feed as a store gives it: what appears when, where, and how far a page got.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bursar::clock;
use bursar::domain::event::{Event, Outcome, Reading};
use bursar::domain::time::Timestamp;
use bursar::pipeline::receive::incoming;
use bursar::pipeline::rules::StripeRules;
use bursar::store::embedded::{Embedded, Options};
use bursar::store::{ChangeRecord, Rules, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::events::{event, payout, topup};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

const OPTIONS: Options = Options { segment_bytes: 1 << 20 };

/// Stripe's rules, which may have to learn first how to read anything at all.
struct Learning {
    learned: AtomicBool,
}

impl Rules for Learning {
    fn read(&self, body: &[u8], received_at: Timestamp) -> Option<Event> {
        let mut event = StripeRules.read(body, received_at)?;
        if !self.learned.load(Ordering::Relaxed) {
            event.reading = Reading::Parked { reason: "not learned yet".to_owned() };
        }
        Some(event)
    }

    fn same_content(&self, a: &[u8], b: &[u8]) -> bool {
        StripeRules.same_content(a, b)
    }

    fn reduce(&self, body: &[u8]) -> Option<Vec<u8>> {
        StripeRules.reduce(body)
    }

    fn mentions(&self, body: &[u8], account: &str) -> bool {
        StripeRules.mentions(body, account)
    }
}

struct Opened {
    folder: TempDir,
    rules: Arc<Learning>,
    store: Arc<Embedded>,
}

impl Opened {
    fn new(learned: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let rules = Arc::new(Learning { learned: AtomicBool::new(learned) });
        let store = open(&folder, &rules);
        Self { folder, rules, store }
    }

    async fn again(self) -> Self {
        let Self { folder, rules, store } = self;
        store.close().await.unwrap();
        drop(store);
        let store = open(&folder, &rules);
        Self { folder, rules, store }
    }

    async fn rebuilt(self) -> Self {
        let Self { folder, rules, store } = self;
        store.close().await.unwrap();
        drop(store);
        Embedded::rebuild(folder.path(), OPTIONS, &*rules, &mut |_| {}).unwrap();
        let store = open(&folder, &rules);
        Self { folder, rules, store }
    }

    async fn commit(&self, events: &[Value]) {
        let incoming = events.iter().map(|event| {
            let body = event.to_string();
            let read = self.rules.read(body.as_bytes(), clock::now()).unwrap();
            incoming(read, body.as_bytes(), "test", clock::now(), false)
        });
        self.store.commit(incoming.collect()).await.unwrap();
    }

    async fn entries(&self) -> Vec<ChangeRecord> {
        self.store.changes(false, 0, 500).await.unwrap().items
    }

    async fn newest(&self) -> u64 {
        self.store.feed().await.unwrap().newest
    }
}

fn open(folder: &TempDir, rules: &Arc<Learning>) -> Arc<Embedded> {
    let rules = Arc::clone(rules);
    Arc::new(Embedded::open(folder.path(), OPTIONS, rules, &mut |_| {}).unwrap())
}

fn ids(entries: &[ChangeRecord]) -> Vec<&str> {
    entries.iter().map(|entry| entry.event_id.as_str()).collect()
}

fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_redriven_event_is_announced_where_it_was_redriven() {
    let opened = Opened::new(false);
    let (parked, next) = (topup("tu_1", "created", "pending"), topup("tu_2", "created", "pending"));
    opened.commit(std::slice::from_ref(&parked)).await;
    opened.rules.learned.store(true, Ordering::Relaxed);
    opened.commit(std::slice::from_ref(&next)).await;
    assert_eq!(ids(&opened.entries().await), [id(&next)]);

    let ids_to_redrive = vec![id(&parked).to_owned(); 2];
    opened.store.redrive(false, ids_to_redrive, false).await.unwrap();
    let entries = opened.entries().await;
    assert_eq!(ids(&entries), [id(&next), id(&parked)]);
    assert_eq!(entries[1].sequence, opened.newest().await);
    assert!(entries[1].recorded_at >= entries[0].recorded_at, "{entries:?}");

    let third = topup("tu_3", "created", "pending");
    opened.commit(std::slice::from_ref(&third)).await;
    let before = opened.entries().await;
    assert_eq!(ids(&before), [id(&next), id(&parked), id(&third)]);
    assert_eq!(opened.again().await.entries().await, before);
}

#[tokio::test]
async fn a_dry_run_of_a_redrive_announces_nothing() {
    let opened = Opened::new(false);
    let parked = topup("tu_1", "created", "pending");
    opened.commit(std::slice::from_ref(&parked)).await;
    opened.rules.learned.store(true, Ordering::Relaxed);
    opened.store.redrive(false, vec![id(&parked).to_owned()], true).await.unwrap();
    assert_eq!(opened.entries().await, []);
    assert_eq!(opened.newest().await, 1);
}

/// A store with one parked event and a later one that was used, opened again by rules that have
/// learned to use both.
async fn upgraded() -> (Opened, [Value; 2]) {
    let opened = Opened::new(false);
    let events = [topup("tu_1", "created", "pending"), topup("tu_2", "created", "pending")];
    opened.commit(&events[..1]).await;
    opened.rules.learned.store(true, Ordering::Relaxed);
    opened.commit(&events[1..]).await;
    std::fs::write(opened.folder.path().join("RULES"), "0").unwrap();
    (opened.again().await, events)
}

#[tokio::test]
async fn an_upgrade_reads_parked_events_again_and_announces_them_where_it_did() {
    let (opened, [parked, next]) = upgraded().await;
    let event = opened.store.event(false, id(&parked)).await.unwrap().unwrap();
    assert_eq!((event.outcome, event.reason), (Outcome::Applied, None));
    let entries = opened.entries().await;
    assert_eq!(ids(&entries), [id(&next), id(&parked)]);
    assert_eq!(entries[1].sequence, opened.newest().await);
    assert_eq!(opened.store.summary(false).await.unwrap().oldest_parked, None);

    let again = opened.again().await;
    assert_eq!(again.newest().await, entries[1].sequence, "once is enough");
}

#[tokio::test]
async fn a_rebuild_gives_the_feed_that_readers_saw_whatever_the_rules_have_learned_since() {
    let (opened, [parked, next]) = upgraded().await;
    let before = opened.entries().await;
    assert_eq!(opened.store.check(10, &mut |_| {}).unwrap().differences, [""; 0]);
    let opened = opened.rebuilt().await;
    assert_eq!(opened.entries().await, before);

    // Without the redrive the event stays parked: readers are past its place.
    let opened = Opened::new(false);
    opened.commit(std::slice::from_ref(&parked)).await;
    opened.rules.learned.store(true, Ordering::Relaxed);
    opened.commit(std::slice::from_ref(&next)).await;
    let opened = opened.rebuilt().await;
    let event = opened.store.event(false, id(&parked)).await.unwrap().unwrap();
    assert_eq!(event.outcome, Outcome::Parked);
    assert!(event.reason.unwrap().contains("redriven"));
    assert_eq!(ids(&opened.entries().await), [id(&next)]);
}

#[tokio::test]
async fn what_an_upgrade_still_cannot_use_stays_parked() {
    let opened = Opened::new(false);
    opened.commit(&[topup("tu_1", "created", "pending")]).await;
    std::fs::write(opened.folder.path().join("RULES"), "0").unwrap();
    let opened = opened.again().await;
    assert_eq!(opened.newest().await, 1);
    assert!(opened.store.summary(false).await.unwrap().oldest_parked.is_some());
    assert_ne!(std::fs::read_to_string(opened.folder.path().join("RULES")).unwrap(), "0");
}

#[tokio::test]
async fn a_page_that_finds_nothing_in_very_many_says_how_far_it_looked() {
    let opened = Opened::new(true);
    let ignored: Vec<Value> =
        (0..17_000).map(|_| event("charge.succeeded", json!({ "id": "ch_1" }))).collect();
    opened.commit(&ignored).await;
    opened.commit(&[topup("tu_1", "created", "pending")]).await;
    // What is still in memory is not looked for at all.
    let opened = opened.again().await;
    let first = opened.store.changes(false, 0, 1).await.unwrap();
    assert_eq!(first.items, []);
    assert!((1..17_000).contains(&first.next), "{}", first.next);
    let second = opened.store.changes(false, first.next, 1).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, 17_001));
}

#[tokio::test]
async fn a_wait_ends_with_what_came_before_or_comes_after_its_beginning() {
    let opened = Opened::new(true);
    let store = Arc::clone(&opened.store);
    let waiting = tokio::spawn(async move {
        store.changed_after(0).await.unwrap();
        store.changed_after(1).await.unwrap();
    });
    opened.commit(&[topup("tu_1", "created", "pending")]).await;
    opened.commit(&[topup("tu_2", "created", "pending")]).await;
    tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    tokio::time::timeout(PATIENCE, opened.store.changed_after(1)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_during_commits_sees_all_of_them_once_and_in_order() {
    let opened = Opened::new(true);
    let store = Arc::clone(&opened.store);
    let following = tokio::spawn(async move {
        let (mut after, mut seen) = (0, Vec::new());
        while seen.len() < 900 {
            store.changed_after(after).await.unwrap();
            let page = store.changes(false, after, 7).await.unwrap();
            let newest = store.feed().await.unwrap().newest;
            assert!(after < page.next && page.next <= newest, "{after} {} {newest}", page.next);
            after = page.next;
            seen.extend(page.items);
        }
        seen
    });
    for batch in 0..100 {
        let events: Vec<Value> = (0..9)
            .map(|number| payout(&format!("po_{batch}_{number}"), "created", "pending"))
            .collect();
        opened.commit(&events).await;
    }
    let seen = tokio::time::timeout(PATIENCE, following).await.unwrap().unwrap();
    assert!(seen.is_sorted_by(|a, b| a.sequence < b.sequence));
    let mut all = opened.entries().await;
    let rest = opened.store.changes(false, all[all.len() - 1].sequence, 500).await.unwrap();
    all.extend(rest.items);
    assert_eq!(seen, all);
}

#[tokio::test]
async fn the_epoch_survives_a_reopening_and_is_another_for_another_store() {
    let opened = Opened::new(true);
    let epoch = opened.store.feed().await.unwrap().epoch;
    let opened = opened.again().await;
    assert_eq!(opened.store.feed().await.unwrap().epoch, epoch);
    assert_ne!(Opened::new(true).store.feed().await.unwrap().epoch, epoch);

    // What an older version left has no identity yet, and a deleted one is made anew.
    let identity = opened.folder.path().join("IDENTITY");
    std::fs::remove_file(&identity).unwrap();
    let opened = opened.again().await;
    assert_ne!(opened.store.feed().await.unwrap().epoch, epoch);
    assert!(identity.is_file());
}
