//! What a repair keeps of a damaged journal, and what it says to others.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{OPERATOR, Place, Process, READER, all_stories, id_of, payout};

use super::{Stands, Stored, edit, files, flip, records, statuses};

/// A store of which one record of the second segment cannot be read, and that record.
fn damaged() -> (Stored, Stands) {
    let stored = Stored::new();
    let hit = records(&stored.segment(2))[3].clone();
    flip(&stored.segment(2), hit.from as u64 + 70, 3);
    (stored, hit)
}

fn without(ids: &[String], lost: &[&str]) -> Vec<String> {
    ids.iter().filter(|id| !lost.contains(&id.as_str())).cloned().collect()
}

#[test]
fn a_repair_only_says_what_it_would_do_until_it_is_told_to() {
    let (stored, hit) = damaged();
    let before = files(&stored.path("journal"));
    let ended = stored.place.run(&["repair"]).expect(1);
    ended.says(&["00000002.journal", &format!("bytes {} to {}", hit.from, hit.to)]);
    ended.says(&[&format!("record {} is lost", hit.sequence), &hit.id, "--apply"]);
    assert!(files(&stored.path("journal")) == before);
    assert!(!stored.path("damaged-1").exists());
}

#[test]
fn a_repair_keeps_every_other_record_and_what_is_lost_can_come_again() {
    let (stored, hit) = damaged();
    let before = files(&stored.path("journal"));
    let expected = {
        let whole = Stored::new();
        statuses(&whole.place)
    };
    let ended = stored.place.run(&["repair", "--apply"]).expect(0);
    ended.says(&[&hit.id, "damaged-1", "LOST", "serve"]);
    let report = fs::read_to_string(stored.path("damaged-1/LOST")).unwrap();
    assert!(report.contains(&format!("record {}: event {} (", hit.sequence, hit.id)), "{report}");
    let aside = files(&stored.path("damaged-1/journal"));
    assert!(aside.values().eq(before.values()), "the damaged files are kept as they were");
    stored.check_sound(&without(&stored.ids, &[&hit.id]));
    stored.place.run(&["repair"]).expect(0).says(&["no damage"]);

    let server = stored.place.serve();
    let body = all_stories().into_iter().find(|body| id_of(body) == hit.id).unwrap();
    assert_ne!(server.deliver(&body).outcome(), "duplicate");
    assert_eq!(server.deliver(&body).outcome(), "duplicate");
    server.stop();
    assert_eq!(statuses(&stored.place), expected);
    stored.place.run(&["verify"]).expect(0).says(&["no faults"]);
}

#[test]
fn after_a_repair_readers_of_the_feed_are_told_to_begin_anew() {
    let (stored, hit) = damaged();
    flip(&stored.segment(2), hit.from as u64 + 70, 3);
    let server = stored.place.serve();
    let feed = server.read("/v1/changes?after=0&limit=5");
    server.stop();
    flip(&stored.segment(2), hit.from as u64 + 70, 3);
    stored.place.run(&["repair", "--apply"]).expect(0);
    let server = stored.place.serve();
    let (next, epoch) = (&feed["next"], feed["epoch"].as_str().unwrap());
    let answer = server.get(&format!("/v1/changes?after={next}&epoch={epoch}"), READER);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (410, Some("feed_restarted")));
    server.stop();
}

#[test]
fn a_sound_store_is_left_as_it_is() {
    let stored = Stored::new();
    let before = files(&stored.path("journal"));
    let identity = fs::read(stored.path("IDENTITY")).unwrap();
    for arguments in [&["repair"][..], &["repair", "--apply"]] {
        stored.place.run(arguments).expect(0).says(&["no damage: nothing to repair"]);
    }
    assert!(files(&stored.path("journal")) == before);
    assert_eq!(fs::read(stored.path("IDENTITY")).unwrap(), identity);
    stored.check_sound(&stored.ids);
}

#[test]
fn an_unfinished_commit_is_no_damage() {
    let stored = Stored::new();
    fs::remove_dir_all(stored.path("views")).unwrap();
    let last = records(&stored.segment(stored.segments())).pop().unwrap();
    edit(&stored.segment(stored.segments()), |bytes| {
        bytes[last.from + 20..last.to].fill(0);
    });
    let ended = stored.place.run(&["repair"]).expect(0);
    ended.says(&["of an unfinished commit, which was never acknowledged", "no damage"]);
}

/// Several files, each damaged in a way of its own; without the derived records, too.
#[test]
fn of_many_damages_a_repair_keeps_all_that_lies_between() {
    for with_views in [true, false] {
        let stored = Stored::new();
        let count = stored.segments();
        assert!(count > 5);
        let mut lost: Vec<String> =
            records(&stored.segment(2)).into_iter().map(|it| it.id).collect();
        fs::remove_file(stored.segment(2)).unwrap();
        edit(&stored.segment(3), |bytes| bytes[..64].fill(0));
        let blank = records(&stored.segment(4));
        edit(&stored.segment(4), |bytes| bytes[blank[2].from..blank[4].to].fill(0));
        lost.extend(blank[2..5].iter().map(|record| record.id.clone()));
        let end = records(&stored.segment(count)).pop().unwrap();
        edit(&stored.segment(count), |bytes| bytes.truncate(end.to - 40));
        lost.push(end.id);
        if !with_views {
            fs::remove_dir_all(stored.path("views")).unwrap();
        }
        let ended = stored.place.run(&["repair", "--apply"]).expect(0);
        ended.says(&["the file is missing", "the header is missing", "cut short"]);
        let report = fs::read_to_string(stored.path("damaged-1/LOST")).unwrap();
        // Only what was derived tells of the record that was the last.
        let numbered = report.lines().filter(|line| line.starts_with("record ")).count();
        assert_eq!(numbered, lost.len() - usize::from(!with_views));
        assert_eq!(report.contains("how many records are lost is not known"), !with_views);
        let lost: Vec<&str> = lost.iter().map(String::as_str).collect();
        assert_eq!(lost.iter().all(|id| report.contains(*id)), with_views);
        stored.check_sound(&without(&stored.ids, &lost));
    }
}

#[test]
fn segments_under_each_others_names_lose_nothing() {
    let stored = Stored::new();
    let aside = stored.path("aside");
    fs::rename(stored.segment(2), &aside).unwrap();
    fs::rename(stored.segment(4), stored.segment(2)).unwrap();
    fs::rename(&aside, stored.segment(4)).unwrap();
    fs::copy(stored.segment(5), stored.segment(stored.segments() + 1)).unwrap();
    stored.place.run(&["repair", "--apply"]).expect(0).says(&["no record is lost"]);
    stored.check_sound(&stored.ids);
}

/// Every state in which a repair can be cut off, as the files show it.
#[test]
fn a_repair_that_was_cut_off_is_completed_by_the_next() {
    let (stored, hit) = damaged();
    let kept = without(&stored.ids, &[&hit.id]);
    let (aside, journal) = (stored.path("damaged-1"), stored.path("journal"));
    let cut_off = |step: usize| {
        fs::write(stored.path("REPAIR"), format!("damaged-1 {}\n", stored.ids.len())).unwrap();
        fs::create_dir_all(stored.path("journal.new")).unwrap();
        fs::write(stored.path("journal.new/00000001.journal"), "half a segment").unwrap();
        if step > 0 {
            fs::create_dir_all(&aside).unwrap();
            fs::write(aside.join("LOST"), "what the first attempt knew").unwrap();
            fs::rename(stored.path("views"), aside.join("views")).unwrap();
        }
        if step > 1 {
            fs::rename(&journal, aside.join("journal")).unwrap();
        }
        if step > 2 {
            fs::rename(stored.path("journal.new"), &journal).unwrap();
        }
    };
    let damaged_store = files(&stored.place.store());
    for step in 0..4 {
        super::put_back(&stored.place.store(), &damaged_store);
        cut_off(step);
        let commands = ["serve", "verify", "rebuild", "export"];
        for command in commands.into_iter().take(if step == 0 { 4 } else { 1 }) {
            let ended = stored.place.run(&[command]).expect(1);
            ended.says(&["a repair was cut off", "bursar repair --apply"]);
        }
        stored.place.run(&["repair"]).expect(1).says(&["--apply"]);
        stored.place.run(&["repair", "--apply"]).expect(0);
        assert!(!stored.path("REPAIR").exists());
        stored.check_sound(&kept);
    }
}

#[test]
fn kill_nine_in_a_repair_leaves_what_can_be_repaired() {
    let (stored, hit) = damaged();
    let damaged_store = files(&stored.place.store());
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    for _ in 0..3 {
        super::put_back(&stored.place.store(), &damaged_store);
        let repair = Process::start(stored.place.command(&["repair", "--apply"]));
        // A random moment is the point; whatever it is, what follows must hold.
        std::thread::sleep(Duration::from_millis(dice.u64(..150)));
        repair.kill_nine();
        stored.place.run(&["repair", "--apply"]).expect(0);
        stored.check_sound(&without(&stored.ids, &[&hit.id]));
    }
}

#[test]
fn a_body_that_is_damaged_while_the_server_runs_is_a_clear_problem_and_never_anothers() {
    let stored = Stored::new();
    let server = stored.place.serve();
    let stands = records(&stored.segment(1));
    let bytes = fs::read(stored.segment(1)).unwrap();
    let body = |id: &str| server.get(&format!("/v1/events/{id}/body"), OPERATOR);
    let sound = body(&stands[3].id).text();

    flip(&stored.segment(1), stands[0].from as u64 + 90, 1);
    // A whole record, where another should lie.
    let longest = stands[4..].iter().max_by_key(|record| record.to - record.from).unwrap();
    let shorter = &bytes[stands[3].from..stands[3].to];
    assert!(shorter.len() <= longest.to - longest.from);
    let file = fs::File::options().write(true).open(stored.segment(1)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, shorter, longest.from as u64).unwrap();

    let listed = server.get("/v1/events?limit=500", READER).text();
    for id in [&stands[0].id, &longest.id] {
        let answer = body(id);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.json()["code"], "store_damaged");
        assert!(answer.header("retry-after").is_none(), "asking again does not help");
        assert!(answer.json()["detail"].as_str().unwrap().contains("`bursar verify`"));
        assert!(listed.contains(id), "what is known beside the body is still there");
    }
    assert_eq!(body(&stands[3].id).text(), sound);
    assert_eq!(server.get("/healthz", "").status, 200);
    let ended = server.stop();
    ended.says(&["00000001.journal", &format!("byte {}", stands[0].from), &longest.id]);
}

/// A late event has all others of its object read again.
#[test]
fn a_delivery_that_needs_a_damaged_record_is_refused_until_a_repair_and_then_counts_once() {
    let stored = Stored { place: Place::new(), ids: Vec::new() };
    let stored = stored.filled(&[payout("early"), payout("other"), payout("third")]);
    let server = stored.place.serve();
    let hit = records(&stored.segment(1))[0].clone();
    flip(&stored.segment(1), hit.from as u64 + 90, 2);

    let mut late: Value = serde_json::from_slice(&payout("early")).unwrap();
    late["id"] = json!("evt_late");
    late["created"] = json!(late["created"].as_u64().unwrap() - 100);
    let late = late.to_string();
    let unrelated = payout("unrelated");
    for body in [late.as_bytes(), &unrelated] {
        assert_eq!(server.deliver(body).status, 503, "Stripe keeps it and sends it again");
    }
    assert_eq!(server.get("/readyz", "").status, 503);
    assert_eq!(server.get("/healthz", "").status, 200);
    server.stop();

    stored.check_refused(&["00000001.journal", "damaged"]);
    stored.place.run(&["repair", "--apply"]).expect(0).says(&["evt_early"]);
    let server = stored.place.serve();
    for body in [late.as_bytes(), &unrelated, &payout("early")] {
        server.deliver(body).outcome();
    }
    server.stop();
    let mut ids = stored.exported();
    ids.sort();
    assert_eq!(ids, ["evt_early", "evt_late", "evt_other", "evt_third", "evt_unrelated"]);
    stored.place.run(&["verify"]).expect(0).says(&["no faults"]);
}
