//! Accounts over several seconds, and authorization events beside them.

use super::*;

#[test]
fn the_later_account_report_counts_in_both_directions() {
    let reports = [told("c", 1, &complete()), told("b", 2, &restricted())];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "b"));
    let reports = [&reports[..], &[told("a", 3, &complete())]].concat();
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
}

#[test]
fn the_newest_authorization_event_decides_beside_all_account_reports() {
    let reports = [told("z", 1, &complete()), deauthorized("b", 2)];
    check(&reports, AccountStatus::Deauthorized, NOT_PAYABLE, (CLEAR, "b"));
    let reports = [&reports[..], &[told("c", 3, &complete())]].concat();
    check(&reports, AccountStatus::Deauthorized, NOT_PAYABLE, (CLEAR, "c"));
    let reports = [&reports[..], &[authorized("a", 4)]].concat();
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
}

#[test]
fn of_an_authorization_and_a_deauthorization_in_one_second_the_deauthorization_counts() {
    for (granted, taken) in [("a", "b"), ("b", "a")] {
        let reports = [told("0", 1, &complete()), authorized(granted, 2), deauthorized(taken, 2)];
        check(&reports, AccountStatus::Deauthorized, NOT_PAYABLE, (CLEAR, taken));
    }
}
