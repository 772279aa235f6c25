//! Calls to Stripe, and backfills.

use serde_json::Value;

use crate::domain::operation::{Action, OperationState};
use crate::http::openapi::schema::{
    at_times, boolean, field, integer, list, object, of, or_null, page, stripes, text, time, words,
};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("Operation", operation()),
        ("OperationList", page("Operation")),
        ("Reason", reason()),
        ("StripeError", stripe_error()),
        ("Link", link()),
        ("OnboardedUser", onboarded_user()),
        ("Backfill", backfill()),
        ("BackfillList", backfill_list()),
    ]
}

fn operation() -> Value {
    let terms = object(
        "What a transfer is to be.",
        vec![
            field("amount", integer("In minor units.")),
            field("currency", text("In small letters.")),
            field("destination", text("The connected account.")),
            field("transfer_group", or_null(text("As it was given."))),
            field("wait_for_funds", boolean("It is held until the balance covers it.")),
            field("topup", or_null(text("The top-up whose money is waited for."))),
        ],
    );
    let settled = object(
        "How the outcome came to be known.",
        vec![
            field("by", words("By what.", ["answer", "event", "lookup", "operator", "bursar"])),
            at_times("event_id", text("The event that told of it.")),
            at_times("name", text("The operator's token.")),
            at_times("reason", text("The operator's.")),
        ],
    );
    object(
        "Something that is asked of Stripe.",
        vec![
            field("id", text("Of the operation; Stripe's objects carry it in their metadata.")),
            field("livemode", boolean("Live, or test mode.")),
            field("action", words("What is asked.", Action::ALL.map(Action::word))),
            field(
                "state",
                words("How far it has come.", OperationState::ALL.map(OperationState::word)),
            ),
            field("explanation", text("The same; for people.")),
            field("object_id", or_null(text("What it made."))),
            field("object", stripes("What Stripe answered, without what is personal.")),
            field("subject", or_null(text("What it is done to."))),
            field("terms", or_null(terms)),
            field("idempotency_key", text("The caller's.")),
            field("requested_by", text("The token's name.")),
            field("requested_at", time("When it was asked for.")),
            field("updated_at", time("When it came this far.")),
            field("attempt", integer("From 1; each has a key of its own at Stripe.")),
            field("sent_at", or_null(time("When this attempt was sent first."))),
            field("request_id", or_null(text("Stripe's, of the last answer."))),
            field("error", or_null(of("StripeError"))),
            field("reasons", list("Why bursar itself refused.", of("Reason"))),
            field("warnings", list("What did not keep it from being done.", of("Reason"))),
            field("settled", or_null(settled)),
            field("version", integer("Counts its steps.")),
        ],
    )
}

fn reason() -> Value {
    object(
        "A reason or a warning.",
        vec![field("code", text("For programs.")), field("detail", text("For people."))],
    )
}

fn stripe_error() -> Value {
    object(
        "What Stripe said, or why there is no answer.",
        vec![
            field("status", or_null(integer("Of Stripe's answer."))),
            field("type", or_null(text("Stripe's word."))),
            field("code", or_null(text("Stripe's word."))),
            field("message", text("Stripe's sentence, or bursar's.")),
            field("param", or_null(text("The parameter that Stripe names."))),
        ],
    )
}

fn link() -> Value {
    object(
        "A link to onboarding, for one visit.",
        vec![
            field("url", text("Where to send the account's holder.")),
            field("expires_at", integer("Unix seconds.")),
        ],
    )
}

fn onboarded_user() -> Value {
    object(
        "An account, and a link to its onboarding.",
        vec![
            field("url", text("Where to send the account's holder.")),
            field("account", text("The connected account.")),
        ],
    )
}

fn backfill() -> Value {
    let counts = || {
        vec![
            field("fetched", integer("Events that Stripe listed.")),
            field("new", integer("Those that were not known.")),
            field("known", integer("Those that were.")),
            field("parked", integer("New ones that could not be used.")),
        ]
    };
    let mut of_account = vec![
        field("account", or_null(text("Null is the platform."))),
        field("skipped", or_null(text("Why Stripe does not show it."))),
        field("failed", or_null(text("Why it was not read."))),
    ];
    of_account.extend(counts());
    let mut fields = vec![
        field("id", text("Of the run.")),
        field("state", words("How far it is.", ["waiting", "running", "complete", "failed"])),
        field("reason", or_null(text("Why it failed."))),
        field("by", text("Who asked.")),
        field("full", boolean("As far back as Stripe goes.")),
        field("asked_at", time("When.")),
        field("ended_at", or_null(time("When."))),
        field("since", or_null(integer("How far back, Unix seconds; null is all the way."))),
        field("lists", integer("Lists that were read.")),
    ];
    fields.extend(counts());
    fields.extend([
        field("discovered", integer("Accounts of which nothing was known.")),
        field("refetched", integer("Objects that were fetched as they are now.")),
        field("warnings", list("What to know.", text("A sentence."))),
        field("accounts", list("Lists that had something in them.", object("A list.", of_account))),
    ]);
    object("A run that fetches missed events.", fields)
}

fn backfill_list() -> Value {
    object("The last runs.", vec![field("data", list("Newest first.", of("Backfill")))])
}
