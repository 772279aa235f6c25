//! `bursar completions`

use std::io::{ErrorKind, Write};

use clap_complete::Shell;

use crate::cli::Failure;

/// Print completions for a shell
#[derive(clap::Args)]
#[command(after_help = "Example:\n  bursar completions bash > /etc/bash_completion.d/bursar")]
pub struct Arguments {
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut completions = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::command(), "bursar", &mut completions);
    match std::io::stdout().write_all(&completions) {
        // Who looks at the beginning only has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
