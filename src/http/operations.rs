//! Calls to Stripe: what was asked for, how far it has come, and a person's decision.

use actix_web::http::header;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::clock;
use crate::domain::audit::{AuditAction, shortened};
use crate::domain::id::{Kind, check_id};
use crate::domain::operation::{Action, Happening, Operation, OperationState};
use crate::http::audit::{Act, audited};
use crate::http::auth::{Operator, Payer, Reader};
use crate::http::error::ApiError;
use crate::http::input::Input;
use crate::http::objects::{respond, slice};
use crate::http::query::Query;
use crate::http::{Handles, body, operate, view};
use crate::pipeline::operations::wanted::{Asked, Wanted};
use crate::pipeline::operations::{Operations, resolve as resolve_without_key};
use crate::store::OperationFilter;

const KEY: &str = "Idempotency-Key";
pub(super) const LONGEST_KEY: usize = 255;
pub(super) const OUTCOMES: [&str; 2] = ["succeeded", "refused"];
pub(super) const LONGEST_REASON: usize = 1_000;

pub(super) async fn operations(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["state", "action", "object", "limit", "cursor", "livemode"])?;
    let livemode = query.livemode(handles.livemode_of_operations())?;
    let state = query.word("state", &OperationState::ALL.map(OperationState::word))?;
    let action = query.word("action", &Action::ALL.map(Action::word))?;
    let filter = OperationFilter {
        state: OperationState::ALL.into_iter().find(|it| Some(it.word()) == state.as_deref()),
        action: Action::ALL.into_iter().find(|it| Some(it.word()) == action.as_deref()),
        object: query.text("object"),
        ..OperationFilter::default()
    };
    let list = format!("operations {livemode}");
    let page = handles.store.operations(livemode, filter, slice(&query, &list)?).await?;
    let items = page.items.iter().map(view::operation).collect();
    respond(&request, &view::list(items, view::next(&list, page.next), livemode))
}

pub(super) async fn operation(
    request: HttpRequest,
    _: Reader,
    id: Path<String>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["livemode"])?;
    let livemode = query.livemode(handles.livemode_of_operations())?;
    let operation = handles.store.operation(livemode, &id).await?;
    let unknown = || ApiError::NotFound {
        what: "operation",
        id: id.clone(),
        hint: "; `?livemode=` shows the other partition",
    };
    respond(&request, &view::operation(&operation.ok_or_else(unknown)?))
}

/// A person's decision on an unknown outcome.
pub(super) async fn resolve(
    request: HttpRequest,
    operator: Operator,
    id: Path<String>,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let query = Query::of(&request, &["livemode"])?;
    let livemode = query.livemode(handles.livemode_of_operations())?;
    let mut input = Input::parse(&operate::reason_body(&request, payload, &handles).await?)?;
    let outcome = input.word("outcome", &OUTCOMES);
    let outcome = input.required("outcome", outcome);
    let reason = input.text("reason", LONGEST_REASON);
    let reason = input.required("reason", reason).unwrap_or_default();
    let object_id = input.text("object_id", LONGEST_KEY);
    if object_id.is_some() && outcome.as_deref() == Some("refused") {
        input.problem("object_id", "goes with the outcome succeeded only");
    }
    input.finish()?;
    let action = AuditAction::Resolve {
        operation: shortened(&id),
        decision: outcome.clone().unwrap_or_default(),
        object: object_id.clone(),
    };
    let act = Act { livemode: Some(livemode), action, reason: Some(reason.clone()) };
    let happened = outcome.as_deref() == Some("succeeded");
    let decided = Happening::Decided { happened, object_id, by: operator.name.clone(), reason };
    let decision = decide(handles.clone(), livemode, id.into_inner(), decided);
    let operation = audited(&handles, operator, act, decision).await?;
    Ok(HttpResponse::Ok().json(view::operation(&operation)))
}

async fn decide(
    handles: Data<Handles>,
    livemode: bool,
    id: String,
    decided: Happening,
) -> Result<Operation, ApiError> {
    Ok(match &handles.operations {
        Some(operations) => operations.resolve(livemode, &id, decided).await?,
        None => resolve_without_key(&handles.store, (livemode, &id), decided, clock::now()).await?,
    })
}

/// Takes in a request for something to be done, and has done what its fields become.
pub(super) async fn place(
    request: HttpRequest,
    payer: Payer,
    payload: Payload,
    handles: &Handles,
    wanted: impl FnOnce(&mut Input) -> Option<Wanted>,
) -> Result<HttpResponse, ApiError> {
    let Order { operations, asked, mut input } =
        Order::take(request, payer, payload, handles).await?;
    let wanted = wanted(&mut input);
    input.finish()?;
    // What is missing was named.
    let wanted = wanted.ok_or(ApiError::InvalidRequest(Vec::new()))?;
    told(operations.request(&wanted, &asked).await?)
}

/// A request for something to be done, before its body was looked at.
pub(super) struct Order<'h> {
    pub(super) operations: &'h Operations,
    pub(super) asked: Asked,
    pub(super) input: Input,
}

impl<'h> Order<'h> {
    /// The order in which things are looked at is the one in which a caller can put them right.
    pub(super) async fn take(
        request: HttpRequest,
        Payer(by): Payer,
        payload: Payload,
        handles: &'h Handles,
    ) -> Result<Self, ApiError> {
        let client_key = key(&request)?.ok_or(ApiError::IdempotencyKeyMissing)?;
        let asked = Asked { client_key, by: by.name };
        Self::take_as(request, asked, payload, handles).await
    }

    pub(super) async fn take_as(
        request: HttpRequest,
        asked: Asked,
        payload: Payload,
        handles: &'h Handles,
    ) -> Result<Self, ApiError> {
        Query::of(&request, &[])?;
        let operations = handles.operations.as_ref().ok_or(ApiError::NoStripeKey)?;
        let body =
            body::take(&request, payload, &handles.order_bounds(), &handles.body_room).await?;
        let input = Input::parse(&body)?;
        Ok(Self { operations, asked, input })
    }
}

/// The id in a path, when it can name an object of this kind.
pub(super) fn check_path_id(kind: Kind, id: String) -> Result<String, ApiError> {
    match check_id(kind, &id) {
        Ok(()) => Ok(id),
        Err(_) => Err(ApiError::NotFound { what: kind.word(), id, hint: "" }),
    }
}

/// The caller's key, where there is one.
pub(super) fn key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let mut keys = request.headers().get_all(KEY);
    let Some(key) = keys.next() else { return Ok(None) };
    let is_only = keys.next().is_none();
    let text = key.to_str().ok().map(str::trim).filter(|_| is_only);
    let valid = text.filter(|text| {
        (1..=LONGEST_KEY).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    });
    valid.map(|text| Some(text.to_owned())).ok_or(ApiError::IdempotencyKeyInvalid)
}

/// What became of it so far.
fn told(operation: Operation) -> Result<HttpResponse, ApiError> {
    let mut response = match operation.state {
        OperationState::Refused => return Err(ApiError::Refused(Box::new(operation))),
        OperationState::Succeeded if operation.action == Action::CancelTopup => HttpResponse::Ok(),
        OperationState::Succeeded => HttpResponse::Created(),
        OperationState::Requested
        | OperationState::WaitingForFunds
        | OperationState::Sent
        | OperationState::Unknown => HttpResponse::Accepted(),
    };
    let location = format!("/v1/operations/{}", operation.id);
    response.insert_header((header::LOCATION, location));
    Ok(response.json(view::operation(&operation)))
}
