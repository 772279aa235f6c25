//! Whatever goes wrong with a call: exactly one effect, and a state that is true.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::events::balance;
use crate::support::platform::{Platform, order};
use crate::support::{Answer, OPERATOR, Request, assert_problem, now};
use crate::torture;

/// How often each operation meets each fault.
const ROUNDS: usize = 4;
const ACTIONS: [&str; 7] = [
    "create_account",
    "create_person",
    "create_onboarding_link",
    "create_topup",
    "cancel_topup",
    "create_transfer",
    "reverse_transfer",
];

static COUNT: AtomicU64 = AtomicU64::new(0);

fn unique(name: &str) -> String {
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A request, and the path at Stripe that it leads to.
struct Wanted {
    path: String,
    body: Value,
    at_stripe: String,
}

impl Wanted {
    fn new(path: impl Into<String>, body: Value) -> Self {
        let path = path.into();
        Self { at_stripe: path.clone(), path, body }
    }
}

/// Prepares what an operation needs.
fn prepare(platform: &Platform, account: &str, action: &str) -> Wanted {
    let made = |path: &str, body: Value| {
        let made = platform.done(201, path, &unique("before"), &body);
        made["object_id"].as_str().unwrap().to_owned()
    };
    let topup = || json!({ "amount": 2000, "currency": "usd" });
    let transfer = || json!({ "amount": 100, "currency": "usd", "destination": account });
    match action {
        "create_account" => Wanted::new("/v1/accounts", json!({ "country": "US" })),
        "create_person" => {
            let account = made("/v1/accounts", json!({}));
            Wanted::new(format!("/v1/accounts/{account}/persons"), json!({ "first_name": "Jo" }))
        }
        "create_onboarding_link" => {
            let account = made("/v1/accounts", json!({}));
            let url = "http://localhost/onboarding";
            let body = json!({ "refresh_url": url, "return_url": url });
            let path = format!("/v1/accounts/{account}/onboarding_links");
            Wanted { at_stripe: "/v1/account_links".to_owned(), ..Wanted::new(path, body) }
        }
        "create_topup" => Wanted::new("/v1/topups", topup()),
        "cancel_topup" => {
            let topup = made("/v1/topups", topup());
            Wanted::new(format!("/v1/topups/{topup}/cancel"), json!({}))
        }
        "create_transfer" => Wanted::new("/v1/transfers", transfer()),
        "reverse_transfer" => {
            let transfer = made("/v1/transfers", transfer());
            Wanted::new(format!("/v1/transfers/{transfer}/reversals"), json!({ "amount": 40 }))
        }
        other => panic!("{other}"),
    }
}

fn ready() -> (Platform, String) {
    let platform = Platform::start();
    let account = platform.payable("u7");
    platform.funds(1_000_000);
    (platform, account)
}

/// The only operation under this key.
fn operation(platform: &Platform, key: &str) -> Value {
    let list = platform.app.read("/v1/operations?limit=50");
    let mut found =
        list["data"].as_array().unwrap().iter().filter(|one| one["idempotency_key"] == key);
    let only = found.next().unwrap_or_else(|| panic!("no operation {key}")).clone();
    assert_eq!(found.next(), None, "two operations under {key}");
    only
}

/// What Stripe did for an operation: how often, under how many keys.
fn effects(platform: &Platform, wanted: &Wanted, id: &str) -> (usize, BTreeSet<String>) {
    let of_it = format!("bursar-{id}-");
    let calls = platform.calls("POST", &wanted.at_stripe).into_iter();
    let calls: Vec<_> = calls.filter(|seen| seen.key.starts_with(&of_it)).collect();
    let effects = calls.iter().map(|seen| seen.effects.len()).sum();
    (effects, calls.into_iter().map(|seen| seen.key).collect())
}

/// Makes the same request so many times at once.
fn orders(platform: &Platform, wanted: &Wanted, key: &str, times: usize) -> Vec<Answer> {
    std::thread::scope(|threads| {
        let orders: Vec<_> = (0..times)
            .map(|_| threads.spawn(|| platform.order(&wanted.path, key, &wanted.body)))
            .collect();
        orders.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// It is done, once, and is known to be.
#[track_caller]
fn check(platform: &Platform, wanted: &Wanted, key: &str, case: &str) {
    let id = operation(platform, key)["id"].as_str().unwrap().to_owned();
    let settled = platform.until(&format!("/v1/operations/{id}"), "state", &json!("succeeded"));
    let (effects, keys) = effects(platform, wanted, &id);
    let has_objects =
        !matches!(settled["action"].as_str().unwrap(), "cancel_topup" | "create_onboarding_link");
    assert_eq!(effects, usize::from(has_objects), "{case}: {settled}");
    assert_eq!(keys.len(), 1, "{case}: {keys:?}");
    // Asked again, the answer is the same, and nothing more happens.
    let again = platform.order(&wanted.path, key, &wanted.body);
    assert!(matches!(again.status, 200 | 201), "{case}: {}", again.status);
    if settled["action"] != "create_onboarding_link" {
        assert_eq!(again.json()["object_id"], settled["object_id"], "{case}");
        assert_eq!(effects_of(platform, wanted, &id), effects, "{case}");
    }
}

fn effects_of(platform: &Platform, wanted: &Wanted, id: &str) -> usize {
    effects(platform, wanted, id).0
}

/// Every operation meets every fault, some times in a row, asked for once or by several at once.
#[test]
fn one_effect_and_a_true_state_whatever_goes_wrong_with_the_call() {
    let mut random = fastrand::Rng::with_seed(torture::seed("faults of calls"));
    let (platform, account) = ready();
    let faults = [
        json!({}),
        json!({ "fault": "drop", "when": "after" }),
        json!({ "fault": "drop", "when": "before" }),
        json!({ "fault": "error", "when": "before" }),
        json!({ "fault": "error", "when": "after" }),
        json!({ "fault": "rate_limit" }),
        json!({ "fault": "lock_timeout" }),
        // The webhook is there before the answer.
        json!({ "fault": "delay", "when": "after", "milliseconds": 60 }),
    ];
    let mut runs = 0;
    for _ in 0..torture::asked("OPERATIONS", ROUNDS) {
        for action in ACTIONS {
            for fault in &faults {
                let wanted = prepare(&platform, &account, action);
                let (times, at_once) = (random.u64(1..6), random.usize(1..4));
                let case = format!("{action}, {fault} {times} times, asked by {at_once}");
                if fault.get("fault").is_some() {
                    let mut fault = fault.clone();
                    fault["method"] = json!("POST");
                    fault["path"] = json!(wanted.at_stripe);
                    fault["times"] = json!(times);
                    platform.fault(&fault);
                }
                let key = unique("run");
                for answer in orders(&platform, &wanted, &key, at_once) {
                    let status = answer.status;
                    assert!(matches!(status, 200 | 201 | 202 | 503), "{case}: {status}");
                }
                platform.stripe.with(|sandbox| sandbox.faults.clear());
                // Its first answer is a failure for good, and there is nothing to look it up by.
                let may_stay_open = action == "create_onboarding_link"
                    && fault["fault"] == "error"
                    && fault["when"] == "after";
                if !(may_stay_open && operation(&platform, &key)["state"] == "unknown") {
                    check(&platform, &wanted, &key, &case);
                }
                runs += 1;
            }
        }
    }
    torture::row("calls to Stripe that go wrong", runs, runs, 0);
}

#[test]
fn what_becomes_of_a_call_without_an_answer_is_told_later() {
    let (platform, account) = ready();
    let wanted = prepare(&platform, &account, "create_transfer");
    // Longer than anybody is patient for.
    platform
        .fault(&json!({ "fault": "drop", "when": "before", "path": "/v1/transfers", "times": 40 }));
    platform.stripe.with(|sandbox| sandbox.world.outbox.hold(true));
    let answer = platform.order(&wanted.path, "key", &wanted.body);
    assert_eq!(answer.status, 202);
    let told = answer.json();
    assert_eq!(told["state"], "unknown", "{told}");
    let location = answer.header("location").unwrap();
    assert_eq!(location, format!("/v1/operations/{}", told["id"].as_str().unwrap()));
    let settled = platform.until(&location, "state", &json!("succeeded"));
    assert_eq!(settled["settled"]["by"], "answer");
    assert_eq!(platform.made("/v1/transfers").len(), 1);
}

#[test]
fn an_event_settles_what_no_answer_ever_will() {
    let (platform, account) = ready();
    let wanted = prepare(&platform, &account, "create_transfer");
    // The first answer is a failure, and the same key brings it again and again; the list of
    // transfers cannot be had either.
    platform.fault(
        &json!({ "fault": "error", "when": "after", "method": "POST", "path": "/v1/transfers" }),
    );
    platform.fault(&json!({ "fault": "error", "when": "before", "method": "GET", "path": "/v1/transfers", "times": 1_000_000 }));
    platform.stripe.with(|sandbox| sandbox.world.outbox.hold(true));
    let told = platform.done(202, &wanted.path, "key", &wanted.body);
    assert_eq!(told["state"], "unknown");
    platform.stripe.with(|sandbox| sandbox.world.outbox.hold(false));
    platform.stripe.advance(0);
    let path = format!("/v1/operations/{}", told["id"].as_str().unwrap());
    let settled = platform.until(&path, "state", &json!("succeeded"));
    assert_eq!(settled["settled"]["by"], "event");
    let made = platform.made("/v1/transfers");
    assert_eq!(made, [settled["object_id"].as_str().unwrap()]);
}

#[test]
fn a_person_decides_what_nobody_else_can() {
    let (platform, account) = ready();
    for (outcome, state, status) in [("succeeded", "succeeded", 201), ("refused", "refused", 409)] {
        let mut wanted = prepare(&platform, &account, "create_transfer");
        wanted.body["transfer_group"] = json!(outcome);
        let drop = json!({ "fault": "drop", "when": "before", "times": 1_000_000, "path": "/v1/transfers" });
        platform.fault(&drop);
        let told = platform.done(202, &wanted.path, outcome, &wanted.body);
        let path = format!("/v1/operations/{}/resolve", told["id"].as_str().unwrap());
        let decision = json!({ "outcome": outcome, "reason": "seen in the Dashboard" });
        for (body, fields) in [
            (json!({}), vec!["outcome", "reason"]),
            (json!({ "outcome": "maybe", "reason": "x" }), vec!["outcome"]),
            (
                json!({ "outcome": "refused", "reason": "x", "object_id": "tr_1" }),
                vec!["object_id"],
            ),
        ] {
            let answer = platform.app.post(&path, &body);
            assert_problem(&answer, 400, "invalid_request", "resolve");
            let named = answer.json()["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| e["field"].clone())
                .collect::<Vec<_>>();
            assert_eq!(named, fields);
        }
        let answer = platform.order(&path, "key", &decision);
        assert_problem(&answer, 403, "forbidden", "a payer");
        let decided = platform.app.post(&path, &decision);
        assert_eq!(decided.status, 200, "{}", String::from_utf8_lossy(&decided.body));
        let decided = decided.json();
        assert_eq!(decided["state"], state);
        assert_eq!(decided["settled"]["name"], "olga");
        platform.stripe.with(|sandbox| sandbox.faults.clear());
        let again = platform.order(&wanted.path, outcome, &wanted.body);
        assert_eq!(again.status, status);
        let again = platform.app.post(&path, &decision);
        assert_problem(&again, 409, "outcome_is_known", "decided");
    }
    assert!(platform.made("/v1/transfers").is_empty());
    let trail = Request::get("/v1/audit?action=resolve").token(OPERATOR);
    let trail = platform.app.send(&trail).json();
    let entries = trail["data"].as_array().unwrap().iter();
    let told: Vec<_> = entries.map(|it| (&it["details"]["decision"], &it["outcome"])).collect();
    let (succeeded, refused) = (json!("succeeded"), json!("refused"));
    let (done, failed) = (json!("done"), json!("failed"));
    let expected =
        [(&refused, &failed), (&refused, &done), (&succeeded, &failed), (&succeeded, &done)];
    assert_eq!(told, expected);
}

#[test]
fn a_refusal_of_stripes_is_told_with_its_code_and_again_without_asking() {
    let (platform, account) = ready();
    platform.funds(10);
    // The balance that was reported is more than there is.
    platform.stripe.with(|sandbox| sandbox.world.outbox.hold(true));
    let everything = json!({ "amount": 1_000_010, "currency": "usd", "destination": account });
    platform.done(201, "/v1/transfers", "all", &everything);
    let reported = crate::support::with(balance(5_000_000), "created", json!(now() + 30));
    platform.app.apply(&reported);
    let more = json!({ "amount": 500, "currency": "usd", "destination": account });
    for _ in 0..2 {
        let answer = platform.order("/v1/transfers", "more", &more);
        assert_problem(&answer, 402, "balance_insufficient", "Stripe's word");
        let problem = answer.json();
        assert_eq!(problem["stripe"]["code"], "balance_insufficient", "{problem}");
        assert!(problem["request_id"].is_string(), "{problem}");
        assert_eq!(problem["operation"]["state"], "refused");
    }
    assert_eq!(platform.calls("POST", "/v1/transfers").len(), 2, "all, and one more");
    let unknown = json!({ "amount": 10 });
    let answer = platform.order("/v1/transfers/tr_unknown/reversals", "unknown", &unknown);
    assert_eq!(answer.json()["operation"]["state"], "refused");
    assert_eq!(answer.json()["stripe"]["code"], "resource_missing");
}

#[test]
fn what_stripe_forbids_is_its_refusal_and_no_failure_of_ours() {
    let (platform, account) = ready();
    // Whoever has been onboarded is the holder's own to change.
    let persons = format!("/v1/accounts/{account}/persons");
    let answer = platform.order(&persons, "late", &json!({ "first_name": "Ada" }));
    assert_problem(&answer, 409, "refused_by_stripe", "403");
    assert_eq!(answer.json()["stripe"]["status"], 403);
}

#[test]
fn a_refused_key_of_stripes_is_told_as_such() {
    let (platform, _) = ready();
    platform.stripe.with(|sandbox| {
        *sandbox = bursar::sandbox::api::Sandbox::new(
            sandbox.world.settings.clone(),
            vec!["sk_test_another".to_owned()],
            sandbox.world.now(),
        );
    });
    let answer = platform.order("/v1/topups", "key", &json!({ "amount": 5, "currency": "usd" }));
    assert_problem(&answer, 502, "stripe_refused", "401");
    assert_eq!(answer.json()["operation"]["error"]["status"], 401);
}

#[test]
fn a_stop_ends_after_the_calls_that_are_under_way() {
    let (mut platform, account) = ready();
    let wanted = prepare(&platform, &account, "create_transfer");
    platform.fault(
        &json!({ "fault": "delay", "when": "after", "milliseconds": 400, "path": "/v1/transfers" }),
    );
    platform.stripe.with(|sandbox| sandbox.world.outbox.hold(true));
    let told = std::thread::scope(|threads| {
        let order = threads.spawn(|| platform.order(&wanted.path, "key", &wanted.body));
        while platform.calls("POST", "/v1/transfers").is_empty() {
            std::thread::yield_now();
        }
        order.thread().unpark();
        order.join().unwrap()
    });
    assert_eq!(told.status, 201);
    platform.app.restart();
    let operation = operation(&platform, "key");
    assert_eq!(operation["state"], "succeeded");
}

/// It is recorded, and nobody goes on with it yet.
#[test]
fn what_was_asked_for_is_done_also_when_who_asked_goes_away_as_it_is_recorded() {
    let (platform, account) = ready();
    let wanted = prepare(&platform, &account, "create_transfer");
    platform.app.gate.tell(false);
    let mut asking = TcpStream::connect(platform.app.address()).unwrap();
    asking.write_all(&order(&wanted.path, "key", &wanted.body).bytes()).unwrap();
    let recorded = || platform.app.column("/v1/operations?state=requested", "idempotency_key");
    let start = Instant::now();
    while recorded() != ["key"] {
        assert!(start.elapsed() < Duration::from_secs(30), "it was never recorded");
    }
    asking.shutdown(Shutdown::Both).unwrap();
    drop(asking);
    // The server has seen that by the time it has answered others.
    for _ in 0..5 {
        recorded();
    }
    assert!(platform.calls("POST", "/v1/transfers").is_empty());
    platform.app.gate.tell(true);
    check(&platform, &wanted, "key", "gone");
}

/// The process is gone in the middle; what it had recorded is gone on with.
#[test]
fn a_restart_goes_on_with_what_was_left_open() {
    let (mut platform, account) = ready();
    let mut keys = Vec::new();
    for action in ACTIONS {
        let wanted = prepare(&platform, &account, action);
        platform.fault(
            &json!({ "fault": "drop", "when": "after", "path": wanted.at_stripe, "times": 3 }),
        );
        platform.stripe.with(|sandbox| sandbox.world.outbox.hold(true));
        let key = unique("open");
        platform.order(&wanted.path, &key, &wanted.body);
        keys.push((wanted, key));
    }
    platform.app.restart();
    for (wanted, key) in &keys {
        check(&platform, wanted, key, &wanted.path);
    }
}

/// The balance covers it once; who asks a second time must not be told that it does not.
#[test]
fn one_transfer_of_all_that_there_is_asked_for_by_many_is_one_and_is_told_to_all() {
    for round in 0..3 {
        let platform = Platform::start();
        let account = platform.payable("u7");
        // No event tells of the balance, so that it is asked for.
        platform.stripe.with(|sandbox| {
            sandbox.world.outbox.hold(true);
            sandbox.world.add_funds(&json!({ "amount": 1_000, "currency": "usd" })).unwrap();
        });
        let body = json!({ "amount": 1_000, "currency": "usd", "destination": account });
        let wanted = Wanted::new("/v1/transfers", body);
        for answer in orders(&platform, &wanted, "key", 20) {
            assert_eq!(answer.status, 201, "round {round}: {}", answer.json());
        }
        platform.stripe.with(|sandbox| sandbox.world.outbox.hold(false));
        check(&platform, &wanted, "key", "all of it");
    }
}

/// Stripe's words repeat what was wrong.
#[test]
fn a_refusal_of_personal_details_names_the_field_and_repeats_nothing() {
    let platform = Platform::start();
    let born = json!({ "dob": { "day": "seventeenth", "month": 1, "year": 1990 } });
    let body = json!({ "reference": "u7", "individual": born.clone() });
    let made = platform.done(201, "/v1/accounts", "other", &json!({}));
    let persons = format!("/v1/accounts/{}/persons", made["object_id"].as_str().unwrap());
    let urls = json!({
        "refresh_url": "http://localhost/refresh", "return_url": "http://localhost/return",
        "reference": "u8", "individual": born.clone(),
    });
    for (path, body) in
        [("/v1/accounts", &body), (persons.as_str(), &born), ("/onboard-user", &urls)]
    {
        let answer = platform.order(path, &unique("key"), body);
        assert_problem(&answer, 400, "invalid_at_stripe", path);
        let problem = answer.json();
        let param = problem["stripe"]["param"].as_str().unwrap();
        assert!(param.contains("day"), "{problem}");
        assert_eq!(problem["stripe"]["type"], "invalid_request_error", "{problem}");
    }
    let told = platform.app.read("/v1/operations").to_string();
    assert!(!told.contains("seventeenth"), "{told}");
}
