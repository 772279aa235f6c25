//! `GET /docs`: the API's description as a page, for people.
//!
//! Written once from the same table as the description, it needs no script and nothing from
//! elsewhere; a browser is told to allow neither.

mod markup;
mod page;

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::http::objects::tagged;

const STYLE: &str = include_str!("docs/docs.css");

static PAGE: LazyLock<String> = LazyLock::new(|| page::whole(STYLE));
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!("{PAGE_POLICY}; style-src 'sha256-{style}'")
});
/// Of a page that loads nothing and is shown in no frame.
const PAGE_POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn page(request: HttpRequest) -> HttpResponse {
    let mut response = tagged(&request, "text/html; charset=utf-8", PAGE.as_bytes().to_vec());
    let headers = response.headers_mut();
    if let Ok(policy) = header::HeaderValue::from_str(&POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}
