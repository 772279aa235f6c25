//! `bursar repair`

use std::path::Path;

use crate::cli::meter::Meter;
use crate::cli::settings::{OfStore, SettingFlags};
use crate::cli::{Failure, must_exist, store_folder};
use crate::store::embedded::{Embedded, Options, Survey};

/// Lost records and faults that are printed; the file has all of them.
const SHOWN: usize = 50;

/// Say what a damaged journal has lost, and make a new one of the rest (the server is stopped)
///
/// Without --apply nothing is changed: it lists what cannot be read, and ends with 1 if there is
/// any damage. With --apply it writes a new journal of every record that can be read, and moves
/// the damaged files to a folder damaged-N in the store, with a list of what is lost in the file
/// LOST. Nothing is deleted. Cut off, it can be run again.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  bursar repair --store ./bursar-data\n  bursar repair --apply")]
pub struct Arguments {
    /// Exchange the damaged journal for a new one of what can be read
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    settings: SettingFlags<OfStore>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (folder, _) = store_folder(&arguments.settings)?;
    must_exist(&folder)?;
    if arguments.apply { apply(&folder) } else { check(&folder) }
}

fn check(folder: &Path) -> Result<(), Failure> {
    let mut meter = Meter::default();
    let survey = Embedded::survey(folder, &mut |at| meter.at(at))?;
    meter.clear();
    print(&survey);
    if survey.is_sound() {
        println!("no damage: nothing to repair");
        return Ok(());
    }
    Err(Failure::Failed(
        "the journal is damaged; restore a copy if you have a good one, or let `bursar repair \
         --apply` keep what can be read and set the damaged files aside"
            .to_owned(),
    ))
}

fn apply(folder: &Path) -> Result<(), Failure> {
    let mut meter = Meter::default();
    let repaired = Embedded::repair(folder, Options::default(), &mut |at| meter.at(at))?;
    meter.clear();
    let Some(repaired) = repaired else {
        println!("no damage: nothing to repair");
        return Ok(());
    };
    print(&repaired.survey);
    println!(
        "the new journal has all {} records that could be read; the damaged files and the list of what \
         is lost (LOST) are in {}",
        repaired.survey.records,
        repaired.aside.display()
    );
    println!(
        "next: `bursar serve` recomputes everything derived; have Stripe send the lost events again, or \
         import or replay them from elsewhere; readers of the change feed are told to begin anew"
    );
    Ok(())
}

/// Everything that is damaged in the journal, for a command that met some of it.
pub(super) fn print_damage(folder: &Path) {
    let mut meter = Meter::default();
    let survey = Embedded::survey(folder, &mut |at| meter.at(at));
    meter.clear();
    // Where not even this can be read, the command says why.
    if let Ok(survey) = survey {
        print(&survey);
    }
}

fn print(survey: &Survey) {
    println!("{} journal records can be read, {} of them events", survey.records, survey.events);
    if survey.unfinished_bytes > 0 {
        println!(
            "{} bytes at the end are of an unfinished commit, which was never acknowledged",
            survey.unfinished_bytes
        );
    }
    if survey.repeated > 0 {
        println!("{} events lie there a second time, and are not kept", survey.repeated);
    }
    survey.gaps.iter().take(SHOWN).for_each(|gap| println!("{gap}"));
    survey.lost.iter().take(SHOWN).for_each(|lost| println!("{lost}"));
    let left_out = [survey.gaps.len(), survey.lost.len()].map(|count| count.saturating_sub(SHOWN));
    if left_out != [0, 0] {
        let [gaps, lost] = left_out;
        println!("and {gaps} more damaged places and {lost} more lost records");
    }
}
