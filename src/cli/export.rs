//! `bursar export`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::count::counted;
use crate::cli::meter::Meter;
use crate::cli::settings::{OfStore, SettingFlags};
use crate::cli::{Failure, block_on, must_exist, open_store, store_folder};
use crate::pipeline::portable;
use crate::store::SharedStore;

/// Write every stored event as a line of JSON (the server is stopped)
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bursar export events.jsonl\n  bursar export | zstd > events.jsonl.zst"
)]
pub struct Arguments {
    /// File to write; `-` is stdout
    #[arg(default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    settings: SettingFlags<OfStore>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (folder, _) = store_folder(&arguments.settings)?;
    must_exist(&folder)?;
    let store: SharedStore = Arc::new(open_store(&folder)?);
    let mut out: BufWriter<Box<dyn Write>> = BufWriter::new(if arguments.file.as_os_str() == "-" {
        Box::new(std::io::stdout())
    } else {
        let file = create(&arguments.file).map_err(|error| {
            Failure::Failed(format!("{} cannot be written: {error}", arguments.file.display()))
        })?;
        Box::new(file)
    });
    let mut meter = Meter::default();
    let count = block_on(async {
        let count =
            portable::export(&store, &mut out, &mut |count| meter.count("events exported", count))
                .await;
        store.close().await?;
        count.map_err(|error| Failure::Failed(error.to_string()))
    })?;
    meter.clear();
    eprintln!("exported {}", counted(count, "event"));
    Ok(())
}

/// A file for the raw bodies, which tell of people: a new one is closed to other users.
fn create(path: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}
