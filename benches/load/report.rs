//! What was measured, and how it is shown.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::Error;
use crate::client::{Answered, count};
use crate::servers::Child;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Server {
    Bare,
    Bursar,
}

impl Server {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Bursar => "bursar",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    Deliver,
    Read,
}

/// One server under one load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Leg {
    server: Server,
    answered: usize,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Of the server, per answer.
    cpu_us: f64,
    disk_bytes_per_event: Option<f64>,
}

impl Leg {
    pub(crate) fn of(
        server: Server,
        child: &Child,
        work: impl FnOnce() -> std::io::Result<Answered>,
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

    /// Notes what the events take on disk, `others` beside those of this leg included.
    pub(crate) fn stored_bytes(&mut self, folder: &Path, others: usize) -> Result<(), Error> {
        let bytes = bytes_below(folder)?;
        let kib = u32::try_from(bytes / 1024)?;
        self.disk_bytes_per_event = Some(f64::from(kib) * 1024.0 / count(self.answered + others));
        Ok(())
    }
}

/// Allocated bytes, without the part of journal segments that is kept free for later records.
fn bytes_below(folder: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let path = entry.path();
        bytes += if metadata.is_dir() {
            bytes_below(&path)?
        } else if path.extension().is_some_and(|it| it == "journal") {
            let content = fs::read(&path)?;
            let used = content.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            u64::try_from(used)?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}

/// Both servers under the same load, one after the other.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) work: Work,
    pub(crate) connections: usize,
    pub(crate) legs: Vec<Leg>,
}

impl Round {
    fn leg(&self, server: Server) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.server == server)
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.leg(Server::Bursar)?.per_second / self.leg(Server::Bare)?.per_second)
    }
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rounds: Vec<Round>,
}

impl Report {
    pub(crate) fn json(&self) -> Result<String, Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// What was measured, in the order of its first measurement.
    fn loads(&self) -> Vec<(Work, usize)> {
        let mut loads = Vec::new();
        for round in &self.rounds {
            let load = (round.work, round.connections);
            if !loads.contains(&load) {
                loads.push(load);
            }
        }
        loads
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header([
            "load",
            "server",
            "per second",
            "ratio (of each round)",
            "p50 ms",
            "p99 ms",
            "cpu us",
            "disk bytes",
        ]);
        for (work, connections) in self.loads() {
            let rounds: Vec<&Round> = self
                .rounds
                .iter()
                .filter(|round| (round.work, round.connections) == (work, connections))
                .collect();
            let load = match work {
                Work::Deliver => format!("deliver, {connections} connections"),
                Work::Read => format!("read, {connections} connections"),
            };
            for server in [Server::Bare, Server::Bursar] {
                let legs: Vec<&Leg> = rounds.iter().filter_map(|round| round.leg(server)).collect();
                let of = |value: fn(&Leg) -> f64| median(legs.iter().map(|leg| value(leg)));
                let disk = legs.iter().filter_map(|leg| leg.disk_bytes_per_event);
                let disk = median(disk);
                let ratio = match server {
                    Server::Bare => String::new(),
                    Server::Bursar => ratios(&rounds),
                };
                table.add_row([
                    load.clone(),
                    server.word().to_owned(),
                    format!("{:.0}", of(|leg| leg.per_second)),
                    ratio,
                    format!("{:.2}", of(|leg| leg.p50_ms)),
                    format!("{:.2}", of(|leg| leg.p99_ms)),
                    format!("{:.1}", of(|leg| leg.cpu_us)),
                    if disk > 0.0 { format!("{disk:.0}") } else { String::new() },
                ]);
            }
        }
        write!(formatter, "{table}")
    }
}

/// The median, and what it is the median of.
fn ratios(rounds: &[&Round]) -> String {
    let ratios: Vec<f64> = rounds.iter().filter_map(|round| round.ratio()).collect();
    let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
    format!("{:.3} ({})", median(ratios.iter().copied()), each.join(" "))
}

/// The upper one of two in the middle; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
