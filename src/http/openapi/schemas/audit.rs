//! The audit trail.

use serde_json::Value;

use crate::domain::audit::AuditAction;
use crate::http::error::Code;
use crate::http::openapi::schema::{
    at_times, boolean, field, integer, list, map, object, or_null, page, text, time, words,
};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![("Act", act()), ("AuditList", page("Act"))]
}

fn act() -> Value {
    let details = object(
        "What else was asked for.",
        vec![
            at_times("decision", text("With `resolve`: what is said to have become of it.")),
            at_times("object_id", or_null(text("With `resolve`: what it is said to have made."))),
            at_times("kind", text("With `refetch`: of the object.")),
            at_times("account", or_null(text("With `refetch`: whose the object is."))),
            at_times("full", boolean("With `backfill`: as far back as Stripe goes.")),
        ],
    );
    object(
        "Something that an operator did.",
        vec![
            field("id", text("Of the entry.")),
            field("at", time("When it was begun.")),
            field("livemode", or_null(boolean("The partition; null is both."))),
            field("actor", text("The token's name.")),
            field("role", text("In which it was done.")),
            field("address", or_null(text("The client's."))),
            field("action", words("What was done.", AuditAction::WORDS)),
            field("objects", list("The first hundred ids of what it was done to.", text("An id."))),
            field("count", integer("Of all that it was done to.")),
            field("details", details),
            field("reason", or_null(text("The operator's words."))),
            field(
                "outcome",
                words("`begun`: what came of it is not known.", ["begun", "done", "failed"]),
            ),
            field("results", or_null(map("How many came to which outcome.", integer("How many.")))),
            field("made", or_null(text("The id of what was made."))),
            field(
                "code",
                or_null(words("Why it failed.", Code::ALL.iter().map(|code| code.word()))),
            ),
        ],
    )
}
