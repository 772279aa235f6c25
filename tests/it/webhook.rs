//! `POST /webhooks/stripe`.

use std::sync::mpsc;
use std::time::Duration;

use bursar::app::{Patience, RunError};
use bursar::pipeline::commit::Limits;
use bursar::store::StoreError;
use bursar::stripe::signature::sign;
use serde_json::{Value, json};

use crate::support::events::{
    account, application, balance, capability, event, live, of, one_of_each, payout, restricted,
    together_with, topup, transfer, without,
};
use crate::support::{
    Answer, DEFAULT_SECRET, OPERATOR, Request, SECRETS, TestApp, assert_problem, encoded, now, raw,
    raw_and_hang_up, signed, with,
};

const ROUTE: &str = "/webhooks/stripe";
const SECRET: &str = SECRETS[0].1;
const MAX_BODY_BYTES: usize = 1 << 20;

/// A delivery with exactly this header.
fn delivery(header: &str, body: &[u8]) -> Request {
    Request::post(ROUTE, body).header("Stripe-Signature", header)
}

#[track_caller]
fn assert_nothing_is_stored(app: &TestApp) {
    for livemode in [false, true] {
        let list = app.read(&format!("/v1/events?livemode={livemode}"));
        assert_eq!(list["data"], json!([]));
        let summary = app.read(&format!("/v1/summary?livemode={livemode}"));
        assert_eq!(summary["sources"], json!({}), "{summary}");
        assert!(summary["events"].as_object().unwrap().values().all(|count| *count == 0));
    }
}

// Outcomes.

#[test]
fn the_first_report_about_an_object_is_applied_and_shown_at_once() {
    let app = TestApp::start();
    for (path, event) in one_of_each() {
        assert_eq!(app.get(path).status, 404, "{path}");
        assert_eq!(app.outcome(&event), "applied", "{path}");
        assert_eq!(app.read(path)["as_of"]["event_id"], event["id"], "{path}");
    }
}

#[test]
fn a_report_that_changes_what_a_read_shows_is_applied() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    app.apply(&restricted("acct_1"));
    app.apply(&topup("tu_1", "created", "pending"));
    app.apply(&topup("tu_1", "succeeded", "succeeded"));
    app.apply(&with(
        topup("tu_1", "succeeded", "succeeded"),
        "data.object.failure_message",
        json!("shown only"),
    ));
    app.apply(&transfer("tr_1", "created", 0));
    app.apply(&transfer("tr_1", "reversed", 400));
    app.apply(&balance(1));
    app.apply(&balance(2));
}

#[test]
fn a_late_report_that_changes_what_a_read_shows_is_applied() {
    let app = TestApp::start();
    let paid = payout("po_1", "paid", "paid");
    app.apply(&payout("po_1", "failed", "failed"));
    assert_eq!(app.read("/v1/payouts/po_1")["failed_after_paid"], false);
    assert_eq!(app.outcome(&paid), "applied");
    assert_eq!(app.read("/v1/payouts/po_1")["failed_after_paid"], true);
}

#[test]
fn a_late_report_that_changes_nothing_shown_is_stale() {
    let app = TestApp::start();
    for (kind, early, late) in [
        ("account", account("acct_1"), restricted("acct_1")),
        ("topup", topup("tu_1", "created", "pending"), topup("tu_1", "succeeded", "succeeded")),
        ("transfer", transfer("tr_1", "created", 0), transfer("tr_1", "reversed", 400)),
        ("payout", payout("po_1", "created", "pending"), payout("po_1", "paid", "paid")),
        ("balance", balance(1), balance(2)),
        ("the same content", account("acct_2"), account("acct_2")),
    ] {
        app.apply(&late);
        assert_eq!(app.outcome(&early), "stale", "{kind}");
    }
}

#[test]
fn a_report_that_the_lifecycle_puts_before_another_of_its_second_is_stale() {
    let app = TestApp::start();
    for (first, second) in [
        (topup("tu_1", "succeeded", "succeeded"), topup("tu_1", "created", "pending")),
        (payout("po_1", "paid", "paid"), payout("po_1", "updated", "in_transit")),
        (payout("po_2", "failed", "failed"), payout("po_2", "updated", "pending")),
        (transfer("tr_1", "reversed", 1000), transfer("tr_1", "updated", 400)),
    ] {
        app.apply(&first);
        let second = together_with(&first, second);
        assert_eq!(app.outcome(&second), "stale", "{second}");
    }
}

#[test]
fn an_authorization_in_the_second_of_a_deauthorization_is_stale() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    let gone = application("acct_1", "deauthorized");
    app.apply(&gone);
    assert_eq!(app.outcome(&together_with(&gone, application("acct_1", "authorized"))), "stale");
    assert_eq!(app.read("/v1/accounts/acct_1")["status"], "deauthorized");
}

#[test]
fn an_account_report_that_the_chain_puts_before_another_of_its_second_is_stale() {
    let app = TestApp::start();
    // Without something known before, the last could be the first.
    app.apply(&with(account("acct_1"), "data.object.payouts_enabled", json!(false)));
    let middle = account("acct_1");
    let previous = json!({
        "capabilities": { "transfers": "active" },
        "payouts_enabled": true,
        "requirements": { "currently_due": [], "disabled_reason": null, "past_due": [] },
    });
    let last = together_with(&middle, restricted("acct_1"));
    let last = with(last, "data.previous_attributes", previous);
    app.apply(&last);
    assert_eq!(app.outcome(&middle), "stale");
    assert_eq!(app.read("/v1/accounts/acct_1")["status"], "restricted");
}

#[test]
fn a_report_that_only_its_id_puts_before_another_of_its_second_is_not_stale() {
    let app = TestApp::start();
    let shown = with(balance(1), "id", json!("evt_z"));
    let hidden = with(together_with(&shown, balance(2)), "id", json!("evt_a"));
    app.apply(&shown);
    assert_eq!(app.outcome(&hidden), "unchanged");
    assert_eq!(app.read("/v1/balance")["available"][0]["amount"], 1);
}

#[test]
fn a_report_that_says_nothing_new_is_unchanged() {
    let app = TestApp::start();
    for (kind, first, second) in [
        ("account", account("acct_1"), account("acct_1")),
        ("topup", topup("tu_1", "created", "pending"), topup("tu_1", "created", "pending")),
        ("transfer", transfer("tr_1", "created", 0), transfer("tr_1", "updated", 0)),
        ("payout", payout("po_1", "paid", "paid"), payout("po_1", "updated", "paid")),
        ("balance", balance(1), balance(1)),
    ] {
        app.apply(&first);
        assert_eq!(app.outcome(&second), "unchanged", "{kind}");
    }
    let drift = with(account("acct_1"), "data.object.email", json!("nora@example.com"));
    assert_eq!(app.outcome(&drift), "unchanged", "a field that no read shows");
}

#[test]
fn a_report_after_a_final_status_changes_no_field() {
    let app = TestApp::start();
    for (path, last, after) in [
        (
            "/v1/topups/tu_1",
            topup("tu_1", "failed", "failed"),
            topup("tu_1", "succeeded", "succeeded"),
        ),
        (
            "/v1/topups/tu_2",
            topup("tu_2", "reversed", "reversed"),
            topup("tu_2", "failed", "failed"),
        ),
        (
            "/v1/payouts/po_1",
            payout("po_1", "canceled", "canceled"),
            payout("po_1", "paid", "paid"),
        ),
    ] {
        app.apply(&last);
        let before = app.read(path);
        let after = with(after, "data.object.amount", json!(1));
        assert_eq!(app.outcome(&after), "unchanged", "{path}");
        assert_eq!(app.read(path), before, "{path}");
    }
}

#[test]
fn types_that_are_not_tracked_are_stored_and_ignored() {
    let app = TestApp::start();
    let thin = json!({
        "id": "evt_test_thin",
        "object": "v2.core.event",
        "type": "v2.core.account.updated",
        "created": "2026-10-29T08:21:47.090Z",
        "livemode": false,
        "related_object": { "id": "acct_1", "type": "v2.core.account" },
    });
    let disguised = with(account("acct_1"), "object", json!("v2.core.event"));
    for event in [
        transfer("tr_1", "paid", 0),
        transfer("tr_1", "failed", 0),
        event("person.updated", json!({ "id": "person_1", "object": "person" })),
        event(
            "account.external_account.created",
            json!({ "id": "ba_1", "object": "bank_account" }),
        ),
        event("treasury.novelty.happened", json!(null)),
        event("Account.Updated", json!([])),
        thin,
        disguised,
    ] {
        let name = format!("{} {}", event["object"], event["type"]);
        assert_eq!(app.outcome(&event), "ignored", "{name}");
        let id = event["id"].as_str().unwrap();
        assert_eq!(app.read(&format!("/v1/events/{id}"))["outcome"], "ignored", "{name}");
    }
    for path in ["/v1/transfers/tr_1", "/v1/accounts/acct_1"] {
        assert_eq!(app.get(path).status, 404, "{path}");
    }
}

#[track_caller]
fn assert_parked(app: &TestApp, case: &str, event: &Value) {
    assert_eq!(app.outcome(event), "parked", "{case}");
    let stored = app.read(&format!("/v1/events/{}", event["id"].as_str().unwrap()));
    assert_eq!(stored["outcome"], "parked", "{case}");
    let says_why = stored["reason"].as_str().is_some_and(|reason| !reason.is_empty());
    assert!(says_why, "{case}: {stored}");
}

#[test]
fn a_tracked_event_whose_object_is_missing_or_of_another_kind_is_parked() {
    let app = TestApp::start();
    let created = || topup("tu_1", "created", "pending");
    for (case, event) in [
        ("no data", without(created(), "data")),
        ("data is null", with(created(), "data", json!(null))),
        ("data is a text", with(created(), "data", json!("tu_1"))),
        ("no object", without(created(), "data.object")),
        ("object is null", with(created(), "data.object", json!(null))),
        ("object is an id", with(created(), "data.object", json!("tu_1"))),
        ("object is a list", with(created(), "data.object", json!([1]))),
        ("another object", with(created(), "data.object.object", json!("payout"))),
        ("no object word", without(created(), "data.object.object")),
        ("object word is a number", with(created(), "data.object.object", json!(5))),
        ("a deleted account", with(account("acct_1"), "data.object.object", json!("person"))),
        (
            "capability",
            with(capability("acct_1", "t", "x"), "data.object.object", json!("account")),
        ),
        (
            "application",
            with(application("acct_1", "authorized"), "data.object.object", json!("x")),
        ),
        ("balance", with(balance(1), "data.object.object", json!("balances"))),
    ] {
        assert_parked(&app, case, &event);
    }
    let summary = app.read("/v1/summary");
    assert_eq!(summary["events"]["parked"], 14);
    assert_eq!(app.get("/v1/topups/tu_1").status, 404);
}

#[test]
fn a_tracked_event_with_an_unusable_id_or_account_is_parked() {
    let app = TestApp::start();
    let named = |id: Value| with(payout("po_1", "paid", "paid"), "data.object.id", id);
    let long = "x".repeat(256);
    for (case, event) in [
        ("a top-up's id", named(json!("tu_1"))),
        ("a transfer's id", named(json!("tr_1"))),
        ("an account's id", named(json!("acct_1"))),
        ("a payout's id on an account", with(account("po_1"), "account", json!("po_1"))),
        ("empty", named(json!(""))),
        ("too long", named(json!(long))),
        ("a number", named(json!(7))),
        ("null", named(json!(null))),
        ("none", without(named(json!("")), "data.object.id")),
        ("account of another", with(account("acct_1"), "account", json!("acct_2"))),
        (
            "capability of another",
            with(capability("acct_1", "transfers", "active"), "account", json!("acct_2")),
        ),
        ("authorized nobody", without(application("acct_1", "authorized"), "account")),
    ] {
        assert_parked(&app, case, &event);
    }
}

#[test]
fn a_tracked_event_with_an_unusable_livemode_is_parked() {
    let app = TestApp::start();
    for (case, event) in [
        ("missing", without(account("acct_1"), "livemode")),
        ("null", with(account("acct_1"), "livemode", json!(null))),
        ("a text", with(account("acct_1"), "livemode", json!("false"))),
        (
            "contradicted by its object",
            with(topup("tu_1", "created", "pending"), "data.object.livemode", json!(true)),
        ),
        (
            "contradicted by a payout",
            with(payout("po_1", "paid", "paid"), "data.object.livemode", json!(true)),
        ),
    ] {
        assert_parked(&app, case, &event);
    }
}

#[test]
fn a_tracked_event_with_an_unusable_created_is_parked() {
    let app = TestApp::start();
    for created in [
        json!(null),
        json!("1790672800"),
        json!("2026-10-29T08:21:47.090Z"),
        json!(1.5),
        json!(-1),
        json!(9_007_199_254_740_993_u64),
        json!(u64::MAX),
        json!(1e300),
        json!(now() + 86_400 + 60),
    ] {
        let event = with(account("acct_1"), "created", created.clone());
        assert_parked(&app, &created.to_string(), &event);
    }
    assert_parked(&app, "missing", &without(account("acct_1"), "created"));
    assert_eq!(app.get("/v1/accounts/acct_1").status, 404);
}

#[test]
fn a_tracked_event_with_a_status_or_amount_that_cannot_be_understood_is_parked() {
    let app = TestApp::start();
    let tu = |field: &str, value| with(topup("tu_1", "created", "pending"), field, value);
    let po = |field: &str, value| with(payout("po_1", "created", "pending"), field, value);
    let tr = |field: &str, value| with(transfer("tr_1", "updated", 0), field, value);
    let ac = |field: &str, value| with(account("acct_1"), field, value);
    let (status, amount) = ("data.object.status", "data.object.amount");
    for (case, event) in [
        ("a top-up's new word", tu(status, json!("refunded"))),
        ("a top-up without status", tu(status, json!(null))),
        ("a payout's new word", po(status, json!("delayed"))),
        ("a payout's number", po(status, json!(5))),
        ("upper case", po(status, json!("PAID"))),
        ("amount is a text", tu(amount, json!("2000"))),
        ("amount is a fraction", po(amount, json!(10.5))),
        ("amount is null", tr(amount, json!(null))),
        ("amount is beyond all", po(amount, json!(1e30))),
        ("a negative top-up", tu(amount, json!(-1))),
        ("reversed is a text", tr("data.object.amount_reversed", json!("0"))),
        ("capability without status", {
            with(capability("acct_1", "transfers", "x"), status, json!(null))
        }),
        ("details_submitted", ac("data.object.details_submitted", json!("yes"))),
        ("payouts_enabled", ac("data.object.payouts_enabled", json!(null))),
        ("currently_due", ac("data.object.requirements.currently_due", json!("id_number"))),
    ] {
        assert_parked(&app, case, &event);
    }
}

#[test]
fn odd_content_that_decides_nothing_is_applied() {
    let app = TestApp::start();
    let long = "x".repeat(255);
    let wide = "é".repeat(255);
    for (case, event) in [
        ("an id without a prefix", topup("withdrawal-7", "created", "pending")),
        ("an id of 255 characters", topup(&long, "created", "pending")),
        ("an id of 255 wide characters", topup(&wide, "created", "pending")),
        ("the beginning of time", with(account("acct_1"), "created", json!(0))),
        ("an hour ahead", with(account("acct_2"), "created", json!(now() + 3600))),
        ("new words", {
            let event = with(account("acct_3"), "data.object.type", json!("quantum"));
            with(event, "data.object.capabilities.transfers", json!("dormant"))
        }),
        ("a debt", with(payout("po_1", "paid", "paid"), "data.object.amount", json!(-500))),
        ("no api version", with(account("acct_4"), "api_version", json!(null))),
        ("an unknown field", with(account("acct_5"), "data.object.mood", json!([[{}]]))),
    ] {
        assert_eq!(app.outcome(&event), "applied", "{case}");
    }
    for id in [&long, &wide] {
        assert_eq!(app.read(&format!("/v1/topups/{}", encoded(id)))["id"], json!(id));
    }
}

#[test]
fn a_redelivered_event_is_a_duplicate_and_changes_nothing() {
    let app = TestApp::start();
    for (path, event) in one_of_each() {
        app.apply(&event);
        let before = app.read(path);
        assert_eq!(app.outcome(&event), "duplicate", "{path}");
        assert_eq!(app.outcome(&event), "duplicate", "{path}");
        assert_eq!(app.read(path), before, "{path}");
    }
    assert_eq!(app.read("/v1/events")["data"].as_array().unwrap().len(), one_of_each().len());
}

#[test]
fn every_kind_of_stored_event_is_a_duplicate_the_second_time() {
    let app = TestApp::start();
    app.apply(&restricted("acct_1"));
    let parked = with(account("acct_1"), "created", json!(null));
    let ignored = event("person.updated", json!({}));
    let stale = with(account("acct_1"), "created", json!(1));
    for (outcome, event) in [("parked", parked), ("ignored", ignored), ("stale", stale)] {
        assert_eq!(app.outcome(&event), outcome);
        assert_eq!(app.outcome(&event), "duplicate", "{outcome}");
    }
}

// Signatures.

#[test]
fn every_secret_is_accepted_and_names_the_source() {
    let app = TestApp::start();
    for (source, secret) in SECRETS {
        let event = event("person.updated", json!({}));
        let body = event.to_string();
        let answer = app.send(&delivery(&sign(secret, body.as_bytes(), now()), body.as_bytes()));
        assert_eq!(answer.status, 200, "{secret}");
        let stored = app.read(&format!("/v1/events/{}", event["id"].as_str().unwrap()));
        assert_eq!(stored["source"], source, "{secret}");
    }
}

/// The `v1=...` item of a header.
fn v1(secret: &str, body: &[u8], at: i64) -> String {
    sign(secret, body, at).split_once(',').unwrap().1.to_owned()
}

#[test]
fn a_good_signature_is_found_among_others() {
    let app = TestApp::start();
    let wrong = format!("v1={}", "0".repeat(64));
    for (case, header) in [
        ("rolled, old first", |t: i64, body: &[u8]| {
            format!("t={t},{},{}", v1("whsec_gone", body, t), v1(DEFAULT_SECRET, body, t))
        }),
        ("rolled, new first", |t, body| {
            format!("t={t},{},{}", v1(DEFAULT_SECRET, body, t), v1("whsec_gone", body, t))
        }),
        ("v1 before t", |t, body| format!("{},t={t}", v1(SECRET, body, t))),
        ("a fake scheme beside it", |t, body| format!("t={t},{},v0=abc", v1(SECRET, body, t))),
        ("unreadable items beside it", |t, body| {
            format!("foo,,=,t={t},v1,v1=,v1=zz, v1=x,{},v2", v1(SECRET, body, t))
        }),
    ] as [(&str, fn(i64, &[u8]) -> String); 5]
    {
        let body = event("person.updated", json!({})).to_string();
        let answer = app.send(&delivery(&header(now(), body.as_bytes()), body.as_bytes()));
        assert_eq!(answer.status, 200, "{case}");
    }
    for (before, status) in [(63, 200), (64, 400)] {
        let body = event("person.updated", json!({})).to_string();
        let (t, wrongs) = (now(), vec![wrong.as_str(); before].join(","));
        let header = format!("t={t},{wrongs},{}", v1(SECRET, body.as_bytes(), t));
        let answer = app.send(&delivery(&header, body.as_bytes()));
        assert_eq!(answer.status, status, "after {before} others");
    }
}

#[test]
fn a_missing_signature_is_told() {
    let app = TestApp::start();
    let body = account("acct_1").to_string();
    let bare = Request::post(ROUTE, body.clone());
    assert_problem(&app.send(&bare), 400, "signature_missing", "no header");
    let empty = delivery("", body.as_bytes());
    assert_problem(&app.send(&empty), 400, "signature_missing", "an empty header");
    assert_nothing_is_stored(&app);
}

#[test]
fn a_malformed_signature_is_told() {
    let app = TestApp::start();
    let body = account("acct_1").to_string();
    let body = body.as_bytes();
    let t = now();
    let good = v1(SECRET, body, t);
    for header in [
        good.clone(),
        format!("t={t},t={t},{good}"),
        format!("t={t},{good},t=1"),
        format!("t=,{good}"),
        format!("t,{good}"),
        format!("t=abc,{good}"),
        format!("t=+{t},{good}"),
        format!("t=-{t},{good}"),
        format!("t= {t},{good}"),
        format!("t={t}.0,{good}"),
        format!("t=0x{t:x},{good}"),
        format!("t={},{good}", "1".repeat(19)),
        format!("T={t},{good}"),
        format!("t={t}"),
        format!("t={t},v0=abc"),
        format!("t={t}, {good}"),
        format!("t={t},V1=abc"),
        "rubbish".to_owned(),
        ",".to_owned(),
    ] {
        let answer = app.send(&delivery(&header, body));
        assert_problem(&answer, 400, "signature_malformed", &header);
    }
    let twice = delivery(&sign(SECRET, body, t), body);
    let twice = twice.header("Stripe-Signature", &sign(SECRET, body, t));
    assert_problem(&app.send(&twice), 400, "signature_malformed", "two headers");
    assert_nothing_is_stored(&app);
}

#[test]
fn a_signature_that_does_not_match_is_told() {
    let app = TestApp::start();
    let body = account("acct_1").to_string();
    let bytes = body.as_bytes();
    let t = now();
    let hex = v1(SECRET, bytes, t)["v1=".len()..].to_owned();
    for (case, header) in [
        ("of an unknown secret", sign("whsec_other", bytes, t)),
        ("of the secret's name", sign("platform", bytes, t)),
        ("of an empty secret", sign("", bytes, t)),
        ("of another body", sign(SECRET, b"{}", t)),
        ("of another time", format!("t={},v1={hex}", t + 1)),
        ("in the wrong scheme", format!("t={t},v0={hex},v1=00")),
        ("in upper case", format!("t={t},v1={}", hex.to_uppercase())),
        ("cut off", format!("t={t},v1={}", &hex[..62])),
        ("with more behind it", format!("t={t},v1={hex}00")),
        ("empty", format!("t={t},v1=")),
        ("unmatched and long ago", sign("whsec_other", bytes, 1)),
    ] {
        let answer = app.send(&delivery(&header, bytes));
        assert_problem(&answer, 400, "signature_mismatch", case);
    }
    let longer = app.send(&delivery(&sign(SECRET, bytes, t), format!("{body} ").as_bytes()));
    assert_problem(&longer, 400, "signature_mismatch", "a blank more");
    assert_nothing_is_stored(&app);
}

#[test]
fn a_time_outside_the_tolerance_is_told_on_both_sides() {
    let app = TestApp::start();
    let body = account("acct_1").to_string();
    let body = body.as_bytes();
    for away in [-1_000_000_000, -3600, -330, 330, 3600, 1_000_000_000] {
        let answer = app.send(&delivery(&sign(SECRET, body, now() + away), body));
        assert_problem(&answer, 400, "timestamp_out_of_tolerance", &format!("{away} s"));
    }
    for t in [0, 999_999_999_999_999_999] {
        let answer = app.send(&delivery(&sign(SECRET, body, t), body));
        assert_problem(&answer, 400, "timestamp_out_of_tolerance", &format!("t={t}"));
    }
    assert_nothing_is_stored(&app);
    for away in [-270, 270] {
        let answer = app.send(&delivery(&sign(SECRET, body, now() + away), body));
        assert_eq!(answer.status, 200, "{away} s");
    }
}

#[test]
fn the_tolerance_can_be_set() {
    let app = TestApp::start_with(&[("TOLERANCE_SECONDS", "3600")], Limits::default());
    let body = account("acct_1").to_string();
    let body = body.as_bytes();
    let answer = app.send(&delivery(&sign(SECRET, body, now() - 3000), body));
    assert_eq!(answer.status, 200);
    let answer = app.send(&delivery(&sign(SECRET, body, now() - 4000), body));
    assert_problem(&answer, 400, "timestamp_out_of_tolerance", "4000 s");
}

// Bodies.

#[test]
fn verified_bytes_that_are_not_an_event_are_refused() {
    let app = TestApp::start();
    let good = account("acct_1");
    let text = good.to_string();
    for (case, body) in [
        ("empty", Vec::new()),
        ("a word", b"hello".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"5".to_vec()),
        ("a text", b"\"evt_1\"".to_vec()),
        ("a list", format!("[{text}]").into_bytes()),
        ("two events", format!("{text}{text}").into_bytes()),
        ("cut off", text.as_bytes()[..text.len() - 1].to_vec()),
        ("not UTF-8", [&text.as_bytes()[..text.len() - 1], b",\"x\":\"\xff\"}"].concat()),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a byte order mark", format!("\u{feff}{text}").into_bytes()),
        ("a comment", format!("{text} // thanks").into_bytes()),
        ("a comma too much", text.replacen('{', "{,", 1).into_bytes()),
        ("a twin of id", text.replacen('{', r#"{"id":"evt_other","#, 1).into_bytes()),
        ("a twin of livemode", text.replacen('{', r#"{"livemode":true,"#, 1).into_bytes()),
        ("a form", b"id=evt_1&object=event&type=account.updated".to_vec()),
    ] {
        let answer = app.send(&signed(&body));
        assert_problem(&answer, 400, "not_an_event", case);
    }
    assert_nothing_is_stored(&app);
}

#[test]
fn verified_json_without_the_marks_of_an_event_is_refused() {
    let app = TestApp::start();
    let good = || account("acct_1");
    for (case, body) in [
        ("nothing", json!({})),
        ("no id", without(good(), "id")),
        ("an empty id", with(good(), "id", json!(""))),
        ("a number for an id", with(good(), "id", json!(7))),
        ("null for an id", with(good(), "id", json!(null))),
        ("no type", without(good(), "type")),
        ("an empty type", with(good(), "type", json!(""))),
        ("a list for a type", with(good(), "type", json!(["account.updated"]))),
        ("no object", without(good(), "object")),
        ("another object", with(good(), "object", json!("charge"))),
        ("another case", with(good(), "object", json!("Event"))),
        ("a later version", with(good(), "object", json!("v3.core.event"))),
        ("true for an object", with(good(), "object", json!(true))),
    ] {
        let answer = app.send(&signed(body.to_string()));
        assert_problem(&answer, 400, "not_an_event", case);
    }
    assert_nothing_is_stored(&app);
}

#[test]
fn the_content_type_does_not_matter() {
    let app = TestApp::start();
    for kind in [
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "nonsense",
        "",
    ] {
        let request = signed(account("acct_1").to_string()).header("Content-Type", kind);
        assert_eq!(app.send(&request).status, 200, "{kind}");
    }
    assert_eq!(app.deliver(account("acct_1").to_string()).0, 200, "none");
}

#[test]
fn other_methods_are_told_what_is_allowed() {
    let app = TestApp::start();
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = app.send(&Request::new(method, ROUTE));
        assert_problem(&answer, 405, "method_not_allowed", method);
        assert_eq!(answer.header("allow").as_deref(), Some("POST"), "{method}");
    }
    let head = app.send(&Request::new("HEAD", ROUTE));
    assert_eq!((head.status, head.body.len()), (405, 0));
    assert_eq!(head.header("allow").as_deref(), Some("POST"));
}

/// An event of exactly `length` bytes that do not compress well.
fn event_of_length(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let empty = with(account("acct_1"), "data.object.filler", json!("")).to_string();
    let filler: String =
        std::iter::repeat_with(|| random.alphanumeric()).take(length - empty.len()).collect();
    empty.replacen(r#""filler":"""#, &format!(r#""filler":"{filler}""#), 1).into_bytes()
}

#[test]
fn a_body_of_exactly_the_limit_is_taken_with_a_length_and_in_chunks() {
    let app = TestApp::start();
    let body = event_of_length(MAX_BODY_BYTES);
    assert_eq!(body.len(), MAX_BODY_BYTES);
    assert_eq!(app.deliver(&body).1["outcome"], "applied");
    let again = app.send(&signed(&body).chunked());
    assert_eq!(again.json()["outcome"], "duplicate");
    let id = app.column("/v1/events", "id")[0].clone();
    let path = format!("/v1/events/{}/body", id.as_str().unwrap());
    assert!(app.send(&Request::get(&path).token(OPERATOR)).body == body);
}

#[test]
fn a_body_beyond_the_limit_is_refused_and_the_client_hears_it() {
    let patience = Patience { parting: Duration::from_millis(500), ..Patience::default() };
    let app = TestApp::start_patient(patience);
    for length in [MAX_BODY_BYTES + 1, 2 * MAX_BODY_BYTES, 24 * MAX_BODY_BYTES] {
        let body = event_of_length(length);
        let answer = app.send(&signed(&body));
        assert_problem(&answer, 413, "body_too_large", &format!("{length} bytes"));
        let answer = app.send(&signed(&body).chunked());
        assert_problem(&answer, 413, "body_too_large", &format!("{length} bytes in chunks"));
    }
    let unsigned = Request::post(ROUTE, event_of_length(MAX_BODY_BYTES + 1));
    for unsigned in [unsigned.clone(), unsigned.chunked()] {
        assert_problem(&app.send(&unsigned), 413, "body_too_large", "unsigned");
    }
    assert_nothing_is_stored(&app);
}

#[test]
fn the_limit_of_bodies_can_be_set() {
    let app = TestApp::start_with(&[("MAX_BODY_BYTES", "2000")], Limits::default());
    let (status, _) = app.deliver(event_of_length(2000));
    assert_eq!(status, 200);
    let answer = app.send(&signed(event_of_length(2001)));
    assert_problem(&answer, 413, "body_too_large", "a byte more");
}

/// An event whose `data` is this text.
fn event_with_data(event_type: &str, data: &str) -> String {
    let event = with(event(event_type, json!(null)), "data", json!("DATA"));
    event.to_string().replacen(r#""DATA""#, data, 1)
}

#[test]
fn deep_nesting_does_no_harm() {
    let app = TestApp::start();
    let deep = |open: &str, close: &str| {
        format!("{{\"object\":{}{}}}", open.repeat(100_000), close.repeat(100_000))
    };
    for (event_type, outcome) in [("account.updated", "parked"), ("person.updated", "ignored")] {
        for data in [deep("[", "]"), deep("{\"a\":", "}").replacen(":}", ":0}", 1)] {
            let body = event_with_data(event_type, &data);
            let (status, answer) = app.deliver(&body);
            assert_eq!((status, answer["outcome"].as_str()), (200, Some(outcome)), "{event_type}");
            assert_eq!(app.deliver(&body).1["outcome"], "duplicate");
            let (status, answer) = app.deliver(format!("{body} "));
            assert_eq!((status, answer["outcome"].as_str()), (200, Some("duplicate")));
        }
    }
    let unclosed = app.send(&signed("[".repeat(100_000)));
    assert_problem(&unclosed, 400, "not_an_event", "never closed");
    assert_eq!(app.outcome(&account("acct_1")), "applied");
}

#[test]
fn a_nested_field_of_a_tracked_object_does_no_harm() {
    let app = TestApp::start();
    let nest = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let event = with(account("acct_1"), "data.object.metadata", json!("NEST"));
    let body = event.to_string().replacen(r#""NEST""#, &nest, 1);
    assert_eq!(app.deliver(body).1["outcome"], "applied");
    let event = with(account("acct_2"), "data.object.controller", json!("NEST"));
    let body = event.to_string().replacen(r#""NEST""#, &nest, 1);
    assert_eq!(app.deliver(body).0, 200);
    assert_eq!(app.get("/v1/accounts/acct_2").status, 200);
    assert_eq!(app.get("/v1/accounts").status, 200);
}

#[test]
fn lone_surrogates_do_no_harm() {
    let app = TestApp::start();
    let text = with(account("acct_1"), "data.object.email", json!("LONE")).to_string();
    let (status, answer) = app.deliver(text.replacen("LONE", "\\ud800", 1));
    assert_eq!((status, answer["outcome"].as_str()), (200, Some("applied")), "a field not read");

    let text = with(account("acct_2"), "data.object.country", json!("LONE")).to_string();
    assert_eq!(app.deliver(text.replacen("LONE", "\\ud800", 1)).0, 200, "a field only shown");
    assert_eq!(app.get("/v1/accounts/acct_2").status, 200);

    let text = topup("LONE", "created", "pending").to_string();
    let (status, answer) = app.deliver(text.replacen("LONE", "tu_\\udfff", 1));
    assert_eq!((status, answer["outcome"].as_str()), (200, Some("parked")), "an object's id");

    let text = with(account("acct_3"), "id", json!("LONE")).to_string();
    let answer = app.send(&signed(text.replacen("LONE", "evt_\\ud800", 1)));
    assert_problem(&answer, 400, "not_an_event", "an event's id");
}

#[test]
fn ids_of_any_characters_and_length_are_kept_and_found() {
    let app = TestApp::start();
    let long = format!("evt_{}", "x".repeat(296));
    for (id, object) in [
        (long.as_str(), "tu_long"),
        ("evt_\0", "tu_\0"),
        ("evt_\0\0", "tu_\0\0"),
        ("evt_/../x", "tu_a/b"),
        ("evt_%2F", "tu_%2F"),
        ("evt_a+b c", "tu_a+b c"),
        ("evt_?#&=", "tu_?#&="),
        ("evt_é\u{1f600}\n", "tu_é\u{1f600}\n"),
        ("\"", "\""),
    ] {
        let event = with(topup(object, "created", "pending"), "id", json!(id));
        app.apply(&event);
        let stored = app.read(&format!("/v1/events/{}", encoded(id)));
        assert_eq!(stored["id"], id, "{id}");
        let found = app.read(&format!("/v1/topups/{}", encoded(object)));
        assert_eq!(found["id"], object, "{id}");
        assert_eq!(found["as_of"]["event_id"], id, "{id}");
        let history = app.read(&format!("/v1/topups/{}/history", encoded(object)));
        assert_eq!(history["data"][0]["event_id"], id, "{id}");
    }
}

#[test]
fn rubbish_instead_of_http_is_refused_and_the_service_goes_on() {
    let app = TestApp::start();
    for rubbish in [
        &b"rubbish\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /webhooks/stripe HTTP/1.1\r\nContent-Length: minus\r\n\r\n",
        b"POST /webhooks/stripe HTTP/9.9\r\n\r\n",
    ] {
        let answer = raw(app.address(), rubbish);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    app.apply(&account("acct_1"));
}

#[test]
fn a_delivery_that_breaks_off_is_not_stored() {
    let app = TestApp::start();
    let body = account("acct_1").to_string();
    let signature = sign(SECRET, body.as_bytes(), now());
    for framing in
        [format!("Content-Length: {}", body.len() + 1), "Transfer-Encoding: chunked".into()]
    {
        let chunk =
            if framing.starts_with('T') { format!("{:x}\r\n", body.len()) } else { String::new() };
        let request = format!(
            "POST {ROUTE} HTTP/1.1\r\nHost: b\r\nStripe-Signature: {signature}\r\n{framing}\r\n\r\n{chunk}{body}"
        );
        let answer = raw_and_hang_up(app.address(), request.as_bytes());
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{framing}");
    }
    assert_nothing_is_stored(&app);
}

#[test]
fn the_route_may_be_called_with_a_query() {
    let app = TestApp::start();
    let body = account("acct_1").to_string();
    let signature = sign(SECRET, body.as_bytes(), now());
    let request = Request::post(&format!("{ROUTE}?endpoint=1&x"), body);
    assert_eq!(app.send(&request.header("Stripe-Signature", &signature)).status, 200);
}

// One id, several deliveries.

#[track_caller]
fn flags(app: &TestApp, id: &Value) -> Value {
    app.read(&format!("/v1/events/{}", id.as_str().unwrap()))["flags"].clone()
}

#[test]
fn a_redelivery_that_says_the_same_is_not_flagged() {
    let app = TestApp::start();
    let event = account("acct_1");
    app.apply(&event);
    let mut turned = serde_json::Map::new();
    for (name, value) in event.as_object().unwrap().iter().rev() {
        turned.insert(name.clone(), value.clone());
    }
    for (case, body) in [
        ("indented", serde_json::to_string_pretty(&event).unwrap()),
        ("other order of keys", Value::Object(turned).to_string()),
        ("fewer webhooks pending", with(event.clone(), "pending_webhooks", json!(0)).to_string()),
        ("no webhooks pending", without(event.clone(), "pending_webhooks").to_string()),
        ("escaped", event.to_string().replace("acct_1", "acct\\u005f1")),
    ] {
        assert_eq!(app.deliver(&body).1["outcome"], "duplicate", "{case}");
        assert_eq!(flags(&app, &event["id"]), json!([]), "{case}");
    }
}

#[test]
fn a_redelivery_that_cannot_be_parsed_as_text_is_compared_all_the_same() {
    let app = TestApp::start();
    for (case, field) in [("a lone surrogate", "\"\\ud800\""), ("a large number", "1e400")] {
        let event = with(account("acct_1"), "data.object.odd", json!("ODD"));
        let body = event.to_string().replacen(r#""ODD""#, field, 1);
        assert_eq!(app.deliver(&body).0, 200, "{case}");
        let fewer = body.replacen(r#""pending_webhooks":1"#, r#""pending_webhooks":0"#, 1);
        assert_ne!(fewer, body);
        assert_eq!(app.deliver(&fewer).1["outcome"], "duplicate", "{case}");
        assert_eq!(flags(&app, &event["id"]), json!([]), "{case}");
    }
}

#[test]
fn a_redelivery_that_is_nested_deeply_is_compared_all_the_same() {
    let app = TestApp::start();
    let nest = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let event = with(account("acct_1"), "data.object.odd", json!("NEST"));
    let body = event.to_string().replacen(r#""NEST""#, &nest, 1);
    assert_eq!(app.deliver(&body).0, 200);
    assert_eq!(app.deliver(format!("{body}\n")).1["outcome"], "duplicate");
    assert_eq!(flags(&app, &event["id"]), json!([]));
}

#[test]
fn a_redelivery_with_other_content_is_flagged_and_the_first_body_stays() {
    let app = TestApp::start();
    for (case, change) in [
        ("another value", |event| with(event, "data.object.country", json!("FR"))),
        ("a field more", |event| with(event, "data.object.note", json!(null))),
        ("a field less", |event| without(event, "api_version")),
        ("another type", |event| with(event, "type", json!("person.updated"))),
        ("pending_webhooks further in", |event| {
            with(event, "data.object.pending_webhooks", json!(3))
        }),
        ("another order in a list", |event| {
            with(event, "data.object.requirements.alternatives", json!([2, 1]))
        }),
    ] as [(&str, fn(Value) -> Value); 6]
    {
        let event = with(account("acct_1"), "data.object.requirements.alternatives", json!([1, 2]));
        let first = event.to_string();
        assert_eq!(app.deliver(&first).0, 200);
        let before = app.read("/v1/accounts/acct_1");
        assert_eq!(app.outcome(&change(event.clone())), "duplicate", "{case}");
        assert_eq!(flags(&app, &event["id"]), json!(["conflicting_redelivery"]), "{case}");
        assert_eq!(app.outcome(&event), "duplicate", "{case}");
        assert_eq!(flags(&app, &event["id"]), json!(["conflicting_redelivery"]), "{case}");
        assert_eq!(app.read("/v1/accounts/acct_1"), before, "{case}");
        let path = format!("/v1/events/{}/body", event["id"].as_str().unwrap());
        let body = app.send(&Request::get(&path).token(OPERATOR)).body;
        assert_eq!(String::from_utf8(body).unwrap(), first, "{case}");
    }
}

#[test]
fn the_same_id_in_live_and_in_test_mode_is_two_events() {
    let app = TestApp::start();
    let test = topup("tu_1", "created", "pending");
    let alive = with(live(topup("tu_1", "succeeded", "succeeded")), "id", test["id"].clone());
    app.apply(&test);
    app.apply(&alive);
    assert_eq!(app.read("/v1/topups/tu_1?livemode=false")["status"], "pending");
    assert_eq!(app.read("/v1/topups/tu_1?livemode=true")["status"], "succeeded");
    assert_eq!(app.outcome(&test), "duplicate");
    assert_eq!(app.outcome(&alive), "duplicate");
    assert_eq!(flags(&app, &test["id"]), json!([]));
}

/// Sends all requests at once; the answers come in no order.
fn at_once(app: &TestApp, requests: &[Request]) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let sent: Vec<_> =
            requests.iter().map(|request| scope.spawn(|| app.send(request))).collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    })
}

#[test]
fn of_twenty_deliveries_at_once_exactly_one_is_not_a_duplicate() {
    let app = TestApp::start();
    for event in [account("acct_1"), payout("po_1", "paid", "paid"), event("x", json!({}))] {
        let requests = vec![signed(event.to_string()); 20];
        let answers = at_once(&app, &requests);
        assert!(answers.iter().all(|answer| answer.status == 200));
        let is_first = |answer: &&Answer| answer.json()["outcome"] != "duplicate";
        assert_eq!(answers.iter().filter(is_first).count(), 1, "{event}");
    }
    assert_eq!(app.read("/v1/accounts/acct_1/history")["data"].as_array().unwrap().len(), 1);
    assert_eq!(app.read("/v1/events")["data"].as_array().unwrap().len(), 3);
}

#[test]
fn of_two_contents_at_once_one_stays_and_is_flagged() {
    let app = TestApp::start();
    let event = account("acct_1");
    let other = with(event.clone(), "data.object.country", json!("FR"));
    let requests: Vec<Request> =
        [&event, &other].repeat(10).into_iter().map(|event| signed(event.to_string())).collect();
    let answers = at_once(&app, &requests);
    let is_first = |answer: &&Answer| answer.json()["outcome"] == "applied";
    assert_eq!(answers.iter().filter(is_first).count(), 1);
    assert_eq!(flags(&app, &event["id"]), json!(["conflicting_redelivery"]));
    let path = format!("/v1/events/{}/body", event["id"].as_str().unwrap());
    let body: Value = app.send(&Request::get(&path).token(OPERATOR)).json();
    let country = app.read("/v1/accounts/acct_1")["country"].clone();
    assert_eq!(body["data"]["object"]["country"], country);
}

#[test]
fn many_events_of_one_object_at_once_end_in_the_newest() {
    let app = TestApp::start();
    let mut events: Vec<Value> = (0..20).map(balance).collect();
    events.push(balance(1234));
    let requests: Vec<Request> = events.iter().map(|event| signed(event.to_string())).collect();
    assert!(at_once(&app, &requests).iter().all(|answer| answer.status == 200));
    assert_eq!(app.read("/v1/balance")["available"][0]["amount"], 1234);
}

// When the store cannot keep up, or cannot be used.

#[test]
fn a_full_queue_is_told_at_once_and_what_waits_is_still_answered() {
    let limits = Limits { waiting: 1, ..Limits::default() };
    let app = TestApp::start_with(&[], limits);
    app.gate.close();
    std::thread::scope(|scope| {
        let (answered, answers) = mpsc::channel();
        let deliver = |answered: mpsc::Sender<Answer>| {
            answered.send(app.send(&signed(account("acct_1").to_string()))).unwrap();
        };
        let first = scope.spawn(|| app.send(&signed(account("acct_1").to_string())));
        app.gate.wait_for(1);
        // Of these one waits for its turn; for the other two there is no room.
        for answered in [answered.clone(), answered.clone(), answered] {
            scope.spawn(move || deliver(answered));
        }
        for _ in 0..2 {
            let refused = answers.recv().unwrap();
            assert_problem(&refused, 503, "overloaded", "no room");
            let retry_after = refused.header("retry-after").unwrap();
            assert!(retry_after.parse::<u64>().is_ok_and(|seconds| seconds > 0), "{retry_after}");
        }
        app.gate.open();
        assert_eq!(answers.recv().unwrap().status, 200);
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(app.read("/v1/events")["data"].as_array().unwrap().len(), 2);
}

#[test]
fn a_queue_full_of_bytes_is_told_at_once() {
    let app = TestApp::start_with(&[], Limits { waiting_bytes: 1, ..Limits::default() });
    app.gate.close();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| app.send(&signed(account("acct_1").to_string())));
        app.gate.wait_for(1);
        let second = account("acct_2");
        assert_problem(&app.send(&signed(second.to_string())), 503, "overloaded", "no room");
        assert_eq!(app.get("/v1/accounts/acct_2").status, 404);
        app.gate.open();
        assert_eq!(first.join().unwrap().status, 200);
        assert_eq!(app.outcome(&second), "applied");
    });
}

#[test]
fn a_store_that_cannot_be_used_is_told_and_the_event_can_come_again() {
    let app = TestApp::start();
    let event = account("acct_1");
    app.gate.fail_next(StoreError::Unavailable("the disk is full".to_owned()));
    let answer = app.send(&signed(event.to_string()));
    assert_problem(&answer, 503, "store_unavailable", "full disk");
    assert!(answer.header("retry-after").is_some());
    assert!(!answer.json()["detail"].as_str().unwrap().contains("disk"), "it is for the log");
    assert_nothing_is_stored(&app);
    assert_eq!(app.outcome(&event), "applied");
}

#[test]
fn a_service_whose_store_cannot_be_used_is_alive_but_not_ready() {
    let app = TestApp::start();
    app.gate.be_ill(Some(StoreError::Unavailable("the disk is full".to_owned())));
    let answer = app.send(&Request::get("/readyz"));
    assert_problem(&answer, 503, "store_unavailable", "ill");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(app.send(&Request::get("/healthz")).status, 200);
    app.gate.be_ill(None);
    assert_eq!(app.send(&Request::get("/readyz")).status, 200);
}

#[test]
fn what_was_not_stored_makes_no_duplicate() {
    let app = TestApp::start();
    let event = account("acct_1");
    app.gate.close();
    app.gate.fail_next(StoreError::Unavailable("the disk is full".to_owned()));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| app.send(&signed(event.to_string())));
        app.gate.wait_for(1);
        let second = scope.spawn(|| app.send(&signed(event.to_string())));
        app.gate.open();
        assert_eq!(first.join().unwrap().status, 503);
        let second = second.join().unwrap();
        assert_eq!((second.status, second.json()["outcome"].as_str()), (200, Some("applied")));
    });
}

#[test]
fn a_disk_that_does_not_confirm_ends_the_service_without_a_2xx() {
    let mut app = TestApp::start();
    app.gate.fail_next(StoreError::SyncFailed("input/output error".to_owned()));
    let bytes =
        raw(app.address(), b"GET /healthz HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n");
    assert!(bytes.starts_with(b"HTTP/1.1 200"));
    let body = account("acct_1").to_string();
    let signature = sign(SECRET, body.as_bytes(), now());
    let head = format!(
        "POST {ROUTE} HTTP/1.1\r\nHost: b\r\nConnection: close\r\nStripe-Signature: {signature}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let bytes = raw(app.address(), format!("{head}{body}").as_bytes());
    assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 503"), "{bytes:?}");
    let ended = app.wait_for_the_end();
    assert!(matches!(ended, Err(RunError::Store(StoreError::SyncFailed(_)))), "{ended:?}");
}

#[test]
fn a_delivery_under_way_is_answered_before_a_stop() {
    let mut app = TestApp::start();
    let event = of("acct_1", payout("po_1", "paid", "paid"));
    app.gate.close();
    let (address, request) = (app.address(), signed(event.to_string()));
    let waiting = std::thread::spawn(move || request.send(address));
    app.gate.wait_for(1);
    let stopping = app.ask_to_stop();
    app.gate.open();
    assert_eq!(waiting.join().unwrap().json()["outcome"], "applied");
    stopping.join().unwrap().unwrap();
    app.run();
    assert_eq!(app.outcome(&event), "duplicate");
}
