//! Reading events back from the journal, as records, as events and as reports.

use serde::de::DeserializeOwned;

use crate::domain::audit::Audit;
use crate::domain::event::{Arrival, Event, Reading, Report, Says};
use crate::domain::id::ObjectKey;
use crate::domain::operation::Operation;
use crate::domain::time::Timestamp;
use crate::store::erasure::ErasureStep;
use crate::store::journal::JournalReader;
use crate::store::record::{Record, RecordKind};
use crate::store::views::{StoredEvent, Views};
use crate::store::{EventRecord, Rules, StoreError};

/// What the journal says of an event beside its body.
pub(super) struct Header {
    pub(super) sequence: u64,
    pub(super) livemode: bool,
    pub(super) received_at: Timestamp,
    pub(super) recorded_at: Timestamp,
    pub(super) source: String,
}

impl Header {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            sequence: record.sequence,
            livemode: record.livemode,
            received_at: Timestamp(record.received_at),
            recorded_at: Timestamp(record.recorded_at),
            source: record.source.clone(),
        }
    }
}

/// What a record tells.
#[expect(clippy::large_enum_variant, reason = "nearly all records are events")]
pub(super) enum Told {
    Event(Event),
    ConflictingRedelivery,
    Redrive,
    Operation(Box<Operation>),
    Audit(Box<Audit>),
    Erasure(ErasureStep),
    /// It belongs to another record.
    Nothing,
}

impl Told {
    pub(super) fn by(record: &Record, rules: &dyn Rules) -> Result<Self, StoreError> {
        Ok(match record.kind {
            RecordKind::Event => Self::Event(stored_event(rules, record)?),
            RecordKind::ParkedEvent => Self::Event(still_parked(stored_event(rules, record)?)),
            RecordKind::ConflictingRedelivery => Self::ConflictingRedelivery,
            RecordKind::Redrive => Self::Redrive,
            RecordKind::Operation => Self::Operation(Box::new(stored_operation(record)?)),
            RecordKind::Audit => Self::Audit(Box::new(of_json(record, "audit entry")?)),
            RecordKind::Erasure => Self::Erasure(of_json(record, "erasure of")?),
            RecordKind::MovedBody => Self::Nothing,
        })
    }
}

/// What these rules make of an event in the journal.
pub(super) fn stored_event(rules: &dyn Rules, record: &Record) -> Result<Event, StoreError> {
    let body = record
        .body
        .unpack()
        .map_err(|error| StoreError::Damaged(format!("event {}: {error}", record.event_id)))?;
    let read = rules.read(&body, Timestamp(record.received_at));
    let event = read.unwrap_or_else(|| Event {
        id: record.event_id.clone(),
        event_type: "unknown".to_owned(),
        created: None,
        livemode: None,
        account: None,
        api_version: None,
        object_id: None,
        evidence: Vec::new(),
        reading: Reading::Parked { reason: "this version cannot read the event".to_owned() },
    });
    Ok(in_partition(event, record.livemode))
}

/// An operation as a record of the journal has it.
pub(super) fn stored_operation(record: &Record) -> Result<Operation, StoreError> {
    of_json(record, "operation")
}

/// What a record of the journal has as JSON.
fn of_json<T: DeserializeOwned>(record: &Record, what: &str) -> Result<T, StoreError> {
    let damaged = |why: String| {
        let (id, sequence) = (&record.event_id, record.sequence);
        StoreError::Damaged(format!("{what} {id} (record {sequence}): {why}"))
    };
    let body = record.body.unpack().map_err(|error| damaged(error.to_string()))?;
    serde_json::from_slice(&body).map_err(|error| damaged(error.to_string()))
}

/// Parks an event whose object would lie where no read of the event's partition looks.
pub(super) fn in_partition(event: Event, livemode: bool) -> Event {
    match &event.reading {
        Reading::Report { object, .. } if object.livemode != livemode => {
            parked(event, "`livemode` is not that of the partition")
        }
        Reading::Report { .. } | Reading::Ignored | Reading::Parked { .. } => event,
    }
}

/// Keeps an event parked that could be used by now: a redrive has to say so.
fn still_parked(event: Event) -> Event {
    match event.reading {
        Reading::Parked { .. } => event,
        Reading::Report { .. } | Reading::Ignored => {
            parked(event, "it could not be used when it came, and was not redriven since")
        }
    }
}

fn parked(event: Event, reason: &str) -> Event {
    Event { reading: Reading::Parked { reason: reason.to_owned() }, ..event }
}

/// An event's record, read back from the journal; never another's.
pub(super) fn stored_record(
    journal: &JournalReader,
    event: &StoredEvent,
) -> Result<Record, StoreError> {
    let record = journal.read(event.position)?;
    if record.sequence == event.record.sequence && record.event_id == event.record.id {
        return Ok(record);
    }
    Err(StoreError::Damaged(format!(
        "where event {} should lie is record {}, of event {}; `bursar verify` finds what is wrong",
        event.record.id, record.sequence, record.event_id
    )))
}

/// A report read back from the journal.
pub(super) fn stored_report(
    views: &Views,
    journal: &JournalReader,
    rules: &dyn Rules,
    key: &ObjectKey,
    sequence: u64,
) -> Result<Report, StoreError> {
    let missing = |what: &str| {
        StoreError::Damaged(format!("event {sequence} {what}; `bursar verify` finds what is wrong"))
    };
    let event = views.event(key.livemode, sequence)?.ok_or_else(|| missing("is not indexed"))?;
    let record = stored_record(journal, &event)?;
    let body = record.body.unpack().map_err(|_| missing("does not unpack"))?;
    match rules.read(&body, Timestamp(record.received_at)).map(|read| read.reading) {
        Some(Reading::Report { created, says, .. }) => {
            let EventRecord { id, event_type, .. } = &event.record;
            Ok(report(&Header::of(&record), id, event_type, created, says))
        }
        _ => Err(missing("does not read as it did")),
    }
}

pub(super) fn report(
    header: &Header,
    id: &str,
    event_type: &str,
    created: u64,
    says: Says,
) -> Report {
    Report {
        event_id: id.to_owned(),
        event_type: event_type.to_owned(),
        created,
        says,
        arrival: Arrival {
            sequence: header.sequence,
            received_at: header.received_at,
            recorded_at: header.recorded_at,
            source: header.source.clone(),
        },
    }
}
