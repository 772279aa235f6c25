//! `bursar import`

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::count::counted;
use crate::cli::meter::Meter;
use crate::cli::settings::{OfStore, Reads, SettingFlags};
use crate::cli::{Failure, block_on, open_store, store_folder};
use crate::clock;
use crate::config::Checker;
use crate::pipeline::portable::{self, Defaults, Imported};
use crate::store::SharedStore;

/// Read events that `export` wrote into a store, new or not (the server is stopped)
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bursar import events.jsonl --store ./new-data\n  zstd -dc events.jsonl.zst | bursar import -"
)]
pub struct Arguments {
    /// Files to read; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    settings: SettingFlags<Read>,
}

/// Lines need not say which partition they belong to.
struct Read;

impl Reads for Read {
    fn reads(setting: &str) -> bool {
        OfStore::reads(setting) || setting == "livemode"
    }
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (folder, settings) = store_folder(&arguments.settings)?;
    let mut checker = Checker::new(&settings);
    let livemode = checker.livemode();
    checker.finish()?;
    let mut readers = Vec::new();
    for path in &arguments.files {
        readers.push((path, open(path)?));
    }
    let store: SharedStore = Arc::new(open_store(&folder)?);

    let defaults = Defaults { now: clock::now(), livemode: livemode.unwrap_or(true) };
    let mut meter = Meter::default();
    let mut total = Imported::default();
    let result = block_on(async {
        for (path, reader) in readers {
            let mut progress = |count| meter.count("events imported", count);
            portable::import(&store, reader, &defaults, &mut total, &mut progress)
                .await
                .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
        }
        Ok(())
    });
    meter.clear();
    block_on(store.close())?;
    let Imported { new, known, parked, operations, audit } = total;
    println!(
        "imported {}, of which parked: {parked}; known already: {known}",
        counted(new, "event")
    );
    if operations > 0 {
        println!("imported {}", counted(operations, "operation"));
    }
    if audit > 0 {
        println!("imported {}", counted(audit, "operator's act"));
    }
    result
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) => Err(Failure::Usage(format!("{} cannot be read: {error}", path.display()))),
    }
}
