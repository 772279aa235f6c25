//! How long the work on a whole store takes, and how much memory: verify and rebuild.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bursar::clock;
use bursar::pipeline::receive::incoming;
use bursar::pipeline::rules::StripeRules;
use bursar::store::embedded::{Embedded, Options};
use bursar::store::{Incoming, Store};
use bursar::stripe::wire;
use tempfile::TempDir;

use crate::bodies::Bodies;
use crate::{Arguments, Error};

const EVENTS_PER_COMMIT: usize = 500;
/// How often a process is asked for its memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Fills a store with so many events and has the program work on it.
pub(crate) fn measure(arguments: &Arguments, events: usize) -> Result<(), Error> {
    let folder = TempDir::new_in(&arguments.folder)?;
    let start = Instant::now();
    fill(folder.path(), arguments.accounts, events)?;
    println!("filled with {events} events in {:.1} s", start.elapsed().as_secs_f64());
    for work in [["verify"].as_slice(), &["rebuild"], &["rebuild", "--check"]] {
        let (took, peak_bytes) = watched(folder.path(), work)?;
        println!(
            "{:16} {:6.1} s  {:7.0} events/s  {:4} MB at the peak",
            work.join(" "),
            took.as_secs_f64(),
            f64::from(u32::try_from(events)?) / took.as_secs_f64(),
            peak_bytes >> 20,
        );
    }
    Ok(())
}

fn fill(folder: &Path, accounts: usize, events: usize) -> Result<(), Error> {
    let store = Embedded::open(folder, Options::default(), Arc::new(StripeRules), &mut |_| {})?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut bodies = Bodies::new(accounts, events, clock::now());
    let mut left = events;
    while left > 0 {
        let batch = left.min(EVENTS_PER_COMMIT);
        let batch =
            (0..batch).map(|_| stored(&bodies.next()?)).collect::<Result<Vec<_>, Error>>()?;
        left -= batch.len();
        runtime.block_on(store.commit(batch))?;
    }
    Ok(runtime.block_on(store.close())?)
}

fn stored(body: &str) -> Result<Incoming, Error> {
    let now = clock::now();
    Ok(incoming(wire::read(body.as_bytes(), now)?, body.as_bytes(), "bench", now, true))
}

/// Runs a command of the program on the store: how long it took, and its resident memory at most.
fn watched(folder: &Path, command: &[&str]) -> Result<(Duration, u64), Error> {
    let start = Instant::now();
    let mut process = Command::new(env!("CARGO_BIN_EXE_bursar"))
        .args(command)
        .arg("--store")
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak = 0;
    loop {
        peak = peak_bytes(process.id()).unwrap_or(peak);
        if let Some(status) = process.try_wait()? {
            let took = start.elapsed();
            return status.success().then_some((took, peak)).ok_or(format!("{status}").into());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn peak_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}
