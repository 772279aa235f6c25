//! Replays and redrives: what operators do.

use std::slice::from_ref;

use serde_json::{Value, json};

use crate::support::events::{
    account, balance, event, live, one_of_each, payout, restricted, topup, transfer, without,
};
use crate::support::{OPERATOR, Request, TestApp, assert_problem, encoded, with};

const ROUTE: &str = "/v1/replays";

/// Replays what must be taken; answers id and outcome of each.
#[track_caller]
fn replay(app: &TestApp, path: &str, body: &Value) -> Vec<(String, String)> {
    let answer = app.post(path, body);
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{text}");
    let answer = answer.json();
    assert_eq!(answer["dry_run"], path.contains("dry_run=true"), "{answer}");
    let results = answer["results"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    results.iter().map(|result| (text(&result["id"]), text(&result["outcome"]))).collect()
}

#[track_caller]
fn outcomes(app: &TestApp, path: &str, events: &[Value]) -> Vec<String> {
    let results = replay(app, path, &json!({ "events": events, "reason": "a test" }));
    let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(results.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ids);
    results.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Everything that can be seen of both partitions.
fn everything_shown(app: &TestApp) -> Vec<Vec<u8>> {
    let lists = ["accounts", "topups", "transfers", "payouts", "events", "summary"];
    let paths = lists
        .iter()
        .flat_map(|list| [true, false].map(|livemode| format!("/v1/{list}?livemode={livemode}")));
    paths.map(|path| app.get(&path).body).collect()
}

#[test]
fn replayed_events_are_applied_without_a_signature_under_the_operators_name() {
    let app = TestApp::start();
    let (paths, events): (Vec<&str>, Vec<Value>) = one_of_each().into_iter().unzip();
    assert!(outcomes(&app, ROUTE, &events).iter().all(|outcome| outcome == "applied"));
    for (path, event) in paths.iter().zip(&events) {
        assert_eq!(app.read(path)["as_of"]["event_id"], event["id"], "{path}");
        let stored = app.read(&format!("/v1/events/{}", event["id"].as_str().unwrap()));
        assert_eq!(stored["source"], "replay:olga");
    }
    let entry = app.read("/v1/accounts/acct_1/history")["data"][0].clone();
    assert_eq!(entry["source"], "replay:olga");
    assert!(app.read("/v1/summary")["sources"]["replay:olga"].is_string());
}

#[test]
fn a_replay_follows_the_same_rules_of_order_and_gives_every_outcome() {
    let app = TestApp::start();
    let (early, late) = (account("acct_1"), restricted("acct_1"));
    let parked = with(topup("tu_1", "created", "pending"), "data.object.status", json!("odd"));
    let events = [
        late.clone(),
        early.clone(),
        with(late.clone(), "id", json!("evt_again")),
        event("person.updated", json!({})),
        parked,
        late,
        early,
    ];
    let expected = ["applied", "stale", "unchanged", "ignored", "parked", "duplicate", "duplicate"];
    assert_eq!(outcomes(&app, "/v1/replays?dry_run=true", &events), expected);
    assert_eq!(outcomes(&app, ROUTE, &events), expected);
    assert_eq!(app.read("/v1/accounts/acct_1")["status"], "restricted");
}

#[test]
fn replays_and_deliveries_are_deduplicated_against_each_other() {
    let app = TestApp::start();
    let (delivered, replayed) = (balance(1), balance(2));
    app.apply(&delivered);
    assert_eq!(outcomes(&app, ROUTE, from_ref(&delivered)), ["duplicate"]);
    assert_eq!(outcomes(&app, ROUTE, from_ref(&replayed)), ["applied"]);
    assert_eq!(app.outcome(&replayed), "duplicate");
    assert_eq!(outcomes(&app, ROUTE, &[live(replayed)]), ["applied"], "another partition");
    let stored = app.read(&format!("/v1/events/{}", delivered["id"].as_str().unwrap()));
    assert_eq!(stored["source"], "platform", "the first receipt stays");
}

#[test]
fn a_replay_with_other_content_under_a_known_id_is_flagged() {
    let app = TestApp::start();
    let first = balance(1);
    app.apply(&first);
    let other = with(balance(2), "id", first["id"].clone());
    assert_eq!(outcomes(&app, ROUTE, &[other]), ["duplicate"]);
    let stored = app.read(&format!("/v1/events/{}", first["id"].as_str().unwrap()));
    assert_eq!(stored["flags"], json!(["conflicting_redelivery"]));
    assert_eq!(app.read("/v1/balance")["available"][0]["amount"], 1);
}

#[test]
fn a_replayed_body_is_kept_byte_for_byte() {
    let app = TestApp::start();
    let event = account("acct_1");
    let body = serde_json::to_string_pretty(&event).unwrap();
    let request = Request::post(ROUTE, format!("{{\"events\": [\n  {body}\n]}}"));
    assert_eq!(app.send(&request.token(OPERATOR)).status, 200);
    let path = format!("/v1/events/{}/body", event["id"].as_str().unwrap());
    let kept = app.send(&Request::get(&path).token(OPERATOR)).body;
    assert_eq!(String::from_utf8(kept).unwrap(), body);
}

#[test]
fn a_dry_run_predicts_the_outcomes_and_changes_nothing() {
    let app = TestApp::start();
    app.apply(&restricted("acct_1"));
    app.apply(&topup("tu_1", "succeeded", "succeeded"));
    let parked = with(payout("po_1", "paid", "paid"), "created", json!(null));
    assert_eq!(app.outcome(&parked), "parked");
    let twin = transfer("tr_1", "created", 0);
    let events = [
        account("acct_1"),
        with(topup("tu_1", "created", "pending"), "created", json!(1)),
        live(topup("tu_1", "created", "pending")),
        twin.clone(),
        twin,
        transfer("tr_1", "reversed", 1000),
        parked.clone(),
    ];
    let before = everything_shown(&app);
    let predicted = outcomes(&app, "/v1/replays?dry_run=true", &events);
    let ids = json!({ "event_ids": [parked["id"]] });
    assert_eq!(replay(&app, "/v1/replays?dry_run=true", &ids)[0].1, "parked");
    assert_eq!(everything_shown(&app), before);
    assert_eq!(app.get("/v1/transfers/tr_1").status, 404);

    assert_eq!(
        predicted,
        ["applied", "stale", "applied", "applied", "duplicate", "applied", "duplicate"]
    );
    assert_eq!(outcomes(&app, ROUTE, &events), predicted);
    assert_ne!(everything_shown(&app), before);
}

#[test]
fn dry_run_false_is_no_dry_run() {
    let app = TestApp::start();
    assert_eq!(outcomes(&app, "/v1/replays?dry_run=false", &[account("acct_1")]), ["applied"]);
    assert_eq!(app.get("/v1/accounts/acct_1").status, 200);
}

#[test]
fn stored_events_are_replayed_by_their_ids() {
    let app = TestApp::start();
    let parked = with(payout("po_1", "paid", "paid"), "created", json!(null));
    let applied = account("acct_1");
    assert_eq!(app.outcome(&parked), "parked");
    app.apply(&applied);
    let before = everything_shown(&app);
    let ids = json!({ "event_ids": [parked["id"], applied["id"]], "reason": "looked at again" });
    let results = replay(&app, ROUTE, &ids);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!(results[0], (text(&parked["id"]), "parked".to_owned()));
    assert_eq!(results[1].0, text(&applied["id"]));
    assert!(["duplicate", "unchanged"].contains(&results[1].1.as_str()), "{results:?}");
    assert_eq!(everything_shown(&app), before);
}

#[test]
fn unknown_ids_are_named_and_nothing_is_done() {
    let app = TestApp::start();
    let (known, alive) = (account("acct_1"), live(account("acct_1")));
    app.apply(&known);
    app.apply(&alive);
    for path in [ROUTE, "/v1/replays?dry_run=true"] {
        let ids = json!({ "event_ids": [known["id"], "evt_x", alive["id"], "evt_y"] });
        let answer = app.post(path, &ids);
        assert_problem(&answer, 404, "not_found", path);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        for id in ["evt_x", "evt_y", alive["id"].as_str().unwrap()] {
            assert!(detail.contains(id), "{detail}");
        }
        assert!(!detail.contains(known["id"].as_str().unwrap()), "{detail}");
    }
    let ids = json!({ "event_ids": [alive["id"]] });
    assert_eq!(app.post("/v1/replays?livemode=true", &ids).status, 200);
}

#[test]
fn all_items_are_checked_before_any_is_stored() {
    let app = TestApp::start();
    let good = account("acct_1");
    for bad in [
        json!(null),
        json!("evt_1"),
        json!([]),
        json!({}),
        without(good.clone(), "type"),
        with(good.clone(), "id", json!("")),
        with(good.clone(), "object", json!("charge")),
    ] {
        for path in [ROUTE, "/v1/replays?dry_run=true"] {
            let events = json!({ "events": [good, bad, good] });
            assert_problem(&app.post(path, &events), 400, "not_an_event", &bad.to_string());
        }
    }
    assert_eq!(app.read("/v1/events")["data"], json!([]));
    assert_eq!(app.get("/v1/accounts/acct_1").status, 404);
}

#[test]
fn a_body_that_is_not_a_replay_is_refused() {
    let app = TestApp::start();
    let events = json!([account("acct_1")]).to_string();
    for body in [
        String::new(),
        "replay".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        events.clone(),
        r#"{"reason":"no events"}"#.to_owned(),
        r#"{"events":{}}"#.to_owned(),
        r#"{"events":"evt_1"}"#.to_owned(),
        r#"{"event_ids":"evt_1"}"#.to_owned(),
        r#"{"event_ids":[1]}"#.to_owned(),
        r#"[null,["evt_1"],null]"#.to_owned(),
        format!(r#"{{"events":{events},"event_ids":["evt_1"]}}"#),
        format!(r#"{{"events":{events},"reason":5}}"#),
        format!(r#"{{"events":{events},"dry_run":true}}"#),
        format!(r#"{{"events":{events},"events":{events}}}"#),
        format!(r#"{{"events":{events}"#),
    ] {
        let answer = app.send(&Request::post(ROUTE, body.clone()).token(OPERATOR));
        assert_problem(&answer, 400, "invalid_body", &body);
    }
    let not_utf8 = [&br#"{"event_ids":[""#[..], b"\xff", br#""]}"#].concat();
    assert_eq!(app.send(&Request::post(ROUTE, not_utf8).token(OPERATOR)).status, 400);
    assert_eq!(app.read("/v1/events")["data"], json!([]));
}

#[test]
fn a_replay_takes_no_parameters_it_does_not_know() {
    let app = TestApp::start();
    let events = json!({ "events": [account("acct_1")] });
    for query in
        ["dryrun=true", "dry_run=true&dry_run=true", "dry_run=yes", "dry_run", "livemode=1"]
    {
        let answer = app.post(&format!("{ROUTE}?{query}"), &events);
        assert_problem(&answer, 400, "invalid_parameter", query);
    }
    assert_eq!(app.read("/v1/events")["data"], json!([]));
}

#[test]
fn other_methods_are_told_what_is_allowed() {
    let app = TestApp::start();
    for path in [ROUTE, "/v1/events/evt_1/redrive"] {
        let answer = app.send(&Request::get(path).token(OPERATOR));
        assert_problem(&answer, 405, "method_not_allowed", path);
        assert_eq!(answer.header("allow").as_deref(), Some("POST"), "{path}");
    }
}

#[test]
fn a_replay_may_be_larger_than_a_delivery_but_not_boundless() {
    let app = TestApp::start();
    let filler = "x".repeat(300 << 10);
    let events: Vec<Value> =
        (0..10).map(|_| with(account("acct_1"), "data.object.filler", json!(filler))).collect();
    assert_eq!(outcomes(&app, ROUTE, &events).len(), 10);

    let huge = Request::post(ROUTE, vec![b' '; 40 << 20]).token(OPERATOR);
    assert_problem(&app.send(&huge), 413, "body_too_large", "40 MiB");
    assert_problem(&app.send(&huge.chunked()), 413, "body_too_large", "40 MiB in chunks");
}

#[test]
fn one_replay_of_many_events_of_one_object_ends_in_the_newest() {
    let app = TestApp::start();
    let mut events: Vec<Value> = (0..200).map(balance).collect();
    events.reverse();
    let outcomes = outcomes(&app, ROUTE, &events);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "applied").count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "stale").count(), 199);
    assert_eq!(app.read("/v1/balance")["available"][0]["amount"], 199);
}

// Redrives.

#[test]
fn a_redriven_event_that_still_cannot_be_used_stays_parked() {
    let app = TestApp::start();
    let parked = with(payout("po_1", "paid", "paid"), "created", json!(null));
    assert_eq!(app.outcome(&parked), "parked");
    let before = everything_shown(&app);
    let path = format!("/v1/events/{}/redrive", parked["id"].as_str().unwrap());
    let answer = app.send(&Request::post(&path, "").token(OPERATOR));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "id": parked["id"], "outcome": "parked" }));
    assert_eq!(everything_shown(&app), before);
}

#[test]
fn only_parked_events_can_be_redriven() {
    let app = TestApp::start();
    app.apply(&restricted("acct_1"));
    let ignored = event("person.updated", json!({}));
    let stale = with(account("acct_1"), "created", json!(1));
    for (outcome, event) in [("applied", balance(1)), ("ignored", ignored), ("stale", stale)] {
        assert_eq!(app.outcome(&event), outcome);
        let path = format!("/v1/events/{}/redrive", event["id"].as_str().unwrap());
        let answer = app.send(&Request::post(&path, "").token(OPERATOR));
        assert_eq!(answer.status, 409, "{outcome}");
        assert_problem(&answer, 409, "not_parked", outcome);
    }
}

#[test]
fn an_unknown_event_cannot_be_redriven() {
    let app = TestApp::start();
    let parked = with(live(payout("po_1", "paid", "paid")), "created", json!(null));
    assert_eq!(app.outcome(&parked), "parked");
    let id = parked["id"].as_str().unwrap();
    let redrive = |id: &str, query: &str| {
        let path = format!("/v1/events/{}/redrive{query}", encoded(id));
        app.send(&Request::post(&path, "").token(OPERATOR))
    };
    for unknown in ["evt_x", "a b/c"] {
        let answer = redrive(unknown, "");
        assert_problem(&answer, 404, "not_found", unknown);
        assert!(answer.json()["detail"].as_str().unwrap().contains(unknown));
    }
    assert_problem(&redrive(id, ""), 404, "not_found", "it is in the other partition");
    assert_eq!(redrive(id, "?livemode=true").status, 200);
}
