//! Events in Stripe's spelling: the way back from what `stripe::wire` reads.

use bursar::domain::Json;
use bursar::domain::account::{Facts, Fields, Previous, Profile, Snapshot};
use bursar::domain::event::Says;
use bursar::domain::id::{Kind, ObjectKey};
use serde_json::{Map, Value, json};

use super::{Content, Told};

pub(super) fn body(told: &Told, key: &ObjectKey, delivery: usize) -> String {
    let mut event = json!({
        "id": told.id,
        "object": "event",
        "api_version": "2026-07-29.dahlia",
        "created": told.created,
        "data": { "object": object(&told.content, key) },
        "livemode": key.livemode,
        // Says how many deliveries are due, which is not content.
        "pending_webhooks": delivery,
        "type": told.event_type,
    });
    if let Some(account) = key.account() {
        event["account"] = account.into();
    }
    if let Some(previous) = previous(&told.content) {
        event["data"]["previous_attributes"] = previous;
    }
    event.to_string()
}

fn object(content: &Content, key: &ObjectKey) -> Value {
    let mut object = match content {
        Content::Ignored => json!({ "object": "person" }),
        // Nothing that is needed is there.
        Content::Unusable => json!({ "object": key.kind.word() }),
        Content::Says(says) => said(says, key),
    };
    if object.get("id").is_none() && key.kind != Kind::Balance {
        object["id"] = key.id.as_str().into();
    }
    object
}

fn said(says: &Says, key: &ObjectKey) -> Value {
    match says {
        Says::Account(snapshot) => account(&snapshot.profile),
        Says::Capability(capability) => json!({
            "id": capability.name,
            "object": "capability",
            "account": key.id,
            "status": capability.status,
        }),
        Says::Authorization(_) => json!({ "id": "ca_1", "object": "application" }),
        Says::Topup(topup) => json!({
            "object": "topup",
            "status": topup.status.word(),
            "amount": topup.amount,
            "currency": topup.currency,
            "created": topup.created,
            "expected_availability_date": topup.expected_availability_date,
            "failure_code": topup.failure_code,
            "failure_message": topup.failure_message,
            "livemode": key.livemode,
            "transfer_group": topup.transfer_group,
        }),
        Says::Transfer(transfer) => json!({
            "object": "transfer",
            "amount": transfer.amount,
            "amount_reversed": transfer.amount_reversed,
            "currency": transfer.currency,
            "created": transfer.created,
            "destination": transfer.destination,
            "source_transaction": transfer.source_transaction,
            "transfer_group": transfer.transfer_group,
        }),
        Says::Payout(payout) => json!({
            "object": "payout",
            "status": payout.status.word(),
            "amount": payout.amount,
            "currency": payout.currency,
            "created": payout.created,
            "arrival_date": payout.arrival_date,
            "automatic": payout.automatic,
            "method": payout.method,
            "destination": payout.destination,
            "failure_code": payout.failure_code,
            "failure_message": payout.failure_message,
        }),
        Says::Balance(balance) => json!({
            "object": "balance",
            "available": value(balance.available.as_ref()),
            "pending": value(balance.pending.as_ref()),
        }),
    }
}

fn account(profile: &Profile) -> Value {
    let capabilities = profile.capabilities.iter().flatten();
    let capabilities: Map<String, Value> =
        capabilities.map(|(name, status)| (name.clone(), value(Some(status)))).collect();
    json!({
        "object": "account",
        "capabilities": capabilities,
        "charges_enabled": profile.charges_enabled,
        "controller": value(profile.controller.as_ref()),
        "country": profile.country,
        "default_currency": profile.default_currency,
        "details_submitted": profile.facts.details_submitted,
        "payouts_enabled": profile.facts.payouts_enabled,
        "requirements": value(profile.requirements.as_ref()),
        "type": profile.account_type,
    })
}

/// `requirements` that say these facts, and perhaps something that no rule reads.
pub(super) fn requirements(facts: &Facts, with_more: bool) -> Json {
    let mut requirements = json!({
        "current_deadline": facts.current_deadline,
        "currently_due": facts.currently_due.0,
        "disabled_reason": facts.disabled_reason,
        "eventually_due": facts.eventually_due.0,
        "past_due": facts.past_due.0,
        "pending_verification": facts.pending_verification.0,
    });
    if with_more {
        requirements["errors"] = json!([{ "code": "invalid_value_other" }]);
    }
    Json(requirements.to_string())
}

fn previous(content: &Content) -> Option<Value> {
    let Content::Says(Says::Account(snapshot)) = content else { return None };
    let Snapshot { previous: Some(previous), .. } = &**snapshot else { return None };
    Some(Value::Object(attributes(previous)))
}

fn attributes(previous: &Previous) -> Map<String, Value> {
    fn put<T: Into<Value> + Clone>(to: &mut Map<String, Value>, name: &str, value: Option<&T>) {
        to.extend(value.map(|value| (name.to_owned(), value.clone().into())));
    }
    let list = |fields: &Option<Fields>| fields.as_ref().map(|fields| fields.0.clone());
    let mut requirements = Map::new();
    put(&mut requirements, "disabled_reason", previous.disabled_reason.as_ref());
    put(&mut requirements, "current_deadline", previous.current_deadline.as_ref());
    put(&mut requirements, "currently_due", list(&previous.currently_due).as_ref());
    put(&mut requirements, "past_due", list(&previous.past_due).as_ref());
    put(&mut requirements, "eventually_due", list(&previous.eventually_due).as_ref());
    put(&mut requirements, "pending_verification", list(&previous.pending_verification).as_ref());
    let mut capabilities = Map::new();
    put(&mut capabilities, "transfers", previous.transfers.as_ref());

    let mut attributes = Map::new();
    put(&mut attributes, "details_submitted", previous.details_submitted.as_ref());
    put(&mut attributes, "payouts_enabled", previous.payouts_enabled.as_ref());
    for (name, inner) in [("requirements", requirements), ("capabilities", capabilities)] {
        put(&mut attributes, name, Some(&inner).filter(|inner| !inner.is_empty()));
    }
    attributes
}

fn value(json: Option<&Json>) -> Value {
    json.map_or(Value::Null, |json| serde_json::from_str(&json.0).expect("JSON of our own"))
}
