//! Of one operation, one call or decision at a time.
//!
//! Stripe refuses a key that is in use; and who decides what became of a call must not do so while
//! it is being made again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// By the operation's id, as long as somebody has or wants a turn.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<String, Arc<Turn<()>>>>);

impl Turns {
    pub(super) async fn of(&self, id: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(id.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}
