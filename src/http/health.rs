//! Is the process alive, and can it take work? Neither needs a token.

use actix_web::web::Data;
use serde_json::{Value, json};

use crate::http::Handles;
use crate::http::error::ApiError;

pub(super) async fn alive() -> actix_web::web::Json<Value> {
    actix_web::web::Json(json!({ "status": "alive" }))
}

pub(super) async fn ready(handles: Data<Handles>) -> Result<actix_web::web::Json<Value>, ApiError> {
    if handles.is_draining() {
        return Err(ApiError::Draining);
    }
    handles.store.health().await?;
    Ok(actix_web::web::Json(json!({ "status": "ready" })))
}
