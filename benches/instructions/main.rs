//! How many instructions the hot functions take, counted by callgrind.
//!
//! Counts hardly move with the load of the machine, so that a change of a few percent shows, and
//! two versions can be compared on any machine that has the same compiler and valgrind. They are
//! not times: a cache miss, a system call and the disk count for nothing. `scripts/instructions`
//! runs this.

#![expect(clippy::print_stdout, reason = "this is a program that reports")]

mod baseline;
#[path = "../load/bodies.rs"]
mod bodies;
mod callgrind;
mod cases;
mod delivery;
mod samples;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use baseline::{Baseline, Verdict};
use cases::{CASES, Case};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Error = Box<dyn std::error::Error>;

/// Count the instructions of the hot functions, and compare with the baseline
#[derive(Parser)]
struct Arguments {
    /// Only these; the first column of the table has the names
    names: Vec<String>,
    /// Note the counts as the new baseline
    #[arg(long)]
    update: bool,
    /// Where the baseline stands
    #[arg(long, default_value_os_t = default_baseline())]
    baseline: PathBuf,
    /// Folder for what callgrind writes; `callgrind_annotate` shows where the instructions went
    #[arg(long, default_value_os_t = default_folder())]
    folder: PathBuf,
    /// Make this many calls of the one named, under callgrind (used internally)
    #[arg(long, hide = true)]
    calls: Option<usize>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn default_baseline() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/baseline.txt")
}

fn default_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions")
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.calls {
        Some(calls) => call(&arguments.names, calls).map(|()| ExitCode::SUCCESS),
        None => count(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("instructions: {error}");
        ExitCode::FAILURE
    })
}

/// What callgrind watches.
fn call(names: &[String], calls: usize) -> Result<(), Error> {
    chosen(names)?.into_iter().try_for_each(|case| (case.run)(calls))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Case>, Error> {
    if names.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let find = |name: &String| {
        let case = CASES.iter().find(|case| case.name == *name);
        case.ok_or_else(|| format!("there is no `{name}`").into())
    };
    names.iter().map(find).collect()
}

/// Fails when something takes more than the baseline allows.
fn count(arguments: &Arguments) -> Result<ExitCode, Error> {
    let here = callgrind::environment()?;
    let mut baseline = Baseline::read(&arguments.baseline)?;
    if !arguments.update && baseline.environment != here {
        println!("the baseline is of {}\nand this is    {here}\n", baseline.environment);
    }
    println!("{:14}{:>14}{:>12}{:>9}", "", "instructions", "baseline", "change");
    let mut worst = ExitCode::SUCCESS;
    for case in chosen(&arguments.names)? {
        let counted = callgrind::per_call(case, &arguments.folder)?;
        let verdict = baseline.judge(case, counted);
        println!("{:14}{counted:14}{verdict}  {}", case.name, case.what);
        if !arguments.update && matches!(verdict, Verdict::Worse { .. } | Verdict::Unknown) {
            worst = ExitCode::FAILURE;
        }
        baseline.counts.insert(case.name.to_owned(), counted);
    }
    if arguments.update {
        baseline.environment = here;
        baseline.write(&arguments.baseline)?;
    }
    Ok(worst)
}
