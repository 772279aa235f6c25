//! What operators do: replay and redrive.

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{Error, HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::clock;
use crate::http::auth::Operator;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::{Handles, REASON_MAX_BODY_BYTES, REPLAY_MAX_BODY_BYTES, view};
use crate::pipeline::redrive;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay<'a> {
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
    event_ids: Option<Vec<String>>,
    reason: Option<String>,
}

pub(super) async fn replays(
    request: HttpRequest,
    Operator(by): Operator,
    body: Result<Bytes, Error>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["dry_run", "livemode"])?;
    let dry_run = query.boolean("dry_run")?.unwrap_or(false);
    let livemode = query.livemode(handles.livemode)?;
    let body = body.map_err(|error| {
        body_error(&error, REPLAY_MAX_BODY_BYTES, "; send the events in several requests")
    })?;
    let replay = parse(&body)?;
    let receipts = match (replay.events, replay.event_ids) {
        (Some(events), None) => {
            let bodies: Vec<&[u8]> = events.iter().map(|event| event.get().as_bytes()).collect();
            handles.replayer.events(&bodies, &by.name, clock::now(), dry_run).await?
        }
        (None, Some(ids)) => handles.replayer.stored(livemode, ids, dry_run).await?,
        _ => {
            return Err(ApiError::InvalidBody("give either `events` or `event_ids`".to_owned()));
        }
    };
    let reason = replay.reason.as_deref().unwrap_or("none given");
    tracing::info!(by = %by.name, reason, dry_run, "replayed {} events", receipts.len());
    Ok(HttpResponse::Ok().json(view::receipts(&receipts, dry_run)))
}

fn parse(body: &[u8]) -> Result<Replay<'_>, ApiError> {
    let expected = "`{\"events\": [EVENT, ...]}` or `{\"event_ids\": [ID, ...]}`, with a `reason`";
    // serde would read a list as the fields in the order in which they are declared.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::InvalidBody(format!("the body is not a replay: give {expected}")));
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::InvalidBody(format!("the body is not a replay: {error}; give {expected}"))
    })
}

pub(super) async fn redrive(
    request: HttpRequest,
    Operator(by): Operator,
    id: Path<String>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["dry_run", "livemode"])?;
    let dry_run = query.boolean("dry_run")?.unwrap_or(false);
    let livemode = query.livemode(handles.livemode)?;
    let receipt = handles.replayer.redrive(livemode, &id, dry_run).await?;
    tracing::info!(by = %by.name, event.id = %receipt.id, outcome = receipt.outcome.word(), dry_run, "redrove an event");
    Ok(HttpResponse::Ok().json(view::receipt(&receipt)))
}

/// Why an operator does something; nothing but a note for the log.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Because {
    reason: Option<String>,
}

pub(super) async fn redrives(
    request: HttpRequest,
    Operator(by): Operator,
    body: Result<Bytes, Error>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["dry_run", "livemode"])?;
    let dry_run = query.boolean("dry_run")?.unwrap_or(false);
    let livemode = query.livemode(handles.livemode)?;
    let body =
        body.map_err(|error| body_error(&error, REASON_MAX_BODY_BYTES, "; give a shorter reason"))?;
    let Because { reason } = because(&body)?;
    let reason = reason.as_deref().unwrap_or("none given");
    let receipts = redrive::all(&handles.store, livemode, dry_run).await?;
    tracing::info!(by = %by.name, reason, dry_run, "redrove {} parked events", receipts.len());
    Ok(HttpResponse::Ok().json(view::receipts(&receipts, dry_run)))
}

/// Reads an optional body.
fn because(body: &[u8]) -> Result<Because, ApiError> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Ok(Because::default());
    }
    let wrong = |why: &str| {
        let expected = "give no body, or `{\"reason\": \"...\"}`";
        ApiError::InvalidBody(format!("the body is not a reason: {why}; {expected}"))
    };
    // serde would read a list as the fields in the order in which they are declared.
    if body.first() != Some(&b'{') {
        return Err(wrong("it is not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| wrong(&error.to_string()))
}

/// Why a body could not be taken in.
pub(super) fn body_error(error: &Error, limit: usize, remedy: &'static str) -> ApiError {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => ApiError::BodyTooLarge { limit, remedy },
        _ => ApiError::BodyUnreadable(error.to_string()),
    }
}
