//! What is counted while it happens: deliveries, commits, requests, calls to Stripe.
//!
//! Each meter belongs to the part that counts with it, so that two services in one process do not
//! count together. What can be read off the store is not counted here: it would be wrong after the
//! next start. `docs/metrics.md` has all names; no label ever holds the id of an object.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use crate::domain::event::Outcome;
use crate::domain::warning::{Skew, Skews};

/// From a tenth of a millisecond to ten seconds.
const COMMIT_SECONDS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
const REQUEST_SECONDS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 20.0];
const CALL_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 80.0, 240.0];
const BATCH_EVENTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0, 4096.0];
const SKEW_SECONDS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0];

/// What has numbers to show.
pub trait Meter {
    fn parts(&self) -> Vec<Box<dyn Collector>>;

    fn show(&self, registry: &Registry) {
        for part in self.parts() {
            if let Err(error) = registry.register(part) {
                tracing::error!(%error, "a metric is not shown");
            }
        }
    }
}

/// Deliveries: what became of them, and what their signatures say of the clock.
pub struct Deliveries {
    taken: IntCounterVec,
    refused: IntCounterVec,
    skew: Histogram,
    skews: Mutex<Skews>,
}

/// The codes of refusals that are shown before the first of them.
const REFUSALS: &[&str] = &[
    "signature_missing",
    "signature_malformed",
    "signature_mismatch",
    "timestamp_out_of_tolerance",
    "not_an_event",
    "body_too_large",
    "request_timeout",
    "overloaded",
    "store_unavailable",
];

impl Default for Deliveries {
    fn default() -> Self {
        let refused = counters(
            "bursar_deliveries_refused_total",
            "Deliveries that were turned away, by the code of the answer.",
            &["code"],
        );
        for code in REFUSALS {
            refused.with_label_values(&[code]);
        }
        Self {
            taken: counters(
                "bursar_deliveries_total",
                "Deliveries that were verified and stored, or were known.",
                &["source", "outcome"],
            ),
            refused,
            skew: histogram(
                "bursar_signature_skew_seconds",
                "Distance between our clock and the time in a genuine signature.",
                SKEW_SECONDS,
            ),
            skews: Mutex::default(),
        }
    }
}

impl Deliveries {
    /// Has a source shown before it is first heard: a rate needs to have been zero.
    pub fn expect(&self, source: &str) {
        for outcome in Outcome::STORED.into_iter().chain([Outcome::Duplicate]) {
            self.taken.with_label_values(&[source, outcome.word()]);
        }
    }

    pub fn taken(&self, source: &str, outcome: Outcome) {
        self.taken.with_label_values(&[source, outcome.word()]).inc();
    }

    pub fn refused(&self, code: &'static str) {
        self.refused.with_label_values(&[code]).inc();
    }

    /// A genuine signature, in time or not; both in Unix seconds.
    pub fn signed(&self, signed_at: i64, now: i64) {
        #[expect(clippy::cast_precision_loss, reason = "what is lost of a time is less than it")]
        self.skew.observe(now.abs_diff(signed_at) as f64);
        self.skews().note(signed_at, now);
    }

    /// What recent signatures say together.
    pub fn skew(&self) -> Option<Skew> {
        self.skews().median()
    }

    /// What the last signature says, in seconds.
    pub fn last_skew(&self) -> Option<i64> {
        self.skews().last()
    }

    fn skews(&self) -> MutexGuard<'_, Skews> {
        self.skews.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter for Deliveries {
    fn parts(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.taken.clone()),
            Box::new(self.refused.clone()),
            Box::new(self.skew.clone()),
        ]
    }
}

/// Commits to the store.
pub struct Commits {
    batch: Histogram,
    took: Histogram,
    failed: IntCounter,
}

impl Default for Commits {
    fn default() -> Self {
        let failed = IntCounter::new(
            "bursar_commit_failures_total",
            "Commits of which nothing was stored, or nobody knows.",
        );
        Self {
            batch: histogram(
                "bursar_commit_batch_events",
                "Events that went into one commit.",
                BATCH_EVENTS,
            ),
            took: histogram(
                "bursar_commit_seconds",
                "Time of one commit: journal, disk and rules.",
                COMMIT_SECONDS,
            ),
            failed: failed.expect(VALID),
        }
    }
}

impl Commits {
    pub fn done(&self, events: usize, took: Duration, succeeded: bool) {
        #[expect(clippy::cast_precision_loss, reason = "there are never so many")]
        self.batch.observe(events as f64);
        self.took.observe(took.as_secs_f64());
        if !succeeded {
            self.failed.inc();
        }
    }
}

impl Meter for Commits {
    fn parts(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.batch.clone()),
            Box::new(self.took.clone()),
            Box::new(self.failed.clone()),
        ]
    }
}

/// Requests to us, by the group of paths that they ask for.
pub struct Requests {
    took: HistogramVec,
    answered: IntCounterVec,
    refused: IntCounterVec,
    /// Connections that are open now.
    pub connections: Arc<AtomicUsize>,
}

/// What stands behind `/v1/`, and the paths beside it; others count together.
const ROUTES: &[&str] = &[
    "accounts",
    "topups",
    "transfers",
    "payouts",
    "balance",
    "events",
    "changes",
    "summary",
    "replays",
    "redrives",
    "operations",
    "backfills",
    "audit",
];

/// The group of a path.
pub fn route(path: &str) -> &'static str {
    let known = |name: &str| ROUTES.iter().copied().find(|known| *known == name);
    match path {
        "/webhooks/stripe" => "webhook",
        "/metrics" => "metrics",
        "/healthz" | "/readyz" => "health",
        "/onboard-user" => "accounts",
        _ => {
            let below = path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next());
            below.and_then(known).unwrap_or("other")
        }
    }
}

impl Default for Requests {
    fn default() -> Self {
        let refused = counters(
            "bursar_tokens_refused_total",
            "Requests with a token that is not known, and those beyond the limit for them.",
            &["reason"],
        );
        for reason in ["unknown", "limited"] {
            refused.with_label_values(&[reason]);
        }
        Self {
            refused,
            took: histograms(
                "bursar_http_request_seconds",
                "Time from a request's head to its answer's.",
                &["route"],
                REQUEST_SECONDS,
            ),
            answered: counters(
                "bursar_http_responses_total",
                "Answers by group of paths and class of status.",
                &["route", "status"],
            ),
            connections: Arc::default(),
        }
    }
}

impl Requests {
    pub fn token_refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// `status` is that of the answer, 100 to 599.
    pub fn answered(&self, route: &'static str, status: u16, took: Duration) {
        let class = match status / 100 {
            1 | 2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.took.with_label_values(&[route]).observe(took.as_secs_f64());
        self.answered.with_label_values(&[route, class]).inc();
    }
}

impl Meter for Requests {
    fn parts(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.took.clone()),
            Box::new(self.answered.clone()),
            Box::new(self.refused.clone()),
        ]
    }
}

/// Calls to Stripe, repeated attempts included.
pub struct Calls {
    took: HistogramVec,
}

impl Default for Calls {
    fn default() -> Self {
        let took = histograms(
            "bursar_stripe_call_seconds",
            "Time of one call to Stripe, with all its attempts, by what is known of it afterwards.",
            &["outcome"],
            CALL_SECONDS,
        );
        for outcome in ["done", "refused", "not_done", "unknown"] {
            took.with_label_values(&[outcome]);
        }
        Self { took }
    }
}

impl Calls {
    pub fn ended(&self, outcome: &'static str, took: Duration) {
        self.took.with_label_values(&[outcome]).observe(took.as_secs_f64());
    }
}

impl Meter for Calls {
    fn parts(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.took.clone())]
    }
}

const VALID: &str = "a name and labels that may stand in a metric";

fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect(VALID)
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    Histogram::with_opts(options).expect(VALID)
}

fn histograms(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    HistogramVec::new(options, labels).expect(VALID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fall_into_groups_whatever_stands_in_them() {
        for (path, expected) in [
            ("/webhooks/stripe", "webhook"),
            ("/v1/accounts", "accounts"),
            ("/v1/accounts/acct_1/history", "accounts"),
            ("/v1/changes/stream", "changes"),
            ("/onboard-user", "accounts"),
            ("/readyz", "health"),
            ("/metrics", "metrics"),
            ("/v1/acct_1", "other"),
            ("/v1", "other"),
            ("/", "other"),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }
}
