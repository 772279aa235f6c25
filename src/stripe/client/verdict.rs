//! What an attempt came to, and what that says about the call.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::stripe::client::{Answer, CallError, StripeError};

/// One exchange with Stripe, or what there was of it.
pub(super) enum Attempt {
    Answered(Answered),
    /// It cannot be put into a request.
    Unsendable(String),
    /// No connection: nothing was sent.
    NotSent(String),
    /// Something was sent, and no whole answer came.
    Lost(String),
}

/// An answer whose every byte came.
#[derive(Default)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
    /// `Stripe-Should-Retry`.
    pub(super) should_retry: Option<bool>,
    /// `Stripe-Rate-Limited-Reason` is there.
    pub(super) rate_limited: bool,
    pub(super) replayed: bool,
    pub(super) date: Option<u64>,
    pub(super) body: Vec<u8>,
}

impl fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(answered) => {
                let request_id = answered.request_id.as_deref().unwrap_or("no request id");
                write!(formatter, "{} ({request_id})", answered.status)
            }
            Self::Unsendable(why) | Self::NotSent(why) | Self::Lost(why) => {
                formatter.write_str(why)
            }
        }
    }
}

/// What is known after an attempt, and whether another one is worth it.
pub(super) struct Verdict {
    pub(super) result: Result<Answer, CallError>,
    pub(super) again: bool,
}

impl Attempt {
    pub(super) fn verdict(self) -> Verdict {
        let not_done = |reason, retry| {
            let result = Err(CallError::NotDone { reason, retry, request_id: None });
            Verdict { result, again: retry }
        };
        match self {
            Self::Answered(answered) => answered.verdict(),
            Self::Unsendable(reason) => not_done(reason, false),
            Self::NotSent(reason) => not_done(reason, true),
            Self::Lost(reason) => {
                let result = Err(CallError::Unknown { reason, request_id: None });
                Verdict { result, again: true }
            }
        }
    }
}

impl Answered {
    fn verdict(self) -> Verdict {
        match (self.status, self.refusal()) {
            (200..=299, _) => self.done(),
            (409, Some(error)) => self.conflict(&error),
            // Whoever turned it away did not pass it on.
            (429, error) => self.turned_away(&error.unwrap_or_default()),
            // Whoever had waited for the request may have passed on what came of it.
            (408, _) => self.unknown("no answer in time", false),
            (400..=499, Some(error)) => self.refused(error),
            (500..=599, _) => self.unknown("a failure at Stripe", true),
            // Not Stripe's words: something between us and Stripe has answered.
            _ => self.unknown("no answer of Stripe's", false),
        }
    }

    /// Gateways answer with an `error` too; a type has only Stripe's.
    fn refusal(&self) -> Option<StripeError> {
        #[derive(Deserialize)]
        struct Body {
            error: StripeError,
        }
        let error = serde_json::from_slice::<Body>(&self.body).ok()?.error;
        Some(error).filter(|error| !error.kind.is_empty())
    }

    fn done(self) -> Verdict {
        // A list would be no object of Stripe's, and a cut one no JSON.
        let is_object = self.body.trim_ascii_start().first() == Some(&b'{');
        let body = String::from_utf8(self.body.clone()).ok().filter(|_| is_object);
        match body.and_then(|text| RawValue::from_string(text).ok()) {
            Some(body) => {
                let Self { status, request_id, replayed, date, .. } = self;
                Verdict {
                    result: Ok(Answer { status, body, request_id, replayed, date }),
                    again: false,
                }
            }
            None => self.unknown("an answer that is not JSON", true),
        }
    }

    /// Another request holds what this one needs.
    fn conflict(self, error: &StripeError) -> Verdict {
        if error.code.as_deref() == Some("idempotency_key_in_use") {
            // An earlier request with this key is under way, and is the one that counts.
            return self.unknown("another request with this key is under way", true);
        }
        let retry = self.should_retry != Some(false);
        self.not_done(error, retry, retry)
    }

    fn turned_away(self, error: &StripeError) -> Verdict {
        let waits_for_lock = error.code.as_deref() == Some("lock_timeout") && !self.rate_limited;
        let again = self.should_retry.unwrap_or(waits_for_lock);
        self.not_done(error, true, again)
    }

    fn refused(self, error: StripeError) -> Verdict {
        if error.kind == "idempotency_error" {
            // What the other request has done is not said.
            return self.unknown("the key was used for another request", false);
        }
        let again = self.should_retry == Some(true);
        let Self { status, request_id, .. } = self;
        Verdict { result: Err(CallError::Refused { status, error, request_id }), again }
    }

    fn not_done(self, error: &StripeError, retry: bool, again: bool) -> Verdict {
        let reason = format!("{}: {}", self.status, error.in_short());
        Verdict {
            result: Err(CallError::NotDone { reason, retry, request_id: self.request_id }),
            again,
        }
    }

    fn unknown(self, what: &str, again_by_itself: bool) -> Verdict {
        let reason = format!("{what} ({})", self.status);
        let result = Err(CallError::Unknown { reason, request_id: self.request_id });
        Verdict { result, again: self.should_retry.unwrap_or(again_by_itself) }
    }
}

impl CallError {
    /// What is known when an earlier attempt of the same call, with the same key, had ended in
    /// doubt. Stripe's refusal settles that too, except where it comes before the key is looked at.
    pub(super) fn after(self, doubt: Option<Self>) -> Self {
        let Some(Self::Unknown { reason: before, request_id: of_before }) = doubt else {
            return self;
        };
        match self {
            Self::Refused { status, ref error, ref request_id } if matches!(status, 401 | 403) => {
                let reason = format!("{before}; then {status}: {}", error.in_short());
                Self::Unknown { reason, request_id: request_id.clone().or(of_before) }
            }
            Self::Refused { .. } => self,
            Self::NotDone { reason, request_id, .. } | Self::Unknown { reason, request_id } => {
                let reason = format!("{before}; then {reason}");
                Self::Unknown { reason, request_id: request_id.or(of_before) }
            }
        }
    }
}
