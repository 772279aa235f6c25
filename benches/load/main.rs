//! How much bursar does per second, beside the least that a server can do.
//!
//! Servers take turns, each in a process of its own: a bare actix-web handler that reads the body
//! and answers 200, bursar on a fresh store on a real disk, and with `--compare` the service that
//! most teams write themselves. All get the same requests from the same generator. On a shared
//! machine the rates mean little; their ratio within one run does. `scripts/bench` runs this.

#![expect(clippy::print_stdout, reason = "this is a program that reports")]

mod bodies;
mod client;
mod contest;
mod deliveries;
mod disk;
mod figures;
mod growth;
mod postgres;
mod process;
mod report;
mod round;
mod servers;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use report::Report;
use servers::Server;

/// Answered before measuring begins, so that connections, caches and code are warm.
const WARM_UP: usize = 2_000;
/// Reads, and whatever the bare handler gets, are sent so often: they are quick, and what a short
/// measurement shows is chance.
const QUICK_TIMES: usize = 5;
/// What `--all` grows a store to.
const LARGE: usize = 1_000_000;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Error = Box<dyn std::error::Error>;

/// Compare bursar with a bare handler
#[derive(Parser)]
struct Arguments {
    /// Everything: `--compare --growth 1000000`
    #[arg(long)]
    all: bool,
    /// Also compare with a home-grown service, which inserts a row into PostgreSQL for each event
    #[arg(long)]
    compare: bool,
    /// Also grow a store to so many events: whether it slows down, and what it costs
    #[arg(long, value_name = "EVENTS")]
    growth: Option<usize>,
    /// Events per measurement
    #[arg(long, default_value_t = 60_000)]
    events: usize,
    /// Seconds after which a measurement ends, whatever was answered
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Times that everything is measured; medians are shown. With 0 there is only the growth
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
    /// Also write the figures, and what they come from, as JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Be one of the servers (used internally)
    #[arg(long, hide = true)]
    role: Option<Server>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn compare(&self) -> bool {
        self.compare || self.all
    }

    fn growth(&self) -> Option<usize> {
        self.growth.or(self.all.then_some(LARGE))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.role {
        Some(server) => servers::be(server, &arguments),
        None => measure(&arguments),
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
    let rounds = if arguments.rounds > 0 { contest::hold(arguments)? } else { Vec::new() };
    let growth = arguments.growth().map(|events| growth::watch(arguments, events)).transpose()?;
    let report = Report::new(rounds, growth);
    println!("\n{report}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, report.json()?)?;
    }
    Ok(())
}
