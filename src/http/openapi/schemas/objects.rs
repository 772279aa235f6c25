//! Objects and their history.

use serde_json::Value;

use crate::domain::account::{AccountStatus, NextAction};
use crate::domain::lifecycle::Step;
use crate::domain::payout::PayoutStatus;
use crate::domain::topup::TopupStatus;
use crate::domain::transfer::TransferStatus;
use crate::http::openapi::schema::{
    Field, at_times, boolean, field, integer, list, map, object, of, or_null, page, stripes, text,
    time, with, words,
};
use crate::http::view::step_word;

pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("Account", account()),
        ("AccountList", page("Account")),
        ("Topup", topup()),
        ("TopupList", page("Topup")),
        ("Transfer", transfer()),
        ("TransferList", page("Transfer")),
        ("Payout", payout()),
        ("PayoutList", page("Payout")),
        ("Balance", balance()),
        ("AsOf", as_of()),
        ("HistoryEntry", history_entry()),
        ("HistoryList", page("HistoryEntry")),
    ]
}

/// What every object has, around its own fields.
fn whole(about: &str, own: Vec<Field>) -> Value {
    let mut fields =
        vec![field("id", text("Stripe's id.")), field("livemode", boolean("Live, or test mode."))];
    fields.extend(own);
    fields.extend(known());
    object(about, fields)
}

fn known() -> [Field; 3] {
    [
        at_times(
            "ambiguous",
            boolean("True when reports of one second could not be ordered; absent otherwise."),
        ),
        field("as_of", of("AsOf")),
        field("version", integer("Grows with every change.")),
    ]
}

fn currency() -> Field {
    field("currency", or_null(text("In small letters.")))
}

fn created() -> Field {
    field("created", or_null(integer("When Stripe made it, Unix seconds.")))
}

fn account() -> Value {
    let next = [
        NextAction::CollectInformation,
        NextAction::WaitForReview,
        NextAction::ContactStripe,
        NextAction::None,
    ];
    let status = words(
        "How it stands, by the newest that is known.",
        AccountStatus::ALL.map(AccountStatus::word),
    );
    whole(
        "A connected account.",
        vec![
            field("status", status),
            field(
                "payable",
                boolean("Whether it can be paid: transfers active and payouts enabled."),
            ),
            field(
                "can_receive_transfers",
                or_null(boolean("The capability `transfers` is active.")),
            ),
            field("payouts_enabled", or_null(boolean("As Stripe says."))),
            field("charges_enabled", or_null(boolean("As Stripe says; never decides `payable`."))),
            field("details_submitted", or_null(boolean("As Stripe says."))),
            field("next_action", words("What is to be done about it.", next.map(NextAction::word))),
            field(
                "blockers",
                or_null(list(
                    "What Stripe asks for now: past due, then currently due.",
                    text("A requirement."),
                )),
            ),
            field("deadline", or_null(integer("When Stripe wants it, Unix seconds."))),
            field("requirements", stripes("As Stripe gave them; null when not known.")),
            field(
                "capabilities",
                or_null(map("Each capability's status, as Stripe gave it.", stripes("A status."))),
            ),
            field("controller", stripes("As Stripe gave it; null when not known.")),
            field("country", or_null(text("Two letters."))),
            field("default_currency", or_null(text("In small letters."))),
            field("type", or_null(text("Stripe's `type`; decides nothing."))),
            field(
                "service_agreement",
                or_null(text("`full` or `recipient`; decides where money may go.")),
            ),
            field("explanation", text("Why it may, or may not, be paid; for people.")),
        ],
    )
}

fn topup() -> Value {
    whole(
        "Money to the platform's balance.",
        vec![
            field("status", words("How it stands.", TopupStatus::ALL.map(TopupStatus::word))),
            field("amount", integer("In minor units.")),
            currency(),
            created(),
            field("expected_availability_date", or_null(integer("Unix seconds."))),
            field("failure_code", or_null(text("Stripe's word."))),
            field("failure_message", or_null(text("Stripe's sentence."))),
            field("transfer_group", or_null(text("As it was given."))),
        ],
    )
}

fn transfer() -> Value {
    let status = words("How it stands.", TransferStatus::ALL.map(TransferStatus::word));
    whole(
        "Money to a connected account.",
        vec![
            field("status", status),
            field("amount", integer("In minor units.")),
            field("amount_reversed", integer("What of it was taken back.")),
            currency(),
            field("destination", or_null(text("The connected account."))),
            created(),
            field("source_transaction", or_null(text("The charge that it is paid from."))),
            field("transfer_group", or_null(text("As it was given."))),
        ],
    )
}

fn owner() -> Field {
    field("account", or_null(text("The connected account it belongs to; null is the platform.")))
}

fn payout() -> Value {
    whole(
        "Money to a bank.",
        vec![
            owner(),
            field("status", words("How it stands.", PayoutStatus::ALL.map(PayoutStatus::word))),
            field("failed_after_paid", boolean("It was called paid before, and came back.")),
            field("amount", integer("In minor units.")),
            currency(),
            created(),
            field("arrival_date", or_null(integer("Unix seconds."))),
            field("automatic", or_null(boolean("Stripe made it by itself."))),
            field("method", or_null(text("`standard` or `instant`."))),
            field("destination", or_null(text("The bank account or card."))),
            field("failure_code", or_null(text("Stripe's word."))),
            field("failure_message", or_null(text("Stripe's sentence."))),
        ],
    )
}

fn balance() -> Value {
    let mut fields = vec![
        owner(),
        field("livemode", boolean("Live, or test mode.")),
        field("available", stripes("As Stripe gave it: amounts by currency.")),
        field("pending", stripes("As Stripe gave it: amounts by currency.")),
    ];
    fields.extend(known());
    object("The latest balance that was reported.", fields)
}

fn as_of() -> Value {
    object(
        "The report that the status rests on.",
        vec![
            field("event_id", text("The event's id.")),
            field("created", integer("When Stripe made it, Unix seconds.")),
            field("recorded_at", time("When it came here.")),
        ],
    )
}

fn history_entry() -> Value {
    let steps = [Step::First, Step::Advance, Step::Repeat, Step::Conflict];
    let pair = with(list("Before and after.", stripes("A value.")), "minItems", 2.into());
    object(
        "What one event said of an object.",
        vec![
            field("event_id", text("The event's id.")),
            field("type", text("Its type.")),
            field("created", integer("When Stripe made it, Unix seconds.")),
            field("received_at", time("When it came here.")),
            field(
                "source",
                text(
                    "The secret's name, `replay:NAME`, `import`, `backfill`, `refetch` or `operation`.",
                ),
            ),
            field("step", words("What it was, in the order that counts.", steps.map(step_word))),
            field("arrived_late", boolean("It came after an event that stands behind it.")),
            at_times("ambiguous", boolean("Its second could not be ordered; absent otherwise.")),
            field("status_before", or_null(text("Null at first sight, and of balances."))),
            field("status_after", or_null(text("Null of balances."))),
            field("changes", map("Each field that it changed.", with(pair, "maxItems", 2.into()))),
        ],
    )
}
