//! What bursar does under clients that mean it no good, and over a long time.
//!
//! Starts the real program on a fresh store, loads it, and reads from the system what it takes.
//! `scripts/overload` and `scripts/soak` run this.

#![expect(clippy::print_stdout, reason = "this is a program that reports")]

mod client;
mod crowd;
mod events;
mod overload;
mod server;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Strain a server, and see what it takes
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    work: Option<Work>,
    /// Folder to make the stores in
    #[arg(long, global = true, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Passed by `cargo bench`
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Clone, Subcommand)]
enum Work {
    /// Hostile clients, kind by kind, beside good ones
    Overload(overload::Arguments),
    /// A steady mixed load for a long time
    Soak(soak::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.work {
        Some(Work::Overload(overload)) => overload::run(overload, &arguments.folder),
        Some(Work::Soak(soak)) => soak::run(soak, &arguments.folder),
        // `cargo bench` without a name runs every bench; this one measures only what it is told to.
        None => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strain: {error}");
            ExitCode::FAILURE
        }
    }
}
