//! The command line: one file per command.
//!
//! Errors go to stderr as one readable sentence with its remedy. Exit code 0 is success, 1 a
//! failure, 2 wrong usage or settings. Only here is anything printed to stdout.
#![expect(clippy::print_stdout, reason = "this is what a command line is for")]

pub mod backfill;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod export;
pub mod healthcheck;
pub mod history;
pub mod import;
pub mod openapi;
pub mod rebuild;
pub mod redrive;
pub mod repair;
pub mod replay;
pub mod sandbox;
pub mod serve;
pub mod token;
pub mod verify;

mod client;
mod core_dumps;
mod count;
mod meter;
mod open_files;
mod remote;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};

use crate::cli::meter::Meter;
use crate::cli::settings::{Reads, SettingFlags};
use crate::config::{Checker, Problems, Settings};
use crate::pipeline::rules::StripeRules;
use crate::store::StoreError;
use crate::store::embedded::{Embedded, Options};

/// Receives Stripe's webhooks and keeps the true status of every connected account, top-up,
/// transfer and payout.
#[derive(Parser)]
#[command(name = "bursar", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Demo(demo::Arguments),
    Sandbox(sandbox::Arguments),
    History(history::Arguments),
    Replay(replay::Arguments),
    Redrive(redrive::Arguments),
    Backfill(backfill::Arguments),
    Rebuild(rebuild::Arguments),
    Verify(verify::Arguments),
    Repair(repair::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Doctor(doctor::Arguments),
    Token(token::Arguments),
    Healthcheck(healthcheck::Arguments),
    Completions(completions::Arguments),
    Openapi(openapi::Arguments),
}

/// Why a command ends with something else than success.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or settings: exit code 2.
    Usage(String),
    /// Exit code 1.
    Failed(String),
    /// Exit code 1; everything is said already.
    Said,
}

impl Failure {
    /// What is to be said of it.
    fn message(&self) -> &str {
        match self {
            Self::Usage(message) | Self::Failed(message) => message,
            Self::Said => "",
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Usage(problems.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Sandbox(arguments) => sandbox::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Redrive(arguments) => redrive::run(&arguments),
        Command::Backfill(arguments) => backfill::run(&arguments),
        Command::Rebuild(arguments) => rebuild::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Repair(arguments) => repair::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Healthcheck(arguments) => healthcheck::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Openapi(arguments) => openapi::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("bursar: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("bursar: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Said) => ExitCode::FAILURE,
    }
}

/// The command line's own description, for completions and documentation.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The settings of a command that works on the store while the server is stopped.
fn store_folder<R: Reads>(flags: &SettingFlags<R>) -> Result<(PathBuf, Settings), Failure> {
    let settings = flags.gather();
    let mut checker = Checker::new(&settings);
    let folder = checker.store();
    let log = checker.log();
    checker.finish()?;
    let (Some(folder), Some((filter, json))) = (folder, log) else { return Err(Failure::Said) };
    crate::telemetry::start(&filter, json);
    Ok((folder, settings))
}

/// Opens a store, or makes it: who needs one that is there asks [`must_exist`] first.
fn open_store(folder: &Path) -> Result<Embedded, StoreError> {
    let mut meter = Meter::default();
    let store =
        Embedded::open(folder, Options::default(), Arc::new(StripeRules), &mut |at| meter.at(at))?;
    meter.clear();
    Ok(store)
}

fn must_exist(folder: &Path) -> Result<(), Failure> {
    if Embedded::exists(folder) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "there is no store in {}; name its folder with --store or BURSAR_STORE",
        folder.display()
    )))
}

/// Runs a command's async part.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(future)
}
