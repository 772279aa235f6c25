//! What a store is asked about personal data that has to go, and what it answers.

use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// What became of a request to erase an account's personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    Done(Erased),
    /// Nothing is known of the account.
    Unknown,
    /// These operations are about it, and still need what would be erased.
    Busy(Vec<String>),
    /// These folders below the store's hold copies that nobody looks into.
    Copies(Vec<String>),
}

/// How much of what is about an account is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Bodies of events that were reduced by this.
    pub events: u64,
    /// Recorded steps of operations that were.
    pub steps: u64,
    /// What had been reduced before.
    pub already: u64,
}

/// How far one round of dropping old bodies has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Bodies that were reduced by this.
    pub reduced: u64,
    /// There is more to look at.
    pub more: bool,
}

/// A step of an erasure, as the journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ErasureStep {
    /// What came up to this record is reduced from here on, also by the next start.
    Begun { through: u64 },
    /// All of it is.
    Done,
}

impl ErasureStep {
    pub(super) fn body(self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(&self).map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
