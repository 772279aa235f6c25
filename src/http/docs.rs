//! `GET /docs`: the API's description as a page, for people.
//!
//! Written once from the same table as the description, it needs no script and nothing from
//! elsewhere; a browser is told to allow neither.

mod markup;
mod page;

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::http::page::guarded;

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
    guarded(&request, "text/html; charset=utf-8", &PAGE, &POLICY)
}
