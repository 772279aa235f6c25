//! A payout: money on its way from a Stripe balance to a bank account or card.

use serde::{Deserialize, Serialize};

use crate::domain::lifecycle::Lifecycle;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PayoutStatus {
    Pending,
    InTransit,
    Paid,
    Failed,
    Canceled,
}

impl PayoutStatus {
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::InTransit, Self::Paid, Self::Failed, Self::Canceled];

    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InTransit => "in_transit",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

impl Lifecycle for PayoutStatus {
    fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::InTransit, Self::Paid, Self::Failed, Self::Canceled],
            Self::InTransit => &[Self::Paid, Self::Failed, Self::Canceled],
            // A bank may return the money days after Stripe has called it paid.
            Self::Paid => &[Self::Failed],
            Self::Failed | Self::Canceled => &[],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    pub status: PayoutStatus,
    /// The status is `failed` and some known report said `paid`. Never set in a report itself.
    pub failed_after_paid: bool,
    /// In minor units of `currency`; negative when Stripe collects a debt from the bank.
    pub amount: i64,
    pub currency: Option<String>,
    pub created: Option<i64>,
    pub arrival_date: Option<i64>,
    pub automatic: Option<bool>,
    pub method: Option<String>,
    pub destination: Option<String>,
    pub failure_code: Option<String>,
    pub failure_message: Option<String>,
}
