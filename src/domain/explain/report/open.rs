//! Reports of one second that no rule puts in order, and what settles them.

use crate::domain::event::{Report, Says};
use crate::domain::explain::names;
use crate::domain::explain::report::Told;
use crate::domain::fold::{Entry, State};
use crate::domain::lifecycle::Lifecycle;

impl Told<'_> {
    fn is_of_this_second(&self, entry: &Entry) -> bool {
        self.of(entry).is_some_and(|report| report.created == self.report.created)
    }

    /// The other reports of the second that no rule puts before or after this one.
    fn rivals(&self) -> Vec<&str> {
        let rivals = self.history.iter().filter(|entry| self.is_of_this_second(entry));
        let rivals = rivals.filter_map(|entry| self.of(entry));
        let rivals = rivals.filter(|other| is_rival(self.report, other));
        rivals.map(|other| other.event_id.as_str()).collect()
    }

    /// Whether it was this second that marked the object as ambiguous, and this report is part
    /// of what is open.
    pub(super) fn leaves_something_open(&self) -> bool {
        let of_the_second = |entry: &&Entry| self.is_of_this_second(entry);
        let marked = self.history.iter().rfind(of_the_second).is_some_and(|last| last.ambiguous);
        let before = self.earlier.iter().rfind(|entry| !self.is_of_this_second(entry));
        let was_marked = before.is_some_and(|before| before.ambiguous);
        let is_told_anew = self.history.iter().filter(of_the_second).any(|entry| {
            self.of(entry).is_some_and(|report| matches!(report.says, Says::Account(_)))
        });
        let can_be_open = match &self.report.says {
            Says::Account(_) => true,
            Says::Capability(capability) => capability.decides_payability(),
            Says::Topup(_) | Says::Payout(_) => !self.rivals().is_empty(),
            Says::Authorization(_) | Says::Transfer(_) | Says::Balance(_) => false,
        };
        marked && can_be_open && (is_told_anew || !was_marked)
    }

    pub(super) fn what_is_open(&self) -> String {
        let rivals = self.rivals();
        let rivals = if rivals.is_empty() {
            "what an earlier second left open".to_owned()
        } else {
            format!("{} of the same second", names(&rivals))
        };
        let mut of_later_seconds = self.later.iter().filter(|entry| !self.is_of_this_second(entry));
        let so = match of_later_seconds.find(|entry| !entry.ambiguous) {
            Some(settled) if !self.now.ambiguous => format!(
                "{}, created later, has settled it{}",
                self.of(settled).map_or("a report", |report| &report.event_id),
                self.status_now()
            ),
            _ => format!("{} counts{}", self.now.as_of.event_id, self.status_now()),
        };
        let until = match &self.now.state {
            State::Account(account) if self.now.ambiguous && !account.payable() => {
                ", and no money may move until a later report settles it"
            }
            State::Account(_)
            | State::Topup(_)
            | State::Transfer(_)
            | State::Payout(_)
            | State::Balance(_) => "",
        };
        format!("Could not be put in order with {rivals}: {so}{until}")
    }

    pub(super) fn settled(&self) -> String {
        let status = self.entry.state.status().unwrap_or_default();
        format!("Settled what an earlier second had left open: {} was {status}", self.object())
    }
}

/// Whether no rule can tell which of two reports of one second came first. Of account reports
/// only the chain of all of them knows; they are taken together.
fn is_rival(report: &Report, other: &Report) -> bool {
    if report.event_id == other.event_id || report.standing() != other.standing() {
        return false;
    }
    match (&report.says, &other.says) {
        (Says::Topup(a), Says::Topup(b)) => exclude_each_other(a.status, b.status),
        (Says::Payout(a), Says::Payout(b)) => exclude_each_other(a.status, b.status),
        (Says::Account(_) | Says::Capability(_), Says::Account(_)) => true,
        (Says::Account(_) | Says::Capability(_), Says::Capability(other)) => {
            other.decides_payability()
        }
        _ => false,
    }
}

fn exclude_each_other<S: Lifecycle>(a: S, b: S) -> bool {
    a != b && !a.leads_to(b) && !b.leads_to(a)
}
