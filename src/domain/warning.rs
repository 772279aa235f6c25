//! What an operator should look at, from what was seen and what time it is.
//!
//! [`warnings`] is the whole of it: the same sights at the same moment give the same warnings.
//! Who looks, how often, and whom that is told is for others to know.

mod skew;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;
pub use skew::{Skew, Skews};

/// Deliveries of one sort: how many, and when the first and the last of them came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    pub count: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
}

impl Heard {
    pub fn note(&mut self, at: Timestamp) {
        self.count = self.count.saturating_add(1);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    /// Both as one sort.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let first = self.first.into_iter().chain(other.first).min();
        let last = self.last.into_iter().chain(other.last).max();
        Self { count: self.count.saturating_add(other.count), first, last }
    }
}

/// What there is to judge by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Each source that has a secret, and when it was last heard, in whichever partition.
    pub sources: BTreeMap<String, Option<Timestamp>>,
    /// The partition that reads show by default.
    pub livemode: bool,
    /// Deliveries about the platform itself, in that partition.
    pub platform: Heard,
    /// Deliveries about connected accounts, in that partition.
    pub connect: Heard,
    /// Deliveries in the other partition.
    pub elsewhere: Heard,
    /// What recent signatures say of our clock.
    pub skew: Option<Skew>,
}

/// From when on something is worth a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A source that spoke may be silent for so long; `None` is for ever.
    pub silence_hours: Option<u32>,
    /// After the first delivery the others have so long to come as well.
    pub settling_seconds: u32,
    /// What the clocks may differ, to either side.
    pub skew_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { silence_hours: Some(72), settling_seconds: 3600, skew_seconds: 30 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    SourceSilent,
    OnlyPlatformEvents,
    OnlyConnectEvents,
    OnlyTestEvents,
    OnlyLiveEvents,
    ClockOff,
}

impl Code {
    pub const ALL: [Self; 6] = [
        Self::SourceSilent,
        Self::OnlyPlatformEvents,
        Self::OnlyConnectEvents,
        Self::OnlyTestEvents,
        Self::OnlyLiveEvents,
        Self::ClockOff,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::SourceSilent => "source_silent",
            Self::OnlyPlatformEvents => "only_platform_events",
            Self::OnlyConnectEvents => "only_connect_events",
            Self::OnlyTestEvents => "only_test_events",
            Self::OnlyLiveEvents => "only_live_events",
            Self::ClockOff => "clock_off",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub code: Code,
    /// The source it is about.
    pub source: Option<String>,
    /// What is wrong, and the remedy.
    pub message: String,
    /// Where what was seen tells.
    pub since: Option<Timestamp>,
}

/// All that is to be warned of, in the order of the codes.
pub fn warnings(seen: &Seen, now: Timestamp, limits: &Limits) -> Vec<Warning> {
    let mut all = silent(seen, now, limits);
    all.extend(one_sided(seen, now, limits));
    all.extend(elsewhere(seen, now, limits));
    all.extend(clock_off(seen, limits));
    all
}

fn silent(seen: &Seen, now: Timestamp, limits: &Limits) -> Vec<Warning> {
    let Some(hours) = limits.silence_hours else { return Vec::new() };
    let patience = hours.saturating_mul(3600);
    let heard = seen.sources.iter().filter_map(|(source, heard)| Some((source, (*heard)?)));
    heard
        .map(|(source, heard)| (source, after(heard, patience)))
        .filter(|(_, silent)| *silent <= now)
        .map(|(source, silent)| Warning {
            code: Code::SourceSilent,
            source: Some(source.clone()),
            message: format!(
                "nothing came from the source `{source}` for {hours} hours: see at Stripe, under \
                 Webhooks, whether its endpoint is still enabled and how its deliveries end (where \
                 such silence is usual, raise BURSAR_SILENCE_HOURS)"
            ),
            since: Some(silent),
        })
        .collect()
}

/// Bursar needs two endpoints, and one of them is easily forgotten.
fn one_sided(seen: &Seen, now: Timestamp, limits: &Limits) -> Option<Warning> {
    let (code, came, message) = match (seen.platform.count, seen.connect.count) {
        (1.., 0) => (
            Code::OnlyPlatformEvents,
            seen.platform,
            "only events of the platform itself ever came, none of a connected account: register \
             a second webhook endpoint with this address at Stripe that listens to events on \
             connected accounts, and add its secret to BURSAR_WEBHOOK_SECRETS",
        ),
        (0, 1..) => (
            Code::OnlyConnectEvents,
            seen.connect,
            "only events of connected accounts ever came, none of the platform itself: register a \
             second webhook endpoint with this address at Stripe that listens to events on your \
             account (top-ups and transfers are told there), and add its secret to \
             BURSAR_WEBHOOK_SECRETS",
        ),
        (0, 0) | (1.., 1..) => return None,
    };
    let since = settled(came, now, limits)?;
    Some(Warning { code, source: None, message: message.to_owned(), since: Some(since) })
}

fn elsewhere(seen: &Seen, now: Timestamp, limits: &Limits) -> Option<Warning> {
    if seen.platform.count > 0 || seen.connect.count > 0 {
        return None;
    }
    let since = settled(seen.elsewhere, now, limits)?;
    let (code, came, wanted) = if seen.livemode {
        (Code::OnlyTestEvents, "test", "live")
    } else {
        (Code::OnlyLiveEvents, "live", "test")
    };
    let message = format!(
        "only {came} events ever came, but reads show {wanted} ones: register the webhook endpoints \
         in {wanted} mode too and add their secrets to BURSAR_WEBHOOK_SECRETS, or set \
         BURSAR_LIVEMODE to {}",
        !seen.livemode
    );
    Some(Warning { code, source: None, message, since: Some(since) })
}

fn clock_off(seen: &Seen, limits: &Limits) -> Option<Warning> {
    let skew = seen.skew.filter(|skew| skew.seconds.unsigned_abs() > limits.skew_seconds.into())?;
    let direction = if skew.seconds > 0 { "ahead of" } else { "behind" };
    let message = format!(
        "this machine's clock is {} s {direction} Stripe's, by the last {} signatures: set it, and \
         keep it set (chrony or systemd-timesyncd); a signature beyond BURSAR_TOLERANCE_SECONDS is \
         refused",
        skew.seconds.unsigned_abs(),
        skew.signatures
    );
    Some(Warning { code: Code::ClockOff, source: None, message, since: None })
}

/// Since when there was time enough for others to come, if so.
fn settled(came: Heard, now: Timestamp, limits: &Limits) -> Option<Timestamp> {
    came.first.map(|first| after(first, limits.settling_seconds)).filter(|settled| *settled <= now)
}

fn after(moment: Timestamp, seconds: u32) -> Timestamp {
    Timestamp(moment.0.saturating_add(i64::from(seconds).saturating_mul(1_000_000)))
}
