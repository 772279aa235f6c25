//! Where the log goes and what it looks like.

mod lines;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Logs to stderr, so that stdout stays for what a command answers. Once per process; a second
/// call changes nothing.
pub fn start(filter: &str, json: bool) {
    // The server library's own start and stop lines are noise; a filter can ask for them.
    let filter = EnvFilter::try_new(format!("actix_server=warn,{filter}"));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let coloured = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(coloured)
        .with_writer(move || lines::Lines { coloured });
    if json {
        log.json().try_init().ok();
    } else {
        log.with_target(false).try_init().ok();
    }
}
