//! Events, the change feed, and what operators are answered.

use serde_json::Value;

use crate::domain::account::AccountStatus;
use crate::domain::event::Outcome;
use crate::domain::id::Kind;
use crate::domain::operation::OperationState;
use crate::domain::payout::PayoutStatus;
use crate::domain::topup::TopupStatus;
use crate::domain::transfer::TransferStatus;
use crate::domain::warning;
use crate::http::openapi::schema::{
    Field, at_times, boolean, field, integer, list, map, object, of, or_null, page, text, time,
    words,
};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    let explanation = field("explanation", text("What it did, or why it did nothing; for people."));
    let epoch = "Which feed this is: sequences of another one mean something else.";
    let page_of_feed = vec![
        field("data", list("Entries, oldest first.", of("Change"))),
        field("next", integer("Goes on as `after`.")),
        field("epoch", text(epoch)),
        field("livemode", boolean("The partition.")),
    ];
    let receipts = vec![
        field("results", list("One for each event.", of("Receipt"))),
        field("dry_run", boolean("Nothing was changed.")),
    ];
    vec![
        ("Event", object("An event that was received.", event())),
        (
            "ExplainedEvent",
            object("An event, explained.", event().into_iter().chain([explanation]).collect()),
        ),
        ("EventList", page("Event")),
        ("Change", change(epoch)),
        ("ChangeList", object("A part of the change feed.", page_of_feed)),
        ("Summary", summary()),
        ("Delivered", receipt(Outcome::STORED.into_iter().chain([Outcome::Duplicate]))),
        ("Receipt", receipt(Outcome::STORED.into_iter().chain([Outcome::Duplicate]))),
        ("Receipts", object("What became of events.", receipts)),
        ("Erased", object("How much is gone of what is personal.", erased())),
    ]
}

fn erased() -> Vec<Field> {
    vec![
        field("account", text("The account.")),
        field("livemode", boolean("The partition.")),
        field("events", integer("Bodies of events that were reduced.")),
        field("operation_steps", integer("Recorded steps of operations that were.")),
        field("already_erased", integer("What had been reduced before.")),
    ]
}

fn event() -> Vec<Field> {
    vec![
        field("id", text("Stripe's id.")),
        field("type", text("Such as `account.updated`.")),
        field("created", or_null(integer("When Stripe made it, Unix seconds."))),
        field("received_at", time("When it came here.")),
        field(
            "source",
            text(
                "The secret's name, `replay:NAME`, `import`, `backfill`, `refetch` or `operation`.",
            ),
        ),
        field("livemode", boolean("Live, or test mode.")),
        field("account", or_null(text("The connected account that it is of."))),
        field("api_version", or_null(text("Of Stripe's API."))),
        field("object", or_null(text("The id of what it is about."))),
        field("outcome", words("What became of it.", Outcome::STORED.map(Outcome::word))),
        field("reason", or_null(text("Why it is parked."))),
        field(
            "flags",
            list(
                "What else is known of it.",
                text(
                    "`conflicting_redelivery`: it came again with another content. `erased`: of \
                     its body only what the rules read is left.",
                ),
            ),
        ),
    ]
}

fn receipt(outcomes: impl Iterator<Item = Outcome>) -> Value {
    object(
        "What became of an event.",
        vec![
            field("id", text("The event's id.")),
            field("outcome", words("What became of it.", outcomes.map(Outcome::word))),
        ],
    )
}

fn change(epoch: &str) -> Value {
    object(
        "An entry of the change feed.",
        vec![
            field("sequence", integer("Its place; grows, with gaps.")),
            field("kind", words("What changed.", Kind::ALL.map(Kind::word))),
            field("id", text("Stripe's id.")),
            field("account", or_null(text("The connected account that it belongs to."))),
            field("livemode", boolean("Live, or test mode.")),
            field("status_before", or_null(text("Null at first sight."))),
            field("status_after", text("Its status now.")),
            field("payable_before", or_null(boolean("Of accounts."))),
            field("payable_after", or_null(boolean("Of accounts."))),
            field("ambiguous", boolean("Reports of one second could not be ordered.")),
            field("amount_reversed", or_null(integer("Of transfers."))),
            field("failed_after_paid", or_null(boolean("Of payouts."))),
            field("event_id", text("The event that brought it about.")),
            field("created", integer("When Stripe made that event, Unix seconds.")),
            field("recorded_at", time("When it came here.")),
            at_times("epoch", text(epoch)),
        ],
    )
}

/// How many there are of each.
fn counts<'w>(about: &str, words: impl IntoIterator<Item = &'w str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    let mut counts = map(about, integer("How many."));
    if let Some(members) = counts.as_object_mut() {
        members.insert("required".to_owned(), words.into());
    }
    counts
}

fn secret() -> Value {
    object(
        "A webhook secret, without showing it.",
        vec![
            field("name", text("The source of its events; several may have it.")),
            field("fingerprint", text("Tells it from others: eight hex digits.")),
            field("last_used", or_null(time("When it last signed what was believed."))),
        ],
    )
}

fn heard() -> Value {
    object(
        "Deliveries of one sort.",
        vec![
            field("count", integer("How many.")),
            field("first", or_null(time("When the first came."))),
            field("last", or_null(time("When the last came."))),
        ],
    )
}

fn warning() -> Value {
    object(
        "A warning; it is gone when it no longer holds.",
        vec![
            field("code", words("For programs.", warning::Code::ALL.map(warning::Code::word))),
            field("source", or_null(text("The source that it is about."))),
            field("message", text("What is wrong, and what helps; for people.")),
            field("since", time("Since when it holds.")),
        ],
    )
}

fn risk() -> Value {
    object(
        "Top-ups that wait to be spent while Stripe pays out by itself.",
        vec![
            field("currency", text("Currency.")),
            field("amount", integer("What waits, in minor units.")),
            field("interval", text("How often Stripe pays out.")),
            field("detail", text("What may happen, and the remedy.")),
        ],
    )
}

fn summary() -> Value {
    let states = OperationState::ALL.map(OperationState::word);
    object(
        "How all stands, in one partition.",
        vec![
            field("livemode", boolean("The partition.")),
            field("events", counts("By outcome.", Outcome::STORED.map(Outcome::word))),
            field("accounts", counts("By status.", AccountStatus::ALL.map(AccountStatus::word))),
            field("topups", counts("By status.", TopupStatus::ALL.map(TopupStatus::word))),
            field("transfers", counts("By status.", TransferStatus::ALL.map(TransferStatus::word))),
            field("payouts", counts("By status.", PayoutStatus::ALL.map(PayoutStatus::word))),
            field("operations", counts("By state.", states)),
            field("conflicts", integer("Reports that no legal move explains.")),
            field("sources", map("When each was last heard.", time("When."))),
            field("secrets", list("The webhook secrets, in their order.", secret())),
            field(
                "deliveries",
                object(
                    "What Stripe delivered, and what it was about.",
                    vec![field("platform", heard()), field("connect", heard())],
                ),
            ),
            field("warnings", list("What an operator should look at now.", warning())),
            field("sweep_risks", list("Money that may be paid out before it is spent.", risk())),
            field("oldest_parked", or_null(time("Since when the oldest parked event waits."))),
        ],
    )
}
