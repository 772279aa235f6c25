//! `bursar verify`

use crate::cli::count::counted;
use crate::cli::meter::Meter;
use crate::cli::settings::{OfStore, SettingFlags};
use crate::cli::{Failure, open_store, store_folder};

/// Faults that are named.
const SHOWN: usize = 50;

/// Check every stored record and everything derived from it (the server is stopped)
#[derive(clap::Args)]
#[command(after_help = "Example:\n  bursar verify --store ./bursar-data")]
pub struct Arguments {
    #[command(flatten)]
    settings: SettingFlags<OfStore>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (folder, _) = store_folder(&arguments.settings)?;
    let store = open_store(&folder)?;
    let mut meter = Meter::default();
    let verified = store.verify(SHOWN, &mut |at| meter.at(at))?;
    meter.clear();
    println!(
        "{}, {} ({} of bodies), {}",
        counted(verified.records, "journal record"),
        counted(verified.events, "event"),
        counted(verified.body_bytes, "byte"),
        counted(verified.derived_rows, "derived row"),
    );
    if verified.faults.is_empty() {
        println!("no faults");
        return Ok(());
    }
    verified.faults.iter().for_each(|fault| println!("{fault}"));
    Err(Failure::Failed(
        "the store has faults; `bursar rebuild` puts derived records right, a damaged journal needs a copy"
            .to_owned(),
    ))
}
