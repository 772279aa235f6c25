//! The settings that bound what is taken in.

use crate::config::Checker;

impl Checker<'_> {
    /// `None` when bodies are kept for ever, or after a problem.
    pub fn retention_days(&mut self) -> Option<u32> {
        self.optional("retention_days")?;
        let parse = |text: &str| text.parse().ok().filter(|days| (1..=36_500).contains(days));
        self.parsed("retention_days", parse, "a number of days from 1 to 36500")
    }

    pub fn max_body_bytes(&mut self) -> Option<usize> {
        let parse = |text: &str| text.parse().ok().filter(|bytes| (1..=64 << 20).contains(bytes));
        self.parsed("max_body_bytes", parse, "a number of bytes from 1 to 67108864")
    }

    /// `None` after a problem. There must be room for the largest body.
    pub fn max_total_body_bytes(&mut self, max_body_bytes: Option<usize>) -> Option<usize> {
        let least = max_body_bytes.unwrap_or(1);
        let parse =
            |text: &str| text.parse().ok().filter(|bytes| (least..=64 << 30).contains(bytes));
        let must = "a number of bytes from that of BURSAR_MAX_BODY_BYTES to 68719476736";
        self.parsed("max_total_body_bytes", parse, must)
    }

    pub fn max_connections(&mut self) -> Option<usize> {
        let parse = |text: &str| text.parse().ok().filter(|count| (1..=1 << 20).contains(count));
        self.parsed("max_connections", parse, "a number from 1 to 1048576")
    }
}
