//! The settings of what operators are told.

use crate::config::Checker;

impl Checker<'_> {
    /// How long a source that spoke may be silent, `Some(None)` for ever; `None` after a problem.
    pub fn silence_hours(&mut self) -> Option<Option<u32>> {
        let parse = |text: &str| text.parse().ok().filter(|hours| (0..=8760).contains(hours));
        let hours = self.parsed("silence_hours", parse, "a number of hours from 0 to 8760")?;
        Some((hours > 0).then_some(hours))
    }
}
