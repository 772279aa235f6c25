//! Stores that earlier versions wrote (`fixtures/stores/FORMAT`) open, and say what they said.
//!
//! `BURSAR_WRITE_STORE=1 cargo test --test it stores` writes one where this version's layout has
//! none yet, and `expected.json` beside every store anew.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bursar::clock;
use bursar::domain::Json;
use bursar::domain::event::{Event, Reading};
use bursar::domain::operation::{
    Action, Happening, Operation, OperationError, Params, Reason, Request, Tag, TransferTerms,
};
use bursar::domain::time::Timestamp;
use bursar::pipeline::receive::incoming;
use bursar::pipeline::rules::StripeRules;
use bursar::sandbox::fixture;
use bursar::store::embedded::{Embedded, Options};
use bursar::store::{Advanced, Begun, Incoming, PackedBody, Rules, Store};
use serde_json::{Map, Value, json};

use crate::damage::records;
use crate::process::{OPERATOR, Place, Server};

/// So small that a store of some events has several segments.
const SEGMENT_BYTES: u32 = 4 << 10;
/// The layout that this version writes.
const FORMAT: &str = "1";
const WRITE: &str = "BURSAR_WRITE_STORE";
/// One that was written when operations had come, with the same layout.
const OPERATIONS: &str = "1-operations";
/// What a read tells of the reading rather than of the store.
const OF_THE_READING: [&str; 2] = ["epoch", "explanation"];

fn stores() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stores")
}

#[test]
fn a_store_of_every_layout_opens_and_shows_what_it_showed() {
    let writing = std::env::var_os(WRITE).is_some();
    if writing && !stores().join(FORMAT).exists() {
        write_store(&stores().join(FORMAT));
    }
    if writing && !stores().join(OPERATIONS).exists() {
        write_operations(&stores().join(OPERATIONS));
    }
    let mut found = 0;
    for entry in fs::read_dir(stores()).expect("stores of earlier versions") {
        let folder = entry.expect("an entry").path();
        let place = Place::new();
        copy(&folder, &place.store());
        fs::remove_file(place.store().join("expected.json")).ok();
        place.run(&["verify"]).expect(0).says(&["no faults"]);
        place.run(&["rebuild", "--check"]).expect(0).says(&["no differences"]);
        place.run(&["repair"]).expect(0).says(&["no damage"]);
        let server = place.serve();
        let shown = shown(&server);
        server.stop();
        let expected = folder.join("expected.json");
        if writing {
            fs::write(&expected, lines(&shown)).expect("room");
        }
        let expected = fs::read(&expected).expect("what the store showed when it was written");
        let expected: Value = serde_json::from_slice(&expected).expect("JSON");
        check_includes(&expected, &Value::Object(shown), &folder.display().to_string());
        found += 1;
    }
    assert!(found > 0);
    let (kinds, encodings) = kinds(&stores().join(FORMAT));
    assert_eq!((kinds, encodings), (BTreeSet::from([1, 2, 3, 4]), BTreeSet::from([0, 1, 2])));
    assert_eq!(kinds_of_operations(), BTreeSet::from([1, 5]));
}

fn kinds_of_operations() -> BTreeSet<u8> {
    kinds(&stores().join(OPERATIONS)).0
}

/// As an older program does with operations, which it does not know.
#[test]
fn a_kind_of_record_that_is_not_known_is_called_a_newer_versions_and_left_alone() {
    const UNKNOWN: u8 = 200;
    let place = Place::new();
    copy(&stores().join(OPERATIONS), &place.store());
    fs::remove_file(place.store().join("expected.json")).expect("what it showed");
    let segment = place.store().join("journal/00000001.journal");
    let all = records(&segment);
    let of_operation = all.iter().find(|record| record.kind == 5).expect("an operation");
    let mut bytes = fs::read(&segment).expect("a segment");
    let record = &mut bytes[of_operation.from..];
    let length = u32::from_le_bytes(*record.first_chunk().expect("a length")) as usize;
    record[9] = UNKNOWN;
    let checksum = crc32c::crc32c(&record[8..8 + length]);
    record[4..8].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&segment, &bytes).expect("room");
    for command in ["serve", "verify", "repair"] {
        place.run(&[command]).expect(1).says(&["newer version", "kind"]);
        assert_eq!(fs::read(&segment).expect("a segment"), bytes, "{command} changes nothing");
    }
}

/// JSON with a line for each path, so that a difference is seen.
fn lines(shown: &Map<String, Value>) -> String {
    let line = |(path, answer): (&String, &Value)| format!("{}: {answer}", json!(path));
    let lines: Vec<String> = shown.iter().map(line).collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// The kinds of records and the encodings of bodies in a store of several segments.
#[track_caller]
fn kinds(folder: &Path) -> (BTreeSet<u8>, BTreeSet<u8>) {
    let (mut kinds, mut encodings) = (BTreeSet::new(), BTreeSet::new());
    let segments = fs::read_dir(folder.join("journal")).expect("a journal");
    let segments: Vec<PathBuf> = segments.map(|entry| entry.expect("an entry").path()).collect();
    for record in segments.iter().flat_map(|segment| records(segment)) {
        kinds.insert(record.kind);
        encodings.insert(record.encoding);
    }
    assert!(segments.len() > 1);
    (kinds, encodings)
}

/// What was shown is shown still; fields may have come since.
#[track_caller]
fn check_includes(expected: &Value, shown: &Value, path: &str) {
    match (expected, shown) {
        (Value::Object(expected), Value::Object(shown)) => {
            for (name, value) in expected {
                let is = shown.get(name).unwrap_or(&Value::Null);
                check_includes(value, is, &format!("{path} {name}"));
            }
        }
        (Value::Array(expected), Value::Array(shown)) => {
            assert_eq!(expected.len(), shown.len(), "{path}");
            for (number, (expected, shown)) in expected.iter().zip(shown).enumerate() {
                check_includes(expected, shown, &format!("{path} {number}"));
            }
        }
        _ => assert_eq!(expected, shown, "{path}"),
    }
}

/// Statuses, histories, events, counts, the feed, and every body.
fn shown(server: &Server) -> Map<String, Value> {
    let mut shown = Map::new();
    for livemode in [false, true] {
        for path in ["changes?limit=500&", "summary?", "events?limit=500&"] {
            read(server, &format!("/v1/{path}livemode={livemode}"), &mut shown);
        }
        for kind in ["accounts", "topups", "transfers", "payouts"] {
            let list =
                read(server, &format!("/v1/{kind}?limit=500&livemode={livemode}"), &mut shown);
            for object in list["data"].as_array().expect("a list") {
                let id = object["id"].as_str().expect("an id");
                let account = object["account"].as_str().map(|it| format!("&account={it}"));
                let account = account.filter(|_| kind == "payouts").unwrap_or_default();
                let query = format!("history?limit=500&livemode={livemode}{account}");
                read(server, &format!("/v1/{kind}/{id}/{query}"), &mut shown);
            }
        }
        read(server, &format!("/v1/operations?limit=500&livemode={livemode}"), &mut shown);
    }
    // Each leaves an entry in the audit trail, and so moves the feed's end.
    for livemode in [false, true] {
        let events = shown[&format!("/v1/events?limit=500&livemode={livemode}")]["data"].clone();
        for event in events.as_array().expect("a list") {
            let path = format!("/v1/events/{}/body", event["id"].as_str().expect("an id"));
            let body = server.get(&format!("{path}?livemode={livemode}"), OPERATOR);
            assert_eq!(body.status, 200, "{path}");
            let text = body.text();
            // Of a long body its length says enough beside the checksum that guards it.
            let text = if text.len() < 200 { text } else { format!("{} bytes", text.len()) };
            shown.insert(format!("{path} {livemode}"), Value::from(text));
        }
    }
    shown
}

fn read(server: &Server, path: &str, shown: &mut Map<String, Value>) -> Value {
    let mut answer = server.read(path);
    strip(&mut answer);
    shown.insert(path.to_owned(), answer.clone());
    answer
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !OF_THE_READING.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry").path();
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, target).expect("room");
        }
    }
}

/// Rules that have yet to learn what a top-up is.
struct Learning(AtomicBool);

impl Rules for Learning {
    fn read(&self, body: &[u8], received_at: Timestamp) -> Option<Event> {
        let mut event = StripeRules.read(body, received_at)?;
        if event.event_type.starts_with("topup.") && !self.0.load(Ordering::Relaxed) {
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

fn write_store(folder: &Path) {
    let place = Place::new();
    let rules = Arc::new(Learning(AtomicBool::new(false)));
    let options = Options { segment_bytes: SEGMENT_BYTES };
    let store = Embedded::open(&place.store(), options, Arc::clone(&rules) as _, &mut |_| {});
    let store = store.expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for batch in batches(&*rules) {
            store.commit(batch).await.expect("a commit");
        }
        rules.0.store(true, Ordering::Relaxed);
        store.redrive(false, vec!["evt_topup_0".to_owned()], false).await.expect("a redrive");
        store
            .commit(vec![event(&*rules, "payout.paid/paid.json", "last", |_| {})])
            .await
            .expect("a commit");
        store.close().await.expect("an orderly end");
    });
    drop(store);
    keep(&place, folder);
}

/// What a store needs to be opened again, and nothing that is derived.
fn keep(place: &Place, folder: &Path) {
    fs::remove_dir_all(place.store().join("views")).expect("the views");
    fs::remove_file(place.store().join("LOCK")).expect("the lock");
    copy(&place.store(), folder);
}

/// An operation in every state, and what led there.
fn write_operations(folder: &Path) {
    let place = Place::new();
    let options = Options { segment_bytes: SEGMENT_BYTES };
    let store = Embedded::open(&place.store(), options, Arc::new(StripeRules), &mut |_| {});
    let store = store.expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for (name, waits, happenings) in lives() {
            let wanted = Operation::new(transfer(name, waits), clock::now());
            let begun = store.begin(wanted).await.expect("a record");
            let Begun::New(mut operation) = begun else { panic!("{begun:?}") };
            for happening in happenings {
                let next = operation.after(happening, clock::now()).expect("a legal step");
                let advanced = store.advance(next, operation.version).await.expect("a record");
                let Advanced::Recorded(recorded) = advanced else { panic!("{advanced:?}") };
                operation = recorded;
            }
            assert_eq!(operation.state.word(), name);
        }
        let told = event(&StripeRules, "transfer.created/created.json", "told", |_| {});
        store.commit(vec![told]).await.expect("a commit");
        store.close().await.expect("an orderly end");
    });
    drop(store);
    keep(&place, folder);
}

/// The state that each comes to, whether it begins with waiting for its funds, and how it goes.
fn lives() -> Vec<(&'static str, bool, Vec<Happening>)> {
    let request_id = || Some("req_kept".to_owned());
    let answered = Happening::Answered {
        object_id: Some("tr_kept".to_owned()),
        object: Json(r#"{"id":"tr_kept","object":"transfer","amount":1000}"#.to_owned()),
        request_id: request_id(),
    };
    let error = OperationError {
        status: Some(400),
        kind: Some("invalid_request_error".to_owned()),
        code: Some("amount_too_large".to_owned()),
        message: "It is too much.".to_owned(),
        param: Some("amount".to_owned()),
    };
    let refused = Happening::Refused { error, request_id: request_id() };
    let lost = Happening::Lost { reason: "hung up".to_owned(), request_id: request_id() };
    vec![
        ("requested", false, vec![]),
        ("waiting_for_funds", true, vec![]),
        ("sent", false, vec![Happening::Sent]),
        ("succeeded", false, vec![Happening::Sent, answered]),
        ("refused", false, vec![Happening::Sent, refused]),
        ("unknown", false, vec![Happening::Sent, lost]),
    ]
}

fn transfer(name: &str, wait_for_funds: bool) -> Request {
    let terms = TransferTerms {
        amount: 1000,
        currency: "usd".to_owned(),
        destination: "acct_kept".to_owned(),
        transfer_group: Some("week_40".to_owned()),
        wait_for_funds,
        topup: None,
    };
    Request {
        id: format!("op_{name}"),
        livemode: false,
        action: Action::CreateTransfer,
        client_key: format!("key-{name}"),
        fingerprint: "print".to_owned(),
        by: "pat".to_owned(),
        subject: Some("acct_kept".to_owned()),
        tag: Some(Tag { name: "transfer kept".to_owned(), exclusive: false }),
        params: Params(vec![("amount".to_owned(), "1000".to_owned())]),
        terms: Some(terms),
        warnings: vec![Reason::new("balance_unknown", "no balance of the platform is known yet")],
    }
}

/// Every kind of record, every encoding of a body, both partitions.
fn batches(rules: &dyn Rules) -> Vec<Vec<Incoming>> {
    let life = |number: u64| {
        let about = move |event: &mut Value| {
            event["data"]["object"]["id"] = json!(format!("po_{number}"));
        };
        ["created/pending", "paid/paid"].map(|case| {
            let name = format!("{}_{number}", case.split('/').next().expect("a type"));
            event(rules, &format!("payout.{case}.json"), &name, about)
        })
    };
    let mut batches: Vec<Vec<Incoming>> = (0..4).map(|number| life(number).to_vec()).collect();
    batches.push(vec![
        event(rules, "topup.created/pending.json", "topup_0", |_| {}),
        event(rules, "topup.created/pending.json", "topup_1", |event| {
            event["data"]["object"]["id"] = json!("tu_never_redriven");
        }),
    ]);
    batches.push(vec![event(rules, "account.updated/complete.json", "account", |_| {})]);
    batches.push(vec![event(rules, "account.updated/complete.json", "live", |event| {
        event["livemode"] = json!(true);
    })]);
    batches.push(vec![event(rules, "payout.paid/paid.json", "large", |event| {
        event["data"]["object"]["description"] = json!("x".repeat(200_000));
    })]);
    // The same id with another content.
    batches.push(vec![event(rules, "payout.created/pending.json", "created_0", |event| {
        event["data"]["object"]["amount"] = json!(1);
    })]);
    let plain = br#"{"id":"evt_plain","object":"event","type":"whatever.happened","created":1}"#;
    let length = u32::try_from(plain.len()).expect("short").to_le_bytes();
    let body = PackedBody::from_bytes(&[&[0], &length[..], plain].concat()).expect("a plain body");
    let read = rules.read(plain, clock::now()).expect("an event");
    batches.push(vec![Incoming { body, ..incoming(read, plain, "import", clock::now(), false) }]);
    batches
}

fn event(rules: &dyn Rules, path: &str, name: &str, change: impl Fn(&mut Value)) -> Incoming {
    let body = fixture(&format!("events/{path}")).expect("a fixture");
    let mut event: Value = serde_json::from_slice(body).expect("JSON");
    event["id"] = json!(format!("evt_{name}"));
    change(&mut event);
    let body = event.to_string();
    let read = rules.read(body.as_bytes(), clock::now()).expect("an event");
    incoming(read, body.as_bytes(), "platform", clock::now(), false)
}
