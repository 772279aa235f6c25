//! Who is asking, and may they? Handlers name the role they need as an argument.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::http::Handles;
use crate::http::error::ApiError;
use crate::token::{Principal, Role};

/// Anyone with a token.
pub struct Reader;

/// A token with the role `operator`.
pub struct Operator(pub Principal);

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
    let principal = known.ok_or(ApiError::Unauthorized)?;
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
