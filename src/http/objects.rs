//! The status of accounts, top-ups, transfers, payouts and balances, and how it came about.

use actix_web::http::header;
use actix_web::web::{Data, Path, to};
use actix_web::{HttpRequest, HttpResponse, Route};
use serde::Serialize;

use crate::domain::account::AccountStatus;
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::payout::PayoutStatus;
use crate::domain::topup::TopupStatus;
use crate::domain::transfer::TransferStatus;
use crate::http::auth::Reader;
use crate::http::error::ApiError;
use crate::http::query::{Query, digits};
use crate::http::{Handles, cursor, view};
use crate::pipeline::history::{Told, history as told_history};
use crate::store::{ObjectFilter, Slice, StoreError};

pub(super) async fn accounts(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query =
        Query::of(&request, &["status", "payable", "country", "limit", "cursor", "livemode"])?;
    let filter = ObjectFilter {
        status: query.word("status", &AccountStatus::ALL.map(AccountStatus::word))?,
        payable: query.boolean("payable")?,
        country: query.text("country"),
        ..ObjectFilter::default()
    };
    list(&request, &handles, Kind::Account, &query, filter).await
}

pub(super) async fn topups(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["status", "currency", "limit", "cursor", "livemode"])?;
    let filter = ObjectFilter {
        status: query.word("status", &TopupStatus::ALL.map(TopupStatus::word))?,
        currency: query.text("currency"),
        ..ObjectFilter::default()
    };
    list(&request, &handles, Kind::Topup, &query, filter).await
}

pub(super) async fn transfers(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(
        &request,
        &["status", "destination", "transfer_group", "limit", "cursor", "livemode"],
    )?;
    let filter = ObjectFilter {
        status: query.word("status", &TransferStatus::ALL.map(TransferStatus::word))?,
        destination: query.text("destination"),
        transfer_group: query.text("transfer_group"),
        ..ObjectFilter::default()
    };
    list(&request, &handles, Kind::Transfer, &query, filter).await
}

pub(super) async fn payouts(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["status", "account", "limit", "cursor", "livemode"])?;
    let filter = ObjectFilter {
        status: query.word("status", &PayoutStatus::ALL.map(PayoutStatus::word))?,
        account: query.text("account"),
        ..ObjectFilter::default()
    };
    list(&request, &handles, Kind::Payout, &query, filter).await
}

async fn list(
    request: &HttpRequest,
    handles: &Handles,
    kind: Kind,
    query: &Query,
    filter: ObjectFilter,
) -> Result<HttpResponse, ApiError> {
    let livemode = query.livemode(handles.livemode)?;
    let list = format!("{}s {livemode}", kind.word());
    let slice = slice(query, &list)?;
    let page = handles.store.objects(livemode, kind, filter, slice).await?;
    let items = page.items.iter().map(view::object).collect();
    respond(request, &view::list(items, view::next(&list, page.next), livemode))
}

pub(super) async fn account(
    request: HttpRequest,
    _: Reader,
    id: Path<String>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    one(&request, &handles, Kind::Account, &id).await
}

pub(super) async fn topup(
    request: HttpRequest,
    _: Reader,
    id: Path<String>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    one(&request, &handles, Kind::Topup, &id).await
}

pub(super) async fn transfer(
    request: HttpRequest,
    _: Reader,
    id: Path<String>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    one(&request, &handles, Kind::Transfer, &id).await
}

pub(super) async fn payout(
    request: HttpRequest,
    _: Reader,
    id: Path<String>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    one(&request, &handles, Kind::Payout, &id).await
}

pub(super) async fn balance(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    one(&request, &handles, Kind::Balance, "").await
}

async fn one(
    request: &HttpRequest,
    handles: &Handles,
    kind: Kind,
    id: &str,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(request, names_owner(kind, &["livemode"], &["account", "livemode"]))?;
    let key = key(&query, handles, kind, id)?;
    match handles.store.object(&key).await? {
        Some(object) => Ok(respond_json(request, view::object(&object).into_json())),
        None => Err(unknown(&key)),
    }
}

pub(super) fn history(kind: Kind) -> Route {
    let told = move |request, _: Reader, id: Path<String>, handles: Data<Handles>| async move {
        history_of(&request, &handles, kind, &id).await
    };
    to(told)
}

pub(super) async fn balance_history(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    history_of(&request, &handles, Kind::Balance, "").await
}

async fn history_of(
    request: &HttpRequest,
    handles: &Handles,
    kind: Kind,
    id: &str,
) -> Result<HttpResponse, ApiError> {
    let expected = names_owner(
        kind,
        &["limit", "cursor", "livemode"],
        &["account", "limit", "cursor", "livemode"],
    );
    let query = Query::of(request, expected)?;
    let key = key(&query, handles, kind, id)?;
    let told = told_history(&handles.store, &key).await?;
    if told.is_empty() {
        return Err(unknown(&key));
    }

    let list = format!("history {} {} {id} {:?}", key.livemode, kind.word(), key.owner);
    let start = match query.text("cursor") {
        None => 0,
        Some(text) => {
            let last_shown = cursor::decode(&list, &text)?;
            let place = told.iter().position(|entry| entry.report.event_id == last_shown);
            place.ok_or_else(cursor::unreadable)? + 1
        }
    };
    let page: Vec<&Told> = told.iter().skip(start).take(query.limit()?).collect();
    let is_last = start + page.len() >= told.len();
    let next = page.last().filter(|_| !is_last);
    let next = next.map(|told| cursor::encode(&list, &told.report.event_id));
    let items = page.into_iter().map(view::history_entry).collect();
    respond(request, &view::list(items, next, key.livemode))
}

/// Only payouts and balances belong to someone.
pub(super) fn names_owner<'a>(
    kind: Kind,
    without: &'a [&'a str],
    with: &'a [&'a str],
) -> &'a [&'a str] {
    match kind {
        Kind::Payout | Kind::Balance => with,
        Kind::Account | Kind::Topup | Kind::Transfer => without,
    }
}

fn key(query: &Query, handles: &Handles, kind: Kind, id: &str) -> Result<ObjectKey, ApiError> {
    let livemode = query.livemode(handles.livemode)?;
    Ok(ObjectKey::new(livemode, kind, query.owner()?.as_deref(), id))
}

fn unknown(key: &ObjectKey) -> ApiError {
    if key.kind == Kind::Balance {
        return ApiError::NoBalance;
    }
    let hint = match key.kind {
        Kind::Payout | Kind::Balance => {
            "; `?account=` names the connected account it belongs to, `?livemode=` the partition"
        }
        Kind::Account | Kind::Topup | Kind::Transfer => "; `?livemode=` shows the other partition",
    };
    ApiError::NotFound { what: key.kind.word(), id: key.id.clone(), hint }
}

/// Where a list starts and how long it may get.
pub(super) fn slice(query: &Query, list: &str) -> Result<Slice, ApiError> {
    let from = match query.text("cursor") {
        None => None,
        Some(text) => {
            let place = cursor::decode(list, &text)?;
            Some(digits(&place).ok_or_else(cursor::unreadable)?)
        }
    };
    Ok(Slice { from, limit: query.limit()? })
}

/// Answers with `body`, or with 304 when the caller has it already.
pub(super) fn respond(
    request: &HttpRequest,
    body: &impl Serialize,
) -> Result<HttpResponse, ApiError> {
    let body = serde_json::to_vec(body).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(respond_json(request, body))
}

fn respond_json(request: &HttpRequest, body: Vec<u8>) -> HttpResponse {
    tagged(request, "application/json", body)
}

/// The same for what is no JSON.
pub(super) fn tagged(request: &HttpRequest, kind: &'static str, body: Vec<u8>) -> HttpResponse {
    let etag = format!("\"{:08x}-{:x}\"", crc32c::crc32c(&body), body.len());
    let known = request.headers().get_all(header::IF_NONE_MATCH).any(|known| {
        let mut tags = known.to_str().unwrap_or_default().split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
    });
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, etag));
    response.insert_header((header::CACHE_CONTROL, "no-cache"));
    if known {
        return response.finish();
    }
    response.content_type(kind).body(body)
}
