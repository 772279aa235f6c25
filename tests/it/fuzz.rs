//! What must hold of any bytes from outside, as `fuzz/` has it: over the seeds of its targets,
//! and over what is made up here. `scripts/fuzz` tries many more with libFuzzer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bursar::sandbox::fixture_events;
use bursar::store::record::{PackedBody, Record, RecordKind};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

#[expect(unreachable_pub, reason = "the fuzz targets, another package, call it")]
#[path = "../../fuzz/src/lib.rs"]
mod properties;

use properties::{lists, record, salvage, signature, wire};

/// With this set the seeds are written instead of compared.
const WRITE: &str = "BURSAR_WRITE_SEEDS";

/// A target and what it checks.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 5] = [
    ("lists", lists::check),
    ("record", record::check),
    ("salvage", salvage::check),
    ("signature", signature::check),
    ("wire", wire::check),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

// Seeds.

/// Seeds by the target and a name of their own, made from the fixtures.
fn made() -> BTreeMap<(&'static str, String), Vec<u8>> {
    let mut made = BTreeMap::new();
    let mut add = |target, name: &str, bytes: Vec<u8>| {
        assert!(made.insert((target, name.to_owned()), bytes).is_none(), "{target}/{name} twice");
    };
    for (event_type, body) in one_of_each_type() {
        add("record", &event_type, payload(&event_type, &body));
        add("wire", &event_type, body);
    }
    for (name, header) in HEADERS {
        add("signature", name, [header.as_bytes(), b"\0{\"id\":\"evt_1\"}"].concat());
    }
    for (name, text) in LISTS {
        add("lists", name, text.as_bytes().to_vec());
    }
    for (name, pieces) in SEGMENTS {
        add("salvage", name, pieces.to_vec());
    }
    made
}

/// Headers with `@1` and `@2` in the place of genuine signatures.
const HEADERS: &[(&str, &str)] = &[
    ("genuine", "t=1700000000,v1=@1"),
    ("rolled", "t=1700000000,v1=@2,v1=@1,v0=00"),
    ("only_the_second", "t=1700000000,v1=@2"),
    ("old", "t=1699999699,v1=@1"),
    ("ahead", "t=1700000301,v1=@1"),
    ("leading_zeros", "t=001700000000,v1=@1"),
    ("two_times", "t=1700000000,t=1700000000,v1=@1"),
    ("rubbish_beside", ",=,v1,v1=,\u{ff},t=1700000000,v1=@1"),
    ("no_v1", "t=1700000000,v0=@1"),
    ("no_time", "v1=@1"),
];

/// A query, a cursor and a place.
const LISTS: &[(&str, &str)] = &[
    ("plain", "status=paid&limit=50\n6576656e7473207472756520313233\n123"),
    ("encoded", "account=acct_%31&since=2026-01-31T00%3A00%3A00Z&payable=true\n\nevt_1"),
    ("unknown", "statsu=paid\n6576656e74732066616c736520\n"),
    ("twice", "limit=5&limit=5\nABCDEF\n+5"),
    ("out_of_range", "limit=501\n00\n\u{fffd}"),
    ("broken", "limit=%zz&&=&cursor\nzz\n "),
];

/// Pieces of a segment: what, how long, and the bytes.
const SEGMENTS: &[(&str, &[u8])] = &[
    ("three_records", b"\x00\x02{}\x00\x02[]\x00\x04null"),
    ("a_gap", b"\x00\x02{}\x02\x08rubbish!\x00\x02[]"),
    ("a_blank", b"\x00\x02{}\x03\x10\x00\x02[]"),
    ("sound_checksum", b"\x00\x02{}\x01\x04\x01\x01\x02\x00\x00\x02[]"),
    ("from_tomorrow", b"\x00\x02{}\x01\x04\x02\x01\x00\x00"),
];

/// The shortest fixture of each type.
fn one_of_each_type() -> BTreeMap<String, Vec<u8>> {
    let mut shortest: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (_, text) in fixture_events() {
        let event: Value = serde_json::from_slice(text).unwrap();
        let body = serde_json::to_vec(&event).unwrap();
        let event_type = event["type"].as_str().unwrap().to_owned();
        let known = shortest.entry(event_type).or_insert_with(|| body.clone());
        if body.len() < known.len() {
            *known = body;
        }
    }
    shortest
}

/// The payload of the record in which an event is stored.
fn payload(event_type: &str, body: &[u8]) -> Vec<u8> {
    let record = Record {
        sequence: 1,
        batch: 1,
        last_in_batch: true,
        received_at: 1_790_000_000_000_000,
        recorded_at: 1_790_000_000_000_450,
        livemode: event_type.len().is_multiple_of(2),
        kind: RecordKind::Event,
        source: "platform".to_owned(),
        event_id: format!("evt_{event_type}"),
        body: PackedBody::pack(body),
    };
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    let length = u32::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    bytes[8..8 + length].to_vec()
}

/// Every seed of a target: those made here, and what fuzzing has found.
fn seeds(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = folder().join("seeds").join(target);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|_| panic!("no seeds in {}", folder.display()));
    files
        .map(|file| file.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn the_seeds_are_what_the_fixtures_give() {
    let made = made();
    if std::env::var_os(WRITE).is_some() {
        for ((target, name), bytes) in &made {
            let folder = folder().join("seeds").join(target);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
    for ((target, name), bytes) in &made {
        let kept = fs::read(folder().join("seeds").join(target).join(name)).ok();
        let same = kept.as_ref() == Some(bytes);
        assert!(
            same,
            "seeds/{target}/{name}: `{WRITE}=1 cargo test --test it fuzz` writes it anew"
        );
    }
}

#[test]
fn every_target_is_known_here_and_has_seeds() {
    let mut targets: Vec<String> = fs::read_dir(folder().join("fuzz_targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, TARGETS.map(|(name, _)| name));
    for (name, check) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds.values() {
            check(seed);
        }
    }
}

// What is made up here: bytes near to what is genuine more often than chance would have them.

fn a_seed_of(target: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let of_target = made().into_iter().filter(|((of, _), _)| *of == target);
    prop::sample::select(of_target.map(|(_, bytes)| bytes).collect::<Vec<_>>())
}

/// A seed with pieces cut out, put in and changed.
fn damaged(target: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..4_u8, 0..12_usize, vec(any::<u8>(), 0..12));
    (a_seed_of(target), vec(change, 0..5)).prop_map(|(mut bytes, changes)| {
        for (at, what, length, new) in changes {
            let at = at.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            match what {
                0 => drop(bytes.drain(at..end)),
                1 => drop(bytes.splice(at..at, new)),
                2 => drop(bytes.splice(at..end, new)),
                _ => bytes.extend_from_within(at..end),
            }
        }
        bytes
    })
}

fn a_header_and_a_body() -> impl Strategy<Value = Vec<u8>> {
    let item = prop_oneof![
        Just("t=1700000000".to_owned()),
        Just("v1=@1".to_owned()),
        Just("v1=@2".to_owned()),
        (1_699_999_690..1_700_000_310_i64).prop_map(|at| format!("t={at}")),
        "(t|v0|v1|)=?[0-9a-f]{0,70}",
        ".{0,10}",
    ];
    (vec(item, 0..7), vec(any::<u8>(), 0..60))
        .prop_map(|(items, body)| [items.join(",").as_bytes(), b"\0", &body].concat())
}

/// An event with values of the wrong kind, or strange ones, in the place of some of its own.
fn an_event_with_strange_values() -> impl Strategy<Value = Vec<u8>> {
    let strange = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-1",
        "1e300",
        "9007199254740993",
        "\"\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        "\"\\u0000\\n\\u001b[31m\"",
        "[[[[[[[[]]]]]]]]",
        "\"acct_1\"",
        "\"po_1\"",
        "{\"object\":{\"id\":1}}",
    ]);
    let change = (any::<prop::sample::Index>(), strange);
    (a_seed_of("wire"), vec(change, 1..4)).prop_map(|(body, changes)| {
        let mut event: Value = serde_json::from_slice(&body).unwrap();
        let mut marks = Vec::new();
        for (number, (at, strange)) in changes.into_iter().enumerate() {
            let mark = format!("strange value {number}");
            let mut places = places(&event, String::new());
            let place = places.swap_remove(at.index(places.len()));
            *event.pointer_mut(&place).unwrap() = mark.clone().into();
            marks.push((format!("\"{mark}\""), strange));
        }
        let text = event.to_string();
        marks.into_iter().fold(text, |text, (mark, with)| text.replace(&mark, with)).into_bytes()
    })
}

fn places(value: &Value, at: String) -> Vec<String> {
    let escaped = |name: &String| name.replace('~', "~0").replace('/', "~1");
    let mut found = Vec::new();
    if let Value::Object(members) = value {
        for (name, value) in members {
            found.extend(places(value, format!("{at}/{}", escaped(name))));
        }
    }
    found.push(at);
    found
}

fn pieces_of_a_segment() -> impl Strategy<Value = Vec<u8>> {
    let piece = (0..6_u8, vec(any::<u8>(), 0..100)).prop_map(|(what, bytes)| {
        // Half of all are genuine.
        let what = if what > 3 { 0 } else { what };
        [&[what, u8::try_from(bytes.len()).unwrap()], bytes.as_slice()].concat()
    });
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn a_query_a_cursor_and_a_place() -> impl Strategy<Value = Vec<u8>> {
    let pair = prop_oneof![
        "(status|account|payable|limit|since|cursor)=[ -~]{0,8}",
        "limit=[0-9+]{1,3}",
        "payable=(true|false|yes)",
        "since=20[0-9]{2}-0[1-9]-[0-2][0-9]T0[0-9]:00:0[0-9](\\.[0-9]{1,9})?(Z|%2B01:00)",
        ".{0,8}",
    ];
    let cursor = prop_oneof!["[0-9a-fA-F]{0,40}", "6576656e7473207472756520([0-9a-f]{2}){0,9}"];
    (vec(pair, 0..4), cursor, ".{0,20}")
        .prop_map(|(pairs, cursor, place)| format!("{}\n{cursor}\n{place}", pairs.join("&")).into())
}

proptest! {
    #[test]
    fn a_signature_is_judged_as_the_rules_say(data in a_header_and_a_body()) {
        signature::check(&data);
    }

    #[test]
    fn a_damaged_signature_is_judged_as_the_rules_say(data in damaged("signature")) {
        signature::check(&data);
    }

    #[test]
    fn an_event_reads_the_same_however_it_is_spelled(data in an_event_with_strange_values()) {
        wire::check(&data);
    }

    #[test]
    fn a_damaged_event_is_read_or_refused(data in damaged("wire")) {
        wire::check(&data);
    }

    #[test]
    fn a_record_is_exactly_the_bytes_it_was_read_from(
        head in vec(0..6_u8, 4),
        mut payload in a_seed_of("record"),
    ) {
        payload[..4].copy_from_slice(&head);
        record::check(&payload);
    }

    #[test]
    fn a_damaged_record_is_read_or_refused(data in damaged("record")) {
        record::check(&data);
    }

    #[test]
    fn all_that_can_be_read_of_a_segment_is_read_in_order(data in pieces_of_a_segment()) {
        salvage::check(&data);
    }

    #[test]
    fn a_query_and_a_cursor_go_back_to_what_they_came_from(data in a_query_a_cursor_and_a_place()) {
        lists::check(&data);
    }

    #[test]
    fn a_damaged_query_is_understood_whole_or_refused(data in damaged("lists")) {
        lists::check(&data);
    }
}
