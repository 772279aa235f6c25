//! Taking in a body: within its limit, in time, and within the room that all bodies share.
//!
//! Room is taken as bytes come, not as they are announced: who sends slowly holds little of it.

use std::ops::Deref;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use actix_web::web::Payload;
use futures_util::StreamExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::http::conduct::{Conduct, TakingBody};
use crate::http::error::ApiError;

/// Room for the beginning of a body whose length is not known.
const FIRST_BYTES: usize = 4 << 10;

/// What is taken from a client.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    /// Said to those who send more.
    pub(super) remedy: &'static str,
    /// From the end of the head to that of the body.
    pub(super) time: Duration,
}

impl Bounds {
    /// The length that the head announces, when it does.
    pub(super) fn length(&self, request: &HttpRequest) -> Result<Option<usize>, ApiError> {
        let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = length.and_then(|text| text.parse().ok());
        match length {
            Some(length) if length > self.bytes => Err(self.exceeded()),
            length => Ok(length),
        }
    }

    fn exceeded(&self) -> ApiError {
        ApiError::BodyTooLarge { limit: self.bytes, remedy: self.remedy }
    }
}

/// A body, and the room it takes for as long as it is held.
pub(super) struct Body<'r> {
    bytes: Vec<u8>,
    /// It never becomes longer.
    most: usize,
    room: &'r Semaphore,
    taken: Option<SemaphorePermit<'r>>,
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The whole body. The connection of one that cannot be taken ends after the answer.
pub(super) async fn take<'r>(
    request: &HttpRequest,
    payload: Payload,
    bounds: &Bounds,
    room: &'r Semaphore,
) -> Result<Body<'r>, ApiError> {
    let _taking = Conduct::of(request).map(TakingBody::on);
    let taken = match bounds.length(request) {
        Ok(length) => timeout(bounds.time, gather(payload, bounds, length, room)).await,
        Err(error) => Ok(Err(error)),
    };
    let slow = || ApiError::BodyTooSlow { seconds: bounds.time.as_secs() };
    let taken = taken.unwrap_or_else(|_| Err(slow()));
    match (&taken, Conduct::of(request)) {
        (Ok(_), Some(conduct)) => conduct.body_was_taken(),
        (Err(_), _) => end_after_answer(request),
        (Ok(_), None) => {}
    }
    taken
}

/// Whether a head says that there is a body, or that something other than requests follows it.
pub(super) fn is_announced(head: &RequestHead) -> bool {
    let length = head.headers().get(CONTENT_LENGTH);
    length.is_some_and(|length| length != "0")
        || head.headers().contains_key(TRANSFER_ENCODING)
        || head.method == Method::CONNECT
        || head.headers().get(UPGRADE).is_some_and(is_websocket)
}

fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket")
}

/// Nothing more is wanted of this client on this connection.
pub(super) fn end_after_answer(request: &HttpRequest) {
    Conduct::of(request).inspect(|conduct| conduct.leave());
}

async fn gather<'r>(
    mut payload: Payload,
    bounds: &Bounds,
    length: Option<usize>,
    room: &'r Semaphore,
) -> Result<Body<'r>, ApiError> {
    let most = length.unwrap_or(bounds.bytes);
    let mut body = Body { bytes: Vec::new(), most, room, taken: None };
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::BodyUnreadable(error.to_string()))?;
        if body.len() + chunk.len() > bounds.bytes {
            return Err(bounds.exceeded());
        }
        body.extend(&chunk)?;
    }
    Ok(body)
}

impl Body<'_> {
    fn extend(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        let needed = self.bytes.len() + chunk.len();
        if needed > self.bytes.capacity() {
            // As a vector grows by itself, but never beyond what can still come.
            let wanted = needed.max(2 * self.bytes.capacity()).max(FIRST_BYTES);
            self.grow(wanted.min(self.most.max(needed)))?;
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn grow(&mut self, capacity: usize) -> Result<(), ApiError> {
        let held = self.taken.as_ref().map_or(0, SemaphorePermit::num_permits);
        let more = u32::try_from(capacity.saturating_sub(held)).unwrap_or(u32::MAX);
        let more = self.room.try_acquire_many(more).map_err(|_| ApiError::Overloaded)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        self.bytes.reserve_exact(capacity - self.bytes.len());
        Ok(())
    }
}
