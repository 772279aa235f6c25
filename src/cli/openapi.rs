//! `bursar openapi`

use std::io::{ErrorKind, Write};

use crate::app::described;
use crate::cli::Failure;

/// Print the description of the HTTP API, an OpenAPI 3.1 document
#[derive(clap::Args)]
#[command(after_help = "Example:\n  bursar openapi > openapi.json")]
pub struct Arguments {}

pub fn run(_: &Arguments) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{:#}", described()) {
        // Who looks at the beginning only has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
