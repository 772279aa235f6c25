//! `bursar healthcheck`

use crate::cli::remote::{CA_HELP, Place, URL_HELP};
use crate::cli::settings::{Nearby, SettingFlags};
use crate::cli::{Failure, block_on};
use crate::config::Checker;

/// Ask a running server whether it can take work; exit 0 if so (for containers)
#[derive(clap::Args)]
#[command(after_help = "Example:\n  bursar healthcheck --bind 127.0.0.1:8787")]
pub struct Arguments {
    #[arg(long, help = URL_HELP)]
    url: Option<String>,
    #[arg(long, value_name = "FILE", help = CA_HELP)]
    ca: Option<String>,
    #[command(flatten)]
    settings: SettingFlags<Nearby>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.settings.gather();
    let mut checker = Checker::new(&settings);
    let place = Place::of(arguments.url.as_ref(), arguments.ca.as_ref(), &mut checker);
    checker.finish()?;
    let place = place.ok_or(Failure::Said)?;
    block_on(async {
        let answer = place.server_that_is_told_nothing()?.get("/readyz", None).await?;
        if answer.is_success() { Ok(()) } else { Err(Failure::Failed(answer.problem())) }
    })
}
