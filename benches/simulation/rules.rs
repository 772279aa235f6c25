//! The rules that are compared: ours, and what others do.

use bursar::domain::account::Snapshot;
use bursar::domain::event::{Report, Says};
use bursar::domain::fold::{State, fold};
use bursar::domain::id::Kind;
use bursar::domain::order::by_precedence;

use super::Verdict;

/// Judges an account by its reports, which stand in the order of their arrival.
pub(crate) type Rule = fn(&[Report]) -> Verdict;

pub(crate) const RULES: [(&str, Rule); 5] = [
    ("bursar", ours),
    ("`previous_attributes`, pair by pair", pair_by_pair),
    ("the latest `created`, then the largest id", largest_id),
    ("the latest `created`, then the last arrival", latest_created),
    ("the last arrival", last_arrival),
];

fn ours(reports: &[Report]) -> Verdict {
    let folded = fold(Kind::Account, reports, None).expect("something is told");
    let State::Account(account) = folded.progress.state else { unreachable!("an account") };
    let payable = account.payable();
    Verdict { payable, ambiguous: folded.progress.ambiguous }
}

fn snapshots(reports: &[Report]) -> Vec<(&Report, &Snapshot)> {
    fn snapshot(report: &Report) -> Option<(&Report, &Snapshot)> {
        if let Says::Account(snapshot) = &report.says { Some((report, snapshot)) } else { None }
    }
    reports.iter().filter_map(snapshot).collect()
}

fn surely(snapshot: Option<&(&Report, &Snapshot)>) -> Verdict {
    let payable = snapshot.is_some_and(|(_, snapshot)| snapshot.profile.facts.payable());
    Verdict { payable, ambiguous: false }
}

fn last_arrival(reports: &[Report]) -> Verdict {
    surely(snapshots(reports).last())
}

fn latest_created(reports: &[Report]) -> Verdict {
    // Of equals, the last.
    surely(snapshots(reports).iter().max_by_key(|(report, _)| report.created))
}

fn largest_id(reports: &[Report]) -> Verdict {
    surely(snapshots(reports).iter().max_by_key(|(report, _)| (report.created, &report.event_id)))
}

/// In the last second, a report stands before one whose previous attributes give its facts. If
/// that leaves payability open, no money moves.
fn pair_by_pair(reports: &[Report]) -> Verdict {
    let mut last = snapshots(reports);
    let newest = last.iter().map(|(report, _)| report.created).max();
    last.retain(|(report, _)| Some(report.created) == newest);
    let ids: Vec<&str> = last.iter().map(|(report, _)| report.event_id.as_str()).collect();
    let follows = |a: usize, b: usize| last[b].1.follows(&last[a].1.profile.facts);
    let order = by_precedence(&ids, |a, b| follows(a, b) && !follows(b, a));
    let mut pays = order.ends.iter().map(|&end| last[end].1.profile.facts.payable());
    let payable = pays.clone().all(|pays| pays);
    // In a circle nothing is last.
    let nowhere = order.ends.is_empty();
    Verdict { payable: payable && !nowhere, ambiguous: nowhere || pays.any(|pays| pays) != payable }
}
