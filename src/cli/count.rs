//! Counts as people read them.

use std::collections::BTreeMap;
use std::fmt::Display;

/// `1 event`, `2 events`.
pub(super) fn counted(number: impl Display, what: &str) -> String {
    let number = number.to_string();
    let ending = if number == "1" { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// How many events came to which outcome.
#[derive(Default)]
pub(super) struct Outcomes(BTreeMap<String, usize>);

impl Outcomes {
    pub(super) fn count(&mut self, outcome: &str) {
        *self.0.entry(outcome.to_owned()).or_default() += 1;
    }

    pub(super) fn of(&self, outcome: &str) -> usize {
        self.0.get(outcome).copied().unwrap_or(0)
    }

    pub(super) fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Such as `tried 3 events: 2 applied, 1 parked`.
    pub(super) fn told(&self, done: &str) -> String {
        let counts: Vec<String> =
            self.0.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let mark = if counts.is_empty() { "" } else { ": " };
        format!("{done} {}{mark}{}", counted(self.total(), "event"), counts.join(", "))
    }
}
