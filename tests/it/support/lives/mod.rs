//! Whole lives of objects, as strategies: what Stripe could say of an account, a topup, a
//! transfer, a payout or a balance from its first report to its last, in order or against all
//! sense, with many reports in one second.
//!
//! A [`Life`] becomes the domain's reports for the pure rules, and JSON in Stripe's spelling for
//! the wire and the store, so that all levels are tried with the same stories.
//!
//! **When a case fails**, proptest prints the smallest life it could find, and keeps the seed of
//! that case in a file `*.proptest-regressions` beside the test; it is tried first from then on,
//! and the file can be carried elsewhere. To run the same sequence of cases again, name a seed, and
//! a number of cases if there shall be more:
//! `PROPTEST_RNG_SEED=7 PROPTEST_CASES=100000 cargo test --test it convergence`.

pub(crate) mod account;
mod json;
mod money;

use bursar::domain::account::Facts;
use bursar::domain::event::{Arrival, Report, Says};
use bursar::domain::id::ObjectKey;
use bursar::domain::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;

/// The first second of every life.
pub(crate) const START: u64 = 1_790_000_000;
/// When everything is delivered.
pub(crate) const NOW: Timestamp = Timestamp(1_790_000_600_000_000);

/// What is told of one object, in the order in which it happened.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) key: ObjectKey,
    pub(crate) told: Vec<Told>,
    /// What an account was before, and what it truly came to, whatever was told of it.
    start: Option<Facts>,
    pub(crate) truth: Option<Facts>,
}

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) event_type: &'static str,
    pub(crate) created: u64,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Says(Says),
    /// Of a type that nobody follows.
    Ignored,
    /// Of a type that is followed, with an object that makes no sense.
    Unusable,
}

impl Told {
    /// What the rules make of it, unless they are never asked.
    fn report(&self) -> Option<Report> {
        let Content::Says(says) = &self.content else { return None };
        let (event_id, event_type) = (self.id.clone(), self.event_type.to_owned());
        let (says, arrival) = (says.clone(), arrival(0));
        Some(Report { event_id, event_type, created: self.created, says, arrival })
    }

    /// The body in which Stripe would deliver it, for the `delivery`th time.
    pub(crate) fn body(&self, key: &ObjectKey, delivery: usize) -> String {
        json::body(self, key, delivery)
    }
}

impl Life {
    /// The reports as the rules get them, in the order in which they were told.
    pub(crate) fn reports(&self) -> Vec<Report> {
        self.told.iter().filter_map(Told::report).collect()
    }
}

/// The `sequence`th arrival; no two are alike in anything.
pub(crate) fn arrival(sequence: u64) -> Arrival {
    let at = Timestamp(NOW.0 + i64::try_from(sequence).expect("few arrivals"));
    Arrival { sequence, received_at: at, recorded_at: at, source: format!("way {sequence}") }
}

/// Any life of any object. Most are short: a short one can hold every kind of trouble, and many
/// can be tried.
pub(crate) fn any_life() -> BoxedStrategy<Life> {
    prop_oneof![
        4 => account::life(account::Odds::HOSTILE, 7),
        3 => account::babble(7),
        1 => account::babble(12),
        4 => money::life(7),
    ]
    .boxed()
}

/// Several lives, of both partitions and several owners. Two of them may be of one object.
pub(crate) fn world() -> impl Strategy<Value = Vec<Life>> {
    vec(any_life(), 1..=4).prop_map(|mut lives| {
        for (number, life) in lives.iter_mut().enumerate() {
            life.told.iter_mut().for_each(|told| told.id = format!("{}_{number}", told.id));
        }
        lives
    })
}

/// What every event has, whatever it says.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Decides the order of ids.
    rank: u8,
    /// Whether the event comes in a later second than the one before it.
    waits: bool,
    /// It is no report; `true`: it should be one.
    senseless: Option<bool>,
}

fn frame(same_second: f64, senseless: f64) -> impl Strategy<Value = Frame> {
    let waits = prop::bool::weighted(1.0 - same_second);
    let senseless = perhaps(senseless, any::<bool>());
    (any::<u8>(), waits, senseless).prop_map(|(rank, waits, senseless)| Frame {
        rank,
        waits,
        senseless,
    })
}

/// Unlike proptest's own, also for a probability of nought.
fn perhaps<S: Strategy>(probability: f64, strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    (prop::bool::weighted(probability), strategy).prop_map(|(is, value)| is.then_some(value))
}

/// Puts events into the seconds and under the ids that their frames ask for.
fn framed(events: impl IntoIterator<Item = (Frame, &'static str, Says)>) -> Vec<Told> {
    let mut created = START;
    let mut told = Vec::new();
    for (number, (frame, event_type, says)) in events.into_iter().enumerate() {
        created += u64::from(frame.waits);
        let (event_type, content) = match frame.senseless {
            None => (event_type, Content::Says(says)),
            Some(true) => (event_type, Content::Unusable),
            Some(false) => ("person.updated", Content::Ignored),
        };
        let id = format!("evt_{:02x}{number:02}", frame.rank);
        told.push(Told { id, event_type, created, content });
    }
    told
}

/// So many lives, unless the environment asks for another number.
pub(crate) fn lives(count: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource(
            "proptest-regressions",
        ))),
        ..ProptestConfig::default()
    };
    if asked { config } else { ProptestConfig { cases: count, ..config } }
}

fn owner() -> impl Strategy<Value = Option<&'static str>> {
    select(vec![None, Some("acct_0"), Some("acct_1")])
}
