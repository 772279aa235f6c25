//! Objects fetched anew: by themselves when what is known leaves something open, and when an
//! operator asks for it.

use bursar::pipeline::commit::Limits;
use serde_json::{Value, json};

use crate::support::events::{account, balance, payout, restricted, together_with, topup};
use crate::support::kept::{Kept, refusal};
use crate::support::stripe::Reply;
use crate::support::{OPERATOR, PAYER, READER, Request, TestApp, assert_problem, now, with};

fn start(kept: &Kept) -> TestApp {
    TestApp::start_with(&kept.variables(), Limits::default())
}

fn object(event: &Value) -> Value {
    event["data"]["object"].clone()
}

/// Two reports of one second of which nothing tells which was first.
fn contradiction(id: &str) -> [Value; 2] {
    let enabled = account(id);
    let restricted = together_with(&enabled, restricted(id));
    [enabled, restricted]
}

/// Delivers a contradiction, changed a little.
#[track_caller]
fn contradict(app: &TestApp, id: &str, change: impl Fn(Value) -> Value) {
    for event in contradiction(id) {
        app.outcome(&change(event));
    }
}

#[track_caller]
fn until(app: &TestApp, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = now() + 60;
    loop {
        let shown = app.read(path);
        if holds(&shown) {
            return shown;
        }
        assert!(now() < deadline, "{shown}");
        std::thread::yield_now();
    }
}

fn is_settled(shown: &Value) -> bool {
    shown.get("ambiguous").is_none()
}

#[test]
fn an_ambiguous_account_is_fetched_and_is_what_stripe_says() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.holds(None, "/v1/accounts/acct_1", &object(&account("acct_1")));
    contradict(&app, "acct_1", std::convert::identity);
    let shown = until(&app, "/v1/accounts/acct_1", is_settled);
    assert_eq!((&shown["status"], &shown["payable"]), (&json!("complete"), &json!(true)));

    let history = app.read("/v1/accounts/acct_1/history");
    let entries = history["data"].as_array().unwrap();
    let last = entries.last().unwrap();
    assert_eq!((entries.len(), &last["type"]), (3, &json!("account.observed")));
    assert_eq!(last["source"], "refetch");
    let id = last["event_id"].as_str().unwrap();
    assert!(id.starts_with("obs_"), "{id}");
    assert_eq!(shown["as_of"]["event_id"], id);
    let body = app.send(&Request::get(&format!("/v1/events/{id}/body")).token(OPERATOR)).json();
    assert_eq!(body["request"]["id"], "req_1", "Stripe's name for the exchange is kept");
    assert_eq!(kept.stripe.received().len(), 1, "once is enough");
}

#[test]
fn what_was_left_ambiguous_by_an_earlier_process_is_fetched_after_a_start() {
    let kept = Kept::start();
    let mut app = start(&kept);
    kept.answers(None, "/v1/accounts/acct_1", refusal(403, "", ""));
    contradict(&app, "acct_1", std::convert::identity);
    until(&app, "/v1/accounts/acct_1", |_| !kept.stripe.received().is_empty());
    app.stop();
    kept.holds(None, "/v1/accounts/acct_1", &object(&restricted("acct_1")));
    app.run();
    let shown = until(&app, "/v1/accounts/acct_1", is_settled);
    assert_eq!(shown["status"], "restricted");
}

#[test]
fn an_outage_is_waited_out() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.holds(None, "/v1/accounts/acct_1", &object(&account("acct_1")));
    kept.has_troubles([Reply::HangUp, Reply::HangUp, Reply::HangUp]);
    contradict(&app, "acct_1", std::convert::identity);
    until(&app, "/v1/accounts/acct_1", is_settled);
}

/// Longer than a read is tried in a row elsewhere.
#[test]
fn an_outage_is_waited_out_however_long_it_is() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.holds(None, "/v1/accounts/acct_1", &object(&account("acct_1")));
    kept.has_troubles(std::iter::repeat_n(Reply::HangUp, 10 * 3));
    contradict(&app, "acct_1", std::convert::identity);
    until(&app, "/v1/accounts/acct_1", is_settled);
}

/// The second in which the contradiction arose must be over before anything fetched can tell.
#[test]
fn what_is_ambiguous_in_this_second_is_fetched_a_little_later() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.holds(None, "/v1/accounts/acct_1", &object(&account("acct_1")));
    let second = now();
    contradict(&app, "acct_1", |event| with(event, "created", json!(second)));
    let shown = until(&app, "/v1/accounts/acct_1", is_settled);
    assert!(shown["as_of"]["created"].as_i64().unwrap() > second, "{shown}");
}

#[test]
fn the_other_partition_is_not_the_keys_to_ask_about() {
    let kept = Kept::start();
    let app = start(&kept);
    let live = |event: Value| with(event, "livemode", json!(true));
    contradict(&app, "acct_1", live);
    // What comes after it is asked for, and it is not.
    kept.holds(None, "/v1/accounts/acct_2", &object(&account("acct_2")));
    contradict(&app, "acct_2", std::convert::identity);
    until(&app, "/v1/accounts/acct_2", is_settled);
    let paths: Vec<String> = kept.stripe.received().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["/v1/accounts/acct_2"]);
}

#[track_caller]
fn refetch(app: &TestApp, path: &str) -> Value {
    let answer = app.send(&Request::post(path, "").token(OPERATOR));
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

#[test]
fn an_operator_has_any_object_fetched_known_or_not() {
    let kept = Kept::start();
    let app = start(&kept);
    let paid = payout("po_1", "paid", "paid");
    for (owner, at_stripe, ours, shown, event) in [
        (
            None,
            "/v1/accounts/acct_1",
            "/v1/accounts/acct_1/refetch",
            "/v1/accounts/acct_1",
            account("acct_1"),
        ),
        (
            None,
            "/v1/topups/tu_1",
            "/v1/topups/tu_1/refetch",
            "/v1/topups/tu_1",
            topup("tu_1", "created", "pending"),
        ),
        (None, "/v1/payouts/po_1", "/v1/payouts/po_1/refetch", "/v1/payouts/po_1", paid.clone()),
        (
            Some("acct_1"),
            "/v1/payouts/po_1",
            "/v1/payouts/po_1/refetch?account=acct_1",
            "/v1/payouts/po_1?account=acct_1",
            paid,
        ),
        (
            Some("acct_1"),
            "/v1/balance",
            "/v1/balance/refetch?account=acct_1",
            "/v1/balance?account=acct_1",
            balance(5),
        ),
    ] {
        kept.holds(owner, at_stripe, &object(&event));
        let receipt = refetch(&app, ours);
        assert_eq!(receipt["outcome"], "applied", "{ours}");
        assert_eq!(app.read(shown)["as_of"]["event_id"], receipt["id"], "{ours}");
        assert_eq!(refetch(&app, ours)["outcome"], "unchanged", "{ours}: nothing new");
    }
}

#[test]
fn a_fetched_object_stands_before_what_stripe_reports_afterwards() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.holds(None, "/v1/accounts/acct_1", &object(&account("acct_1")));
    refetch(&app, "/v1/accounts/acct_1/refetch");
    // It may have changed in the very second of the answer, after it was read.
    app.apply(&with(restricted("acct_1"), "created", json!(now() - 1)));
    assert_eq!(app.read("/v1/accounts/acct_1")["payable"], false);
}

#[test]
fn what_cannot_be_fetched_says_why() {
    let kept = Kept::start();
    let app = start(&kept);
    let of_stripe = "/v1/accounts/acct_1";
    let deleted = json!({ "id": "acct_1", "object": "account", "deleted": true });
    let other = object(&account("acct_2"));
    let no_object = json!({ "object": "list", "data": [] });
    for (case, reply, status, code) in [
        ("unknown there", refusal(404, "resource_missing", "id"), 404, "not_found"),
        ("deleted", Reply::json(200, &deleted), 404, "not_found"),
        ("not ours", refusal(403, "account_invalid", ""), 404, "not_found"),
        ("out of order", Reply::HangUp, 503, "stripe_unavailable"),
        ("busy", refusal(429, "rate_limit", ""), 503, "stripe_unavailable"),
        ("another object", Reply::json(200, &other), 503, "stripe_unavailable"),
        ("no such object", Reply::json(200, &no_object), 503, "stripe_unavailable"),
    ] {
        kept.answers(None, of_stripe, reply);
        let answer = app.send(&Request::post("/v1/accounts/acct_1/refetch", "").token(OPERATOR));
        assert_problem(&answer, status, code, case);
    }
    assert_eq!(app.get(of_stripe).status, 404, "nothing was kept");
}

#[test]
fn an_id_leads_nowhere_else() {
    let kept = Kept::start();
    let app = start(&kept);
    let answer = app.send(&Request::post("/v1/topups/..%2Fbalance/refetch", "").token(OPERATOR));
    assert_problem(&answer, 404, "not_found", "no such topup");
    let paths: Vec<String> = kept.stripe.received().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["/v1/topups/..%2Fbalance"]);
}

#[test]
fn only_operators_have_objects_fetched() {
    let kept = Kept::start();
    let app = start(&kept);
    let path = "/v1/accounts/acct_1/refetch";
    for token in [READER, PAYER] {
        let answer = app.send(&Request::post(path, "").token(token));
        assert_problem(&answer, 403, "forbidden", token);
    }
    let other = Request::post(&format!("{path}?livemode=true"), "").token(OPERATOR);
    assert_problem(&app.send(&other), 409, "other_mode", "the key is of test mode");
    let odd = Request::post("/v1/widgets/w_1/refetch", "").token(OPERATOR);
    assert_problem(&app.send(&odd), 404, "not_found", "no such kind");
    assert!(kept.stripe.received().is_empty());
}
