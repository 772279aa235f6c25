//! `POST /webhooks/stripe`: verify, hand to the committer, answer once it is durable.

use actix_web::http::header::HeaderName;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpRequest, HttpResponse};

use crate::clock;
use crate::http::error::ApiError;
use crate::http::{Handles, view};
use crate::pipeline::receive::ReceiveError;
use crate::stripe::signature::{Malformed, SignatureError};

const STRIPE_SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");

pub(super) async fn receive(
    request: HttpRequest,
    body: Result<Bytes, Error>,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let answer = receive_one(&request, body, &handles).await;
    // What is wrong with the store is logged where it is found.
    if let Some(error) = answer.as_ref().err().filter(|error| !error.is_internal()) {
        tracing::warn!(code = error.code(), "turned a delivery away: {error}");
    }
    answer
}

async fn receive_one(
    request: &HttpRequest,
    body: Result<Bytes, Error>,
    handles: &Handles,
) -> Result<HttpResponse, ApiError> {
    let body = body.map_err(|error| {
        super::operate::body_error(&error, handles.max_body_bytes, "; see BURSAR_MAX_BODY_BYTES")
    })?;
    let signature = signature(request).map_err(ReceiveError::Signature)?;
    let receipt = handles.receiver.receive(signature, &body, clock::now()).await?;
    Ok(HttpResponse::Ok().json(view::receipt(&receipt)))
}

/// The value of the one `Stripe-Signature` header.
fn signature(request: &HttpRequest) -> Result<&[u8], SignatureError> {
    let mut headers = request.headers().get_all(STRIPE_SIGNATURE);
    let header = headers.next().ok_or(SignatureError::Missing)?;
    match headers.next() {
        None => Ok(header.as_bytes()),
        Some(_) => Err(SignatureError::Malformed(Malformed::SeveralHeaders)),
    }
}
