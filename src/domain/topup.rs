//! A top-up: money on its way from a bank into the platform's Stripe balance.

use serde::{Deserialize, Serialize};

use crate::domain::lifecycle::Lifecycle;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TopupStatus {
    Pending,
    Succeeded,
    Failed,
    Canceled,
    Reversed,
}

impl TopupStatus {
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Succeeded, Self::Failed, Self::Canceled, Self::Reversed];

    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Reversed => "reversed",
        }
    }
}

impl Lifecycle for TopupStatus {
    fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Succeeded, Self::Failed, Self::Canceled],
            // A bank may take an ACH debit back.
            Self::Succeeded => &[Self::Reversed],
            Self::Failed | Self::Canceled | Self::Reversed => &[],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topup {
    pub status: TopupStatus,
    /// In minor units of `currency`.
    pub amount: i64,
    pub currency: Option<String>,
    pub created: Option<i64>,
    /// When Stripe expects the money to be available, Unix seconds.
    pub expected_availability_date: Option<i64>,
    pub failure_code: Option<String>,
    pub failure_message: Option<String>,
    pub transfer_group: Option<String>,
}
