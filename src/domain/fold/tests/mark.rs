//! Accounts: how the mark of an open second is cleared, and how it is not.

use super::*;

/// Two reports of second 2 that nothing puts in order.
fn open_second() -> [Report; 2] {
    [told("a", 2, &complete()), told("b", 2, &restricted())]
}

#[test]
fn an_account_report_of_a_later_second_clears_the_mark() {
    for settles in [told("c", 3, &complete()), observed("c", 3, &complete())] {
        let reports = [&open_second()[..], &[settles]].concat();
        check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "c"));
    }
}

#[test]
fn an_account_report_of_an_earlier_second_does_not_clear_the_mark() {
    let reports = [&open_second()[..], &[told("c", 1, &complete())]].concat();
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "b"));
}

#[test]
fn a_capability_report_of_a_later_second_does_not_clear_the_mark() {
    for (name, status) in
        [("transfers", "active"), ("transfers", "inactive"), ("card_payments", "active")]
    {
        let reports = [&open_second()[..], &[capability("c", 3, name, status)]].concat();
        check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "c"));
    }
}

#[test]
fn an_authorization_of_a_later_second_does_not_clear_the_mark() {
    let reports = [&open_second()[..], &[authorized("c", 3)]].concat();
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "c"));
    let reports = [&reports[..], &[told("d", 4, &complete())]].concat();
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "d"));
}

#[test]
fn a_fetched_account_stands_last_in_its_second_and_leaves_nothing_open() {
    let reports = [&open_second()[..], &[observed("0", 2, &complete())]].concat();
    check_order(&reports, "a b 0");
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "0"));
    let reports = [told("z", 2, &complete()), observed("a", 2, &restricted())];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "a"));
}
