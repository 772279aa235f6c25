//! What a report did to its object, read off the object's history as it is now.

mod open;

use std::cmp::Ordering;

use crate::domain::event::{Report, Says};
use crate::domain::fold::{Entry, Progress, State, fold};
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::lifecycle::{Lifecycle, Step};
use crate::domain::payout::Payout;
use crate::domain::transfer::Transfer;

/// What the event `event_id` did to its object, or why it did nothing. `reports` are all that are
/// known about the object; `None` when the event is not among them.
pub fn report(key: &ObjectKey, reports: &[Report], event_id: &str) -> Option<String> {
    let folded = fold(key.kind, reports, None)?;
    let history = &folded.history;
    let is_it = |entry: &Entry| reports.get(entry.report).is_some_and(|r| r.event_id == event_id);
    let place = history.iter().position(is_it)?;
    let (earlier, from_here) = history.split_at_checked(place)?;
    let (entry, later) = from_here.split_first()?;
    let report = reports.get(entry.report)?;
    let told = Told { key, reports, now: &folded.progress, history, report, entry, earlier, later };
    Some(format!("{}.", told.sentence()))
}

/// A report in its place in the history of its object.
struct Told<'a> {
    key: &'a ObjectKey,
    reports: &'a [Report],
    now: &'a Progress,
    history: &'a [Entry],
    report: &'a Report,
    entry: &'a Entry,
    earlier: &'a [Entry],
    later: &'a [Entry],
}

impl Told<'_> {
    fn sentence(&self) -> String {
        if self.leaves_something_open() {
            return self.what_is_open();
        }
        if self.is_overruled() {
            return self.took_its_place();
        }
        let Some(before) = self.earlier.last() else {
            return self.first() + &self.since_then();
        };
        let state = &before.state;
        match (*state == self.entry.state, before.ambiguous && !self.entry.ambiguous) {
            (true, true) => self.settled() + &self.since_then(),
            (true, false) => self.changed_nothing(state),
            (false, _) => self.changed(state) + &self.since_then(),
        }
    }

    fn object(&self) -> String {
        match (self.key.kind, &self.key.owner) {
            (Kind::Balance, None) => "the platform's balance".to_owned(),
            (Kind::Balance, Some(owner)) => format!("the balance of account {owner}"),
            (kind, _) => format!("{} {}", kind.word(), self.key.id),
        }
    }

    fn of(&self, entry: &Entry) -> Option<&Report> {
        self.reports.get(entry.report)
    }

    // A late report that others overrule.

    /// It arrived after reports that stand after it, and the object would be the same without it.
    fn is_overruled(&self) -> bool {
        let arrival = |report: &Report| report.arrival.sequence;
        let mut later = self.later.iter().filter_map(|entry| self.of(entry));
        let is_late = later.any(|other| arrival(other) < arrival(self.report));
        is_late && self.counting_later().is_some() && !self.matters()
    }

    /// The report that the state rests on, when it stands after this one.
    fn counting_later(&self) -> Option<&Report> {
        let mut later = self.later.iter().filter_map(|entry| self.of(entry));
        later.find(|report| report.event_id == self.now.as_of.event_id)
    }

    fn matters(&self) -> bool {
        let others = self.reports.iter().filter(|other| other.event_id != self.report.event_id);
        let others: Vec<Report> = others.cloned().collect();
        fold(self.key.kind, &others, None).is_none_or(|without| {
            without.progress.state != self.now.state
                || without.progress.ambiguous != self.now.ambiguous
        })
    }

    fn took_its_place(&self) -> String {
        let same_second = self.now.as_of.created == self.report.created;
        let why =
            if same_second { "which stands after it in their second" } else { "created later" };
        format!(
            "Took its place in the history of {} without effect: {}, {why}, counts{}",
            self.object(),
            self.now.as_of.event_id,
            self.status_now()
        )
    }

    // What it did in its place.

    fn first(&self) -> String {
        let status = self.entry.state.status();
        let status = status.map(|word| format!(": {word}")).unwrap_or_default();
        format!("First report of {}{status}{}", self.object(), pays_after(None, &self.entry.state))
    }

    fn changed_nothing(&self, held: &State) -> String {
        let object = self.object();
        match (held, &self.report.says) {
            (State::Topup(held), Says::Topup(said)) if held.status.is_final() && held != said => {
                self.after_the_end(held.status.word(), said.status.word())
            }
            (State::Payout(held), Says::Payout(said))
                if held.status.is_final() && differs(held, said) =>
            {
                self.after_the_end(held.status.word(), said.status.word())
            }
            (State::Transfer(held), Says::Transfer(said))
                if said.amount_reversed < held.amount_reversed =>
            {
                format!("Changed nothing: {}", never_shrinks(&object, held, said))
            }
            (State::Account(held), Says::Capability(_)) if held.profile.is_none() => format!(
                "Changed nothing: no report of {object} itself is known before it, and a capability alone says too little"
            ),
            _ => format!("Said nothing that was not known of {object}"),
        }
    }

    fn after_the_end(&self, held: &str, said: &str) -> String {
        let object = self.object();
        if held == said {
            format!(
                "Changed nothing: {object} was {held} already, and what a final report said stays"
            )
        } else {
            format!(
                "Changed nothing: {object} was {held} already, which is final; this report says {said} (a conflict)"
            )
        }
    }

    fn changed(&self, held: &State) -> String {
        let object = self.object();
        let now = &self.entry.state;
        let (Some(was), Some(is)) = (held.status(), now.status()) else {
            return format!("Brought news of {object}");
        };
        let pays = pays_after(Some(held), now);
        match (held, now, &self.report.says) {
            (_, State::Payout(after), Says::Payout(said))
                if was == is && after.failed_after_paid && after.status != said.status =>
            {
                format!(
                    "Showed that Stripe has called {object} paid; it stayed {is}, which is final"
                )
            }
            (_, State::Payout(after), _) if was != is && after.failed_after_paid => {
                format!("Moved {object} from {was} to {is}; Stripe had called it paid before")
            }
            (State::Transfer(held), State::Transfer(after), Says::Transfer(said)) => {
                self.changed_transfer(held, after, said)
            }
            _ if was == is => format!("Brought news of {object}, which stayed {is}{pays}"),
            _ if self.entry.step == Step::Conflict => format!(
                "Moved {object} from {was} to {is}, which no legal path explains (a conflict): the later report counts"
            ),
            _ => format!("Moved {object} from {was} to {is}{pays}"),
        }
    }

    fn changed_transfer(&self, held: &Transfer, after: &Transfer, said: &Transfer) -> String {
        let object = self.object();
        let is = after.status().word();
        let so = if after.status() == held.status() { "stayed" } else { "became" };
        match said.amount_reversed.cmp(&held.amount_reversed) {
            Ordering::Less => format!(
                "Brought news of {object}, but not of what was reversed: {}",
                never_shrinks("it", held, said)
            ),
            Ordering::Equal => format!("Brought news of {object}, which stayed {is}"),
            Ordering::Greater => format!(
                "Showed that {} of the {} of {object} was reversed: it {so} {is}",
                after.amount_reversed, after.amount
            ),
        }
    }

    // What is true now.

    /// What later reports made of it.
    fn since_then(&self) -> String {
        let counts = &self.now.as_of.event_id;
        let (then, now) = (self.entry.state.status(), self.now.state.status());
        match (then == now, now) {
            (false, Some(now)) => format!("; it is {now} now, as of {counts}"),
            (true, Some(_)) => self.payable_now(),
            (true, None) if *counts != self.report.event_id => {
                format!("; {counts} brought a newer one")
            }
            _ => String::new(),
        }
    }

    /// Under one status, onboarding, an account may be payable or not.
    fn payable_now(&self) -> String {
        let counts = &self.now.as_of.event_id;
        match (payable(&self.entry.state), payable(&self.now.state)) {
            (Some(true), Some(false)) => format!("; it is not payable now, as of {counts}"),
            (Some(false), Some(true)) => format!("; it is payable now, as of {counts}"),
            _ => String::new(),
        }
    }

    fn status_now(&self) -> String {
        let status = self.now.state.status();
        status.map(|word| format!(" (status {word})")).unwrap_or_default()
    }
}

/// `failed_after_paid` is never set in a report itself.
fn differs(held: &Payout, said: &Payout) -> bool {
    Payout { failed_after_paid: false, ..held.clone() } != *said
}

fn never_shrinks(object: &str, held: &Transfer, said: &Transfer) -> String {
    format!(
        "{} of {object} was reversed already, which never shrinks; this report says {} (a conflict)",
        held.amount_reversed, said.amount_reversed
    )
}

/// What became of an account's payability. Of the past, since it may be another one by now.
fn pays_after(held: Option<&State>, now: &State) -> &'static str {
    let was = held.and_then(payable).unwrap_or(false);
    match (was, payable(now).unwrap_or(false)) {
        (false, true) => "; it became payable",
        (true, false) => "; it ceased to be payable",
        (true, true) | (false, false) => "",
    }
}

/// Only accounts are payable or not.
fn payable(state: &State) -> Option<bool> {
    if let State::Account(account) = state { Some(account.payable()) } else { None }
}
