//! What Stripe's API says when it does not do what was asked, in Stripe's words.

use serde_json::{Value, json};

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub message: String,
    pub param: Option<String>,
    /// Whether the call was begun: then the idempotency key keeps this answer.
    pub begun: bool,
}

const INVALID: &str = "invalid_request_error";

impl Refusal {
    /// A parameter is wrong, or the call cannot be.
    pub fn invalid(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status: 400, kind: INVALID, code: None, message, param: None, begun: false }
    }

    /// The call was begun, and the state of things forbids it.
    pub fn not_now(message: impl Into<String>) -> Self {
        Self { begun: true, ..Self::invalid(message) }
    }

    /// The same, for what has a code.
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::not_now(message).code(code)
    }

    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    #[must_use]
    pub fn param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    #[must_use]
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub fn unknown_parameter(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}"))
            .code("parameter_unknown")
            .param(param)
    }

    pub fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}."))
            .code("parameter_missing")
            .param(param)
    }

    pub fn empty(param: &str) -> Self {
        Self::invalid(format!(
            "You passed an empty string for '{param}'. We assume empty values are an attempt to unset a field; however '{param}' cannot be unset. You should remove '{param}' from your request or supply a non-empty value."
        ))
        .code("parameter_invalid_empty")
        .param(param)
    }

    pub fn too_small(param: &str, least: i64) -> Self {
        Self::invalid(format!("This value must be greater than or equal to {least}."))
            .code("parameter_invalid_integer")
            .param(param)
    }

    /// The id in the path names nothing.
    pub fn not_found(kind: &str, id: &str) -> Self {
        Self::no_such(kind, id, "id").status(404)
    }

    /// The id in a parameter names nothing.
    pub fn no_such(kind: &str, id: &str, param: &str) -> Self {
        Self::invalid(format!("No such {kind}: '{id}'")).code("resource_missing").param(param)
    }

    pub fn insufficient_funds() -> Self {
        Self::forbidden(
            "balance_insufficient",
            "You have insufficient available funds in your Stripe account. Try adding funds directly to your available balance by creating Charges using the 4000000000000077 test card. See: https://stripe.com/docs/testing#available-balance",
        )
    }

    pub fn body(&self, request_id: &str) -> Value {
        let Self { status: _, kind, code, message, param, begun: _ } = self;
        let mut error = json!({ "message": message });
        let mut add = |name: &str, value: Value| {
            if let Some(error) = error.as_object_mut() {
                error.insert(name.to_owned(), value);
            }
        };
        if let Some(code) = code {
            add("code", json!(code));
            let anchor = code.replace('_', "-");
            add("doc_url", json!(format!("https://stripe.com/docs/error-codes/{anchor}")));
        }
        if let Some(param) = param {
            add("param", json!(param));
        }
        if *kind == INVALID {
            let url = format!("https://dashboard.stripe.com/test/logs/{request_id}");
            add("request_log_url", json!(url));
        }
        add("type", json!(kind));
        json!({ "error": error })
    }
}
