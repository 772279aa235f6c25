//! The rules that a store is opened with: Stripe's spelling, read by [`crate::stripe::wire`].

use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::store::Rules;
use crate::stripe::wire;

#[derive(Clone, Copy, Debug, Default)]
pub struct StripeRules;

impl Rules for StripeRules {
    fn read(&self, body: &[u8], received_at: Timestamp) -> Option<Event> {
        wire::read(body, received_at).ok()
    }

    fn same_content(&self, a: &[u8], b: &[u8]) -> bool {
        wire::same_content(a, b)
    }

    fn reduce(&self, body: &[u8]) -> Option<Vec<u8>> {
        wire::reduce(body)
    }

    fn mentions(&self, body: &[u8], account: &str) -> bool {
        wire::mentions(body, account)
    }
}
