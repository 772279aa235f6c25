//! What callers send. `null` is as good as absent, except where something is needed.

use serde_json::{Value, json};

use crate::domain::id::Kind;
use crate::http::input::{
    LARGEST_AMOUNT, LONGEST_METADATA_NAME, LONGEST_METADATA_VALUE, LONGEST_TEXT, MOST_METADATA,
};
use crate::http::money::{LONGEST_DESCRIPTION, LONGEST_GROUP, LONGEST_STATEMENT};
use crate::http::onboarding::{
    BUSINESS_TYPES, LONGEST_REFERENCE, LONGEST_URL, PERSON_OBJECTS, PERSON_TEXTS, PREFILL,
};
use crate::http::openapi::schema::{
    Field, at_times, boolean, field, list, of, or_null, order, text, with, words,
};
use crate::http::operations::{LONGEST_KEY, LONGEST_REASON, OUTCOMES};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("StripeEvent", stripe_event()),
        ("Replay", replay()),
        ("Because", order("Why; for the audit trail.", vec![reason()])),
        ("Nested", nested()),
        ("Metadata", metadata()),
        ("AccountOrder", order("All is optional.", account())),
        ("PersonOrder", order("All is optional.", person())),
        (
            "LinkOrder",
            order("Where people come back to; by default where the settings say.", urls()),
        ),
        ("OnboardUserOrder", onboard_user()),
        ("TopupOrder", order("Funds to add.", topup())),
        ("Nothing", order("Nothing is needed.", vec![])),
        ("TransferOrder", transfer()),
        ("ReversalOrder", order("What to take back; all that is left, by default.", reversal())),
        ("Resolution", resolution()),
    ]
}

fn stripe_event() -> Value {
    json!({
        "type": "object",
        "description": "An event, as Stripe sends it. Its content type does not matter.",
        "required": ["id", "type"],
        "properties": {
            "id": { "type": "string", "minLength": 1 },
            "type": { "type": "string", "minLength": 1 },
            "object": { "enum": ["event", "v2.core.event"] },
        },
    })
}

fn replay() -> Value {
    let events = list("Events, as Stripe sends them.", of("StripeEvent"));
    let ids = list("Ids of events that are stored.", json!({ "type": "string" }));
    let replay = order(
        "Events, or ids of stored ones; not both.",
        vec![optional("events", events), optional("event_ids", ids), reason()],
    );
    let one = |this: &str, other: &str| {
        let kinds = json!({ this: { "type": "array" }, other: { "type": "null" } });
        json!({ "required": [this], "properties": kinds })
    };
    with(replay, "oneOf", json!([one("events", "event_ids"), one("event_ids", "events")]))
}

/// What is passed on in Stripe's own form.
fn nested() -> Value {
    json!({
        "description": "In Stripe's own form, five levels deep at most.",
        "anyOf": [
            { "type": ["boolean", "number"] },
            { "type": "string", "maxLength": LONGEST_TEXT },
            { "type": "array", "items": of("Nested") },
            {
                "type": "object",
                "propertyNames": { "pattern": r"^[^\[\]]+$" },
                "additionalProperties": of("Nested"),
            },
        ],
    })
}

fn metadata() -> Value {
    json!({
        "type": ["object", "null"],
        "description": "Texts of your own, which Stripe keeps. Names with `bursar_` are bursar's.",
        "maxProperties": MOST_METADATA,
        "propertyNames": {
            "maxLength": LONGEST_METADATA_NAME, "pattern": r"^(?!bursar_)[^\[\]]+$",
        },
        "additionalProperties": { "type": "string", "maxLength": LONGEST_METADATA_VALUE },
    })
}

/// A text of so many characters.
/// An operator's, which may be empty.
fn reason() -> Field {
    let why = or_null(text("Why; for the audit trail."));
    at_times("reason", with(why, "maxLength", LONGEST_REASON.into()))
}

fn bounded(about: &str, longest: usize) -> Value {
    with(with(text(about), "minLength", 1.into()), "maxLength", longest.into())
}

fn matching(about: &str, pattern: &str) -> Value {
    with(text(about), "pattern", pattern.into())
}

fn optional(name: &'static str, schema: Value) -> Field {
    at_times(name, or_null(schema))
}

/// An object, or a list, in Stripe's own form.
fn passed(name: &'static str) -> Field {
    let form = json!({
        "type": ["object", "array", "null"],
        "description": "In Stripe's own form.",
        "items": of("Nested"),
        "propertyNames": { "pattern": r"^[^\[\]]+$" },
        "additionalProperties": of("Nested"),
    });
    at_times(name, form)
}

fn amount() -> Value {
    json!({
        "type": "integer", "description": "In minor units: 1000 is 10.00.",
        "minimum": 1, "maximum": LARGEST_AMOUNT,
    })
}

fn currency() -> Value {
    matching("Three letters, such as usd.", "^[A-Za-z]{3}$")
}

fn id(about: &str, kind: Kind) -> Value {
    let prefix = kind.id_prefix().unwrap_or_default();
    with(matching(about, &format!("^{prefix}")), "maxLength", LONGEST_KEY.into())
}

fn description() -> Field {
    optional("description", bounded("Shown in Stripe's Dashboard.", LONGEST_DESCRIPTION))
}

fn group() -> Field {
    optional("transfer_group", bounded("What belongs together.", LONGEST_GROUP))
}

fn reference() -> Value {
    bounded("Your own id of the account's holder; no two accounts have one.", LONGEST_REFERENCE)
}

fn account_details() -> Vec<Field> {
    let country = matching("Two letters, such as US.", "^[A-Za-z]{2}$");
    let business = words("What kind of business it is.", BUSINESS_TYPES.iter().copied());
    let external = json!({
        "type": ["string", "object", "null"],
        "description": "A token of Stripe's, or the bank account in Stripe's own form.",
        "propertyNames": { "pattern": r"^[^\[\]]+$" },
        "additionalProperties": of("Nested"),
    });
    let mut fields = vec![
        optional("country", country),
        optional("email", bounded("Of the holder.", LONGEST_TEXT)),
        optional("business_type", business),
        optional("default_currency", currency()),
        at_times("external_account", external),
        at_times("metadata", of("Metadata")),
    ];
    fields.extend(PREFILL.iter().map(|name| passed(name)));
    fields
}

fn account() -> Vec<Field> {
    let mut fields = account_details();
    fields.push(optional("reference", reference()));
    fields
}

fn person() -> Vec<Field> {
    let texts = PERSON_TEXTS.iter().map(|name| optional(name, bounded("Prefilled.", LONGEST_TEXT)));
    let objects = PERSON_OBJECTS.iter().map(|name| passed(name));
    texts.chain(objects).chain([at_times("metadata", of("Metadata"))]).collect()
}

fn urls() -> Vec<Field> {
    let url = |about| with(bounded(about, LONGEST_URL), "format", "uri".into());
    vec![
        optional(
            "refresh_url",
            url("Where a holder goes whose link is no longer good. https in live mode."),
        ),
        optional(
            "return_url",
            url("Where a holder goes who leaves onboarding. https in live mode."),
        ),
    ]
}

fn onboard_user() -> Value {
    let mut fields = vec![field("reference", reference())];
    fields.extend(account_details());
    fields.extend(urls());
    with(
        order("Whom to onboard; the account's fields count when it is created.", fields),
        "examples",
        json!([{ "reference": "user-7" }]),
    )
}

fn topup() -> Vec<Field> {
    let statement = "On the bank statement: ASCII, with a letter, without <, >, \\, ', \" and *.";
    let pattern = r"^(?=.*[A-Za-z])[ -!#-&()+-;=?-\[\]-~]+$";
    let statement = with(matching(statement, pattern), "maxLength", LONGEST_STATEMENT.into());
    vec![
        field("amount", amount()),
        field("currency", currency()),
        description(),
        optional("statement_descriptor", statement),
        group(),
        optional("source", bounded("In test mode, such as btok_us_verified.", LONGEST_TEXT)),
        at_times("metadata", of("Metadata")),
    ]
}

fn transfer() -> Value {
    let fields = vec![
        field("amount", amount()),
        field("currency", currency()),
        field("destination", id("The account to pay.", Kind::Account)),
        group(),
        description(),
        at_times("metadata", of("Metadata")),
        optional("wait_for_funds", boolean("Hold it until the balance covers it.")),
        optional(
            "topup",
            id("With `wait_for_funds`: first until this has succeeded.", Kind::Topup),
        ),
    ];
    let example = json!({ "amount": 1000, "currency": "usd", "destination": "acct_1" });
    with(order("Whom to pay, and what.", fields), "examples", json!([example]))
}

fn reversal() -> Vec<Field> {
    vec![optional("amount", amount()), description(), at_times("metadata", of("Metadata"))]
}

fn resolution() -> Value {
    let fields = vec![
        field("outcome", words("What became of it.", OUTCOMES)),
        field("reason", bounded("How you know.", LONGEST_REASON)),
        optional("object_id", bounded("What it made; with `succeeded`.", LONGEST_KEY)),
    ];
    let example = json!({ "outcome": "refused", "reason": "Not in the Dashboard." });
    with(order("What you found out.", fields), "examples", json!([example]))
}
