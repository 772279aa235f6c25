//! What is warned of: in the summary, in the metrics, and once in the log.

use bursar::clock;
use bursar::domain::time::Timestamp;
use bursar::pipeline::commit::Limits;
use bursar::pipeline::receive::incoming;
use bursar::store::Store as _;
use bursar::stripe::signature::sign;
use bursar::stripe::wire;
use serde_json::{Value, json};

use crate::process::{Place, SECRET, Server};
use crate::support::events::{account, live, of, payout, topup};
use crate::support::{Request, SECRETS, TestApp, now};

const HOUR: i64 = 3600;

/// Has these in the store as if they had come so many hours ago.
fn received(app: &mut TestApp, source: &str, hours_ago: i64, events: &[Value]) {
    app.stop();
    let at = Timestamp(clock::now().0 - hours_ago * HOUR * 1_000_000);
    let read = |event: &Value| {
        let body = event.to_string();
        incoming(wire::read(body.as_bytes(), at).unwrap(), body.as_bytes(), source, at, false)
    };
    let batch = events.iter().map(read).collect();
    let store = app.open();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        store.commit(batch).await.unwrap();
        store.close().await.unwrap();
    });
    drop((store, runtime));
    app.run();
}

fn codes(app: &TestApp) -> Vec<String> {
    let summary = app.read("/v1/summary");
    let warnings = summary["warnings"].as_array().unwrap();
    for warning in warnings {
        let is_text = |name: &str| warning[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_text("message") && is_text("since"), "{warning}");
    }
    warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

fn both_sides() -> [Value; 2] {
    [topup("tu_1", "created", "pending"), of("acct_1", payout("po_1", "created", "pending"))]
}

#[test]
fn a_source_that_fell_silent_is_warned_of_until_it_speaks() {
    let mut app = TestApp::start();
    received(&mut app, "platform", 100, &both_sides());
    assert_eq!(codes(&app), ["source_silent"]);
    let summary = app.read("/v1/summary");
    assert_eq!(summary["warnings"][0]["source"], "platform", "{summary}");
    assert_eq!(summary["deliveries"]["platform"]["count"], 1, "{summary}");
    let metric = |app: &TestApp| {
        let text = String::from_utf8(app.get("/metrics").body).unwrap();
        let line = text.lines().find(|line| line.contains(r#"warnings{code="source_silent"}"#));
        line.unwrap().rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(metric(&app), "1");
    app.apply(&account("acct_2"));
    assert_eq!(codes(&app), Vec::<String>::new());
    assert_eq!(metric(&app), "0");
}

#[test]
fn how_long_a_source_may_be_silent_is_a_setting() {
    for (hours, expected) in [("0", [].as_slice()), ("101", &[]), ("99", &["source_silent"])] {
        let mut app = TestApp::start_with(&[("SILENCE_HOURS", hours)], Limits::default());
        received(&mut app, "platform", 100, &both_sides());
        assert_eq!(codes(&app), expected, "{hours}");
    }
}

#[test]
fn sources_that_no_secret_has_are_not_missed() {
    for source in ["gone", "replay:olga", "import", "backfill"] {
        let mut app = TestApp::start();
        received(&mut app, source, 100, &both_sides());
        assert_eq!(codes(&app), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn a_forgotten_endpoint_is_warned_of() {
    let [of_platform, of_connect] = both_sides();
    for (came, missing, expected) in [
        (&of_platform, &of_connect, "only_platform_events"),
        (&of_connect, &of_platform, "only_connect_events"),
    ] {
        let mut app = TestApp::start();
        received(&mut app, "platform", 2, std::slice::from_ref(came));
        assert_eq!(codes(&app), [expected]);
        // What was replayed or fetched is no sign of an endpoint.
        app.post("/v1/replays", &json!({ "events": [missing], "reason": "test" }));
        assert_eq!(codes(&app), [expected]);
        received(&mut app, "platform", 0, &[with_id(missing, "evt_delivered")]);
        assert_eq!(codes(&app), Vec::<String>::new());
    }
}

fn with_id(event: &Value, id: &str) -> Value {
    let mut event = event.clone();
    event["id"] = json!(id);
    event
}

#[test]
fn events_of_the_other_mode_alone_are_warned_of() {
    let mut app = TestApp::start_with(&[("LIVEMODE", "true")], Limits::default());
    received(&mut app, "platform", 2, &both_sides());
    assert_eq!(codes(&app), ["only_test_events"]);
    received(&mut app, "platform", 0, &both_sides().map(live));
    assert_eq!(codes(&app), Vec::<String>::new());
}

#[test]
fn signatures_tell_that_our_clock_is_off() {
    let app = TestApp::start();
    for (seconds, n) in [(61, 0), (62, 1), (400, 2), (64, 3)] {
        let body = payout(&format!("po_{n}"), "created", "pending").to_string();
        let signature = sign(SECRETS[0].1, body.as_bytes(), now() - seconds);
        let request = Request::post("/webhooks/stripe", body);
        app.send(&request.header("Stripe-Signature", &signature));
        let forged = Request::post("/webhooks/stripe", "{}");
        app.send(&forged.header("Stripe-Signature", "t=1,v1=00"));
    }
    assert_eq!(codes(&app), ["clock_off"]);
    let message = app.read("/v1/summary")["warnings"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("ahead of Stripe's, by the last 4 signatures"), "{message}");
}

/// Delivers with a signature of so many seconds ago.
fn deliver_late(server: &Server, seconds: i64, event: &Value) -> u16 {
    let body = event.to_string();
    let signature = sign(SECRET, body.as_bytes(), now() - seconds);
    let request = Request::post("/webhooks/stripe", body).header("Stripe-Signature", &signature);
    request.send(server.address).status
}

#[test]
fn the_log_tells_of_a_warning_once_and_of_its_end() {
    let place = Place::new();
    let mut server = place.serve();
    for (n, seconds) in [100, 101, 102].into_iter().enumerate() {
        let event = payout(&format!("po_{n}"), "created", "pending");
        assert_eq!(deliver_late(&server, seconds, &event), 200);
    }
    for _ in 0..3 {
        server.read("/v1/summary");
    }
    for n in 10..20 {
        let event = payout(&format!("po_{n}"), "created", "pending");
        assert_eq!(deliver_late(&server, 10 - n, &event), 200);
    }
    server.read("/v1/summary");
    server.process.until_it_says("a warning no longer holds");
    let ended = server.stop();
    let told = ended.stderr.lines().filter(|line| line.contains("warning=\"clock_off\""));
    assert_eq!(told.count(), 2, "{}", ended.stderr);
}
