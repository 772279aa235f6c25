//! Where the log goes and what it looks like.

use tracing_subscriber::EnvFilter;

/// Logs to stderr, so that stdout stays for what a command answers. Once per process; a second
/// call changes nothing.
pub fn start(filter: &str, json: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        log.json().try_init().ok();
    } else {
        log.with_target(false).try_init().ok();
    }
}
