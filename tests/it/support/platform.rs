//! A platform: bursar, and a sandbox in the place of Stripe that it calls and that delivers to it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use bursar::sandbox::server::{Clock, Options, Running, start};
use bursar::sandbox::world::Settings;
use serde_json::{Value, json};

use crate::support::app::{PAYER, TestApp};
use crate::support::client::{Answer, Request};
use bursar::pipeline::commit::Limits;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
const IN_THE_PAST: i64 = -40 * 86_400;

pub(crate) struct Platform {
    pub(crate) app: TestApp,
    pub(crate) stripe: Running,
}

impl Platform {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these variables, named without `BURSAR_`, put over the usual ones.
    pub(crate) fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::start_at(0, variables)
    }

    /// Can be advanced for days without leaving the present behind.
    pub(crate) fn start_in_the_past() -> Self {
        Self::start_at(IN_THE_PAST, &[])
    }

    /// With a sandbox whose clock is so much off.
    pub(crate) fn start_at(offset_seconds: i64, variables: &[(&str, &str)]) -> Self {
        let stripe = sandbox(offset_seconds);
        let url = stripe.url();
        let usual = [
            ("STRIPE_KEY", "sk_test_platform"),
            ("STRIPE_API_BASE", url.as_str()),
            ("PLATFORM_COUNTRY", "US"),
        ];
        let variables = [usual.as_slice(), variables].concat();
        let app = TestApp::start_with(&variables, Limits::default());
        let platform = Self { app, stripe };
        platform.listen();
        platform
    }

    /// Has the sandbox deliver to the service where it listens now.
    pub(crate) fn listen(&self) {
        let url = format!("http://{}/webhooks/stripe", self.app.address());
        self.stripe.with(|sandbox| {
            let endpoints = &mut sandbox.world;
            for (connect, secret) in [(false, "whsec_platform"), (true, "whsec_connect_new")] {
                endpoints.register_endpoint(url.clone(), connect, Some(secret.to_owned()));
            }
        });
    }

    /// Asks for something, under a key of the caller's.
    #[track_caller]
    pub(crate) fn order(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.app.send(&order(path, key, body))
    }

    /// Asks for something that must come to this.
    #[track_caller]
    pub(crate) fn done(&self, status: u16, path: &str, key: &str, body: &Value) -> Value {
        let answer = self.order(path, key, body);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, status, "{path}: {text}");
        answer.json()
    }

    /// A connected account that can be paid, and is known to be.
    #[track_caller]
    pub(crate) fn payable(&self, name: &str) -> String {
        self.payable_in(name, "US")
    }

    #[track_caller]
    pub(crate) fn payable_in(&self, name: &str, country: &str) -> String {
        let body = json!({ "reference": name, "country": country });
        let account = self.done(201, "/v1/accounts", &format!("account-{name}"), &body);
        let id = account["object_id"].as_str().unwrap().to_owned();
        self.stripe.with(|sandbox| sandbox.world.onboard(&id, &BTreeMap::new())).unwrap();
        self.stripe.advance(10);
        self.until(&format!("/v1/accounts/{id}"), "payable", &json!(true));
        id
    }

    /// Money that can be spent, and is known to be there.
    #[track_caller]
    pub(crate) fn funds(&self, amount: i64) {
        // Two balances of one second could not be told apart.
        self.stripe.advance(2);
        let order = json!({ "amount": amount, "currency": "usd" });
        let balance = self.stripe.with(|sandbox| sandbox.world.add_funds(&order)).unwrap();
        self.until("/v1/balance", "available", &balance["available"]);
    }

    /// Waits until a field of a read is this.
    #[track_caller]
    pub(crate) fn until(&self, path: &str, field: &str, value: &Value) -> Value {
        let start = Instant::now();
        loop {
            let answer = self.app.get(path);
            let body = if answer.status == 200 { answer.json() } else { Value::Null };
            if body[field] == *value {
                return body;
            }
            assert!(start.elapsed() < PATIENCE, "{path}: {field} is not {value}: {body}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The sandbox is told to misbehave.
    pub(crate) fn fault(&self, order: &Value) {
        let fault = bursar::sandbox::api::faults::Fault::read(order).unwrap();
        self.stripe.with(|sandbox| sandbox.faults.plan(fault));
    }

    /// The calls of this kind that the sandbox saw: method, path, key.
    pub(crate) fn calls(&self, method: &str, path: &str) -> Vec<Seen> {
        self.stripe.with(|sandbox| {
            let journal = sandbox.journal.iter();
            let calls = journal.filter(|seen| seen.method == method && seen.path == path);
            calls
                .map(|seen| Seen {
                    key: seen.idempotency_key.clone().unwrap_or_default(),
                    params: seen.params.clone(),
                    effects: seen.effects.clone(),
                })
                .collect()
        })
    }

    /// The objects that calls with this path have made.
    pub(crate) fn made(&self, path: &str) -> Vec<String> {
        self.calls("POST", path).into_iter().flat_map(|seen| seen.effects).collect()
    }
}

/// A call as the sandbox saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) key: String,
    pub(crate) params: Value,
    /// Ids of what it made.
    pub(crate) effects: Vec<String>,
}

/// A sandbox whose accounts are checked at once, and whose clock is so much off.
pub(crate) fn sandbox(offset_seconds: i64) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Settings { review_seconds: 0, ..Settings::default() };
    let clock = Clock::System { offset_seconds };
    start(listener, Options { settings, clock, ..Options::default() }).unwrap()
}

pub(crate) fn order(path: &str, key: &str, body: &Value) -> Request {
    Request::post(path, body.to_string()).token(PAYER).header("Idempotency-Key", key)
}
