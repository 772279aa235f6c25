//! Dropping what is personal of old bodies: at the start, and then once a day.
//!
//! A part at a time with a pause between, since nobody waits for it and others wait for the disk.

use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::store::{Retained, SharedStore, StoreError};

const SECONDS_PER_DAY: i64 = 86_400;

/// For how long bodies are kept whole, and how the rest is worked off.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    pub days: u32,
    /// Between two parts of one round.
    pub between_parts: Duration,
    /// Between two rounds.
    pub between_rounds: Duration,
}

impl Retention {
    pub fn of_days(days: u32) -> Self {
        let between_parts = Duration::from_secs(2);
        Self { days, between_parts, between_rounds: Duration::from_hours(24) }
    }

    /// What was received before this moment is to be reduced.
    fn before(&self, now: Timestamp) -> Timestamp {
        let seconds = i64::from(self.days).saturating_mul(SECONDS_PER_DAY);
        Timestamp(now.0.saturating_sub(seconds.saturating_mul(1_000_000)))
    }

    /// One round. Answers how many bodies were reduced.
    pub async fn round(&self, store: &SharedStore, now: Timestamp) -> Result<u64, StoreError> {
        let (before, mut all) = (self.before(now), 0);
        loop {
            let Retained { reduced, more } = store.retain(before).await?;
            all += reduced;
            if !more {
                return Ok(all);
            }
            tokio::time::sleep(self.between_parts).await;
        }
    }

    /// Never ends.
    pub async fn run(self, store: SharedStore, clock: fn() -> Timestamp) {
        loop {
            match self.round(&store, clock()).await {
                Ok(0) => {}
                Ok(reduced) => {
                    let days = self.days;
                    tracing::info!(reduced, days, "reduced the bodies of old events");
                }
                Err(error) => {
                    tracing::error!(%error, "old bodies could not be reduced; tried again in a day");
                }
            }
            tokio::time::sleep(self.between_rounds).await;
        }
    }
}
