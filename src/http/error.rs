//! The only place where a failure becomes a status code.
//!
//! Errors are `application/problem+json` (RFC 9457) with a stable `code` for programs beside the
//! sentence for people.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::domain::operation::Operation;
use crate::http::input::Problem;
use crate::http::refusal;
use crate::pipeline::commit::CommitError;
use crate::pipeline::operations::RequestError;
use crate::pipeline::receive::ReceiveError;
use crate::pipeline::refetch::RefetchError;
use crate::pipeline::replay::ReplayError;
use crate::store::StoreError;
use crate::stripe::client::CallError;
use crate::stripe::signature::SignatureError;

/// Stripe retries by its own schedule; other callers may follow this.
const RETRY_AFTER_SECONDS: &str = "1";

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Refetch(Box<RefetchError>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{}", why(.0))]
    Refused(Box<Operation>),
    #[error("send an Idempotency-Key header: the same key brings the same answer, and one effect")]
    IdempotencyKeyMissing,
    #[error("Idempotency-Key must be given once, with 1 to 255 characters of ASCII")]
    IdempotencyKeyInvalid,
    #[error("{}", all(.0))]
    InvalidRequest(Vec<Problem>),
    #[error("this needs a key of Stripe's: set BURSAR_STRIPE_KEY and start bursar again")]
    NoStripeKey,
    #[error("send `Authorization: Bearer TOKEN` with a token from BURSAR_TOKENS")]
    Unauthorized,
    #[error("this needs a token with the role {needed}")]
    Forbidden { needed: &'static str },
    #[error("no {what} with the id `{id}` is known{hint}")]
    NotFound { what: &'static str, id: String, hint: &'static str },
    #[error(
        "no balance is known yet; `?account=` names a connected account, without it the platform's \
         own is meant, and `?livemode=` shows the other partition"
    )]
    NoBalance,
    #[error("there is nothing at this path")]
    NoSuchPath,
    #[error("this path answers {allow} only")]
    MethodNotAllowed { allow: &'static str },
    #[error("the body is larger than {limit} bytes{remedy}")]
    BodyTooLarge { limit: usize, remedy: &'static str },
    #[error("the body did not come in {seconds} s; send it faster, or several smaller ones")]
    BodyTooSlow { seconds: u64 },
    #[error("the body did not arrive whole: {0}")]
    BodyUnreadable(String),
    #[error("{0}")]
    InvalidBody(String),
    #[error("{0}")]
    InvalidParameter(String),
    #[error(
        "the feed is not the one that was followed so far: its sequences now mean something else. \
         Read all objects anew, and follow from after={newest} with epoch={epoch}"
    )]
    FeedRestarted { epoch: String, newest: u64 },
    #[error("bursar takes in as much as it can; try again")]
    Overloaded,
    #[error("bursar is stopping")]
    Draining,
}

impl ApiError {
    /// A stable word for programs. The message beside it is for people and may change.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Receive(ReceiveError::Signature(error)) => match error {
                SignatureError::Missing => "signature_missing",
                SignatureError::Malformed(_) => "signature_malformed",
                SignatureError::Mismatch => "signature_mismatch",
                SignatureError::OutOfTolerance { .. } => "timestamp_out_of_tolerance",
            },
            Self::Receive(ReceiveError::NotAnEvent(_))
            | Self::Replay(ReplayError::NotAnEvent { .. }) => "not_an_event",
            Self::Receive(ReceiveError::Commit(CommitError::Overloaded))
            | Self::Replay(ReplayError::Commit(CommitError::Overloaded))
            | Self::Overloaded => "overloaded",
            Self::Store(StoreError::Damaged(_) | StoreError::ViewsDamaged(_))
            | Self::Request(RequestError::Store(
                StoreError::Damaged(_) | StoreError::ViewsDamaged(_),
            ))
            | Self::Replay(ReplayError::Store(
                StoreError::Damaged(_) | StoreError::ViewsDamaged(_),
            )) => "store_damaged",
            Self::Receive(ReceiveError::Commit(CommitError::Store(_) | CommitError::Stopping))
            | Self::Replay(
                ReplayError::Commit(CommitError::Store(_) | CommitError::Stopping)
                | ReplayError::Store(_),
            )
            | Self::Store(_)
            | Self::Draining => "store_unavailable",
            Self::Replay(ReplayError::UnknownEvents(_))
            | Self::NotFound { .. }
            | Self::NoBalance
            | Self::NoSuchPath => "not_found",
            Self::Replay(ReplayError::NotParked(_)) => "not_parked",
            Self::Refetch(error) => of_refetch(error),
            Self::NoStripeKey => "stripe_key_missing",
            Self::Request(error) => refusal::of_request(error),
            Self::Refused(operation) => refusal::of_operation(operation),
            Self::IdempotencyKeyMissing => "idempotency_key_missing",
            Self::IdempotencyKeyInvalid => "idempotency_key_invalid",
            Self::InvalidRequest(_) => "invalid_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTooSlow { .. } => "request_timeout",
            Self::BodyUnreadable(_) => "body_unreadable",
            Self::InvalidBody(_) => "invalid_body",
            Self::InvalidParameter(_) => "invalid_parameter",
            Self::FeedRestarted { .. } => "feed_restarted",
        }
    }

    /// Whether the message is about our own insides, which are for the log only.
    pub(super) fn is_internal(&self) -> bool {
        let told = matches!(
            self.code(),
            "overloaded"
                | "stripe_key_missing"
                | "stripe_refused"
                | "stripe_unavailable"
                | "outcome_unknown"
                | "not_sent"
        ) || matches!(self, Self::Draining);
        self.status_code().is_server_error() && !told
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        if refusal::is_for_money(self) {
            return StatusCode::PAYMENT_REQUIRED;
        }
        match self.code() {
            "unauthorized" => StatusCode::UNAUTHORIZED,
            "forbidden" => StatusCode::FORBIDDEN,
            "not_found" => StatusCode::NOT_FOUND,
            "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
            "not_parked"
            | "other_mode"
            | "idempotency_mismatch"
            | "link_already_created"
            | "reference_taken"
            | "outcome_is_known"
            | "refused_by_stripe"
            | "not_done"
            | "not_possible"
            | "account_unknown"
            | "account_not_payable"
            | "region_not_allowed"
            | "balance_insufficient"
            | "currency_not_available"
            | "topup_failed"
            | "stripe_unreachable" => StatusCode::CONFLICT,
            "feed_restarted" => StatusCode::GONE,
            "body_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
            "request_timeout" => StatusCode::REQUEST_TIMEOUT,
            // Stripe delivers again after a 5xx: a failure of ours costs a delay, not an event.
            "overloaded" | "store_unavailable" | "store_damaged" | "stripe_unavailable"
            | "outcome_unknown" => StatusCode::SERVICE_UNAVAILABLE,
            "stripe_key_missing" => StatusCode::NOT_IMPLEMENTED,
            "stripe_refused" | "not_sent" => StatusCode::BAD_GATEWAY,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let code = self.code();
        let detail = if self.is_internal() {
            tracing::error!(error = %self, code, "a request failed");
            said_outside(code).to_owned()
        } else {
            self.to_string()
        };
        let mut response = HttpResponse::build(status);
        response.content_type("application/problem+json");
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"bursar\""));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE && code != "store_damaged" {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if let Self::MethodNotAllowed { allow } = self {
            response.insert_header((header::ALLOW, *allow));
        }
        let mut problem = json!({
            "type": format!("urn:bursar:problem:{code}"),
            "title": title(code),
            "status": status.as_u16(),
            "detail": detail,
            "code": code,
        });
        if let (Self::FeedRestarted { epoch, newest }, Some(members)) =
            (self, problem.as_object_mut())
        {
            members.insert("epoch".to_owned(), epoch.as_str().into());
            members.insert("next".to_owned(), (*newest).into());
        }
        if let Some(members) = problem.as_object_mut() {
            refusal::members(self, members);
        }
        response.body(problem.to_string())
    }
}

fn all(problems: &[Problem]) -> String {
    let each: Vec<String> =
        problems.iter().map(|problem| format!("`{}` {}", problem.field, problem.detail)).collect();
    each.join("; ")
}

fn why(operation: &Operation) -> String {
    let reasons = operation.reasons.iter().map(|reason| reason.detail.as_str());
    let message = operation.error.as_ref().map(|error| error.message.as_str());
    let all: Vec<&str> = message.into_iter().chain(reasons).collect();
    format!("nothing was done: {}", all.join("; "))
}

impl From<RefetchError> for ApiError {
    fn from(error: RefetchError) -> Self {
        Self::Refetch(Box::new(error))
    }
}

fn of_refetch(error: &RefetchError) -> &'static str {
    match error {
        RefetchError::Call(CallError::Refused { status: 404, .. })
        | RefetchError::Deleted { .. } => "not_found",
        RefetchError::Call(CallError::Refused { .. } | CallError::NotDone { retry: false, .. }) => {
            "stripe_refused"
        }
        RefetchError::Call(CallError::NotDone { .. } | CallError::Unknown { .. })
        | RefetchError::Unusable(_) => "stripe_unavailable",
        RefetchError::OtherMode { .. } => "other_mode",
        RefetchError::Commit(CommitError::Overloaded) => "overloaded",
        RefetchError::Commit(CommitError::Store(_) | CommitError::Stopping) => "store_unavailable",
    }
}

/// What a failure of our own is to those outside; the log has the rest.
fn said_outside(code: &str) -> &'static str {
    match code {
        "store_damaged" => {
            "what is stored of this is damaged, and asking again does not help: the log names the \
             place, and `bursar verify` lists all such places"
        }
        _ => "the store cannot be used now; try again",
    }
}

fn title(code: &str) -> String {
    let mut words = code.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
