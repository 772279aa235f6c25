//! The only place where a failure becomes a status code.
//!
//! Errors are `application/problem+json` (RFC 9457) with a stable `code` for programs beside the
//! sentence for people.

mod code;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

pub use code::Code;

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
    #[error(
        "too many wrong tokens came from this address: compare yours with BURSAR_TOKENS; wrong ones \
         are looked at again in {seconds} s, a right one at any time"
    )]
    TooManyAttempts { seconds: u64 },
    #[error("this needs a token with the role {needed}")]
    Forbidden { needed: &'static str },
    #[error("no {what} with the id `{id}` is known{hint}")]
    NotFound { what: &'static str, id: String, hint: &'static str },
    #[error(
        "no balance is known yet; `?account=` names a connected account, without it the platform's \
         own is meant, and `?livemode=` shows the other partition"
    )]
    NoBalance,
    #[error(
        "these operations are about the account, and still need what would be erased: {}; erase it \
         once they have ended (`GET /v1/operations/ID` says how they stand)",
        .0.join(", ")
    )]
    OperationsOpen(Vec<String>),
    #[error(
        "the store's folder holds copies from repairs, which may have the same data: {}; move them \
         away or delete them, and erase again",
        .0.join(", ")
    )]
    CopiesInFolder(Vec<String>),
    #[error("there is nothing at this path")]
    NoSuchPath,
    #[error("this path answers {allow} only")]
    MethodNotAllowed { allow: String },
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
    #[error("the request line and the headers are larger than {most} bytes together")]
    HeadersTooLarge { most: usize },
    #[error("there are more than {most} headers")]
    TooManyHeaders { most: usize },
    #[error("no whole request came in {seconds} s")]
    HeadTooSlow { seconds: u64 },
    #[error("this port speaks TLS: ask with https")]
    TlsRequired,
    #[error("deliveries are not taken from this address; see BURSAR_WEBHOOK_NETWORKS")]
    NetworkNotAllowed,
    #[error(
        "a page of another host asks, and BURSAR_INSECURE_NO_AUTH is for this machine alone: ask \
         at http://127.0.0.1, or set BURSAR_TOKENS"
    )]
    ForeignPage,
    #[error("{most} streams of changes are open; poll GET /v1/changes, or try again")]
    TooManyStreams { most: usize },
    #[error("bursar takes in as much as it can; try again")]
    Overloaded,
    #[error("bursar is stopping")]
    Draining,
}

impl ApiError {
    /// What it is for programs. The message beside it is for people and may change.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Receive(ReceiveError::Signature(error)) => match error {
                SignatureError::Missing => Code::SignatureMissing,
                SignatureError::Malformed(_) => Code::SignatureMalformed,
                SignatureError::Mismatch => Code::SignatureMismatch,
                SignatureError::OutOfTolerance { .. } => Code::TimestampOutOfTolerance,
            },
            Self::Receive(ReceiveError::NotAnEvent(_))
            | Self::Replay(ReplayError::NotAnEvent { .. }) => Code::NotAnEvent,
            Self::Receive(ReceiveError::Commit(CommitError::Overloaded))
            | Self::Replay(ReplayError::Commit(CommitError::Overloaded))
            | Self::TooManyStreams { .. }
            | Self::Overloaded => Code::Overloaded,
            Self::Store(StoreError::Damaged(_) | StoreError::ViewsDamaged(_))
            | Self::Request(RequestError::Store(
                StoreError::Damaged(_) | StoreError::ViewsDamaged(_),
            ))
            | Self::Replay(ReplayError::Store(
                StoreError::Damaged(_) | StoreError::ViewsDamaged(_),
            )) => Code::StoreDamaged,
            Self::Receive(ReceiveError::Commit(CommitError::Store(_) | CommitError::Stopping))
            | Self::Replay(
                ReplayError::Commit(CommitError::Store(_) | CommitError::Stopping)
                | ReplayError::Store(_),
            )
            | Self::Store(_)
            | Self::Draining => Code::StoreUnavailable,
            Self::Replay(ReplayError::UnknownEvents(_))
            | Self::NotFound { .. }
            | Self::NoBalance
            | Self::NoSuchPath => Code::NotFound,
            Self::Replay(ReplayError::NotParked(_)) => Code::NotParked,
            Self::Refetch(error) => of_refetch(error),
            Self::OperationsOpen(_) => Code::OperationsOpen,
            Self::CopiesInFolder(_) => Code::CopiesInFolder,
            Self::NoStripeKey => Code::StripeKeyMissing,
            Self::Request(error) => refusal::of_request(error),
            Self::Refused(operation) => refusal::of_operation(operation),
            Self::IdempotencyKeyMissing => Code::IdempotencyKeyMissing,
            Self::IdempotencyKeyInvalid => Code::IdempotencyKeyInvalid,
            Self::InvalidRequest(_) => Code::InvalidRequest,
            Self::Unauthorized => Code::Unauthorized,
            Self::TooManyAttempts { .. } => Code::TooManyAttempts,
            Self::Forbidden { .. } => Code::Forbidden,
            Self::MethodNotAllowed { .. } => Code::MethodNotAllowed,
            Self::BodyTooLarge { .. } => Code::BodyTooLarge,
            Self::HeadersTooLarge { .. } | Self::TooManyHeaders { .. } => Code::HeadersTooLarge,
            Self::TlsRequired => Code::TlsRequired,
            Self::NetworkNotAllowed => Code::NetworkNotAllowed,
            Self::ForeignPage => Code::ForeignPage,
            Self::HeadTooSlow { .. } | Self::BodyTooSlow { .. } => Code::RequestTimeout,
            Self::BodyUnreadable(_) => Code::BodyUnreadable,
            Self::InvalidBody(_) => Code::InvalidBody,
            Self::InvalidParameter(_) => Code::InvalidParameter,
            Self::FeedRestarted { .. } => Code::FeedRestarted,
        }
    }

    /// Whether the message is about our own insides, which are for the log only.
    pub(super) fn is_internal(&self) -> bool {
        let told = matches!(
            self.code(),
            Code::Overloaded
                | Code::StripeKeyMissing
                | Code::StripeRefused
                | Code::StripeUnavailable
                | Code::OutcomeUnknown
                | Code::NotSent
        ) || matches!(self, Self::Draining);
        self.status_code().is_server_error() && !told
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        if refusal::is_for_money(self) {
            return StatusCode::PAYMENT_REQUIRED;
        }
        // Stripe delivers again after a 5xx: a failure of ours costs a delay, not an event.
        let status = StatusCode::from_u16(self.code().status());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let code = self.code();
        let detail = if self.is_internal() {
            tracing::error!(error = %self, code = code.word(), "a request failed");
            said_outside(code).to_owned()
        } else {
            self.to_string()
        };
        let mut response = HttpResponse::build(status);
        response.content_type("application/problem+json");
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"bursar\""));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE && code != Code::StoreDamaged {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if let Self::TooManyAttempts { seconds } = self {
            response.insert_header((header::RETRY_AFTER, *seconds));
        }
        if let Self::MethodNotAllowed { allow } = self {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        let word = code.word();
        let mut problem = json!({
            "type": format!("urn:bursar:problem:{word}"),
            "title": title(word),
            "status": status.as_u16(),
            "detail": detail,
            "code": word,
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

fn of_refetch(error: &RefetchError) -> Code {
    match error {
        RefetchError::Call(CallError::Refused { status: 404, .. })
        | RefetchError::Deleted { .. } => Code::NotFound,
        // The key is fine; the account is not the platform's.
        RefetchError::Call(CallError::Refused { status: 403, error, .. })
            if error.code.as_deref() == Some("account_invalid") =>
        {
            Code::NotFound
        }
        RefetchError::Call(CallError::Refused { .. } | CallError::NotDone { retry: false, .. }) => {
            Code::StripeRefused
        }
        RefetchError::Call(CallError::NotDone { .. } | CallError::Unknown { .. })
        | RefetchError::Unusable(_) => Code::StripeUnavailable,
        RefetchError::OtherMode { .. } => Code::OtherMode,
        RefetchError::Commit(CommitError::Overloaded) => Code::Overloaded,
        RefetchError::Commit(CommitError::Store(_) | CommitError::Stopping) => {
            Code::StoreUnavailable
        }
    }
}

/// What a failure of our own is to those outside; the log has the rest.
fn said_outside(code: Code) -> &'static str {
    if code == Code::StoreDamaged {
        "what is stored of this is damaged, and asking again does not help: the log names the \
         place, and `bursar verify` lists all such places"
    } else {
        "the store cannot be used now; try again"
    }
}

fn title(code: &str) -> String {
    let mut words = code.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
