//! Folding topups, transfers, payouts and balances: each report stands for itself.

use crate::domain::balance::Balance;
use crate::domain::event::Says;
use crate::domain::fold::{Folder, Said, State};
use crate::domain::lifecycle::{Lifecycle, Step, judge};
use crate::domain::order::{by_precedence, leads_one_way};
use crate::domain::payout::{Payout, PayoutStatus};
use crate::domain::topup::Topup;
use crate::domain::transfer::Transfer;

/// What differs between the kinds.
pub(super) trait Subject: Clone + PartialEq + 'static {
    fn said(says: &Says) -> Option<&Self>;
    fn held(state: &State) -> Option<&Self>;
    fn into_state(self) -> State;
    /// Whether the rules put report `a` before report `b` of the same second.
    fn precedes(a: &Self, b: &Self) -> bool;
    /// Folds a report: the object after it, what it meant, and whether it counts.
    fn take(held: &Self, reported: &Self) -> (Self, Step, bool);
    /// Whether these ends of one second, reported after `held`, contradict each other.
    fn contradict(_held: Option<&Self>, _ends: &[&Self]) -> bool {
        false
    }
    fn says_paid(&self) -> bool {
        false
    }
    /// The object once it is known whether any report called it paid.
    #[must_use]
    fn with_paid_reported(self, _paid_reported: bool) -> Self {
        self
    }
}

pub(super) fn second<T: Subject>(folder: &mut Folder<'_>, indexes: &[usize]) {
    let said = folder.select(indexes, T::said);
    let precedes = |a: &Said<'_, &T>, b: &Said<'_, &T>| {
        a.standing < b.standing || (a.standing == b.standing && T::precedes(a.what, b.what))
    };
    if let Some(watched) = said.iter().find(|report| Some(report.index) == folder.watched) {
        folder.overtaken =
            said.iter().any(|other| precedes(watched, other) && watched.what != other.what);
    }

    let ids: Vec<&str> = said.iter().map(|report| report.id).collect();
    let order = by_precedence(&ids, |a, b| match (said.get(a), said.get(b)) {
        (Some(a), Some(b)) => precedes(a, b),
        _ => false,
    });
    let at_start = held::<T>(folder);
    let ends: Vec<&T> = order.ends.iter().filter_map(|&i| said.get(i)).map(|r| r.what).collect();
    let ambiguous = T::contradict(at_start.as_ref(), &ends);

    for report in order.sequence.iter().filter_map(|&place| said.get(place)) {
        let (next, step, counts) = match held::<T>(folder) {
            None => (report.what.clone(), Step::First, true),
            Some(held) => T::take(&held, report.what),
        };
        let paid_reported =
            report.what.says_paid() || folder.held.as_ref().is_some_and(|held| held.paid_reported);
        folder.note(
            report.index,
            step,
            next.with_paid_reported(paid_reported).into_state(),
            counts,
        );
        if let Some(held) = &mut folder.held {
            held.to_mut().paid_reported = paid_reported;
        }
    }
    if ambiguous {
        folder.mark(true);
    }
}

fn held<T: Subject>(folder: &Folder<'_>) -> Option<T> {
    folder.held.as_ref().and_then(|held| T::held(&held.state)).cloned()
}

/// A one-way object: the later report counts, but a final status is never left, and a report
/// that comes after one changes no field.
fn take_one_way<T: Clone, S: Lifecycle>(held: (&T, S), reported: (&T, S)) -> (T, Step, bool) {
    let step = judge(held.1, reported.1);
    if held.1.is_final() { (held.0.clone(), step, false) } else { (reported.0.clone(), step, true) }
}

/// Ends of different statuses, unless everything was settled before.
fn statuses_differ<S: Lifecycle>(held: Option<S>, mut ends: impl Iterator<Item = S>) -> bool {
    let first = ends.next();
    !held.is_some_and(Lifecycle::is_final) && ends.any(|end| Some(end) != first)
}

impl Subject for Topup {
    fn said(says: &Says) -> Option<&Self> {
        if let Says::Topup(topup) = says { Some(topup) } else { None }
    }

    fn held(state: &State) -> Option<&Self> {
        if let State::Topup(topup) = state { Some(topup) } else { None }
    }

    fn into_state(self) -> State {
        State::Topup(self)
    }

    fn precedes(a: &Self, b: &Self) -> bool {
        leads_one_way(a.status, b.status)
    }

    fn take(held: &Self, reported: &Self) -> (Self, Step, bool) {
        take_one_way((held, held.status), (reported, reported.status))
    }

    fn contradict(held: Option<&Self>, ends: &[&Self]) -> bool {
        statuses_differ(held.map(|held| held.status), ends.iter().map(|end| end.status))
    }
}

impl Subject for Payout {
    fn said(says: &Says) -> Option<&Self> {
        if let Says::Payout(payout) = says { Some(payout) } else { None }
    }

    fn held(state: &State) -> Option<&Self> {
        if let State::Payout(payout) = state { Some(payout) } else { None }
    }

    fn into_state(self) -> State {
        State::Payout(self)
    }

    fn precedes(a: &Self, b: &Self) -> bool {
        leads_one_way(a.status, b.status)
    }

    fn take(held: &Self, reported: &Self) -> (Self, Step, bool) {
        take_one_way((held, held.status), (reported, reported.status))
    }

    fn contradict(held: Option<&Self>, ends: &[&Self]) -> bool {
        statuses_differ(held.map(|held| held.status), ends.iter().map(|end| end.status))
    }

    fn says_paid(&self) -> bool {
        self.status == PayoutStatus::Paid
    }

    fn with_paid_reported(self, paid_reported: bool) -> Self {
        let failed_after_paid = paid_reported && self.status == PayoutStatus::Failed;
        Self { failed_after_paid, ..self }
    }
}

impl Subject for Transfer {
    fn said(says: &Says) -> Option<&Self> {
        if let Says::Transfer(transfer) = says { Some(transfer) } else { None }
    }

    fn held(state: &State) -> Option<&Self> {
        if let State::Transfer(transfer) = state { Some(transfer) } else { None }
    }

    fn into_state(self) -> State {
        State::Transfer(self)
    }

    fn precedes(a: &Self, b: &Self) -> bool {
        a.amount_reversed < b.amount_reversed
    }

    /// What was taken back never shrinks.
    fn take(held: &Self, reported: &Self) -> (Self, Step, bool) {
        let step = match reported.amount_reversed.cmp(&held.amount_reversed) {
            std::cmp::Ordering::Greater => Step::Advance,
            std::cmp::Ordering::Equal => Step::Repeat,
            std::cmp::Ordering::Less => Step::Conflict,
        };
        let amount_reversed = reported.amount_reversed.max(held.amount_reversed);
        (Self { amount_reversed, ..reported.clone() }, step, true)
    }
}

impl Subject for Balance {
    fn said(says: &Says) -> Option<&Self> {
        if let Says::Balance(balance) = says { Some(balance) } else { None }
    }

    fn held(state: &State) -> Option<&Self> {
        if let State::Balance(balance) = state { Some(balance) } else { None }
    }

    fn into_state(self) -> State {
        State::Balance(self)
    }

    fn precedes(_: &Self, _: &Self) -> bool {
        false
    }

    fn take(held: &Self, reported: &Self) -> (Self, Step, bool) {
        let step = if held == reported { Step::Repeat } else { Step::Advance };
        (reported.clone(), step, true)
    }
}
