//! How the known reports about one object become its state and its history.
//!
//! [`fold`] takes all of them, in any order. [`advance`] is the fast path: a report newer than
//! everything known folds onto the state held, with the same result.
//!
//! Reports are put in order ([`crate::domain::order`]), second by second, and folded one after
//! the other: `one_way` for topups, transfers, payouts and balances, `account` for accounts.

mod account;
mod one_way;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::account::{Account, Profile};
use crate::domain::balance::Balance;
use crate::domain::event::{Outcome, Report, Says, Standing};
use crate::domain::id::Kind;
use crate::domain::lifecycle::Step;
use crate::domain::payout::Payout;
use crate::domain::time::Timestamp;
use crate::domain::topup::Topup;
use crate::domain::transfer::Transfer;

/// What a read of an object shows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Account(Box<Account>),
    Topup(Topup),
    Transfer(Transfer),
    Payout(Payout),
    Balance(Balance),
}

impl State {
    /// The status word; a balance has none.
    pub fn status(&self) -> Option<&'static str> {
        match self {
            Self::Account(account) => Some(account.status().word()),
            Self::Topup(topup) => Some(topup.status.word()),
            Self::Transfer(transfer) => Some(transfer.status().word()),
            Self::Payout(payout) => Some(payout.status.word()),
            Self::Balance(_) => None,
        }
    }
}

/// The report that a state rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf {
    pub event_id: String,
    pub created: u64,
    pub recorded_at: Timestamp,
}

/// Where the fold of an object's reports stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub state: State,
    /// Two reports of one second could not be put in order, and they differ in what matters.
    pub ambiguous: bool,
    pub as_of: AsOf,
    /// `created` of the newest known report.
    pub newest: u64,
    /// Reports that no legal path explains.
    pub conflicts: u32,
    /// Some known report called the payout paid.
    pub paid_reported: bool,
    /// All that an account can be, when what one second left open allows more than one; the
    /// state is one of them that does not pay, if any.
    pub open: Vec<Arc<Profile>>,
}

/// One report in the object's order, and the object after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which of the given reports.
    pub report: usize,
    pub step: Step,
    pub state: State,
    pub ambiguous: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    pub progress: Progress,
    pub history: Vec<Entry>,
    /// The rules, not the ids, put the watched report before one of its own second that says
    /// something else.
    pub overtaken: bool,
}

/// Folds all known reports about one object of `kind`; `None` when there are none. `watched`
/// names the report to answer [`Folded::overtaken`] for.
pub fn fold(kind: Kind, reports: &[Report], watched: Option<usize>) -> Option<Folded> {
    let mut folder = Folder { watched, ..Folder::new(kind, reports) };
    folder.all();
    let Folder { held, history, overtaken, .. } = folder;
    let history = history.unwrap_or_default();
    held.map(|progress| Folded { progress: progress.into_owned(), history, overtaken })
}

/// What [`fold`] comes to, without the history, and [`Folded::overtaken`] for the watched report.
pub fn settle(kind: Kind, reports: &[Report], watched: Option<usize>) -> Option<(Progress, bool)> {
    let mut folder = Folder { watched, history: None, ..Folder::new(kind, reports) };
    folder.all();
    let overtaken = folder.overtaken;
    folder.held.map(|progress| (progress.into_owned(), overtaken))
}

/// Folds one report that is newer than everything known about its object.
#[must_use]
pub fn advance(kind: Kind, held: &Progress, report: &Report) -> Progress {
    let reports = std::slice::from_ref(report);
    let held = Cow::Borrowed(held);
    let mut folder =
        Folder { held: Some(held.clone()), history: None, ..Folder::new(kind, reports) };
    folder.second(&[0]);
    folder.held.unwrap_or(held).into_owned()
}

/// What became of a report: `held` is the object before it was known, `now` after. `overtaken`
/// is [`Folded::overtaken`] for it.
pub fn outcome(
    held: Option<&Progress>,
    now: &Progress,
    report: &Report,
    overtaken: bool,
) -> Outcome {
    let Some(held) = held else { return Outcome::Applied };
    if held.state != now.state || held.ambiguous != now.ambiguous {
        Outcome::Applied
    } else if report.created < held.newest || overtaken {
        Outcome::Stale
    } else {
        Outcome::Unchanged
    }
}

/// A fold under way.
struct Folder<'a> {
    kind: Kind,
    reports: &'a [Report],
    watched: Option<usize>,
    held: Option<Cow<'a, Progress>>,
    /// What an account could have been after its seconds so far.
    ends: Vec<Arc<Profile>>,
    /// `None` where nobody reads it.
    history: Option<Vec<Entry>>,
    overtaken: bool,
}

impl<'a> Folder<'a> {
    fn new(kind: Kind, reports: &'a [Report]) -> Self {
        Folder {
            kind,
            reports,
            watched: None,
            held: None,
            ends: Vec::new(),
            history: Some(Vec::new()),
            overtaken: false,
        }
    }

    /// Folds all reports, second by second.
    fn all(&mut self) {
        let reports = self.reports;
        let created = |index: &usize| reports.get(*index).map(|report| report.created);
        let mut by_time: Vec<usize> = (0..reports.len()).collect();
        by_time.sort_by_key(created);
        for second in by_time.chunk_by(|a, b| created(a) == created(b)) {
            self.second(second);
        }
    }

    /// Folds the reports of one second.
    fn second(&mut self, indexes: &[usize]) {
        match self.kind {
            Kind::Account => account::second(self, indexes),
            Kind::Topup => one_way::second::<Topup>(self, indexes),
            Kind::Transfer => one_way::second::<Transfer>(self, indexes),
            Kind::Payout => one_way::second::<Payout>(self, indexes),
            Kind::Balance => one_way::second::<Balance>(self, indexes),
        }
    }

    /// The indexed reports of which `select` makes something.
    fn select<T>(
        &self,
        indexes: &[usize],
        select: impl Fn(&'a Says) -> Option<T>,
    ) -> Vec<Said<'a, T>> {
        let reports = self.reports;
        let said = |&index: &usize| {
            let report = reports.get(index)?;
            Some(Said {
                index,
                id: &report.event_id,
                standing: report.standing(),
                what: select(&report.says)?,
            })
        };
        indexes.iter().filter_map(said).collect()
    }

    /// Takes note of the object after report `index`. A report that does not count changes
    /// nothing but the record of it.
    fn note(&mut self, index: usize, step: Step, state: State, counts: bool) {
        let Some(report) = self.reports.get(index) else { return };
        let as_of = AsOf {
            event_id: report.event_id.clone(),
            created: report.created,
            recorded_at: report.arrival.recorded_at,
        };
        let conflicts = u32::from(step == Step::Conflict);
        let ambiguous = self.held.as_ref().is_some_and(|held| held.ambiguous);
        if let Some(history) = &mut self.history {
            history.push(Entry { report: index, step, state: state.clone(), ambiguous });
        }
        self.held = Some(Cow::Owned(match self.held.take() {
            None => Progress {
                state,
                ambiguous,
                as_of,
                newest: report.created,
                conflicts,
                paid_reported: false,
                open: Vec::new(),
            },
            Some(held) => Progress {
                state,
                ambiguous,
                as_of: if counts { as_of } else { held.as_of.clone() },
                newest: held.newest.max(report.created),
                conflicts: held.conflicts.saturating_add(conflicts),
                paid_reported: held.paid_reported,
                open: match held {
                    Cow::Borrowed(held) => held.open.clone(),
                    Cow::Owned(held) => held.open,
                },
            },
        }));
    }

    /// Marks the object, and the last entry of the second just folded.
    fn mark(&mut self, ambiguous: bool) {
        if let Some(held) = &mut self.held {
            held.to_mut().ambiguous = ambiguous;
        }
        if let Some(last) = self.history.as_mut().and_then(|history| history.last_mut()) {
            last.ambiguous = ambiguous;
        }
    }
}

/// A report of the second at hand, seen as what it says.
struct Said<'a, T> {
    index: usize,
    id: &'a str,
    standing: Standing,
    what: T,
}

#[cfg(test)]
mod tests;
