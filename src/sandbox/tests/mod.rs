//! The state machine, without a server: calls and time in, answers and events out.
//!
//! Whatever is answered or made is held against the tables of what Stripe's objects look like.

mod accounts;
mod balance_settings;
mod calls;
mod listeners;
mod money;
mod payments;
mod webhooks;

use serde_json::Value;

use crate::sandbox::api::{Answer, Call, Received, Sandbox};
use crate::sandbox::shapes::OBJECTS;
use crate::sandbox::world::{DAY, Settings};

/// A Wednesday, at noon.
const NOON: i64 = 1_790_164_800;

struct Scene {
    sandbox: Sandbox,
    now: i64,
    events_seen: usize,
}

impl Scene {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let sandbox = Sandbox::new(settings, Vec::new(), NOON);
        Self { sandbox, now: NOON, events_seen: 0 }
    }

    fn send(&mut self, call: Call) -> Answer {
        let answer = self.send_unchecked(call);
        if answer.status == 200 {
            check_shape(&answer.body);
        }
        for event in self.sandbox.world.events_from(self.events_seen) {
            check_shape(&self.sandbox.world.event_view(event));
            check_shape(&event.object);
        }
        self.events_seen = self.sandbox.world.events_made();
        answer
    }

    /// The same for what answers no object of the API.
    fn send_unchecked(&mut self, call: Call) -> Answer {
        let key = call.key.or_else(|| Some("sk_test_scene".to_owned()));
        match self.sandbox.receive(Call { key, ..call }) {
            Received::Answered(answer) => answer,
            Received::UnderWay(under_way) => self.sandbox.perform(under_way),
        }
    }

    #[track_caller]
    fn ok(&mut self, method_path: &str, form: &str) -> Value {
        let answer = self.send(call(method_path, form));
        assert_eq!(answer.status, 200, "{method_path} {form}: {}", answer.body);
        answer.body
    }

    #[track_caller]
    fn ok_for(&mut self, account: &str, method_path: &str, form: &str) -> Value {
        let answer =
            self.send(Call { account: Some(account.to_owned()), ..call(method_path, form) });
        assert_eq!(answer.status, 200, "{method_path} {form}: {}", answer.body);
        answer.body
    }

    /// The error of a call that is refused.
    #[track_caller]
    fn refused(&mut self, method_path: &str, form: &str) -> Value {
        let answer = self.send(call(method_path, form));
        assert_ne!(answer.status, 200, "{method_path} {form}: {}", answer.body);
        answer.body["error"].clone()
    }

    fn advance(&mut self, seconds: i64) {
        self.now += seconds;
        self.sandbox.advance(self.now);
    }

    /// An account that can be sent funds: onboarded, with these values and test ones.
    fn payable_account(&mut self, values: &[(&str, &str)]) -> String {
        let account = self.ok("POST /v1/accounts", EXPRESS);
        let id = text(&account, "id");
        self.onboard(&id, values);
        self.advance(60);
        id
    }

    fn onboard(&mut self, id: &str, values: &[(&str, &str)]) {
        let values = values.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned()));
        self.sandbox.world.onboard(id, &values.collect()).unwrap();
    }

    fn fund(&mut self, amount: i64) {
        let order = serde_json::json!({ "amount": amount, "currency": "usd" });
        self.sandbox.world.add_funds(&order).unwrap();
    }

    /// Types of the events of an account, oldest first; of the platform without one.
    fn kinds(&self, account: Option<&str>) -> Vec<&str> {
        let events = self.sandbox.world.events_from(0);
        events.filter(|event| event.account.as_deref() == account).map(|event| event.kind).collect()
    }

    fn last_event(&self, kind: &str) -> Value {
        let events = self.sandbox.world.events_from(0).filter(|event| event.kind == kind);
        let event = events.last().unwrap_or_else(|| panic!("no {kind}"));
        self.sandbox.world.event_view(event)
    }
}

/// As in the guide.
const EXPRESS: &str = "controller[losses][payments]=application&controller[fees][payer]=application\
                       &controller[stripe_dashboard][type]=express";

fn call(method_path: &str, form: &str) -> Call {
    let (method, path) = method_path.split_once(' ').unwrap();
    Call {
        method: method.to_owned(),
        path: path.to_owned(),
        form: form.to_owned(),
        ..Call::default()
    }
}

#[track_caller]
fn check_shape(object: &Value) {
    let items = match object.get("object").and_then(Value::as_str) {
        Some("list") => object["data"].as_array().unwrap().clone(),
        // It comes from Connect, not from the calls.
        Some("application") => return,
        Some(_) | None => vec![object.clone()],
    };
    for item in items {
        assert_eq!(OBJECTS.problems(&item), Vec::<String>::new(), "{item:#}");
    }
}

#[track_caller]
fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}
