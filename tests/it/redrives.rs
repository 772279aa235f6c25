//! Parked events: how they are found, that they block nothing, and how they are tried again.

use bursar::clock;
use bursar::domain::event::Reading;
use bursar::pipeline::receive::incoming;
use bursar::store::Store;
use bursar::stripe::wire;
use serde_json::{Value, json};

use crate::support::events::{live, payout, topup};
use crate::support::{OPERATOR, READER, Request, TestApp, assert_problem, with};

const ROUTE: &str = "/v1/redrives";
const REASON: &str = "this version cannot read the event";

/// A topup that no version can use.
fn unusable(id: &str) -> Value {
    with(topup(id, "created", "pending"), "data.object.status", json!("odd"))
}

/// A server whose store holds these events as a version would have left them that could not use
/// them, in this order.
pub(crate) fn left_behind(events: &[Value]) -> TestApp {
    let mut app = TestApp::start();
    app.stop();
    let store = app.open();
    let now = clock::now();
    let park = |body: &Value| {
        let body = body.to_string();
        let mut event = wire::read(body.as_bytes(), now).unwrap();
        event.reading = Reading::Parked { reason: REASON.to_owned() };
        incoming(event, body.as_bytes(), "platform", now, false)
    };
    actix_web::rt::System::new().block_on(async {
        store.commit(events.iter().map(park).collect()).await.unwrap();
        store.close().await.unwrap();
    });
    drop(store);
    app.run();
    app
}

/// Asks for a redrive of all; answers the results.
#[track_caller]
fn redrive_all(app: &TestApp, query: &str) -> Vec<(String, String)> {
    let answer = app.send(&Request::post(&format!("{ROUTE}{query}"), "").token(OPERATOR));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let answer = answer.json();
    assert_eq!(answer["dry_run"], json!(query.contains("dry_run=true")), "{answer}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let results = answer["results"].as_array().unwrap().iter();
    results.map(|result| (text(&result["id"]), text(&result["outcome"]))).collect()
}

fn expected(results: &[(&Value, &str)]) -> Vec<(String, String)> {
    let expected = |(event, outcome): &(&Value, &str)| {
        (event["id"].as_str().unwrap().to_owned(), (*outcome).to_owned())
    };
    results.iter().map(expected).collect()
}

#[test]
fn parked_events_are_listed_with_their_reasons() {
    let app = TestApp::start();
    let parked = unusable("tu_1");
    app.outcome(&parked);
    app.apply(&topup("tu_1", "created", "pending"));
    let list = app.read("/v1/events?outcome=parked");
    let parked_events = list["data"].as_array().unwrap();
    assert_eq!(parked_events.len(), 1, "{list}");
    assert_eq!(parked_events[0]["id"], parked["id"]);
    let reason = parked_events[0]["reason"].as_str().unwrap();
    assert!(reason.contains("status") && reason.contains("odd"), "{reason}");
}

#[test]
fn a_parked_event_blocks_no_other_of_its_object() {
    let app = TestApp::start();
    app.apply(&topup("tu_1", "created", "pending"));
    app.outcome(&unusable("tu_1"));
    app.apply(&topup("tu_1", "succeeded", "succeeded"));
    assert_eq!(app.read("/v1/topups/tu_1")["status"], "succeeded");
    assert_eq!(app.read("/v1/summary")["events"]["parked"], 1);
}

#[test]
fn all_parked_events_are_tried_again_oldest_first() {
    let [created, paid] = [("created", "pending"), ("paid", "paid")]
        .map(|(verb, status)| payout("po_1", verb, status));
    let hopeless = unusable("tu_1");
    let app = left_behind(&[created.clone(), hopeless.clone(), paid.clone()]);
    assert_eq!(app.read("/v1/events?outcome=parked")["data"][0]["reason"], REASON);
    assert_eq!(app.get("/v1/payouts/po_1").status, 404);

    let results = expected(&[(&created, "applied"), (&hopeless, "parked"), (&paid, "applied")]);
    assert_eq!(redrive_all(&app, "?dry_run=true"), results);
    assert_eq!(app.get("/v1/payouts/po_1").status, 404, "a dry run changes nothing");
    assert_eq!(redrive_all(&app, ""), results);
    assert_eq!(app.read("/v1/payouts/po_1")["status"], "paid");
    assert_eq!(redrive_all(&app, ""), expected(&[(&hopeless, "parked")]));
}

#[test]
fn more_parked_events_than_one_call_takes_are_all_tried_again() {
    let events: Vec<Value> =
        (0..250).map(|number| payout(&format!("po_{number}"), "created", "pending")).collect();
    let app = left_behind(&events);
    let results: Vec<(&Value, &str)> = events.iter().map(|event| (event, "applied")).collect();
    assert_eq!(redrive_all(&app, ""), expected(&results));
    assert_eq!(app.read("/v1/summary")["events"]["parked"], 0);
    assert!(redrive_all(&app, "").is_empty());
}

#[test]
fn a_redrive_stays_in_its_partition() {
    let app = TestApp::start();
    let [test, live] = [unusable("tu_1"), live(unusable("tu_2"))];
    app.outcome(&test);
    app.outcome(&live);
    assert_eq!(redrive_all(&app, ""), expected(&[(&test, "parked")]));
    assert_eq!(redrive_all(&app, "?livemode=true"), expected(&[(&live, "parked")]));
}

#[test]
fn one_event_can_be_tried_without_changing_anything() {
    let event = payout("po_1", "created", "pending");
    let app = left_behind(std::slice::from_ref(&event));
    let path = format!("/v1/events/{}/redrive", event["id"].as_str().unwrap());
    for (query, status_after) in [("?dry_run=true", 404), ("", 200)] {
        let answer = app.send(&Request::post(&format!("{path}{query}"), "").token(OPERATOR));
        assert_eq!(answer.json(), json!({ "id": event["id"], "outcome": "applied" }));
        assert_eq!(app.get("/v1/payouts/po_1").status, status_after, "{query}");
    }
}

#[test]
fn a_redrive_of_one_takes_nothing_but_a_reason_either() {
    let app = TestApp::start();
    let event = unusable("tu_1");
    app.outcome(&event);
    let path = format!("/v1/events/{}/redrive", event["id"].as_str().unwrap());
    for body in ["", "{}", r#"{"reason":"upgraded"}"#] {
        let answer = app.send(&Request::post(&path, body).token(OPERATOR));
        assert_eq!(answer.json(), json!({ "id": event["id"], "outcome": "parked" }), "{body}");
    }
    for body in ["[]", r#"{"reason":1}"#, r#"{"dry_run":true}"#, "{"] {
        let answer = app.send(&Request::post(&path, body).token(OPERATOR));
        assert_problem(&answer, 400, "invalid_body", body);
    }
    let long = json!({ "reason": "x".repeat(100_000) }).to_string();
    let answer = app.send(&Request::post(&path, long).token(OPERATOR));
    assert_problem(&answer, 413, "body_too_large", "a long reason");
}

#[test]
fn a_redrive_of_all_needs_an_operator_and_takes_nothing_but_a_reason() {
    let app = TestApp::start();
    let answer = app.send(&Request::post(ROUTE, "").token(READER));
    assert_problem(&answer, 403, "forbidden", "a reader");
    for body in ["", "  ", "{}", r#"{"reason":"upgraded"}"#, r#"{"reason":null}"#] {
        let answer = app.send(&Request::post(ROUTE, body).token(OPERATOR));
        assert_eq!(answer.json(), json!({ "results": [], "dry_run": false }), "{body}");
    }
    for body in ["[]", "null", r#"["x"]"#, r#"{"reason":1}"#, r#"{"ids":[]}"#, "{"] {
        let answer = app.send(&Request::post(ROUTE, body).token(OPERATOR));
        assert_problem(&answer, 400, "invalid_body", body);
    }
    let long = json!({ "reason": "x".repeat(100_000) }).to_string();
    let answer = app.send(&Request::post(ROUTE, long).token(OPERATOR));
    assert_problem(&answer, 413, "body_too_large", "a long reason");
    for query in ["?dry_run=yes", "?all=true"] {
        let answer = app.send(&Request::post(&format!("{ROUTE}{query}"), "").token(OPERATOR));
        assert_problem(&answer, 400, "invalid_parameter", query);
    }
    let answer = app.send(&Request::get(ROUTE).token(OPERATOR));
    assert_problem(&answer, 405, "method_not_allowed", "GET");
}
