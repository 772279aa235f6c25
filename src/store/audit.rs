//! Which entries of the audit trail a list shows.

use crate::domain::audit::Audit;
use crate::domain::time::Timestamp;

/// A condition that is `None` holds for all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Entries about both partitions are shown with either.
    pub livemode: Option<bool>,
    pub actor: Option<String>,
    /// The word of the action.
    pub action: Option<String>,
    /// Begun at this moment or later.
    pub since: Option<Timestamp>,
    /// Begun before this moment.
    pub until: Option<Timestamp>,
    pub oldest_first: bool,
}

impl AuditFilter {
    pub fn admits(&self, entry: &Audit) -> bool {
        self.livemode.is_none_or(|wanted| entry.livemode.is_none_or(|is| is == wanted))
            && self.actor.as_ref().is_none_or(|wanted| entry.actor == *wanted)
            && self.action.as_ref().is_none_or(|wanted| entry.action.word() == wanted)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
    }
}
