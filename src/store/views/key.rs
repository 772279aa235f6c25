//! The keys of the rows. Numbers are big-endian so that rows sort by them.

use sha2::{Digest, Sha256};

use crate::domain::id::{Kind, ObjectKey};
use crate::store::StoreError;

pub(super) const APPLIED: &[u8] = b"m";
/// Longer ids are keyed by their hash: nobody promises that an id is short.
const LONGEST_ID_IN_A_KEY: usize = 255;

pub(super) fn event_id(livemode: bool, id: &str) -> Vec<u8> {
    named(b'e', livemode, id)
}

fn named(letter: u8, livemode: bool, id: &str) -> Vec<u8> {
    let mut key = vec![letter, u8::from(livemode)];
    if id.len() <= LONGEST_ID_IN_A_KEY {
        key.extend_from_slice(id.as_bytes());
    } else {
        key.push(0);
        key.extend_from_slice(&Sha256::digest(id));
    }
    key
}

pub(super) fn event_row(livemode: bool, row: u64) -> Vec<u8> {
    with_sequence(&[b'n', u8::from(livemode)], row)
}

pub(super) fn parked(livemode: bool, sequence: u64) -> Vec<u8> {
    with_sequence(&[b'p', u8::from(livemode)], sequence)
}

pub(super) fn summary(livemode: bool) -> Vec<u8> {
    vec![b's', u8::from(livemode)]
}

pub(super) fn list_row(livemode: bool, kind: Kind, row: u64) -> Vec<u8> {
    with_sequence(&[b'l', u8::from(livemode), code(kind)], row)
}

pub(super) fn operation(livemode: bool, id: &str) -> Vec<u8> {
    named(b'a', livemode, id)
}

/// By the caller's idempotency key.
pub(super) fn operation_of_key(livemode: bool, client_key: &str) -> Vec<u8> {
    named(b'k', livemode, client_key)
}

pub(super) fn tag(livemode: bool, name: &str) -> Vec<u8> {
    named(b't', livemode, name)
}

pub(super) fn evidence(livemode: bool, operation: &str) -> Vec<u8> {
    named(b'v', livemode, operation)
}

pub(super) fn erasure(livemode: bool, account: &str) -> Vec<u8> {
    named(b'x', livemode, account)
}

/// All of them.
pub(super) fn erasures() -> std::ops::Range<Vec<u8>> {
    vec![b'x']..vec![b'x' + 1]
}

pub(super) fn listed_operation(livemode: bool, sequence: u64) -> Vec<u8> {
    with_sequence(&[b'i', u8::from(livemode)], sequence)
}

pub(super) fn open_operation(livemode: bool, sequence: u64) -> Vec<u8> {
    with_sequence(&[b'q', u8::from(livemode)], sequence)
}

/// By an object that it made, or is about.
pub(super) fn operation_about(livemode: bool, object: &str, sequence: u64) -> Vec<u8> {
    let object = named(b'b', livemode, object);
    // No object's rows are among another's.
    let length = u32::try_from(object.len()).unwrap_or(u32::MAX);
    let prefix = [b"b".as_slice(), length.to_be_bytes().as_slice(), &object].concat();
    with_sequence(&prefix, sequence)
}

/// The audit trail is one for both partitions.
pub(super) fn audit(sequence: u64) -> Vec<u8> {
    with_sequence(b"u", sequence)
}

pub(super) fn audit_id(id: &str) -> Vec<u8> {
    named(b'w', false, id)
}

/// Each part carries its length, so that no object's key is the beginning of another's.
pub(super) fn object(key: &ObjectKey) -> Vec<u8> {
    let ObjectKey { livemode, kind, owner, id } = key;
    let owner = owner.as_deref().unwrap_or("");
    let mut row = vec![b'o', u8::from(*livemode), code(*kind)];
    for part in [owner, id.as_str()] {
        row.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        row.extend_from_slice(part.as_bytes());
    }
    row
}

fn with_sequence(prefix: &[u8], sequence: u64) -> Vec<u8> {
    [prefix, &sequence.to_be_bytes()].concat()
}

pub(super) fn last_sequence(row: &[u8]) -> Result<u64, StoreError> {
    match row.last_chunk::<8>() {
        Some(bytes) => Ok(u64::from_be_bytes(*bytes)),
        None => Err(StoreError::Damaged("an index row is too short".to_owned())),
    }
}

fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Account => 1,
        Kind::Topup => 2,
        Kind::Transfer => 3,
        Kind::Payout => 4,
        Kind::Balance => 5,
    }
}

/// Whether rows with this key are compressed.
pub(super) fn is_packed(row: &[u8]) -> bool {
    matches!(row, [b'n' | b'o' | b'a', ..])
}

/// What a row is about, in words; for reports of differences.
pub(super) fn describe(row: &[u8]) -> String {
    let of = match row.first() {
        Some(b'e') => "event id",
        Some(b'n') => "event records",
        Some(b'o') => "object state",
        Some(b'l') => "list index",
        Some(b'p') => "parked index",
        Some(b's') => "summary",
        Some(b'a') => "operation",
        Some(b'k' | b't' | b'i' | b'q' | b'b') => "operation index",
        Some(b'v') => "evidence",
        Some(b'u' | b'w') => "audit trail",
        Some(b'x') => "open erasure",
        Some(b'm') => "journal position",
        _ => "unknown row",
    };
    let text: String =
        row.iter().skip(1).copied().filter(u8::is_ascii_graphic).map(char::from).collect();
    format!("{of} {text}")
}
