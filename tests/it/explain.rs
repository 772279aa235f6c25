//! What is said, in a sentence, of events and accounts.

use serde_json::{Value, json};

use crate::support::events::{
    account, application, balance, event, of, payout, restricted, together_with, topup, transfer,
};
use crate::support::{TestApp, encoded, with};

/// What a read of the event says of it.
#[track_caller]
fn explanation(app: &TestApp, event: &Value) -> String {
    let id = event["id"].as_str().unwrap();
    let shown = app.read(&format!("/v1/events/{}", encoded(id)));
    shown["explanation"].as_str().unwrap().to_owned()
}

fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

#[test]
fn an_event_says_what_it_did_and_what_came_later() {
    let app = TestApp::start();
    let [created, moved] = [("created", "pending"), ("updated", "in_transit")]
        .map(|(verb, status)| of("acct_1", payout("po_1", verb, status)));
    app.apply(&created);
    app.apply(&moved);
    assert_eq!(explanation(&app, &moved), "Moved payout po_1 from pending to in_transit.");
    let [paid, failed] = ["paid", "failed"].map(|s| of("acct_1", payout("po_1", s, s)));
    app.apply(&paid);
    app.apply(&failed);
    let expected = "Moved payout po_1 from paid to failed; Stripe had called it paid before.";
    assert_eq!(explanation(&app, &failed), expected);
    let expected = format!(
        "Moved payout po_1 from pending to in_transit; it is failed now, as of {}.",
        id(&failed)
    );
    assert_eq!(explanation(&app, &moved), expected);
    let after = of("acct_1", payout("po_1", "canceled", "canceled"));
    assert_eq!(app.outcome(&after), "unchanged");
    let expected = "Changed nothing: payout po_1 was failed already, which is final; this report says canceled (a conflict).";
    assert_eq!(explanation(&app, &after), expected);
}

#[test]
fn a_late_event_names_the_one_that_counts() {
    let app = TestApp::start();
    let [first, late, last] = [account("acct_1"), restricted("acct_1"), account("acct_1")];
    app.apply(&first);
    app.outcome(&last);
    assert_eq!(app.outcome(&late), "stale");
    let expected = format!(
        "Took its place in the history of account acct_1 without effect: {}, created later, counts (status complete).",
        id(&last)
    );
    assert_eq!(explanation(&app, &late), expected);
    let [newer, older] = [balance(1), with(balance(2), "created", json!(1))];
    app.apply(&newer);
    assert_eq!(app.outcome(&older), "stale");
    let expected = format!(
        "Took its place in the history of the platform's balance without effect: {}, created later, counts.",
        id(&newer)
    );
    assert_eq!(explanation(&app, &older), expected);
}

#[test]
fn an_event_that_says_nothing_new_says_so() {
    let app = TestApp::start();
    app.apply(&transfer("tr_1", "created", 0));
    let again = transfer("tr_1", "updated", 0);
    assert_eq!(app.outcome(&again), "unchanged");
    let expected = "Said nothing that was not known of transfer tr_1.";
    assert_eq!(explanation(&app, &again), expected);
}

#[test]
fn an_event_that_is_not_used_says_why() {
    let app = TestApp::start();
    let thin = json!({ "id": "evt_thin", "object": "v2.core.event", "type": "account.updated" });
    let no_object = json!({ "id": "evt_bare", "object": "event", "type": "payout.paid" });
    for (outcome, event, expected) in [
        (
            "ignored",
            event("customer.created", json!({})),
            "Kept, not used: bursar does not track customer.created.",
        ),
        (
            "ignored",
            thin,
            "Kept, not used: account.updated came as a thin event, which carries no object.",
        ),
        (
            "parked",
            no_object,
            "Kept, but its content cannot be used: `data.object` is missing. A version that can use it tries it again by itself.",
        ),
    ] {
        assert_eq!(app.outcome(&event), outcome, "{event}");
        assert_eq!(explanation(&app, &event), expected);
    }
}

#[test]
fn reports_of_one_second_that_could_not_be_ordered_name_each_other() {
    let app = TestApp::start();
    let pays = account("acct_1");
    let does_not = together_with(&pays, restricted("acct_1"));
    app.apply(&pays);
    app.apply(&does_not);
    let expected = format!(
        "Could not be put in order with {} of the same second: {} counts (status restricted), and no money may move until a later report settles it.",
        id(&does_not),
        id(&does_not)
    );
    assert_eq!(explanation(&app, &pays), expected);
    let shown = app.read("/v1/accounts/acct_1");
    let expected = "May not be paid: Stripe asks for individual.id_number (past due); reports of one second disagree and could not be put in order.";
    assert_eq!(shown["explanation"], expected);

    let settles = account("acct_1");
    app.apply(&settles);
    let expected = format!(
        "Could not be put in order with {} of the same second: {}, created later, has settled it (status complete).",
        id(&does_not),
        id(&settles)
    );
    assert_eq!(explanation(&app, &pays), expected);
}

#[test]
fn an_id_that_came_again_with_another_content_is_told() {
    let app = TestApp::start();
    let first = topup("tu_1", "created", "pending");
    app.apply(&first);
    let other = with(first.clone(), "data.object.amount", json!(1));
    assert_eq!(app.outcome(&other), "duplicate");
    let expected = "First report of topup tu_1: pending. Its id came again with another content, which was not used: the first one stays.";
    assert_eq!(explanation(&app, &first), expected);
}

#[test]
fn an_account_says_whether_it_may_be_paid_and_why() {
    let app = TestApp::start();
    let explained = || app.read("/v1/accounts/acct_1")["explanation"].clone();
    app.apply(&account("acct_1"));
    assert_eq!(explained(), "May be paid; Stripe asks for nothing more.");
    app.apply(&restricted("acct_1"));
    assert_eq!(explained(), "May not be paid: Stripe asks for individual.id_number (past due).");
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!(shown["blockers"], json!(["individual.id_number"]));
    assert_eq!(shown["next_action"], "collect_information");
    app.apply(&application("acct_1", "deauthorized"));
    assert_eq!(explained(), "May not be paid: it has deauthorized the platform.");
}

/// No sentence breaks down on any event that the fixtures know of.
#[test]
fn every_fixture_is_explained() {
    let app = TestApp::start();
    let mut explained = 0;
    for (path, body) in bursar::sandbox::fixture_events() {
        let (status, answer) = app.deliver(body);
        assert_eq!(status, 200, "{path}: {answer}");
        let event: Value = serde_json::from_slice(body).unwrap();
        let livemode = event["livemode"].as_bool().unwrap_or(false);
        let shown = app.read(&format!("/v1/events/{}?livemode={livemode}", id(&event)));
        let sentence = shown["explanation"].as_str().unwrap();
        assert!(sentence.ends_with('.') && !sentence.contains("no object's"), "{path}: {sentence}");
        explained += 1;
    }
    assert!(explained > 50, "the fixtures are not bundled");
}
