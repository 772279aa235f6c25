#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::domain::Json;
use crate::domain::account::{
    AccountStatus, Authorization, Capability, Fields, Previous, Profile, Snapshot,
};
use crate::domain::event::Arrival;
use crate::domain::order::chain;
use crate::domain::payout::PayoutStatus;
use crate::domain::topup::TopupStatus;

// Facts that the tests tell of.

fn complete() -> Facts {
    Facts {
        details_submitted: true,
        payouts_enabled: true,
        transfers: Some("active".to_owned()),
        disabled_reason: None,
        current_deadline: None,
        currently_due: Fields::default(),
        past_due: Fields::default(),
        eventually_due: Fields::default(),
        pending_verification: Fields::default(),
    }
}

fn due() -> Fields {
    Fields(vec!["individual.id_number".to_owned()])
}

/// Payable as well, of another status.
fn enabled() -> Facts {
    Facts { eventually_due: due(), ..complete() }
}

/// Not payable, whatever the capability.
fn restricted() -> Facts {
    Facts { payouts_enabled: false, past_due: due(), ..complete() }
}

/// Not payable for want of the capability alone.
fn revoked() -> Facts {
    complete().with_transfers("inactive")
}

fn pending() -> Facts {
    Facts { payouts_enabled: false, pending_verification: due(), ..complete() }
        .with_transfers("pending")
}

fn onboarding() -> Facts {
    Facts { details_submitted: false, payouts_enabled: false, transfers: None, ..complete() }
}

// Reports of them.

fn report(id: &str, created: u64, event_type: &str, says: Says) -> Report {
    let arrival = Arrival {
        sequence: 0,
        received_at: Timestamp(0),
        recorded_at: Timestamp(0),
        source: "test".to_owned(),
    };
    Report { event_id: id.to_owned(), event_type: event_type.to_owned(), created, says, arrival }
}

fn profile(facts: Facts) -> Profile {
    let status = facts.transfers.as_ref().map(|word| Json(format!("\"{word}\"")));
    Profile {
        facts,
        charges_enabled: None,
        requirements: None,
        capabilities: status.map(|status| BTreeMap::from([("transfers".to_owned(), status)])),
        controller: None,
        country: None,
        default_currency: None,
        account_type: None,
    }
}

/// `previous_attributes` of a report of `now`: they name only what is no longer as in `before`.
fn changed(before: &Facts, now: &Facts) -> Previous {
    fn other<T: Clone + PartialEq>(before: &T, now: &T) -> Option<T> {
        (before != now).then(|| before.clone())
    }
    Previous {
        details_submitted: other(&before.details_submitted, &now.details_submitted),
        payouts_enabled: other(&before.payouts_enabled, &now.payouts_enabled),
        transfers: other(&before.transfers, &now.transfers),
        disabled_reason: other(&before.disabled_reason, &now.disabled_reason),
        current_deadline: other(&before.current_deadline, &now.current_deadline),
        currently_due: other(&before.currently_due, &now.currently_due),
        past_due: other(&before.past_due, &now.past_due),
        eventually_due: other(&before.eventually_due, &now.eventually_due),
        pending_verification: other(&before.pending_verification, &now.pending_verification),
    }
}

/// An `account.updated` that says what it changed.
fn moved(id: &str, created: u64, before: &Facts, now: &Facts) -> Report {
    let snapshot = Snapshot { profile: profile(now.clone()), previous: Some(changed(before, now)) };
    report(id, created, "account.updated", Says::Account(Box::new(snapshot)))
}

/// An `account.updated` without `previous_attributes`.
fn told(id: &str, created: u64, now: &Facts) -> Report {
    let snapshot = Snapshot { profile: profile(now.clone()), previous: None };
    report(id, created, "account.updated", Says::Account(Box::new(snapshot)))
}

fn observed(id: &str, created: u64, now: &Facts) -> Report {
    Report { event_type: "account.observed".to_owned(), ..told(id, created, now) }
}

fn capability(id: &str, created: u64, name: &str, status: &str) -> Report {
    let capability = Capability {
        name: name.to_owned(),
        status: status.to_owned(),
        status_json: Json(format!("\"{status}\"")),
    };
    report(id, created, "capability.updated", Says::Capability(capability))
}

fn transfers(id: &str, created: u64, status: &str) -> Report {
    capability(id, created, "transfers", status)
}

fn authorized(id: &str, created: u64) -> Report {
    let says = Says::Authorization(Authorization::Granted);
    report(id, created, "account.application.authorized", says)
}

fn deauthorized(id: &str, created: u64) -> Report {
    let says = Says::Authorization(Authorization::Revoked);
    report(id, created, "account.application.deauthorized", says)
}

/// In another country: a difference that no rule reads.
fn abroad(mut report: Report) -> Report {
    if let Says::Account(snapshot) = &mut report.says {
        snapshot.profile.country = Some("FR".to_owned());
    }
    report
}

fn topup(id: &str, created: u64, event_type: &str, status: TopupStatus) -> Report {
    let topup = Topup {
        status,
        amount: 2000,
        currency: None,
        created: None,
        expected_availability_date: None,
        failure_code: None,
        failure_message: None,
        transfer_group: None,
    };
    report(id, created, event_type, Says::Topup(topup))
}

fn payout(id: &str, created: u64, event_type: &str, status: PayoutStatus) -> Report {
    noted_payout(id, created, event_type, (status, None))
}

fn noted_payout(
    id: &str,
    created: u64,
    event_type: &str,
    (status, note): (PayoutStatus, Option<&str>),
) -> Report {
    let payout = Payout {
        status,
        failed_after_paid: false,
        amount: 1000,
        currency: None,
        created: None,
        arrival_date: None,
        automatic: None,
        method: note.map(str::to_owned),
        destination: None,
        failure_code: None,
        failure_message: None,
    };
    report(id, created, event_type, Says::Payout(payout))
}

fn transfer(id: &str, created: u64, event_type: &str, amount_reversed: i64) -> Report {
    let transfer = Transfer {
        amount: 1000,
        amount_reversed,
        currency: None,
        created: None,
        destination: None,
        source_transaction: None,
        transfer_group: None,
    };
    report(id, created, event_type, Says::Transfer(transfer))
}

fn balance(id: &str, created: u64, available: &str) -> Report {
    let balance = Balance { available: Some(Json(available.to_owned())), pending: None };
    report(id, created, "balance.available", Says::Balance(balance))
}

fn snapshot_of(report: &Report) -> Option<&Snapshot> {
    if let Says::Account(snapshot) = &report.says { Some(snapshot) } else { None }
}

fn kind_of(report: &Report) -> Kind {
    match report.says {
        Says::Account(_) | Says::Capability(_) | Says::Authorization(_) => Kind::Account,
        Says::Topup(_) => Kind::Topup,
        Says::Transfer(_) => Kind::Transfer,
        Says::Payout(_) => Kind::Payout,
        Says::Balance(_) => Kind::Balance,
    }
}

// Telling them.

/// One report after the other, in the order of arrival, as a store takes them in.
fn deliver(reports: &[Report]) -> (Progress, Outcome) {
    let mut held: Option<Progress> = None;
    let mut became = Applied;
    for (place, report) in reports.iter().enumerate() {
        let kind = kind_of(report);
        let (now, overtaken) = match &held {
            Some(held) if report.created > held.newest => (advance(kind, held, report), false),
            _ => {
                let folded = fold(kind, &reports[..=place], Some(place)).unwrap();
                (folded.progress, folded.overtaken)
            }
        };
        became = outcome(held.as_ref(), &now, report, overtaken);
        held = Some(now);
    }
    (held.expect("something is delivered"), became)
}

/// All that does not tell of arrival.
fn seen(mut progress: Progress) -> Progress {
    progress.as_of.recorded_at = Timestamp(0);
    progress
}

type Seen<'r> = (&'r str, Step, State, bool);

/// The history, by event instead of by place among the reports.
fn history<'r>(folded: &Folded, reports: &'r [Report]) -> Vec<Seen<'r>> {
    let entry = |entry: &Entry| {
        let id = reports[entry.report].event_id.as_str();
        (id, entry.step, entry.state.clone(), entry.ambiguous)
    };
    folded.history.iter().map(entry).collect()
}

fn orders(reports: &[Report]) -> Vec<Vec<Report>> {
    let Some((first, rest)) = reports.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for order in orders(rest) {
        for place in 0..=order.len() {
            let mut order = order.clone();
            order.insert(place, first.clone());
            all.push(order);
        }
    }
    all
}

/// What the reports come to, which is the same in every order of arrival.
#[track_caller]
fn come_to(reports: &[Report]) -> Progress {
    let kind = kind_of(&reports[0]);
    let first = fold(kind, reports, None).unwrap();
    for order in orders(reports) {
        let names: Vec<&str> = order.iter().map(|report| report.event_id.as_str()).collect();
        let folded = fold(kind, &order, None).unwrap();
        assert_eq!(folded.progress, first.progress, "folded as {names:?}");
        assert_eq!(history(&folded, &order), history(&first, reports), "folded as {names:?}");
        assert_eq!(deliver(&order).0, first.progress, "delivered as {names:?}");
    }
    first.progress
}

#[derive(Debug, PartialEq, Eq)]
struct Shown {
    status: &'static str,
    payable: bool,
    ambiguous: bool,
    as_of: String,
}

fn account_of(progress: &Progress) -> &Account {
    if let State::Account(account) = &progress.state { account } else { panic!("{progress:?}") }
}

const CLEAR: bool = false;
const AMBIGUOUS: bool = true;
const PAYABLE: bool = true;
const NOT_PAYABLE: bool = false;

/// Checks status, payability, mark and the event it rests on, for every order of arrival.
#[track_caller]
fn check(
    reports: &[Report],
    status: AccountStatus,
    payable: bool,
    (ambiguous, as_of): (bool, &str),
) {
    let progress = come_to(reports);
    let account = account_of(&progress);
    let shown = Shown {
        status: account.status().word(),
        payable: account.payable(),
        ambiguous: progress.ambiguous,
        as_of: progress.as_of.event_id.clone(),
    };
    let expected = Shown { status: status.word(), payable, ambiguous, as_of: as_of.to_owned() };
    assert_eq!(shown, expected);
}

/// Checks the status word, the mark and the event it rests on, for every order of arrival.
#[track_caller]
fn check_one_way(reports: &[Report], status: &str, ambiguous: bool, as_of: &str) {
    let progress = come_to(reports);
    let shown = (progress.state.status(), progress.ambiguous, progress.as_of.event_id.as_str());
    assert_eq!(shown, (Some(status), ambiguous, as_of));
}

/// Checks the order of the history, for every order of arrival.
#[track_caller]
fn check_order(reports: &[Report], expected: &str) {
    come_to(reports);
    let folded = fold(kind_of(&reports[0]), reports, None).unwrap();
    let ids: Vec<&str> = history(&folded, reports).into_iter().map(|entry| entry.0).collect();
    assert_eq!(ids.join(" "), expected);
}

// Accounts.

#[test]
fn the_later_account_report_counts_in_both_directions() {
    let reports = [told("c", 1, &complete()), told("b", 2, &restricted())];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (CLEAR, "b"));
    let reports = [&reports[..], &[told("a", 3, &complete())]].concat();
    check(&reports, AccountStatus::Complete, PAYABLE, (CLEAR, "a"));
}

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

#[test]
fn two_fetched_accounts_that_contradict_each_other_let_no_money_move() {
    let reports = [observed("b", 2, &complete()), observed("a", 2, &restricted())];
    check(&reports, AccountStatus::Restricted, NOT_PAYABLE, (AMBIGUOUS, "a"));
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
    let capabilities = account_of(&come_to(&reports)).profile.clone().unwrap().capabilities;
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

// Top-ups, payouts, transfers, balances.

#[test]
fn within_one_second_the_lifecycle_counts_and_not_the_ids() {
    use PayoutStatus::{Failed, InTransit, Paid, Pending};
    let payout = |id, status| payout(id, 2, "payout.updated", status);
    let life = [payout("d", Pending), payout("c", InTransit), payout("b", Paid)];
    check_order(&life, "d c b");
    check_one_way(&life, "paid", CLEAR, "b");
    let returned = [&life[..], &[payout("a", Failed)]].concat();
    check_order(&returned, "d c b a");
    check_one_way(&returned, "failed", CLEAR, "a");
    assert_eq!(come_to(&returned).conflicts, 0);
}

#[test]
fn a_report_that_waits_for_no_other_is_taken_by_its_id() {
    let topup = |id, status| topup(id, 2, "topup.updated", status);
    // `a` waits for `z`; `b` waits for nothing but `z` too; `c` follows `a`.
    let reports = [
        topup("z", TopupStatus::Pending),
        topup("a", TopupStatus::Succeeded),
        topup("b", TopupStatus::Succeeded),
        topup("0", TopupStatus::Reversed),
    ];
    check_order(&reports, "z a b 0");
}

#[test]
fn final_statuses_that_contradict_each_other_in_one_second_are_ambiguous() {
    use TopupStatus::{Canceled, Failed, Pending, Succeeded};
    let topup = |id, created, status| topup(id, created, "topup.updated", status);
    let reports = [topup("b", 2, Canceled), topup("a", 2, Failed)];
    check_one_way(&reports, "failed", AMBIGUOUS, "a");
    let reports = [topup("0", 1, Pending), topup("a", 2, Canceled), topup("b", 2, Failed)];
    check_one_way(&reports, "canceled", AMBIGUOUS, "a");
    let reports = [topup("a", 2, Succeeded), topup("b", 2, Failed)];
    check_one_way(&reports, "failed", AMBIGUOUS, "b");

    let payout = |id, status| payout(id, 2, "payout.updated", status);
    let reports = [payout("a", PayoutStatus::Paid), payout("b", PayoutStatus::Canceled)];
    check_one_way(&reports, "canceled", AMBIGUOUS, "b");
}

#[test]
fn what_was_settled_before_is_not_made_ambiguous() {
    use TopupStatus::{Canceled, Failed, Succeeded};
    let topup = |id, created, status| topup(id, created, "topup.updated", status);
    let reports = [topup("z", 1, Canceled), topup("a", 2, Succeeded), topup("b", 2, Failed)];
    check_one_way(&reports, "canceled", CLEAR, "z");
    assert_eq!(come_to(&reports).conflicts, 2);
    let reports = [topup("a", 2, Failed), topup("b", 2, Failed)];
    check_one_way(&reports, "failed", CLEAR, "a");
}

#[test]
fn a_created_event_stands_first_and_a_fetched_object_last_in_its_second() {
    use PayoutStatus::{Canceled, Paid, Pending};
    let reports = [
        payout("c", 2, "payout.created", Paid),
        payout("b", 2, "payout.updated", Pending),
        payout("a", 2, "payout.observed", Pending),
    ];
    check_order(&reports, "c b a");
    check_one_way(&reports, "pending", CLEAR, "a");
    let reports = [payout("b", 2, "payout.created", Canceled), payout("a", 2, "payout.paid", Paid)];
    check_order(&reports, "b a");
    check_one_way(&reports, "canceled", CLEAR, "b");
    let reports =
        [transfer("b", 2, "transfer.created", 5), transfer("a", 2, "transfer.updated", 0)];
    check_order(&reports, "b a");
}

#[test]
fn what_was_taken_back_of_a_transfer_never_shrinks() {
    let updated = |id, created, amount| transfer(id, created, "transfer.updated", amount);
    let reversed = |reports: &[Report]| {
        let State::Transfer(transfer) = come_to(reports).state else { panic!("a transfer") };
        transfer.amount_reversed
    };
    let life = [updated("c", 1, 0), updated("b", 2, 400), updated("a", 2, 1000)];
    check_order(&life, "c b a");
    check_one_way(&life, "reversed", CLEAR, "a");
    let smaller = [updated("c", 1, 700), updated("b", 2, 400)];
    assert_eq!(reversed(&smaller), 700);
    assert_eq!(come_to(&smaller).conflicts, 1);
    check_one_way(&smaller, "partially_reversed", CLEAR, "b");
    let same_second = [updated("a", 1, 700), updated("b", 1, 400), updated("c", 1, 0)];
    check_order(&same_second, "c b a");
    assert_eq!((reversed(&same_second), come_to(&same_second).conflicts), (700, 0));
}

#[test]
fn the_latest_balance_counts() {
    let reports = [balance("z", 1, "[1]"), balance("a", 2, "[2]"), balance("b", 2, "[3]")];
    check_order(&reports, "z a b");
    let progress = come_to(&reports);
    let latest = Balance { available: Some(Json("[3]".to_owned())), pending: None };
    assert_eq!((progress.state, progress.ambiguous), (State::Balance(latest), false));
}

// What became of a report.

/// Checks what becomes of `new` when `known` was told before.
#[track_caller]
fn check_outcome(known: &[Report], new: &Report, expected: Outcome) {
    let reports = [known, std::slice::from_ref(new)].concat();
    assert_eq!(deliver(&reports).1, expected, "{} after {known:#?}", new.event_id);
}

use Outcome::{Applied, Stale, Unchanged};

#[test]
fn the_first_report_of_an_object_is_applied() {
    for first in [
        told("a", 1, &complete()),
        transfers("a", 1, "active"),
        authorized("a", 1),
        topup("a", 1, "topup.created", TopupStatus::Pending),
        transfer("a", 1, "transfer.created", 0),
        payout("a", 1, "payout.paid", PayoutStatus::Paid),
        balance("a", 1, "[]"),
    ] {
        check_outcome(&[], &first, Applied);
    }
}

#[test]
fn what_becomes_of_a_payout_report() {
    use PayoutStatus::{Canceled, Failed, Paid, Pending};
    let payout = |id, created, status| payout(id, created, "payout.updated", status);
    let table = [
        ("news", payout("b", 1, Pending), payout("a", 2, Paid), Applied),
        ("late", payout("b", 2, Paid), payout("a", 1, Pending), Stale),
        ("late, and the same", payout("b", 2, Paid), payout("a", 1, Paid), Stale),
        ("the same again", payout("b", 1, Paid), payout("a", 2, Paid), Unchanged),
        ("the same in one second", payout("b", 1, Paid), payout("a", 1, Paid), Unchanged),
        ("earlier in life", payout("a", 2, Paid), payout("b", 2, Pending), Stale),
        ("later in life", payout("b", 2, Paid), payout("a", 2, Failed), Applied),
        ("after the end", payout("b", 1, Canceled), payout("a", 2, Paid), Unchanged),
        ("paid after all", payout("b", 1, Failed), payout("a", 2, Paid), Applied),
        ("paid before", payout("b", 2, Failed), payout("a", 1, Paid), Applied),
        ("the end contradicted", payout("b", 2, Failed), payout("a", 2, Canceled), Applied),
        ("nothing but the mark", payout("a", 2, Failed), payout("b", 2, Canceled), Applied),
    ];
    for (story, known, new, expected) in table {
        println!("{story}");
        check_outcome(&[known], &new, expected);
    }
}

#[test]
fn a_place_in_the_order_of_ids_alone_makes_no_report_stale() {
    let noted = |id, note| noted_payout(id, 2, "payout.updated", (PayoutStatus::Paid, Some(note)));
    check_outcome(&[noted("b", "instant")], &noted("a", "standard"), Unchanged);
    check_outcome(&[noted("a", "instant")], &noted("b", "standard"), Applied);
    check_outcome(&[balance("b", 2, "[1]")], &balance("a", 2, "[2]"), Unchanged);
    check_outcome(&[told("b", 2, &complete())], &abroad(told("a", 2, &complete())), Unchanged);
    let ambiguous = [told("a", 2, &restricted()), told("b", 2, &complete())];
    check_outcome(&ambiguous, &told("c", 2, &complete()), Unchanged);
}

#[test]
fn a_created_event_is_stale_beside_a_known_report_of_its_second_that_says_something_else() {
    let noted = |id, event_type, note| noted_payout(id, 2, event_type, (PayoutStatus::Paid, note));
    let known = [noted("a", "payout.updated", Some("instant"))];
    check_outcome(&known, &noted("b", "payout.created", Some("standard")), Stale);
    check_outcome(&known, &noted("b", "payout.created", Some("instant")), Unchanged);
    let fetched = [noted("a", "payout.observed", Some("instant"))];
    check_outcome(&fetched, &noted("b", "payout.updated", Some("standard")), Stale);
    check_outcome(&fetched, &noted("b", "payout.updated", Some("instant")), Unchanged);
    check_outcome(&known, &noted("0", "payout.observed", Some("standard")), Applied);
}

#[test]
fn what_becomes_of_a_topup_report() {
    use TopupStatus::{Pending, Reversed, Succeeded};
    let topup = |id, created, status| topup(id, created, "topup.updated", status);
    for (known, new, expected) in [
        (topup("b", 1, Pending), topup("a", 2, Succeeded), Applied),
        (topup("b", 2, Succeeded), topup("a", 1, Pending), Stale),
        (topup("b", 2, Reversed), topup("a", 2, Pending), Stale),
        (topup("b", 2, Pending), topup("a", 2, Reversed), Applied),
        (topup("b", 1, Reversed), topup("a", 2, Succeeded), Unchanged),
    ] {
        check_outcome(&[known], &new, expected);
    }
}

#[test]
fn what_becomes_of_a_transfer_report() {
    let transfer = |id, created, amount| transfer(id, created, "transfer.updated", amount);
    for (known, new, expected) in [
        (transfer("b", 1, 0), transfer("a", 2, 500), Applied),
        (transfer("b", 2, 500), transfer("a", 1, 0), Stale),
        (transfer("a", 2, 500), transfer("b", 2, 0), Stale),
        (transfer("b", 2, 500), transfer("a", 2, 1000), Applied),
        (transfer("b", 1, 500), transfer("a", 2, 0), Unchanged),
        (transfer("b", 2, 0), transfer("a", 1, 500), Applied),
    ] {
        check_outcome(&[known], &new, expected);
    }
}

#[test]
fn what_becomes_of_an_account_report() {
    let chain = [told("z", 1, &pending()), moved("a", 3, &complete(), &restricted())];
    let drifted = [told("z", 1, &pending()), moved("a", 3, &complete(), &complete())];
    for (known, new, expected) in [
        (&chain[..1], told("a", 2, &complete()), Applied),
        (&chain[..1], told("a", 2, &pending()), Unchanged),
        (&chain[..], told("b", 2, &complete()), Stale),
        // The chain puts it before one of its own second.
        (&chain[..], moved("b", 3, &pending(), &complete()), Stale),
        (&chain[..], moved("b", 3, &restricted(), &complete()), Applied),
        // It stands before a report that says the same.
        (&drifted[..], moved("b", 3, &pending(), &complete()), Unchanged),
        (&[observed("a", 3, &complete())], told("b", 3, &restricted()), Stale),
        (&[observed("a", 3, &complete())], told("b", 3, &complete()), Unchanged),
        // It changes nothing but the mark.
        (&[told("b", 3, &restricted())], told("a", 3, &complete()), Applied),
    ] {
        check_outcome(known, &new, expected);
    }
}

#[test]
fn what_becomes_of_a_capability_report() {
    let known = [told("m", 2, &complete())];
    for (known, new, expected) in [
        (&known[..], transfers("a", 2, "active"), Unchanged),
        (&known[..], transfers("a", 1, "inactive"), Stale),
        (&known[..], transfers("a", 1, "active"), Stale),
        (&known[..], transfers("a", 3, "active"), Unchanged),
        (&known[..], transfers("a", 3, "inactive"), Applied),
        (&known[..], transfers("a", 2, "inactive"), Applied),
        (&known[..], capability("a", 3, "card_payments", "active"), Applied),
        (&[observed("m", 2, &complete())], transfers("z", 2, "inactive"), Stale),
        (&[observed("m", 2, &complete())], transfers("z", 2, "active"), Unchanged),
    ] {
        check_outcome(known, &new, expected);
    }
}

#[test]
fn a_capability_report_is_stale_when_the_report_that_contains_it_was_overtaken_in_its_second() {
    let chain = [
        told("z", 1, &pending()),
        moved("n", 2, &pending(), &complete()),
        moved("m", 2, &complete(), &revoked()),
    ];
    check_outcome(&chain, &transfers("a", 2, "active"), Stale);
    check_outcome(&chain, &transfers("a", 2, "inactive"), Unchanged);
    // The account says it again at the end of the second.
    let again = [&chain[..], &[moved("l", 2, &revoked(), &complete())]].concat();
    check_outcome(&again, &transfers("a", 2, "active"), Unchanged);
}

#[test]
fn what_becomes_of_an_authorization_event() {
    let known = [told("z", 1, &complete())];
    let left = [&known[..], &[deauthorized("m", 2)]].concat();
    let stays = [&known[..], &[authorized("m", 2)]].concat();
    for (known, new, expected) in [
        (&known[..], deauthorized("a", 2), Applied),
        (&known[..], authorized("a", 2), Unchanged),
        (&left[..], authorized("a", 2), Stale),
        (&left[..], authorized("x", 2), Stale),
        (&left[..], authorized("a", 1), Stale),
        (&left[..], authorized("a", 3), Applied),
        (&left[..], deauthorized("a", 2), Unchanged),
        (&left[..], deauthorized("a", 3), Unchanged),
        (&stays[..], deauthorized("a", 2), Applied),
        (&stays[..], deauthorized("a", 1), Stale),
    ] {
        check_outcome(known, &new, expected);
    }
}

// Random lives.

fn all_facts() -> Vec<Facts> {
    vec![complete(), enabled(), restricted(), revoked(), pending(), onboarding()]
}

/// What one report of a random life is made of.
type Draw = (u64, Index, Index, Index);

const LONGEST: usize = 7;
const IDS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// A life: distinct ids, `count` reports that share few seconds, in an order of arrival.
fn life(
    count: usize,
    draw: impl Fn(&str, Draw) -> Report + Clone + 'static,
) -> impl Strategy<Value = Vec<Report>> {
    let drawn = (1_u64..4, any::<Index>(), any::<Index>(), any::<Index>());
    let ids = Just(IDS.to_vec()).prop_shuffle();
    (ids, vec(drawn, 1..=count)).prop_map(move |(ids, drawn)| {
        ids.into_iter().zip(drawn).map(|(id, drawn)| draw(id, drawn)).collect()
    })
}

fn pick<T: Copy, const N: usize>(index: Index, all: [T; N]) -> T {
    *index.get(&all)
}

/// Anything that can be said of an account, whether or not it fits what is said elsewhere.
fn any_account_report(id: &str, (created, what, first, second): Draw) -> Report {
    let all = all_facts();
    let (before, now) = (first.get(&all), second.get(&all));
    let word = pick(second, ["active", "inactive", "pending"]);
    match what.index(12) {
        0..=3 => moved(id, created, before, now),
        4 => told(id, created, now),
        5 => abroad(moved(id, created, before, now)),
        6 => observed(id, created, now),
        7..=8 => transfers(id, created, word),
        9 => capability(id, created, "card_payments", word),
        10 => authorized(id, created),
        _ => deauthorized(id, created),
    }
}

fn any_topup_report(id: &str, (created, what, first, _): Draw) -> Report {
    let types = ["topup.created", "topup.updated", "topup.updated", "topup.observed"];
    topup(id, created, pick(what, types), pick(first, TopupStatus::ALL))
}

fn any_payout_report(id: &str, (created, what, first, second): Draw) -> Report {
    let types = ["payout.created", "payout.updated", "payout.updated", "payout.observed"];
    let note = pick(second, [None, None, Some("instant")]);
    noted_payout(id, created, pick(what, types), (pick(first, PayoutStatus::ALL), note))
}

fn any_transfer_report(id: &str, (created, what, first, _): Draw) -> Report {
    let types = ["transfer.created", "transfer.updated", "transfer.updated", "transfer.observed"];
    transfer(id, created, pick(what, types), pick(first, [0, 0, 400, 1000]))
}

fn any_balance_report(id: &str, (created, what, first, _): Draw) -> Report {
    let event_type = pick(what, ["balance.available", "balance.observed"]).to_owned();
    Report { event_type, ..balance(id, created, pick(first, ["[]", "[1]"])) }
}

/// An account that goes from one state to the next, many times in one second; most reports say
/// what they changed, and some are lost.
fn consistent_account() -> impl Strategy<Value = Vec<Report>> {
    let steps = vec((select(all_facts()), 0_u64..10, 0_u32..10), 1..=LONGEST);
    (Just(IDS.to_vec()).prop_shuffle(), steps).prop_map(|(ids, steps)| {
        let (mut held, mut created) = (onboarding(), 1);
        let mut reports = Vec::new();
        for (id, (now, waits, fate)) in ids.into_iter().zip(steps) {
            created += u64::from(waits > 7);
            reports.push(match fate {
                0 => None,
                1..=2 => Some(told(id, created, &now)),
                3 => Some(transfers(id, created, now.transfers.as_deref().unwrap_or("inactive"))),
                _ => Some(moved(id, created, &held, &now)),
            });
            held = now;
        }
        reports.into_iter().flatten().collect()
    })
}

fn any_life() -> impl Strategy<Value = Vec<Report>> {
    prop_oneof![
        3 => life(LONGEST, any_account_report),
        3 => consistent_account().prop_filter("something is known", |life| !life.is_empty()),
        1 => life(LONGEST, any_topup_report),
        1 => life(LONGEST, any_payout_report),
        1 => life(LONGEST, any_transfer_report),
        1 => life(LONGEST, any_balance_report),
        // More in one second than are weighed exhaustively.
        1 => life(IDS.len(), |id, (_, what, first, second)| {
            any_account_report(id, (1, what, first, second))
        }),
    ]
}

/// Gives each report the place and the time at which it arrived.
fn arrived(reports: Vec<Report>) -> Vec<Report> {
    let arrive = |(sequence, report): (u64, Report)| {
        let recorded_at = Timestamp(i64::try_from(sequence).unwrap() * 1_000_000);
        let arrival = Arrival { sequence, recorded_at, ..report.arrival };
        Report { arrival, ..report }
    };
    (1..).zip(reports).map(arrive).collect()
}

fn a_life_told_twice() -> impl Strategy<Value = (Vec<Report>, Vec<Report>)> {
    any_life().prop_flat_map(|life| {
        (Just(arrived(life.clone())), Just(life).prop_shuffle().prop_map(arrived))
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter((one, other) in a_life_told_twice()) {
        let kind = kind_of(&one[0]);
        let (first, second) = (fold(kind, &one, None).unwrap(), fold(kind, &other, None).unwrap());
        prop_assert_eq!(seen(first.progress.clone()), seen(second.progress.clone()));
        prop_assert_eq!(history(&first, &one), history(&second, &other));
        prop_assert_eq!(first.history.len(), one.len(), "each report has its place");
    }

    #[test]
    fn what_the_rules_put_before_another_does_not_depend_on_arrival(
        (one, other) in a_life_told_twice(), which in any::<Index>(),
    ) {
        let kind = kind_of(&one[0]);
        let at = which.index(one.len());
        let there = other.iter().position(|report| report.event_id == one[at].event_id);
        let overtaken = fold(kind, &one, Some(at)).unwrap().overtaken;
        prop_assert_eq!(overtaken, fold(kind, &other, there).unwrap().overtaken);
    }

    #[test]
    fn one_after_the_other_comes_to_the_same_as_all_at_once((one, other) in a_life_told_twice()) {
        let all_at_once = fold(kind_of(&one[0]), &one, None).unwrap().progress;
        prop_assert_eq!(&deliver(&one).0, &all_at_once);
        prop_assert_eq!(seen(deliver(&other).0), seen(all_at_once));
    }

    #[test]
    fn a_newer_report_folds_onto_the_state_held(life in any_life(), which in any::<Index>()) {
        let kind = kind_of(&life[0]);
        let mut whole = life.clone();
        let mut newest = whole.remove(which.index(life.len()));
        newest.created = 9;
        if let Some(held) = fold(kind, &whole, None) {
            let advanced = advance(kind, &held.progress, &newest);
            whole.push(newest);
            prop_assert_eq!(advanced, fold(kind, &whole, None).unwrap().progress);
        }
    }

    /// From a known start, all ways through all changes end in the same facts.
    #[test]
    fn an_account_of_which_no_report_is_missing_is_what_it_came_to(
        seconds in vec(vec(select(all_facts()), 1..=chain::EXHAUSTIVE), 1..4),
        start in select(all_facts()),
        ids in Just((0..24).collect::<Vec<u32>>()).prop_shuffle(),
    ) {
        let mut ids = ids.into_iter();
        let mut held = start.clone();
        let mut reports = vec![told("start", 0, &start)];
        for (created, moves) in (1..).zip(&seconds) {
            for now in moves {
                reports.push(moved(&format!("evt_{}", ids.next().unwrap()), created, &held, now));
                held = now.clone();
            }
        }
        let progress = fold(Kind::Account, &reports, None).unwrap().progress;
        prop_assert_eq!(account_of(&progress).profile.as_ref().map(|p| &p.facts), Some(&held));
        prop_assert!(!progress.ambiguous);
    }

    #[test]
    fn the_last_entry_of_the_history_is_the_state(life in any_life()) {
        let Folded { progress, history, .. } = fold(kind_of(&life[0]), &life, None).unwrap();
        let last = history.last().unwrap();
        prop_assert_eq!((&last.state, last.ambiguous), (&progress.state, progress.ambiguous));
        prop_assert_eq!(history[0].step, Step::First);
        prop_assert!(history[1..].iter().all(|entry| entry.step != Step::First));
        let conflicts = history.iter().filter(|entry| entry.step == Step::Conflict).count();
        prop_assert_eq!(conflicts, usize::try_from(progress.conflicts).unwrap());
        prop_assert_eq!(Some(progress.newest), life.iter().map(|report| report.created).max());
    }

    /// Rule 3, once more: of one second's account reports, whatever the chain leaves open.
    #[test]
    fn an_account_is_payable_only_when_every_possible_end_is(
        drawn in vec((option::of(select(all_facts())), select(all_facts())), 1..=6),
        ids in Just(IDS.to_vec()).prop_shuffle(),
        before in select(all_facts()),
    ) {
        let second: Vec<Report> = ids.into_iter().zip(&drawn).map(|(id, (from, now))| match from {
            Some(from) => moved(id, 2, from, now),
            None => told(id, 2, now),
        }).collect();
        let snapshots: Vec<(&str, &Snapshot)> = second.iter().filter_map(|report| {
            Some((report.event_id.as_str(), snapshot_of(report)?))
        }).collect();
        let order = chain::order(&snapshots, std::slice::from_ref(&before)).order;
        let facts = |&place: &usize| &snapshots[place].1.profile.facts;
        let pays = |place: &&usize| facts(place).payable();
        let all_pay = order.ends.iter().all(|place| facts(place).payable());
        let none_pays = !order.ends.iter().any(|place| facts(place).payable());
        let counts = if all_pay || none_pays {
            order.sequence.last()
        } else {
            order.sequence.iter().rev().find(|place| !pays(place))
        };

        let reports = [vec![told("0", 1, &before)], second.clone()].concat();
        let progress = fold(Kind::Account, &reports, None).unwrap().progress;
        let counts = counts.copied().unwrap();
        prop_assert_eq!(&progress.as_of.event_id, &second[counts].event_id);
        let shown = account_of(&progress).profile.as_ref().unwrap();
        prop_assert_eq!(&shown.facts, facts(&counts));
        let words = |place| (facts(place).payable(), facts(place).status());
        let clear = order.ends.iter().all(|end| words(end) == words(&order.ends[0]));
        prop_assert_eq!(progress.ambiguous, !clear);
        prop_assert!(all_pay || !account_of(&progress).payable());
    }
}

#[test]
fn without_reports_there_is_no_object() {
    for kind in Kind::ALL {
        assert_eq!(fold(kind, &[], None), None);
    }
}
