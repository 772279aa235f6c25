//! Whatever a journal's file holds, all that can be read of it is read, in order, and nothing else.

use std::cell::RefCell;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use bursar::store::journal::{Found, JournalError, salvage};
use bursar::store::record::{PackedBody, Record, RecordKind};
use tempfile::TempDir;

use super::record::framed;

const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 1 << 16;

thread_local! {
    /// One folder for all runs of a thread; making one each time takes longer than the run.
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// A piece of a file.
enum Piece<'a> {
    /// The record that belongs there, with this body.
    Genuine(&'a [u8]),
    /// Something whose checksum is right.
    Framed(&'a [u8]),
    Raw(&'a [u8]),
    /// From here on nothing was written.
    Blank(usize),
}

/// `data` is a row of pieces: a byte that says what, a byte that says how long, and so many bytes.
pub fn check(data: &[u8]) {
    let (bytes, genuine) = segment(data);
    FOLDER.with_borrow_mut(|folder| {
        let make = || tempfile::Builder::new().prefix("bursar-fuzz").tempdir().expect("a folder");
        let folder = folder.get_or_insert_with(make).path();
        let file = folder.join("00000001.journal");
        fs::write(&file, &bytes).expect("a file");

        let told = told(folder);
        if let Ok(told) = &told {
            assert_in_order(told, &bytes);
        }
        if let Some(records) = genuine {
            let told = told.as_ref().expect("a sound journal is read");
            assert!(told.gaps.is_empty(), "a gap in a sound journal");
            assert_eq!(told.records, records);
        }
        assert_eq!(told.is_ok(), self::told(folder).is_ok(), "another answer the second time");
        assert!(fs::read(&file).expect("a file") == bytes, "reading has changed the file");
    });
}

#[derive(Default)]
struct Told {
    records: Vec<Record>,
    /// First and last sequence of what is said to be lost, behind so many records.
    gaps: Vec<(usize, Option<(u64, u64)>)>,
}

fn told(folder: &Path) -> Result<Told, JournalError> {
    let mut told = Told::default();
    salvage(folder, 0, &mut |found| {
        match found {
            Found::Record(record) => told.records.push(record),
            Found::Gap(gap) => {
                let lost = gap.sequences.map(RangeInclusive::into_inner);
                told.gaps.push((told.records.len(), lost));
            }
        }
        Ok::<_, JournalError>(())
    })?;
    Ok(told)
}

/// Each record lies in the file, behind the one before, and what is lost lies between.
fn assert_in_order(told: &Told, bytes: &[u8]) {
    let (mut offset, mut next) = (HEADER_BYTES, 1);
    for (index, record) in told.records.iter().enumerate() {
        for (_, lost) in told.gaps.iter().filter(|(behind, _)| *behind == index) {
            if let Some((first, last)) = lost {
                assert!((next..=*last).contains(first) && *last < record.sequence);
                next = *last + 1;
            }
        }
        assert!(record.sequence >= next, "record {} comes again", record.sequence);
        next = record.sequence.saturating_add(1);
        let mut written = Vec::new();
        record.encode(&mut written).expect("what was read can be written");
        let place = (offset..bytes.len()).step_by(8).find(|&at| bytes[at..].starts_with(&written));
        offset = place.expect("it lies in the file") + written.len();
    }
}

/// The bytes of a segment, and its records when nothing is wrong with it.
fn segment(data: &[u8]) -> (Vec<u8>, Option<Vec<Record>>) {
    let mut bytes = header();
    let mut genuine = Some(Vec::new());
    for piece in pieces(data) {
        match piece {
            Piece::Genuine(body) => {
                let record = record_behind(&bytes, genuine.as_deref().unwrap_or_default(), body);
                record.encode(&mut bytes).expect("a short record");
                if let Some(records) = &mut genuine {
                    records.push(record);
                }
                continue;
            }
            Piece::Framed(payload) => bytes.extend(framed(payload)),
            Piece::Raw(raw) => bytes.extend_from_slice(raw),
            Piece::Blank(count) => bytes.resize(bytes.len() + count, 0),
        }
        genuine = None;
    }
    bytes.resize(bytes.len().max(SEGMENT_BYTES), 0);
    (bytes, genuine)
}

/// A record with the numbers that come next, as far as a sound journal goes, else by its place.
fn record_behind(bytes: &[u8], before: &[Record], body: &[u8]) -> Record {
    let place = u64::try_from(bytes.len() / 64).expect("a short file");
    let number = before.last().map_or(place, |last| last.sequence + 1);
    Record {
        sequence: number,
        batch: number,
        last_in_batch: true,
        received_at: 1,
        recorded_at: 2,
        livemode: false,
        kind: RecordKind::Event,
        source: "s".to_owned(),
        event_id: format!("evt_{number}"),
        body: PackedBody::pack(body),
    }
}

fn pieces(mut data: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let [what, length, rest @ ..] = data {
        let length = usize::from(*length);
        let (bytes, rest) = rest.split_at(length.min(rest.len()));
        pieces.push(match what % 4 {
            0 => Piece::Genuine(bytes),
            1 => Piece::Framed(bytes),
            2 => Piece::Raw(bytes),
            _ => Piece::Blank(length * 8),
        });
        data = rest;
    }
    pieces
}

/// The header of a first segment, as `docs/journal-format.md` has it.
fn header() -> Vec<u8> {
    let mut header = b"BURSARJ1".to_vec();
    header.extend_from_slice(&1_u32.to_le_bytes());
    header.extend_from_slice(&1_u32.to_le_bytes());
    header.extend_from_slice(&1_u64.to_le_bytes());
    header.extend_from_slice(&1_u64.to_le_bytes());
    header.resize(60, 0);
    header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
    header
}
