//! What the change feed announces: the few facts about an object that others act on.
//!
//! One report changes its object once, so it is announced at the most once. A late report that
//! changes the past but not the present is not announced; a balance has nothing of it.

use serde::{Deserialize, Serialize};

use crate::domain::account::AccountStatus;
use crate::domain::fold::{Progress, State};
use crate::domain::payout::PayoutStatus;
use crate::domain::topup::TopupStatus;
use crate::domain::transfer::TransferStatus;

/// What is watched of an object at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visible {
    pub facts: Watched,
    pub ambiguous: bool,
}

/// What is watched of each kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watched {
    Account { status: AccountStatus, payable: bool },
    Topup { status: TopupStatus },
    Transfer { status: TransferStatus, amount_reversed: i64 },
    Payout { status: PayoutStatus, failed_after_paid: bool },
}

/// An object before and after a report; never the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `None` at first sight.
    pub before: Option<Visible>,
    pub after: Visible,
}

/// What there is to announce when an object went from `before` to `after`.
pub fn change(before: Option<&Progress>, after: &Progress) -> Option<Change> {
    let (before, after) = (before.and_then(Visible::of), Visible::of(after)?);
    (before != Some(after)).then_some(Change { before, after })
}

impl Visible {
    /// `None` for a balance.
    pub fn of(progress: &Progress) -> Option<Self> {
        let facts = match &progress.state {
            State::Account(account) => {
                Watched::Account { status: account.status(), payable: account.payable() }
            }
            State::Topup(topup) => Watched::Topup { status: topup.status },
            State::Transfer(transfer) => Watched::Transfer {
                status: transfer.status(),
                amount_reversed: transfer.amount_reversed,
            },
            State::Payout(payout) => Watched::Payout {
                status: payout.status,
                failed_after_paid: payout.failed_after_paid,
            },
            State::Balance(_) => return None,
        };
        Some(Self { facts, ambiguous: progress.ambiguous })
    }

    pub fn status(self) -> &'static str {
        match self.facts {
            Watched::Account { status, .. } => status.word(),
            Watched::Topup { status } => status.word(),
            Watched::Transfer { status, .. } => status.word(),
            Watched::Payout { status, .. } => status.word(),
        }
    }

    /// Only accounts are payable, or not.
    pub fn payable(self) -> Option<bool> {
        match self.facts {
            Watched::Account { payable, .. } => Some(payable),
            Watched::Topup { .. } | Watched::Transfer { .. } | Watched::Payout { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::balance::Balance;
    use crate::domain::examples;
    use crate::domain::fold::AsOf;
    use crate::domain::payout::Payout;
    use crate::domain::time::Timestamp;

    fn progress(state: State) -> Progress {
        Progress {
            state,
            ambiguous: false,
            as_of: AsOf { event_id: "evt_1".to_owned(), created: 1, recorded_at: Timestamp(1) },
            newest: 1,
            conflicts: 0,
            paid_reported: false,
            open: Vec::new(),
        }
    }

    fn topup(status: TopupStatus) -> Progress {
        progress(State::Topup(examples::topup(status)))
    }

    fn transfer(amount_reversed: i64) -> Progress {
        progress(State::Transfer(examples::transfer(amount_reversed)))
    }

    fn payout(failed_after_paid: bool) -> Progress {
        let failed = examples::payout(PayoutStatus::Failed);
        progress(State::Payout(Payout { failed_after_paid, ..failed }))
    }

    #[test]
    fn first_sight_is_announced_with_nothing_before() {
        let pending = topup(TopupStatus::Pending);
        let announced = change(None, &pending).unwrap();
        assert_eq!(announced, Change { before: None, after: Visible::of(&pending).unwrap() });
        assert_eq!(announced.after.status(), "pending");
    }

    #[test]
    fn each_watched_fact_is_announced_when_it_changes_alone() {
        let pending = topup(TopupStatus::Pending);
        let ambiguous = Progress { ambiguous: true, ..pending.clone() };
        for (before, after) in [
            (pending.clone(), topup(TopupStatus::Succeeded)),
            (pending, ambiguous),
            (transfer(1), transfer(2)),
            (payout(false), payout(true)),
        ] {
            let announced = change(Some(&before), &after).unwrap();
            assert_eq!(announced.before, Visible::of(&before));
            assert_eq!(Some(announced.after), Visible::of(&after));
        }
    }

    #[test]
    fn what_is_not_watched_is_not_announced() {
        let before = topup(TopupStatus::Pending);
        let mut after = before.clone();
        after.newest = 2;
        after.as_of.event_id = "evt_2".to_owned();
        if let State::Topup(topup) = &mut after.state {
            topup.amount = 2000;
        }
        assert_eq!(change(Some(&before), &after), None);
    }

    #[test]
    fn a_balance_is_never_announced() {
        let balance = progress(State::Balance(Balance { available: None, pending: None }));
        assert_eq!(change(None, &balance), None);
    }
}
