//! What operators do: replay and redrive.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::clock;
use crate::http::auth::Operator;
use crate::http::body::Body;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::{Handles, body, view};
use crate::pipeline::redrive;
use crate::store::Receipt;

const NO_REASON: &str = "none given";

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
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let Asked { livemode, dry_run } = Asked::of(&request, &handles)?;
    let bounds = handles.replay_bounds();
    let body = body::take(&request, payload, &bounds, &handles.body_room).await?;
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
    let reason = replay.reason.as_deref().unwrap_or(NO_REASON);
    tracing::info!(by = %by.name, reason, dry_run, events = receipts.len(), "replayed events");
    Ok(HttpResponse::Ok().json(view::receipts(&receipts, dry_run)))
}

fn parse(body: &[u8]) -> Result<Replay<'_>, ApiError> {
    json_object(body).map_err(|why| {
        ApiError::InvalidBody(format!(
            "the body is not a replay: {why}; give `{{\"events\": [EVENT, ...]}}` or \
             `{{\"event_ids\": [ID, ...]}}`, with a `reason`"
        ))
    })
}

pub(super) async fn redrive(
    request: HttpRequest,
    Operator(by): Operator,
    id: Path<String>,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let Asked { livemode, dry_run } = Asked::of(&request, &handles)?;
    let reason = reason(&request, payload, &handles).await?;
    let receipt = handles.replayer.redrive(livemode, &id, dry_run).await?;
    let Receipt { id, outcome } = &receipt;
    tracing::info!(by = %by.name, reason, event.id = %id, outcome = outcome.word(), dry_run, "redrove an event");
    Ok(HttpResponse::Ok().json(view::receipt(&receipt)))
}

pub(super) async fn redrives(
    request: HttpRequest,
    Operator(by): Operator,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let Asked { livemode, dry_run } = Asked::of(&request, &handles)?;
    let reason = reason(&request, payload, &handles).await?;
    let receipts = redrive::all(&handles.store, livemode, dry_run).await?;
    tracing::info!(by = %by.name, reason, dry_run, events = receipts.len(), "redrove all parked events");
    Ok(HttpResponse::Ok().json(view::receipts(&receipts, dry_run)))
}

/// What every operation is told in its query.
struct Asked {
    livemode: bool,
    dry_run: bool,
}

impl Asked {
    fn of(request: &HttpRequest, handles: &Handles) -> Result<Self, ApiError> {
        let query = Query::of(request, &["dry_run", "livemode"])?;
        Ok(Self {
            livemode: query.livemode(handles.livemode)?,
            dry_run: query.boolean("dry_run")?.unwrap_or(false),
        })
    }
}

/// An optional body.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Because {
    reason: Option<String>,
}

/// Why an operator does something; nothing but a note for the log.
pub(super) async fn reason(
    request: &HttpRequest,
    payload: Payload,
    handles: &Handles,
) -> Result<String, ApiError> {
    let body = reason_body(request, payload, handles).await?;
    let because = match body.trim_ascii() {
        [] => Because::default(),
        body => json_object(body).map_err(|why| {
            ApiError::InvalidBody(format!(
                "the body is not a reason: {why}; give no body, or `{{\"reason\": \"...\"}}`"
            ))
        })?,
    };
    Ok(because.reason.unwrap_or_else(|| NO_REASON.to_owned()))
}

/// The body of what an operator does, in which little more than a reason has room.
pub(super) async fn reason_body<'h>(
    request: &HttpRequest,
    payload: Payload,
    handles: &'h Handles,
) -> Result<Body<'h>, ApiError> {
    body::take(request, payload, &handles.reason_bounds(), &handles.body_room).await
}

fn json_object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    // serde would read a list as the fields in the order in which they are declared.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err("it is not a JSON object".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
