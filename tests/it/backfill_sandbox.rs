//! Backfills against the sandbox: whatever happened there, however little of it was delivered, and
//! whatever goes wrong while it is fetched, in the end bursar knows what Stripe knows.

use std::net::TcpListener;

use bursar::pipeline::commit::Limits;
use bursar::sandbox::server::{Clock, Options, Running, start};
use bursar::sandbox::world::Settings;
use bursar::secret::Secret;
use bursar::stripe::client::{Call, Client, ClientSettings, Stripe};
use bursar::stripe::wire::tracked_types;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::events::account;
use crate::support::{OPERATOR, Request, TestApp, now};
use crate::torture;

const DAY: i64 = 86_400;
/// How far back a story begins; it must end before today.
const DAYS: i64 = 25;
const ROUTE: &str = "/v1/backfills";

/// A platform at the sandbox, and what calls it.
struct Platform {
    sandbox: Running,
    client: Client,
    runtime: actix_web::rt::SystemRunner,
    rng: Rng,
    accounts: Vec<String>,
    transfers: Vec<String>,
    calls: u32,
    /// Events that are known to this test.
    seen: usize,
    days_left: i64,
}

impl Platform {
    fn new(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let clock = Clock::System { offset_seconds: -DAYS * DAY };
        let settings = Settings { seed, ..Settings::default() };
        let sandbox = start(listener, Options { settings, clock, ..Options::default() }).unwrap();
        let key = Secret::new("sk_test_platform");
        let version = "2026-07-29.dahlia".to_owned();
        let client = Client::new(ClientSettings { key, api_base: sandbox.url(), version }).unwrap();
        Self {
            sandbox,
            client,
            runtime: actix_web::rt::System::new(),
            rng: Rng::with_seed(seed),
            accounts: Vec::new(),
            transfers: Vec::new(),
            calls: 0,
            seen: 0,
            days_left: DAYS - 2,
        }
    }

    /// Makes a call; answers the object's id, or nothing when it is refused.
    fn post(&mut self, path: &str, params: &[(&str, &str)]) -> Option<String> {
        self.calls += 1;
        let call = Call::post(path, format!("key-{}", self.calls));
        let call = params.iter().fold(call, |call, (name, value)| call.with(name, value));
        self.runtime.block_on(self.client.call(&call)).ok()?.id()
    }

    /// Something happens, or only time passes.
    fn goes_on(&mut self) {
        match self.rng.u32(..10) {
            0 | 1 => self.opens_an_account(),
            2 | 3 => self.adds_funds(),
            4 | 5 => self.pays_someone(),
            6 => self.takes_back(),
            7 => self.is_asked_for_more(),
            _ => self.waits(),
        }
    }

    fn opens_an_account(&mut self) {
        let params = [
            ("country", "US"),
            ("controller[losses][payments]", "application"),
            ("controller[fees][payer]", "application"),
            ("controller[stripe_dashboard][type]", "express"),
            ("capabilities[transfers][requested]", "true"),
            ("capabilities[card_payments][requested]", "true"),
        ];
        let id = self.post("/v1/accounts", &params).expect("an account");
        if self.rng.u32(..4) > 0 {
            self.sandbox.with(|sandbox| {
                sandbox.world.onboard(&id, &std::collections::BTreeMap::new()).unwrap();
            });
            self.sandbox.advance(10);
        }
        self.accounts.push(id);
    }

    fn adds_funds(&mut self) {
        let source =
            *self.rng.choice(["btok_us_verified", "btok_us_verified_noAccount"].iter()).unwrap();
        self.post("/v1/topups", &[("amount", "5000"), ("currency", "usd"), ("source", source)]);
        self.sandbox.with(|sandbox| {
            sandbox.world.add_funds(&json!({ "amount": 3000, "currency": "usd" })).unwrap();
        });
    }

    fn pays_someone(&mut self) {
        let Some(destination) = self.rng.choice(&self.accounts).cloned() else { return };
        let params = [("amount", "700"), ("currency", "usd"), ("destination", &destination)];
        let made = self.post("/v1/transfers", &params);
        self.transfers.extend(made);
    }

    fn takes_back(&mut self) {
        let Some(transfer) = self.rng.choice(&self.transfers).cloned() else { return };
        self.post(&format!("/v1/transfers/{transfer}/reversals"), &[("amount", "200")]);
    }

    fn is_asked_for_more(&mut self) {
        let Some(account) = self.rng.choice(&self.accounts).cloned() else { return };
        let block = self.rng.bool();
        let order = json!({
            "demand": ["individual.verification.document"], "deadline_seconds": 2 * DAY,
            "block_payouts": block,
        });
        self.sandbox.with(|sandbox| sandbox.world.press_account(&account, &order).unwrap());
    }

    fn waits(&mut self) {
        let days = self.rng.i64(1..=3).min(self.days_left);
        self.days_left -= days;
        self.sandbox.advance(days * DAY);
    }

    /// The tracked events since the last time this was asked, as they would be delivered.
    fn happened(&mut self) -> Vec<Value> {
        let seen = self.seen;
        let events: Vec<Value> = self.sandbox.with(|sandbox| {
            let world = &sandbox.world;
            world.events_from(seen).map(|event| world.event_view(event)).collect()
        });
        self.seen += events.len();
        let is_tracked = |event: &Value| tracked_types().any(|(name, _)| event["type"] == name);
        events.into_iter().filter(is_tracked).collect()
    }

    fn goes_wrong(&mut self, chance: f64) {
        for fault in ["drop", "error", "rate_limit", "lock_timeout"] {
            for path in ["/v1/events", "/v1/accounts"] {
                let order = json!({
                    "fault": fault, "method": "GET", "path": path, "chance": chance, "times": 20,
                });
                let fault = bursar::sandbox::api::faults::Fault::read(&order).unwrap();
                self.sandbox.with(|sandbox| sandbox.faults.plan(fault));
            }
        }
    }

    fn state(&self) -> Value {
        self.sandbox.with(|sandbox| sandbox.world.state())
    }
}

fn ask(app: &TestApp) -> String {
    let answer = app.send(&Request::post(ROUTE, "").token(OPERATOR));
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Waits for a backfill to be complete, asking anew for one that fails.
#[track_caller]
fn complete(app: &TestApp, mut id: String) -> Value {
    let deadline = now() + 60;
    loop {
        assert!(now() < deadline, "no backfill gets to its end");
        let report = app.read(&format!("{ROUTE}/{id}"));
        match report["state"].as_str().unwrap() {
            "complete" => return report,
            "failed" => id = ask(app),
            _ => std::thread::yield_now(),
        }
    }
}

/// Waits until no account is ambiguous: these are fetched by themselves.
#[track_caller]
fn until_settled(app: &TestApp) {
    let deadline = now() + 60;
    loop {
        let marks = app.column("/v1/accounts?limit=500", "ambiguous");
        if marks.iter().all(Value::is_null) {
            return;
        }
        assert!(now() < deadline, "{marks:?}");
        std::thread::yield_now();
    }
}

/// What bursar shows is what the sandbox has.
#[track_caller]
fn check(app: &TestApp, platform: &Platform, events: &[Value]) {
    for event in events {
        let (id, kind) = (event["id"].as_str().unwrap(), &event["type"]);
        assert_eq!(app.read(&format!("/v1/events/{id}"))["type"], *kind);
    }
    until_settled(app);
    let state = platform.state();
    let own = platform.sandbox.platform.as_str();
    let on_behalf_of_itself = platform.sandbox.with(|sandbox| {
        sandbox.journal.iter().filter(|call| call.account.as_deref() == Some(own)).count()
    });
    assert_eq!(on_behalf_of_itself, 0, "the platform is no account of its own");
    let all = |kind: &str| state[kind].as_array().unwrap().clone();
    for account in all("accounts").iter().filter(|account| account["id"] != state["platform"]) {
        let shown = app.read(&format!("/v1/accounts/{}", account["id"].as_str().unwrap()));
        assert_eq!(shown["payouts_enabled"], account["payouts_enabled"], "{shown} {account}");
        assert_eq!(shown["details_submitted"], account["details_submitted"]);
        assert_eq!(shown["capabilities"]["transfers"], account["capabilities"]["transfers"]);
        assert_eq!(shown["requirements"], account["requirements"]);
    }
    for (kind, field) in [("topups", "status"), ("transfers", "amount_reversed")] {
        for object in all(kind) {
            let shown = app.read(&format!("/v1/{kind}/{}", object["id"].as_str().unwrap()));
            assert_eq!(shown[field], object[field], "{shown} {object}");
        }
    }
    let last = |id: &Value| {
        let of_it = |event: &&Value| event["data"]["object"]["id"] == *id;
        events.iter().rev().find(of_it)
    };
    for payout in all("payouts") {
        let Some(event) = last(&payout["id"]) else { continue };
        let account = event.get("account").and_then(Value::as_str);
        let owner = account.map_or(String::new(), |account| format!("?account={account}"));
        let shown = app.read(&format!("/v1/payouts/{}{owner}", payout["id"].as_str().unwrap()));
        assert_eq!(shown["status"], payout["status"], "{shown} {payout}");
    }
}

#[test]
fn whatever_was_not_delivered_is_known_after_a_backfill() {
    let seed = torture::seed("whatever_was_not_delivered_is_known_after_a_backfill");
    let (mut fetched, runs) = (0, torture::asked("BACKFILLS", 6));
    for run in 0..runs {
        let mut platform = Platform::new(seed.wrapping_add(run));
        let variables =
            [("STRIPE_KEY", "sk_test_platform"), ("STRIPE_API_BASE", &platform.sandbox.url())];
        let mut app = TestApp::start_with(&variables, Limits::default());
        // Known as an account, and yet not a connected one.
        app.apply(&account(&platform.sandbox.platform));
        let mut events = Vec::new();
        for _ in 0..3 {
            for _ in 0..12 {
                platform.goes_on();
            }
            let mut happened = platform.happened();
            events.extend(happened.clone());
            platform.rng.shuffle(&mut happened);
            let share = platform.rng.f64();
            happened.retain(|_| platform.rng.f64() < share);
            let (before, meanwhile) = happened.split_at(happened.len() / 2);
            for event in before {
                app.outcome(event);
            }
            platform.goes_wrong(0.2);
            let mut id = ask(&app);
            for event in meanwhile {
                app.outcome(event);
            }
            if platform.rng.bool() {
                app.restart();
                id = ask(&app);
            }
            let report = complete(&app, id);
            assert_eq!(report["warnings"], json!([]));
            fetched += report["new"].as_u64().unwrap();
            check(&app, &platform, &events);
        }
    }
    assert!(fetched > 10 * runs, "only {fetched} events were missing at all");
}
