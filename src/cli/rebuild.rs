//! `bursar rebuild`

use crate::cli::count::counted;
use crate::cli::meter::Meter;
use crate::cli::settings::{OfStore, SettingFlags};
use crate::cli::{Failure, block_on, must_exist, open_store, store_folder};
use crate::pipeline::rules::StripeRules;
use crate::store::Store;
use crate::store::embedded::{Embedded, Options};

/// Differences that are named.
const SHOWN: usize = 50;

/// Recompute everything derived from the stored events (the server is stopped)
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bursar rebuild --store ./bursar-data\n  bursar rebuild --check"
)]
pub struct Arguments {
    /// Recompute beside what is there and report differences; exit 1 if there are any
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    settings: SettingFlags<OfStore>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (folder, _) = store_folder(&arguments.settings)?;
    must_exist(&folder)?;
    let mut meter = Meter::default();
    if arguments.check {
        let store = open_store(&folder)?;
        let check = store.check(SHOWN, &mut |at| meter.at(at))?;
        meter.clear();
        block_on(store.close())?;
        return if check.differences.is_empty() {
            println!("compared {}: no differences", counted(check.rows, "derived row"));
            Ok(())
        } else {
            check.differences.iter().for_each(|difference| println!("{difference}"));
            Err(Failure::Failed(
                "the derived records differ from what the journal gives; `bursar rebuild` puts them right"
                    .to_owned(),
            ))
        };
    }
    let records =
        Embedded::rebuild(&folder, Options::default(), &StripeRules, &mut |at| meter.at(at))?;
    meter.clear();
    println!("rebuilt everything derived from {}", counted(records, "journal record"));
    Ok(())
}
