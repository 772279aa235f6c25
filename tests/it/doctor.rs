//! `bursar doctor`: what it finds, of settings, stores, servers and Stripe.

use std::net::TcpListener;
use std::process::Command;

use bursar::clock;
use bursar::config::SETTINGS;
use serde_json::{Value, json};

use crate::process::{Ended, OPERATOR, Place, READER, SECRET, id_of, payout, run};
use crate::support::platform::sandbox;
use crate::support::stripe::{FakeStripe, Received, Reply};

const KEY: &str = "sk_test_of_the_doctor";

/// Runs the doctor with more in its environment.
#[track_caller]
fn examine(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    run(doctor(place, arguments, variables))
}

fn doctor(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = place.command(&[&["doctor"], arguments].concat());
    command.envs(variables.iter().copied());
    command
}

/// What was found of one thing, as `level: sentence -> remedy`.
#[track_caller]
fn found(ended: &Ended, check: &str) -> Vec<String> {
    let answer: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:#?}"));
    let checks = answer["checks"].as_array().unwrap().iter();
    let of = checks.filter(|it| it["check"] == check);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of.map(|it| format!("{}: {} -> {}", text(&it["level"]), text(&it["says"]), text(&it["remedy"])))
        .collect()
}

#[track_caller]
fn finds(ended: &Ended, check: &str, expected: &str) {
    let found = found(ended, check);
    assert!(found.iter().any(|it| it.contains(expected)), "{expected:?} is not in {found:#?}");
}

/// A stand-in for Stripe, whose clock is so many seconds ahead of ours.
fn stripe(seconds: i64, balance: u16, endpoints: &Value) -> FakeStripe {
    let endpoints = endpoints.clone();
    FakeStripe::start(move |request: &Received| {
        let at = std::time::UNIX_EPOCH
            + std::time::Duration::from_secs(
                clock::now().unix_seconds().saturating_add_signed(seconds),
            );
        let refused = |status| {
            let error = json!({ "type": "invalid_request_error", "message": "no" });
            Reply::json(status, &json!({ "error": error }))
        };
        let reply = match (request.path.as_str(), balance) {
            ("/v1/balance", 200) => Reply::json(200, &json!({ "object": "balance" })),
            (_, 401) | ("/v1/balance", _) => refused(balance),
            ("/v1/webhook_endpoints", _) if endpoints.is_null() => refused(403),
            ("/v1/webhook_endpoints", _) => {
                Reply::json(200, &json!({ "object": "list", "data": endpoints }))
            }
            _ => refused(404),
        };
        reply.with("Date", &httpdate::fmt_http_date(at))
    })
}

fn endpoint(id: &str) -> Value {
    let url = "https://pay.example.com/webhooks/stripe";
    json!({ "id": id, "url": url, "status": "enabled", "enabled_events": ["*"] })
}

#[test]
fn a_service_that_is_well_is_told_so() {
    let place = Place::new();
    let stripe = sandbox(0);
    let url = stripe.url();
    let secrets = "platform=whsec_one,connect=whsec_two";
    let tokens = format!("reader={READER},operator/ops={OPERATOR},payer/shop=token-of-a-payer");
    let variables = [
        ("BURSAR_STRIPE_KEY", KEY),
        ("BURSAR_STRIPE_API_BASE", url.as_str()),
        ("BURSAR_WEBHOOK_SECRETS", secrets),
        ("BURSAR_TOKENS", &tokens),
        ("BURSAR_BACKFILL_MINUTES", "0"),
    ];
    let server = place.serve_with(|command| {
        command.envs(variables);
    });
    let hook = format!("http://{}/webhooks/stripe", server.address);
    stripe.with(|sandbox| {
        for (connect, secret) in [(false, "whsec_one"), (true, "whsec_two")] {
            sandbox.world.register_endpoint(hook.clone(), connect, Some(secret.to_owned()));
        }
        sandbox.world.add_funds(&json!({ "amount": 100, "currency": "usd" })).unwrap();
    });
    let asked = [variables.as_slice(), &[("BURSAR_TOKEN", READER)]].concat();
    let of_platform = |ended: &Ended| {
        found(ended, "received").iter().any(|it| it.contains("about the platform, the last at"))
    };
    let start = std::time::Instant::now();
    let ended = loop {
        let ended = examine(&place, &["--json"], &asked).expect(0);
        if of_platform(&ended) {
            break ended;
        }
        assert!(start.elapsed() < crate::process::LIMIT, "{ended:#?}");
    };
    let all = format!("all {} can be used", SETTINGS.len());
    finds(&ended, "settings", &all);
    finds(&ended, "tokens", "ok: 1 reader, 1 operator, 1 payer");
    finds(&ended, "address", "ok: bursar answers at http://");
    finds(&ended, "server", "ok: it takes deliveries");
    finds(&ended, "store", "is in use by the server");
    finds(&ended, "disk", "MiB are free");
    finds(&ended, "stripe", "ok: the key works, in test mode");
    finds(&ended, "clock", "ok: this machine's clock is");
    finds(&ended, "endpoints", "ok: 2 are enabled and send all that is tracked");
    finds(&ended, "received", "warning: no event about connected accounts has come so far");
    ended.hides(&[KEY, READER, OPERATOR, "whsec_one"]);
    let plain = examine(&place, &[], &asked).expect(0);
    plain.says(&["ok      settings", "nothing is wrong; warnings:", "-> wait for one"]);
    plain.hides(&[KEY, READER, OPERATOR, "whsec_one"]);
    examine(&place, &["--strict"], &asked).expect(1);
    assert_eq!(server.get("/readyz", "").status, 200, "the server did not mind");
}

#[test]
fn all_that_keeps_a_server_from_starting_is_found() {
    let place = Place::new();
    for (variables, expected) in [
        (vec![("BURSAR_WEBHOOK_SECRETS", "")], "BURSAR_WEBHOOK_SECRETS is not set"),
        (vec![("BURSAR_TOLERANCE_SECONDS", "0")], "BURSAR_TOLERANCE_SECONDS must be"),
        (vec![("BURSAR_TOKENS", "boss=x")], "names no role"),
        (vec![("BURSAR_STRIPE_KEY", "pk_test_1")], "BURSAR_STRIPE_KEY must be"),
        (vec![("BURSAR_MAX_CONNECTIONS", "0")], "BURSAR_MAX_CONNECTIONS must be"),
        (vec![("BURSAR_SILENCE_HOURS", "x")], "BURSAR_SILENCE_HOURS must be"),
        (vec![("BURSAR_LOG_FORMAT", "xml")], "BURSAR_LOG_FORMAT must be"),
    ] {
        let ended = examine(&place, &[], &variables).expect(1);
        ended.says(&["WRONG   settings", expected]);
        let mut serve = place.command(&["serve"]);
        serve.envs(variables);
        run(serve).expect(2).says(&[expected]);
    }
    let both = [("BURSAR_LIVEMODE", "maybe"), ("BURSAR_LOG", "=x=")];
    examine(&place, &[], &both).expect(1).says(&["BURSAR_LIVEMODE must", "BURSAR_LOG must"]);
}

/// Every setting that a start refuses must be looked at here as well.
#[test]
fn no_setting_is_forgotten() {
    let place = Place::new();
    for setting in SETTINGS {
        let variable = format!("BURSAR_{}", setting.name.to_ascii_uppercase());
        let variables = [(variable.as_str(), "\t=\t")];
        let mut serve = place.command(&["serve"]);
        // So that it never starts.
        serve.env("BURSAR_WEBHOOK_SECRETS", "").envs(variables);
        let refused = run(serve).expect(2).stderr.contains(&variable);
        let ended = examine(&place, &["--json", "--offline"], &variables);
        let is_found = found(&ended, "settings").iter().any(|it| it.contains(&variable));
        assert_eq!(is_found, refused, "{variable}: {ended:#?}");
    }
}

#[test]
fn wrong_usage_is_told_from_something_wrong() {
    let place = Place::new();
    examine(&place, &["--nonsense"], &[]).expect(2);
    examine(&place, &["--url", "ftp://x"], &[]).expect(1).says(&["is not a URL"]);
}

#[test]
fn a_stopped_store_tells_what_was_received_and_is_left_as_it_was() {
    let place = Place::new();
    let ended = examine(&place, &["--json"], &[]).expect(0);
    finds(&ended, "store", "note: there is none in");
    assert!(!place.store().exists(), "nothing was made");

    let server = place.serve();
    assert_eq!(server.deliver(&payout("one")).status, 200);
    let token = [("BURSAR_TOKEN", READER)];
    let running = examine(&place, &["--json"], &token).expect(0);
    finds(&running, "received", "1 event about");
    server.stop();
    let before = snapshot(&place);
    let ended = examine(&place, &["--json"], &[]).expect(0);
    finds(&ended, "store", "ok: ");
    finds(&ended, "received", "1 event about");
    assert_eq!(snapshot(&place), before);
    place.serve().stop();
}

/// The files that hold what cannot be derived, and how the store was left.
fn snapshot(place: &Place) -> Vec<(String, Vec<u8>)> {
    let journal = std::fs::read_dir(place.store().join("journal")).unwrap();
    let mut paths: Vec<_> = journal.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named =
        |path: &std::path::PathBuf| (path.display().to_string(), std::fs::read(path).unwrap());
    paths.iter().map(named).collect()
}

#[test]
fn a_server_is_not_asked_without_a_token_and_not_harmed() {
    let place = Place::new();
    let server = place.serve();
    let ended = examine(&place, &["--json"], &[]).expect(0);
    finds(&ended, "received", "was not asked without a token");
    let ended = examine(&place, &["--json", "--token", "wrong"], &[]).expect(0);
    finds(&ended, "received", "warning: HTTP 401");
    assert_eq!(server.deliver(&payout("after")).outcome(), "applied");
    let elsewhere = examine(&place, &["--json", "--url", "http://127.0.0.1:1"], &[]).expect(1);
    finds(&elsewhere, "address", "wrong: no bursar answers at http://127.0.0.1:1");
    finds(&elsewhere, "store", "warning: ");
}

#[test]
fn an_address_that_something_else_has_is_found() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Whoever connects is sent away.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let ended = examine(&place, &["--json"], &[("BURSAR_BIND", &address)]).expect(1);
    finds(&ended, "address", "cannot be used, and no bursar answers there");
}

#[test]
fn a_damaged_store_is_wrong() {
    let place = Place::new();
    let server = place.serve();
    assert_eq!(server.deliver(&payout("one")).status, 200);
    assert_eq!(server.deliver(&payout("two")).status, 200);
    server.stop();
    let journal = place.store().join("journal/00000001.journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let ended = examine(&place, &["--json"], &[]).expect(1);
    finds(&ended, "store", "wrong: ");
    finds(&ended, "store", "-> `bursar verify` lists all of it");
}

#[test]
fn tokens_that_are_missing_are_named() {
    let place = Place::new();
    let reader = format!("reader={READER}");
    let variables = [("BURSAR_TOKENS", reader.as_str()), ("BURSAR_STRIPE_KEY", KEY)];
    let ended = examine(&place, &["--json", "--offline"], &variables).expect(0);
    finds(&ended, "tokens", "there is no token of an operator");
    finds(&ended, "tokens", "no token of a payer");
    let trial = [("BURSAR_TOKENS", ""), ("BURSAR_INSECURE_NO_AUTH", "true")];
    let ended = examine(&place, &["--json"], &trial).expect(0);
    finds(&ended, "tokens", "lets anyone do everything");
}

/// With a key, where this stand-in is Stripe.
fn with_stripe(stripe: &FakeStripe) -> [(&str, &str); 2] {
    [("BURSAR_STRIPE_KEY", KEY), ("BURSAR_STRIPE_API_BASE", stripe.base.as_str())]
}

#[test]
fn the_key_is_tried() {
    let place = Place::new();
    let two = json!([endpoint("we_1"), endpoint("we_2")]);
    for (status, code, expected) in [
        (200, 0, "ok: the key works, in test mode"),
        (403, 0, "note: the key works; it is restricted"),
        (401, 1, "wrong: Stripe does not know the key"),
        (503, 1, "wrong: "),
    ] {
        let stripe = stripe(0, status, &two);
        let ended = examine(&place, &["--json"], &with_stripe(&stripe)).expect(code);
        finds(&ended, "stripe", expected);
        ended.hides(&[KEY]);
        assert!(stripe.received().iter().all(|it| it.method == "GET"), "it only reads");
    }
    let stripe = stripe(0, 200, &two);
    let live = [with_stripe(&stripe).as_slice(), &[("BURSAR_LIVEMODE", "true")]].concat();
    let ended = examine(&place, &["--json"], &live).expect(0);
    finds(&ended, "stripe", "warning: the key is for test mode, but reads show live mode");
    let gone = [("BURSAR_STRIPE_KEY", KEY), ("BURSAR_STRIPE_API_BASE", "http://127.0.0.1:1")];
    let ended = examine(&place, &["--json"], &gone).expect(1);
    finds(&ended, "stripe", "wrong: the call was not made");
    let ended = examine(&place, &["--json", "--offline"], &gone).expect(0);
    finds(&ended, "stripe", "note: not asked");
}

#[test]
fn the_clock_is_held_against_stripes() {
    let place = Place::new();
    for (seconds, code, expected) in [
        (0, 0, "ok: "),
        (100, 0, "warning: this machine's clock is"),
        (-100, 0, "ahead of Stripe's"),
        (1000, 1, "wrong: this machine's clock is"),
        (-1000, 1, "deliveries are refused"),
    ] {
        let stripe = stripe(seconds, 200, &Value::Null);
        let ended = examine(&place, &["--json"], &with_stripe(&stripe)).expect(code);
        finds(&ended, "clock", expected);
        finds(&ended, "endpoints", "note: the key may not list webhook endpoints");
    }
}

#[test]
fn endpoints_are_held_against_the_secrets() {
    let place = Place::new();
    let stripe = stripe(0, 200, &json!([endpoint("we_1"), endpoint("we_2")]));
    let ended = examine(&place, &["--json"], &with_stripe(&stripe)).expect(0);
    finds(&ended, "endpoints", "2 are enabled, but there is only 1 webhook secret");
    let secrets = format!("platform={SECRET},connect=whsec_2");
    let two = [with_stripe(&stripe).as_slice(), &[("BURSAR_WEBHOOK_SECRETS", &secrets)]].concat();
    let ended = examine(&place, &["--json"], &two).expect(0);
    finds(&ended, "endpoints", "ok: 2 are enabled");
}

#[test]
fn what_a_server_warns_of_is_told_with_its_remedy() {
    let place = Place::new();
    let line = json!({
        "id": id_of(&payout("old")), "livemode": false, "received_at": "2020-01-01T00:00:00Z",
        "source": "platform", "flags": [], "body": String::from_utf8(payout("old")).unwrap(),
    });
    crate::process::run_with_input(place.command(&["import", "-"]), line.to_string().as_bytes())
        .expect(0);
    let check = |ended: &Ended| {
        finds(ended, "received", "warning: nothing came from the source `platform` for 72 hours");
        finds(ended, "received", "-> see at Stripe");
        finds(ended, "received", "warning: only events of");
    };
    check(&examine(&place, &["--json"], &[]).expect(0));
    let server = place.serve();
    check(&examine(&place, &["--json"], &[("BURSAR_TOKEN", READER)]).expect(0));
    server.stop();
}
