//! The audit trail on its way between stores.

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::domain::audit::Audit;
use crate::pipeline::portable::{CHUNK, PortableError};
use crate::store::{AuditFilter, SharedStore, Slice, StoreError};

/// How a line with an entry begins.
const BEGINNING: &[u8] = br#"{"audit":"#;

#[derive(Serialize, Deserialize)]
struct Line {
    audit: Audit,
}

/// Writes every entry as it stands, the oldest first; answers how many.
pub async fn export(store: &SharedStore, out: &mut impl Write) -> Result<u64, PortableError> {
    let (mut from, mut count) = (None, 0);
    loop {
        let filter = AuditFilter { oldest_first: true, ..AuditFilter::default() };
        let page = store.audit_trail(filter, Slice { from, limit: CHUNK }).await?;
        for audit in page.items {
            serde_json::to_writer(&mut *out, &Line { audit }).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
            count += 1;
        }
        from = page.next;
        if from.is_none() {
            out.flush()?;
            return Ok(count);
        }
    }
}

/// Whether there is any entry.
pub async fn is_empty(store: &SharedStore) -> Result<bool, StoreError> {
    let slice = Slice { from: None, limit: 1 };
    Ok(store.audit_trail(AuditFilter::default(), slice).await?.items.is_empty())
}

/// The entry of a line; `None` when it holds none.
pub(super) fn of_line(line: &[u8]) -> Option<Result<Audit, String>> {
    line.trim_ascii_start().starts_with(BEGINNING).then(|| {
        let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        Ok(line.audit)
    })
}
