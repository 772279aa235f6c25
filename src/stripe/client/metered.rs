//! Calls whose time and end are counted, whoever makes them.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

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
        let result = self.stripe.call(call).await;
        let outcome = match &result {
            Ok(_) => "done",
            Err(CallError::Refused { .. }) => "refused",
            Err(CallError::NotDone { .. }) => "not_done",
            Err(CallError::Unknown { .. }) => "unknown",
        };
        self.meter.ended(outcome, begun.elapsed());
        result
    }
}
