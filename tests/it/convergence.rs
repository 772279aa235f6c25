//! The promise that everything rests on: the same set of events gives the same state and the same
//! history, whatever their order, however often each is delivered, and whichever way it came.
//!
//! Here it is tried on the pure rules, with many lives; `stores` tries it on the real store, with
//! all ways in. `support/lives` says how to run a failing case again.

/// A store, and what can be done with it.
mod place;
/// The promise on the real store.
mod stores;

use std::collections::BTreeSet;

use bursar::domain::account::{Account, Facts, Snapshot};
use bursar::domain::event::{Reading, Report, Says};
use bursar::domain::fold::{Entry, Folded, Progress, State, advance, fold};
use bursar::domain::id::Kind;
use bursar::domain::lifecycle::Step;
use bursar::domain::order::chain;
use bursar::domain::time::Timestamp;
use bursar::stripe::wire;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::lives::account::{Odds, all_facts, life as lives_of, snapshot};
use crate::support::lives::{Content, Life, NOW, any_life, arrival, lives};

/// Reports in an order of arrival, some of them twice.
fn deliveries(reports: Vec<Report>) -> impl Strategy<Value = Vec<Report>> {
    let twice = vec(prop::bool::weighted(0.2), reports.len());
    let chosen = twice.prop_map(move |twice| {
        let again = reports.iter().zip(twice).filter(|(_, twice)| *twice);
        let again: Vec<Report> = again.map(|(report, _)| report.clone()).collect();
        [reports.clone(), again].concat()
    });
    chosen.prop_shuffle().prop_map(arrived)
}

/// Gives each report a place and a time at which it arrived, and a way it came.
fn arrived(reports: Vec<Report>) -> Vec<Report> {
    let arrive = |(sequence, report)| Report { arrival: arrival(sequence), ..report };
    (1..).zip(reports).map(arrive).collect()
}

/// A life with something to tell, and a way in which it could arrive.
fn told_and_delivered() -> impl Strategy<Value = (Life, Vec<Report>)> {
    let life = any_life().prop_filter("something is told", |life| !life.reports().is_empty());
    life.prop_flat_map(|life| {
        let deliveries = deliveries(life.reports());
        (Just(life), deliveries)
    })
}

/// Takes reports in one after the other, as a store does: what is known is dropped; what is newer
/// than everything known advances the state, unless `slowly` says otherwise for its place;
/// else all is folded again.
fn take_in(kind: Kind, delivered: &[Report], slowly: &[bool]) -> (Progress, Vec<Report>) {
    let (mut ids, mut known) = (BTreeSet::new(), Vec::new());
    let mut held: Option<Progress> = None;
    for (report, slowly) in delivered.iter().zip(slowly.iter().cycle()) {
        if !ids.insert(&report.event_id) {
            continue;
        }
        known.push(report.clone());
        held = match held {
            Some(held) if report.created > held.newest && !slowly => {
                Some(advance(kind, &held, report))
            }
            _ => fold(kind, &known, None).map(|folded| folded.progress),
        };
    }
    (held.expect("something is delivered"), known)
}

/// All that does not tell of arrival.
fn seen(mut progress: Progress) -> Progress {
    progress.as_of.recorded_at = Timestamp(0);
    progress
}

type Seen<'r> = (&'r str, Step, &'r State, bool);

/// The history, by event instead of by place among the reports.
fn history<'r>(folded: &'r Folded, reports: &'r [Report]) -> Vec<Seen<'r>> {
    let entry = |entry: &'r Entry| {
        let id = reports[entry.report].event_id.as_str();
        (id, entry.step, &entry.state, entry.ambiguous)
    };
    folded.history.iter().map(entry).collect()
}

proptest! {
    #![proptest_config(lives(10_000))]

    #[test]
    fn no_order_number_or_path_of_deliveries_changes_what_they_come_to(
        (life, delivered) in told_and_delivered(),
        slowly in vec(prop::bool::weighted(0.2), 1..8),
    ) {
        let (kind, told) = (life.key.kind, life.reports());
        let expected = fold(kind, &told, None).unwrap();
        let (progress, known) = take_in(kind, &delivered, &slowly);
        prop_assert_eq!(seen(progress.clone()), seen(expected.progress.clone()));

        let folded = fold(kind, &known, None).unwrap();
        prop_assert_eq!(&folded.progress, &progress, "the last report's arrival counts, not its way");
        prop_assert_eq!(history(&folded, &known), history(&expected, &told));
        prop_assert_eq!(folded.history.len(), told.len(), "each report has its place");
    }
}

proptest! {
    #![proptest_config(lives(2_000))]

    #[test]
    fn what_the_rules_put_before_another_does_not_depend_on_arrival(
        (life, delivered) in told_and_delivered(), which in any::<Index>(),
    ) {
        let (kind, told) = (life.key.kind, life.reports());
        let (_, known) = take_in(kind, &delivered, &[false]);
        let at = which.index(told.len());
        let there = known.iter().position(|report| report.event_id == told[at].event_id);
        let overtaken = fold(kind, &told, Some(at)).unwrap().overtaken;
        prop_assert_eq!(overtaken, fold(kind, &known, there).unwrap().overtaken);
    }

    #[test]
    fn the_last_entry_of_the_history_is_the_state((life, _) in told_and_delivered()) {
        let told = life.reports();
        let Folded { progress, history, .. } = fold(life.key.kind, &told, None).unwrap();
        let last = history.last().unwrap();
        prop_assert_eq!((&last.state, last.ambiguous), (&progress.state, progress.ambiguous));
        prop_assert_eq!(history[0].step, Step::First);
        prop_assert!(history[1..].iter().all(|entry| entry.step != Step::First));
        let conflicts = history.iter().filter(|entry| entry.step == Step::Conflict).count();
        prop_assert_eq!(conflicts, usize::try_from(progress.conflicts).unwrap());
        prop_assert_eq!(Some(progress.newest), told.iter().map(|report| report.created).max());
    }

    /// One life, two spellings: what is delivered is what the rules are asked about.
    #[test]
    fn what_is_read_of_a_body_is_what_was_told(life in any_life()) {
        for told in &life.told {
            let body = told.body(&life.key, 1);
            let read = wire::read(body.as_bytes(), NOW).unwrap();
            prop_assert_eq!((&read.id, read.event_type.as_str()), (&told.id, told.event_type));
            match (&told.content, read.reading) {
                (Content::Says(says), Reading::Report { object, created, says: read }) => {
                    prop_assert_eq!((&object, created, &read), (&life.key, told.created, says));
                }
                (Content::Ignored, Reading::Ignored)
                | (Content::Unusable, Reading::Parked { .. }) => {}
                (content, reading) => prop_assert!(false, "{content:?} reads as {reading:?}"),
            }
        }
    }
}

/// Accounts of which every report comes, and says what it changed. Seconds are short enough to be
/// weighed exhaustively.
const TOLD_IN_FULL: Odds =
    Odds { silent: 0.0, lost: 0.0, twins: 0.0, capability: 0.2, senseless: 0.0, ..Odds::HOSTILE };
/// The same, but that not every report says what it changed.
const TOLD: Odds = Odds { silent: 0.3, ..TOLD_IN_FULL };

fn account(life: &Life) -> (Account, bool) {
    let progress = fold(Kind::Account, &life.reports(), None).unwrap().progress;
    let State::Account(account) = progress.state else { panic!("{:?}", progress.state) };
    (*account, progress.ambiguous)
}

proptest! {
    #![proptest_config(lives(4_000))]

    #[test]
    fn an_account_known_from_its_start_and_told_in_full_is_what_it_truly_is(
        life in lives_of(TOLD_IN_FULL, chain::EXHAUSTIVE).prop_map(Life::with_its_start),
    ) {
        let (account, ambiguous) = account(&life);
        prop_assert_eq!(account.profile.map(|profile| profile.facts.clone()), life.truth);
        prop_assert!(!ambiguous);
    }

    /// The true order is always among the candidates, and no candidate pays unless all do.
    #[test]
    fn an_account_of_which_no_report_is_missing_never_pays_against_the_truth(
        life in lives_of(TOLD, chain::EXHAUSTIVE), with_its_start in any::<bool>(),
    ) {
        let life = if with_its_start { life.with_its_start() } else { life };
        let (account, ambiguous) = account(&life);
        let truth = life.truth.unwrap();
        prop_assert!(truth.payable() || !account.payable(), "{:?}", account);
        let shown = account.profile.unwrap().facts.clone();
        prop_assert!(ambiguous || shown.status() == truth.status(), "{:?}", shown);
    }
}

/// One second's reports: an id, the facts before, if it says so, and the facts it tells.
type Second = Vec<(String, Option<Facts>, Facts)>;

fn second() -> impl Strategy<Value = Second> {
    let said = vec((prop::option::of(select(all_facts())), select(all_facts())), 1..=6);
    let ids = Just(vec!["a", "b", "c", "d", "e", "f"]).prop_shuffle();
    (ids, said).prop_map(|(ids, said)| {
        let report = |(id, (before, now)): (&str, _)| (id.to_owned(), before, now);
        ids.into_iter().zip(said).map(report).collect()
    })
}

fn updated(id: &str, created: u64, says: Says) -> Report {
    let (event_id, event_type) = (id.to_owned(), "account.updated".to_owned());
    Report { event_id, event_type, created, says, arrival: arrival(0) }
}

proptest! {
    #![proptest_config(lives(2_000))]

    /// Rule 3, once more: of one second's account reports, whatever the chain leaves open.
    #[test]
    fn an_account_is_payable_only_when_every_possible_end_is(
        second in second(), before in select(all_facts()),
    ) {
        let says: Vec<Says> =
            second.iter().map(|(_, before, now)| snapshot(before.as_ref(), now, 0)).collect();
        let of_account = |says: &Says| {
            if let Says::Account(snapshot) = says { Some((**snapshot).clone()) } else { None }
        };
        let snapshots: Vec<Snapshot> = says.iter().filter_map(of_account).collect();
        let named: Vec<(&str, &Snapshot)> =
            second.iter().map(|(id, ..)| id.as_str()).zip(&snapshots).collect();
        let order = chain::order(&named, std::slice::from_ref(&before)).order;

        let facts = |&place: &usize| &second[place].2;
        let mut pays = order.ends.iter().map(|end| facts(end).payable());
        let all_pay = pays.clone().all(|pays| pays);
        let counts = if all_pay || !pays.any(|pays| pays) {
            order.sequence.last()
        } else {
            order.sequence.iter().rev().find(|place| !facts(place).payable())
        };
        let words = |end| (facts(end).payable(), facts(end).status());
        let clear = order.ends.iter().all(|end| words(end) == words(&order.ends[0]));

        let mut reports = vec![updated("0", 1, snapshot(None, &before, 0))];
        reports.extend(second.iter().zip(says).map(|((id, ..), says)| updated(id, 2, says)));
        let progress = fold(Kind::Account, &reports, None).unwrap().progress;
        let counts = counts.unwrap();
        prop_assert_eq!(&progress.as_of.event_id, &second[*counts].0);
        prop_assert_eq!(progress.ambiguous, !clear);
        let State::Account(account) = progress.state else { panic!("{:?}", progress.state) };
        prop_assert_eq!(&account.profile.as_ref().unwrap().facts, facts(counts));
        prop_assert!(all_pay || !account.payable());
    }
}
