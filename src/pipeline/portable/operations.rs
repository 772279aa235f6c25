//! Operations on their way between stores.

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::domain::operation::Operation;
use crate::pipeline::portable::{CHUNK, PortableError, form_of};
use crate::store::{Advanced, Begun, OperationFilter, SharedStore, Slice, StoreError};

/// How a line with an operation begins.
const BEGINNING: &[u8] = br#"{"operation":"#;

#[derive(Serialize, Deserialize)]
struct Line {
    operation: Operation,
}

/// Writes every operation of both partitions as it stands, the oldest first.
pub(super) async fn export(store: &SharedStore, out: &mut impl Write) -> Result<(), PortableError> {
    for livemode in [false, true] {
        let mut from = None;
        loop {
            let filter = OperationFilter { oldest_first: true, ..OperationFilter::default() };
            let slice = Slice { from, limit: CHUNK };
            let page = store.operations(livemode, filter, slice).await?;
            for operation in page.items {
                serde_json::to_writer(&mut *out, &Line { operation })
                    .map_err(std::io::Error::from)?;
                out.write_all(b"\n")?;
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// The operation of a line; `None` when it holds none.
pub(super) fn of_line(line: &[u8]) -> Option<Result<Operation, String>> {
    line.trim_ascii_start().starts_with(BEGINNING).then(|| {
        let line: Line = serde_json::from_slice(line).map_err(|error| form_of(&error))?;
        Ok(line.operation)
    })
}

/// Takes an operation in, unless it is known to have come as far, or further. Answers whether
/// anything was new.
pub(super) async fn adopt(store: &SharedStore, operation: Operation) -> Result<bool, StoreError> {
    match store.begin(operation.clone()).await? {
        Begun::New(_) => Ok(true),
        Begun::Known(known) if known.id == operation.id && known.version < operation.version => {
            let advanced = store.advance(operation, known.version).await?;
            Ok(matches!(advanced, Advanced::Recorded(_)))
        }
        Begun::Known(known) if known.id == operation.id => Ok(false),
        Begun::Known(other) | Begun::Taken(other) => {
            tracing::warn!(
                operation.id = %operation.id,
                other = %other.id,
                "an operation was left out: another one here has its key or its reference"
            );
            Ok(false)
        }
    }
}
