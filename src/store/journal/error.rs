//! What can go wrong with the journal, by what the caller can do about it.

use std::io;
use std::path::PathBuf;

use super::Position;
use super::segment::HeaderError;
use super::window::ReadFailure;
use crate::store::record::{RecordError, TooLong};

/// Why a batch was not appended, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing of the batch counts, the journal is as before, and the batch may be tried again.
    #[error("the journal could not store the batch: {0}")]
    NotStored(#[source] io::Error),
    /// Nothing was written. Trying again is of no use; a smaller batch may fit.
    #[error("the batch cannot be written down: the {0} is too long")]
    TooLong(&'static str),
    /// Whether the batch survives a power cut is unknown and cannot be found out: the kernel may
    /// have dropped the pages. Stop the process; every later append fails like this one.
    #[error("the journal could not be synced, and this process must stop: {0}")]
    SyncFailed(#[source] io::Error),
}

/// Why the journal could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{}: {source}", file.display())]
    Io { file: PathBuf, source: io::Error },
    /// Committed bytes are missing or changed. Needs an operator: repair, or restore a copy.
    #[error("{} is damaged at byte {offset}: {what}{}", file.display(), missing_from(*sequence))]
    Damaged {
        file: PathBuf,
        offset: u64,
        what: String,
        /// The first record that is missing, where that can be known.
        sequence: Option<u64>,
    },
    /// A newer program wrote this; nothing is wrong with it.
    #[error("{} was written by a newer version at byte {offset}: {what}", file.display())]
    NewerFormat { file: PathBuf, offset: u64, what: String },
    /// The position lies behind everything stored: it was noted with another, longer journal.
    #[error("the journal ends before segment {}, byte {}", position.segment, position.offset)]
    BeyondEnd { position: Position },
}

fn missing_from(sequence: Option<u64>) -> String {
    sequence.map_or_else(String::new, |it| format!("; records from sequence {it} on are affected"))
}

impl JournalError {
    pub(super) fn io(file: PathBuf) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { file, source }
    }
    /// Why the record at `offset` could not be read. `sequence` is the one that belongs there.
    pub(super) fn at_record(
        file: PathBuf,
        offset: u64,
        failure: ReadFailure,
        sequence: Option<u64>,
    ) -> Self {
        let what = match failure {
            ReadFailure::Io(source) => return Self::Io { file, source },
            ReadFailure::Record(error @ RecordError::NewerFormat(_)) => {
                return Self::NewerFormat { file, offset, what: error.to_string() };
            }
            ReadFailure::Record(error) => error.to_string(),
            ReadFailure::OutOfPlace(what) => what.to_owned(),
        };
        Self::Damaged { file, offset, what, sequence }
    }

    pub(super) fn at_header(file: PathBuf, error: HeaderError, sequence: Option<u64>) -> Self {
        let what = match error {
            HeaderError::NewerFormat => {
                let what = "the segment's format version is unknown".to_owned();
                return Self::NewerFormat { file, offset: 0, what };
            }
            HeaderError::Blank => "the segment's header is missing",
            HeaderError::Damaged(what) => what,
        };
        Self::damaged(file, 0, what, sequence)
    }

    /// The records from `sequence` to `acknowledged` were stored, and are not there.
    pub(super) fn ends_too_early(
        file: PathBuf,
        offset: u64,
        sequence: u64,
        acknowledged: u64,
    ) -> Self {
        let what =
            format!("the journal ends here, but records up to {acknowledged} were acknowledged");
        Self::Damaged { file, offset, what, sequence: Some(sequence) }
    }

    pub(super) fn damaged(
        file: PathBuf,
        offset: u64,
        what: &'static str,
        sequence: Option<u64>,
    ) -> Self {
        Self::Damaged { file, offset, what: what.to_owned(), sequence }
    }
}

impl From<TooLong> for AppendError {
    fn from(TooLong(what): TooLong) -> Self {
        Self::TooLong(what)
    }
}
