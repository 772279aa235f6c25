//! `bursar verify`

use std::path::Path;

use crate::cli::count::counted;
use crate::cli::meter::Meter;
use crate::cli::settings::{OfStore, SettingFlags};
use crate::cli::{Failure, block_on, must_exist, open_store, repair, store_folder};
use crate::store::embedded::Verified;
use crate::store::{Store, StoreError};

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
    must_exist(&folder)?;
    let result = verify(&folder);
    if let Err(StoreError::Damaged(_)) = result {
        repair::print_damage(&folder);
    }
    let verified = result?;
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
        "the store has faults; `bursar rebuild` puts derived records right, `bursar repair` the journal"
            .to_owned(),
    ))
}

fn verify(folder: &Path) -> Result<Verified, StoreError> {
    let store = open_store(folder)?;
    let mut meter = Meter::default();
    let verified = store.verify(SHOWN, &mut |at| meter.at(at))?;
    meter.clear();
    block_on(store.close())?;
    Ok(verified)
}
