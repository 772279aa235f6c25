//! Our JSON: what objects, events, history and lists look like to a caller.
//!
//! An object is a list of named fields, each already JSON text, so that a read, the history's
//! `changes` and Stripe's own raw fields all come from one place.

mod audit;
mod backfill;
mod fields;
mod operation;
mod summary;

use std::collections::BTreeMap;

pub use audit::audit;
pub use backfill::{backfill, backfill_list};
pub use operation::{error as operation_error, operation, reasons};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::Json;
use crate::domain::account::{Account, Facts};
use crate::domain::balance::Balance;
use crate::domain::change::{Visible, Watched};
use crate::domain::explain;
use crate::domain::fold::{Entry, State};
use crate::domain::id::Kind;
use crate::domain::lifecycle::Step;
use crate::domain::payout::Payout;
use crate::domain::topup::Topup;
use crate::domain::transfer::Transfer;
use crate::http::cursor;
use crate::pipeline::history::Told;
use crate::pipeline::portable::to_rfc3339;
use crate::store::{ChangePage, ChangeRecord, EventRecord, Object, Receipt};
pub use fields::Fields;
pub use summary::{outcomes, statuses, summary};

pub fn object(object: &Object) -> Fields {
    let progress = &object.progress;
    let mut fields = Fields::new();
    if object.key.kind != Kind::Balance {
        fields.put("id", &object.key.id);
    }
    if matches!(object.key.kind, Kind::Payout | Kind::Balance) {
        fields.put("account", &object.key.owner);
    }
    fields.put("livemode", object.key.livemode);
    state(&progress.state, &mut fields);
    if let State::Account(account) = &progress.state {
        fields.put("explanation", explain::account(account, progress.ambiguous));
    }
    if progress.ambiguous {
        fields.put("ambiguous", true);
    }
    let mut as_of = Fields::new();
    as_of
        .put("event_id", &progress.as_of.event_id)
        .put("created", progress.as_of.created)
        .put("recorded_at", to_rfc3339(progress.as_of.recorded_at));
    fields.put_fields("as_of", Some(as_of)).put("version", object.version);
    fields
}

/// What a read shows of the state itself; what `changes` in the history compares.
fn state(state: &State, fields: &mut Fields) {
    match state {
        State::Account(account) => of_account(account, fields),
        State::Topup(topup) => of_topup(topup, fields),
        State::Transfer(transfer) => of_transfer(transfer, fields),
        State::Payout(payout) => of_payout(payout, fields),
        State::Balance(balance) => of_balance(balance, fields),
    }
}

fn of_account(account: &Account, fields: &mut Fields) {
    let profile = account.profile.as_ref();
    let facts = profile.map(|profile| &profile.facts);
    fields
        .put("status", account.status().word())
        .put("payable", account.payable())
        .put("can_receive_transfers", facts.map(Facts::can_receive_transfers))
        .put("payouts_enabled", facts.map(|facts| facts.payouts_enabled))
        .put("charges_enabled", profile.and_then(|profile| profile.charges_enabled))
        .put("details_submitted", facts.map(|facts| facts.details_submitted))
        .put("next_action", account.next_action().word())
        .put("blockers", facts.map(Facts::blockers))
        .put("deadline", facts.and_then(|facts| facts.current_deadline))
        .put_json("requirements", profile.and_then(|profile| profile.requirements.as_ref()))
        .put_fields(
            "capabilities",
            profile.and_then(|profile| profile.capabilities.as_ref()).map(words),
        )
        .put_json("controller", profile.and_then(|profile| profile.controller.as_ref()))
        .put("country", profile.and_then(|profile| profile.country.as_ref()))
        .put("default_currency", profile.and_then(|profile| profile.default_currency.as_ref()))
        .put("type", profile.and_then(|profile| profile.account_type.as_ref()))
        .put("service_agreement", profile.and_then(|p| p.service_agreement.as_ref()));
}

fn words(capabilities: &BTreeMap<String, Json>) -> Fields {
    let mut fields = Fields::new();
    for (name, status) in capabilities {
        fields.put_json(name.clone(), Some(status));
    }
    fields
}

fn of_topup(topup: &Topup, fields: &mut Fields) {
    fields
        .put("status", topup.status.word())
        .put("amount", topup.amount)
        .put("currency", &topup.currency)
        .put("created", topup.created)
        .put("expected_availability_date", topup.expected_availability_date)
        .put("failure_code", &topup.failure_code)
        .put("failure_message", &topup.failure_message)
        .put("transfer_group", &topup.transfer_group);
}

fn of_transfer(transfer: &Transfer, fields: &mut Fields) {
    fields
        .put("status", transfer.status().word())
        .put("amount", transfer.amount)
        .put("amount_reversed", transfer.amount_reversed)
        .put("currency", &transfer.currency)
        .put("destination", &transfer.destination)
        .put("created", transfer.created)
        .put("source_transaction", &transfer.source_transaction)
        .put("transfer_group", &transfer.transfer_group);
}

fn of_payout(payout: &Payout, fields: &mut Fields) {
    fields
        .put("status", payout.status.word())
        .put("failed_after_paid", payout.failed_after_paid)
        .put("amount", payout.amount)
        .put("currency", &payout.currency)
        .put("created", payout.created)
        .put("arrival_date", payout.arrival_date)
        .put("automatic", payout.automatic)
        .put("method", &payout.method)
        .put("destination", &payout.destination)
        .put("failure_code", &payout.failure_code)
        .put("failure_message", &payout.failure_message);
}

fn of_balance(balance: &Balance, fields: &mut Fields) {
    fields
        .put_json("available", balance.available.as_ref())
        .put_json("pending", balance.pending.as_ref());
}

pub fn history_entry(told: &Told) -> Fields {
    let Told { report, before, after, arrived_late } = told;
    let mut fields = Fields::new();
    fields
        .put("event_id", &report.event_id)
        .put("type", &report.event_type)
        .put("created", report.created)
        .put("received_at", to_rfc3339(report.arrival.received_at))
        .put("source", &report.arrival.source)
        .put("step", step_word(after.step))
        .put("arrived_late", arrived_late);
    if after.ambiguous {
        fields.put("ambiguous", true);
    }
    fields
        .put("status_before", before.as_ref().and_then(|entry| entry.state.status()))
        .put("status_after", after.state.status())
        .put_fields("changes", Some(changes(before.as_ref(), after)));
    fields
}

/// The fields that a report changed, each with its values before and after.
fn changes(before: Option<&Entry>, after: &Entry) -> Fields {
    let shown = |entry: &Entry| {
        let mut fields = Fields::new();
        state(&entry.state, &mut fields);
        fields.put("ambiguous", entry.ambiguous);
        fields
    };
    let was = before.map(shown);
    let mut changes = Fields::new();
    for (name, now) in shown(after).iter() {
        let then = was.as_ref().and_then(|was| was.get(name));
        let differs = match then {
            Some(then) => then != now,
            None => !matches!(now, b"null" | b"false") || name == "payable",
        };
        if differs {
            let then = then.unwrap_or(b"null");
            changes.value(name.clone(), |text| {
                text.extend([b"[".as_slice(), then, b",", now, b"]"].concat());
            });
        }
    }
    changes
}

pub fn step_word(step: Step) -> &'static str {
    match step {
        Step::First => "first",
        Step::Advance => "advance",
        Step::Repeat => "repeat",
        Step::Conflict => "conflict",
    }
}

pub fn event(event: &EventRecord) -> Fields {
    let conflicting = event.conflicting_redelivery.then_some("conflicting_redelivery");
    let flags = conflicting.into_iter().chain(event.erased.then_some("erased"));
    let mut fields = Fields::new();
    fields
        .put("id", &event.id)
        .put("type", &event.event_type)
        .put("created", event.created)
        .put("received_at", to_rfc3339(event.received_at))
        .put("source", &event.source)
        .put("livemode", event.livemode)
        .put("account", &event.account)
        .put("api_version", &event.api_version)
        .put("object", &event.object_id)
        .put("outcome", event.outcome.word())
        .put("reason", &event.reason)
        .put("flags", flags.collect::<Vec<_>>());
    fields
}

/// An event, and in a sentence what it did or why it did nothing.
pub fn explained(event: &EventRecord, explanation: &str) -> Fields {
    let mut fields = self::event(event);
    fields.put("explanation", explanation);
    fields
}

/// An entry of the change feed.
fn change(entry: &ChangeRecord) -> Fields {
    let (before, after) = (entry.change.before, entry.change.after);
    let (amount_reversed, failed_after_paid) = match after.facts {
        Watched::Transfer { amount_reversed, .. } => (Some(amount_reversed), None),
        Watched::Payout { failed_after_paid, .. } => (None, Some(failed_after_paid)),
        Watched::Account { .. } | Watched::Topup { .. } => (None, None),
    };
    let mut fields = Fields::new();
    fields
        .put("sequence", entry.sequence)
        .put("kind", entry.object.kind.word())
        .put("id", &entry.object.id)
        .put("account", entry.object.account())
        .put("livemode", entry.object.livemode)
        .put("status_before", before.map(Visible::status))
        .put("status_after", after.status())
        .put("payable_before", before.and_then(Visible::payable))
        .put("payable_after", after.payable())
        .put("ambiguous", after.ambiguous)
        .put("amount_reversed", amount_reversed)
        .put("failed_after_paid", failed_after_paid)
        .put("event_id", &entry.event_id)
        .put("created", entry.created)
        .put("recorded_at", to_rfc3339(entry.recorded_at));
    fields
}

/// An entry as a stream tells it, where each stands alone.
pub fn streamed_change(entry: &ChangeRecord, epoch: &str) -> Vec<u8> {
    let mut fields = change(entry);
    fields.put("epoch", epoch);
    fields.into_json()
}

/// A part of the change feed.
#[derive(Serialize)]
pub struct ChangeList<'a> {
    data: Vec<Fields>,
    next: u64,
    epoch: &'a str,
    livemode: bool,
}

pub fn change_list<'a>(page: &ChangePage, epoch: &'a str, livemode: bool) -> ChangeList<'a> {
    ChangeList { data: page.items.iter().map(change).collect(), next: page.next, epoch, livemode }
}

pub fn receipt(receipt: &Receipt) -> Value {
    json!({ "id": receipt.id, "outcome": receipt.outcome.word() })
}

pub fn receipts(receipts: &[Receipt], dry_run: bool) -> Value {
    let results: Vec<Value> = receipts.iter().map(receipt).collect();
    json!({ "results": results, "dry_run": dry_run })
}

/// One page of a list.
#[derive(Serialize)]
pub struct List {
    data: Vec<Fields>,
    next_cursor: Option<String>,
    livemode: bool,
}

pub fn list(data: Vec<Fields>, next_cursor: Option<String>, livemode: bool) -> List {
    List { data, next_cursor, livemode }
}

pub fn next(list: &str, next: Option<u64>) -> Option<String> {
    next.map(|sequence| cursor::encode(list, &sequence.to_string()))
}
