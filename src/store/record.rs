//! One record of the journal, and its bytes on disk.
//!
//! A record holds what cannot be derived: a delivery as Stripe signed it, or something that
//! happened here to one stored earlier. `docs/journal-format.md` has the layout byte by byte.
//! Decoding is total: whatever the bytes, the answer is a record or a [`RecordError`].
//!
//! **Never in here:** files, clocks, and what an event means.

mod body;

#[cfg(test)]
mod tests;

pub use body::{Encoding, PackedBody};

/// The version this program writes, and the highest it reads.
const FORMAT_VERSION: u8 = 1;

/// Records start at multiples of this, so that a search for them need not try every byte.
pub const ALIGNMENT: usize = 8;

/// Length and checksum, ahead of the payload.
pub const PREFIX_BYTES: usize = 8;

/// Where a record says how its body is encoded.
const ENCODING_AT: usize = PREFIX_BYTES + 3;

/// The first bytes of a record, all that [`Glimpse::of`] looks at.
pub const GLIMPSE_BYTES: usize = 28;

/// The payload of a record without source, event id and body.
const SHORTEST_PAYLOAD: usize = 46;

/// No record takes fewer bytes on disk.
pub const SHORTEST_RECORD: usize = (PREFIX_BYTES + SHORTEST_PAYLOAD).next_multiple_of(ALIGNMENT);

const LIVEMODE: u8 = 0b01;
const LAST_IN_BATCH: u8 = 0b10;
const KNOWN_FLAGS: u8 = LIVEMODE | LAST_IN_BATCH;

/// One thing the journal holds that cannot be derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counts records from 1, without gaps.
    pub sequence: u64,
    /// Counts batches from 1, without gaps. A batch is durable as a whole or not at all.
    pub batch: u64,
    pub last_in_batch: bool,
    /// When the delivery came in, µs since the Unix epoch.
    pub received_at: i64,
    /// When the record was handed to the journal, µs since the Unix epoch.
    pub recorded_at: i64,
    pub livemode: bool,
    pub kind: RecordKind,
    /// The endpoint or path by which it came.
    pub source: String,
    pub event_id: String,
    pub body: PackedBody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// An event on its first arrival.
    Event,
    /// A stored event came again with other content. Names the event; the body is empty.
    ConflictingRedelivery,
    /// A parked event was read again, and could be used. Names the event; the body is empty.
    Redrive,
    /// An event on its first arrival that could not be used then. It stays parked until a redrive,
    /// so that what follows from it takes its place where the redrive stands.
    ParkedEvent,
    /// A step of a call to Stripe. Names the operation; the body is the operation after the step.
    Operation,
    /// What an operator did. Names the entry of the audit trail; the body is the entry.
    Audit,
    /// Personal data of an account is removed from here on, or has been. Names the account; the
    /// body says which.
    Erasure,
    /// What is left of a body that was reduced and does not fit where it was. Names the event or
    /// operation that it is of, which says where this lies.
    MovedBody,
}

impl RecordKind {
    /// Codes are part of the format: add, never renumber.
    fn code(self) -> u8 {
        match self {
            Self::Event => 1,
            Self::ConflictingRedelivery => 2,
            Self::Redrive => 3,
            Self::ParkedEvent => 4,
            Self::Operation => 5,
            Self::Audit => 6,
            Self::Erasure => 7,
            Self::MovedBody => 8,
        }
    }

    pub fn is_event(self) -> bool {
        match self {
            Self::Event | Self::ParkedEvent => true,
            Self::ConflictingRedelivery
            | Self::Redrive
            | Self::Operation
            | Self::Audit
            | Self::Erasure
            | Self::MovedBody => false,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [
            Self::Event,
            Self::ConflictingRedelivery,
            Self::Redrive,
            Self::ParkedEvent,
            Self::Operation,
            Self::Audit,
            Self::Erasure,
            Self::MovedBody,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
    }
}

/// Why bytes are no record, or a body cannot be had from one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("there is no record")]
    Absent,
    #[error("the record is cut short")]
    Truncated,
    #[error("the record's checksum does not match")]
    Checksum,
    #[error("the record's checksum matches, but its {0} makes no sense")]
    Malformed(&'static str),
    #[error("the record was written by a newer version: its {0} is unknown")]
    NewerFormat(&'static str),
    #[error("the body does not unpack to the length it had")]
    Body,
}

/// Which part of a record is longer than the format can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} is too long")]
pub struct TooLong(pub &'static str);

impl Record {
    /// Appends the record's bytes to `out`, padded to [`ALIGNMENT`]. On error `out` is as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let start = out.len();
        let result = self.encode_after(start, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn encode_after(&self, start: usize, out: &mut Vec<u8>) -> Result<(), TooLong> {
        out.extend_from_slice(&[0; PREFIX_BYTES]);
        self.encode_payload(out)?;

        let payload = out.get(start + PREFIX_BYTES..).unwrap_or_default();
        let length = u32::try_from(payload.len()).map_err(|_| TooLong("body"))?;
        let prefix = u64::from(length) | u64::from(crc32c::crc32c(payload)) << 32;
        if let Some(place) = out.get_mut(start..start + PREFIX_BYTES) {
            place.copy_from_slice(&prefix.to_le_bytes());
        }
        let padded_length = (out.len() - start).next_multiple_of(ALIGNMENT);
        out.resize(start + padded_length, 0);
        Ok(())
    }

    fn encode_payload(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let Self {
            sequence,
            batch,
            last_in_batch,
            received_at,
            recorded_at,
            livemode,
            kind,
            source,
            event_id,
            body,
        } = self;
        let source_length = u16::try_from(source.len()).map_err(|_| TooLong("source"))?;
        let event_id_length = u32::try_from(event_id.len()).map_err(|_| TooLong("event id"))?;

        let livemode = if *livemode { LIVEMODE } else { 0 };
        let last_in_batch = if *last_in_batch { LAST_IN_BATCH } else { 0 };
        let flags = livemode | last_in_batch;
        out.extend_from_slice(&[FORMAT_VERSION, kind.code(), flags, body.encoding.code()]);
        out.extend_from_slice(&sequence.to_le_bytes());
        out.extend_from_slice(&batch.to_le_bytes());
        out.extend_from_slice(&received_at.to_le_bytes());
        out.extend_from_slice(&recorded_at.to_le_bytes());
        out.extend_from_slice(&body.plain_length.to_le_bytes());
        out.extend_from_slice(&source_length.to_le_bytes());
        out.extend_from_slice(source.as_bytes());
        out.extend_from_slice(&event_id_length.to_le_bytes());
        out.extend_from_slice(event_id.as_bytes());
        out.extend_from_slice(&body.bytes);
        Ok(())
    }

    /// Reads the record at the start of `bytes`; what follows it is not looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (&prefix, rest) = bytes.split_first_chunk().ok_or(RecordError::Truncated)?;
        let (length, checksum) = split_prefix(prefix);
        if length == 0 {
            return Err(RecordError::Absent);
        }
        let (payload, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(RecordError::Truncated)?;
        if crc32c::crc32c(payload) != checksum {
            return Err(RecordError::Checksum);
        }
        let padding = payload.len().next_multiple_of(ALIGNMENT) - payload.len();
        let padding = rest.get(..padding).ok_or(RecordError::Truncated)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(RecordError::Malformed("padding"));
        }
        Self::decode_payload(payload)
    }

    fn decode_payload(payload: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields(payload);
        match fields.byte()? {
            0 => return Err(RecordError::Malformed("format version")),
            1..=FORMAT_VERSION => {}
            _ => return Err(RecordError::NewerFormat("format version")),
        }
        let kind = RecordKind::from_code(fields.byte()?).ok_or(RecordError::NewerFormat("kind"))?;
        let flags = fields.byte()?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(RecordError::NewerFormat("set of flags"));
        }
        let encoding =
            Encoding::from_code(fields.byte()?).ok_or(RecordError::NewerFormat("encoding"))?;
        let sequence = u64::from_le_bytes(fields.chunk()?);
        let batch = u64::from_le_bytes(fields.chunk()?);
        let received_at = i64::from_le_bytes(fields.chunk()?);
        let recorded_at = i64::from_le_bytes(fields.chunk()?);
        let plain_length = u32::from_le_bytes(fields.chunk()?);
        let source_length = u16::from_le_bytes(fields.chunk()?);
        let source = fields.text(source_length.into(), "source")?;
        let event_id_length = u32::from_le_bytes(fields.chunk()?);
        let event_id = fields.text(event_id_length, "event id")?;
        let body = PackedBody { encoding, plain_length, bytes: fields.0.to_vec() };
        Ok(Self {
            sequence,
            batch,
            last_in_batch: flags & LAST_IN_BATCH != 0,
            received_at,
            recorded_at,
            livemode: flags & LIVEMODE != 0,
            kind,
            source,
            event_id,
            body,
        })
    }
}

/// Bytes on disk of the record that begins with `prefix`; none when no record is there.
pub fn record_length(prefix: [u8; PREFIX_BYTES]) -> Option<u64> {
    let (length, _) = split_prefix(prefix);
    let whole = u64::from(length).saturating_add(PREFIX_BYTES as u64);
    (length != 0).then(|| whole.next_multiple_of(ALIGNMENT as u64))
}

/// Length and checksum of the payload.
pub fn split_prefix(prefix: [u8; PREFIX_BYTES]) -> (u32, u32) {
    let [l0, l1, l2, l3, c0, c1, c2, c3] = prefix;
    (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([c0, c1, c2, c3]))
}

/// The event id in the first bytes of record `sequence`, whatever its checksum says. Nothing
/// vouches for it; it may help a person to find out which event was lost.
pub fn claimed_event_id(bytes: &[u8], sequence: u64) -> Option<String> {
    let record = Record::decode_payload(bytes.get(PREFIX_BYTES..)?).ok()?;
    (record.sequence == sequence).then_some(record.event_id)
}

/// How the body of the record that begins with these bytes is encoded.
pub fn encoding_of(bytes: &[u8]) -> Option<Encoding> {
    bytes.get(ENCODING_AT).and_then(|code| Encoding::from_code(*code))
}

/// What the first bytes of a record claim, before the checksum has been looked at.
///
/// Lets a search for records pass over other bytes without reading the lengths they pretend to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// Bytes on disk.
    pub length: u64,
    pub batch: u64,
}

impl Glimpse {
    /// None when no record of this format version can begin like this.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let (&prefix, payload) = bytes.split_first_chunk()?;
        let length = record_length(prefix)?;
        let mut fields = Fields(payload);
        let [version, kind, flags, encoding] = fields.chunk().ok()?;
        let plausible = length >= SHORTEST_RECORD as u64
            && version == FORMAT_VERSION
            && RecordKind::from_code(kind).is_some()
            && flags & !KNOWN_FLAGS == 0
            && Encoding::from_code(encoding).is_some();
        let _sequence: [u8; 8] = fields.chunk().ok()?;
        let batch = u64::from_le_bytes(fields.chunk().ok()?);
        plausible.then_some(Self { length, batch })
    }
}

/// The rest of a payload, taken from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (&chunk, rest) = self.0.split_first_chunk().ok_or(RecordError::Malformed("length"))?;
        self.0 = rest;
        Ok(chunk)
    }

    fn byte(&mut self) -> Result<u8, RecordError> {
        self.chunk().map(|[byte]| byte)
    }

    fn text(&mut self, length: u32, field: &'static str) -> Result<String, RecordError> {
        let (text, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.0.split_at_checked(length))
            .ok_or(RecordError::Malformed("length"))?;
        self.0 = rest;
        let text = str::from_utf8(text).map_err(|_| RecordError::Malformed(field))?;
        Ok(text.to_owned())
    }
}
