//! `GET /`: the console, with which operators look and act.
//!
//! A page that knows this API like any other client: what it shows it asks for, with the token of
//! whoever signed in. It loads nothing from elsewhere, and browsers are told to let it do nothing
//! else: no markup is ever made of what is shown.

use actix_web::{HttpRequest, HttpResponse};

use crate::http::page::guarded;

const PAGE: &str = include_str!("console/index.html");
const STYLE: &str = include_str!("console/app.css");
/// One script of all parts; the last of them begins.
const SCRIPT: &str = concat!(
    "'use strict';\n{\n",
    include_str!("console/dom.js"),
    include_str!("console/format.js"),
    include_str!("console/api.js"),
    include_str!("console/lists.js"),
    include_str!("console/actions.js"),
    include_str!("console/views.js"),
    include_str!("console/app.js"),
    "}\n",
);
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) async fn page(request: HttpRequest) -> HttpResponse {
    guarded(&request, "text/html; charset=utf-8", PAGE, POLICY)
}

pub(super) async fn style(request: HttpRequest) -> HttpResponse {
    guarded(&request, "text/css; charset=utf-8", STYLE, POLICY)
}

pub(super) async fn script(request: HttpRequest) -> HttpResponse {
    guarded(&request, "text/javascript; charset=utf-8", SCRIPT, POLICY)
}
