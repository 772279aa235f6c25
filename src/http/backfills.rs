//! Fetching missed events from Stripe: asking for it, and how far it is.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::clock;
use crate::domain::audit::AuditAction;
use crate::http::audit::{Act, audited};
use crate::http::auth::{Operator, Reader};
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::{Handles, operate, view};

/// Answers at once; the run goes on. Who asks while one goes on joins it.
pub(super) async fn ask(
    request: HttpRequest,
    operator: Operator,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["full", "livemode"])?;
    let fetching = handles.fetching()?;
    // The key decides it; who names the other partition is mistaken.
    let livemode = query.livemode(fetching.livemode)?;
    fetching.check_mode(livemode)?;
    let full = query.boolean("full")?.unwrap_or(false);
    let reason = operate::reason(&request, payload, &handles).await?;
    let (backfills, by) = (fetching.backfills.clone(), operator.name.clone());
    let work = async move { Ok(backfills.request(&by, full, clock::now())) };
    let action = AuditAction::Backfill { full };
    let act = Act { livemode: Some(livemode), action, reason };
    let report = audited(&handles, operator, act, work).await?;
    let location = format!("/v1/backfills/{}", report.id);
    let mut response = HttpResponse::Accepted();
    Ok(response.insert_header(("Location", location)).json(view::backfill(&report)))
}

pub(super) async fn backfills(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    Query::of(&request, &[])?;
    Ok(HttpResponse::Ok().json(view::backfill_list(&handles.fetching()?.backfills.recent())))
}

pub(super) async fn backfill(
    request: HttpRequest,
    _: Reader,
    id: Path<String>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    Query::of(&request, &[])?;
    let report = handles.fetching()?.backfills.report(&id);
    let unknown = || ApiError::NotFound {
        what: "backfill",
        id: id.clone(),
        hint: "; the last few since the start are remembered",
    };
    Ok(HttpResponse::Ok().json(view::backfill(&report.ok_or_else(unknown)?)))
}
