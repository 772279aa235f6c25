//! A balance: the latest that was reported for an owner. Shown, never calculated with.

use serde::{Deserialize, Serialize};

use crate::domain::Json;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    pub available: Option<Json>,
    pub pending: Option<Json>,
}
