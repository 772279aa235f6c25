//! Moving events between stores: one JSON object a line, engine-neutral.
//!
//! `{"id", "livemode", "received_at", "source", "flags", "body"}`, where `body` is the raw body as
//! a string, byte for byte. After the events come the operations, `{"operation": {...}}` each: what
//! is wanted of Stripe, and under which key, follows from nothing else. The audit trail can follow,
//! `{"audit": {...}}` each. All the rest is derived again on the other side.

pub mod audit;
mod operations;

use std::io::{BufRead, Write};
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::format_description::well_known::{Iso8601, Rfc3339};

use crate::domain::event::Outcome;
use crate::domain::time::Timestamp;
use crate::store::{Incoming, PackedBody, SharedStore, StoreError};
use crate::stripe::wire;

/// Events that travel together.
const CHUNK: usize = 500;
const CHUNK_BYTES: usize = 8 << 20;
const CONFLICTING_REDELIVERY: &str = "conflicting_redelivery";
/// Of the body only what the rules read is left; it is compared with no other.
const ERASED: &str = "erased";

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: std::borrow::Cow<'a, str>,
    #[serde(default)]
    livemode: Option<bool>,
    #[serde(default)]
    received_at: Option<String>,
    #[serde(default)]
    source: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    flags: Vec<std::borrow::Cow<'a, str>>,
    body: std::borrow::Cow<'a, str>,
}

#[derive(Debug, thiserror::Error)]
pub enum PortableError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the file cannot be read or written: {0}")]
    File(#[from] std::io::Error),
    /// Everything before the line was imported.
    #[error(
        "line {line}: {why}; the lines before it are imported: mend it and import again, which does no harm"
    )]
    Line { line: usize, why: String },
}

/// Writes every event and operation of both partitions; answers how many events.
pub async fn export(
    store: &SharedStore,
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, PortableError> {
    let (mut after, mut count) = (0, 0);
    loop {
        let events = store.scan(after, CHUNK).await?;
        let Some((last, _)) = events.last() else {
            operations::export(store, out).await?;
            out.flush()?;
            return Ok(count);
        };
        after = last.sequence;
        for (record, body) in events {
            let body = String::from_utf8(body).map_err(|_| {
                StoreError::Damaged(format!("the body of {} is not UTF-8", record.id))
            })?;
            let conflicting = record.conflicting_redelivery.then_some(CONFLICTING_REDELIVERY);
            let flags = conflicting.into_iter().chain(record.erased.then_some(ERASED));
            let line = Line {
                id: record.id.into(),
                livemode: Some(record.livemode),
                received_at: Some(to_rfc3339(record.received_at)),
                source: Some(record.source.into()),
                flags: flags.map(Into::into).collect(),
                body: body.into(),
            };
            serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
            count += 1;
        }
        progress(count);
    }
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub new: u64,
    pub known: u64,
    pub parked: u64,
    /// Operations that are new here, or have moved on.
    pub operations: u64,
    /// Entries of the audit trail that are new here, or whose outcome is.
    pub audit: u64,
}

/// What a line without these gets.
pub struct Defaults {
    pub now: Timestamp,
    pub livemode: bool,
}

/// Imports lines, and counts them in `imported`; events that are known already are left as they
/// are.
pub async fn import(
    store: &SharedStore,
    lines: impl BufRead,
    defaults: &Defaults,
    imported: &mut Imported,
    progress: &mut dyn FnMut(u64),
) -> Result<(), PortableError> {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    for (index, line) in lines.split(b'\n').enumerate() {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        if let Some(operation) = operations::of_line(&line) {
            store_chunk(store, &mut chunk, imported).await?;
            let operation =
                operation.map_err(|why| PortableError::Line { line: index + 1, why })?;
            imported.operations += u64::from(operations::adopt(store, operation).await?);
            continue;
        }
        if let Some(entry) = audit::of_line(&line) {
            store_chunk(store, &mut chunk, imported).await?;
            let entry = entry.map_err(|why| PortableError::Line { line: index + 1, why })?;
            imported.audit += u64::from(store.audit(entry).await?);
            continue;
        }
        match incoming(&line, defaults) {
            Ok(incoming) => {
                bytes += incoming.body.stored_length();
                chunk.push(incoming);
            }
            Err(why) => {
                store_chunk(store, &mut chunk, imported).await?;
                return Err(PortableError::Line { line: index + 1, why });
            }
        }
        if chunk.len() == CHUNK || bytes > CHUNK_BYTES {
            store_chunk(store, &mut chunk, imported).await?;
            bytes = 0;
            progress(imported.new + imported.known);
        }
    }
    store_chunk(store, &mut chunk, imported).await?;
    Ok(())
}

async fn store_chunk(
    store: &SharedStore,
    chunk: &mut Vec<Incoming>,
    imported: &mut Imported,
) -> Result<(), StoreError> {
    if chunk.is_empty() {
        return Ok(());
    }
    for receipt in store.commit(std::mem::take(chunk)).await? {
        match receipt.outcome {
            Outcome::Duplicate => imported.known += 1,
            Outcome::Parked => {
                imported.new += 1;
                imported.parked += 1;
            }
            Outcome::Applied | Outcome::Stale | Outcome::Unchanged | Outcome::Ignored => {
                imported.new += 1;
            }
        }
    }
    Ok(())
}

fn incoming(line: &[u8], defaults: &Defaults) -> Result<Incoming, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| form_of(&error))?;
    let received_at = match &line.received_at {
        Some(text) => from_rfc3339(text).ok_or("`received_at` is not an RFC 3339 time")?,
        None => defaults.now,
    };
    let body = line.body.as_bytes();
    let event = wire::read(body, received_at).map_err(|error| error.to_string())?;
    if event.id != line.id {
        return Err(format!("`id` is {}, but the body's is {}", line.id, event.id));
    }
    if line.livemode.zip(event.livemode).is_some_and(|(line, body)| line != body) {
        return Err("`livemode` is not the body's".to_owned());
    }
    let has = |wanted: &str| line.flags.iter().any(|flag| flag == wanted);
    Ok(Incoming {
        livemode: line.livemode.or(event.livemode).unwrap_or(defaults.livemode),
        event,
        received_at,
        source: line.source.as_deref().unwrap_or("import").to_owned(),
        body: if has(ERASED) { PackedBody::pack_reduced(body) } else { PackedBody::pack(body) },
        conflicting_redelivery: has(CONFLICTING_REDELIVERY),
    })
}

/// serde's message repeats the value that it could not use.
fn form_of(error: &serde_json::Error) -> String {
    format!("it is not of the form of an exported line at column {}", error.column())
}

/// RFC 3339 with always six digits, so that the texts sort as the times do.
const MICROSECONDS: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second { decimal_digits: NonZeroU8::new(6) })
    .encode();

/// RFC 3339 in UTC, with microseconds.
pub fn to_rfc3339(moment: Timestamp) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(moment.0) * 1000);
    let format = &Iso8601::<MICROSECONDS>;
    moment.ok().and_then(|moment| moment.format(format).ok()).unwrap_or_default()
}

pub fn from_rfc3339(text: &str) -> Option<Timestamp> {
    let nanoseconds = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanoseconds.div_euclid(1000)).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_six_digits_and_read_back() {
        for (moment, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_790_000_000_120_000, "2026-09-21T14:13:20.120000Z"),
            (1_790_000_000_000_001, "2026-09-21T14:13:20.000001Z"),
        ] {
            assert_eq!(to_rfc3339(Timestamp(moment)), text);
            assert_eq!(from_rfc3339(text), Some(Timestamp(moment)));
        }
        assert_eq!(from_rfc3339("1970-01-01T01:00:00+01:00"), Some(Timestamp(0)));
        assert_eq!(from_rfc3339("yesterday"), None);
    }
}
