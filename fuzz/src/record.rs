//! Any bytes are a record or an error, and a record is exactly the bytes that it was read from.

use bursar::store::record::{
    ALIGNMENT, GLIMPSE_BYTES, Glimpse, PREFIX_BYTES, PackedBody, Record, claimed_event_id,
    record_length,
};

/// The most that is unpacked from fewer bytes.
const LARGEST_COMPRESSED: usize = 16 << 20;

/// `data` is read as it is, and as the payload of a record whose checksum is right.
pub fn check(data: &[u8]) {
    check_bytes(data);
    check_bytes(&framed(data));
}

/// A record with a sound checksum around any payload.
pub fn framed(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a payload of a test");
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes
}

fn check_bytes(bytes: &[u8]) {
    let glimpse = Glimpse::of(bytes);
    let claimed = claimed_event_id(bytes, 1);
    assert!(claimed.is_none_or(|id| id.len() <= bytes.len()));
    let Ok(record) = Record::decode(bytes) else { return };

    let mut again = Vec::new();
    record.encode(&mut again).expect("what was read can be written");
    let (id, kind) = (&record.event_id, record.kind);
    assert!(bytes.starts_with(&again), "{kind:?} {id:?}, written again, is something else");
    let prefix: [u8; PREFIX_BYTES] = *again.first_chunk().expect("a record has a prefix");
    let length = again.len() as u64;
    assert_eq!(record_length(prefix), Some(length));
    assert_eq!(glimpse, Some(Glimpse { length, batch: record.batch }));
    assert_eq!(Glimpse::of(&again[..GLIMPSE_BYTES]), glimpse);
    assert_eq!(Record::decode(&again).as_ref(), Ok(&record));

    let held = record.source.len() + record.event_id.len() + record.body.stored_length();
    assert!(held <= bytes.len(), "more is held than was there");
    check_body(&record.body);
}

fn check_body(body: &PackedBody) {
    assert_eq!(PackedBody::from_bytes(&body.to_bytes()).as_ref(), Ok(body));
    let Ok(plain) = body.unpack() else { return };
    assert_eq!(u32::try_from(plain.len()), Ok(body.plain_length()));
    assert!(plain.len() <= LARGEST_COMPRESSED.max(body.stored_length()));
    let packed = PackedBody::pack(&plain);
    assert!(PackedBody::same_content(&packed.to_bytes(), &body.to_bytes()));
    assert_eq!(packed.unpack(), Ok(plain));
}
