//! What was measured of the servers that took turns.

use std::io;

use serde::Serialize;

use crate::Error;
use crate::client::{Answered, count};
use crate::servers::{Child, Server};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    Deliver,
    Read,
}

impl Work {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::Read => "read",
        }
    }
}

/// One server under one load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Leg {
    pub(crate) server: Server,
    pub(crate) answered: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Of the server's own process, per answer.
    pub(crate) cpu_us: f64,
    pub(crate) disk_bytes_per_event: Option<f64>,
}

impl Leg {
    pub(crate) fn of(
        server: Server,
        child: &Child,
        work: impl FnOnce() -> io::Result<Answered>,
    ) -> Result<Self, Error> {
        let before = child.cpu_seconds()?;
        let answered = work()?;
        let cpu = child.cpu_seconds()? - before;
        let number = answered.latencies.len();
        Ok(Self {
            server,
            answered: number,
            per_second: answered.per_second(),
            p50_ms: answered.percentile(50).as_secs_f64() * 1e3,
            p99_ms: answered.percentile(99).as_secs_f64() * 1e3,
            cpu_us: cpu * 1e6 / count(number),
            disk_bytes_per_event: None,
        })
    }

    /// Notes that so many events take so many bytes.
    pub(crate) fn stored(&mut self, bytes: u64, events: usize) {
        self.disk_bytes_per_event = Some(per_event(bytes, events));
    }
}

pub(crate) fn per_event(bytes: u64, events: usize) -> f64 {
    let kibibytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    f64::from(kibibytes) * 1024.0 / count(events)
}

/// The servers under the same load, one after the other.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) work: Work,
    pub(crate) connections: usize,
    pub(crate) legs: Vec<Leg>,
}

impl Round {
    pub(crate) fn leg(&self, server: Server) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.server == server)
    }

    /// How fast one is, the other being 1.
    pub(crate) fn ratio(&self, server: Server, other: Server) -> Option<f64> {
        Some(self.leg(server)?.per_second / self.leg(other)?.per_second)
    }
}

/// All rounds with the same load.
pub(crate) struct Rounds<'a> {
    pub(crate) work: Work,
    pub(crate) connections: usize,
    each: Vec<&'a Round>,
}

impl<'a> Rounds<'a> {
    /// By load, in the order of its first measurement.
    pub(crate) fn by_load(rounds: &'a [Round]) -> Vec<Self> {
        let mut loads: Vec<Self> = Vec::new();
        for round in rounds {
            let Round { work, connections, .. } = *round;
            match loads.iter_mut().find(|it| (it.work, it.connections) == (work, connections)) {
                Some(load) => load.each.push(round),
                None => loads.push(Self { work, connections, each: vec![round] }),
            }
        }
        loads
    }

    pub(crate) fn name(&self) -> String {
        format!("{}, {} connections", self.work.word(), self.connections)
    }

    /// The median over all rounds; `None` when the server had no turn, or there is no such value.
    pub(crate) fn median(
        &self,
        server: Server,
        value: impl Fn(&Leg) -> Option<f64>,
    ) -> Option<f64> {
        let legs = self.each.iter().filter_map(|round| round.leg(server));
        median(legs.filter_map(value).collect())
    }

    /// Of each round.
    pub(crate) fn ratios(&self, server: Server, other: Server) -> Vec<f64> {
        self.each.iter().filter_map(|round| round.ratio(server, other)).collect()
    }
}

/// The upper one of two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
