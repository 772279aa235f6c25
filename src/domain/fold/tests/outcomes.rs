//! What became of a report, when it was not the first to arrive.

use super::*;

/// Checks what becomes of `new` when `known` was told before.
#[track_caller]
fn check_outcome(known: &[Report], new: &Report, expected: Outcome) {
    let reports = [known, std::slice::from_ref(new)].concat();
    assert_eq!(deliver(&reports).1, expected, "{} after {known:#?}", new.event_id);
}

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
