//! `POST /v1/accounts/{id}/erase`: personal data of an account goes, for good.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::domain::id::Kind;
use crate::http::Handles;
use crate::http::auth::Operator;
use crate::http::error::ApiError;
use crate::http::operate::reason;
use crate::http::operations::check_path_id;
use crate::http::query::Query;
use crate::store::{Erased, Erasure};

pub(super) async fn erase(
    request: HttpRequest,
    Operator(by): Operator,
    id: Path<String>,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let livemode = Query::of(&request, &["livemode"])?.livemode(handles.livemode)?;
    let account = check_path_id(Kind::Account, id.into_inner())?;
    // Not for the log: people write names into reasons.
    reason(&request, payload, &handles).await?;
    match handles.store.erase(livemode, account.clone()).await? {
        Erasure::Done(Erased { events, steps, already }) => {
            tracing::info!(by = %by.name, account, events, steps, already, "erased an account");
            Ok(HttpResponse::Ok().json(json!({
                "account": account,
                "livemode": livemode,
                "events": events,
                "operation_steps": steps,
                "already_erased": already,
            })))
        }
        Erasure::Unknown => Err(ApiError::NotFound {
            what: "account",
            id: account,
            hint: "; `?livemode=` shows the other partition",
        }),
        Erasure::Busy(operations) => Err(ApiError::OperationsOpen(operations)),
        Erasure::Copies(folders) => Err(ApiError::CopiesInFolder(folders)),
    }
}
