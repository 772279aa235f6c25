//! Transfers that wait for their money.

use serde_json::{Value, json};

use crate::support::assert_problem;
use crate::support::events::{balance, restricted};
use crate::support::platform::Platform;
use crate::support::{now, with};

fn waiting(destination: &str, amount: i64, topup: Option<&str>) -> Value {
    json!({
        "amount": amount, "currency": "usd", "destination": destination, "wait_for_funds": true,
        "topup": topup,
    })
}

/// Asks for a transfer that is held.
#[track_caller]
fn held(platform: &Platform, key: &str, body: &Value) -> String {
    let told = platform.done(202, "/v1/transfers", key, body);
    assert_eq!(told["state"], "waiting_for_funds", "{told}");
    format!("/v1/operations/{}", told["id"].as_str().unwrap())
}

fn topup(platform: &Platform, key: &str, amount: i64, source: &str) -> String {
    let body = json!({ "amount": amount, "currency": "usd", "source": source });
    let created = platform.done(201, "/v1/topups", key, &body);
    created["object_id"].as_str().unwrap().to_owned()
}

/// Until the service has looked at all who wait: at the last in line, that is, which is refused
/// since its top-up was canceled.
fn looked(platform: &Platform, account: &str) {
    let key = |what: &str| format!("{what}-{}", platform.calls("POST", "/v1/topups").len());
    let topup = topup(platform, &key("last"), 1, "btok_us_verified");
    let last = held(platform, &key("transfer"), &waiting(account, 1, Some(&topup)));
    platform.done(200, &format!("/v1/topups/{topup}/cancel"), &key("cancel"), &json!({}));
    platform.until(&last, "state", &json!("refused"));
}

const DAYS: i64 = 86_400;

#[test]
fn a_transfer_is_sent_when_its_top_up_has_succeeded() {
    let platform = Platform::start_in_the_past();
    let account = platform.payable("u7");
    let topup = topup(&platform, "topup", 2000, "btok_us_verified");
    let path = held(&platform, "transfer", &waiting(&account, 1500, Some(&topup)));
    looked(&platform, &account);
    assert!(platform.calls("POST", "/v1/transfers").is_empty(), "its money is not there");
    platform.stripe.advance(8 * DAYS);
    let settled = platform.until(&path, "state", &json!("succeeded"));
    assert_eq!(settled["attempt"], 1, "{settled}");
    assert_eq!(platform.made("/v1/transfers").len(), 1);
    // Asked again, it is what it was.
    let again =
        platform.done(201, "/v1/transfers", "transfer", &waiting(&account, 1500, Some(&topup)));
    assert_eq!(again["object_id"], settled["object_id"]);
}

#[test]
fn a_transfer_whose_top_up_fails_is_refused_with_the_reason() {
    let platform = Platform::start_in_the_past();
    let account = platform.payable("u7");
    let failing = topup(&platform, "failing", 2000, "btok_us_verified_noAccount");
    let canceled = topup(&platform, "canceled", 2000, "btok_us_verified");
    let first = held(&platform, "first", &waiting(&account, 1500, Some(&failing)));
    let second = held(&platform, "second", &waiting(&account, 1500, Some(&canceled)));
    platform.done(200, &format!("/v1/topups/{canceled}/cancel"), "cancel", &json!({}));
    platform.until(&second, "state", &json!("refused"));
    platform.stripe.advance(8 * DAYS);
    let refused = platform.until(&first, "state", &json!("refused"));
    assert_eq!(refused["reasons"][0]["code"], "topup_failed", "{refused}");
    assert_eq!(refused["settled"]["by"], "bursar");
    let answer = platform.order("/v1/transfers", "first", &waiting(&account, 1500, Some(&failing)));
    assert_problem(&answer, 409, "topup_failed", "asked again");
    assert!(platform.calls("POST", "/v1/transfers").is_empty());
}

#[test]
fn the_first_that_came_is_the_first_that_goes() {
    let platform = Platform::start();
    let account = platform.payable("u7");
    let paths: Vec<String> = [900, 100, 200, 300]
        .iter()
        .enumerate()
        .map(|(place, &amount)| {
            held(&platform, &format!("t{place}"), &waiting(&account, amount, None))
        })
        .collect();
    // Enough for the later ones, and not for the first.
    platform.funds(600);
    looked(&platform, &account);
    assert!(platform.calls("POST", "/v1/transfers").is_empty(), "they stand behind the first");
    platform.funds(500);
    for path in &paths[..2] {
        platform.until(path, "state", &json!("succeeded"));
    }
    looked(&platform, &account);
    let amounts = |platform: &Platform| -> Vec<String> {
        let sent = platform.calls("POST", "/v1/transfers").into_iter();
        sent.filter(|call| !call.effects.is_empty())
            .map(|call| call.params["amount"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(amounts(&platform), ["900", "100"]);
    platform.stripe.advance(2);
    platform.stripe.with(|sandbox| {
        sandbox.world.add_funds(&json!({ "amount": 400, "currency": "usd" })).unwrap();
    });
    for path in &paths[2..] {
        platform.until(path, "state", &json!("succeeded"));
    }
    assert_eq!(amounts(&platform), ["900", "100", "200", "300"]);
}

#[test]
fn a_transfer_whose_top_up_is_pending_stands_in_nobodys_way() {
    let platform = Platform::start_in_the_past();
    let account = platform.payable("u7");
    let topup = topup(&platform, "topup", 2000, "btok_us_verified");
    let first = held(&platform, "first", &waiting(&account, 1500, Some(&topup)));
    let second = held(&platform, "second", &waiting(&account, 300, None));
    platform.funds(300);
    platform.until(&second, "state", &json!("succeeded"));
    assert_eq!(platform.app.read(&first)["state"], "waiting_for_funds");
    platform.stripe.advance(8 * DAYS);
    platform.until(&first, "state", &json!("succeeded"));
}

/// Stripe is the judge: the balance that was reported can be more than there is.
#[test]
fn what_stripe_refuses_for_want_of_funds_waits_on_and_is_sent_with_a_new_key() {
    let platform = Platform::start();
    let account = platform.payable("u7");
    let path = held(&platform, "transfer", &waiting(&account, 500, None));
    let reported = with(balance(9000), "created", json!(now() + 20));
    platform.app.apply(&reported);
    platform.until(&path, "attempt", &json!(2));
    looked(&platform, &account);
    let told = platform.app.read(&path);
    assert_eq!(
        (&told["state"], &told["error"]["code"]),
        (&json!("waiting_for_funds"), &json!("balance_insufficient"))
    );
    assert_eq!(platform.calls("POST", "/v1/transfers").len(), 1, "it is not tried again and again");
    platform.stripe.advance(60);
    platform.funds(500);
    let settled = platform.until(&path, "state", &json!("succeeded"));
    assert_eq!((&settled["attempt"], &settled["error"]), (&json!(2), &Value::Null));
    let keys: Vec<String> =
        platform.calls("POST", "/v1/transfers").into_iter().map(|call| call.key).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn who_cannot_be_paid_at_its_turn_is_not() {
    let platform = Platform::start();
    let account = platform.payable("u7");
    let path = held(&platform, "transfer", &waiting(&account, 500, None));
    let event = with(restricted(&account), "created", json!(now() + 20));
    platform.app.apply(&event);
    let other = platform.payable("u8");
    looked(&platform, &other);
    assert_eq!(platform.app.read(&path)["state"], "waiting_for_funds", "it may pass");
    platform.funds(500);
    let refused = platform.until(&path, "state", &json!("refused"));
    assert_eq!(refused["reasons"][0]["code"], "account_not_payable", "{refused}");
}

#[test]
fn an_operator_takes_what_waits_out_of_the_line() {
    let platform = Platform::start();
    let account = platform.payable("u7");
    let first = held(&platform, "first", &waiting(&account, 5000, None));
    let second = held(&platform, "second", &waiting(&account, 300, None));
    platform.funds(300);
    looked(&platform, &account);
    assert_eq!(platform.app.read(&second)["state"], "waiting_for_funds");
    let done = json!({ "outcome": "succeeded", "reason": "seen" });
    let answer = platform.app.post(&format!("{first}/resolve"), &done);
    assert_problem(&answer, 409, "outcome_is_known", "nothing was sent");
    let decision = json!({ "outcome": "refused", "reason": "not wanted any more" });
    let answer = platform.app.post(&format!("{first}/resolve"), &decision);
    assert_eq!(answer.status, 200);
    assert_eq!(platform.app.read(&first)["state"], "refused");
    platform.until(&second, "state", &json!("succeeded"));
    assert_eq!(platform.calls("POST", "/v1/transfers").len(), 1);
}

#[test]
fn what_waits_does_so_over_a_restart() {
    let mut platform = Platform::start();
    let account = platform.payable("u7");
    let path = held(&platform, "transfer", &waiting(&account, 500, None));
    platform.app.restart();
    platform.listen();
    assert_eq!(platform.app.read(&path)["state"], "waiting_for_funds");
    platform.funds(500);
    platform.until(&path, "state", &json!("succeeded"));
    assert_eq!(platform.made("/v1/transfers").len(), 1);
}

#[test]
fn a_transfer_that_never_could_work_does_not_begin_to_wait() {
    let platform = Platform::start();
    let answer = platform.order("/v1/transfers", "key", &waiting("acct_nobody", 500, None));
    assert_problem(&answer, 409, "account_unknown", "nobody");
    assert_eq!(platform.app.read("/v1/operations")["data"], json!([]));
}
