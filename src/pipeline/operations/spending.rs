//! Money that is on its way out, or went after the balance was last reported: Stripe tells of a
//! balance when it grows, not when it shrinks.
//!
//! It helps to say no before Stripe does, and is forgotten by a new start; Stripe is the judge.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::operation::{Happening, Operation, OperationState};
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
    pub(super) fn sent(&self, operation: &Operation, now: Timestamp) {
        let Some(terms) = &operation.terms else { return };
        let (currency, amount) = (terms.currency.clone(), terms.amount);
        let mut all = self.by_operation.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            let long_ago = Timestamp(now.0.saturating_sub(LONG_MICROSECONDS));
            all.retain(|_, spent| spent.answered.is_none_or(|answered| answered > long_ago));
        }
        all.insert(operation.id.clone(), Spent { currency, amount, answered: None });
    }

    pub(super) fn happened(&self, operation: &Operation, happening: &Happening, now: Timestamp) {
        let mut all = self.by_operation.lock().unwrap_or_else(PoisonError::into_inner);
        match happening {
            Happening::Answered { .. } => {
                if let Some(spent) = all.get_mut(&operation.id) {
                    spent.answered = Some(now);
                }
            }
            // It may have gone; until that is known it is kept back.
            Happening::Lost { .. } => {}
            Happening::Sent
            | Happening::Refused { .. }
            | Happening::NotDone { .. }
            | Happening::TurnedDown { .. }
            | Happening::Reported { .. }
            | Happening::Found { .. }
            | Happening::NotFound
            | Happening::Expired
            | Happening::Decided { .. } => {
                all.remove(&operation.id);
            }
        }
    }

    /// It became known in another way than by an answer.
    pub(super) fn settled(&self, operation: &Operation) {
        let mut all = self.by_operation.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = all.get(&operation.id).is_some_and(|spent| spent.answered.is_none());
        if is_open && operation.state != OperationState::Succeeded {
            all.remove(&operation.id);
        } else if let Some(spent) = all.get_mut(&operation.id).filter(|_| is_open) {
            spent.answered = Some(operation.updated_at);
        }
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
