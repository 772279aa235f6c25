//! The small files: FORMAT, RULES, IDENTITY, OPENED, LOCK, REPAIR.

use crate::process::{Place, READER};

use super::{Stored, files, put_back, statuses};

const RUBBISH: [&[u8]; 4] = [b"", b"rubbish", b"\xff\xfe\0\x01", b"0"];

#[test]
fn a_damaged_layout_note_is_refused_with_what_to_write_into_it() {
    let stored = Stored::new();
    let note = stored.path("FORMAT");
    for content in RUBBISH {
        std::fs::write(&note, content).unwrap();
        stored.check_refused(&["FORMAT", "damaged", "write `1` into it"]);
        stored.place.run(&["repair"]).expect(1).says(&["FORMAT"]);
        assert_eq!(std::fs::read(&note).unwrap(), content, "left as it is");
    }
    std::fs::write(&note, "2").unwrap();
    stored.check_refused(&["FORMAT", "`2`", "newer"]);
    stored.place.run(&["repair", "--apply"]).expect(1).says(&["FORMAT", "`2`", "newer"]);
    std::fs::remove_file(&note).unwrap();
    stored.place.run(&["verify"]).expect(0).says(&["FORMAT was missing", "no faults"]);
}

#[test]
fn what_a_newer_program_derived_is_refused_by_name() {
    let stored = Stored::new();
    let note = stored.path("RULES");
    let known: u32 = std::fs::read_to_string(&note).unwrap().parse().unwrap();
    let newer = (known + 1).to_string();
    std::fs::write(&note, &newer).unwrap();
    stored.check_refused(&["RULES", &format!("`{newer}`"), "newer", "delete the file"]);
    stored.place.run(&["repair"]).expect(1).says(&["RULES"]);
    assert_eq!(std::fs::read_to_string(&note).unwrap(), newer);
    for content in RUBBISH {
        std::fs::write(&note, content).unwrap();
        stored.place.run(&["verify"]).expect(0);
        assert_eq!(std::fs::read_to_string(&note).unwrap(), known.to_string());
    }
    std::fs::remove_file(&note).unwrap();
    stored.check_sound(&stored.ids);
}

#[test]
fn a_damaged_identity_gives_a_new_one_and_readers_of_the_feed_are_told() {
    let stored = Stored::new();
    let note = stored.path("IDENTITY");
    for content in RUBBISH {
        let server = stored.place.serve();
        let epoch = server.read("/v1/changes")["epoch"].as_str().unwrap().to_owned();
        server.stop();
        std::fs::write(&note, content).unwrap();
        let server = stored.place.serve();
        let path = format!("/v1/changes?after=0&epoch={epoch}");
        let answer = server.get(&path, READER);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (410, Some("feed_restarted")));
        server.stop().says(&["IDENTITY is damaged"]);
    }
}

#[test]
fn without_a_sound_note_of_how_it_was_left_derived_records_are_recomputed() {
    let stored = Stored::new();
    let expected = statuses(&stored.place);
    for content in RUBBISH.into_iter().chain([&b"closed"[..], b"closed 00000000"]) {
        std::fs::write(stored.path("OPENED"), content).unwrap();
        stored.place.run(&["verify"]).expect(0).says(&["are recomputed", "no faults"]);
    }
    std::fs::remove_file(stored.path("OPENED")).unwrap();
    assert_eq!(statuses(&stored.place), expected);
}

#[test]
fn of_a_copy_made_while_the_server_runs_what_is_derived_is_recomputed() {
    let stored = Stored::new();
    let server = stored.place.serve();
    let copy = Place::new();
    let files = files(&stored.place.store()).into_iter().map(|(path, content)| {
        let name = path.strip_prefix(stored.place.store()).unwrap();
        (copy.store().join(name), content)
    });
    put_back(&copy.store(), &files.collect());
    server.stop();
    copy.run(&["verify"]).expect(0).says(&["are recomputed", "a copy", "no faults"]);
    assert_eq!(copy.run(&["export"]).expect(0).stdout.lines().count(), stored.ids.len());
}

#[test]
fn what_the_lock_says_does_not_matter() {
    let stored = Stored::new();
    for content in RUBBISH {
        std::fs::write(stored.path("LOCK"), content).unwrap();
        stored.place.run(&["verify"]).expect(0).hides(&["recomputed"]);
    }
    std::fs::remove_file(stored.path("LOCK")).unwrap();
    stored.place.run(&["verify"]).expect(0).hides(&["recomputed"]);
}
