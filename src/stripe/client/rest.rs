//! The pause before a call is sent again, by the rule of Stripe's own libraries.

use std::time::Duration;

use async_trait::async_trait;

const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);

/// Waits before the retry that follows this attempt, counted from 1.
#[async_trait]
pub trait Rest: Send + Sync {
    async fn before_retry(&self, attempt: u32);
}

/// Waits for real, a little differently each time, so that many who wait do not return together.
pub struct Sleep;

#[async_trait]
impl Rest for Sleep {
    async fn before_retry(&self, attempt: u32) {
        tokio::time::sleep(jittered(attempt, fastrand::u32(..))).await;
    }
}

/// Half a second that doubles up to five, of which `random` takes up to a half, and never below
/// half a second.
pub fn jittered(attempt: u32, random: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(4);
    let whole = (SHORTEST * (1 << doublings)).min(LONGEST);
    let taken = (whole / 2).as_nanos() * u128::from(random) / u128::from(u32::MAX);
    let taken = Duration::from_nanos(u64::try_from(taken).unwrap_or_default());
    whole.saturating_sub(taken).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds_and_vary_by_half() {
        for (attempt, least, most) in [
            (1, 500, 500),
            (2, 500, 1000),
            (3, 1000, 2000),
            (4, 2000, 4000),
            (5, 2500, 5000),
            (u32::MAX, 2500, 5000),
        ] {
            assert_eq!(jittered(attempt, u32::MAX), Duration::from_millis(least), "{attempt}");
            assert_eq!(jittered(attempt, 0), Duration::from_millis(most), "{attempt}");
        }
    }
}
