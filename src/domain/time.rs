//! Moments of our own clock. Stripe's times stay what Stripe sends: whole Unix seconds.

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch, by our clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since the epoch, before it negative.
    pub fn signed_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole seconds since the epoch; never negative, as Stripe's times are.
    pub fn unix_seconds(self) -> u64 {
        u64::try_from(self.0.div_euclid(1_000_000)).unwrap_or(0)
    }
}
