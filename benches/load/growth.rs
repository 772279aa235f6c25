//! What becomes of the server, and of the work on its store, as the store grows.
//!
//! Deliveries come in ten parts, and between them the next part is made, so that their bodies
//! never all lie in memory. What the server has put off it can do meanwhile, as it could between
//! any two peaks.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use tempfile::TempDir;

use crate::client::{Load, Wanted, count, drive};
use crate::contest::APPLIED;
use crate::deliveries::Source;
use crate::disk::bytes_below;
use crate::process::peak_resident_mb;
use crate::round::per_event;
use crate::servers::Child;
use crate::{Arguments, Error, QUICK_TIMES, WARM_UP};

const PARTS: usize = 10;
const CONNECTIONS: usize = 64;
/// A part that takes longer is given up.
const LIMIT: Duration = Duration::from_mins(5);
/// Work that takes longer is given up.
const PATIENCE: Duration = Duration::from_mins(20);
/// What is done with the store when it is large.
const WORKS: [&[&str]; 3] = [&["verify"], &["rebuild"], &["rebuild", "--check"]];
/// How often a process is asked for its memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Growth {
    pub(crate) events: usize,
    pub(crate) mean_body_bytes: usize,
    /// Answers a second of the bare handler, which says whether the machine has become slower.
    pub(crate) bare_before: f64,
    pub(crate) bare_after: f64,
    #[serde(flatten)]
    pub(crate) served: Served,
    pub(crate) reopen_seconds: f64,
    pub(crate) disk_bytes_per_event: f64,
    pub(crate) upkeep: Vec<Upkeep>,
}

/// How the server did that took all of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Served {
    /// Answers a second, part by part.
    pub(crate) per_second: Vec<f64>,
    /// Right after the last answer.
    pub(crate) resident_mb: u32,
    pub(crate) peak_resident_mb: u32,
}

impl Served {
    pub(crate) fn first(&self) -> f64 {
        self.per_second.first().copied().unwrap_or_default()
    }

    pub(crate) fn last(&self) -> f64 {
        self.per_second.last().copied().unwrap_or_default()
    }
}

/// Work on the whole store while no server runs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Upkeep {
    pub(crate) command: String,
    pub(crate) seconds: f64,
    pub(crate) events_per_second: f64,
    pub(crate) peak_resident_mb: u32,
}

pub(crate) fn watch(arguments: &Arguments, events: usize) -> Result<Growth, Error> {
    let part = (events / PARTS).max(1);
    let stored = WARM_UP + part * PARTS;
    let mut source = Source::new(arguments.accounts, stored);
    let warm_up = source.deliveries(WARM_UP)?;
    let folder = TempDir::new_in(&arguments.folder)?;

    let bare_before = bare(arguments, &warm_up)?;
    let served = serve(arguments, folder.path(), &warm_up, || source.deliveries(part))?;
    let reopen_seconds = reopen(arguments, folder.path())?;
    let bare_after = bare(arguments, &warm_up)?;
    Ok(Growth {
        events: part * PARTS,
        mean_body_bytes: source.mean_body_bytes(),
        bare_before,
        bare_after,
        served,
        reopen_seconds,
        disk_bytes_per_event: per_event(bytes_below(folder.path())?, stored),
        upkeep: upkeep(&folder.path().join("store"), stored)?,
    })
}

/// Has one server take all parts, and kills it.
fn serve(
    arguments: &Arguments,
    folder: &Path,
    warm_up: &[Vec<u8>],
    mut next_part: impl FnMut() -> Result<Vec<Vec<u8>>, Error>,
) -> Result<Served, Error> {
    let child = Child::bursar(folder, &arguments.log)?;
    deliver(arguments, &child, warm_up)?;
    let mut per_second = Vec::new();
    for number in 1..=PARTS {
        let requests = next_part()?;
        let rate = deliver(arguments, &child, &requests)?;
        println!("part {number} of {PARTS}, {} events: {rate:.0} a second", requests.len());
        per_second.push(rate);
    }
    let resident_mb = child.resident_mb().ok_or("the server is gone")?;
    let peak_resident_mb = child.peak_resident_mb().ok_or("the server is gone")?;
    child.kill()?;
    Ok(Served { per_second, resident_mb, peak_resident_mb })
}

/// How long a server takes until it listens on a store whose last one was killed.
fn reopen(arguments: &Arguments, folder: &Path) -> Result<f64, Error> {
    let start = Instant::now();
    let child = Child::bursar(folder, &arguments.log)?;
    let seconds = start.elapsed().as_secs_f64();
    child.stop()?;
    Ok(seconds)
}

/// Answers a second.
fn deliver(arguments: &Arguments, child: &Child, requests: &[Vec<u8>]) -> Result<f64, Error> {
    let load = load(arguments, child, requests, requests.len(), APPLIED);
    let answered = drive(&load)?;
    if answered.latencies.len() < requests.len() {
        return Err(format!("{} events took too long", requests.len()).into());
    }
    Ok(answered.per_second())
}

fn bare(arguments: &Arguments, requests: &[Vec<u8>]) -> Result<f64, Error> {
    let child = Child::bare()?;
    drive(&load(arguments, &child, requests, requests.len(), Wanted::Empty))?;
    let count = arguments.events * QUICK_TIMES;
    let answered = drive(&load(arguments, &child, requests, count, Wanted::Empty))?;
    child.stop()?;
    Ok(answered.per_second())
}

fn load<'a>(
    arguments: &Arguments,
    child: &Child,
    requests: &'a [Vec<u8>],
    count: usize,
    wanted: Wanted,
) -> Load<'a> {
    let (address, threads) = (child.address, arguments.threads);
    Load { address, connections: CONNECTIONS, threads, requests, count, limit: LIMIT, wanted }
}

fn upkeep(store: &Path, events: usize) -> Result<Vec<Upkeep>, Error> {
    let work = |command: &[&str]| {
        println!("{}", command.join(" "));
        let (took, peak_resident_mb) = watched(store, command)?;
        let seconds = took.as_secs_f64();
        let events_per_second = count(events) / seconds;
        Ok(Upkeep { command: command.join(" "), seconds, events_per_second, peak_resident_mb })
    };
    WORKS.into_iter().map(work).collect()
}

/// Runs a command of the program on the store: how long it took, and its memory at the most.
fn watched(store: &Path, command: &[&str]) -> Result<(Duration, u32), Error> {
    let start = Instant::now();
    let mut process = Command::new(env!("CARGO_BIN_EXE_bursar"))
        .args(command)
        .arg("--store")
        .arg(store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak = 0;
    loop {
        peak = peak_resident_mb(process.id()).unwrap_or(peak);
        if let Some(status) = process.try_wait()? {
            let took = start.elapsed();
            return status.success().then_some((took, peak)).ok_or(format!("{status}").into());
        }
        if start.elapsed() > PATIENCE {
            process.kill()?;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
