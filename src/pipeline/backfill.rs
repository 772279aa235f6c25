//! Events that never arrived, fetched from Stripe's list of events.
//!
//! One run reads the list of the platform and that of each connected account, from the newest
//! event back to where the last complete run had begun, and some time more. All of it is handed to
//! the committer: what is known already is a duplicate and changes nothing. `docs/backfill.md` says
//! why nothing slips through.
//!
//! `mark` is what outlives the process; `walk` reads one list; `run` is one run, `gap` what it does
//! about events that are gone for good, and `tally` what it could not read; this file is who asks
//! for runs, and what became of them.

mod gap;
mod mark;
mod run;
mod tally;
mod walk;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::time::Timestamp;
use crate::pipeline::commit::Committer;
use crate::pipeline::pace::Pace;
use crate::pipeline::refetch::Refetcher;
use crate::store::SharedStore;
use crate::stripe::client::Access;
pub use mark::COMPLETE;
use mark::Mark;
use run::Run;

/// Runs that are remembered.
const REMEMBERED: usize = 20;
/// Shorter than this without a word from Stripe is not worth a run at the start.
const GAP_SECONDS: u64 = 600;
/// After a run that failed the next one does not wait for its turn, but twice as long after each
/// further one.
const AFTER_FAILURE: Duration = Duration::from_mins(10);

/// What a run works with.
#[derive(Clone)]
pub struct Works {
    pub access: Access,
    pub store: SharedStore,
    pub committer: Committer,
    pub refetcher: Refetcher,
    pub pace: Pace,
    pub clock: fn() -> Timestamp,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    Waiting,
    Running,
    /// All that Stripe keeps of the time in question is known.
    Complete,
    /// What was fetched is kept; the next run covers the same time again.
    Failed(String),
}

/// Counts of one list, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub fetched: u64,
    /// Of those fetched: not known before.
    pub new: u64,
    pub known: u64,
    /// Of the new ones: could not be used.
    pub parked: u64,
}

/// What came of one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// `None` is the platform's own.
    pub account: Option<String>,
    pub counts: Counts,
    /// Why Stripe does not show it.
    pub skipped: Option<String>,
    /// Why it was not read to its end.
    pub failed: Option<String>,
}

/// A run, as far as it has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub id: String,
    pub by: String,
    /// As far back as Stripe goes, whatever is known already.
    pub full: bool,
    pub stage: Stage,
    pub asked_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Where the lists were read back to, Unix seconds; `None` is as far as Stripe goes.
    pub since: Option<u64>,
    /// Lists that were read.
    pub lists: u64,
    /// Those that had an event in them, and those that were not read.
    pub told: Vec<List>,
    pub total: Counts,
    /// Accounts of which nothing was known.
    pub discovered: u64,
    /// Objects that were fetched because events of them are gone for good.
    pub refetched: u64,
    pub warnings: Vec<String>,
}

impl Report {
    pub fn is_over(&self) -> bool {
        match self.stage {
            Stage::Waiting | Stage::Running => false,
            Stage::Complete | Stage::Failed(_) => true,
        }
    }
}

/// Asks for runs and looks at them. Cheap to clone.
#[derive(Clone, Default)]
pub struct Backfills(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Oldest first.
    reports: Mutex<VecDeque<Report>>,
    asked: Notify,
}

impl Backfills {
    /// Asks for a run, or joins one that is not over and does as much.
    pub fn request(&self, by: &str, full: bool, now: Timestamp) -> Report {
        let mut reports = self.reports();
        let joins = |report: &&Report| !report.is_over() && (report.full || !full);
        if let Some(report) = reports.iter().find(joins) {
            return report.clone();
        }
        let report = Report {
            id: mark::run_id(now),
            by: by.to_owned(),
            full,
            stage: Stage::Waiting,
            asked_at: now,
            ended_at: None,
            since: None,
            lists: 0,
            told: Vec::new(),
            total: Counts::default(),
            discovered: 0,
            refetched: 0,
            warnings: Vec::new(),
        };
        if reports.len() >= REMEMBERED && reports.front().is_some_and(Report::is_over) {
            reports.pop_front();
        }
        reports.push_back(report.clone());
        drop(reports);
        self.0.asked.notify_one();
        report
    }

    pub fn report(&self, id: &str) -> Option<Report> {
        self.reports().iter().find(|report| report.id == id).cloned()
    }

    /// Newest first.
    pub fn recent(&self) -> Vec<Report> {
        self.reports().iter().rev().cloned().collect()
    }

    /// Does what is asked for, and by itself every so often; goes on until it is dropped. `every`
    /// of zero leaves it at what is asked for.
    pub async fn serve(self, works: Works, every: Duration) {
        let mut next = if every.is_zero() { None } else { Some(first_wait(&works, every).await) };
        let mut failures = 0;
        loop {
            while let Some(report) = self.waiting() {
                let complete = Run::new(&works, &self, report.id).run().await;
                failures = if complete { 0 } else { failures + 1 };
                next = next.map(|_| wait_for_the_next(failures, every));
            }
            let turn = async {
                match next {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.0.asked.notified() => {}
                () = turn => {
                    self.request("schedule", false, (works.clock)());
                }
            }
        }
    }

    fn waiting(&self) -> Option<Report> {
        self.reports().iter().find(|report| report.stage == Stage::Waiting).cloned()
    }

    /// Notes how far a run has got.
    fn note(&self, id: &str, note: impl FnOnce(&mut Report)) {
        if let Some(report) = self.reports().iter_mut().find(|report| report.id == id) {
            note(report);
        }
    }

    fn reports(&self) -> MutexGuard<'_, VecDeque<Report>> {
        // A report that a panic left half noted is still the best there is.
        self.0.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After so many runs in a row that failed.
fn wait_for_the_next(failures: u32, every: Duration) -> Duration {
    match failures {
        0 => every,
        failures => AFTER_FAILURE.saturating_mul(1 << (failures - 1).min(16)).min(every),
    }
}

/// How long after the start the first run is due.
async fn first_wait(works: &Works, every: Duration) -> Duration {
    let now = (works.clock)();
    let mark = match Mark::of(&works.store, works.access.livemode, now).await {
        Ok(mark) => mark,
        Err(error) => {
            tracing::warn!(%error, "what the last backfill has reached cannot be read");
            return AFTER_FAILURE;
        }
    };
    let now = now.unix_seconds();
    let ago = |moment: Option<u64>| moment.map(|moment| now.saturating_sub(moment));
    let in_a_gap = ago(mark.last_heard).is_none_or(|seconds| seconds >= GAP_SECONDS);
    match ago(mark.complete_until).map(Duration::from_secs) {
        Some(age) if !in_a_gap => every.saturating_sub(age),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_fail_in_a_row_come_less_and_less_often() {
        let day = Duration::from_hours(24);
        let minutes = |failures| wait_for_the_next(failures, day).as_secs() / 60;
        assert_eq!([1, 2, 3, 8, 9, u32::MAX].map(minutes), [10, 20, 40, 1280, 1440, 1440]);
        assert_eq!(wait_for_the_next(0, day), day);
        let often = Duration::from_mins(5);
        assert_eq!(wait_for_the_next(1, often), often);
    }
}
