//! Stripe's stand-in, running in this process, and calls to it as a platform makes them.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bursar::sandbox::server::{EndpointOption, Options, Running, start};
use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::shapes::assert_object;

pub(crate) const KEY: &str = "sk_test_platform";
/// The controller of the guide.
pub(crate) const EXPRESS: &str = "controller[losses][payments]=application&controller[fees][payer]=application&controller[stripe_dashboard][type]=express";
const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const DAY: i64 = 86_400;

pub(crate) struct StandIn {
    pub(crate) running: Running,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default())
    }

    pub(crate) fn start_with(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { running: start(listener, options).unwrap() }
    }

    /// One that sends webhooks there: of the platform and of connected accounts, with one secret.
    pub(crate) fn telling(url: &str, secret: &str, options: Options) -> Self {
        let endpoint = |connect| EndpointOption {
            url: url.to_owned(),
            connect,
            secret: Some(secret.to_owned()),
        };
        Self::start_with(Options { endpoints: vec![endpoint(false), endpoint(true)], ..options })
    }

    /// A call with the platform's key; more headers can be put on it.
    pub(crate) fn request(method: &'static str, path: &str, form: &str) -> Request {
        let query = if form.is_empty() { String::new() } else { format!("?{form}") };
        let request = match method {
            "POST" => Request::post(path, form),
            other => Request::new(other, &format!("{path}{query}")),
        };
        request.token(KEY).header("Content-Type", "application/x-www-form-urlencoded")
    }

    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Answer {
        request.send(self.running.address)
    }

    /// What a call that works answers; its shape is checked.
    #[track_caller]
    pub(crate) fn ok(&self, method: &'static str, path: &str, form: &str) -> Value {
        self.checked(&Self::request(method, path, form))
    }

    #[track_caller]
    pub(crate) fn ok_for(
        &self,
        account: &str,
        method: &'static str,
        path: &str,
        form: &str,
    ) -> Value {
        self.checked(&Self::request(method, path, form).header("Stripe-Account", account))
    }

    #[track_caller]
    fn checked(&self, request: &Request) -> Value {
        let answer = self.send(request);
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{request:?}: {text}");
        let object = answer.json();
        assert_object(&object);
        object
    }

    /// Pulls a lever: `POST /_sandbox/{path}`.
    #[track_caller]
    pub(crate) fn pull(&self, path: &str, order: &Value) -> Value {
        let request = Request::post(&format!("/_sandbox/{path}"), order.to_string());
        let answer = self.send(&request);
        assert_eq!(answer.status, 200, "{path} {order}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    #[track_caller]
    pub(crate) fn look(&self, path: &str) -> Value {
        let answer = self.send(&Request::get(&format!("/_sandbox/{path}")));
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.pull("clock", &json!({ "advance_seconds": seconds }));
    }

    /// An account that went through the onboarding.
    #[track_caller]
    pub(crate) fn payable_account(&self) -> String {
        let account = self.ok("POST", "/v1/accounts", EXPRESS);
        let id = account["id"].as_str().unwrap().to_owned();
        self.pull(&format!("accounts/{id}/onboard"), &json!({}));
        self.advance(60);
        id
    }

    /// Waits until no webhook is on its way.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let start = Instant::now();
        while self.running.with(|sandbox| sandbox.world.outbox.is_busy(sandbox.world.now())) {
            assert!(start.elapsed() < PATIENCE, "{:#}", self.look("deliveries"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
