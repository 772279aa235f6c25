//! The tables of legal moves, and the one rule by which a report is judged against them.
//!
//! Each one-way object supplies only a table; what a report means, which of two reports of one
//! second comes first, and which statuses are final all follow from it.

use serde::{Deserialize, Serialize};

/// A status that moves one way and never returns. The table is the whole specification.
pub trait Lifecycle: Copy + PartialEq + 'static {
    /// The statuses that may follow directly; empty when this one is final.
    fn next(self) -> &'static [Self];

    /// Whether some chain of legal moves ends at `later`.
    fn leads_to(self, later: Self) -> bool {
        self.next().iter().any(|&next| next == later || next.leads_to(later))
    }

    /// A final status is never left, whatever is reported afterwards.
    fn is_final(self) -> bool {
        self.next().is_empty()
    }
}

/// What a report means for its object, read in the object's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The first known report.
    First,
    /// News. Reports in between may be missing; the move may skip over them.
    Advance,
    /// Nothing new.
    Repeat,
    /// A move that no path of the table allows; kept, counted and shown.
    Conflict,
}

/// Judges `reported` against `held`.
pub fn judge<S: Lifecycle>(held: S, reported: S) -> Step {
    if held == reported {
        Step::Repeat
    } else if held.leads_to(reported) {
        Step::Advance
    } else {
        Step::Conflict
    }
}
