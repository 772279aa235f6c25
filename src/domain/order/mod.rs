//! Which report about an object comes first.
//!
//! Stripe promises no order, and `created` has a grain of one second. Between seconds, `created`
//! decides. Inside one second: a `.created` type stands first and a fetched object last; between
//! them the lifecycle table decides for topups and payouts, the amount reversed for transfers,
//! and the chain of changes for accounts ([`chain`]). What is then still open is put in the order
//! of event ids, so that it is at least the same everywhere.

pub mod chain;

use crate::domain::lifecycle::Lifecycle;

/// One second's reports, put in order. Indexes are those of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub sequence: Vec<usize>,
    /// The reports in which an order that the rules allow could end.
    pub ends: Vec<usize>,
}

/// Orders reports when `precedes(a, b)` says that the rules, not the ids, put `a` before `b`.
/// Takes again and again, of the reports that no remaining one must precede, the smallest id.
pub fn by_precedence(ids: &[&str], precedes: impl Fn(usize, usize) -> bool) -> Order {
    let mut remaining: Vec<usize> = (0..ids.len()).collect();
    remaining.sort_by_key(|&index| ids.get(index));
    let ends = remaining
        .iter()
        .copied()
        .filter(|&report| !remaining.iter().any(|&other| precedes(report, other)))
        .collect();
    // How many of the remaining must go before each report, in the order of ids.
    let mut waiting: Vec<usize> = remaining
        .iter()
        .map(|&report| remaining.iter().filter(|&&other| precedes(other, report)).count())
        .collect();
    let mut sequence = Vec::with_capacity(ids.len());
    while !remaining.is_empty() {
        // A precedence that runs in a circle would leave nobody free; then the smallest id goes.
        let place = waiting.iter().position(|&count| count == 0).unwrap_or(0);
        let gone = remaining.remove(place);
        waiting.remove(place);
        for (count, &report) in waiting.iter_mut().zip(&remaining) {
            *count = count.saturating_sub(usize::from(precedes(gone, report)));
        }
        sequence.push(gone);
    }
    Order { sequence, ends }
}

/// Whether the table puts a report of status `a` before one of status `b` in the same second.
pub fn leads_one_way<S: Lifecycle>(a: S, b: S) -> bool {
    a.leads_to(b) && !b.leads_to(a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payout::PayoutStatus::{self, Canceled, Failed, InTransit, Paid, Pending};

    #[track_caller]
    fn check(reports: &[(&str, PayoutStatus)], expected: &[&str], expected_ends: &[&str]) {
        let ids: Vec<&str> = reports.iter().map(|report| report.0).collect();
        let order = by_precedence(&ids, |a, b| leads_one_way(reports[a].1, reports[b].1));
        let names = |indexes: &[usize]| indexes.iter().map(|&i| ids[i]).collect::<Vec<_>>();
        assert_eq!(names(&order.sequence), expected);
        assert_eq!(names(&order.ends), expected_ends);
    }

    #[test]
    fn the_table_decides_before_the_ids_do() {
        check(&[("a", Paid), ("b", Pending), ("c", InTransit)], &["b", "c", "a"], &["a"]);
        check(&[("a", Failed), ("b", Paid)], &["b", "a"], &["a"]);
    }

    #[test]
    fn what_the_table_leaves_open_goes_by_id_and_shows_both_ends() {
        check(&[("b", Canceled), ("a", Failed)], &["a", "b"], &["a", "b"]);
        check(&[("b", Paid), ("a", Paid)], &["a", "b"], &["a", "b"]);
    }

    #[test]
    fn a_report_goes_as_soon_as_nothing_must_precede_it() {
        // `a` waits for `z`; `b` waits for nothing, so it goes first although `a` is smaller.
        check(&[("a", Paid), ("z", InTransit), ("b", Canceled)], &["z", "a", "b"], &["a", "b"]);
    }
}
