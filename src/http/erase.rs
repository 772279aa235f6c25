//! `POST /v1/accounts/{id}/erase`: personal data of an account goes, for good.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::audit::{AuditAction, Results};
use crate::domain::id::Kind;
use crate::http::Handles;
use crate::http::audit::{Act, Brings, audited};
use crate::http::auth::Operator;
use crate::http::error::ApiError;
use crate::http::operate::reason;
use crate::http::operations::check_path_id;
use crate::http::query::Query;
use crate::store::{Erased, Erasure, SharedStore};

pub(super) async fn erase(
    request: HttpRequest,
    operator: Operator,
    id: Path<String>,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let livemode = Query::of(&request, &["livemode"])?.livemode(handles.livemode)?;
    let account = check_path_id(Kind::Account, id.into_inner())?;
    let reason = reason(&request, payload, &handles).await?;
    let action = AuditAction::Erase { account: account.clone() };
    let act = Act { livemode: Some(livemode), action, reason };
    let work = erased(handles.store.clone(), livemode, account.clone());
    let Erased { events, steps, already } = audited(&handles, operator, act, work).await?;
    Ok(HttpResponse::Ok().json(json!({
        "account": account,
        "livemode": livemode,
        "events": events,
        "operation_steps": steps,
        "already_erased": already,
    })))
}

async fn erased(store: SharedStore, livemode: bool, id: String) -> Result<Erased, ApiError> {
    match store.erase(livemode, id.clone()).await? {
        Erasure::Done(erased) => Ok(erased),
        Erasure::Unknown => Err(ApiError::NotFound {
            what: "account",
            id,
            hint: "; `?livemode=` shows the other partition",
        }),
        Erasure::Busy(operations) => Err(ApiError::OperationsOpen(operations)),
        Erasure::Copies(folders) => Err(ApiError::CopiesInFolder(folders)),
    }
}

impl Brings for Erased {
    fn results(&self) -> Results {
        let Self { events, steps, already } = *self;
        let counts = [("events", events), ("operation_steps", steps), ("already_erased", already)];
        let counts = counts.map(|(what, count)| (what.to_owned(), count));
        Results { counts: counts.into(), made: None }
    }
}
