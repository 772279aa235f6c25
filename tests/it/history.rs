//! Histories over HTTP: whole, recomputed when a late event takes its place, and with everything
//! that each report changed.

use serde_json::{Map, Value, json};

use crate::support::events::{
    account, application, balance, capability, of, payout, restricted, together_with, topup,
    transfer,
};
use crate::support::{Request, TestApp, with};

/// Fields of an object that are not its state: names, and what tells of arrival. `explanation`
/// follows from the others.
const NOT_STATE: [&str; 6] = ["id", "account", "livemode", "as_of", "version", "explanation"];

/// The values of a read that a report can change.
fn state(shown: &Value) -> Map<String, Value> {
    let fields = shown.as_object().unwrap().iter();
    let fields = fields.filter(|(name, _)| !NOT_STATE.contains(&name.as_str()));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What a read showed before and after, field by field, as a history should tell it.
fn difference(before: &Map<String, Value>, after: &Map<String, Value>) -> Value {
    let of = |shown: &Map<String, Value>, name: &str| {
        let absent = if name == "ambiguous" { json!(false) } else { json!(null) };
        shown.get(name).cloned().unwrap_or(absent)
    };
    let mut changes = Map::new();
    for name in before.keys().chain(after.keys()) {
        let (then, now) = (of(before, name), of(after, name));
        if then != now {
            changes.insert(name.clone(), json!([then, now]));
        }
    }
    Value::Object(changes)
}

#[track_caller]
fn check(path: &str, query: &str, events: &[Value]) {
    let app = TestApp::start();
    let mut shown = Vec::new();
    for event in events {
        app.outcome(event);
        shown.push(state(&app.read(&format!("{path}{query}"))));
    }
    let history = app.read(&format!("{path}/history{query}"));
    let entries = history["data"].as_array().unwrap();
    assert_eq!(entries.len(), events.len(), "{history}");
    for (entry, pair) in entries.iter().skip(1).zip(shown.windows(2)) {
        assert_eq!(entry["changes"], difference(&pair[0], &pair[1]), "{entry}");
    }
    for (entry, shown) in entries.iter().zip(&shown) {
        let status = shown.get("status").cloned().unwrap_or_default();
        assert_eq!(entry["status_after"], status, "{entry}");
        assert_eq!(entry["ambiguous"] == json!(true), shown.contains_key("ambiguous"), "{entry}");
    }
}

#[test]
fn an_account_entry_lists_every_shown_field_that_changed() {
    let [first, second] = [account("acct_1"), account("acct_1")];
    let [against, alone] = [restricted("acct_1"), restricted("acct_1")];
    let against = together_with(&second, against);
    let deadline = [
        ("data.object.requirements.current_deadline", json!(1_893_456_000)),
        ("data.object.requirements.currently_due", json!(["individual.id_number"])),
        ("data.object.requirements.eventually_due", json!(["individual.id_number"])),
        ("data.object.charges_enabled", json!(false)),
        ("data.object.country", json!("DE")),
        ("data.object.default_currency", json!("eur")),
        ("data.object.type", json!("express")),
        ("data.object.controller", json!({ "type": "account" })),
    ];
    let soon = deadline
        .into_iter()
        .fold(account("acct_1"), |event, (path, value)| with(event, path, value));
    let unsubmitted = || with(account("acct_1"), "data.object.details_submitted", json!(false));
    check(
        "/v1/accounts/acct_1",
        "",
        &[
            first,
            second,
            against,
            alone,
            soon,
            capability("acct_1", "card_payments", "inactive"),
            capability("acct_1", "transfers", "inactive"),
            application("acct_1", "deauthorized"),
            application("acct_1", "authorized"),
            unsubmitted(),
        ],
    );
}

#[test]
fn a_payout_entry_lists_every_shown_field_that_changed() {
    let fields = [
        ("data.object.failure_code", json!("account_closed")),
        ("data.object.failure_message", json!("The bank account has been closed")),
        ("data.object.arrival_date", json!(1_800_000_000)),
        ("data.object.method", json!("instant")),
        ("data.object.destination", json!("ba_2")),
        ("data.object.automatic", json!(false)),
    ];
    let [created, sent, paid, failed, canceled] = [
        payout("po_1", "created", "pending"),
        payout("po_1", "updated", "in_transit"),
        payout("po_1", "paid", "paid"),
        payout("po_1", "failed", "failed"),
        payout("po_1", "canceled", "canceled"),
    ]
    .map(|event| of("acct_1", event));
    let failed = fields.into_iter().fold(failed, |event, (path, value)| with(event, path, value));
    let life = [created, sent, paid, failed, canceled];
    check("/v1/payouts/po_1", "?account=acct_1", &life);
    let found_out = [
        payout("po_1", "created", "pending"),
        payout("po_1", "failed", "failed"),
        payout("po_1", "paid", "paid"),
    ];
    check("/v1/payouts/po_1", "", &found_out);
}

#[test]
fn topups_transfers_and_balances_list_every_shown_field_that_changed() {
    let created = topup("tu_1", "created", "pending");
    let canceled = topup("tu_1", "canceled", "canceled");
    let failed = together_with(&canceled, topup("tu_1", "failed", "failed"));
    check("/v1/topups/tu_1", "", &[created, canceled, failed]);
    let [created, reversed] = [transfer("tr_1", "created", 0), transfer("tr_1", "reversed", 400)];
    let renamed = with(transfer("tr_1", "updated", 400), "data.object.transfer_group", json!("x"));
    check("/v1/transfers/tr_1", "", &[created, reversed, renamed]);
    check("/v1/balance", "", &[balance(1), balance(2), balance(2)]);
}

#[test]
fn a_late_event_takes_its_place_and_the_entries_around_it_are_told_anew() {
    let app = TestApp::start();
    let [first, late, last] = [account("acct_1"), restricted("acct_1"), account("acct_1")];
    app.apply(&first);
    app.outcome(&last);
    let path = "/v1/accounts/acct_1/history";
    assert_eq!(app.column(path, "step"), ["first", "repeat"]);
    assert_eq!(app.column(path, "changes")[1], json!({}));

    app.outcome(&late);
    let ids = [&first, &late, &last].map(|event| event["id"].clone());
    assert_eq!(app.column(path, "event_id"), ids);
    assert_eq!(app.column(path, "step"), ["first", "advance", "advance"]);
    assert_eq!(app.column(path, "arrived_late"), [false, true, false]);
    assert_eq!(
        app.column(path, "status_before"),
        [json!(null), json!("complete"), json!("restricted")]
    );
    let changes = app.column(path, "changes");
    assert_eq!(changes[1]["payable"], json!([true, false]));
    assert_eq!(changes[2]["payable"], json!([false, true]));
    assert_eq!(changes[2]["blockers"], json!([["individual.id_number"], []]));
}

#[test]
fn a_balance_has_a_history_of_its_owner() {
    let app = TestApp::start();
    assert_eq!(app.get("/v1/balance/history").status, 404);
    let [own, first, second] = [balance(1), of("acct_1", balance(2)), of("acct_1", balance(3))];
    for event in [&own, &first, &second] {
        app.apply(event);
    }
    assert_eq!(app.column("/v1/balance/history", "event_id"), [own["id"].clone()]);
    let path = "/v1/balance/history?account=acct_1";
    assert_eq!(app.column(path, "event_id"), [first["id"].clone(), second["id"].clone()]);
    let page = app.read(&format!("{path}&limit=1"));
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(app.column(&format!("{path}&cursor={cursor}"), "event_id"), [second["id"].clone()]);
    assert_eq!(app.get("/v1/balance/history?owner=acct_1").status, 400);
    assert_eq!(app.send(&Request::get("/v1/balance/history")).status, 401);
}
