//! The service itself: what Stripe posts to, what proxies and people look at.

use actix_web::web::to;

use super::parameters as p;
use crate::http::endpoint::{Access, Answer, Body, Endpoint, Group};
use crate::http::error::Code;
use crate::http::{HEALTH, console, docs, health, metrics, openapi, webhook};
use crate::token::Role;

pub(super) const SERVICE: Group = Group {
    name: "Service",
    about: "Where Stripe posts to, and whether all is well.",
    endpoints: &[
        Endpoint::post("/webhooks/stripe", "Takes a delivery", Role::Reader, || {
            to(webhook::receive)
        })
        .about(
            "For Stripe, which signs what it sends. A 2xx means that the event is on disk, and that \
             every read shows what it did.",
        )
        .access(Access::Signed)
        .takes(&[p::SIGNATURE.required()])
        .body(Body::Required("StripeEvent"))
        .answers(&[Answer::Json(200, "Delivered", "It is stored.")])
        .problems(&[
            Code::SignatureMissing,
            Code::SignatureMalformed,
            Code::SignatureMismatch,
            Code::TimestampOutOfTolerance,
            Code::NotAnEvent,
            Code::StoreUnavailable,
        ]),
        Endpoint::get(HEALTH, "Is the process alive?", || to(health::alive))
            .access(Access::Everyone)
            .answers(&[Answer::Json(200, "Health", "It is.")]),
        Endpoint::get("/readyz", "Can it take work?", || to(health::ready))
            .access(Access::Everyone)
            .answers(&[Answer::Json(200, "Health", "It can.")])
            .problems(&[Code::Overloaded, Code::StoreUnavailable, Code::StoreDamaged]),
        Endpoint::get("/metrics", "Numbers for Prometheus", || to(metrics::metrics))
            .answers(&[Answer::Raw(
                "text/plain; version=0.0.4; charset=utf-8",
                "Prometheus' text format; docs/metrics.md has the list.",
            )]),
        Endpoint::get("/openapi.json", "This description, for programs", || {
            to(openapi::document)
        })
        .access(Access::Everyone)
        .answers(&[Answer::Tagged("Document", "An OpenAPI 3.1 document.")])
        .problems(&[Code::Overloaded]),
        Endpoint::get("/docs", "This description, for people", || to(docs::page))
            .access(Access::Everyone)
            .answers(&[Answer::Raw("text/html; charset=utf-8", "A page.")])
            .problems(&[Code::Overloaded]),
    ],
};

/// Two paths beside the page itself: a browser that is told so runs no script that stands in one.
pub(super) const CONSOLE: Group = Group {
    name: "Console",
    about: "A page for operators. It needs no token, but whoever signs in does.",
    endpoints: &[
        Endpoint::get("/", "The console", || to(console::page))
            .access(Access::Everyone)
            .answers(&[Answer::Raw("text/html; charset=utf-8", "A page.")])
            .problems(&[Code::Overloaded]),
        Endpoint::get("/console/app.css", "Its style", || to(console::style))
            .access(Access::Everyone)
            .answers(&[Answer::Raw("text/css; charset=utf-8", "A style sheet.")])
            .problems(&[Code::Overloaded]),
        Endpoint::get("/console/app.js", "Its script", || to(console::script))
            .access(Access::Everyone)
            .answers(&[Answer::Raw("text/javascript; charset=utf-8", "A script.")])
            .problems(&[Code::Overloaded]),
    ],
};
