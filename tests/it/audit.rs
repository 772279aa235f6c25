//! The audit trail: every act of an operator, on disk before it has an effect.

use std::sync::Arc;

use bursar::domain::audit::{Audit, AuditAction, AuditOutcome, Named, Results};
use bursar::domain::time::Timestamp;
use bursar::pipeline::commit::Limits;
use bursar::pipeline::portable::{self, Defaults, Imported};
use bursar::store::{AuditFilter, SharedStore, Slice, StoreError};
use serde_json::{Value, json};

use crate::process::Place;
use crate::support::events::{account, balance, live, topup};
use crate::support::kept::Kept;
use crate::support::{OPERATOR, PAYER, READER, Request, TestApp, assert_problem, now, with};

const TRAIL: &str = "/v1/audit";

#[track_caller]
fn trail(app: &TestApp, query: &str) -> Vec<Value> {
    let answer = app.send(&Request::get(&format!("{TRAIL}{query}")).token(OPERATOR));
    assert_eq!(answer.status, 200, "{query}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()["data"].as_array().unwrap().clone()
}

/// A field of every entry, newest first.
#[track_caller]
fn column(app: &TestApp, query: &str, field: &str) -> Vec<Value> {
    trail(app, query).iter().map(|entry| entry[field].clone()).collect()
}

fn body_of(app: &TestApp, event: &Value, query: &str) -> crate::support::Answer {
    let path = format!("/v1/events/{}/body{query}", event["id"].as_str().unwrap());
    app.send(&Request::get(&path).token(OPERATOR))
}

fn parked(name: &str) -> Value {
    with(topup(name, "created", "pending"), "data.object.status", json!("odd"))
}

/// What a store is asked.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(future)
}

#[test]
fn a_replay_says_who_when_what_why_from_where_and_what_came_of_it() {
    let app = TestApp::start();
    let (known, new) = (account("acct_1"), balance(1));
    app.apply(&known);
    let before = now();
    let body = json!({ "events": [known, new], "reason": "Stripe's list had one more" });
    assert_eq!(app.post("/v1/replays", &body).status, 200);
    let entries = trail(&app, "");
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    for (field, expected) in [
        ("actor", json!("olga")),
        ("role", json!("operator")),
        ("action", json!("replay")),
        ("objects", json!([known["id"], new["id"]])),
        ("count", json!(2)),
        ("details", json!({})),
        ("reason", json!("Stripe's list had one more")),
        ("address", json!("127.0.0.1")),
        ("livemode", json!(false)),
        ("outcome", json!("done")),
        ("results", json!({ "applied": 1, "duplicate": 1 })),
        ("code", Value::Null),
    ] {
        assert_eq!(entry[field], expected, "{field}");
    }
    assert!(entry["id"].as_str().unwrap().starts_with("aud_"));
    let at = portable::from_rfc3339(entry["at"].as_str().unwrap()).unwrap();
    assert!((before..=now()).contains(&at.signed_seconds()));
}

#[test]
fn every_act_leaves_its_entry_and_a_dry_run_none() {
    let kept = Kept::start();
    let app = TestApp::start_with(&kept.variables(), Limits::default());
    let (event, odd) = (account("acct_1"), parked("tu_1"));
    kept.holds(None, "/v1/accounts/acct_1", &event["data"]["object"]);
    app.apply(&event);
    app.outcome(&odd);
    let id = odd["id"].as_str().unwrap();
    for path in ["/v1/redrives", &format!("/v1/events/{id}/redrive"), "/v1/replays"] {
        let body = if path == "/v1/replays" { json!({ "event_ids": [id] }) } else { json!({}) };
        assert_eq!(app.post(&format!("{path}?dry_run=true"), &body).status, 200, "{path}");
    }
    assert_eq!(trail(&app, ""), Vec::<Value>::new());

    assert_eq!(app.post("/v1/replays", &json!({ "event_ids": [id] })).status, 200);
    assert_eq!(app.post(&format!("/v1/events/{id}/redrive"), &json!({})).status, 200);
    let why = json!({ "reason": "upgraded" });
    assert_eq!(app.post("/v1/redrives", &why).status, 200);
    assert_eq!(body_of(&app, &odd, "?reason=asked%20by%20their%20bank").status, 200);
    assert_eq!(app.post("/v1/accounts/acct_1/refetch", &json!({})).status, 200);
    let backfill = app.post("/v1/backfills?full=true", &json!({}));
    assert_eq!(backfill.status, 202);
    let answer =
        app.post("/v1/operations/op_none/resolve", &json!({ "outcome": "refused", "reason": "x" }));
    assert_problem(&answer, 404, "not_found", "resolve");

    let (one, none) = (json!([id]), json!({}));
    let by_backfill = json!([]);
    let expected = [
        ("resolve", json!(["op_none"]), json!({ "decision": "refused", "object_id": null })),
        ("backfill", by_backfill, json!({ "full": true })),
        ("refetch", json!(["acct_1"]), json!({ "kind": "account", "account": null })),
        ("read_body", one.clone(), none.clone()),
        ("redrive", one.clone(), none.clone()),
        ("redrive", one.clone(), none.clone()),
        ("replay", one, none),
    ];
    let entries = trail(&app, "");
    let shown: Vec<_> = entries
        .iter()
        .map(|it| (it["action"].as_str().unwrap(), it["objects"].clone(), it["details"].clone()))
        .collect();
    assert_eq!(shown, expected);
    let reasons: Vec<&Value> = entries.iter().map(|entry| &entry["reason"]).collect();
    let no = Value::Null;
    let (bank, x) = (json!("asked by their bank"), json!("x"));
    assert_eq!(reasons, [&x, &no, &no, &bank, &json!("upgraded"), &no, &no]);
    assert_eq!(
        (&entries[0]["outcome"], &entries[0]["code"]),
        (&json!("failed"), &json!("not_found"))
    );
    assert!(entries[1..].iter().all(|entry| entry["outcome"] == "done"), "{entries:?}");
    assert_eq!(entries[1]["made"], backfill.json()["id"]);
    assert_eq!(entries[6]["results"], json!({ "parked": 1 }));
}

#[test]
fn what_is_refused_before_it_begins_leaves_no_entry_and_what_fails_later_its_code() {
    let app = TestApp::start();
    let event = account("acct_1");
    app.apply(&event);
    let id = event["id"].as_str().unwrap();
    let long = json!({ "event_ids": [id], "reason": "x".repeat(1001) });
    for (answer, status, code) in [
        (app.post("/v1/replays", &json!({ "events": [{}] })), 400, "not_an_event"),
        (app.post("/v1/replays", &long), 400, "invalid_body"),
        (body_of(&app, &json!({ "id": "evt_none" }), ""), 404, "not_found"),
        (body_of(&app, &event, &format!("?reason={}", "x".repeat(1001))), 400, "invalid_body"),
        (app.send(&Request::post("/v1/redrives", "").token(READER)), 403, "forbidden"),
        (app.send(&Request::get(&format!("/v1/events/{id}/body")).token(PAYER)), 403, "forbidden"),
    ] {
        assert_problem(&answer, status, code, code);
    }
    assert_eq!(trail(&app, ""), Vec::<Value>::new());
    let answer = app.post(&format!("/v1/events/{id}/redrive"), &json!({}));
    assert_problem(&answer, 409, "not_parked", "redrive");
    let entry = trail(&app, "").remove(0);
    assert_eq!((&entry["outcome"], &entry["code"]), (&json!("failed"), &json!("not_parked")));
    assert_eq!(entry["results"], Value::Null);
}

#[test]
fn nothing_is_done_or_shown_that_cannot_be_recorded() {
    let app = TestApp::start();
    let event = account("acct_1");
    app.apply(&event);
    let fails = || app.gate.fail_next(StoreError::Unavailable("the disk is full".to_owned()));
    fails();
    let answer = body_of(&app, &event, "");
    assert_problem(&answer, 503, "store_unavailable", "body");
    assert!(!String::from_utf8_lossy(&answer.body).contains("acct_1"));
    fails();
    let answer = app.post("/v1/replays", &json!({ "events": [balance(1)] }));
    assert_problem(&answer, 503, "store_unavailable", "replay");
    assert_eq!(app.get("/v1/balance").status, 404, "nothing was applied");
    assert_eq!(trail(&app, ""), Vec::<Value>::new());
    assert_eq!(body_of(&app, &event, "").status, 200);
    assert_eq!(column(&app, "", "action"), ["read_body"]);
}

#[test]
fn an_act_goes_on_and_is_recorded_to_its_end_when_the_client_has_gone_away() {
    let app = TestApp::start();
    let request = Request::post("/v1/replays", json!({ "events": [balance(1)] }).to_string());
    app.gate.close();
    let before = app.gate.came();
    let client = std::net::TcpStream::connect(app.address()).unwrap();
    std::io::Write::write_all(&mut &client, &request.token(OPERATOR).bytes()).unwrap();
    // The entry waits at the gate; once it is through, the replay does.
    app.gate.wait_for(before + 1);
    app.gate.let_through(1);
    app.gate.wait_for(before + 2);
    drop(client);
    app.gate.open();
    let deadline = now() + 30;
    while column(&app, "", "outcome") != ["done"] {
        assert!(now() < deadline, "{:?}", trail(&app, ""));
        std::thread::yield_now();
    }
    assert_eq!(app.read("/v1/balance")["available"][0]["amount"], 1);
}

#[test]
fn the_trail_is_for_operators() {
    let app = TestApp::start();
    for token in [READER, PAYER] {
        let answer = app.send(&Request::get(TRAIL).token(token));
        assert_problem(&answer, 403, "forbidden", token);
    }
    assert_problem(&app.send(&Request::get(TRAIL)), 401, "unauthorized", "nobody");
    let answer = app.send(&Request::post(TRAIL, "").token(OPERATOR));
    assert_problem(&answer, 405, "method_not_allowed", "POST");
}

#[test]
fn the_trail_is_paged_and_filtered_like_every_list() {
    let tokens = "operator/olga=operator-token,operator/otto=token-of-otto";
    let app = TestApp::start_with(&[("TOKENS", tokens)], Limits::default());
    let event = account("acct_1");
    app.apply(&event);
    for _ in 0..3 {
        assert_eq!(body_of(&app, &event, "").status, 200);
    }
    let middle = trail(&app, "")[0]["at"].clone();
    let middle = crate::support::encoded(middle.as_str().unwrap());
    let redrives = Request::post("/v1/redrives", "").token("token-of-otto");
    assert_eq!(app.send(&redrives).status, 200);
    assert_eq!(column(&app, "", "actor"), ["otto", "olga", "olga", "olga"]);
    for (query, expected) in [
        ("?actor=otto".to_owned(), 1),
        ("?actor=nobody".to_owned(), 0),
        ("?action=read_body".to_owned(), 3),
        ("?action=erase".to_owned(), 0),
        ("?action=read_body&actor=otto".to_owned(), 0),
        (format!("?since={middle}"), 2),
        (format!("?until={middle}"), 2),
        ("?livemode=true".to_owned(), 0),
    ] {
        assert_eq!(trail(&app, &query).len(), expected, "{query}");
    }
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = Request::get(&format!("{TRAIL}?limit=1{cursor}")).token(OPERATOR);
        let page = app.send(&page).json();
        assert_eq!(page["livemode"], false);
        pages.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, trail(&app, ""));
    for query in ["?action=dance", "?since=yesterday", "?limit=0", "?cursor=x", "?who=olga"] {
        let answer = app.send(&Request::get(&format!("{TRAIL}{query}")).token(OPERATOR));
        assert_problem(&answer, 400, "invalid_parameter", query);
    }
}

#[test]
fn an_act_on_both_partitions_is_shown_in_both() {
    let app = TestApp::start();
    for (events, shown) in [
        (vec![balance(1)], [1, 0]),
        (vec![live(balance(2))], [1, 1]),
        (vec![balance(3), live(balance(4))], [2, 2]),
    ] {
        assert_eq!(app.post("/v1/replays", &json!({ "events": events })).status, 200);
        let lists = ["?livemode=false", "?livemode=true"].map(|query| trail(&app, query));
        assert_eq!(lists.each_ref().map(Vec::len), shown);
    }
    assert_eq!(column(&app, "?livemode=true", "livemode"), [Value::Null, json!(true)]);
}

#[test]
fn the_trail_survives_restart_verify_rebuild_and_moves_to_other_stores() {
    let mut app = TestApp::start();
    let event = account("acct_1");
    app.apply(&event);
    assert_eq!(body_of(&app, &event, "?reason=why").status, 200);
    assert_eq!(app.post("/v1/replays", &json!({ "events": [balance(1)] })).status, 200);
    let before = trail(&app, "");
    app.restart();
    assert_eq!(trail(&app, ""), before);
    app.stop();
    drop(app.open());

    let (folder, place) = (app.store_folder(), Place::new());
    let store = folder.to_str().unwrap();
    let run = |arguments: &[&str]| place.run(&[arguments, &["--store", store]].concat()).expect(0);
    run(&["verify"]).says(&["5 journal records, 2 events (", "no faults"]);
    run(&["rebuild", "--check"]).says(&["no differences"]);
    run(&["repair"]).says(&["no damage"]);
    run(&["rebuild"]);
    let file = place.path("lines").to_str().unwrap().to_owned();
    run(&["export", &file]).says(&["audit trail is left out"]);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("aud_"));
    run(&["export", "--audit", &file]).says(&["exported 2 operator's acts"]);
    place.run(&["import", &file]).expect(0).says(&["imported 2 operator's acts"]);
    let again = place.run(&["import", &file]).expect(0);
    again.hides(&["operator's act"]);
    app.run();
    assert_eq!(trail(&app, ""), before);
    let server = place.serve();
    let moved = server.get("/v1/audit", crate::process::OPERATOR).json();
    assert_eq!(moved["data"], json!(before));
    server.stop();
}

fn entry(id: &str, outcome: AuditOutcome) -> Audit {
    Audit {
        id: id.to_owned(),
        at: Timestamp(now() * 1_000_000),
        livemode: None,
        actor: "olga".to_owned(),
        role: "operator".to_owned(),
        address: None,
        action: AuditAction::Replay { events: Named::of(["evt_1"]) },
        reason: None,
        outcome,
    }
}

#[test]
fn an_entry_stays_begun_until_its_outcome_comes_and_that_stays() {
    let mut app = TestApp::start();
    app.stop();
    let store: SharedStore = Arc::new(app.open());
    let record = |outcome: AuditOutcome| block_on(store.audit(entry("aud_1", outcome))).unwrap();
    let all = Slice { from: None, limit: 10 };
    let outcomes = || {
        let page = block_on(store.audit_trail(AuditFilter::default(), all)).unwrap();
        page.items.into_iter().map(|entry| entry.outcome.word()).collect::<Vec<_>>()
    };
    assert!(record(AuditOutcome::Begun));
    assert!(!record(AuditOutcome::Begun));
    assert_eq!(outcomes(), ["begun"]);
    // Moved as it is, it can be moved on.
    let mut lines = Vec::new();
    block_on(portable::audit::export(&store, &mut lines)).unwrap();
    let begun = String::from_utf8(lines).unwrap();
    assert!(record(AuditOutcome::Failed { code: "not_parked".to_owned() }));
    assert!(!record(AuditOutcome::Done(Results::default())));
    assert!(!record(AuditOutcome::Begun));
    assert_eq!(outcomes(), ["failed"]);
    let mut imported = Imported::default();
    let defaults = Defaults { now: Timestamp(0), livemode: false };
    let nothing = &mut |_| {};
    let importing = portable::import(&store, begun.as_bytes(), &defaults, &mut imported, nothing);
    block_on(importing).unwrap();
    assert_eq!((imported.audit, outcomes()), (0, vec!["failed"]), "what is known stays");
}
