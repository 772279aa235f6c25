//! Pages and what they are made of, with what browsers are to hold them to.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use crate::http::objects::tagged;

/// `policy` is a Content-Security-Policy.
pub(super) fn guarded(
    request: &HttpRequest,
    kind: &'static str,
    text: &'static str,
    policy: &str,
) -> HttpResponse {
    let mut response = tagged(request, kind, text.as_bytes().to_vec());
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
