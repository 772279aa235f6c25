//! What operators do: replay and redrive.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::clock;
use crate::domain::audit::{AuditAction, Named};
use crate::http::audit::{Act, Brings, audited};
use crate::http::auth::Operator;
use crate::http::body::Body;
use crate::http::error::ApiError;
use crate::http::operations::LONGEST_REASON;
use crate::http::query::Query;
use crate::http::{Handles, body, view};
use crate::pipeline::redrive;
use crate::store::{Incoming, Receipt};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay<'a> {
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
    event_ids: Option<Vec<String>>,
    reason: Option<String>,
}

/// What is replayed.
enum Replayed {
    HandedIn(Vec<Incoming>),
    Stored(Vec<String>),
}

pub(super) async fn replays(
    request: HttpRequest,
    operator: Operator,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let asked = Asked::of(&request, &handles)?;
    let bounds = handles.replay_bounds();
    let body = body::take(&request, payload, &bounds, &handles.body_room).await?;
    let replay = parse(&body)?;
    let reason = bounded(replay.reason)?;
    let replayed = match (replay.events, replay.event_ids) {
        (Some(events), None) => {
            let bodies: Vec<&[u8]> = events.iter().map(|event| event.get().as_bytes()).collect();
            Replayed::HandedIn(handles.replayer.read(&bodies, &operator.name, clock::now())?)
        }
        (None, Some(ids)) => Replayed::Stored(ids),
        _ => {
            return Err(ApiError::InvalidBody("give either `events` or `event_ids`".to_owned()));
        }
    };
    let act = Act {
        livemode: replayed.partition(asked.livemode),
        action: AuditAction::Replay { events: replayed.named() },
        reason,
    };
    let receipts = asked.perform(&handles, operator, act, replayed.apply(handles.clone(), asked));
    Ok(HttpResponse::Ok().json(view::receipts(&receipts.await?, asked.dry_run)))
}

impl Replayed {
    fn named(&self) -> Named {
        match self {
            Self::HandedIn(events) => Named::of(events.iter().map(|it| it.event.id.as_str())),
            Self::Stored(ids) => Named::of(ids.iter().map(String::as_str)),
        }
    }

    /// The partition of all events; none when they belong to both.
    fn partition(&self, asked: bool) -> Option<bool> {
        let Self::HandedIn(events) = self else { return Some(asked) };
        let first = events.first().map_or(asked, |event| event.livemode);
        events.iter().all(|event| event.livemode == first).then_some(first)
    }

    async fn apply(self, handles: Data<Handles>, asked: Asked) -> Result<Vec<Receipt>, ApiError> {
        let Asked { livemode, dry_run } = asked;
        Ok(match self {
            Self::HandedIn(events) => handles.replayer.events(events, dry_run).await?,
            Self::Stored(ids) => handles.replayer.stored(livemode, ids, dry_run).await?,
        })
    }
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
    operator: Operator,
    id: Path<String>,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let asked = Asked::of(&request, &handles)?;
    let Asked { livemode, dry_run } = asked;
    let reason = reason(&request, payload, &handles).await?;
    let action = AuditAction::Redrive { events: Named::of([id.as_str()]) };
    let act = Act { livemode: Some(livemode), action, reason };
    let replaying = handles.clone();
    let work = async move { Ok(replaying.replayer.redrive(livemode, &id, dry_run).await?) };
    let receipt = asked.perform(&handles, operator, act, work).await?;
    Ok(HttpResponse::Ok().json(view::receipt(&receipt)))
}

pub(super) async fn redrives(
    request: HttpRequest,
    operator: Operator,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let asked = Asked::of(&request, &handles)?;
    let Asked { livemode, dry_run } = asked;
    let reason = reason(&request, payload, &handles).await?;
    let parked = handles.store.parked(livemode).await?;
    let action = AuditAction::Redrive { events: Named::of(parked.iter().map(String::as_str)) };
    let act = Act { livemode: Some(livemode), action, reason };
    let store = handles.store.clone();
    let work = async move { Ok(redrive::these(&store, livemode, &parked, dry_run).await?) };
    let receipts = asked.perform(&handles, operator, act, work).await?;
    Ok(HttpResponse::Ok().json(view::receipts(&receipts, dry_run)))
}

/// What every operation is told in its query.
#[derive(Clone, Copy)]
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

    /// A dry run changes nothing, and shows nothing that a reader may not see: no trail is left.
    async fn perform<T: Brings + 'static>(
        self,
        handles: &Data<Handles>,
        operator: Operator,
        act: Act,
        work: impl Future<Output = Result<T, ApiError>> + 'static,
    ) -> Result<T, ApiError> {
        if self.dry_run { work.await } else { audited(handles, operator, act, work).await }
    }
}

/// An optional body.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Because {
    reason: Option<String>,
}

/// Why an operator does something; nothing but a note for the audit trail.
pub(super) async fn reason(
    request: &HttpRequest,
    payload: Payload,
    handles: &Handles,
) -> Result<Option<String>, ApiError> {
    let body = reason_body(request, payload, handles).await?;
    let because = match body.trim_ascii() {
        [] => Because::default(),
        body => json_object(body).map_err(|why| {
            ApiError::InvalidBody(format!(
                "the body is not a reason: {why}; give no body, or `{{\"reason\": \"...\"}}`"
            ))
        })?,
    };
    bounded(because.reason)
}

/// A reason as it is kept; an empty one is none.
pub(super) fn bounded(reason: Option<String>) -> Result<Option<String>, ApiError> {
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
        return Err(ApiError::InvalidBody(format!(
            "a reason has at most {LONGEST_REASON} characters: give a shorter one"
        )));
    }
    Ok(reason)
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
    serde_json::from_slice(body).map_err(|error| told(&error))
}

/// serde's message repeats the value that it could not use, or the name, which may be anybody's;
/// what looks like a field's name is a slip of the pen.
fn told(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let name = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    let is_name = |name: &str| name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    if name.is_some_and(|(name, _)| is_name(name)) {
        return message;
    }
    let (line, column) = (error.line(), error.column());
    format!("something is wrong at line {line}, column {column}")
}
