//! What has been received, and what has not.

use serde_json::Value;

use crate::cli::count::counted;
use crate::cli::doctor::finding::{Findings, Level};
use crate::cli::doctor::settings::Wanted;
use crate::domain::event::Outcome;
use crate::domain::operation::OperationState;
use crate::domain::time::Timestamp;
use crate::domain::warning::{Seen, warnings};
use crate::pipeline::portable::to_rfc3339;
use crate::store::Summary;

/// Of the partition that reads show by default.
#[derive(Default)]
pub(super) struct Heard {
    livemode: bool,
    /// Deliveries, and when the last of them came.
    platform: (u64, Option<String>),
    connect: (u64, Option<String>),
    parked: u64,
    oldest_parked: Option<String>,
    unknown: u64,
    /// Codes and messages.
    warnings: Vec<(String, String)>,
}

/// As a server tells it.
pub(super) fn of_answer(summary: &Value) -> Heard {
    let number = |path: &str| summary.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let text = |path: &str| summary.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let warnings = summary.get("warnings").and_then(Value::as_array).into_iter().flatten();
    let part = |warning: &Value, name: &str| {
        warning.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    Heard {
        livemode: summary.get("livemode").and_then(Value::as_bool).unwrap_or(false),
        platform: (number("/deliveries/platform/count"), text("/deliveries/platform/last")),
        connect: (number("/deliveries/connect/count"), text("/deliveries/connect/last")),
        parked: number("/events/parked"),
        oldest_parked: text("/oldest_parked"),
        unknown: number("/operations/unknown"),
        warnings: warnings.map(|it| (part(it, "code"), part(it, "message"))).collect(),
    }
}

/// As the store of a server says that does not run; test mode first.
pub(super) fn of_store([test, live]: &[Summary; 2], wanted: &Wanted, now: Timestamp) -> Heard {
    let livemode = wanted.livemode.unwrap_or(true);
    let (here, there) = if livemode { (live, test) } else { (test, live) };
    let last = |source: &String| here.sources.get(source).max(there.sources.get(source)).copied();
    let sources = wanted.sources.iter().flatten();
    let seen = Seen {
        sources: sources.map(|source| (source.clone(), last(source))).collect(),
        livemode,
        platform: here.platform,
        connect: here.connect,
        elsewhere: there.platform.and(there.connect),
        skew: None,
    };
    let found = warnings(&seen, now, &wanted.limits);
    let count = |outcome| here.events.get(&outcome).copied().unwrap_or(0);
    Heard {
        livemode,
        platform: (here.platform.count, here.platform.last.map(to_rfc3339)),
        connect: (here.connect.count, here.connect.last.map(to_rfc3339)),
        parked: count(Outcome::Parked),
        oldest_parked: here.oldest_parked.map(to_rfc3339),
        unknown: here.operations.get(&OperationState::Unknown).copied().unwrap_or(0),
        warnings: found.into_iter().map(|it| (it.code.word().to_owned(), it.message)).collect(),
    }
}

impl Heard {
    pub(super) fn judge(&self, findings: &mut Findings) {
        let warned = |code: &str| self.warnings.iter().any(|(known, _)| known == code);
        let is_silent = self.platform.0 == 0 && self.connect.0 == 0;
        if is_silent && !(warned("only_test_events") || warned("only_live_events")) {
            let mode = if self.livemode { "live" } else { "test" };
            findings.warning(
                "received",
                format!("no delivery ever came in {mode} mode"),
                "register this service's public address at Stripe, ending with \
                 /webhooks/stripe, once for events on your account and once for connected \
                 accounts; docs/guide.md shows how",
            );
        }
        for (of, (count, last), code) in [
            ("the platform", &self.platform, "only_connect_events"),
            ("connected accounts", &self.connect, "only_platform_events"),
        ] {
            match last {
                Some(last) => findings.good(
                    "received",
                    format!("{} about {of}, the last at {last}", counted(count, "event")),
                ),
                // Said already, or said better below.
                None if is_silent || warned(code) => {}
                None => findings.warning(
                    "received",
                    format!("no event about {of} has come so far"),
                    "wait for one, or look whether an endpoint for them is registered at Stripe",
                ),
            }
        }
        if self.parked > 0 {
            let oldest = self.oldest_parked.as_deref().unwrap_or("a time that is not known");
            let parked = counted(self.parked, "event");
            findings.warning(
                "parked",
                format!("{parked} could not be used; the oldest came at {oldest}"),
                "GET /v1/events?outcome=parked has the reasons, `bursar redrive` tries again",
            );
        }
        if self.unknown > 0 {
            let calls = counted(self.unknown, "call");
            findings.warning(
                "money",
                format!("of {calls} to Stripe nobody knows whether it was done"),
                "GET /v1/operations?state=unknown shows them; docs/operations-api.md says what to do",
            );
        }
        for (code, message) in &self.warnings {
            let check = if code == "clock_off" { "clock" } else { "received" };
            findings.told(Level::Warning, check, message);
        }
    }
}
