//! The calls of operations, as Stripe spells them, and what is kept of the answers.

use serde_json::{Map, Value};

use crate::domain::Json;
use crate::domain::operation::{Action, Operation};
use crate::stripe::client::{Answer, Call, Form, path};
use crate::stripe::wire::OPERATION;

/// The metadata in which an account carries the platform's own name for its holder.
pub const REFERENCE: &str = "bursar_reference";

/// The guide's account: the platform bears fees and losses, Stripe collects what it must know.
pub const CONTROLLER: [(&str, &str); 3] = [
    ("controller[losses][payments]", "application"),
    ("controller[fees][payer]", "application"),
    ("controller[stripe_dashboard][type]", "express"),
];

/// Fields of an answer that are kept: what says what was made. Nothing that is personal.
const KEPT: &[&str] = &[
    "id",
    "object",
    "livemode",
    "created",
    "status",
    "type",
    "country",
    "default_currency",
    "details_submitted",
    "charges_enabled",
    "payouts_enabled",
    "capabilities",
    "controller",
    "account",
    "amount",
    "amount_reversed",
    "currency",
    "destination",
    "transfer",
    "transfer_group",
    "reversed",
    "expected_availability_date",
    "failure_code",
    "failure_message",
    "statement_descriptor",
    "expires_at",
];

/// The call that an operation is; the same each time, until its attempt is another.
pub fn call_of(operation: &Operation) -> Call {
    let subject = operation.subject.as_deref().unwrap_or_default();
    let path = match operation.action {
        Action::CreateAccount => path(&["v1", "accounts"]),
        Action::CreatePerson => path(&["v1", "accounts", subject, "persons"]),
        Action::CreateOnboardingLink => path(&["v1", "account_links"]),
        Action::CreateTopup => path(&["v1", "topups"]),
        Action::CancelTopup => path(&["v1", "topups", subject, "cancel"]),
        Action::CreateTransfer => path(&["v1", "transfers"]),
        Action::ReverseTransfer => path(&["v1", "transfers", subject, "reversals"]),
    };
    let mut params = Form::default();
    operation.parameters().iter().for_each(|(name, value)| params.push(name, value));
    if carries_metadata(operation.action) {
        params.push(&format!("metadata[{OPERATION}]"), &operation.id);
    }
    Call { params, ..Call::post(path, operation.stripe_key()) }
}

fn carries_metadata(action: Action) -> bool {
    match action {
        Action::CreateAccount
        | Action::CreatePerson
        | Action::CreateTopup
        | Action::CreateTransfer
        | Action::ReverseTransfer => true,
        Action::CreateOnboardingLink | Action::CancelTopup => false,
    }
}

/// What is kept of an answer. A link is for one person's eyes, once, and its address never is.
pub fn kept_of(answer: &Answer) -> Json {
    let Value::Object(all) = answer.value() else { return Json("{}".to_owned()) };
    let kept: Map<String, Value> =
        all.into_iter().filter(|(name, _)| KEPT.contains(&name.as_str())).collect();
    Json(Value::Object(kept).to_string())
}

/// The call that asks Stripe for what an operation may have made; `None` where there is none to
/// ask with. Not asked by time: Stripe's clock need not be ours, and that of a sandbox is set.
pub fn lookup_of(operation: &Operation) -> Option<Call> {
    let subject = operation.subject.as_deref().unwrap_or_default();
    let list = |path: String| Call::get(path).with("limit", 100);
    let terms = operation.terms.as_ref();
    match operation.action {
        Action::CreateAccount => Some(list(path(&["v1", "accounts"]))),
        Action::CreatePerson => Some(list(path(&["v1", "accounts", subject, "persons"]))),
        Action::CreateTopup => Some(list(path(&["v1", "topups"]))),
        Action::CreateTransfer => {
            let call = list(path(&["v1", "transfers"]));
            let destination = terms.map(|terms| &terms.destination);
            Some(destination.into_iter().fold(call, |call, id| call.with("destination", id)))
        }
        Action::ReverseTransfer => Some(list(path(&["v1", "transfers", subject, "reversals"]))),
        Action::CancelTopup => Some(Call::get(path(&["v1", "topups", subject]))),
        Action::CreateOnboardingLink => None,
    }
}

/// Whether an answer is one to this call, and not whatever something between us and Stripe says.
pub fn names_what_was_made(action: Action, answer: &Answer) -> bool {
    match action {
        Action::CreateOnboardingLink => link_of(answer).is_some(),
        Action::CreateAccount
        | Action::CreatePerson
        | Action::CreateTopup
        | Action::CancelTopup
        | Action::CreateTransfer
        | Action::ReverseTransfer => answer.id().is_some_and(|id| !id.is_empty()),
    }
}

/// What a page of a list says about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// It made the object with this id.
    Made(String),
    /// Not on this page; the next one goes on after this id.
    GoOn(String),
    /// Nowhere in the list.
    Nowhere,
    /// It is no list that can be trusted to be whole.
    Unusable,
}

/// Looks for the object that an operation made.
pub fn listed(operation: &str, answer: &Answer) -> Listed {
    let page = answer.value();
    let (Some(data), Some(has_more)) =
        (page.get("data").and_then(Value::as_array), page.get("has_more").and_then(Value::as_bool))
    else {
        return Listed::Unusable;
    };
    let id = |object: &Value| object.get("id").and_then(Value::as_str).map(str::to_owned);
    let made = data.iter().find(|object| {
        let metadata = object.get("metadata").and_then(|metadata| metadata.get(OPERATION));
        metadata.and_then(Value::as_str) == Some(operation)
    });
    match (made.map(id), has_more, data.last().map(id)) {
        (Some(Some(id)), _, _) => Listed::Made(id),
        (Some(None), _, _) | (None, true, None | Some(None)) => Listed::Unusable,
        (None, true, Some(Some(last))) => Listed::GoOn(last),
        (None, false, _) => Listed::Nowhere,
    }
}

/// The status of an object that was fetched.
pub fn status_of(answer: &Answer) -> Option<String> {
    answer.value().get("status").and_then(Value::as_str).map(str::to_owned)
}

/// Where people go who come back from onboarding.
#[derive(Clone, Debug, Default)]
pub struct ReturnUrls {
    pub refresh_url: Option<String>,
    pub return_url: Option<String>,
}

/// Whether a browser can be sent there: http or https, and a host.
pub fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = text.chars().all(|c| c.is_ascii_graphic());
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    is_plain && host.is_some_and(|host| !host.is_empty() && !host.starts_with(':'))
}

/// A link that a person is sent to.
#[derive(Clone)]
pub struct Link {
    pub url: String,
    /// Unix seconds.
    pub expires_at: i64,
}

pub fn link_of(answer: &Answer) -> Option<Link> {
    let value = answer.value();
    let url = value.get("url")?.as_str()?.to_owned();
    Some(Link { url, expires_at: value.get("expires_at")?.as_i64()? })
}

/// What of a balance is available, in minor units by currency.
pub fn available_in(available: &Json, currency: &str) -> Option<i64> {
    let entries: Vec<Value> = serde_json::from_str(&available.0).ok()?;
    let is_it = |entry: &&Value| entry.get("currency").and_then(Value::as_str) == Some(currency);
    entries.iter().find(is_it)?.get("amount")?.as_i64()
}
