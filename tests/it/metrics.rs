//! `GET /metrics`: what is counted, what is read off the store, and the documents that name it.

#![expect(clippy::float_cmp, reason = "whole numbers are counted")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bursar::pipeline::commit::Limits;
use bursar::store::StoreError;
use bursar::stripe::signature::sign;
use serde_json::{Value, json};

use crate::support::events::{account, capability, event, of, payout, topup, transfer};
use crate::support::platform::Platform;
use crate::support::{Request, SECRETS, TestApp, assert_problem, now, signed, with};

const PATIENCE: Duration = Duration::from_secs(30);

/// What was scraped: each series with its labels as they stand there, and the type of each metric.
#[derive(Debug)]
struct Scraped {
    series: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
    text: String,
}

#[track_caller]
fn scrape(app: &TestApp) -> Scraped {
    let answer = app.get("/metrics");
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(answer.status, 200, "{text}");
    let (mut series, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, kind) = of.split_once(' ').unwrap();
            assert_eq!(types.insert(name.to_owned(), kind.to_owned()), None, "{name} twice");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert_eq!(series.insert(name.to_owned(), value), None, "{name} twice");
        }
    }
    Scraped { series, types, text }
}

impl Scraped {
    #[track_caller]
    fn of(&self, series: &str) -> f64 {
        let known = self.series.get(series);
        *known.unwrap_or_else(|| panic!("there is no {series} in:\n{}", self.text))
    }
}

/// Scrapes until it is so.
#[track_caller]
fn until(app: &TestApp, what: &str, so: impl Fn(&Scraped) -> bool) -> Scraped {
    let start = Instant::now();
    loop {
        let scraped = scrape(app);
        if so(&scraped) {
            return scraped;
        }
        assert!(start.elapsed() < PATIENCE, "{what} never: {}", scraped.text);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A delivery whose signature is so many seconds old, by our clock.
fn signed_ago(seconds: i64, event: &Value) -> Request {
    let body = event.to_string();
    let signature = sign(SECRETS[0].1, body.as_bytes(), now() - seconds);
    Request::post("/webhooks/stripe", body).header("Stripe-Signature", &signature)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn whoever_may_read_may_scrape() {
    let app = TestApp::start();
    let answer = app.get("/metrics");
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type");
    assert_eq!(kind.as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_problem(&app.send(&Request::get("/metrics")), 401, "unauthorized", "no token");
    assert_problem(&app.send(&Request::get("/metrics").token("x")), 401, "unauthorized", "other");
    let post = Request::post("/metrics", "").token(crate::support::READER);
    assert_problem(&app.send(&post), 405, "method_not_allowed", "POST");
    let head = app.send(&Request::new("HEAD", "/metrics").token(crate::support::READER));
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn deliveries_are_counted_by_source_and_outcome() {
    let app = TestApp::start();
    let zero = r#"bursar_deliveries_total{outcome="applied",source="connect"}"#;
    assert_eq!(scrape(&app).of(zero), 0.0, "there before the first delivery");

    app.apply(&account("acct_1"));
    let first = payout("po_1", "created", "pending");
    app.apply(&first);
    assert_eq!(app.outcome(&first), "duplicate");
    assert_eq!(app.outcome(&event("customer.created", json!({ "id": "cus_1" }))), "ignored");
    let parked = with(payout("po_2", "created", "pending"), "data.object.status", json!("odd"));
    assert_eq!(app.outcome(&parked), "parked");

    let scraped = scrape(&app);
    for (outcome, count) in
        [("applied", 2.0), ("duplicate", 1.0), ("ignored", 1.0), ("parked", 1.0), ("stale", 0.0)]
    {
        let series = format!(r#"bursar_deliveries_total{{outcome="{outcome}",source="platform"}}"#);
        assert_eq!(scraped.of(&series), count, "{outcome}");
    }
    assert_eq!(scraped.of(r#"bursar_events{livemode="false",outcome="applied"}"#), 2.0);
    let objects = r#"bursar_objects{kind="payout",livemode="false",status="pending"}"#;
    assert_eq!(scraped.of(objects), 1.0);
    assert_eq!(scraped.of("bursar_commit_batch_events_sum"), 5.0);
    assert_eq!(scraped.of("bursar_commit_seconds_count"), 5.0);
    let took = r#"bursar_http_request_seconds_count{route="webhook"}"#;
    assert_eq!(scraped.of(took), 5.0);
    let answered = r#"bursar_http_responses_total{route="webhook",status="2xx"}"#;
    assert_eq!(scraped.of(answered), 5.0);
    let oldest = scraped.of(r#"bursar_oldest_parked_timestamp_seconds{livemode="false"}"#);
    let heard = r#"bursar_last_event_timestamp_seconds{livemode="false",source="platform"}"#;
    assert!((oldest - f64::from(u32::try_from(now()).unwrap())).abs() < 30.0, "{oldest}");
    assert!(scraped.of(heard) >= oldest);
}

#[test]
fn refusals_are_counted_by_code() {
    let app = TestApp::start_with(&[("MAX_BODY_BYTES", "2000")], Limits::default());
    let event = payout("po_1", "created", "pending");
    let body = event.to_string();
    let with_signature = |value: &str| {
        Request::post("/webhooks/stripe", body.clone()).header("Stripe-Signature", value)
    };
    for (code, request) in [
        ("signature_missing", Request::post("/webhooks/stripe", body.clone())),
        ("signature_malformed", with_signature("v1=00")),
        ("signature_mismatch", with_signature("t=1,v1=00")),
        ("timestamp_out_of_tolerance", signed_ago(400, &event)),
        ("not_an_event", signed("[]")),
        ("body_too_large", signed("x".repeat(3000))),
    ] {
        let series = format!(r#"bursar_deliveries_refused_total{{code="{code}"}}"#);
        assert_eq!(scrape(&app).of(&series), 0.0, "{code}");
        let answer = app.send(&request);
        assert_eq!(answer.json()["code"], code);
        assert_eq!(scrape(&app).of(&series), 1.0, "{code}");
    }
    let stored: f64 = scrape(&app)
        .series
        .iter()
        .filter_map(|(name, value)| name.starts_with("bursar_deliveries_total").then_some(value))
        .sum();
    assert_eq!(stored, 0.0);
}

#[test]
fn what_waits_is_shown_while_it_waits() {
    let app = TestApp::start();
    app.gate.close();
    std::thread::scope(|scope| {
        let deliver = |n: usize| {
            let event = payout(&format!("po_{n}"), "created", "pending");
            let app = &app;
            scope.spawn(move || assert_eq!(app.deliver(event.to_string()).0, 200));
        };
        deliver(0);
        app.gate.wait_for(1);
        deliver(1);
        deliver(2);
        let waiting = until(&app, "two wait behind the first", |scraped| {
            scraped.of("bursar_connections") >= 4.0
                && scraped.of("bursar_queue_requests") == 2.0
                && scraped.of("bursar_body_bytes") >= 3.0 * 400.0
        });
        assert!(waiting.of("bursar_queue_bytes") > 0.0);
        assert!(waiting.of("bursar_queue_bytes") < waiting.of("bursar_queue_bytes_limit"));
        app.gate.open();
    });
    let after = scrape(&app);
    assert_eq!(after.of("bursar_queue_requests"), 0.0);
    assert_eq!(after.of("bursar_queue_bytes"), 0.0);
    assert_eq!(after.of("bursar_body_bytes"), 0.0);
}

#[test]
fn a_commit_that_fails_is_counted() {
    let app = TestApp::start();
    app.gate.fail_next(StoreError::Unavailable("a test says so".to_owned()));
    assert_eq!(app.deliver(payout("po_1", "created", "pending").to_string()).0, 503);
    let scraped = scrape(&app);
    assert_eq!(scraped.of("bursar_commit_failures_total"), 1.0);
    let refused = r#"bursar_deliveries_refused_total{code="store_unavailable"}"#;
    assert_eq!(scraped.of(refused), 1.0);
}

#[test]
fn what_is_read_off_the_store_is_true_after_a_restart() {
    let mut app = TestApp::start();
    app.apply(&account("acct_1"));
    app.apply(&of("acct_1", payout("po_1", "paid", "paid")));
    app.apply(&transfer("tr_1", "created", 0));
    let gauges = |scraped: &Scraped| -> BTreeMap<String, f64> {
        let of_store = ["bursar_events", "bursar_objects", "bursar_last", "bursar_journal"];
        let series = scraped.series.clone().into_iter();
        series.filter(|(name, _)| of_store.iter().any(|of| name.starts_with(of))).collect()
    };
    let before = gauges(&scrape(&app));
    let paid = r#"bursar_objects{kind="payout",livemode="false",status="paid"}"#;
    assert_eq!(before[paid], 1.0);
    assert!(before["bursar_journal_bytes"] > 500.0, "{before:?}");
    assert_eq!(before["bursar_journal_segments"], 1.0);
    app.restart();
    let scraped = scrape(&app);
    assert_eq!(gauges(&scraped), before);
    let counted = r#"bursar_deliveries_total{outcome="applied",source="platform"}"#;
    assert_eq!(scraped.of(counted), 0.0, "what is counted begins anew");
    until(&app, "all is written", |scraped| scraped.of("bursar_views_lag_records") == 0.0);
}

/// A service with all that there is to show: calls, operations, a backfill, something parked.
fn busy() -> Platform {
    let platform = Platform::start_with(&[("BACKFILL_MINUTES", "60")]);
    let account = platform.payable("writer");
    platform.funds(50_000);
    let order = json!({ "amount": 100, "currency": "usd", "destination": account });
    platform.done(201, "/v1/transfers", "transfer", &order);
    let app = &platform.app;
    let parked = with(topup("tu_1", "created", "pending"), "data.object.status", json!("odd"));
    assert_eq!(app.outcome(&parked), "parked");
    app.deliver(capability("acct_9", "transfers", "active").to_string());
    for seconds in [3, 4, 5] {
        app.send(&signed_ago(seconds, &payout("po_1", "created", "pending")));
    }
    until(app, "a backfill is complete", |scraped| {
        scraped.text.contains("bursar_backfill_complete_timestamp_seconds{")
    });
    platform
}

/// The rows of `docs/metrics.md`: name and type.
fn documented() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `bursar_") || line.starts_with("| `process_"));
    let cell = |row: &str, n: usize| row.split('|').nth(n).unwrap().trim().to_owned();
    rows.map(|row| (cell(row, 1).trim_matches('`').to_owned(), cell(row, 2))).collect()
}

#[test]
fn every_metric_is_documented_and_none_holds_an_id() {
    let platform = busy();
    let scraped = scrape(&platform.app);
    assert_eq!(scraped.types, documented(), "docs/metrics.md beside what is shown");
    for id in ["acct_", "po_", "tu_", "tr_", "evt_", "op_", "whsec_", "sk_test", "-token"] {
        let labels = scraped.series.keys().filter(|name| name.contains(id));
        assert_eq!(labels.collect::<Vec<_>>(), Vec::<&String>::new(), "{id}");
    }
    let called = r#"bursar_stripe_call_seconds_count{outcome="done"}"#;
    assert!(scraped.of(called) >= 3.0, "{}", scraped.of(called));
    let succeeded = r#"bursar_operations{livemode="false",state="succeeded"}"#;
    assert_eq!(scraped.of(succeeded), 2.0, "an account and a transfer");
    assert_eq!(scraped.of("bursar_clock_skew_last_seconds"), 5.0);
}

#[test]
fn strangers_cannot_make_series() {
    let app = TestApp::start();
    let probe = |n: usize| app.get(&format!("/v1/x{n}/y?z={n}")).status;
    assert_eq!(probe(0), 404);
    let before = scrape(&app).series.len();
    assert!((1..20).all(|n| probe(n) == 404));
    // The scrape itself was not counted before it ended.
    let after = scrape(&app).series.len();
    let of_scrapes = scrape(&app).series.keys().filter(|it| it.contains("metrics\"")).count();
    assert!(after <= before + of_scrapes, "{before} series, then {after}");
}

/// Names of metrics in a text, without what a histogram puts behind them.
fn named_in(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_name(c));
    let ours = words.filter(|word| word.starts_with("bursar_") || word.starts_with("process_"));
    let bare = |word: &str| {
        let mut endings = ["_bucket", "_sum", "_count"].iter();
        let cut = endings.find_map(|ending| word.strip_suffix(ending));
        cut.unwrap_or(word).to_owned()
    };
    ours.map(bare).collect()
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let documented = documented();
    for (file, fewest) in [("docs/alerts.yml", 12), ("docs/grafana.json", 20)] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let named = named_in(&text);
        assert!(named.len() >= fewest, "{file} names only {named:?}");
        for name in named {
            assert!(documented.contains_key(&name), "{file} names {name}");
        }
    }
    let dashboard = fs::read_to_string(root().join("docs/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "an id twice");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(panel["targets"][0]["expr"].is_string(), "{panel}");
    }
}
