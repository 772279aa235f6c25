//! Who is asking, and may they? Handlers name the role they need as an argument.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::clock;
use crate::http::error::ApiError;
use crate::http::origin::client_address;
use crate::http::{Handles, body, origin};
use crate::token::{Principal, Role};

/// Who guesses tokens must not fill the log.
const SECONDS_BETWEEN_LINES: u64 = 10;
/// The answer to a wrong token beyond the limit comes this much later.
const HELD_BACK: Duration = Duration::from_millis(100);

/// Anyone with a token.
pub struct Reader;

/// A token with the role `operator`, and what the audit trail keeps of who has it.
pub struct Operator {
    pub name: String,
    pub address: Option<String>,
}

/// A token with the role `payer`.
pub struct Payer(pub Principal);

type Asked<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl FromRequest for Payer {
    type Error = ApiError;
    type Future = Asked<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { principal(&request, Role::Payer).await.map(Self) })
    }
}

impl FromRequest for Reader {
    type Error = ApiError;
    type Future = Asked<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { principal(&request, Role::Reader).await.map(|_| Self) })
    }
}

impl FromRequest for Operator {
    type Error = ApiError;
    type Future = Asked<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let Principal { name, .. } = principal(&request, Role::Operator).await?;
            let address = client_address(&request).map(|address| address.to_string());
            Ok(Self { name, address })
        })
    }
}

async fn principal(request: &HttpRequest, needed: Role) -> Result<Principal, ApiError> {
    let handles = request.app_data::<Data<Handles>>().ok_or(ApiError::Unauthorized)?;
    if handles.insecure_no_auth {
        let is_ours = origin::is_of_this_machine(request.headers());
        return if is_ours { Ok(Principal::anyone()) } else { Err(ApiError::ForeignPage) };
    }
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let first = headers.next();
    let presented = first.filter(|_| headers.next().is_none());
    let token = presented.and_then(|value| bearer(value.as_bytes()));
    let Some(known) = token.and_then(|token| handles.tokens.get().principal(token)) else {
        handles.refusals.note(request);
        // Who shows no token guesses none.
        return Err(if first.is_none() { ApiError::Unauthorized } else { wrong(request).await });
    };
    known.acting_as(needed).ok_or(ApiError::Forbidden { needed: needed.word() })
}

/// Counts a guess. Beyond the limit each takes a while, and a connection of its own.
async fn wrong(request: &HttpRequest) -> ApiError {
    let Some(handles) = request.app_data::<Data<Handles>>() else { return ApiError::Unauthorized };
    match handles.attempts.failed(client_address(request), clock::now()) {
        Ok(()) => {
            handles.requests.token_refused("unknown");
            ApiError::Unauthorized
        }
        Err(seconds) => {
            handles.requests.token_refused("limited");
            tokio::time::sleep(HELD_BACK).await;
            body::end_after_answer(request);
            ApiError::TooManyAttempts { seconds }
        }
    }
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Requests refused for want of a known token, which the log tells of now and then.
#[derive(Default)]
pub struct Refusals {
    untold: AtomicU64,
    /// Unix seconds.
    quiet_until: AtomicU64,
}

impl Refusals {
    fn note(&self, request: &HttpRequest) {
        self.untold.fetch_add(1, Ordering::Relaxed);
        let now = clock::now().unix_seconds();
        let due = |until| (until <= now).then_some(now + SECONDS_BETWEEN_LINES);
        if self.quiet_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            let requests = self.untold.swap(0, Ordering::Relaxed);
            let last_from = client_address(request).map(|from| from.to_string());
            tracing::warn!(requests, last_from, "refused what came without a known token");
        }
    }
}
