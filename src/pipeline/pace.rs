//! How often Stripe is read, and how long an outage is borne with.

use std::time::Duration;

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
    /// Between two looks at what has changed.
    pub between_looks: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            between_reads: Duration::from_millis(100),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
            attempts: 9,
            between_looks: Duration::from_secs(1),
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

    /// Makes a call that changes nothing at Stripe, again and again while that may help.
    pub async fn read(&self, stripe: &dyn Stripe, call: &Call) -> Result<Answer, CallError> {
        let mut failures = 0;
        loop {
            tokio::time::sleep(self.between_reads).await;
            let error = match stripe.call(call).await {
                Ok(answer) => return Ok(answer),
                Err(
                    error @ (CallError::Refused { .. } | CallError::NotDone { retry: false, .. }),
                ) => return Err(error),
                Err(error @ (CallError::NotDone { .. } | CallError::Unknown { .. })) => error,
            };
            failures += 1;
            let Some(wait) = self.wait_after(failures) else { return Err(error) };
            tracing::warn!(%error, path = %call.path, wait_seconds = wait.as_secs(), "Stripe could not be read; trying again");
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
}
