//! What was received.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::audit::{AuditAction, shortened};
use crate::domain::event::Outcome;
use crate::http::audit::{Act, audit};
use crate::http::auth::{Operator, Reader};
use crate::http::error::ApiError;
use crate::http::objects::{respond, slice};
use crate::http::query::Query;
use crate::http::{Handles, operate, view};
use crate::pipeline::explain::explain;
use crate::store::EventFilter;

pub(super) async fn events(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(
        &request,
        &["type", "object", "account", "outcome", "since", "until", "limit", "cursor", "livemode"],
    )?;
    let livemode = query.livemode(handles.livemode)?;
    let words = Outcome::STORED.map(Outcome::word);
    let outcome = query.word("outcome", &words)?;
    let filter = EventFilter {
        event_type: query.text("type"),
        object: query.text("object"),
        account: query.text("account"),
        outcome: Outcome::STORED.into_iter().find(|known| Some(known.word()) == outcome.as_deref()),
        since: query.time("since")?,
        until: query.time("until")?,
    };
    let list = format!("events {livemode}");
    let page = handles.store.events(livemode, filter, slice(&query, &list)?).await?;
    let items = page.items.iter().map(view::event).collect();
    respond(&request, &view::list(items, view::next(&list, page.next), livemode))
}

pub(super) async fn event(
    request: HttpRequest,
    _: Reader,
    id: Path<String>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let livemode = Query::of(&request, &["livemode"])?.livemode(handles.livemode)?;
    let Some(event) = handles.store.event(livemode, &id).await? else { return Err(unknown(id)) };
    let explanation = explain(&handles.store, &event).await?;
    respond(&request, &view::explained(&event, &explanation))
}

pub(super) async fn body(
    request: HttpRequest,
    operator: Operator,
    id: Path<String>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["livemode", "reason"])?;
    let livemode = query.livemode(handles.livemode)?;
    let reason = operate::bounded(query.text("reason"))?;
    let Some(body) = handles.store.body(livemode, &id).await? else { return Err(unknown(id)) };
    let action = AuditAction::ReadBody { event: shortened(&id) };
    audit(&handles, operator, Act { livemode: Some(livemode), action, reason }).await?;
    let mut response = HttpResponse::Ok();
    // It tells of people, in words that others chose.
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(response.content_type("application/json").body(body))
}

pub(super) async fn summary(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let livemode = Query::of(&request, &["livemode"])?.livemode(handles.livemode)?;
    let summary = handles.store.summary(livemode).await?;
    let warnings = handles.warnings().await?;
    let risks = match handles.operations.as_ref().filter(|it| it.livemode() == livemode) {
        Some(operations) => operations.sweep_risks().await?,
        None => Vec::new(),
    };
    let secrets = handles.receiver.secrets();
    respond(&request, &view::summary(&summary, &secrets, livemode, &warnings, &risks))
}

fn unknown(id: Path<String>) -> ApiError {
    ApiError::NotFound {
        what: "event",
        id: id.into_inner(),
        hint: "; `?livemode=` shows the other partition",
    }
}
