//! Where a list goes on. Opaque to callers; one list's cursor is unreadable to another.

use crate::http::error::ApiError;

/// The cursor of `place` in a list; `list` names the list and the partition.
pub fn encode(list: &str, place: &str) -> String {
    hex::encode(format!("{list} {place}"))
}

/// The place that [`encode`] put into a cursor of this list.
pub fn decode(list: &str, cursor: &str) -> Result<String, ApiError> {
    let bytes = hex::decode(cursor).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let place = text.as_deref().and_then(|text| text.strip_prefix(list)?.strip_prefix(' '));
    place.map(str::to_owned).ok_or_else(unreadable)
}

pub(super) fn unreadable() -> ApiError {
    ApiError::InvalidParameter(
        "`cursor` cannot be read; use the `next_cursor` of this list as it came".to_owned(),
    )
}
