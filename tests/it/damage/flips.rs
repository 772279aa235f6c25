//! Whatever bit flips, nothing is silently missing, and nothing wrong is shown as if right.

use super::{Stored, files, flip, put_back, records, statuses};
use crate::process::payout;

/// More of them by `BURSAR_DAMAGE_ROUNDS`, from `BURSAR_DAMAGE_SEED` on.
const ROUNDS: u64 = 8;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var_os(variable)?.to_str()?.parse().ok()
}

fn dice(seed: u64) -> fastrand::Rng {
    eprintln!("seed {seed}");
    fastrand::Rng::with_seed(seed)
}

fn seeds() -> impl Iterator<Item = u64> {
    let first = number_from("BURSAR_DAMAGE_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    (first..).take(usize::try_from(number_from("BURSAR_DAMAGE_ROUNDS").unwrap_or(ROUNDS)).unwrap())
}

#[test]
fn a_flipped_bit_in_the_journal_is_found_wherever_it_lies() {
    let stored = Stored::new();
    let journal = stored.path("journal");
    let untouched = files(&journal);
    assert!(untouched.len() > 3);
    for seed in seeds() {
        let mut dice = dice(seed);
        let number = dice.usize(1..=stored.segments());
        let segment = stored.segment(number);
        let stands = records(&segment);
        let end = stands.last().map_or(64, |last| last.to);
        let at = dice.usize(..end);
        flip(&segment, at as u64, dice.u32(..8));

        let case = format!("seed {seed}: {}, byte {at}", segment.display());
        let ended = stored.place.run(&["verify"]);
        assert_eq!(ended.code(), 1, "{case}: {ended:#?}");
        let hit = stands.iter().find(|record| record.from <= at && at < record.to);
        let name = segment.file_name().unwrap().to_str().unwrap();
        let from = hit.map_or(0, |record| record.from);
        ended.says(&[name, &format!("byte {from}"), "damaged"]);
        ended.hides(&["panicked"]);
        match hit {
            Some(record) => ended.says(&[&format!("record {} is lost", record.sequence)]),
            None => ended.says(&["no record is lost"]),
        }
        put_back(&journal, &untouched);
    }
    stored.place.run(&["verify"]).expect(0).says(&["no faults"]);
}

#[test]
fn flipped_bits_in_derived_records_are_never_believed_after_an_orderly_end() {
    let stored = Stored::new();
    let expected = statuses(&stored.place);
    for seed in seeds() {
        let mut dice = dice(seed);
        let views = files(&stored.path("views"));
        let (path, bytes) = views.iter().nth(dice.usize(..views.len())).expect("a file");
        if bytes.is_empty() {
            continue;
        }
        flip(path, dice.u64(..bytes.len() as u64), dice.u32(..8));
        assert_eq!(statuses(&stored.place), expected, "seed {seed}: {}", path.display());
        let ended = stored.place.run(&["rebuild", "--check"]).expect(0);
        ended.hides(&["panicked"]);
    }
}

/// After kill -9 there is no checksum over the files, and sled's own are met when a page is read.
/// Then the process ends, and the next one recomputes; what is shown until then is right.
#[test]
fn flipped_bits_in_derived_records_are_never_believed_after_kill_nine() {
    let stored = match number_from("BURSAR_DAMAGE_EVENTS") {
        Some(count) => Stored::new().filled(&(0..count).map(many).collect::<Vec<_>>()),
        None => Stored::new(),
    };
    let (mut sound, mut found) = (0, 0);
    for seed in seeds() {
        let mut dice = dice(seed);
        stored.as_killed();
        let db = stored.path("views/db");
        let bytes = std::fs::read(&db).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        flip(&db, dice.u64(..written as u64), dice.u32(..8));
        let first = stored.place.run(&["verify"]);
        first.hides(&["panicked", "differs", "should not be there", "is missing"]);
        if first.code() == 0 && !first.stderr.contains("recomputed") {
            sound += 1;
            continue;
        }
        found += 1;
        if first.code() != 0 {
            first.says(&["the derived records are damaged", "so does the next start"]);
            let next = stored.place.run(&["verify"]).expect(0);
            next.says(&["are recomputed: a read of them met damage", "no faults"]);
        }
    }
    eprintln!("{found} were found; {sound} hit what is not used any more");
    assert!(found > 0);
}

fn many(number: u64) -> Vec<u8> {
    payout(&format!("many_{number}"))
}
