//! Failures that a test plans for its own thread: the disk answers like a full or a broken one.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Segment files cannot be made.
    Create,
    /// This many bytes still reach the disk; the write that has more fails.
    WriteAfter(usize),
    Sync,
}

thread_local! {
    static PLANNED: Cell<Option<(Fault, u32)>> = const { Cell::new(None) };
}

/// Lets the next `times` calls that `fault` is about fail.
pub(super) fn plan(fault: Fault, times: u32) {
    PLANNED.set(Some((fault, times)));
}

fn due(is_meant: impl FnOnce(Fault) -> bool) -> Option<Fault> {
    let (fault, times) = PLANNED.get().filter(|&(fault, times)| times > 0 && is_meant(fault))?;
    PLANNED.set(Some((fault, times - 1)));
    Some(fault)
}

pub(super) fn on_create() -> io::Result<()> {
    due(|it| it == Fault::Create).map_or(Ok(()), |_| Err(io::ErrorKind::StorageFull.into()))
}

pub(super) fn on_write(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let Some(Fault::WriteAfter(count)) = due(|it| matches!(it, Fault::WriteAfter(_))) else {
        return Ok(());
    };
    let written = count.min(bytes.len());
    file.write_all_at(&bytes[..written], offset)?;
    let times_left = PLANNED.get().map_or(0, |(_, times)| times);
    plan(Fault::WriteAfter(count - written), times_left);
    Err(io::ErrorKind::StorageFull.into())
}

pub(super) fn on_sync() -> io::Result<()> {
    due(|it| it == Fault::Sync).map_or(Ok(()), |_| Err(io::Error::other("the disk is gone")))
}
