//! The levers, below `/_sandbox/`: not Stripe's, and needing no key.

use std::collections::BTreeMap;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::sandbox::api::Sandbox;
use crate::sandbox::api::faults::Fault;
use crate::sandbox::api::journal::Record;
use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::server::calls::json as answer;
use crate::sandbox::server::shared::Shared;
use crate::sandbox::world::outbox::{Delivery, Mischief};

pub(super) async fn handle(
    request: HttpRequest,
    body: Bytes,
    shared: Data<Shared>,
) -> HttpResponse {
    let order = if body.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&body) };
    let Ok(order) = order else {
        return problem(400, "the body is not JSON");
    };
    let path = request.path().trim_matches('/').to_owned();
    let path: Vec<&str> = path.split('/').skip(1).collect();
    let method = request.method().as_str();
    if let ("POST", ["clock"]) = (method, path.as_slice()) {
        return match order.get("advance_seconds").and_then(Value::as_i64) {
            Some(seconds) if seconds >= 0 => {
                answer(200, &json!({ "now": shared.advance(seconds) }))
            }
            Some(_) | None => problem(400, "`advance_seconds` is a number that is not negative"),
        };
    }
    match shared.with(|sandbox| pull(sandbox, method, &path, &order)) {
        Ok(value) => answer(200, &value),
        Err(Trouble::NoSuchLever) => {
            problem(404, "there is no such lever; GET /_sandbox lists them")
        }
        Err(Trouble::Refused(text)) => problem(400, &text),
    }
}

fn problem(status: u16, text: &str) -> HttpResponse {
    answer(status, &json!({ "error": { "message": text } }))
}

enum Trouble {
    NoSuchLever,
    Refused(String),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.message)
    }
}

const LEVERS: &[(&str, &str)] = &[
    ("GET /_sandbox/clock", "the sandbox's time"),
    ("POST /_sandbox/clock", "{\"advance_seconds\": N}: moves it forward; what was due happens"),
    ("GET /_sandbox/faults", "what is to go wrong"),
    (
        "POST /_sandbox/faults",
        "{\"fault\": drop|error|rate_limit|lock_timeout|delay, \"when\": before|after, \"method\", \"path\", \"times\", \"skip\", \"milliseconds\", \"kept\", \"chance\"} or {\"webhooks\": drop|fail|duplicate|hold|shuffle|release, \"times\"}",
    ),
    ("DELETE /_sandbox/faults", "nothing goes wrong any more"),
    ("GET /_sandbox/requests", "the calls that were seen, and what each made"),
    ("DELETE /_sandbox/requests", "forgets them"),
    ("GET /_sandbox/deliveries", "webhook deliveries with their attempts"),
    ("GET /_sandbox/listeners", "sessions of `stripe listen`, and what each was told"),
    ("GET /_sandbox/state", "everything there is"),
    (
        "POST /_sandbox/funds",
        "{\"amount\", \"currency\", \"account\"}: money that can be spent at once",
    ),
    (
        "POST /_sandbox/accounts/ID",
        "{\"demand\": [FIELD], \"deadline_seconds\", \"block_payouts\", \"block_charges\"}",
    ),
    (
        "POST /_sandbox/accounts/ID/onboard",
        "{FIELD: value}: the hosted onboarding, with test values for the rest",
    ),
    ("POST /_sandbox/payouts/ID/return", "{\"failure_code\"}: the bank sends a payout back"),
    ("POST /_sandbox/topups/ID/reverse", "the bank takes a top-up back"),
];

fn pull(
    sandbox: &mut Sandbox,
    method: &str,
    path: &[&str],
    order: &Value,
) -> Result<Value, Trouble> {
    let world = &mut sandbox.world;
    Ok(match (method, path) {
        ("GET", []) => {
            LEVERS.iter().map(|(call, does)| json!({ "call": call, "does": does })).collect()
        }
        ("GET", ["clock"]) => json!({ "now": world.now(), "next_due": world.next_due() }),
        ("GET", ["faults"]) => sandbox.faults.view(),
        ("POST", ["faults"]) => go_wrong(sandbox, order)?,
        ("DELETE", ["faults"]) => {
            world.outbox.behave();
            sandbox.faults.clear();
            json!([])
        }
        ("GET", ["requests"]) => sandbox.journal.iter().map(Record::view).collect(),
        ("DELETE", ["requests"]) => {
            sandbox.journal.clear();
            json!([])
        }
        ("GET", ["deliveries"]) => world.outbox.deliveries().iter().map(Delivery::view).collect(),
        ("GET", ["listeners"]) => world.listeners_view(),
        ("GET", ["state"]) => world.state(),
        ("POST", ["funds"]) => world.add_funds(order)?,
        ("POST", ["accounts", id]) => world.press_account(id, order)?,
        ("POST", ["accounts", id, "onboard"]) => world.onboard(id, &texts(order))?,
        ("POST", ["payouts", id, "return"]) => {
            let code = order.get("failure_code").and_then(Value::as_str);
            world.return_payout(id, code.unwrap_or("account_closed"))?
        }
        ("POST", ["topups", id, "reverse"]) => world.reverse_topup(id)?,
        _ => return Err(Trouble::NoSuchLever),
    })
}

fn texts(order: &Value) -> BTreeMap<String, String> {
    let fields = order.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn go_wrong(sandbox: &mut Sandbox, order: &Value) -> Result<Value, Trouble> {
    let Some(word) = order.get("webhooks").and_then(Value::as_str) else {
        sandbox.faults.plan(Fault::read(order).map_err(Trouble::Refused)?);
        return Ok(sandbox.faults.view());
    };
    let outbox = &mut sandbox.world.outbox;
    let times = order.get("times").and_then(Value::as_u64).unwrap_or(1);
    match word {
        "hold" => outbox.hold(true),
        "shuffle" => outbox.shuffle(true),
        "release" => outbox.hold(false),
        other => match Mischief::from_word(other) {
            Some(mischief) => outbox.misbehave(mischief, times),
            None => return Err(Trouble::Refused(format!("webhooks cannot be made to {other}"))),
        },
    }
    Ok(json!({ "webhooks": word, "times": times }))
}
