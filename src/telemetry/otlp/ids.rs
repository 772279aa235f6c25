//! The ids of spans, which only need to be each other's like nowhere else.

/// Never all zero, which would mean none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceId(pub(super) u128);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpanId(pub(super) u64);

impl TraceId {
    pub(super) fn new() -> Self {
        Self(fastrand::u128(1..))
    }
}

impl SpanId {
    pub(super) fn new() -> Self {
        Self(fastrand::u64(1..))
    }
}
