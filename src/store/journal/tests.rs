use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::fault::Fault;
use super::*;

const SEGMENT: u32 = 64 * 1024;
const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// A small generator of numbers, so that every failing case can be run again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 29)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// Bytes that no compression makes fewer.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

fn draft(event_id: &str, body: &[u8]) -> Draft {
    Draft {
        received_at: 1_790_000_000_000_000,
        recorded_at: 1_790_000_000_000_001,
        livemode: true,
        kind: RecordKind::Event,
        source: "webhook".to_owned(),
        event_id: event_id.to_owned(),
        body: PackedBody::pack(body),
    }
}

/// A batch of `count` events with bodies of about `size` bytes.
fn batch(dice: &mut Dice, count: usize, size: usize) -> Vec<Draft> {
    (0..count)
        .map(|_| {
            let length = size / 2 + dice.below(size.max(1));
            let body = dice.bytes(length);
            draft(&format!("evt_{:x}", dice.next()), &body)
        })
        .collect()
}

/// A batch that fills more than half of a segment, and fits into one.
fn large_batch(dice: &mut Dice) -> Vec<Draft> {
    (0..3).map(|_| draft(&format!("evt_{:x}", dice.next()), &dice.bytes(15_000))).collect()
}

fn open(folder: &TempDir) -> Result<Journal, JournalError> {
    Journal::create_or_open(folder.path(), SEGMENT)
}

/// A folder with a journal of these batches, one after the other.
fn journal_of(batches: &[Vec<Draft>]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut journal = open(&folder).unwrap();
    for drafts in batches {
        journal.append(drafts.clone()).unwrap();
    }
    folder
}

fn scanned(journal: &Journal) -> Result<Vec<(Position, Record)>, JournalError> {
    journal.reader().scan(None).collect()
}

fn event_ids(journal: &Journal) -> Vec<String> {
    scanned(journal).unwrap().into_iter().map(|(_, record)| record.event_id).collect()
}

fn ids_of(batches: &[Vec<Draft>]) -> Vec<String> {
    batches.iter().flatten().map(|draft| draft.event_id.clone()).collect()
}

fn file(folder: &TempDir, number: u32) -> PathBuf {
    segment::path(folder.path(), number)
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn error_of(folder: &TempDir) -> JournalError {
    let scan = |journal: Journal| scanned(&journal).map(|_| ());
    open(folder).and_then(scan).expect_err("the damage is reported")
}

/// Opens and scans; the damage must be blamed on the file with this number.
#[track_caller]
fn check_damaged(folder: &TempDir, number: u32) -> (u64, Option<u64>) {
    let error = error_of(folder);
    let JournalError::Damaged { file: blamed, offset, sequence, .. } = error else {
        panic!("not called damage: {error}");
    };
    assert_eq!(blamed, file(folder, number));
    (offset, sequence)
}

#[test]
fn what_was_appended_is_there_after_reopening() {
    let mut dice = Dice(1);
    let batches = [batch(&mut dice, 3, 500), batch(&mut dice, 1, 0), batch(&mut dice, 7, 900)];
    let folder = journal_of(&batches);

    let mut journal = open(&folder).unwrap();
    assert_eq!(journal.next_sequence(), 12);
    assert_eq!(journal.recovered_tail(), 0);
    let records = scanned(&journal).unwrap();
    let drafts = batches.iter().enumerate().flat_map(|(index, drafts)| {
        let last = drafts.len() - 1;
        let batch = index as u64 + 1;
        drafts.iter().enumerate().map(move |(at, draft)| (draft.clone(), batch, at == last))
    });
    for (((_, record), (draft, batch, last)), sequence) in records.into_iter().zip(drafts).zip(1..)
    {
        assert_eq!(record, draft.numbered(sequence, batch, last));
    }

    let stored = journal.append(batch(&mut dice, 2, 100)).unwrap();
    assert_eq!(stored.iter().map(|it| it.0).collect::<Vec<_>>(), [12, 13]);
    assert_eq!(event_ids(&open(&folder).unwrap()).len(), 13);
}

#[test]
fn an_empty_batch_writes_nothing() {
    let folder = journal_of(&[vec![]]);
    assert_eq!(open(&folder).unwrap().next_sequence(), 1);
}

#[test]
fn positions_read_back_their_records() {
    let mut dice = Dice(2);
    let folder = TempDir::new().unwrap();
    let mut journal = open(&folder).unwrap();
    let reader = journal.reader();
    let mut expected = Vec::new();
    for _ in 0..40 {
        let drafts = batch(&mut dice, 4, 1500);
        let stored = journal.append(drafts.clone()).unwrap();
        expected.extend(stored.into_iter().zip(drafts));
    }
    let segments = expected.iter().map(|((_, position), _)| position.segment);
    assert!(segments.collect::<BTreeSet<_>>().len() > 2);

    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = reader.clone();
            scope.spawn(|| {
                let reader = reader;
                for ((sequence, position), draft) in &expected {
                    let record = reader.read(*position).unwrap();
                    assert_eq!((record.sequence, &record.event_id), (*sequence, &draft.event_id));
                    assert_eq!(record.body, draft.body);
                }
            });
        }
    });
    let end = Position { segment: journal.end.segment, offset: journal.end.offset };
    assert!(
        matches!(reader.read(end), Err(JournalError::BeyondEnd { position }) if position == end)
    );
}

#[test]
fn a_scan_from_any_position_gives_what_follows() {
    let mut dice = Dice(3);
    let batches: Vec<_> = (0..30).map(|_| batch(&mut dice, 3, 2000)).collect();
    let folder = journal_of(&batches);
    let journal = open(&folder).unwrap();
    let all = scanned(&journal).unwrap();
    for (index, (position, _)) in all.iter().enumerate() {
        let rest: Result<Vec<_>, _> = journal.reader().scan(Some(*position)).collect();
        assert_eq!(rest.unwrap(), all[index + 1..]);
    }
}

#[test]
fn a_scan_ends_where_the_journal_ended_when_it_began() {
    let mut dice = Dice(4);
    let folder = TempDir::new().unwrap();
    let mut journal = open(&folder).unwrap();
    journal.append(batch(&mut dice, 2, 100)).unwrap();
    let scan = journal.reader().scan(None);
    for _ in 0..50 {
        journal.append(batch(&mut dice, 2, 2000)).unwrap();
    }
    assert_eq!(scan.map(Result::unwrap).count(), 2);
    assert_eq!(event_ids(&journal).len(), 102);
}

#[test]
fn segments_are_preallocated_and_batches_are_never_split() {
    let mut dice = Dice(5);
    let sizes = [30_000, 30_000, 30_000, 200_000, 10, 70_000, 40_000, 10];
    let batches: Vec<_> = sizes.iter().map(|&size| batch(&mut dice, 2, size / 2)).collect();
    let folder = journal_of(&batches);
    let journal = open(&folder).unwrap();
    assert_eq!(event_ids(&journal), ids_of(&batches));
    assert_eq!(fs::metadata(file(&folder, 1)).unwrap().len(), u64::from(SEGMENT));

    let mut segments_of_batches = BTreeSet::new();
    for (position, record) in scanned(&journal).unwrap() {
        segments_of_batches.insert((record.batch, position.segment));
    }
    assert_eq!(segments_of_batches.len(), batches.len());
    let lengths =
        (1..=journal.end.segment).map(|it| fs::metadata(file(&folder, it)).unwrap().len());
    assert!(lengths.clone().any(|length| length > u64::from(SEGMENT)), "the oversized batch");
    assert!(lengths.count() >= 4);
}

#[test]
fn a_batch_may_fill_a_segment_to_the_last_byte() {
    let mut dice = Dice(6);
    let folder = TempDir::new().unwrap();
    let mut journal = open(&folder).unwrap();
    let probe = draft("evt", &[]).numbered(1, 1, true);
    let mut bytes = Vec::new();
    probe.encode(&mut bytes).unwrap();
    let room = SEGMENT as usize - HEADER_BYTES as usize - bytes.len();
    let stored = journal.append(vec![draft("evt", &dice.bytes(room))]).unwrap();
    assert_eq!((stored[0].1.segment, journal.end.offset), (1, SEGMENT));
    journal.append(batch(&mut dice, 1, 10)).unwrap();
    drop(journal);
    let journal = open(&folder).unwrap();
    assert_eq!((journal.end.segment, journal.next_sequence()), (2, 3));
    assert_eq!(event_ids(&journal).len(), 2);
}

/// Opens a journal whose last batch may be torn: the earlier ones are there, it is all or nothing.
fn check_torn(folder: &TempDir, batches: &[Vec<Draft>], case: &str) -> bool {
    let (last, earlier) = batches.split_last().unwrap();
    let mut journal = open(folder).unwrap_or_else(|error| panic!("{case}: {error}"));
    let ids = event_ids(&journal);
    let whole = ids.len() > ids_of(earlier).len();
    assert_eq!(ids, ids_of(if whole { batches } else { earlier }), "{case}");
    assert!(!whole || journal.recovered_tail() == 0, "{case}");

    // What is appended next is never confused with the remains.
    journal.append(last[..1].to_vec()).unwrap();
    let mut expected = ids;
    expected.push(last[0].event_id.clone());
    let journal = open(folder).unwrap();
    assert_eq!((event_ids(&journal), journal.recovered_tail()), (expected, 0), "{case}");
    whole
}

#[test]
fn a_torn_batch_is_wholly_there_or_wholly_gone() {
    let (mut whole, mut cut) = (0, 0);
    for seed in 0..40 {
        let mut dice = Dice(1000 + seed);
        let mut batches: Vec<_> = (0..dice.below(4)).map(|_| batch(&mut dice, 3, 700)).collect();
        let before = journal_of(&batches);
        let count = 1 + dice.below(6);
        batches.push(batch(&mut dice, count, 5000));
        let after = journal_of(&batches);
        let start = open(&before).unwrap().end.offset as usize;
        let end = open(&after).unwrap().end.offset as usize;
        let (old, new) = (fs::read(file(&before, 1)).unwrap(), fs::read(file(&after, 1)).unwrap());

        for way in 0..8 {
            let torn = TempDir::new().unwrap();
            let spot = start + dice.below(end - start + 1);
            let mut bytes = new.clone();
            match way {
                0 => bytes[(spot / SECTOR * SECTOR).max(start)..].fill(0),
                1 => bytes[spot..].fill(0),
                2 => {
                    let spot = (spot / SECTOR * SECTOR).max(start);
                    bytes[start..spot].fill(0);
                }
                _ => {
                    for (page, old) in bytes.chunks_mut(PAGE).zip(old.chunks(PAGE)) {
                        if dice.below(4) < way - 2 {
                            page.copy_from_slice(old);
                        }
                    }
                }
            }
            fs::write(file(&torn, 1), &bytes).unwrap();
            let case = format!("seed {seed}, way {way}");
            *(if check_torn(&torn, &batches, &case) { &mut whole } else { &mut cut }) += 1;
        }
    }
    assert!(whole > 10 && cut > 200, "{whole} whole, {cut} cut");
}

#[test]
fn a_torn_first_batch_of_a_new_segment_is_cut() {
    let mut dice = Dice(7);
    let batches = [large_batch(&mut dice), large_batch(&mut dice)];
    let folder = journal_of(&batches);
    edit(&file(&folder, 2), |bytes| bytes[PAGE..2 * PAGE].fill(0));
    let journal = open(&folder).unwrap();
    assert_eq!((journal.end.segment, journal.end.offset), (2, HEADER_BYTES));
    assert!(journal.recovered_tail() > 0);
    drop(journal);
    assert!(!check_torn(&folder, &batches, "second opening"));
}

#[test]
fn any_flipped_bit_of_an_older_batch_is_called_damage() {
    let mut dice = Dice(8);
    let batches: Vec<_> = (0..14).map(|_| batch(&mut dice, 4, 4000)).collect();
    let folder = journal_of(&batches);
    let journal = open(&folder).unwrap();
    let (records, end) = (scanned(&journal).unwrap(), journal.end);
    assert!(end.segment > 2 && records.iter().any(|it| it.0.segment == end.segment));
    let newest = records.iter().find(|(_, it)| it.batch + 1 == end.batch).unwrap().0;
    assert!(newest.segment == end.segment && newest.offset > HEADER_BYTES);
    drop(journal);

    for case in 0..400 {
        let number = 1 + u32::try_from(dice.below(end.segment as usize)).unwrap();
        let path = file(&folder, number);
        let next_header = fs::read(file(&folder, number + 1)).ok();
        let stop = next_header
            .map_or(newest.offset, |it| SegmentHeader::decode(&it).unwrap().previous_end);
        let at = dice.below(if case % 8 == 0 { 64 } else { stop as usize });
        let bit = 1 << dice.below(8);
        edit(&path, |bytes| bytes[at] ^= bit);

        let (offset, sequence) = check_damaged(&folder, number);
        if at < 64 {
            assert_eq!(offset, 0);
        } else {
            let hit = records.iter().rfind(|(position, _)| {
                (position.segment, position.offset as usize) <= (number, at)
            });
            let (position, record) = hit.unwrap();
            assert_eq!((offset, sequence), (position.offset.into(), Some(record.sequence)));
        }
        edit(&path, |bytes| bytes[at] ^= bit);
    }
    assert_eq!(event_ids(&open(&folder).unwrap()), ids_of(&batches));
}

#[test]
fn a_blank_page_in_an_older_batch_is_called_damage() {
    let mut dice = Dice(9);
    let folder = journal_of(&[1, 2, 3].map(|_| batch(&mut dice, 3, 3000)));
    edit(&file(&folder, 1), |bytes| bytes[PAGE..2 * PAGE].fill(0));
    check_damaged(&folder, 1);
}

#[test]
fn a_batch_that_comes_again_is_called_damage() {
    let mut dice = Dice(10);
    let folder = journal_of(&[batch(&mut dice, 1, 3000), batch(&mut dice, 1, 3000)]);
    let end = open(&folder).unwrap().end.offset as usize;
    edit(&file(&folder, 1), |bytes| bytes.copy_within(HEADER_BYTES as usize..end, end));
    assert_eq!(check_damaged(&folder, 1), (end as u64, Some(3)));
}

#[test]
fn a_whole_record_out_of_turn_is_called_damage() {
    let folder = journal_of(&[batch(&mut Dice(23), 2, 300)]);
    let End { offset, sequence, batch, .. } = open(&folder).unwrap().end;
    let (start, untouched) = (offset as usize, fs::read(file(&folder, 1)).unwrap());
    for (sequence, batch, sound) in [
        (sequence, batch, true),
        (sequence - 1, batch, false),
        (sequence + 1, batch, false),
        (sequence, batch - 1, false),
        (sequence, batch + 1, false),
    ] {
        let mut bytes = Vec::new();
        draft("evt", b"{}").numbered(sequence, batch, true).encode(&mut bytes).unwrap();
        edit(&file(&folder, 1), |file| file[start..start + bytes.len()].copy_from_slice(&bytes));
        if sound {
            assert_eq!(event_ids(&open(&folder).unwrap()).len(), 3);
        } else {
            assert_eq!(check_damaged(&folder, 1), (offset.into(), Some(3)));
        }
        fs::write(file(&folder, 1), &untouched).unwrap();
    }
}

/// Three segments of one batch each.
fn three_segments() -> TempDir {
    let mut dice = Dice(11);
    let folder = journal_of(&[1, 2, 3].map(|_| large_batch(&mut dice)));
    assert_eq!(open(&folder).unwrap().end.segment, 3);
    folder
}

#[test]
fn a_missing_segment_is_called_damage() {
    for number in [1, 2] {
        let folder = three_segments();
        fs::remove_file(file(&folder, number)).unwrap();
        assert_eq!(check_damaged(&folder, number), (0, Some(u64::from(number) * 3 - 2)));
    }
}

#[test]
fn a_segment_that_vanishes_while_open_is_called_damage() {
    let folder = three_segments();
    let journal = open(&folder).unwrap();
    fs::remove_file(file(&folder, 2)).unwrap();
    let error = scanned(&journal).expect_err("a segment is missing");
    let text = error.to_string();
    assert!(text.contains("00000002.journal is damaged at byte 0: the file is missing"), "{text}");
    assert!(text.ends_with("records from sequence 4 on are affected"), "{text}");
}

#[test]
fn swapped_segments_are_called_damage() {
    let folder = three_segments();
    fs::rename(file(&folder, 2), folder.path().join("aside")).unwrap();
    fs::rename(file(&folder, 3), file(&folder, 2)).unwrap();
    fs::rename(folder.path().join("aside"), file(&folder, 3)).unwrap();
    assert_eq!(check_damaged(&folder, 2), (0, Some(4)));
}

#[test]
fn a_segment_of_another_journal_is_called_damage() {
    let folder = three_segments();
    let mut dice = Dice(12);
    let other = journal_of(&[1, 2, 3].map(|_| large_batch(&mut dice)[..2].to_vec()));
    fs::copy(file(&other, 2), file(&folder, 2)).unwrap();
    // The two headers contradict each other's segment; either may be the wrong one.
    check_damaged(&folder, 1);
}

#[test]
fn an_older_segment_that_is_cut_short_is_called_damage() {
    for length in [0, 40, 64, 10_000] {
        let folder = three_segments();
        edit(&file(&folder, 2), |bytes| bytes.truncate(length));
        let (_, sequence) = check_damaged(&folder, 2);
        assert_eq!(sequence, Some(4));
        assert!(open(&folder).is_err(), "without a scan too");
    }
}

#[test]
fn records_behind_the_end_of_an_older_segment_are_called_damage() {
    let mut dice = Dice(13);
    let folder = journal_of(&[1, 2].map(|_| large_batch(&mut dice)));
    let mut bytes = Vec::new();
    draft("evt", b"{}").numbered(4, 2, true).encode(&mut bytes).unwrap();
    let stop = SegmentHeader::decode(&fs::read(file(&folder, 2)).unwrap()).unwrap().previous_end;
    edit(&file(&folder, 1), |file| {
        file.splice(stop as usize.., bytes);
    });
    assert_eq!(check_damaged(&folder, 1), (stop.into(), Some(4)));
}

#[test]
fn a_segment_whose_creation_was_cut_off_is_made_again() {
    let blank = vec![0; SEGMENT as usize];
    for remains in [&blank[..0], &blank[..10], b"BURSARJ1\x01\0\0", &blank] {
        let folder = three_segments();
        fs::write(file(&folder, 4), remains).unwrap();
        let mut journal = open(&folder).unwrap();
        assert!(!file(&folder, 4).exists());
        journal.append(large_batch(&mut Dice(14))).unwrap();
        assert_eq!(event_ids(&open(&folder).unwrap()).len(), 12);

        let folder = TempDir::new().unwrap();
        fs::write(file(&folder, 1), remains).unwrap();
        assert_eq!(open(&folder).unwrap().next_sequence(), 1);
    }
}

#[test]
fn a_last_segment_that_lost_its_header_is_called_damage() {
    let folder = three_segments();
    edit(&file(&folder, 3), |bytes| bytes[..64].fill(0));
    assert_eq!(check_damaged(&folder, 3), (0, Some(7)));
}

#[test]
fn files_that_are_no_segments_are_left_alone() {
    let folder = three_segments();
    for name in ["notes.txt", "7.journal", "00000000.journal", "000000001.journal"] {
        fs::write(folder.path().join(name), "mine").unwrap();
    }
    assert_eq!(open(&folder).unwrap().next_sequence(), 10);
}

#[test]
fn what_a_newer_version_wrote_is_named_and_left_alone() {
    let mut dice = Dice(15);
    let folder = journal_of(&[batch(&mut dice, 1, 100)]);
    let end = open(&folder).unwrap().end;
    let mut bytes = Vec::new();
    draft("evt", b"{}").numbered(end.sequence, end.batch, true).encode(&mut bytes).unwrap();
    let length = u32::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    bytes[9] = 200;
    let checksum = crc32c::crc32c(&bytes[8..8 + length]);
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    let start = end.offset as usize;
    edit(&file(&folder, 1), |file| file[start..start + bytes.len()].copy_from_slice(&bytes));
    let untouched = fs::read(file(&folder, 1)).unwrap();
    let error = error_of(&folder);
    assert!(matches!(error, JournalError::NewerFormat { offset, .. } if offset == start as u64));
    assert_eq!(fs::read(file(&folder, 1)).unwrap(), untouched);

    let folder = three_segments();
    edit(&file(&folder, 2), |bytes| {
        bytes[8] = 2;
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    });
    assert!(matches!(error_of(&folder), JournalError::NewerFormat { offset: 0, .. }));
}

#[test]
fn of_a_failed_write_nothing_is_left_when_a_shorter_one_succeeds() {
    for (written, failures) in [(0, 1), (1, 1), (9000, 1), (20_000, 1), (9000, 2), (20_000, 2)] {
        let mut dice = Dice(16);
        let mut batches = vec![batch(&mut dice, 2, 500)];
        let folder = journal_of(&batches);
        let mut journal = open(&folder).unwrap();
        let end = journal.end;

        fault::plan(Fault::WriteAfter(written), failures);
        let failed = journal.append(batch(&mut dice, 10, 2000));
        assert!(matches!(failed, Err(AppendError::NotStored(_))));
        assert_eq!(journal.end, end);
        assert_eq!(event_ids(&journal), ids_of(&batches));

        batches.push(batch(&mut dice, 1, 10));
        journal.append(batches[1].clone()).unwrap();
        let bytes = fs::read(file(&folder, 1)).unwrap();
        assert!(bytes[journal.end.offset as usize..].iter().all(|&byte| byte == 0));
        assert_eq!(event_ids(&open(&folder).unwrap()), ids_of(&batches));
    }
}

/// As if the erasing had never reached the disk.
#[test]
fn remains_of_a_failed_write_never_come_to_life() {
    let mut dice = Dice(17);
    let first = batch(&mut dice, 2, 500);
    let failed = journal_of(&[first.clone(), batch(&mut dice, 10, 800)]);
    for shorter in [1, 2, 5, 9] {
        let batches = [first.clone(), batch(&mut dice, shorter, 600), batch(&mut dice, 1, 10)];
        for count in 1..=batches.len() {
            let folder = journal_of(&batches[..count]);
            let end = open(&folder).unwrap().end.offset as usize;
            let mut bytes = fs::read(file(&failed, 1)).unwrap();
            let stored = fs::read(file(&folder, 1)).unwrap();
            // Right behind the end could lie the very batch that failed; further on, its parts.
            let remains = if count == 1 { end + 1000 } else { end };
            bytes[..end].copy_from_slice(&stored[..end]);
            bytes[end..remains].fill(0);
            fs::write(file(&folder, 1), bytes).unwrap();
            assert_eq!(event_ids(&open(&folder).unwrap()), ids_of(&batches[..count]));
        }
    }
}

#[test]
fn a_failed_sync_is_final_until_the_journal_is_opened_anew() {
    let mut dice = Dice(18);
    let mut batches = vec![batch(&mut dice, 2, 500)];
    let folder = journal_of(&batches);
    let mut journal = open(&folder).unwrap();
    batches.push(batch(&mut dice, 1, 10));
    fault::plan(Fault::Sync, 1);
    for _ in 0..3 {
        let refused = journal.append(batches[1].clone());
        assert!(matches!(refused, Err(AppendError::SyncFailed(_))));
        assert_eq!(event_ids(&journal), ids_of(&batches[..1]), "readers do not see it");
    }
    drop(journal);
    assert_eq!(event_ids(&open(&folder).unwrap()), ids_of(&batches));
}

/// Without any hint that the batch was acknowledged: the bytes show that it was written whole.
#[test]
fn one_wrong_bit_in_the_newest_batch_is_told_from_a_torn_write() {
    let (mut called_damage, mut cut) = (0, 0);
    for seed in 0..12 {
        let mut dice = Dice(3000 + seed);
        let first = batch(&mut dice, 2, 900);
        let count = 1 + dice.below(4);
        let folder = journal_of(&[first.clone(), batch(&mut dice, count, 3000)]);
        let end = open(&folder).unwrap().end.offset as usize;
        let whole = fs::read(file(&folder, 1)).unwrap();
        let start = scanned(&open(&folder).unwrap()).unwrap()[2].0.offset as usize;
        for _ in 0..60 {
            let at = start + dice.below(end - start);
            edit(&file(&folder, 1), |bytes| bytes[at] ^= 1 << dice.below(8));
            match open(&folder) {
                Err(JournalError::Damaged { .. }) => called_damage += 1,
                Err(error) => panic!("seed {seed}, byte {at}: {error}"),
                Ok(journal) => {
                    assert_eq!(
                        event_ids(&journal),
                        ids_of(std::slice::from_ref(&first)),
                        "byte {at}"
                    );
                    cut += 1;
                }
            }
            fs::write(file(&folder, 1), &whole).unwrap();
        }
    }
    // A last byte that is zero, or a record whose length grew beyond what is written, can be torn.
    assert!(cut * 50 < called_damage, "{cut} of {} were cut", called_damage + cut);
}

#[test]
fn a_last_segment_that_is_cut_within_a_record_is_called_damage() {
    let mut dice = Dice(23);
    let folder = journal_of(&[batch(&mut dice, 2, 500), batch(&mut dice, 2, 900)]);
    let end = open(&folder).unwrap().end.offset as usize;
    edit(&file(&folder, 1), |bytes| bytes.truncate(end - 100));
    assert_eq!(check_damaged(&folder, 1).1, Some(4));
}

#[test]
fn where_records_are_known_to_be_missing_nothing_is_made_or_removed() {
    let folder = TempDir::new().unwrap();
    let with = |folder: &TempDir| Journal::create_or_open_with(folder.path(), SEGMENT, 4);
    assert!(matches!(with(&folder), Err(JournalError::Damaged { sequence: Some(1), .. })));
    assert!(!file(&folder, 1).exists());

    let folder = journal_of(&[batch(&mut Dice(24), 3, 500)]);
    fs::write(file(&folder, 2), []).unwrap();
    let before = fs::read(file(&folder, 1)).unwrap();
    assert!(matches!(with(&folder), Err(JournalError::Damaged { sequence: Some(4), .. })));
    assert!(file(&folder, 2).exists());
    assert_eq!(fs::read(file(&folder, 1)).unwrap(), before);
}

/// It may be in the kernel's memory only; see `recovery::rewrite`.
#[test]
fn the_newest_batch_counts_only_after_opening_has_written_it_again() {
    let folder = journal_of(&[batch(&mut Dice(22), 2, 500)]);
    fault::plan(Fault::WriteAfter(0), 1);
    assert!(matches!(open(&folder), Err(JournalError::Io { .. })));
    assert_eq!(open(&folder).unwrap().next_sequence(), 3);

    let blank = TempDir::new().unwrap();
    drop(open(&blank).unwrap());
    fault::plan(Fault::WriteAfter(0), 1);
    assert!(matches!(open(&blank), Err(JournalError::Io { .. })));
}

#[test]
fn a_segment_that_cannot_be_made_costs_only_the_batch_that_needs_it() {
    let mut dice = Dice(19);
    let folder = journal_of(&[large_batch(&mut dice)]);
    let mut journal = open(&folder).unwrap();
    let large = large_batch(&mut dice);
    for fault in [Fault::Create, Fault::WriteAfter(0), Fault::WriteAfter(30)] {
        fault::plan(fault, 1);
        assert!(matches!(journal.append(large.clone()), Err(AppendError::NotStored(_))));
        assert!(!file(&folder, 2).exists());
        let stored = journal.append(batch(&mut dice, 1, 10)).unwrap();
        assert_eq!(stored[0].1.segment, 1);
    }
    assert_eq!(journal.append(large).unwrap()[0], (7, Position { segment: 2, offset: 64 }));
    assert_eq!(event_ids(&open(&folder).unwrap()).len(), 9);
}

#[test]
fn a_new_segment_whose_name_cannot_be_synced_is_final() {
    let mut dice = Dice(20);
    let folder = journal_of(&[large_batch(&mut dice)]);
    let mut journal = open(&folder).unwrap();
    fault::plan(Fault::Sync, 1);
    let refused = journal.append(large_batch(&mut dice));
    assert!(matches!(refused, Err(AppendError::SyncFailed(_))));
    assert!(matches!(journal.append(batch(&mut dice, 1, 10)), Err(AppendError::SyncFailed(_))));
    assert_eq!(open(&folder).unwrap().next_sequence(), 4);
}

#[test]
fn a_source_that_is_too_long_is_refused_before_anything_is_written() {
    let mut dice = Dice(21);
    let folder = journal_of(&[batch(&mut dice, 1, 10)]);
    let mut journal = open(&folder).unwrap();
    let long = Draft { source: "x".repeat(70_000), ..draft("evt", b"{}") };
    let refused = journal.append(vec![draft("evt", b"{}"), long]);
    assert!(matches!(refused, Err(AppendError::TooLong("source"))));
    journal.append(batch(&mut dice, 1, 10)).unwrap();
    assert_eq!(open(&folder).unwrap().next_sequence(), 3);
}

/// What can be read of a journal of which 40 batches of 3 were acknowledged, and what is lost.
fn salvaged(folder: &TempDir, acknowledged: u64) -> (Vec<Record>, BTreeSet<u64>) {
    let (mut records, mut lost) = (Vec::new(), BTreeSet::new());
    salvage::<JournalError>(folder.path(), acknowledged, &mut |found| {
        match found {
            Found::Record(record) => records.push(record),
            Found::Gap(gap) => lost.extend(gap.sequences.into_iter().flatten()),
        }
        Ok(())
    })
    .unwrap();
    (records, lost)
}

/// Does one random thing to the file.
fn harm(dice: &mut Dice, path: &Path, length: usize) {
    let from = dice.below(length);
    match dice.below(6) {
        0 => fs::remove_file(path).unwrap(),
        1 => edit(path, |bytes| bytes.truncate(from)),
        2 => edit(path, |bytes| bytes[..64].fill(0)),
        3 => edit(path, |bytes| bytes[from..(from + 3 * SECTOR).min(length)].fill(0)),
        4 => {
            let noise = dice.bytes(200);
            edit(path, |bytes| bytes.splice(from..from + 200, noise).for_each(drop));
        }
        _ => edit(path, |bytes| bytes[from] ^= 1 << dice.below(8)),
    }
}

#[test]
fn whatever_is_damaged_every_untouched_record_is_salvaged_and_all_others_are_named() {
    for seed in 0..60 {
        let mut dice = Dice(5000 + seed);
        let batches: Vec<_> = (0..40).map(|_| batch(&mut dice, 3, 1500)).collect();
        let folder = journal_of(&batches);
        let all = scanned(&open(&folder).unwrap()).unwrap();
        let files = segment::list(folder.path()).unwrap().into_iter();
        let whole: Vec<_> = files.map(|it| fs::read(file(&folder, it)).unwrap()).collect();
        for _ in 0..=dice.below(3) {
            let number = 1 + dice.below(whole.len());
            let path = file(&folder, u32::try_from(number).unwrap());
            if path.exists() && fs::metadata(&path).unwrap().len() == u64::from(SEGMENT) {
                harm(&mut dice, &path, SEGMENT as usize - 300);
            }
        }

        let (kept, lost) = salvaged(&folder, all.len() as u64);
        let untouched = |position: &Position, record: &Record| {
            let mut bytes = Vec::new();
            record.encode(&mut bytes).unwrap();
            let from = position.offset as usize;
            let now = fs::read(file(&folder, position.segment)).unwrap_or_default();
            now.get(from..from + bytes.len()) == Some(&bytes[..])
        };
        let (safe, harmed): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(position, record)| untouched(position, record));
        let safe: Vec<_> = safe.into_iter().map(|(_, record)| record).collect();
        let harmed: BTreeSet<_> = harmed.into_iter().map(|(_, record)| record.sequence).collect();
        assert_eq!(kept, safe, "seed {seed}");
        assert_eq!(lost, harmed, "seed {seed}");
    }
}
