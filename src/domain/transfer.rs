//! A transfer: money moved from the platform's balance to a connected account's.
//!
//! Stripe gives transfers no status: one either exists or was refused. Ours says how much of it
//! has been taken back.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TransferStatus {
    Created,
    PartiallyReversed,
    Reversed,
}

impl TransferStatus {
    pub const ALL: [Self; 3] = [Self::Created, Self::PartiallyReversed, Self::Reversed];

    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::PartiallyReversed => "partially_reversed",
            Self::Reversed => "reversed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// In minor units of `currency`, as is `amount_reversed`.
    pub amount: i64,
    pub amount_reversed: i64,
    pub currency: Option<String>,
    pub created: Option<i64>,
    pub destination: Option<String>,
    pub source_transaction: Option<String>,
    pub transfer_group: Option<String>,
}

impl Transfer {
    pub fn status(&self) -> TransferStatus {
        if self.amount_reversed <= 0 {
            TransferStatus::Created
        } else if self.amount_reversed < self.amount {
            TransferStatus::PartiallyReversed
        } else {
            TransferStatus::Reversed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::examples;

    #[test]
    fn the_status_says_how_much_was_taken_back() {
        for (amount, amount_reversed, expected) in [
            (1000, 0, TransferStatus::Created),
            (1000, 1, TransferStatus::PartiallyReversed),
            (1000, 999, TransferStatus::PartiallyReversed),
            (1000, 1000, TransferStatus::Reversed),
            (0, 0, TransferStatus::Created),
        ] {
            let transfer = Transfer { amount, ..examples::transfer(amount_reversed) };
            assert_eq!(transfer.status(), expected, "{amount_reversed} of {amount}");
        }
    }
}
