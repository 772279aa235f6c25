//! What the platform's back end answers.

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::json;

use crate::clock;
use crate::sample::Shared;
use crate::sample::bursar::{Bursar, Trouble};
use crate::sample::page::{self, Notice};
use crate::sample::users::{User, random};

const DAY: i64 = 86_400;
/// What a maker is paid by the demo's button, in cents.
const PAY: i64 = 2_500;

pub(super) async fn home(
    request: HttpRequest,
    shared: Data<Shared>,
    bursar: Data<Bursar>,
) -> HttpResponse {
    let user = shared.users.of(&request);
    html(HttpResponse::Ok(), &user, page::whole(&user, &bursar, None).await)
}

/// Sends the user to onboarding: a browser's form by a redirect, an app by the link in JSON.
pub(super) async fn onboard_user(
    request: HttpRequest,
    shared: Data<Shared>,
    bursar: Data<Bursar>,
) -> HttpResponse {
    let user = shared.users.of(&request);
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_json = accept.is_some_and(|accept| accept.contains("application/json"));
    match link(&user, &shared, &bursar).await {
        Ok(url) if wants_json => HttpResponse::Ok().json(json!({ "url": url })),
        Ok(url) => see_other(&user, &url),
        Err(trouble) => sorry(&user, &bursar, trouble).await,
    }
}

/// Stripe sends users here whose link was used up, or too old: they get another one.
pub(super) async fn refresh(
    request: HttpRequest,
    shared: Data<Shared>,
    bursar: Data<Bursar>,
) -> HttpResponse {
    let user = shared.users.of(&request);
    // Only who has begun can have been sent back.
    if user.account.is_none() {
        return see_other(&user, "/");
    }
    match link(&user, &shared, &bursar).await {
        Ok(url) => see_other(&user, &url),
        Err(trouble) => sorry(&user, &bursar, trouble).await,
    }
}

/// Stripe sends users here who have finished, and those who have not. Nothing in the request says
/// which; bursar does.
pub(super) async fn returned(
    request: HttpRequest,
    shared: Data<Shared>,
    bursar: Data<Bursar>,
) -> HttpResponse {
    let user = shared.users.of(&request);
    html(HttpResponse::Ok(), &user, page::whole(&user, &bursar, Some(Notice::Returned)).await)
}

async fn link(user: &User, shared: &Shared, bursar: &Bursar) -> Result<String, Trouble> {
    let key = format!("onboard-{}", random(12));
    let (url, account) = bursar.onboard_user(&user.reference, &key).await?;
    shared.users.has_account(user, account);
    Ok(url)
}

/// The demo's own button: the platform pays this user.
pub(super) async fn pay(
    request: HttpRequest,
    form: Bytes,
    shared: Data<Shared>,
    bursar: Data<Bursar>,
) -> HttpResponse {
    let user = shared.users.of(&request);
    let Some(account) = &user.account else {
        return sorry(&user, &bursar, "Connect first: there is no account to pay.".to_owned())
            .await;
    };
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&form).unwrap_or_default();
    let key = fields.into_iter().find(|(name, _)| name == "key").map(|(_, value)| value);
    // A form that is sent twice carries the same key, and pays once.
    let key = key.filter(|key| !key.is_empty()).unwrap_or_else(|| random(12));
    match bursar.pay(account, PAY, &format!("{}-{key}", user.reference)).await {
        Ok(()) => see_other(&user, "/"),
        Err(trouble) => sorry(&user, &bursar, trouble).await,
    }
}

/// The demo's own button: a day passes at the sandbox.
pub(super) async fn day(
    request: HttpRequest,
    shared: Data<Shared>,
    bursar: Data<Bursar>,
) -> HttpResponse {
    let user = shared.users.of(&request);
    let passed = async {
        if bursar.sandbox_time().await?.saturating_add(DAY) > clock::now().signed_seconds() {
            return Err("The sandbox has caught up with the present. Start the demo again.".into());
        }
        bursar.advance(DAY).await
    };
    match passed.await {
        Ok(()) => see_other(&user, "/"),
        Err(trouble) => sorry(&user, &bursar, trouble).await,
    }
}

pub(super) async fn style() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(include_str!("sample.css"))
}

pub(super) async fn script() -> HttpResponse {
    let script = include_str!("sample.js");
    HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(script)
}

fn html(mut response: HttpResponseBuilder, user: &User, page: String) -> HttpResponse {
    response.content_type("text/html; charset=utf-8");
    if let Some(cookie) = user.cookie() {
        response.insert_header(cookie);
    }
    response.body(page)
}

fn see_other(user: &User, to: &str) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((header::LOCATION, to));
    if let Some(cookie) = user.cookie() {
        response.insert_header(cookie);
    }
    response.finish()
}

async fn sorry(user: &User, bursar: &Bursar, trouble: Trouble) -> HttpResponse {
    let page = page::whole(user, bursar, Some(Notice::Trouble(trouble))).await;
    html(HttpResponse::Conflict(), user, page)
}
