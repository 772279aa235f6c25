//! Warnings that Stripe may pay out, by itself, what was meant for connected accounts.

use serde_json::{Value, json};

use crate::support::platform::Platform;

const DAYS: i64 = 86_400;
const SETTINGS: &str = "/v1/balance_settings";

fn codes(operation: &Value) -> Vec<&str> {
    let warnings = operation["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

/// A platform that pays out by this schedule, and keeps so much.
fn paying_out(interval: &str, minimum: Option<&str>) -> Platform {
    set(Platform::start_in_the_past(), interval, minimum)
}

fn set(platform: Platform, interval: &str, minimum: Option<&str>) -> Platform {
    let order = json!({ "payments": { "payouts": {
        "schedule": { "interval": interval },
        "minimum_balance_by_currency": minimum.map(|minimum| json!({ "usd": minimum })),
    }}});
    platform.stripe.with(|sandbox| {
        let account = sandbox.world.platform().to_owned();
        sandbox.world.update_balance_settings(&account, &order).unwrap();
    });
    platform
}

fn topup(platform: &Platform, amount: i64) -> Value {
    let body = json!({ "amount": amount, "currency": "usd" });
    platform.done(201, "/v1/topups", &format!("topup-{amount}"), &body)
}

fn risks(platform: &Platform) -> Vec<(String, i64)> {
    let summary = platform.app.read("/v1/summary");
    let risks = summary["sweep_risks"].as_array().unwrap();
    let risk = |risk: &Value| {
        assert_eq!(risk["currency"], "usd", "{risk}");
        (risk["interval"].as_str().unwrap().to_owned(), risk["amount"].as_i64().unwrap())
    };
    risks.iter().map(risk).collect()
}

#[test]
fn who_tops_up_is_warned_when_stripe_pays_out_by_itself() {
    for (interval, minimum, warned) in [
        ("daily", None, true),
        ("monthly", Some("1999"), true),
        ("daily", Some("2000"), false),
        ("manual", None, false),
    ] {
        let platform = paying_out(interval, minimum);
        let made = topup(&platform, 2000);
        let expected: &[&str] = if warned { &["sweep_risk"] } else { &[] };
        assert_eq!(codes(&made), expected, "{interval} {minimum:?}: {made}");
        let path = format!("/v1/operations/{}", made["id"].as_str().unwrap());
        assert_eq!(platform.app.read(&path)["warnings"], made["warnings"]);
        if warned {
            let detail = made["warnings"][0]["detail"].as_str().unwrap();
            assert!(detail.contains(interval) && detail.contains("2000 usd"), "{detail}");
            assert!(detail.contains("minimum balance"), "it names the remedy: {detail}");
        }
    }
}

#[test]
fn a_transfer_that_is_held_is_warned_of_and_one_that_goes_at_once_is_not() {
    let platform = paying_out("weekly", None);
    let account = platform.payable("u7");
    platform.funds(500);
    let body = json!({ "amount": 400, "currency": "usd", "destination": account });
    let sent = platform.done(201, "/v1/transfers", "sent", &body);
    assert_eq!(sent["warnings"], json!([]));
    let body = json!({
        "amount": 900, "currency": "usd", "destination": account, "wait_for_funds": true,
    });
    let held = platform.done(202, "/v1/transfers", "held", &body);
    assert_eq!(codes(&held), ["sweep_risk"], "{held}");
    assert_eq!(risks(&platform), [("weekly".to_owned(), 900)]);
}

#[test]
fn a_top_up_is_at_risk_until_it_is_spent() {
    let platform = paying_out("monthly", None);
    let account = platform.payable("u7");
    assert_eq!(risks(&platform), []);
    let made = topup(&platform, 2000);
    let path = format!("/v1/topups/{}", made["object_id"].as_str().unwrap());
    platform.until(&path, "status", &json!("pending"));
    assert_eq!(risks(&platform), [("monthly".to_owned(), 2000)]);
    let body = json!({ "amount": 3000, "currency": "usd" });
    let canceled = platform.done(201, "/v1/topups", "canceled", &body);
    let id = canceled["object_id"].as_str().unwrap();
    platform.done(200, &format!("/v1/topups/{id}/cancel"), "cancel", &json!({}));
    platform.until(&format!("/v1/topups/{id}"), "status", &json!("canceled"));
    assert_eq!(risks(&platform), [("monthly".to_owned(), 2000)], "no money is coming of that one");
    // All of it, for the sweep of the first of a month may lie on the way.
    let order = json!({
        "amount": 2000, "currency": "usd", "destination": account, "wait_for_funds": true,
        "topup": made["object_id"],
    });
    let held = platform.done(202, "/v1/transfers", "held", &order);
    assert_eq!(risks(&platform), [("monthly".to_owned(), 2000)], "it is the same money");
    platform.stripe.advance(5 * DAYS);
    platform.until(&path, "status", &json!("succeeded"));
    let held = format!("/v1/operations/{}", held["id"].as_str().unwrap());
    platform.until(&held, "state", &json!("succeeded"));
    assert_eq!(risks(&platform), []);
}

#[test]
fn what_transfers_take_of_a_top_up_that_succeeded_is_no_longer_at_risk() {
    let platform = set(Platform::start_at(-6 * DAYS, &[]), "daily", None);
    let account = platform.payable("u7");
    let made = topup(&platform, 2000);
    platform.stripe.advance(5 * DAYS);
    let path = format!("/v1/topups/{}", made["object_id"].as_str().unwrap());
    platform.until(&path, "status", &json!("succeeded"));
    assert_eq!(risks(&platform), [("daily".to_owned(), 2000)]);
    let body = json!({ "amount": 500, "currency": "usd", "destination": account });
    platform.stripe.advance(2);
    let sent = platform.done(201, "/v1/transfers", "sent", &body);
    let transfer = format!("/v1/transfers/{}", sent["object_id"].as_str().unwrap());
    platform.until(&transfer, "amount", &json!(500));
    assert_eq!(risks(&platform), [("daily".to_owned(), 1500)]);
    platform.done(201, &format!("{transfer}/reversals"), "back", &json!({ "amount": 200 }));
    platform.until(&transfer, "amount_reversed", &json!(200));
    assert_eq!(risks(&platform), [("daily".to_owned(), 1700)]);
}

#[test]
fn money_moves_when_the_schedule_cannot_be_read() {
    let faults = [
        json!({ "fault": "error", "path": SETTINGS, "times": 100 }),
        json!({ "fault": "drop", "path": SETTINGS, "times": 100 }),
        json!({ "fault": "delay", "path": SETTINGS, "times": 100, "milliseconds": 60_000 }),
    ];
    for fault in faults {
        let platform = paying_out("daily", None);
        platform.fault(&fault);
        let made = topup(&platform, 2000);
        assert_eq!((&made["state"], &made["warnings"]), (&json!("succeeded"), &json!([])));
        topup(&platform, 1000);
        let asked = platform.calls("GET", SETTINGS).len();
        assert!((1..=3).contains(&asked), "{fault}: asked {asked} times, its retries among them");
    }
}

#[test]
fn the_schedule_is_asked_for_once_in_a_while_and_only_if_money_waits() {
    let platform = paying_out("daily", None);
    assert_eq!(risks(&platform), []);
    assert!(platform.calls("GET", SETTINGS).is_empty());
    for amount in [1000, 2000, 3000] {
        topup(&platform, amount);
    }
    assert_eq!(platform.calls("GET", SETTINGS).len(), 1);
}
