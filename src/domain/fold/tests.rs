mod accounts;
mod capabilities;
mod mark;
mod money;
mod outcomes;
mod same_second;

use Outcome::{Applied, Stale, Unchanged};

use super::*;
use crate::domain::Json;
use crate::domain::account::{
    AccountStatus, Authorization, Capability, Facts, Fields, Previous, Snapshot,
};
use crate::domain::examples::{self, complete, profile};
use crate::domain::payout::PayoutStatus;
use crate::domain::topup::TopupStatus;

// Facts that the tests tell of.

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

// Reports of them.

fn report(id: &str, created: u64, event_type: &str, says: Says) -> Report {
    let arrival = examples::arrival(0);
    Report { event_id: id.to_owned(), event_type: event_type.to_owned(), created, says, arrival }
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
    let snapshot =
        Snapshot { profile: profile(now.clone()).into(), previous: Some(changed(before, now)) };
    report(id, created, "account.updated", Says::Account(Box::new(snapshot)))
}

/// An `account.updated` without `previous_attributes`.
fn told(id: &str, created: u64, now: &Facts) -> Report {
    let snapshot = Snapshot { profile: profile(now.clone()).into(), previous: None };
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
        Arc::make_mut(&mut snapshot.profile).country = Some("FR".to_owned());
    }
    report
}

fn topup(id: &str, created: u64, event_type: &str, status: TopupStatus) -> Report {
    report(id, created, event_type, Says::Topup(examples::topup(status)))
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
    let payout = Payout { method: note.map(str::to_owned), ..examples::payout(status) };
    report(id, created, event_type, Says::Payout(payout))
}

fn transfer(id: &str, created: u64, event_type: &str, amount_reversed: i64) -> Report {
    report(id, created, event_type, Says::Transfer(examples::transfer(amount_reversed)))
}

fn balance(id: &str, created: u64, available: &str) -> Report {
    let balance = Balance { available: Some(Json(available.to_owned())), pending: None };
    report(id, created, "balance.available", Says::Balance(balance))
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

#[test]
fn without_reports_there_is_no_object() {
    for kind in Kind::ALL {
        assert_eq!(fold(kind, &[], None), None);
    }
}
