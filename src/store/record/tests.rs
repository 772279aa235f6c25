use proptest::prelude::*;

use super::*;

fn encoded(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    bytes
}

/// A record with a sound checksum around any payload.
fn framed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes
}

prop_compose! {
    fn any_record()(
        numbers in any::<(u64, u64, i64, i64)>(),
        flags in any::<(bool, bool)>(),
        kind in prop_oneof![
            Just(RecordKind::Event),
            Just(RecordKind::ConflictingRedelivery),
            Just(RecordKind::Redrive),
            Just(RecordKind::Operation),
            Just(RecordKind::Audit),
            Just(RecordKind::Erasure),
            Just(RecordKind::MovedBody),
        ],
        texts in any::<(String, String)>(),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "[a-c \n\"{}]{0,2000}".prop_map(String::into_bytes),
        ],
    ) -> Record {
        let (sequence, batch, received_at, recorded_at) = numbers;
        let (livemode, last_in_batch) = flags;
        let (source, event_id) = texts;
        Record {
            sequence, batch, last_in_batch, received_at, recorded_at, livemode, kind, source,
            event_id, body: PackedBody::pack(&body),
        }
    }
}

/// An event as Stripe would send it, made up.
const PAYOUT_PAID: &str = r#"{
  "id": "evt_1Xv4WApNLXUQBEWt9iBIWhTG",
  "object": "event",
  "account": "acct_1MbpzCqlAGcjzuAA",
  "api_version": "2024-06-20",
  "created": 1791399735,
  "data": {
    "object": {
      "id": "po_1JXcBBpNLXUQBEWt9iBIWh2G",
      "object": "payout",
      "amount": 10800,
      "application_fee": null,
      "application_fee_amount": null,
      "arrival_date": 1794960000,
      "automatic": true,
      "balance_transaction": "txn_1R8iS4pNLXUQBEWt9iBIWhuV",
      "created": 1790397640,
      "currency": "eur",
      "description": "STRIPE PAYOUT",
      "destination": "ba_1zMEcfpNLXUQBEWt9iBIWha8",
      "failure_balance_transaction": null,
      "failure_code": null,
      "failure_message": null,
      "livemode": true,
      "metadata": {},
      "method": "standard",
      "original_payout": null,
      "reconciliation_status": "not_applicable",
      "reversed_by": null,
      "source_type": "card",
      "statement_descriptor": null,
      "status": "paid",
      "type": "bank_account"
    }
  },
  "livemode": true,
  "pending_webhooks": 2,
  "request": {
    "id": null,
    "idempotency_key": null
  },
  "type": "payout.paid"
}
"#;

fn some_record() -> Record {
    Record {
        sequence: 7,
        batch: 3,
        last_in_batch: true,
        received_at: 1_790_000_000_000_000,
        recorded_at: 1_790_000_000_000_450,
        livemode: false,
        kind: RecordKind::Event,
        source: "webhook".to_owned(),
        event_id: "evt_1".to_owned(),
        body: PackedBody::pack(b"{}"),
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(record in any_record(), behind in any::<[u8; 9]>()) {
        let mut bytes = encoded(&record);
        prop_assert_eq!(bytes.len() % ALIGNMENT, 0);
        let prefix = *bytes.first_chunk().unwrap();
        prop_assert_eq!(record_length(prefix), Some(bytes.len() as u64));
        let glimpse = Glimpse::of(&bytes[..GLIMPSE_BYTES]).unwrap();
        prop_assert_eq!(glimpse, Glimpse { length: bytes.len() as u64, batch: record.batch });
        bytes.extend_from_slice(&behind);
        prop_assert_eq!(Record::decode(&bytes), Ok(record));
    }

    #[test]
    fn any_flipped_bit_is_detected(record in any_record(), at in any::<prop::sample::Index>()) {
        let mut bytes = encoded(&record);
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Record::decode(&bytes).is_err());
    }

    #[test]
    fn any_shorter_bytes_are_refused(record in any_record(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(&record);
        prop_assert!(Record::decode(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        head in (1..4_u8, 0..5_u8, 0..5_u8, 0..4_u8),
    ) {
        let _ = Record::decode(&bytes);
        let _ = Glimpse::of(&bytes);
        let _ = Record::decode(&framed(&bytes));
        let mut payload = vec![head.0, head.1, head.2, head.3];
        payload.extend_from_slice(&bytes);
        if let Ok(record) = Record::decode(&framed(&payload)) {
            let _ = record.body.unpack();
            prop_assert_eq!(encoded(&record), framed(&payload));
        }
    }

    #[test]
    fn bodies_come_back_byte_for_byte(body in proptest::collection::vec(any::<u8>(), 0..5000)) {
        prop_assert_eq!(PackedBody::pack(&body).unpack(), Ok(body));
    }

    #[test]
    fn rubbish_does_not_unpack_to_more_than_it_claims(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        plain_length in any::<u32>(),
        dictionary in any::<bool>(),
    ) {
        let encoding = if dictionary { Encoding::ZstdDictionary1 } else { Encoding::Zstd };
        let _ = PackedBody { encoding, plain_length, bytes }.unpack();
    }
}

#[test]
fn every_flipped_bit_of_one_record_is_detected() {
    let bytes = encoded(&some_record());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Record::decode(&flipped).is_err(), "bit {bit}");
    }
}

/// Guards the format: a change of these bytes needs a new format version.
#[test]
fn the_bytes_are_as_documented() {
    let bytes = encoded(&some_record());
    assert_eq!(bytes.len(), 72);
    assert_eq!(bytes[..4], 60_u32.to_le_bytes());
    assert_eq!(bytes[8..12], [1, 1, 0b10, 0]);
    assert_eq!(bytes[12..20], 7_u64.to_le_bytes());
    assert_eq!(bytes[20..28], 3_u64.to_le_bytes());
    assert_eq!(bytes[44..48], 2_u32.to_le_bytes());
    assert_eq!(bytes[48..], *b"\x07\0webhook\x05\0\0\0evt_1{}\0\0\0\0");
}

#[test]
fn what_a_newer_version_wrote_is_not_taken_for_damage() {
    let payload = encoded(&some_record())[PREFIX_BYTES..68].to_vec();
    for (at, value, what) in
        [(0, 2, "format version"), (1, 9, "kind"), (2, 0b100, "set of flags"), (3, 7, "encoding")]
    {
        let mut payload = payload.clone();
        payload[at] = value;
        assert_eq!(Record::decode(&framed(&payload)), Err(RecordError::NewerFormat(what)));
    }
}

/// Fuzzing found that it was read, and would have been written again as another version.
#[test]
fn no_record_has_the_format_version_zero() {
    let mut payload = encoded(&some_record())[PREFIX_BYTES..68].to_vec();
    payload[0] = 0;
    assert_eq!(Record::decode(&framed(&payload)), Err(RecordError::Malformed("format version")));
}

#[test]
fn blank_bytes_hold_no_record() {
    assert_eq!(Record::decode(&[0; 4096]), Err(RecordError::Absent));
    assert_eq!(Glimpse::of(&[0; 4096]), None);
}

#[test]
fn a_source_that_is_too_long_leaves_nothing_behind() {
    let record = Record { source: "x".repeat(70_000), ..some_record() };
    let mut out = vec![1, 2, 3];
    assert_eq!(record.encode(&mut out), Err(TooLong("source")));
    assert_eq!(out, [1, 2, 3]);
}

#[track_caller]
fn check_packs_as(plain: &[u8], encoding: Encoding) {
    let packed = PackedBody::pack(plain);
    assert_eq!(packed.encoding(), encoding);
    assert_eq!(packed.plain_length() as usize, plain.len());
    assert!(packed.stored_length() <= plain.len());
    assert_eq!(packed.unpack().as_deref(), Ok(plain));
}

#[test]
fn each_body_is_packed_the_way_that_suits_it() {
    check_packs_as(b"", Encoding::Plain);
    check_packs_as(b"{}", Encoding::Plain);
    check_packs_as(b"{\n  \"object\": \"event\",\n  \"api_version\": ", Encoding::ZstdDictionary1);
    check_packs_as(&vec![b' '; 200_000], Encoding::Zstd);
    check_packs_as(&vec![b' '; 17 * 1024 * 1024], Encoding::Plain);
}

#[test]
fn the_dictionary_shrinks_an_event_to_a_fifth() {
    let packed = PackedBody::pack(PAYOUT_PAID.as_bytes());
    assert_eq!(packed.encoding(), Encoding::ZstdDictionary1);
    let (stored, plain) = (packed.stored_length(), PAYOUT_PAID.len());
    assert!(stored * 5 < plain, "{stored} of {plain} bytes");
}

#[test]
fn a_body_that_claims_another_length_is_refused() {
    let packed = PackedBody::pack(&[b' '; 5000]);
    assert_ne!(packed.encoding(), Encoding::Plain);
    for plain_length in [0, 4999, 5001, u32::MAX] {
        let lying = PackedBody { plain_length, ..packed.clone() };
        assert_eq!(lying.unpack(), Err(RecordError::Body));
    }
    let plain = PackedBody { plain_length: 3, ..PackedBody::pack(b"{}") };
    assert_eq!(plain.unpack(), Err(RecordError::Body));
}

#[test]
fn how_a_body_is_packed_does_not_depend_on_what_was_packed_before() {
    // Bodies that shrink by a few bytes: the compressor needs more room than its result takes.
    let digits = |seed: u64| {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'a' + u8::try_from(state % 20).unwrap()
        })
    };
    for seed in 0..2_000 {
        let length = 60 + usize::try_from(seed % 60).unwrap();
        let plain: Vec<u8> = digits(seed).take(length).collect();
        let in_a_new_thread = || {
            std::thread::spawn({
                let plain = plain.clone();
                move || PackedBody::pack(&plain)
            })
        };
        let fresh = in_a_new_thread().join().unwrap();
        PackedBody::pack(&vec![b'x'; 4096]);
        assert_eq!(PackedBody::pack(&plain), fresh, "{length} bytes, seed {seed}");
    }
}

#[test]
fn bodies_that_were_packed_in_different_ways_have_the_same_content() {
    let body = b"account.updated account.updated account.updated account.updated".as_slice();
    let plain = |body: &[u8]| PackedBody {
        encoding: Encoding::Plain,
        plain_length: u32::try_from(body.len()).unwrap(),
        bytes: body.to_vec(),
    };
    let packed = PackedBody::pack(body).to_bytes();
    assert_ne!(packed, plain(body).to_bytes());
    assert!(PackedBody::same_content(&packed, &plain(body).to_bytes()));
    assert!(!PackedBody::same_content(&packed, &plain(b"account.created").to_bytes()));
    assert!(!PackedBody::same_content(b"rubbish", b"other rubbish"));
}

#[test]
fn a_reduced_body_takes_the_room_of_the_whole_one_and_unpacks_to_what_is_left() {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(600).collect();
    for (whole, left) in [
        (PAYOUT_PAID.to_owned(), "{}".to_owned()),
        (PAYOUT_PAID.to_owned(), PAYOUT_PAID.replace("payout", "x")),
        (random.clone(), random[..550].to_owned()),
        (format!("{random}{}", "y".repeat(200_000)), "z".repeat(150_000)),
    ] {
        let packed = PackedBody::pack(whole.as_bytes());
        let reduced = PackedBody::reduced_into(left.as_bytes(), packed.stored_length()).unwrap();
        assert!(reduced.is_reduced() && !packed.is_reduced());
        assert_eq!(reduced.stored_length(), packed.stored_length());
        let record = Record { body: reduced, ..some_record() };
        let bytes = encoded(&record);
        assert_eq!(encoding_of(&bytes), Some(record.body.encoding()));
        assert_eq!(Record::decode(&bytes).unwrap().body.unpack().unwrap(), left.as_bytes());
    }
}

#[test]
fn what_does_not_fit_into_its_room_says_where_it_lies() {
    assert_eq!(PackedBody::reduced_into(b"0123456789", 5), None);
    assert_eq!(PackedBody::elsewhere(3, 640, 7), None);
    let elsewhere = PackedBody::elsewhere(3, 640, 20).unwrap();
    let record = Record { body: elsewhere, ..some_record() };
    let read = Record::decode(&encoded(&record)).unwrap();
    assert_eq!((read.body.lies_at(), read.body.stored_length()), (Some((3, 640)), 20));
    assert_eq!(read.body.unpack(), Err(RecordError::Body));
    assert_eq!(PackedBody::pack(b"0123456789").lies_at(), None);
}

#[test]
fn a_body_is_in_no_debug_output() {
    let body = PackedBody::pack(b"jo@example.com");
    let shown = format!("{body:?} {:?}", Record { body: body.clone(), ..some_record() });
    // Neither as text nor as the numbers of its bytes.
    assert!(shown.contains("plain_length: 14") && !shown.contains("jo@"), "{shown}");
    assert!(!shown.contains("106, 111"), "{shown}");
}
