//! `POST /v1/accounts/{id}/erase`: what is personal is nowhere in the folder any more, and all else
//! is as it was.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::rt::System;
use bursar::domain::Json;
use bursar::domain::operation::{Action, Happening, Operation, Params, Request as Order};
use bursar::domain::time::Timestamp;
use bursar::pipeline::portable::{Defaults, Imported, export, import};
use bursar::pipeline::retention::Retention;
use bursar::store::embedded::Embedded;
use bursar::store::{Advanced, Begun, SharedStore, Store};
use serde_json::{Value, json};

use crate::support::events::{account, live, payout, with};
use crate::support::markers::{Markers, about, fixtures};
use crate::support::{OPERATOR, PAYER, READER, Request, TestApp, assert_problem, now};

const GONE: &str = "acct_of_who_goes";
const STAYS: &str = "acct_of_who_stays";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    System::new().block_on(future)
}

fn at() -> Timestamp {
    Timestamp(now() * 1_000_000)
}

/// What every read shows of both partitions, without what an erasure is there to change.
fn shown(app: &TestApp) -> Vec<Value> {
    let mut all = Vec::new();
    for livemode in [false, true] {
        for path in ["accounts", "topups", "transfers", "payouts", "events"] {
            let mut list = app.read(&format!("/v1/{path}?livemode={livemode}&limit=500"));
            for item in list["data"].as_array_mut().unwrap() {
                item.as_object_mut().unwrap().shift_remove("flags");
            }
            all.push(list);
        }
        // When a secret was used last is of one process.
        let mut summary = app.read(&format!("/v1/summary?livemode={livemode}"));
        summary.as_object_mut().unwrap().shift_remove("secrets");
        all.push(summary);
        // How far it was read: an erasure has records of its own.
        let mut changes = app.read(&format!("/v1/changes?livemode={livemode}&limit=500"));
        changes.as_object_mut().unwrap().shift_remove("next");
        all.push(changes);
        for account in [GONE, STAYS] {
            all.push(app.get(&format!("/v1/balance?account={account}")).json());
            let history = format!("/v1/accounts/{account}/history?livemode={livemode}");
            all.push(app.get(&history).json());
        }
    }
    all
}

/// Every fixture that is about an account, once for each of the two, with markers in it; what is
/// parked and what conflicts, too.
fn deliver_all(app: &TestApp, gone: &mut Markers, stays: &mut Markers) -> usize {
    let mut of_gone = 0;
    for (account, markers) in [(GONE, gone), (STAYS, stays)] {
        for fixture in fixtures() {
            let event = markers.plant(&about(account, &fixture));
            if event.to_string().contains(&format!("\"{account}\"")) {
                let outcome = app.outcome(&event);
                assert_ne!(outcome, "parked", "{event}");
                of_gone += usize::from(account == GONE);
            }
        }
        let parked = with(payout("po_x", "paid", "Jo is broke"), "account", json!(account));
        let parked = about(account, &markers.plant(&parked));
        assert_eq!(app.outcome(&parked), "parked");
        let other = markers.plant(&parked);
        assert_eq!(app.outcome(&other), "duplicate");
        of_gone += usize::from(account == GONE);
    }
    of_gone
}

/// An account created with all that is known of its holder.
fn prefilled(store: &Embedded, id: &str, account: &str, markers: &mut Markers) -> Operation {
    let params = ["email", "individual[first_name]", "individual[ssn_last_4]"];
    let params = params.map(|name| (name.to_owned(), markers.text())).to_vec();
    let begun = Operation::new(
        Order {
            id: id.to_owned(),
            livemode: false,
            action: Action::CreateAccount,
            client_key: format!("key-{id}"),
            fingerprint: "print".to_owned(),
            by: "pat".to_owned(),
            subject: None,
            tag: None,
            params: Params(params),
            terms: None,
            warnings: Vec::new(),
        },
        at(),
    );
    let Begun::New(operation) = block_on(store.begin(begun)).unwrap() else { panic!("{id}") };
    let sent = step(store, &operation, Happening::Sent);
    let reason = format!("no answer to {}", markers.text());
    let lost = step(store, &sent, Happening::Lost { reason, request_id: None });
    let object = Json(json!({ "id": account, "object": "account" }).to_string());
    let object_id = Some(account.to_owned());
    step(store, &lost, Happening::Answered { object_id, object, request_id: None })
}

fn step(store: &Embedded, operation: &Operation, happening: Happening) -> Operation {
    let next = operation.after(happening, at()).unwrap();
    match block_on(store.advance(next, operation.version)).unwrap() {
        Advanced::Recorded(recorded) => recorded,
        Advanced::Overtaken(held) => panic!("{held:?}"),
    }
}

fn erase(app: &TestApp, account: &str) -> Value {
    let answer = app.post(&format!("/v1/accounts/{account}/erase"), &json!({ "reason": "asked" }));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

#[track_caller]
fn assert_sound(store: &Embedded) {
    let verified = store.verify(10, &mut |_| {}).unwrap();
    assert_eq!(verified.faults, Vec::<String>::new());
}

#[test]
fn nothing_personal_of_an_erased_account_is_left_and_reads_show_the_same() {
    let (mut gone, mut stays) = (Markers::of_erasure("mk7gone"), Markers::of_erasure("mk7stay"));
    let mut app = TestApp::start();
    let events = deliver_all(&app, &mut gone, &mut stays);
    app.stop();
    let store = app.open();
    let operation = prefilled(&store, "op_gone", GONE, &mut gone);
    prefilled(&store, "op_stays", STAYS, &mut stays);
    block_on(store.close()).unwrap();
    drop(store);

    let folder = app.store_folder();
    assert!(gone.planted() > 500, "too few markers to say anything");
    let found = gone.found_below(&folder);
    assert!(found.iter().any(|found| found.contains("compressed")), "{found:?}");
    // What is derived never holds any of it.
    assert!(gone.found_below(&folder.join("views")).is_empty());

    app.run();
    let before = shown(&app);
    let erased = erase(&app, GONE);
    assert_eq!(erased["events"], events, "{erased}");
    assert_eq!(erased["operation_steps"], 4, "{erased}");
    assert_eq!(gone.found_below(&folder), BTreeSet::new(), "while it runs");
    assert_eq!(shown(&app), before);
    let again = erase(&app, GONE);
    assert_eq!((&again["events"], &again["operation_steps"]), (&json!(0), &json!(0)));
    assert_eq!(again["already_erased"], events + 4, "{again}");
    app.restart();
    assert_eq!(shown(&app), before, "after a restart");
    app.stop();
    assert_eq!(gone.found_below(&folder), BTreeSet::new(), "after an orderly end");
    assert!(!stays.found_below(&folder).is_empty(), "the other account's is still there");

    let store = app.open();
    assert_sound(&store);
    let left = block_on(store.operation(false, "op_gone")).unwrap().unwrap();
    assert_eq!((left.state, left.object_id), (operation.state, operation.object_id));
    drop(store);
    // All that follows from what is left.
    std::fs::remove_dir_all(folder.join("views")).unwrap();
    app.run();
    assert_eq!(shown(&app), before, "recomputed");
    app.stop();
    assert_eq!(gone.found_below(&folder), BTreeSet::new(), "recomputed");
}

#[test]
fn an_erased_event_is_still_known_and_a_new_one_is_stored_as_ever() {
    let app = TestApp::start();
    let event = with(account(GONE), "data.object.email", json!("jo@example.com"));
    app.apply(&event);
    assert_eq!(erase(&app, GONE)["events"], 1);

    let id = event["id"].as_str().unwrap();
    assert_eq!(app.outcome(&event), "duplicate");
    assert_eq!(app.outcome(&with(event.clone(), "data.object.email", json!("x"))), "duplicate");
    let flags = &app.read(&format!("/v1/events/{id}"))["flags"];
    assert_eq!(*flags, json!(["erased"]), "what is gone cannot be compared");
    assert_eq!(app.column("/v1/events", "flags"), [json!(["erased"])]);
    let body = Request::get(&format!("/v1/events/{id}/body")).token(OPERATOR);
    let body = app.send(&body).json();
    assert_eq!((&body["id"], &body["data"]["object"]["id"]), (&event["id"], &json!(GONE)));
    assert!(body["data"]["object"].get("email").is_none(), "{body}");

    let later = with(account(GONE), "data.object.email", json!("again@example.com"));
    assert_ne!(app.outcome(&later), "duplicate");
    let later_id = later["id"].as_str().unwrap();
    let body = Request::get(&format!("/v1/events/{later_id}/body")).token(OPERATOR);
    assert_eq!(app.send(&body).body, later.to_string().as_bytes());
    assert_eq!(app.read(&format!("/v1/events/{later_id}"))["flags"], json!([]));
}

#[test]
fn who_may_not_erase_or_what_is_not_known_is_told_so() {
    let app = TestApp::start();
    app.apply(&account(GONE));
    app.apply(&live(account("acct_live")));
    let path = format!("/v1/accounts/{GONE}/erase");
    for token in [READER, PAYER] {
        let answer = app.send(&Request::post(&path, "").token(token));
        assert_problem(&answer, 403, "forbidden", token);
    }
    assert_problem(&app.send(&Request::post(&path, "")), 401, "unauthorized", "no token");
    assert_problem(&app.get(&path), 405, "method_not_allowed", "GET");
    for unknown in ["acct_nobody", "po_1"] {
        let answer = app.post(&format!("/v1/accounts/{unknown}/erase"), &json!({}));
        assert_problem(&answer, 404, "not_found", unknown);
    }
    let other = app.post("/v1/accounts/acct_live/erase", &json!({}));
    assert_problem(&other, 404, "not_found", "the other partition");
    assert_eq!(app.post("/v1/accounts/acct_live/erase?livemode=true", &json!({})).status, 200);
    let odd = app.post(&path, &json!({ "raeson": "x" }));
    assert_problem(&odd, 400, "invalid_body", "an unknown field");
    let copies = app.store_folder().join("damaged-1");
    std::fs::create_dir(&copies).unwrap();
    assert_problem(&app.post(&path, &json!({})), 409, "copies_in_folder", "a copy");
    std::fs::remove_dir(&copies).unwrap();
    assert_eq!(app.post(&path, &json!({})).status, 200);
}

#[test]
fn an_operation_under_way_is_finished_before_its_account_is_erased() {
    let mut app = TestApp::start();
    app.apply(&account(GONE));
    app.stop();
    let store = app.open();
    let params = Params(vec![("description".to_owned(), "for Jo".to_owned())]);
    let order = Order {
        id: "op_1".to_owned(),
        livemode: false,
        action: Action::CreatePerson,
        client_key: "key".to_owned(),
        fingerprint: "print".to_owned(),
        by: "pat".to_owned(),
        subject: Some(GONE.to_owned()),
        tag: None,
        params: params.clone(),
        terms: None,
        warnings: Vec::new(),
    };
    block_on(store.begin(Operation::new(order, at()))).unwrap();
    drop(store);
    app.run();
    let path = format!("/v1/accounts/{GONE}/erase");
    let answer = app.post(&path, &json!({}));
    assert_problem(&answer, 409, "operations_open", "an open operation");
    assert!(answer.json()["detail"].as_str().unwrap().contains("op_1"));
    app.stop();
    let store = app.open();
    let open = block_on(store.operation(false, "op_1")).unwrap().unwrap();
    assert_eq!(open.params, Some(params), "it is still what it was");
    let sent = step(&store, &open, Happening::Sent);
    let object = Json("{}".to_owned());
    step(&store, &sent, Happening::Answered { object_id: None, object, request_id: None });
    drop(store);
    app.run();
    assert_eq!(erase(&app, GONE)["operation_steps"], 3);
}

#[test]
fn what_was_erased_travels_as_what_is_left_of_it() {
    let (mut gone, mut stays) = (Markers::of_erasure("mk7gone"), Markers::of_erasure("mk7stay"));
    let (mut from, mut to) = (TestApp::start(), TestApp::start());
    deliver_all(&from, &mut gone, &mut stays);
    erase(&from, GONE);
    let before = shown(&from);
    from.stop();
    to.stop();
    let (source, target): (SharedStore, SharedStore) = (Arc::new(from.open()), Arc::new(to.open()));
    let mut lines = Vec::new();
    block_on(export(&source, &mut lines, &mut |_| {})).unwrap();
    assert_eq!(gone.found_in(&lines), None);
    let defaults = Defaults { now: at(), livemode: false };
    let mut imported = Imported::default();
    block_on(import(&target, lines.as_slice(), &defaults, &mut imported, &mut |_| {})).unwrap();
    block_on(target.close()).unwrap();
    drop((source, target));
    to.run();
    from.run();
    let flags = |app: &TestApp| app.column("/v1/events?limit=500", "flags");
    assert_eq!(flags(&to), flags(&from));
    let statuses = |app: &TestApp| app.column("/v1/accounts", "status");
    assert_eq!(statuses(&to), statuses(&from));
    assert_eq!(shown(&from), before);
    // Back again, as a copy that is older than the erasure would come: known, and no conflict.
    to.stop();
    let target: SharedStore = Arc::new(to.open());
    let mut again = Imported::default();
    block_on(import(&target, lines.as_slice(), &defaults, &mut again, &mut |_| {})).unwrap();
    assert_eq!(again.new, 0);
    drop(target);
    to.run();
    assert_eq!(flags(&to), flags(&from));
}

#[test]
fn bodies_older_than_they_are_kept_are_reduced_and_nothing_else_changes() {
    let (mut old, mut new) = (Markers::of_erasure("mk7olds"), Markers::of_erasure("mk7news"));
    let mut app = TestApp::start();
    app.stop();
    let store: SharedStore = Arc::new(app.open());
    let day = 86_400_000_000;
    let mut lines = String::new();
    for (markers, account, age) in [(&mut old, GONE, 31), (&mut new, STAYS, 29)] {
        for fixture in fixtures() {
            let event = markers.plant(&about(account, &fixture));
            let received_at = bursar::pipeline::portable::to_rfc3339(Timestamp(at().0 - age * day));
            let line = json!({
                "id": event["id"], "received_at": received_at, "body": event.to_string(),
            });
            lines += &(line.to_string() + "\n");
        }
    }
    let defaults = Defaults { now: at(), livemode: false };
    let mut imported = Imported::default();
    block_on(import(&store, lines.as_bytes(), &defaults, &mut imported, &mut |_| {})).unwrap();
    block_on(store.close()).unwrap();
    drop(store);
    app.run();
    let before = shown(&app);
    app.stop();

    let store: SharedStore = Arc::new(app.open());
    let retention =
        Retention { between_parts: std::time::Duration::ZERO, ..Retention::of_days(30) };
    let reduced = block_on(retention.round(&store, at())).unwrap();
    assert!(reduced > 50, "{reduced}");
    assert_eq!(block_on(retention.round(&store, at())).unwrap(), 0, "nothing is left to do");
    block_on(store.close()).unwrap();
    drop(store);
    let folder = app.store_folder();
    assert_eq!(old.found_below(&folder), BTreeSet::new());
    assert!(!new.found_below(&folder).is_empty());
    app.run();
    assert_eq!(shown(&app), before);
    app.stop();
    assert_sound(&app.open());

    // Two days later the rest has grown old, too.
    let store: SharedStore = Arc::new(app.open());
    let later = Timestamp(at().0 + 2 * day);
    assert!(block_on(retention.round(&store, later)).unwrap() > 50);
    block_on(store.close()).unwrap();
    drop(store);
    assert_eq!(new.found_below(&folder), BTreeSet::new());
    assert_sound(&app.open());
}
