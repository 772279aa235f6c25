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
use crate::pipeline::portable::{self, PortableError, audit};
use crate::store::SharedStore;

/// Write every stored event as a line of JSON (the server is stopped)
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bursar export events.jsonl\n  bursar export | zstd > events.jsonl.zst\n  bursar export --audit everything.jsonl"
)]
pub struct Arguments {
    /// File to write; `-` is stdout
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Write what operators did, too: the audit trail, behind the events
    #[arg(long)]
    audit: bool,
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
    let (count, acts) = block_on(async {
        let mut progress = |count| meter.count("events exported", count);
        let counts = everything(arguments.audit, &store, &mut out, &mut progress).await;
        store.close().await?;
        counts.map_err(|error| Failure::Failed(error.to_string()))
    })?;
    meter.clear();
    eprintln!("exported {}", counted(count, "event"));
    match acts {
        Acts::Written(0) | Acts::None => {}
        Acts::Written(acts) => eprintln!("exported {}", counted(acts, "operator's act")),
        Acts::LeftOut => eprintln!("the audit trail is left out; `--audit` takes it along"),
    }
    Ok(())
}

/// A file for the raw bodies, which tell of people: a new one is closed to other users.
fn create(path: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// What became of the audit trail.
enum Acts {
    Written(u64),
    LeftOut,
    None,
}

async fn everything(
    with_audit: bool,
    store: &SharedStore,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(u64, Acts), PortableError> {
    let count = portable::export(store, out, progress).await?;
    let acts = match with_audit {
        true => Acts::Written(audit::export(store, out).await?),
        false if audit::is_empty(store).await? => Acts::None,
        false => Acts::LeftOut,
    };
    Ok((count, acts))
}
