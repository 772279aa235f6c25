//! Of whatever has this name, one at a time.
//!
//! Stripe refuses a key that is in use; and who decides what became of a call must not do so while
//! it is being made again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// By name, as long as somebody has or wants a turn; with what one leaves to those who wait.
#[derive(Default)]
pub(super) struct Turns<T = ()>(Mutex<HashMap<String, Arc<Turn<T>>>>);

impl<T: Default> Turns<T> {
    pub(super) async fn of(&self, name: &str) -> OwnedMutexGuard<T> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(name.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}
