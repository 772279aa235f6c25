//! Stripe's calls over HTTP: headers in, headers out.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::sandbox::api::{Answer, Call, Received};
use crate::sandbox::server::connection::Scissors;
use crate::sandbox::server::shared::Shared;

pub(super) async fn handle(
    request: HttpRequest,
    body: Bytes,
    shared: Data<Shared>,
) -> HttpResponse {
    let call = read(&request, &body);
    // What a client asked for happens, whether or not it stays to hear of it.
    let answering = actix_web::rt::spawn(answer(shared.into_inner(), call));
    match answering.await {
        Ok((answer, _)) if answer.dropped => {
            Scissors::cut(&request);
            HttpResponse::Ok().finish()
        }
        Ok((answer, now)) => respond(&answer, now),
        Err(_) => json(500, &Value::Null),
    }
}

async fn answer(shared: Arc<Shared>, call: Call) -> (Answer, i64) {
    let answer = match shared.with(|sandbox| sandbox.receive(call)) {
        Received::Answered(answer) => answer,
        Received::UnderWay(under_way) => {
            wait(under_way.milliseconds).await;
            shared.with(|sandbox| sandbox.perform(under_way))
        }
    };
    wait(answer.milliseconds).await;
    let now = shared.with(|sandbox| sandbox.world.now());
    (answer, now)
}

async fn wait(milliseconds: u64) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

fn read(request: &HttpRequest, body: &[u8]) -> Call {
    let headers = request.headers();
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let (query, body) = (request.query_string(), String::from_utf8_lossy(body));
    let form = [query, &body].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    Call {
        method: request.method().as_str().to_owned(),
        path: request.path().to_owned(),
        form: form.join("&"),
        key: key(headers),
        account: text("Stripe-Account"),
        idempotency_key: text("Idempotency-Key"),
        version: text("Stripe-Version"),
    }
}

/// `Bearer KEY`, or `Basic` with the key as the user.
fn key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    let decoded = BASE64_STANDARD.decode(rest.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.split(':').next().map(str::to_owned)
}

fn respond(answer: &Answer, now: i64) -> HttpResponse {
    let mut response = json(answer.status, &answer.body);
    let headers = response.headers_mut();
    let mut add = |name: &'static str, value: &str| {
        if let Ok(value) = header::HeaderValue::from_str(value) {
            headers.insert(header::HeaderName::from_static(name), value);
        }
    };
    add("request-id", &answer.request_id);
    add("stripe-version", &answer.version);
    add("date", &http_date(now));
    if let Some(original) = &answer.original_request {
        add("original-request", original);
        add("idempotent-replayed", "true");
    }
    if let Some(should_retry) = answer.should_retry {
        add("stripe-should-retry", if should_retry { "true" } else { "false" });
    }
    if answer.rate_limited {
        add("stripe-rate-limited-reason", "global-rate");
    }
    response
}

/// The sandbox's time, as the `Date` of an answer.
fn http_date(now: i64) -> String {
    let seconds = u64::try_from(now).unwrap_or(0);
    header::HttpDate::from(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

pub(super) fn json(status: u16, body: &Value) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = serde_json::to_string_pretty(body).unwrap_or_default();
    HttpResponse::build(status).content_type("application/json").body(text)
}
