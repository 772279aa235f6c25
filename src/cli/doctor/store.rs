//! The store: whether a server could start on it, and what it says was received.

use crate::cli::doctor::disk;
use crate::cli::doctor::finding::{Findings, Level};
use crate::cli::doctor::server::Server;
use crate::cli::doctor::settings::Wanted;
use crate::store::embedded::Embedded;
use crate::store::{StoreError, Summary};

/// What the partitions hold, test mode first. Does not touch what a server uses.
pub(super) fn check(
    wanted: &Wanted,
    server: Option<&Server>,
    findings: &mut Findings,
) -> Option<[Summary; 2]> {
    let store = wanted.store.as_ref()?;
    disk::check(store, findings);
    if !Embedded::exists(store) {
        findings.note("store", format!("there is none in {} yet", store.display()));
        return None;
    }
    match Embedded::look(store) {
        Ok(Some(summaries)) => {
            findings.good("store", format!("{} can be opened", store.display()));
            return Some(summaries);
        }
        Ok(None) => findings.note(
            "store",
            format!("{} can be opened; the next start recomputes what is derived", store.display()),
        ),
        Err(StoreError::Locked(_)) if server.is_some() => {
            findings.good("store", format!("{} is in use by the server", store.display()));
        }
        Err(error @ StoreError::Locked(_)) => findings.told(
            Level::Warning,
            "store",
            &format!("{error}, or name its server with --url"),
        ),
        Err(StoreError::Damaged(what)) => findings.wrong(
            "store",
            what,
            "`bursar verify` lists all of it; docs/damage.md says what to do",
        ),
        Err(error) => findings.told(Level::Wrong, "store", &error.to_string()),
    }
    None
}
