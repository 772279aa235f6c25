//! Connected accounts: creating them, prefilling what is known, and sending people to onboarding.

use actix_web::http::header;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::json;

use crate::domain::id::Kind;
use crate::domain::operation::Params;
use crate::http::Handles;
use crate::http::auth::Payer;
use crate::http::error::ApiError;
use crate::http::input::Input;
use crate::http::operations::{Order, check_path_id, key, place};
use crate::pipeline::operations::wanted::{Asked, Wanted, new_key};
use crate::stripe::outgoing::{Link, ReturnUrls, is_web_url};

pub(super) const LONGEST_REFERENCE: usize = 200;
pub(super) const LONGEST_URL: usize = 2_000;
pub(super) const BUSINESS_TYPES: &[&str] =
    &["company", "government_entity", "individual", "non_profit"];
/// What an account can be prefilled with, in Stripe's form.
pub(super) const PREFILL: &[&str] = &[
    "controller",
    "capabilities",
    "business_profile",
    "company",
    "individual",
    "settings",
    "tos_acceptance",
];
pub(super) const PERSON_TEXTS: &[&str] =
    &["first_name", "last_name", "email", "phone", "id_number", "ssn_last_4", "nationality"];
pub(super) const PERSON_OBJECTS: &[&str] = &["dob", "address", "relationship"];

pub(super) async fn create_account(
    request: HttpRequest,
    payer: Payer,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    place(request, payer, payload, &handles, |input| {
        let params = account(input);
        let reference = input.text("reference", LONGEST_REFERENCE);
        Some(Wanted::Account { params, reference })
    })
    .await
}

fn account(input: &mut Input) -> Params {
    let mut params = Params::default();
    let country = input.country("country");
    params.0.extend(country.map(|country| ("country".to_owned(), country)));
    input.pass_text("email", &mut params);
    let business_type = input.word("business_type", BUSINESS_TYPES);
    params.0.extend(business_type.map(|word| ("business_type".to_owned(), word)));
    let currency = input.currency("default_currency");
    params.0.extend(currency.map(|currency| ("default_currency".to_owned(), currency)));
    for name in PREFILL {
        input.pass_nested(name, &mut params);
    }
    input.pass_token("external_account", &mut params);
    input.pass_metadata(&mut params);
    params
}

pub(super) async fn create_person(
    request: HttpRequest,
    payer: Payer,
    id: Path<String>,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let account = check_path_id(Kind::Account, id.into_inner())?;
    place(request, payer, payload, &handles, |input| Some(person(account, input))).await
}

fn person(account: String, input: &mut Input) -> Wanted {
    let mut params = Params::default();
    for name in PERSON_TEXTS {
        input.pass_text(name, &mut params);
    }
    for name in PERSON_OBJECTS {
        input.pass_nested(name, &mut params);
    }
    input.pass_metadata(&mut params);
    Wanted::Person { account, params }
}

pub(super) async fn create_link(
    request: HttpRequest,
    payer: Payer,
    id: Path<String>,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let account = check_path_id(Kind::Account, id.into_inner())?;
    let mut order = Order::take(request, payer, payload, &handles).await?;
    let urls = urls(&mut order.input, &handles.onboarding, order.operations.livemode());
    let Order { operations, asked, input, .. } = order;
    input.finish()?;
    let (refresh_url, return_url) = urls.ok_or(ApiError::InvalidRequest(Vec::new()))?;
    let link = operations.link(Wanted::Link { account, refresh_url, return_url }, asked).await?;
    let Link { url, expires_at } = link;
    Ok(uncached(HttpResponse::Created()).json(json!({ "url": url, "expires_at": expires_at })))
}

/// What is for one person's eyes, once.
fn uncached(mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

/// The call of the guide's mobile samples: finds the account, or creates it, and answers where to
/// send its holder. Each call makes a new link, since each is for one visit; a key of the caller's
/// makes a repeated one the same.
pub(super) async fn onboard_user(
    request: HttpRequest,
    Payer(by): Payer,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let client_key = key(&request)?.unwrap_or_else(|| new_key("onboard-user-link"));
    let asked = Asked { client_key, by: by.name.clone() };
    let mut order = Order::take_as(request, asked, payload, &handles).await?;
    let reference = order.input.text("reference", LONGEST_REFERENCE);
    let reference = order.input.required("reference", reference);
    let params = account(&mut order.input);
    let urls = urls(&mut order.input, &handles.onboarding, order.operations.livemode());
    let Order { operations, asked, input, .. } = order;
    input.finish()?;
    let nothing = || ApiError::InvalidRequest(Vec::new());
    let (refresh_url, return_url) = urls.ok_or_else(nothing)?;
    let account = operations.account_of(&reference.ok_or_else(nothing)?, params, &by.name).await?;
    let wanted = Wanted::Link { account: account.clone(), refresh_url, return_url };
    let link = operations.link(wanted, asked).await?;
    Ok(uncached(HttpResponse::Ok()).json(json!({ "url": link.url, "account": account })))
}

/// Where people come back to.
fn urls(input: &mut Input, usual: &ReturnUrls, livemode: bool) -> Option<(String, String)> {
    let mut url = |name: &str, usual: &Option<String>| {
        let url = input.text(name, LONGEST_URL).or_else(|| usual.clone());
        let url = input.required(name, url)?;
        if !is_web_url(&url) {
            input.problem(name, "must be a URL, such as https://example.com/onboarding");
            return None;
        }
        if livemode && !url.starts_with("https://") {
            input.problem(name, "must be https in live mode");
            return None;
        }
        Some(url)
    };
    let refresh_url = url("refresh_url", &usual.refresh_url);
    let return_url = url("return_url", &usual.return_url);
    Some((refresh_url?, return_url?))
}
