//! Of one operation, one call or decision at a time.
//!
//! Stripe refuses a key that is in use; and who decides what became of a call must not do so while
//! it is being made again.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Some operations share a turn, which only makes them wait a little.
pub(super) struct Turns {
    hasher: RandomState,
    turns: [Mutex<()>; 64],
}

impl Default for Turns {
    fn default() -> Self {
        Self { hasher: RandomState::new(), turns: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Turns {
    pub(super) async fn of(&self, id: &str) -> Option<MutexGuard<'_, ()>> {
        let place = usize::try_from(self.hasher.hash_one(id)).unwrap_or_default();
        match self.turns.get(place % self.turns.len()) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }
}
