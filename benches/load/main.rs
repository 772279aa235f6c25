//! How much bursar does per second, beside the least that a server can do.
//!
//! Two servers take turns, each in a process of its own: a bare actix-web handler that reads the
//! body and answers 200, and bursar on a fresh store on a real disk. Both get the same requests
//! from the same generator. On a shared machine the rates mean little; their ratio within one
//! run does. `scripts/bench` runs this.

#![expect(clippy::print_stdout, reason = "this is a program that reports")]

mod bodies;
mod client;
mod deliveries;
mod report;
mod servers;
mod size;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;

use client::{Load, Wanted, drive};
use deliveries::Deliveries;
use report::{Leg, Report, Round, Server, Work};
use servers::Child;

/// Answered before measuring begins, so that connections, caches and code are warm.
const WARM_UP: usize = 2_000;
const READ_CONNECTIONS: usize = 64;
/// Reads, and whatever the bare handler gets, are sent so often: they are quick, and what a short
/// measurement shows is chance.
const QUICK_TIMES: usize = 5;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Error = Box<dyn std::error::Error>;

/// Compare bursar with a bare handler
#[derive(Parser)]
struct Arguments {
    /// Events per measurement
    #[arg(long, default_value_t = 60_000)]
    events: usize,
    /// Seconds after which a measurement ends, whatever was answered
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Times that everything is measured; medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections to deliver over
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256])]
    connections: Vec<usize>,
    /// Threads of the load generator; with fewer the bare handler waits for it
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Accounts that the events are about
    #[arg(long, default_value_t = 20_000)]
    accounts: usize,
    /// Filter of the log that bursar writes (to nowhere)
    #[arg(long, default_value = "info")]
    log: String,
    /// Folder to make the stores in; its disk is the one measured
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Also write the figures, as JSON, to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Instead, fill a store with so many events, and time verify and rebuild
    #[arg(long, value_name = "EVENTS")]
    size: Option<usize>,
    /// Be one of the servers (used internally)
    #[arg(long, hide = true)]
    role: Option<Server>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.role {
        Some(Server::Bare) => servers::bare(),
        Some(Server::Bursar) => servers::bursar(&arguments.folder, &arguments.log),
        None => match arguments.size {
            Some(events) => size::measure(&arguments, events),
            None => measure(&arguments),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Error> {
    let deliveries = Deliveries::prepare(arguments.accounts, WARM_UP + arguments.events)?;
    println!(
        "{} events of {} bytes on average, about {} accounts",
        arguments.events,
        deliveries.mean_body_bytes(),
        arguments.accounts
    );
    let mut report = Report::default();
    for round in 1..=arguments.rounds {
        for &connections in &arguments.connections {
            println!("round {round} of {}, {connections} connections", arguments.rounds);
            report.rounds.extend(measure_round(arguments, &deliveries, connections)?);
        }
    }
    println!("\n{report}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, report.json()?)?;
    }
    Ok(())
}

/// Both servers once, bursar last.
fn measure_round(
    arguments: &Arguments,
    deliveries: &Deliveries,
    connections: usize,
) -> Result<Vec<Round>, Error> {
    let mut deliver = Round { work: Work::Deliver, connections, legs: Vec::new() };
    let mut read = Round { work: Work::Read, connections, legs: Vec::new() };
    for server in [Server::Bare, Server::Bursar] {
        let store = TempDir::new_in(&arguments.folder)?;
        let child = Child::start(server, store.path(), &arguments.log)?;
        let (times, wanted_delivery, wanted_read) = match server {
            Server::Bare => (QUICK_TIMES, Wanted::Empty, Wanted::Empty),
            Server::Bursar => (1, Wanted::Ending(b"\"outcome\":\"applied\"}"), Wanted::Json),
        };
        let count = arguments.events * times;
        let load = |requests, count, wanted| Load {
            address: child.address,
            connections,
            threads: arguments.threads,
            requests,
            count,
            limit: Duration::from_secs(arguments.seconds),
            wanted,
        };
        let (warm_up, measured) = deliveries.requests.split_at(WARM_UP);
        drive(&load(warm_up, WARM_UP, wanted_delivery))?;
        let mut leg = Leg::of(server, &child, || drive(&load(measured, count, wanted_delivery)))?;
        if connections == READ_CONNECTIONS {
            let reads = deliveries.reads();
            drive(&load(&reads, WARM_UP, wanted_read))?;
            let leg = Leg::of(server, &child, || {
                drive(&load(&reads, arguments.events * QUICK_TIMES, wanted_read))
            })?;
            read.legs.push(leg);
        }
        child.stop()?;
        if server == Server::Bursar {
            leg.stored_bytes(store.path(), WARM_UP)?;
        }
        deliver.legs.push(leg);
    }
    Ok([deliver, read].into_iter().filter(|round| !round.legs.is_empty()).collect())
}
