//! How often Stripe is read, and how long an outage is borne with.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use crate::stripe::client::{Answer, Call, CallError, Stripe};

/// Of reading in the background: Stripe limits how much is read, and a person may be waiting for
/// the same limit.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two reads.
    pub between_reads: Duration,
    /// After the first failure; twice as long after each further one.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// Failures in a row after which it is given up.
    pub attempts: u32,
    /// How long after the first attempt a failure is the last one: an attempt at a Stripe that is
    /// silent takes four minutes.
    pub patience: Duration,
    /// Between two looks at what has changed.
    pub between_looks: Duration,
    /// How long who asked for a call waits before being told to come back.
    pub answer_within: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            between_reads: Duration::from_millis(100),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
            attempts: 9,
            patience: Duration::from_mins(5),
            between_looks: Duration::from_secs(1),
            answer_within: Duration::from_secs(25),
        }
    }
}

impl Pace {
    /// How long to wait after so many failures in a row; `None` when it is to be given up.
    pub fn wait_after(&self, failures: u32) -> Option<Duration> {
        let doublings = failures.saturating_sub(1).min(16);
        let wait = self.first_wait.saturating_mul(1 << doublings);
        (failures < self.attempts).then_some(wait.min(self.longest_wait))
    }

    fn wait_in_an_outage(&self, failures: u32, lasts: Duration) -> Option<Duration> {
        self.wait_after(failures).filter(|_| lasts < self.patience)
    }

    /// Makes a call that changes nothing at Stripe, again and again while that may help.
    pub async fn read(&self, stripe: &dyn Stripe, call: &Call) -> Result<Answer, CallError> {
        self.patiently(async || stripe.call(call).await, CallError::may_pass).await
    }

    /// Reads something of Stripe's, again and again while that may help.
    pub async fn patiently<T, E: Display>(
        &self,
        mut read: impl AsyncFnMut() -> Result<T, E>,
        may_pass: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let (began, mut failures) = (Instant::now(), 0);
        loop {
            tokio::time::sleep(self.between_reads).await;
            let error = match read().await {
                Ok(read) => return Ok(read),
                Err(error) => error,
            };
            failures += 1;
            let wait = self.wait_in_an_outage(failures, began.elapsed());
            let Some(wait) = wait.filter(|_| may_pass(&error)) else { return Err(error) };
            tracing::warn!(
                %error,
                wait_seconds = wait.as_secs(),
                "Stripe could not be read; trying again"
            );
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let pace = Pace { attempts: 9, ..Pace::default() };
        let waits: Vec<_> = (1..=9).map(|n| pace.wait_after(n).map(|w| w.as_secs())).collect();
        let expected = [1, 2, 4, 8, 16, 32, 60, 60].map(Some);
        assert_eq!(waits, [&expected[..], &[None]].concat());
    }

    #[test]
    fn slow_failures_are_borne_with_for_some_minutes_only() {
        let pace = Pace::default();
        for (seconds_each, expected) in [(0, 9), (10, 9), (60, 5), (240, 2)] {
            let (mut lasts, mut failures) = (Duration::ZERO, 0);
            loop {
                failures += 1;
                lasts += Duration::from_secs(seconds_each);
                let Some(wait) = pace.wait_in_an_outage(failures, lasts) else { break };
                lasts += wait;
            }
            assert_eq!(failures, expected, "{seconds_each} s each");
            assert!(lasts < Duration::from_mins(9), "{lasts:?}");
        }
    }
}
