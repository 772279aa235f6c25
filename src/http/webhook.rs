//! `POST /webhooks/stripe`: verify, hand to the committer, answer once it is durable.
//!
//! What can be refused by its head alone is refused before the body is read.

use actix_web::http::header::HeaderName;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::clock;
use crate::http::error::ApiError;
use crate::http::origin::client_address;
use crate::http::{Handles, body, view};
use crate::pipeline::receive::ReceiveError;
use crate::stripe::signature::{Malformed, SignatureError, check_shape};

const STRIPE_SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");

pub(super) async fn receive(
    request: HttpRequest,
    payload: Payload,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    let answer = receive_one(&request, payload, &handles).await;
    // What is wrong with the store is logged where it is found.
    if let Err(error) = &answer {
        handles.receiver.meter().refused(error.code().word());
    }
    if let Some(error) = answer.as_ref().err().filter(|error| !error.is_internal()) {
        let from = client_address(&request).map(|from| from.to_string());
        tracing::warn!(code = error.code().word(), from, "turned a delivery away: {error}");
    }
    answer
}

async fn receive_one(
    request: &HttpRequest,
    payload: Payload,
    handles: &Handles,
) -> Result<HttpResponse, ApiError> {
    if !handles.networks.may_deliver(client_address(request)) {
        body::end_after_answer(request);
        return Err(ApiError::NetworkNotAllowed);
    }
    let bounds = handles.delivery_bounds();
    let length = bounds.length(request).inspect_err(|_| body::end_after_answer(request))?;
    let signature = signature(request);
    // Of a body without a known length only reading it tells whether it is too large.
    if length.is_some()
        && let Err(error) = signature
    {
        body::end_after_answer(request);
        return Err(error);
    }
    // Held until the answer, and with it its share of the room for bodies.
    let body = body::take(request, payload, &bounds, &handles.body_room).await?;
    let receipt = handles.receiver.receive(signature?, &body, clock::now()).await?;
    Ok(HttpResponse::Ok().json(view::receipt(&receipt)))
}

/// The value of the one `Stripe-Signature` header, which has the shape of one.
fn signature(request: &HttpRequest) -> Result<&[u8], ApiError> {
    let mut headers = request.headers().get_all(STRIPE_SIGNATURE);
    let header = headers.next().ok_or(SignatureError::Missing);
    let only = header.and_then(|header| match headers.next() {
        None => Ok(header.as_bytes()),
        Some(_) => Err(SignatureError::Malformed(Malformed::SeveralHeaders)),
    });
    let shaped = only.and_then(|header| check_shape(header).map(|()| header));
    Ok(shaped.map_err(ReceiveError::Signature)?)
}
