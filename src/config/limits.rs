//! The settings that bound what is taken in, and how long clients are borne with.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::Checker;

impl Checker<'_> {
    /// `None` when bodies are kept for ever, or after a problem.
    pub fn retention_days(&mut self) -> Option<u32> {
        self.optional("retention_days")?;
        let parse = |text: &str| text.parse().ok().filter(|days| (1..=36_500).contains(days));
        self.parsed("retention_days", parse, "a number of days from 1 to 36500")
    }

    pub fn max_body_bytes(&mut self) -> Option<usize> {
        self.bytes("max_body_bytes", 1..=64 << 20)
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
        self.count("max_connections", 1..=1 << 20)
    }

    pub fn max_replay_bytes(&mut self) -> Option<usize> {
        self.bytes("max_replay_bytes", 1..=1 << 30)
    }

    /// No more than the server library reads, which is 128 KiB.
    pub fn max_header_bytes(&mut self) -> Option<usize> {
        self.bytes("max_header_bytes", 1 << 10..=128 << 10)
    }

    /// No more than the server library reads.
    pub fn max_headers(&mut self) -> Option<usize> {
        self.count("max_headers", 8..=96)
    }

    /// No more than the contract promises.
    pub fn max_signatures(&mut self) -> Option<usize> {
        self.count("max_signatures", 1..=64)
    }

    pub fn max_json_depth(&mut self) -> Option<usize> {
        self.count("max_json_depth", 16..=64 << 20)
    }

    pub fn max_waiting(&mut self) -> Option<usize> {
        self.count("max_waiting", 1..=1 << 20)
    }

    pub fn max_waiting_bytes(&mut self) -> Option<usize> {
        self.bytes("max_waiting_bytes", 1..=4 << 30)
    }

    pub fn max_streams(&mut self) -> Option<usize> {
        self.count("max_streams", 0..=1 << 20)
    }

    /// One of the settings whose names end in `_timeout_seconds`.
    pub fn timeout(&mut self, name: &str) -> Option<Duration> {
        let parse = |text: &str| text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
        self.parsed(name, parse, "a number of seconds from 1 to 3600").map(Duration::from_secs)
    }

    fn count(&mut self, name: &str, range: RangeInclusive<usize>) -> Option<usize> {
        let must = format!("a number from {} to {}", range.start(), range.end());
        self.number(name, &range, &must)
    }

    fn bytes(&mut self, name: &str, range: RangeInclusive<usize>) -> Option<usize> {
        let must = format!("a number of bytes from {} to {}", range.start(), range.end());
        self.number(name, &range, &must)
    }

    fn number(&mut self, name: &str, range: &RangeInclusive<usize>, must: &str) -> Option<usize> {
        self.parsed(name, |text| text.parse().ok().filter(|number| range.contains(number)), must)
    }
}
