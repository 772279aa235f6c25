//! Files that are gone, cut, blank, or another's.

use std::fs;

use super::{Stored, edit, files, put_back, records, statuses};

const PAGE: usize = 4096;

fn name(number: usize) -> String {
    format!("{number:08}.journal")
}

#[test]
fn a_segment_that_is_gone_cut_or_blank_is_named_wherever_it_stands() {
    let stored = Stored::new();
    let journal = stored.path("journal");
    let (untouched, last) = (files(&journal), stored.segments());
    for number in [1, last / 2, last] {
        let segment = stored.segment(number);
        let middle = records(&segment)[1].from + 100;
        for length in [None, Some(0), Some(30), Some(64), Some(middle)] {
            match length {
                None => fs::remove_file(&segment).unwrap(),
                Some(length) => edit(&segment, |bytes| bytes.truncate(length)),
            }
            // Of a last segment that is gone, the one before is where the journal ends too early.
            let ends_before = number == last && length.is_none_or(|length| length < 64);
            let named = if ends_before { name(last - 1) } else { name(number) };
            stored.check_refused(&["damaged", &named]);
            stored.place.run(&["verify"]).expect(1).says(&["are lost"]);
            put_back(&journal, &untouched);
        }
        edit(&segment, |bytes| bytes[PAGE..2 * PAGE].fill(0));
        stored.place.run(&["verify"]).expect(1).says(&["damaged", &name(number), "lost"]);
        put_back(&journal, &untouched);
        edit(&segment, |bytes| bytes.fill(0));
        stored.check_refused(&["damaged"]);
        put_back(&journal, &untouched);
    }
    stored.check_sound(&stored.ids);
}

#[test]
fn segments_of_each_others_or_of_another_store_are_named() {
    let (stored, other) = (Stored::new(), Stored::new());
    let journal = stored.path("journal");
    let untouched = files(&journal);
    fs::write(stored.segment(2), &untouched[&stored.segment(3)]).unwrap();
    fs::write(stored.segment(3), &untouched[&stored.segment(2)]).unwrap();
    stored.check_refused(&["damaged", &name(2)]);
    stored.place.run(&["verify"]).expect(1).says(&["the file of segment 3", "no record is lost"]);
    put_back(&journal, &untouched);

    fs::copy(other.segment(2), stored.segment(2)).unwrap();
    // Where its records happen to lie as ours did, only what follows from them tells.
    stored.place.run(&["verify"]).expect(1).says(&["`bursar repair`"]);
    put_back(&journal, &untouched);

    fs::remove_dir_all(&journal).unwrap();
    let theirs = files(&other.path("journal"));
    let ours = theirs
        .into_iter()
        .map(|(path, content)| (journal.join(path.file_name().unwrap()), content));
    put_back(&journal, &ours.collect());
    stored.check_refused(&["do not belong to the journal", "delete the derived records"]);
    put_back(&journal, &untouched);
    stored.check_sound(&stored.ids);
}

/// Also without anything derived, which would tell what was acknowledged.
#[test]
fn a_store_without_any_journal_is_not_taken_for_a_new_one() {
    let stored = Stored::new();
    fs::remove_dir_all(stored.path("views")).unwrap();
    for content in files(&stored.path("journal")) {
        fs::remove_file(content.0).unwrap();
    }
    stored.check_refused(&["all files of the journal are missing", "put the missing files back"]);
    fs::remove_dir(stored.path("journal")).unwrap();
    stored.place.run(&["serve"]).expect(1).says(&["put the missing files back"]);
    fs::remove_file(stored.path("FORMAT")).unwrap();
    fs::create_dir(stored.path("journal")).unwrap();
    stored.place.run(&["verify"]).expect(1).says(&["put the missing files back"]);
}

#[test]
fn what_lies_behind_the_records_is_no_loss_and_is_named() {
    let stored = Stored::new();
    let journal = stored.path("journal");
    let untouched = files(&journal);
    let end = records(&stored.segment(2)).last().unwrap().to;
    edit(&stored.segment(2), |bytes| bytes[end + 10] = 1);
    let ended = stored.place.run(&["verify"]).expect(1);
    ended.says(&[&name(2), "behind the last record", "nothing is lost"]);
    stored.place.serve().stop();
    put_back(&journal, &untouched);

    let last = stored.segments();
    let end = records(&stored.segment(last)).last().unwrap().to;
    edit(&stored.segment(last), |bytes| bytes[end + 10] = 1);
    stored.place.run(&["verify"]).expect(0).says(&["of an unfinished commit off the journal"]);
    stored.check_sound(&stored.ids);
}

#[test]
fn derived_records_that_are_not_what_was_written_are_recomputed_with_a_line_that_says_so() {
    let stored = Stored::new();
    let expected = statuses(&stored.place);
    for path in files(&stored.path("views")).into_keys() {
        for change in [
            |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2),
            |bytes: &mut Vec<u8>| bytes.fill(0),
            |bytes: &mut Vec<u8>| bytes.push(0),
        ] {
            let before = fs::read(&path).unwrap_or_default();
            if path.exists() {
                edit(&path, change);
            }
            if fs::read(&path).unwrap_or_default() != before {
                stored.place.run(&["verify"]).expect(0).says(&["are recomputed", "no faults"]);
            }
        }
        if path.exists() {
            fs::remove_file(&path).unwrap();
            stored.place.run(&["verify"]).expect(0).says(&["are recomputed", "no faults"]);
        }
    }
    assert_eq!(statuses(&stored.place), expected);
}
