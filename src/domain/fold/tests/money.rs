//! Topups, transfers, payouts and balances.

use super::*;

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
