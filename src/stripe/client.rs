//! Calls to Stripe: what is sent, and what is known afterwards.
//!
//! What a call left behind is told in three ways, since money depends on it: Stripe has refused it
//! ([`CallError::Refused`]), it certainly did nothing ([`CallError::NotDone`]), or nobody knows
//! ([`CallError::Unknown`]). Where two of them could be meant, it is the last.
//!
//! Read `verdict` first: it is the table of all answers. `transport` is the only place that opens
//! connections.
//!
//! **Never in here:** what a call is for, the store, or a reading of the clock. The key is in no
//! message and in no `Debug`.

mod form;
mod metered;
mod rest;
mod transport;
mod verdict;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

pub use form::{Form, path};
pub use metered::Metered;
pub use rest::{Rest, Sleep, jittered};

use crate::secret::Secret;
use transport::{Request, Transport};
use verdict::{Attempt, Verdict};

/// Sent with every call, so that answers keep their shape.
pub const API_VERSION: &str = "2026-07-29.dahlia";

/// The verbs of Stripe's API that have a use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// One logical call. However often it has to be sent, it is done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: Method,
    /// Below the API's base, such as `/v1/accounts`; [`path`] makes it of parts that need care.
    pub path: String,
    /// The connected account on whose behalf it is made.
    pub account: Option<String>,
    /// In the query of a GET, in the body of a POST.
    pub params: Form,
    /// Of a POST, 1 to 255 characters. One is made up for a POST without it, which then can be
    /// repeated within this call only.
    pub idempotency_key: Option<String>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path, None)
    }

    pub fn post(path: impl Into<String>, idempotency_key: impl Into<String>) -> Self {
        Self::new(Method::Post, path, Some(idempotency_key.into()))
    }

    fn new(method: Method, path: impl Into<String>, idempotency_key: Option<String>) -> Self {
        let (path, params) = (path.into(), Form::default());
        Self { method, path, account: None, params, idempotency_key }
    }

    #[must_use]
    pub fn on_behalf_of(self, account: Option<&str>) -> Self {
        Self { account: account.map(str::to_owned), ..self }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.params.push(name, value);
        self
    }
}

/// What Stripe answered to a call that it has done.
#[derive(Clone)]
pub struct Answer {
    /// 200 to 299.
    pub status: u16,
    /// A JSON object, as it came.
    pub body: Box<RawValue>,
    /// Stripe's name for this exchange, `req_...`.
    pub request_id: Option<String>,
    /// It is the stored answer of an earlier call with the same key.
    pub replayed: bool,
    /// Stripe's clock when it answered, in Unix seconds.
    pub date: Option<u64>,
}

impl Answer {
    /// The body as a value; null when it holds what no value can (a lone surrogate).
    pub fn value(&self) -> Value {
        serde_json::from_str(self.body.get()).unwrap_or_default()
    }

    /// Reads what is wanted of the body, and skips the rest, whatever it is.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.body.get()).ok()
    }

    /// The `id` of the object that was answered.
    pub fn id(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            id: String,
        }
        self.read::<Named>().map(|named| named.id)
    }
}

/// Without the body: people's data is in it.
impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, body: _, request_id, replayed, date } = self;
        formatter
            .debug_struct("Answer")
            .field("status", status)
            .field("request_id", request_id)
            .field("replayed", replayed)
            .field("date", date)
            .finish_non_exhaustive()
    }
}

/// Stripe's own words about a refusal. For the one who asked; a message can repeat what was sent.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StripeError {
    /// `type`, such as `invalid_request_error`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Such as `balance_insufficient`; match this, never the message.
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub param: Option<String>,
}

impl StripeError {
    /// What names the refusal best.
    pub fn word(&self) -> &str {
        let kind = Some(self.kind.as_str()).filter(|kind| !kind.is_empty());
        self.code.as_deref().or(kind).unwrap_or("no details")
    }

    /// What can be told to anyone: Stripe's words for programs, and which field was wrong.
    pub fn in_short(&self) -> String {
        let word = self.word().to_owned();
        self.param.as_ref().map_or(word.clone(), |param| format!("{word}, {param}"))
    }
}

/// Without the message.
impl fmt::Debug for StripeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("StripeError").field(&self.in_short()).finish()
    }
}

/// Why a call has no answer, by what is known about its effect. Reasons are in our words: Stripe's
/// can repeat what is personal.
///
/// It speaks of this call alone. Where an earlier call with the same idempotency key ended as
/// [`CallError::Unknown`], only an [`Answer`] or a [`CallError::Refused`] settles it, and of these
/// not a refusal with 401 or 403: Stripe says that before it looks at the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Stripe said no, and did nothing. The same again gives the same.
    #[error("Stripe refused the call with {status}: {}", .error.in_short())]
    Refused { status: u16, error: StripeError, request_id: Option<String> },
    /// It never got to Stripe, or Stripe turned it away unread. `retry`: sending it again, with the
    /// same key, may do better; otherwise what is sent, or the settings, must change first.
    #[error("the call was not made: {reason}")]
    NotDone { reason: String, retry: bool, request_id: Option<String> },
    /// It was sent, and what became of it nobody knows.
    #[error("what became of the call is not known: {reason}")]
    Unknown { reason: String, request_id: Option<String> },
}

impl CallError {
    /// Whether the same may do better later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NotDone { retry, .. } => *retry,
            Self::Unknown { .. } => true,
            Self::Refused { .. } => false,
        }
    }

    /// Without Stripe's own words, which can repeat what is personal.
    pub fn plainly(&self) -> String {
        match self {
            Self::Refused { status, error, .. } => {
                format!("Stripe refused the call with {status} ({})", error.word())
            }
            Self::NotDone { .. } | Self::Unknown { .. } => self.to_string(),
        }
    }

    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused { request_id, .. }
            | Self::NotDone { request_id, .. }
            | Self::Unknown { request_id, .. } => request_id.as_deref(),
        }
    }
}

/// A way to Stripe, and where it leads.
#[derive(Clone)]
pub struct Access {
    pub stripe: Arc<dyn Stripe>,
    /// The partition that the key works in.
    pub livemode: bool,
    /// The version of the API in which answers are.
    pub version: String,
}

/// Who makes calls. One call is one logical call: what is safe to send again is sent again.
#[async_trait]
pub trait Stripe: Send + Sync {
    async fn call(&self, call: &Call) -> Result<Answer, CallError>;
}

/// As whom, where to, and in which version of the API.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    pub key: Secret,
    /// Without a slash at its end, such as `https://api.stripe.com`.
    pub api_base: String,
    pub version: String,
}

impl ClientSettings {
    /// The partition that the key works in.
    pub fn livemode(&self) -> bool {
        self.key.expose().split('_').nth(1) == Some("live")
    }
}

/// How long is waited, and how often a call is sent again.
#[derive(Clone, Copy, Debug)]
pub struct Persistence {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For one answer, from the start of the attempt to the answer's last byte.
    pub answer: Duration,
    /// Attempts after the first.
    pub retries: u32,
}

impl Default for Persistence {
    /// What Stripe's own libraries do.
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(80), retries: 2 }
    }
}

/// Calls Stripe over the network.
pub struct Client {
    transport: Transport,
    rest: Box<dyn Rest>,
    retries: u32,
}

impl Client {
    /// Fails when the system gives no thread.
    pub fn new(settings: ClientSettings) -> std::io::Result<Self> {
        Self::with(settings, Persistence::default(), Box::new(Sleep))
    }

    pub fn with(
        settings: ClientSettings,
        persistence: Persistence,
        rest: Box<dyn Rest>,
    ) -> std::io::Result<Self> {
        let transport = Transport::start(settings, persistence)?;
        Ok(Self { transport, rest, retries: persistence.retries })
    }

    async fn attempt(&self, request: &Request) -> Attempt {
        let attempt = self.transport.send(request.clone()).await;
        tracing::debug!(
            method = ?request.call.method,
            path = %request.call.path,
            account = request.call.account,
            outcome = %attempt,
            "called Stripe"
        );
        attempt
    }
}

#[async_trait]
impl Stripe for Client {
    async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let request = Request::of(call);
        let (mut doubt, mut attempts) = (None, 0);
        loop {
            attempts += 1;
            let Verdict { result, again } = self.attempt(&request).await.verdict();
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error.after(doubt.take()),
            };
            if !again || attempts > self.retries {
                return Err(error);
            }
            self.rest.before_retry(attempts).await;
            doubt = matches!(error, CallError::Unknown { .. }).then_some(error);
        }
    }
}
