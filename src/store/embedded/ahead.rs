//! Reads the journal ahead of who folds it: reading, unpacking and parsing take about as long as
//! folding, so a thread of its own does them.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use crate::store::journal::{Position, Scan};
use crate::store::record::{PackedBody, Record};
use crate::store::stored::Told;
use crate::store::{Rules, StoreError};

/// Records that are handed over together, so that threads seldom wait for each other.
const RECORDS_PER_CHUNK: usize = 64;
/// Chunks that may wait. Bodies are not kept, so that they take little.
const CHUNKS_AHEAD: usize = 4;

/// A record of the journal, without its body.
pub(super) struct Read {
    pub(super) position: Position,
    pub(super) record: Record,
    pub(super) told: Told,
}

type Chunk = Result<Vec<Read>, StoreError>;

/// All that a scan gives, in its order. The first error is the last item.
pub(super) fn read_ahead<'scope>(
    scope: &'scope Scope<'scope, '_>,
    scan: Scan,
    rules: &'scope dyn Rules,
) -> Result<impl Iterator<Item = Result<Read, StoreError>> + use<>, StoreError> {
    let (chunks, read): (SyncSender<Chunk>, Receiver<Chunk>) = sync_channel(CHUNKS_AHEAD);
    Builder::new()
        .name("bursar-ahead".to_owned())
        .spawn_scoped(scope, move || hand_over(scan, rules, &chunks))
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(read.into_iter().flat_map(|chunk| match chunk {
        Ok(records) => records.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    }))
}

/// Ends early when nobody listens any more.
fn hand_over(scan: Scan, rules: &dyn Rules, chunks: &SyncSender<Chunk>) {
    let mut chunk = Vec::with_capacity(RECORDS_PER_CHUNK);
    for read in scan.map(|read| of_record(rules, read?)) {
        match read {
            Ok(read) => chunk.push(read),
            Err(error) => {
                // What comes before the error counts all the same.
                if chunks.send(Ok(chunk)).is_ok() {
                    chunks.send(Err(error)).ok();
                }
                return;
            }
        }
        if chunk.len() == RECORDS_PER_CHUNK {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(RECORDS_PER_CHUNK));
            if chunks.send(Ok(full)).is_err() {
                return;
            }
        }
    }
    chunks.send(Ok(chunk)).ok();
}

fn of_record(rules: &dyn Rules, read: (Position, Record)) -> Result<Read, StoreError> {
    let (position, mut record) = read;
    let told = Told::by(&record, rules)?;
    record.body = PackedBody::pack(&[]);
    Ok(Read { position, record, told })
}
