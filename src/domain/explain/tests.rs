use super::*;
use crate::domain::Json;
use crate::domain::account::{
    Account, Authorization, Capability, Facts, Fields, Profile, Snapshot,
};
use crate::domain::balance::Balance;
use crate::domain::event::{Outcome, Report, Says};
use crate::domain::examples::{self, complete, fields};
use crate::domain::fold::{State, fold, outcome};
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::payout::{Payout, PayoutStatus};
use crate::domain::topup::TopupStatus;
use crate::domain::transfer::Transfer;

// Reports that the tests tell of. They arrive in the order in which they are listed.

type Told = (&'static str, u64, Says);

fn reports(told: &[Told]) -> Vec<Report> {
    let report = |(sequence, (event_id, created, says)): (u64, &Told)| Report {
        event_id: (*event_id).to_owned(),
        event_type: "some.updated".to_owned(),
        created: *created,
        says: says.clone(),
        arrival: examples::arrival(sequence),
    };
    (0..).zip(told).map(report).collect()
}

fn key(kind: Kind) -> ObjectKey {
    let id = match kind {
        Kind::Account => "acct_1",
        Kind::Topup => "tu_1",
        Kind::Transfer => "tr_1",
        Kind::Payout => "po_1",
        Kind::Balance => "",
    };
    ObjectKey::new(false, kind, None, id)
}

#[track_caller]
fn check(kind: Kind, told: &[Told], event_id: &str, expected: &str) {
    let sentence = report(&key(kind), &reports(told), event_id);
    assert_eq!(sentence.as_deref(), Some(expected));
}

fn topup(status: TopupStatus) -> Says {
    Says::Topup(examples::topup(status))
}

fn payout(status: PayoutStatus) -> Says {
    payout_arriving(status, None)
}

fn payout_arriving(status: PayoutStatus, arrival_date: Option<i64>) -> Says {
    Says::Payout(Payout { arrival_date, ..examples::payout(status) })
}

fn transfer(amount_reversed: i64, group: Option<&str>) -> Says {
    let transfer_group = group.map(str::to_owned);
    Says::Transfer(Transfer { transfer_group, ..examples::transfer(amount_reversed) })
}

fn balance(available: &str) -> Says {
    Says::Balance(Balance { available: Some(Json(available.to_owned())), pending: None })
}

fn enabled() -> Facts {
    Facts { eventually_due: fields(&["individual.id_number"]), ..complete() }
}

fn restricted() -> Facts {
    Facts { payouts_enabled: false, past_due: fields(&["individual.id_number"]), ..complete() }
}

fn profile(facts: Facts) -> Profile {
    Profile { capabilities: None, ..examples::profile(facts) }
}

fn snapshot(facts: Facts) -> Says {
    Says::Account(Box::new(Snapshot { profile: profile(facts).into(), previous: None }))
}

fn capability(name: &str, status: &str) -> Says {
    Says::Capability(Capability {
        name: name.to_owned(),
        status: status.to_owned(),
        status_json: Json(format!("\"{status}\"")),
    })
}

// What a report did.

#[test]
fn the_first_report_brings_the_object() {
    use PayoutStatus::{Paid, Pending};
    check(Kind::Payout, &[("a", 1, payout(Pending))], "a", "First report of payout po_1: pending.");
    let told = [("a", 1, payout(Pending)), ("b", 2, payout(Paid))];
    let expected = "First report of payout po_1: pending; it is paid now, as of b.";
    check(Kind::Payout, &told, "a", expected);
    let told = [("a", 1, snapshot(complete()))];
    check(
        Kind::Account,
        &told,
        "a",
        "First report of account acct_1: complete; it became payable.",
    );
    let told = [("a", 1, balance("[1]"))];
    check(Kind::Balance, &told, "a", "First report of the platform's balance.");
}

#[test]
fn a_move_names_both_statuses_and_what_came_of_it() {
    use PayoutStatus::{Failed, InTransit, Paid, Pending};
    let told = [
        ("a", 1, payout(Pending)),
        ("b", 2, payout(InTransit)),
        ("c", 3, payout(Paid)),
        ("d", 4, payout(Failed)),
    ];
    let moved = "Moved payout po_1 from pending to in_transit";
    check(Kind::Payout, &told[..2], "b", &format!("{moved}."));
    check(Kind::Payout, &told[..3], "b", &format!("{moved}; it is paid now, as of c."));
    check(Kind::Payout, &told, "b", &format!("{moved}; it is failed now, as of d."));
    check(
        Kind::Payout,
        &told,
        "d",
        "Moved payout po_1 from paid to failed; Stripe had called it paid before.",
    );
    let told = [("a", 1, snapshot(complete())), ("b", 2, snapshot(restricted()))];
    let expected = "Moved account acct_1 from complete to restricted; it ceased to be payable.";
    check(Kind::Account, &told, "b", expected);
}

#[test]
fn a_report_that_stripe_had_called_a_failed_payout_paid_shows_just_that() {
    use PayoutStatus::{Failed, InTransit, Paid};
    let told = [("a", 1, payout(InTransit)), ("b", 2, payout(Failed)), ("c", 3, payout(Paid))];
    let expected =
        "Showed that Stripe has called payout po_1 paid; it stayed failed, which is final.";
    check(Kind::Payout, &told, "c", expected);
}

#[test]
fn what_once_made_an_account_payable_does_not_say_that_it_is_payable_now() {
    let told = [("a", 1, snapshot(complete())), ("b", 2, snapshot(restricted()))];
    let expected = "First report of account acct_1: complete; it became payable; it is restricted now, as of b.";
    check(Kind::Account, &told, "a", expected);
    let onboarding = Facts { details_submitted: false, ..complete() };
    let off = onboarding.with_transfers("inactive");
    let told = [("a", 1, snapshot(onboarding)), ("b", 2, snapshot(off))];
    let expected = "First report of account acct_1: onboarding; it became payable; it is not payable now, as of b.";
    check(Kind::Account, &told, "a", expected);
}

#[test]
fn news_without_a_move_says_what_stays() {
    use PayoutStatus::Pending;
    let told = [("a", 1, payout(Pending)), ("b", 2, payout_arriving(Pending, Some(7)))];
    check(Kind::Payout, &told, "b", "Brought news of payout po_1, which stayed pending.");
    let onboarding = Facts { details_submitted: false, ..complete() };
    let off = onboarding.with_transfers("inactive");
    let told = [("a", 1, snapshot(off)), ("b", 2, snapshot(onboarding))];
    let expected = "Brought news of account acct_1, which stayed onboarding; it became payable.";
    check(Kind::Account, &told, "b", expected);
}

#[test]
fn a_report_that_says_nothing_new_says_so() {
    let told = [("a", 1, transfer(0, None)), ("b", 2, transfer(0, None))];
    check(Kind::Transfer, &told, "b", "Said nothing that was not known of transfer tr_1.");
}

#[test]
fn a_balance_is_followed_by_newer_ones() {
    let told = [("a", 1, balance("[1]")), ("b", 2, balance("[2]")), ("c", 3, balance("[3]"))];
    check(Kind::Balance, &told[..2], "b", "Brought news of the platform's balance.");
    let expected = "Brought news of the platform's balance; c brought a newer one.";
    check(Kind::Balance, &told, "b", expected);
    let owned = ObjectKey::new(false, Kind::Balance, Some("acct_1"), "");
    let sentence = report(&owned, &reports(&told[..1]), "a");
    assert_eq!(sentence.as_deref(), Some("First report of the balance of account acct_1."));
}

#[test]
fn a_transfer_tells_how_much_of_it_was_reversed() {
    let told = [("a", 1, transfer(0, None)), ("b", 2, transfer(400, None))];
    let expected =
        "Showed that 400 of the 1000 of transfer tr_1 was reversed: it became partially_reversed.";
    check(Kind::Transfer, &told, "b", expected);
    let told = [("a", 1, transfer(400, None)), ("b", 2, transfer(600, None))];
    let expected =
        "Showed that 600 of the 1000 of transfer tr_1 was reversed: it stayed partially_reversed.";
    check(Kind::Transfer, &told, "b", expected);
    let told = [("a", 1, transfer(400, None)), ("b", 2, transfer(200, None))];
    let expected = "Changed nothing: 400 of transfer tr_1 was reversed already, which never shrinks; this report says 200 (a conflict).";
    check(Kind::Transfer, &told, "b", expected);
    let told = [("a", 1, transfer(400, None)), ("b", 2, transfer(200, Some("g")))];
    let expected = "Brought news of transfer tr_1, but not of what was reversed: 400 of it was reversed already, which never shrinks; this report says 200 (a conflict).";
    check(Kind::Transfer, &told, "b", expected);
    let told = [("a", 1, transfer(400, None)), ("b", 2, transfer(400, Some("g")))];
    let expected = "Brought news of transfer tr_1, which stayed partially_reversed.";
    check(Kind::Transfer, &told, "b", expected);
}

#[test]
fn a_report_after_a_final_status_changes_nothing() {
    use PayoutStatus::{Canceled, Failed};
    let told = [("a", 1, payout(Failed)), ("b", 2, payout(Canceled))];
    let expected = "Changed nothing: payout po_1 was failed already, which is final; this report says canceled (a conflict).";
    check(Kind::Payout, &told, "b", expected);
    let told = [("a", 1, payout(Failed)), ("b", 2, payout_arriving(Failed, Some(1)))];
    let expected =
        "Changed nothing: payout po_1 was failed already, and what a final report said stays.";
    check(Kind::Payout, &told, "b", expected);
    let told = [("a", 1, topup(TopupStatus::Reversed)), ("b", 2, topup(TopupStatus::Pending))];
    let expected = "Changed nothing: topup tu_1 was reversed already, which is final; this report says pending (a conflict).";
    check(Kind::Topup, &told, "b", expected);
    let told = [("a", 1, payout(Failed)), ("b", 2, payout(Failed))];
    check(Kind::Payout, &told, "b", "Said nothing that was not known of payout po_1.");
}

#[test]
fn a_move_that_no_path_allows_is_called_a_conflict() {
    use PayoutStatus::{InTransit, Paid};
    let told = [("a", 1, payout(Paid)), ("b", 2, payout(InTransit))];
    let expected = "Moved payout po_1 from paid to in_transit, which no legal path explains (a conflict): the later report counts.";
    check(Kind::Payout, &told, "b", expected);
}

// Late reports.

#[test]
fn a_late_report_that_changes_nothing_names_the_one_that_counts() {
    let told = [
        ("a", 1, snapshot(complete())),
        ("c", 3, snapshot(enabled())),
        ("b", 2, snapshot(restricted())),
    ];
    let expected = "Took its place in the history of account acct_1 without effect: c, created later, counts (status enabled).";
    check(Kind::Account, &told, "b", expected);
    let told = [("b", 2, balance("[2]")), ("a", 1, balance("[1]"))];
    let expected = "Took its place in the history of the platform's balance without effect: b, created later, counts.";
    check(Kind::Balance, &told, "a", expected);
    let told = [("a", 1, topup(TopupStatus::Succeeded)), ("b", 1, topup(TopupStatus::Pending))];
    let expected = "Took its place in the history of topup tu_1 without effect: a, which stands after it in their second, counts (status succeeded).";
    check(Kind::Topup, &told, "b", expected);
}

#[test]
fn a_late_report_that_matters_tells_what_it_did() {
    use PayoutStatus::{Failed, Paid, Pending};
    let told = [("a", 1, payout(Pending)), ("c", 3, payout(Failed)), ("b", 2, payout(Paid))];
    let expected = "Moved payout po_1 from pending to paid; it is failed now, as of c.";
    check(Kind::Payout, &told, "b", expected);
}

#[test]
fn what_is_said_of_a_report_follows_those_that_come_after_it() {
    let told = [("a", 1, topup(TopupStatus::Pending)), ("b", 3, topup(TopupStatus::Succeeded))];
    check(Kind::Topup, &told, "b", "Moved topup tu_1 from pending to succeeded.");
    let told = [&told[..], &[("c", 2, topup(TopupStatus::Canceled))]].concat();
    let expected = "Changed nothing: topup tu_1 was canceled already, which is final; this report says succeeded (a conflict).";
    check(Kind::Topup, &told, "b", expected);
    check(Kind::Topup, &told, "c", "Moved topup tu_1 from pending to canceled.");
}

// One second that leaves something open.

#[test]
fn reports_of_one_second_that_could_not_be_ordered_name_each_other() {
    let told = [("a", 1, snapshot(complete())), ("b", 1, snapshot(restricted()))];
    let open = "Could not be put in order with";
    for (event, other) in [("a", "b"), ("b", "a")] {
        let expected = format!(
            "{open} {other} of the same second: b counts (status restricted), and no money may move until a later report settles it."
        );
        check(Kind::Account, &told, event, &expected);
    }
    let settled = [&told[..], &[("c", 2, snapshot(enabled()))]].concat();
    let expected =
        format!("{open} b of the same second: c, created later, has settled it (status enabled).");
    check(Kind::Account, &settled, "a", &expected);
    check(
        Kind::Account,
        &settled,
        "c",
        "Moved account acct_1 from restricted to enabled; it became payable.",
    );
    let told = [("a", 1, snapshot(complete())), ("b", 1, snapshot(enabled()))];
    let expected = format!("{open} b of the same second: b counts (status enabled).");
    check(Kind::Account, &told, "a", &expected);
    let told = [&told[..], &[("c", 2, snapshot(enabled()))]].concat();
    let expected = "Settled what an earlier second had left open: account acct_1 was enabled.";
    check(Kind::Account, &told, "c", expected);
}

#[test]
fn what_settles_an_open_second_is_of_a_later_one() {
    let told = [
        ("a", 1, snapshot(complete())),
        ("b", 1, snapshot(enabled())),
        ("c", 1, snapshot(restricted())),
        ("d", 2, snapshot(complete())),
    ];
    let expected = "Could not be put in order with b and c of the same second: d, created later, has settled it (status complete).";
    check(Kind::Account, &told, "a", expected);
}

#[test]
fn a_capability_against_an_account_report_of_its_second_is_open_too() {
    let told = [("a", 1, snapshot(complete())), ("b", 1, capability("transfers", "inactive"))];
    let expected = "Could not be put in order with a of the same second: b counts (status restricted), and no money may move until a later report settles it.";
    check(Kind::Account, &told, "b", expected);
    let told = [&told[..], &[("c", 1, capability("card_payments", "active"))]].concat();
    let sentence = report(&key(Kind::Account), &reports(&told), "c").unwrap();
    assert!(!sentence.contains("put in order"), "{sentence}");
}

#[test]
fn final_statuses_of_one_second_that_exclude_each_other_are_open() {
    use PayoutStatus::{Canceled, Failed, Pending};
    let told = [("a", 1, payout(Pending)), ("b", 2, payout(Failed)), ("c", 2, payout(Canceled))];
    for (event, other) in [("b", "c"), ("c", "b")] {
        let expected = format!(
            "Could not be put in order with {other} of the same second: b counts (status failed)."
        );
        check(Kind::Payout, &told, event, &expected);
    }
    let expected = "First report of payout po_1: pending; it is failed now, as of b.";
    check(Kind::Payout, &told, "a", expected);
}

#[test]
fn a_report_after_an_open_second_is_no_part_of_it() {
    let revoked = ("d", 5, Says::Authorization(Authorization::Revoked));
    let told = [("a", 1, snapshot(complete())), ("b", 1, snapshot(restricted())), revoked];
    let expected = "Moved account acct_1 from restricted to deauthorized.";
    check(Kind::Account, &told, "d", expected);
}

#[test]
fn a_capability_alone_says_too_little() {
    let told =
        [("a", 1, capability("transfers", "active")), ("b", 2, capability("transfers", "active"))];
    let expected = "Changed nothing: no report of account acct_1 itself is known before it, and a capability alone says too little.";
    check(Kind::Account, &told, "b", expected);
}

// All of them.

/// Three reports, of all that may be said, in several orders of arrival and of their seconds.
fn lives(said: &[Says]) -> Vec<Vec<Report>> {
    let mut lives = Vec::new();
    for [x, y, z] in [[1, 2, 3], [3, 2, 1], [1, 2, 2], [2, 3, 1], [1, 1, 1], [1, 1, 2]] {
        for a in said {
            for b in said {
                for c in said {
                    let told = [("a", x, a), ("b", y, b), ("c", z, c)];
                    lives.push(reports(&told.map(|(id, second, says)| (id, second, says.clone()))));
                }
            }
        }
    }
    lives
}

fn all_lives() -> impl Iterator<Item = (Kind, Vec<Report>)> {
    let of_accounts = [
        snapshot(complete()),
        snapshot(enabled()),
        snapshot(restricted()),
        capability("transfers", "active"),
        capability("transfers", "inactive"),
        capability("card_payments", "active"),
        Says::Authorization(Authorization::Granted),
        Says::Authorization(Authorization::Revoked),
    ];
    let kinds = [
        (Kind::Topup, lives(&TopupStatus::ALL.map(topup))),
        (Kind::Payout, lives(&PayoutStatus::ALL.map(payout))),
        (Kind::Account, lives(&of_accounts)),
    ];
    kinds.into_iter().flat_map(|(kind, lives)| lives.into_iter().map(move |life| (kind, life)))
}

#[track_caller]
fn check_life(kind: Kind, life: &[Report]) {
    let folded = fold(kind, life, None).unwrap();
    let mut is_told = false;
    for told in life {
        let sentence = report(&key(kind), life, &told.event_id).unwrap();
        let dots = sentence.matches('.').count();
        assert!(sentence.ends_with('.') && dots == 1, "one sentence: {sentence}");
        assert!(
            sentence.contains(&key(kind).id) || sentence.starts_with("Could not"),
            "{sentence}"
        );
        let place = folded.history.iter().position(|e| life[e.report].event_id == told.event_id);
        let place = place.unwrap();
        let entry = &folded.history[place];
        let before = place.checked_sub(1).map(|before| &folded.history[before].state);
        let moved = before.is_none_or(|before| *before != entry.state);
        let (status, held) = (entry.state.status().unwrap(), before.and_then(State::status));
        if sentence.starts_with("Moved") {
            let named = format!("from {} to {status}", held.unwrap());
            assert!(moved && held != Some(status) && sentence.contains(&named), "{sentence}");
        } else if sentence.starts_with("Said nothing") || sentence.starts_with("Changed nothing") {
            assert!(!moved, "{sentence}");
        } else if sentence.starts_with("First") {
            assert_eq!(place, 0, "{sentence}");
        } else if sentence.starts_with("Could not") {
            assert!(folded.history.iter().any(|entry| entry.ambiguous), "{sentence}");
            is_told = true;
        }
    }
    assert!(is_told || !folded.progress.ambiguous, "nothing says what is open: {life:?}");
}

#[test]
fn every_life_is_told_in_true_sentences() {
    for (kind, life) in all_lives() {
        check_life(kind, &life);
    }
}

/// What is said of the newest arrival agrees with the outcome that it was answered with.
#[test]
fn the_sentence_agrees_with_the_outcome_at_arrival() {
    for (kind, life) in all_lives() {
        let (newest, known) = life.split_last().unwrap();
        let held = fold(kind, known, None).unwrap().progress;
        let now = fold(kind, &life, Some(known.len())).unwrap();
        let sentence = report(&key(kind), &life, &newest.event_id).unwrap();
        let without_effect = ["Took its place", "Said nothing", "Changed nothing"];
        let did_nothing = without_effect.iter().any(|start| sentence.starts_with(start));
        let outcome = outcome(Some(&held), &now.progress, newest, now.overtaken);
        match outcome {
            Outcome::Applied => assert!(!did_nothing, "{sentence} {life:?}"),
            Outcome::Unchanged => assert!(!sentence.starts_with("Took"), "{sentence}"),
            Outcome::Stale => assert!(!sentence.starts_with("Showed"), "{sentence}"),
            Outcome::Ignored | Outcome::Parked | Outcome::Duplicate => panic!("{outcome:?}"),
        }
    }
}

#[test]
fn an_event_that_is_not_among_the_reports_has_no_sentence() {
    let told = reports(&[("a", 1, topup(TopupStatus::Pending))]);
    assert_eq!(report(&key(Kind::Topup), &told, "b"), None);
    assert_eq!(report(&key(Kind::Topup), &[], "a"), None);
}

// Events that report nothing.

#[test]
fn what_is_not_used_says_why() {
    for (sentence, expected) in [
        (
            ignored("customer.created", false),
            "Kept, not used: bursar does not track customer.created.",
        ),
        (
            ignored("v2.core.account.updated", true),
            "Kept, not used: v2.core.account.updated came as a thin event, which carries no object.",
        ),
        (
            parked("`data.object` is missing"),
            "Kept, but its content cannot be used: `data.object` is missing. A version that can use it tries it again by itself.",
        ),
    ] {
        assert_eq!(sentence, expected);
    }
}

// Accounts.

#[test]
fn an_account_says_whether_it_may_be_paid_and_why() {
    let id = "individual.id_number";
    let off = || Facts { payouts_enabled: false, ..complete() };
    let because = |reason: &str| Facts { disabled_reason: Some(reason.to_owned()), ..off() };
    let soon = Facts {
        currently_due: fields(&[id]),
        eventually_due: fields(&[id]),
        current_deadline: Some(9),
        ..complete()
    };
    for (facts, expected) in [
        (complete(), "May be paid; Stripe asks for nothing more."),
        (enabled(), "May be paid; Stripe will ask for more later."),
        (soon.clone(), "May be paid; Stripe asks for individual.id_number before the deadline."),
        (
            Facts { current_deadline: None, ..soon },
            "May be paid; Stripe asks for individual.id_number, without a deadline.",
        ),
        (restricted(), "May not be paid: Stripe asks for individual.id_number (past due)."),
        (
            Facts { past_due: fields(&[id]), ..because("requirements.past_due") },
            "May not be paid: Stripe asks for individual.id_number (past due).",
        ),
        (
            Facts { currently_due: fields(&["a", "b"]), ..off() },
            "May not be paid: Stripe asks for a and b.",
        ),
        (
            Facts { currently_due: fields(&["a", "b", "c", "d", "e"]), ..off() },
            "May not be paid: Stripe asks for a, b, c and 2 more.",
        ),
        (
            Facts { currently_due: fields(&["a"]), ..because("platform_paused") },
            "May not be paid: Stripe's reason is platform_paused; Stripe asks for a.",
        ),
        (because("listed"), "May not be paid: Stripe's reason is listed."),
        (off(), "May not be paid: its payouts are not enabled."),
        (
            complete().with_transfers("inactive"),
            "May not be paid: its transfers capability is inactive.",
        ),
        (
            Facts { transfers: None, ..off() },
            "May not be paid: it has no transfers capability and its payouts are not enabled.",
        ),
        (because("under_review"), "May not be paid: Stripe is checking what it was given."),
        (because("rejected.fraud"), "May not be paid: it is rejected (rejected.fraud)."),
        (
            Facts { details_submitted: false, ..off() },
            "May not be paid: its details are not submitted.",
        ),
        (
            Facts { details_submitted: false, ..complete() },
            "May be paid, but its details are not submitted.",
        ),
    ] {
        let shown = Account { deauthorized: false, profile: Some(profile(facts).into()) };
        assert_eq!(account(&shown, false), expected);
    }
}

#[test]
fn an_account_that_left_or_is_hardly_known_says_so() {
    let left = Account { deauthorized: true, profile: Some(profile(complete()).into()) };
    assert_eq!(account(&left, false), "May not be paid: it has deauthorized the platform.");
    let left = Account { deauthorized: true, profile: None };
    assert_eq!(account(&left, false), "May not be paid: it has deauthorized the platform.");
    let unknown = Account { deauthorized: false, profile: None };
    let expected = "May not be paid: no report of the account itself is known yet.";
    assert_eq!(account(&unknown, false), expected);
    let open = Account { deauthorized: false, profile: Some(profile(restricted()).into()) };
    let expected = "May not be paid: Stripe asks for individual.id_number (past due); reports of one second disagree and could not be put in order.";
    assert_eq!(account(&open, true), expected);
}

/// The first words never contradict `payable`, and every sentence gives a reason.
#[test]
fn every_account_is_explained_in_agreement_with_payable() {
    let words = [None, Some("active"), Some("inactive"), Some("pending")];
    let reasons = [None, Some("requirements.past_due"), Some("rejected.other"), Some("listed")];
    for number in 0..1_u32 << 6 {
        let bit = |place: u32| number & (1 << place) != 0;
        let fields = |is: bool| if is { fields(&["x"]) } else { Fields::default() };
        for (word, reason) in words.iter().flat_map(|w| reasons.iter().map(move |r| (w, r))) {
            let facts = Facts {
                details_submitted: bit(0),
                payouts_enabled: bit(1),
                transfers: word.map(str::to_owned),
                disabled_reason: reason.map(str::to_owned),
                current_deadline: bit(2).then_some(1),
                currently_due: fields(bit(3)),
                past_due: fields(bit(4)),
                eventually_due: fields(bit(5)),
                pending_verification: Fields::default(),
            };
            let shown = Account { deauthorized: false, profile: Some(profile(facts).into()) };
            let sentence = account(&shown, false);
            assert_eq!(
                sentence.starts_with("May be paid"),
                shown.payable(),
                "{sentence} {shown:?}"
            );
            let reason =
                sentence.trim_start_matches("May be paid").trim_start_matches("May not be paid");
            assert!(reason.len() > 10 && reason.ends_with('.'), "{sentence} {shown:?}");
        }
    }
}
