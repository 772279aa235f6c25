//! Accounts: several reports in one second, and the chain of changes that puts them in order.

use super::*;
use crate::domain::order::chain;

#[test]
fn within_one_second_the_chain_of_changes_counts_and_not_the_ids() {
    let reports = [
        moved("c", 2, &pending(), &complete()),
        moved("b", 2, &complete(), &restricted()),
        moved("a", 2, &restricted(), &complete()),
        told("z", 1, &pending()),
    ];
    check_order(&reports, "z c b a");
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
    check(&reports[..2], AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "b"));
}

#[test]
fn what_was_before_the_second_decides_a_change_and_its_reverse() {
    let there = moved("b", 2, &complete(), &restricted());
    let back = moved("a", 2, &restricted(), &complete());
    let reports = [told("z", 1, &restricted()), there.clone(), back.clone()];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "b"));
    let reports = [told("z", 1, &complete()), there.clone(), back.clone()];
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
    check(&[there, back], AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "b"));
}

#[test]
fn a_chain_may_start_at_any_end_of_an_open_second_before() {
    // The second before shows the smaller payable report, but may have ended in either.
    let before = [told("y", 1, &complete()), told("x", 1, &enabled())];
    for start in [complete(), enabled()] {
        let later =
            [moved("b", 2, &start, &restricted()), moved("a", 2, &restricted(), &pending())];
        let reports = [&before[..], &later].concat();
        check_order(&reports, "x y b a");
        check(&reports, AccountStatus::Pending, NOT_PAYABLE, (CLEAR, "a"));
    }
}

#[test]
fn only_the_second_just_before_is_a_place_to_start() {
    let reports = [
        told("z", 1, &complete()),
        told("y", 2, &restricted()),
        moved("b", 3, &restricted(), &complete()),
        moved("a", 3, &complete(), &restricted()),
    ];
    check_order(&reports, "z y b a");
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "a"));
}

#[test]
fn two_reports_that_contradict_each_other_let_no_money_move() {
    let reports = [told("a", 2, &complete()), told("b", 2, &restricted())];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "b"));
    let reports = [told("b", 2, &complete()), told("a", 2, &restricted())];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "a"));
}

#[test]
fn of_several_reports_that_do_not_let_money_move_the_last_counts() {
    let reports = [
        told("a", 2, &restricted()),
        told("b", 2, &pending()),
        told("c", 2, &complete()),
        told("d", 2, &enabled()),
    ];
    check(&reports, AccountStatus::Pending, NOT_PAYABLE, (AMBIGUOUS, "b"));
}

#[test]
fn reports_that_differ_in_status_only_are_ambiguous_and_the_last_counts() {
    let reports = [told("a", 2, &complete()), told("b", 2, &enabled())];
    check(&reports, AccountStatus::Enabled, PAYABLE, (AMBIGUOUS, "b"));
    let reports = [told("b", 2, &restricted()), told("a", 2, &pending())];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "b"));
}

#[test]
fn reports_that_differ_neither_in_payability_nor_in_status_are_not_ambiguous() {
    let reports = [told("a", 2, &complete()), abroad(told("b", 2, &complete()))];
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "b"));
}

#[test]
fn two_fetched_accounts_that_contradict_each_other_let_no_money_move() {
    let reports = [observed("b", 2, &complete()), observed("a", 2, &restricted())];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "a"));
}

#[test]
fn facts_that_flip_back_and_forth_within_one_second_end_where_the_chain_ends() {
    let start = told("z", 1, &complete());
    let flips = [
        start.clone(),
        moved("c", 2, &complete(), &restricted()),
        moved("a", 2, &restricted(), &complete()),
        moved("b", 2, &complete(), &restricted()),
    ];
    // Which of the two equal moves came first is open, where it ended is not.
    check_order(&flips, "z b a c");
    check(&flips, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "c"));
    let further = [&flips[..], &[moved("d", 2, &restricted(), &complete())]].concat();
    check(&further, AccountStatus::Complete, PAYABLE, (CLEAR, "d"));
}

#[test]
fn the_first_report_known_of_an_account_stands_first_if_it_says_what_was_before() {
    // Had the account been restricted first, `b` would have found it so.
    let silent = told("a", 2, &restricted());
    let reports = [silent.clone(), moved("b", 2, &pending(), &complete())];
    check_order(&reports, "b a");
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "a"));
    // Here it did, or it found what nobody knows.
    let reports = [silent, moved("b", 2, &restricted(), &complete())];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "a"));
}

#[test]
fn drift_in_fields_that_no_rule_reads_breaks_no_chain() {
    let reports = [
        told("z", 1, &pending()),
        abroad(moved("c", 2, &pending(), &complete())),
        moved("b", 2, &complete(), &restricted()),
        abroad(moved("a", 2, &restricted(), &complete())),
    ];
    check_order(&reports, "z c b a");
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
}

#[test]
fn the_order_in_a_list_of_requirements_breaks_no_chain() {
    let list = |names: [&str; 2]| Facts {
        eventually_due: Fields(names.map(str::to_owned).to_vec()),
        ..complete()
    };
    let reports = [
        moved("b", 2, &pending(), &list(["x", "y"])),
        moved("a", 2, &list(["y", "x"]), &restricted()),
    ];
    check_order(&reports, "b a");
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "a"));
}

#[test]
fn a_report_missing_in_the_chain_leaves_what_remains_linked_together() {
    // Between `d` and `b` one is missing, and yet only one order has two links.
    let linked = [
        told("z", 1, &pending()),
        moved("d", 2, &pending(), &enabled()),
        moved("b", 2, &restricted(), &revoked()),
        moved("a", 2, &revoked(), &complete()),
    ];
    check_order(&linked, "z d b a");
    check(&linked, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
}

/// A gap that may lie anywhere: `a` and `b` link to nothing.
fn broken_second() -> Vec<Report> {
    vec![
        told("z", 1, &pending()),
        moved("a", 2, &revoked(), &restricted()),
        moved("b", 2, &enabled(), &complete()),
    ]
}

#[test]
fn a_chain_broken_where_nothing_tells_the_order_does_not_pay_until_a_later_report() {
    let broken = broken_second();
    check(&broken, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "a"));
    let reports = [&broken[..], &[moved("c", 3, &restricted(), &complete())]].concat();
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "c"));
}

/// Twelve states in a chain; the ids run against it. All but the last can be paid.
fn long_second() -> Vec<Report> {
    let due = |count: u8| Facts {
        eventually_due: Fields((0..count).map(|field| format!("field_{field}")).collect()),
        ..complete()
    };
    let mut states: Vec<Facts> = (1..=11).map(due).collect();
    states.push(restricted());
    let moves = states.windows(2).zip(('a'..='l').rev());
    let moves = moves.map(|(pair, id)| moved(&id.to_string(), 2, &pair[0], &pair[1]));
    std::iter::once(told("z", 1, &states[0])).chain(moves).collect()
}

/// [`check`] for more reports than there is time to try all orders of.
#[track_caller]
fn check_long(reports: &[Report], (payable, ambiguous): (bool, bool), as_of: &str) {
    let mut reports = reports.to_vec();
    for _ in 0..reports.len() {
        reports.rotate_left(1);
        for order in [reports.clone(), reports.iter().rev().cloned().collect()] {
            let progress = deliver(&order).0;
            let shown = (account_of(&progress).payable(), progress.ambiguous);
            assert_eq!((shown, progress.as_of.event_id.as_str()), ((payable, ambiguous), as_of));
        }
    }
}

#[test]
fn more_reports_than_are_weighed_exhaustively_end_where_an_unbroken_chain_ends() {
    let reports = long_second();
    assert!(reports.len() > chain::EXHAUSTIVE + 1);
    check_long(&reports, (NOT_PAYABLE, CLEAR), "b");
    check_long(&reports[..reports.len() - 1], (PAYABLE, CLEAR), "c");
}

#[test]
fn more_reports_than_are_weighed_exhaustively_with_a_gap_do_not_pay_until_a_later_report() {
    let mut reports = long_second();
    reports.remove(3);
    check_long(&reports, (NOT_PAYABLE, AMBIGUOUS), "b");
    reports.push(transfers("y", 3, "active"));
    check_long(&reports, (NOT_PAYABLE, AMBIGUOUS), "y");
    reports.push(told("x", 4, &complete()));
    check_long(&reports, (PAYABLE, CLEAR), "x");
}
