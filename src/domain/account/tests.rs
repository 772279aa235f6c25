use super::*;
use crate::domain::examples::{complete, fields, profile};

const TRANSFERS: [Option<&str>; 5] =
    [None, Some("active"), Some("inactive"), Some("pending"), Some("word_of_tomorrow")];

const DISABLED_REASONS: [Option<&str>; 8] = [
    None,
    Some("requirements.past_due"),
    Some("requirements.pending_verification"),
    Some("under_review"),
    Some("rejected.fraud"),
    Some("rejected.new_word"),
    Some("listed"),
    Some("platform_paused"),
];

fn account(facts: Facts) -> Account {
    Account { deauthorized: false, profile: Some(profile(facts).into()) }
}

/// Every combination of what the status table looks at.
fn all_facts() -> Vec<Facts> {
    let mut all = Vec::new();
    for bits in 0_u32..128 {
        let bit = |place: u32| bits & (1 << place) != 0;
        let list =
            |place: u32, name: &str| if bit(place) { fields(&[name]) } else { Fields::default() };
        for transfers in TRANSFERS {
            for disabled_reason in DISABLED_REASONS {
                all.push(Facts {
                    details_submitted: bit(0),
                    payouts_enabled: bit(1),
                    transfers: transfers.map(str::to_owned),
                    disabled_reason: disabled_reason.map(str::to_owned),
                    current_deadline: bit(2).then_some(1_800_000_000),
                    currently_due: list(3, "external_account"),
                    past_due: list(4, "individual.id_number"),
                    eventually_due: list(5, "individual.ssn_last_4"),
                    pending_verification: list(6, "individual.verification.document"),
                });
            }
        }
    }
    all
}

/// The rows of the status table in their order; the first that holds counts.
fn status_by_the_table(facts: &Facts, deauthorized: bool) -> AccountStatus {
    let reason = facts.disabled_reason.as_deref().unwrap_or("");
    let transfers = facts.transfers.as_deref().unwrap_or("");
    let is_paid = transfers == "active" && facts.payouts_enabled;
    let nothing_due = facts.currently_due.0.is_empty() && facts.past_due.0.is_empty();
    let checking = !facts.pending_verification.0.is_empty()
        || ["requirements.pending_verification", "under_review"].contains(&reason)
        || transfers == "pending";
    let soon = !facts.currently_due.0.is_empty() && facts.current_deadline.is_some();
    let rows = [
        (deauthorized, AccountStatus::Deauthorized),
        (reason.starts_with("rejected."), AccountStatus::Rejected),
        (!facts.details_submitted, AccountStatus::Onboarding),
        (!is_paid && nothing_due && checking, AccountStatus::Pending),
        (!is_paid, AccountStatus::Restricted),
        (soon, AccountStatus::RestrictedSoon),
        (!facts.eventually_due.0.is_empty(), AccountStatus::Enabled),
        (true, AccountStatus::Complete),
    ];
    rows.into_iter().find(|row| row.0).unwrap().1
}

fn action_by_the_table(status: AccountStatus, facts: &Facts) -> NextAction {
    let something_due = !facts.currently_due.0.is_empty() || !facts.past_due.0.is_empty();
    match status {
        AccountStatus::Onboarding | AccountStatus::RestrictedSoon => NextAction::CollectInformation,
        AccountStatus::Restricted if something_due => NextAction::CollectInformation,
        AccountStatus::Pending => NextAction::WaitForReview,
        AccountStatus::Rejected | AccountStatus::Deauthorized | AccountStatus::Restricted => {
            NextAction::ContactStripe
        }
        AccountStatus::Enabled | AccountStatus::Complete => NextAction::None,
    }
}

#[test]
fn every_account_has_the_status_of_the_first_row_that_holds() {
    let mut seen = BTreeSet::new();
    for facts in all_facts() {
        for deauthorized in [false, true] {
            let account = Account { deauthorized, profile: Some(profile(facts.clone()).into()) };
            let expected = status_by_the_table(&facts, deauthorized);
            seen.insert(expected);
            assert_eq!(account.status(), expected, "{account:?}");
        }
    }
    assert_eq!(seen.len(), AccountStatus::ALL.len(), "each row of the table was met");
}

#[test]
fn only_active_transfers_with_payouts_enabled_are_payable_unless_rejected_or_deauthorized() {
    for facts in all_facts() {
        for deauthorized in [false, true] {
            let account = Account { deauthorized, profile: Some(profile(facts.clone()).into()) };
            let rejected = status_by_the_table(&facts, false) == AccountStatus::Rejected;
            let transfers_active = facts.transfers.as_deref() == Some("active");
            let expected = transfers_active && facts.payouts_enabled && !rejected && !deauthorized;
            assert_eq!(account.payable(), expected, "{account:?}");
            assert_eq!(facts.can_receive_transfers(), transfers_active, "{facts:?}");
        }
    }
}

#[test]
fn every_account_names_what_to_do_next() {
    for facts in all_facts() {
        for deauthorized in [false, true] {
            let account = Account { deauthorized, profile: Some(profile(facts.clone()).into()) };
            let expected = action_by_the_table(status_by_the_table(&facts, deauthorized), &facts);
            assert_eq!(account.next_action(), expected, "{account:?}");
        }
    }
}

#[test]
fn charges_enabled_decides_nothing() {
    for facts in all_facts() {
        let told = |charges_enabled| {
            let profile = Profile { charges_enabled, ..profile(facts.clone()) };
            let account = Account { deauthorized: false, profile: Some(profile.into()) };
            (account.status(), account.payable(), account.next_action())
        };
        assert_eq!(told(Some(true)), told(Some(false)), "{facts:?}");
        assert_eq!(told(Some(true)), told(None), "{facts:?}");
    }
}

#[test]
fn an_account_without_a_report_of_its_own_is_onboarding_or_deauthorized() {
    let known = Account { deauthorized: false, profile: None };
    assert_eq!(known.status(), AccountStatus::Onboarding);
    assert_eq!(known.next_action(), NextAction::CollectInformation);
    assert!(!known.payable());

    let left = Account { deauthorized: true, profile: None };
    assert_eq!(left.status(), AccountStatus::Deauthorized);
    assert_eq!(left.next_action(), NextAction::ContactStripe);
    assert!(!left.payable());
}

#[test]
fn only_reasons_that_begin_with_rejected_and_a_point_reject() {
    for (reason, expected) in [
        ("rejected.other", AccountStatus::Rejected),
        ("rejected.", AccountStatus::Rejected),
        ("rejected", AccountStatus::Complete),
        ("rejected_fraud", AccountStatus::Complete),
        ("Rejected.fraud", AccountStatus::Complete),
        ("not.rejected.fraud", AccountStatus::Complete),
    ] {
        let facts = Facts { disabled_reason: Some(reason.to_owned()), ..complete() };
        assert_eq!(account(facts).status(), expected, "{reason}");
    }
}

#[test]
fn blockers_are_what_is_past_due_then_what_is_currently_due_without_repeats() {
    for (past_due, currently_due, expected) in [
        (&[][..], &[][..], &[][..]),
        (&["a"], &["b"], &["a", "b"]),
        (&["b"], &["a", "b", "c"], &["b", "a", "c"]),
        (&["b", "b"], &["a", "a"], &["b", "a"]),
        (&[], &["z", "a"], &["z", "a"]),
    ] {
        let facts = Facts {
            past_due: fields(past_due),
            currently_due: fields(currently_due),
            eventually_due: fields(&["later"]),
            pending_verification: fields(&["under way"]),
            ..complete()
        };
        assert_eq!(facts.blockers(), expected);
    }
}

#[test]
fn lists_compare_as_sets_and_keep_the_order_they_came_in() {
    assert_eq!(fields(&["a", "b"]), fields(&["b", "a"]));
    assert_eq!(fields(&["a", "b", "a"]), fields(&["a", "b"]));
    assert_ne!(fields(&["a", "b"]), fields(&["a"]));
    assert_ne!(fields(&[]), fields(&["a"]));
    assert_eq!(fields(&["b", "a"]).0, ["b", "a"]);
}

/// Checks whether a report of `now`, of which `previous` says what changed, follows `before`.
#[track_caller]
fn check_follows(before: &Facts, previous: Option<Previous>, now: &Facts, expected: bool) {
    let snapshot = Snapshot { profile: profile(now.clone()).into(), previous };
    assert_eq!(snapshot.follows(before), expected, "{snapshot:?} after {before:?}");
}

#[test]
fn a_report_follows_exactly_the_facts_that_its_previous_attributes_lead_back_to() {
    let before = Facts { payouts_enabled: false, ..complete() };
    let named = Previous { payouts_enabled: Some(false), ..Previous::default() };
    check_follows(&before, Some(named.clone()), &complete(), true);
    check_follows(&complete(), Some(named.clone()), &complete(), false);

    // One more difference that the report does not name, and it is not the one before.
    let other = Facts { details_submitted: false, ..before };
    check_follows(&other, Some(named), &complete(), false);
}

#[test]
fn each_tracked_fact_can_be_put_back_by_itself() {
    type Change = (Facts, Previous);
    let changes: [Change; 9] = [
        (
            Facts { details_submitted: false, ..complete() },
            Previous { details_submitted: Some(false), ..Previous::default() },
        ),
        (
            Facts { payouts_enabled: false, ..complete() },
            Previous { payouts_enabled: Some(false), ..Previous::default() },
        ),
        (
            Facts { transfers: Some("pending".to_owned()), ..complete() },
            Previous { transfers: Some(Some("pending".to_owned())), ..Previous::default() },
        ),
        (
            Facts { disabled_reason: Some("listed".to_owned()), ..complete() },
            Previous { disabled_reason: Some(Some("listed".to_owned())), ..Previous::default() },
        ),
        (
            Facts { current_deadline: Some(7), ..complete() },
            Previous { current_deadline: Some(Some(7)), ..Previous::default() },
        ),
        (
            Facts { currently_due: fields(&["a"]), ..complete() },
            Previous { currently_due: Some(fields(&["a"])), ..Previous::default() },
        ),
        (
            Facts { past_due: fields(&["a"]), ..complete() },
            Previous { past_due: Some(fields(&["a"])), ..Previous::default() },
        ),
        (
            Facts { eventually_due: fields(&["a"]), ..complete() },
            Previous { eventually_due: Some(fields(&["a"])), ..Previous::default() },
        ),
        (
            Facts { pending_verification: fields(&["a"]), ..complete() },
            Previous { pending_verification: Some(fields(&["a"])), ..Previous::default() },
        ),
    ];
    for (place, (before, _)) in changes.iter().enumerate() {
        for (other, (_, previous)) in changes.iter().enumerate() {
            check_follows(before, Some(previous.clone()), &complete(), place == other);
        }
        check_follows(before, Some(Previous::default()), &complete(), false);
    }
}

#[test]
fn lists_stand_whole_in_previous_attributes_and_compare_as_sets() {
    let now = Facts { currently_due: fields(&["a", "b"]), ..complete() };
    let before = Facts { currently_due: fields(&["c", "a"]), ..complete() };
    let named = |names: &[&str]| {
        Some(Previous { currently_due: Some(fields(names)), ..Previous::default() })
    };
    check_follows(&before, named(&["a", "c"]), &now, true);
    check_follows(&before, named(&["c"]), &now, false);
    check_follows(&complete(), named(&[]), &now, true);
}

#[test]
fn a_fact_that_was_null_can_be_put_back() {
    let now = Facts {
        transfers: Some("active".to_owned()),
        disabled_reason: Some("under_review".to_owned()),
        current_deadline: Some(7),
        ..complete()
    };
    let before =
        Facts { transfers: None, disabled_reason: None, current_deadline: None, ..complete() };
    let named = Previous {
        transfers: Some(None),
        disabled_reason: Some(None),
        current_deadline: Some(None),
        ..Previous::default()
    };
    check_follows(&before, Some(named), &now, true);
}

#[test]
fn a_report_of_changes_outside_the_facts_follows_equal_facts_only() {
    check_follows(&complete(), Some(Previous::default()), &complete(), true);
    let before = Facts { payouts_enabled: false, ..complete() };
    check_follows(&before, Some(Previous::default()), &complete(), false);
}

#[test]
fn a_report_that_does_not_say_what_changed_follows_nothing() {
    check_follows(&complete(), None, &complete(), false);
}

#[test]
fn a_transfers_capability_changes_payability_and_any_other_only_the_shown_field() {
    let capability = |name: &str| Capability {
        name: name.to_owned(),
        status: "inactive".to_owned(),
        status_json: Json("\"inactive\"".to_owned()),
    };
    let before = profile(complete());
    for (name, expected) in [("transfers", false), ("card_payments", true), ("Transfers", true)] {
        let capability = capability(name);
        assert!(!before.says(&capability), "{name}");
        let after = before.with(&capability);
        assert!(after.says(&capability), "{name}");
        assert_eq!(after.facts.payable(), expected, "{name}");
    }
}
