//! Problems, and what the service says of itself.

use serde_json::{Value, json};

use crate::http::error::Code;
use crate::http::openapi::schema::{
    at_times, field, integer, list, object, of, or_null, text, words,
};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![("Problem", problem()), ("Health", health()), ("Document", document())]
}

fn problem() -> Value {
    let wrong = object(
        "A wrong field.",
        vec![field("field", text("Its name.")), field("detail", text("What it must be."))],
    );
    object(
        "Why a request was not answered as wished (RFC 9457).",
        vec![
            field("type", text("`urn:bursar:problem:` and the code.")),
            field("title", text("The code, in words.")),
            field("status", integer("The HTTP status.")),
            field("detail", text("What is wrong, and what helps; for people.")),
            field("code", words("For programs.", Code::ALL.iter().map(|code| code.word()))),
            at_times("errors", list("With `invalid_request`: every wrong field.", wrong)),
            at_times("reasons", list("Why bursar refused to call Stripe.", of("Reason"))),
            at_times("stripe", or_null(of("StripeError"))),
            at_times("request_id", or_null(text("Stripe's."))),
            at_times("operation", of("Operation")),
            at_times("operation_id", text("With `reference_taken`: what made the other account.")),
            at_times("account", or_null(text("With `reference_taken`: the other account."))),
            at_times("epoch", text("With `feed_restarted`: of the feed as it is now.")),
            at_times("next", integer("With `feed_restarted`: where to go on.")),
        ],
    )
}

fn health() -> Value {
    object("It is well.", vec![field("status", text("`alive` or `ready`."))])
}

fn document() -> Value {
    json!({ "type": "object", "description": "OpenAPI 3.1.", "required": ["openapi", "paths"] })
}
