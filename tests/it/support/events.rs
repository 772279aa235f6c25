//! Events, as small as the rules let them be. Each has an id of its own and is a second newer
//! than the one built before it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use crate::support::now;

/// Some hours ago.
static START: LazyLock<i64> = LazyLock::new(|| now() - 40_000);
static BUILT: AtomicI64 = AtomicI64::new(0);

pub(crate) fn event(event_type: &str, object: Value) -> Value {
    let number = BUILT.fetch_add(1, Ordering::Relaxed);
    let mut event = json!({
        "id": format!("evt_{number:05}"),
        "object": "event",
        "api_version": "2026-07-29.dahlia",
        "created": *START + number,
        "data": {},
        "livemode": false,
        "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
        "type": event_type,
    });
    event["data"]["object"] = object;
    event
}

/// An account that can be paid and of which nothing is asked.
pub(crate) fn account(id: &str) -> Value {
    let object = json!({
        "id": id,
        "object": "account",
        "capabilities": { "card_payments": "active", "transfers": "active" },
        "charges_enabled": true,
        "controller": { "type": "application", "fees": { "payer": "application" } },
        "country": "US",
        "default_currency": "usd",
        "details_submitted": true,
        "payouts_enabled": true,
        "requirements": {
            "current_deadline": null,
            "currently_due": [],
            "disabled_reason": null,
            "eventually_due": [],
            "past_due": [],
            "pending_verification": [],
        },
        "type": "none",
    });
    of(id, event("account.updated", object))
}

/// The same account, no longer able to receive.
pub(crate) fn restricted(id: &str) -> Value {
    [
        ("data.object.capabilities.transfers", json!("inactive")),
        ("data.object.payouts_enabled", json!(false)),
        ("data.object.requirements.disabled_reason", json!("requirements.past_due")),
        ("data.object.requirements.past_due", json!(["individual.id_number"])),
        ("data.object.requirements.currently_due", json!(["individual.id_number"])),
    ]
    .into_iter()
    .fold(account(id), |event, (path, value)| with(event, path, value))
}

pub(crate) fn capability(account: &str, name: &str, status: &str) -> Value {
    let object =
        json!({ "id": name, "object": "capability", "account": account, "status": status });
    of(account, event("capability.updated", object))
}

/// `verb` is `authorized` or `deauthorized`.
pub(crate) fn application(account: &str, verb: &str) -> Value {
    let object = json!({ "id": "ca_1", "object": "application", "name": "Margin Notes" });
    of(account, event(&format!("account.application.{verb}"), object))
}

/// `verb` ends the type; the status says what Stripe's objects say.
pub(crate) fn topup(id: &str, verb: &str, status: &str) -> Value {
    let object = json!({
        "id": id,
        "object": "topup",
        "amount": 2000,
        "created": 1_790_672_800,
        "currency": "usd",
        "expected_availability_date": 1_791_104_800,
        "failure_code": null,
        "failure_message": null,
        "livemode": false,
        "status": status,
        "transfer_group": "week_40",
    });
    event(&format!("topup.{verb}"), object)
}

pub(crate) fn transfer(id: &str, verb: &str, amount_reversed: i64) -> Value {
    let object = json!({
        "id": id,
        "object": "transfer",
        "amount": 1000,
        "amount_reversed": amount_reversed,
        "created": 1_791_105_700,
        "currency": "usd",
        "destination": "acct_nora",
        "livemode": false,
        "source_transaction": null,
        "transfer_group": "week_40",
    });
    event(&format!("transfer.{verb}"), object)
}

/// A payout of the platform itself; see [`of`].
pub(crate) fn payout(id: &str, verb: &str, status: &str) -> Value {
    let object = json!({
        "id": id,
        "object": "payout",
        "amount": 1000,
        "arrival_date": 1_791_331_200,
        "automatic": true,
        "created": 1_791_192_100,
        "currency": "usd",
        "destination": "ba_1",
        "failure_code": null,
        "failure_message": null,
        "livemode": false,
        "method": "standard",
        "status": status,
    });
    event(&format!("payout.{verb}"), object)
}

/// The platform's own balance; see [`of`].
pub(crate) fn balance(amount: i64) -> Value {
    let funds = |amount| json!([{ "amount": amount, "currency": "usd" }]);
    let object = json!({
        "object": "balance",
        "available": funds(amount),
        "livemode": false,
        "pending": funds(7),
    });
    event("balance.available", object)
}

/// One event of every tracked kind of object, each about an object nobody has heard of.
pub(crate) fn one_of_each() -> Vec<(&'static str, Value)> {
    vec![
        ("/v1/accounts/acct_1", account("acct_1")),
        ("/v1/accounts/acct_2", capability("acct_2", "transfers", "active")),
        ("/v1/accounts/acct_3", application("acct_3", "deauthorized")),
        ("/v1/topups/tu_1", topup("tu_1", "created", "pending")),
        ("/v1/transfers/tr_1", transfer("tr_1", "created", 0)),
        ("/v1/payouts/po_1", payout("po_1", "created", "pending")),
        ("/v1/payouts/po_1?account=acct_1", of("acct_1", payout("po_1", "created", "pending"))),
        ("/v1/balance", balance(100)),
        ("/v1/balance?account=acct_1", of("acct_1", balance(200))),
    ]
}

/// The event as one of a connected account.
pub(crate) fn of(account: &str, event: Value) -> Value {
    with(event, "account", json!(account))
}

/// The event, in live mode.
pub(crate) fn live(event: Value) -> Value {
    let in_object = event["data"]["object"].get("livemode").is_some();
    let event = with(event, "livemode", json!(true));
    if in_object { with(event, "data.object.livemode", json!(true)) } else { event }
}

/// The event, in the same second as `other`.
pub(crate) fn together_with(other: &Value, event: Value) -> Value {
    with(event, "created", other["created"].clone())
}

/// The event with a field set.
#[track_caller]
pub(crate) fn with(mut event: Value, path: &str, value: Value) -> Value {
    let pointer = format!("/{}", path.replace('.', "/"));
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[name] = value;
    event
}

/// The event with a field taken out.
#[track_caller]
pub(crate) fn without(mut event: Value, path: &str) -> Value {
    let pointer = format!("/{}", path.replace('.', "/"));
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap().as_object_mut().unwrap().shift_remove(name).unwrap();
    event
}
