//! Calls whose time and end are counted, whoever makes them.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::meters::Calls;
use crate::stripe::client::{Answer, Call, CallError, Stripe};

/// Passes calls on.
pub struct Metered {
    stripe: Arc<dyn Stripe>,
    meter: Arc<Calls>,
}

impl Metered {
    pub fn new(stripe: Arc<dyn Stripe>, meter: Arc<Calls>) -> Self {
        Self { stripe, meter }
    }
}

#[async_trait]
impl Stripe for Metered {
    async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let begun = Instant::now();
        let span = tracing::debug_span!(
            "stripe.call",
            method = ?call.method,
            path = %call.path,
            account.id = call.account,
            outcome = Empty,
            request.id = Empty,
            error = Empty,
        );
        let result = self.stripe.call(call).instrument(span.clone()).await;
        let outcome = match &result {
            Ok(_) => "done",
            Err(CallError::Refused { .. }) => "refused",
            Err(CallError::NotDone { .. }) => "not_done",
            Err(CallError::Unknown { .. }) => "unknown",
        };
        span.record("outcome", outcome);
        let request_id = match &result {
            Ok(answer) => answer.request_id.as_deref(),
            Err(error) => {
                span.record("error", outcome);
                error.request_id()
            }
        };
        span.record("request.id", request_id);
        self.meter.ended(outcome, begun.elapsed());
        result
    }
}
