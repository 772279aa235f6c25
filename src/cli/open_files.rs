//! The system's limit of open files, which every connection counts towards.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::app::SPARE_CONNECTIONS;

/// Files that are kept for the store, the log and the runtime: connections must never keep a
/// journal segment from being opened.
const RESERVED: usize = 128;

/// Raises the limit as far as the system lets us, and answers how many of so many connections
/// there can then be.
pub(super) fn connections(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What was there before is used when this fails.
    setrlimit(Resource::Nofile, limit).ok();
    let files = getrlimit(Resource::Nofile).current;
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    let possible = files.saturating_sub(RESERVED + SPARE_CONNECTIONS).max(1);
    if possible < wanted {
        tracing::warn!(
            "only {possible} connections can be served instead of {wanted}: this process may open \
             {files} files; raise the limit (`ulimit -n`, LimitNOFILE)"
        );
    }
    wanted.min(possible)
}
