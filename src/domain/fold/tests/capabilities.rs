//! Capability reports: inside an account report of their second, against it, and alone.

use super::*;

#[test]
fn a_capability_report_reaches_all_that_an_open_second_left_possible() {
    // Neither pays, so nothing is marked; with the capability one of them would.
    let without_payouts = Facts { payouts_enabled: false, ..complete() };
    let without_transfers = complete().with_transfers("inactive");
    for (first, second) in
        [(&without_payouts, &without_transfers), (&without_transfers, &without_payouts)]
    {
        let open = [told("a", 2, first), told("b", 2, second)];
        check(&open, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "b"));
        let reports = [&open[..], &[transfers("c", 3, "active")]].concat();
        check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "c"));
        let reports = [&reports[..], &[told("d", 4, &complete())]].concat();
        check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "d"));
    }
}

#[test]
fn a_fetched_account_stands_after_a_capability_report_of_its_second() {
    let reports = [transfers("z", 2, "inactive"), observed("a", 2, &complete())];
    check_order(&reports, "z a");
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
}

#[test]
fn an_account_report_contains_the_capability_report_of_its_second_that_says_the_same() {
    let before = told("z", 1, &pending());
    let report = moved("m", 2, &pending(), &complete());
    for id in ["a", "x"] {
        let reports = [before.clone(), report.clone(), transfers(id, 2, "active")];
        check_order(&reports, &format!("z m {id}"));
        check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "m"));
    }
}

#[test]
fn a_capability_report_is_contained_in_the_middle_of_a_chain_too() {
    let reports = [
        told("z", 1, &pending()),
        moved("n", 2, &pending(), &complete()),
        moved("m", 2, &complete(), &revoked()),
        transfers("a", 2, "active"),
    ];
    check_order(&reports, "z n a m");
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "m"));

    // Of several that say the same, the last.
    let reports = [
        told("z", 1, &pending()),
        moved("n", 2, &pending(), &complete()),
        moved("m", 2, &complete(), &enabled()),
        transfers("a", 2, "active"),
    ];
    check_order(&reports, "z n m a");
    check(&reports, AccountStatus::Enabled, PAYABLE, (CLEAR, "m"));
}

#[test]
fn a_capability_report_that_contradicts_the_account_report_of_its_second_lets_no_money_move() {
    for id in ["a", "x"] {
        // The account is payable, the capability says not.
        let reports = [told("m", 2, &complete()), transfers(id, 2, "inactive")];
        check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, id));
        // The account is not payable for want of the capability, which is said to be there.
        let reports = [told("m", 2, &revoked()), transfers(id, 2, "active")];
        check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "m"));
    }
}

#[test]
fn two_capability_reports_that_contradict_each_other_let_no_money_move() {
    let reports =
        [told("z", 1, &complete()), transfers("a", 2, "inactive"), transfers("b", 2, "active")];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "a"));
    let reports =
        [told("z", 1, &complete()), transfers("b", 2, "inactive"), transfers("a", 2, "active")];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "b"));
}

#[test]
fn a_later_transfers_capability_decides_and_another_capability_does_not() {
    let known = told("z", 1, &complete());
    let reports = [known.clone(), transfers("a", 2, "inactive")];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "a"));
    let reports = [&reports[..], &[transfers("0", 3, "active")]].concat();
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "0"));
    let reports = [known, capability("a", 2, "card_payments", "inactive")];
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
    let capabilities =
        account_of(&come_to(&reports)).profile.as_ref().unwrap().capabilities.clone();
    assert_eq!(capabilities.unwrap()["card_payments"], Json("\"inactive\"".to_owned()));
}

#[test]
fn a_capability_report_of_an_earlier_second_is_overruled_by_the_account_report() {
    let reports = [transfers("z", 1, "inactive"), told("a", 2, &complete())];
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
}

#[test]
fn an_account_known_from_capabilities_and_authorizations_only_is_not_payable() {
    for reports in [
        &[transfers("a", 1, "active")][..],
        &[authorized("a", 1)],
        &[transfers("b", 1, "active"), transfers("a", 2, "active")],
        &[deauthorized("b", 1), authorized("a", 2)],
        &[transfers("b", 1, "inactive"), transfers("a", 1, "active"), authorized("c", 1)],
    ] {
        let progress = come_to(reports);
        let account = account_of(&progress);
        assert_eq!(account.profile, None, "{reports:?}");
        assert_eq!(account.status(), AccountStatus::Onboarding, "{reports:?}");
        assert!(!account.payable() && !progress.ambiguous, "{reports:?}");
    }
    let left = [deauthorized("a", 1), transfers("b", 2, "active")];
    check(&left[..], AccountStatus::Deauthorized, NOT_PAYABLE, (CLEAR, "b"));
}

#[test]
fn of_all_that_the_account_can_be_a_capability_report_is_shown_put_into_what_is_held() {
    let reports = [
        told("a", 2, &restricted()),
        told("b", 2, &complete()),
        transfers("c", 3, "active"),
        transfers("d", 3, "inactive"),
    ];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "d"));
    let shown = account_of(&come_to(&reports)).profile.as_ref().unwrap().facts.clone();
    assert_eq!(shown, restricted().with_transfers("inactive"));
}
