//! How much a request's head may hold.

use actix_web::dev::RequestHead;

use crate::http::Capacity;
use crate::http::error::ApiError;

/// Of a request line, beside its words: two blanks, the version, the end of the line. Of a header:
/// the colon, a blank, the end of the line.
const REQUEST_LINE: usize = "  HTTP/1.1\r\n".len();
const HEADER_LINE: usize = ": \r\n".len();

/// That a head which was read whole is within the bounds. actix reads none that is larger than
/// 128 KiB or has more than 96 headers.
pub(super) fn check(head: &RequestHead, capacity: &Capacity) -> Result<(), ApiError> {
    if head.headers().len() > capacity.headers {
        return Err(ApiError::TooManyHeaders { most: capacity.headers });
    }
    if length(head) > capacity.header_bytes {
        return Err(too_large(capacity));
    }
    Ok(())
}

pub(super) fn too_large(capacity: &Capacity) -> ApiError {
    ApiError::HeadersTooLarge { most: capacity.header_bytes }
}

fn length(head: &RequestHead) -> usize {
    let authority = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    let target = authority + head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers = head.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + HEADER_LINE);
    head.method.as_str().len() + target + REQUEST_LINE + headers.sum::<usize>()
}
