//! The image of its memory that the system keeps of a process that crashes.

use rustix::process::{Resource, getrlimit, setrlimit};

/// There is to be none: secrets and bodies would stand in it. Who needs one to find a fault raises
/// the limit of the running process (`prlimit --core`).
pub(super) fn forbid() {
    let mut limit = getrlimit(Resource::Core);
    limit.current = Some(0);
    // A lower limit is always allowed.
    setrlimit(Resource::Core, limit).ok();
}
