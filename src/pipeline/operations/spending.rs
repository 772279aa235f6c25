//! Money that is on its way out, or went after the balance was last reported: Stripe tells of a
//! balance when it grows, not when it shrinks.
//!
//! It helps to say no before Stripe does, and is forgotten by a new start; Stripe is the judge.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::operation::{Operation, OperationState};
use crate::domain::time::Timestamp;

/// Spendings that are remembered.
const MOST: usize = 10_000;
/// After this long a balance was reported, or is asked for.
const LONG_MICROSECONDS: i64 = 3_600_000_000;

#[derive(Default)]
pub(super) struct Spending {
    by_operation: Mutex<BTreeMap<String, Spent>>,
}

struct Spent {
    currency: String,
    amount: i64,
    /// When it was answered, by our clock; `None` while it is under way.
    answered: Option<Timestamp>,
}

impl Spending {
    pub(super) fn keep_back(&self, operation: &Operation, now: Timestamp) {
        let Some(terms) = &operation.terms else { return };
        let (currency, amount) = (terms.currency.clone(), terms.amount);
        let mut all = self.by_operation.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            let long_ago = Timestamp(now.0.saturating_sub(LONG_MICROSECONDS));
            all.retain(|_, spent| spent.answered.is_none_or(|answered| answered > long_ago));
        }
        all.insert(operation.id.clone(), Spent { currency, amount, answered: None });
    }

    /// What became of it is known, by whatever way, or that it has not gone.
    pub(super) fn settled(&self, operation: &Operation) {
        let mut all = self.by_operation.lock().unwrap_or_else(PoisonError::into_inner);
        match operation.state {
            OperationState::Succeeded => {
                if let Some(spent) = all.get_mut(&operation.id) {
                    spent.answered.get_or_insert(operation.updated_at);
                }
            }
            OperationState::Refused | OperationState::WaitingForFunds => {
                all.remove(&operation.id);
            }
            // It goes, or may have gone; until that is known it is kept back.
            OperationState::Requested | OperationState::Sent | OperationState::Unknown => {}
        }
    }

    /// Those in this currency of which nobody knows yet whether they went.
    pub(super) fn open(&self, currency: &str) -> Vec<String> {
        let all = self.by_operation.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|(_, spent)| spent.currency == currency && spent.answered.is_none())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// What a balance does not show that is known since this moment, in minor units.
    pub(super) fn since(&self, currency: &str, known_since: Timestamp) -> i64 {
        let all = self.by_operation.lock().unwrap_or_else(PoisonError::into_inner);
        all.values()
            .filter(|spent| spent.currency == currency)
            .filter(|spent| spent.answered.is_none_or(|answered| answered > known_since))
            .fold(0, |sum: i64, spent| sum.saturating_add(spent.amount))
    }
}
