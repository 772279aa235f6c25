//! What a run could not read, and goes on without.

use std::collections::BTreeSet;

use crate::pipeline::backfill::walk::Halt;

/// Failures in a row after which Stripe is asked no more.
const IN_A_ROW: usize = 3;
/// Failures that are named.
const NAMED: usize = 5;

#[derive(Default)]
pub(super) struct Tally {
    failures: Vec<String>,
    in_a_row: usize,
    /// Accounts whose lists Stripe does not show: what they hold is still to be read.
    pub(super) skipped: BTreeSet<String>,
}

impl Tally {
    pub(super) fn of(skipped: BTreeSet<String>) -> Self {
        Self { skipped, ..Self::default() }
    }

    /// Stripe has answered.
    pub(super) fn goes_on(&mut self) {
        self.in_a_row = 0;
    }

    /// Something was not read; an error when nothing else will be.
    pub(super) fn fails(&mut self, what: String) -> Result<(), Halt> {
        tracing::warn!("{what}");
        self.failures.push(what);
        self.in_a_row += 1;
        if self.in_a_row < IN_A_ROW { Ok(()) } else { self.end() }
    }

    /// An error when anything was not read.
    pub(super) fn end(&self) -> Result<(), Halt> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let named: Vec<&str> = self.failures.iter().take(NAMED).map(String::as_str).collect();
        let reason = named.join("; ");
        Err(Halt::All(match self.failures.len() - named.len() {
            0 => reason,
            more => format!("{reason}; and {more} more"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(result: Result<(), Halt>) -> Option<String> {
        match result {
            Ok(()) => None,
            Err(Halt::All(reason) | Halt::List(reason) | Halt::Hidden(reason)) => Some(reason),
        }
    }

    #[test]
    fn three_failures_in_a_row_are_the_end_and_more_of_them_between_others_are_not() {
        let mut tally = Tally::default();
        assert_eq!(reason(tally.end()), None);
        for n in 1..=6 {
            assert_eq!(reason(tally.fails(format!("list {n}"))), None);
            tally.goes_on();
        }
        let told = "list 1; list 2; list 3; list 4; list 5; and 1 more";
        assert_eq!(reason(tally.end()).as_deref(), Some(told));
        let mut in_a_row = |n: u32| reason(tally.fails(format!("list {n}")));
        assert_eq!((in_a_row(7), in_a_row(8)), (None, None));
        assert!(in_a_row(9).is_some());
    }
}
