//! Who is asking, and may they? Handlers name the role they need as an argument.

use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::clock;
use crate::http::Handles;
use crate::http::error::ApiError;
use crate::token::{Principal, Role};

/// Who guesses tokens must not fill the log.
const SECONDS_BETWEEN_LINES: u64 = 10;

/// Anyone with a token.
pub struct Reader;

/// A token with the role `operator`.
pub struct Operator(pub Principal);

/// A token with the role `payer`.
pub struct Payer(pub Principal);

impl FromRequest for Payer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(principal(request, Role::Payer).map(Self))
    }
}

impl FromRequest for Reader {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(principal(request, Role::Reader).map(|_| Self))
    }
}

impl FromRequest for Operator {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(principal(request, Role::Operator).map(Self))
    }
}

fn principal(request: &HttpRequest, needed: Role) -> Result<Principal, ApiError> {
    let handles = request.app_data::<Data<Handles>>().ok_or(ApiError::Unauthorized)?;
    if handles.insecure_no_auth {
        return Ok(Principal::anyone());
    }
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let presented = headers.next().filter(|_| headers.next().is_none());
    let token = presented.and_then(|value| bearer(value.as_bytes()));
    let known = token.and_then(|token| handles.tokens.principal(token));
    let principal = known.ok_or_else(|| {
        handles.refusals.note(request);
        ApiError::Unauthorized
    })?;
    if principal.may(needed) {
        Ok(principal)
    } else {
        Err(ApiError::Forbidden { needed: needed.word() })
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
            let last_from = request.peer_addr().map(|peer| peer.ip().to_string());
            tracing::warn!(requests, last_from, "refused what came without a known token");
        }
    }
}
