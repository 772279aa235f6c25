//! The commands around the store, and the small ones: rebuild, verify, export, import, token,
//! completions, healthcheck, demo, help.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bursar::config::SETTINGS;
use serde_json::{Value, json};

use crate::process::{
    Ended, OPERATOR, Place, READER, SECRET, Server, all_stories, payout, run, run_with_input, text,
};

const CONNECTIONS: usize = 8;

/// Delivers every story, in any order and partly twice.
#[track_caller]
fn load(server: &Server) {
    let bodies = all_stories();
    std::thread::scope(|threads| {
        for part in bodies.chunks(bodies.len().div_ceil(CONNECTIONS)) {
            let mut connection = server.connect();
            threads.spawn(move || {
                for body in part {
                    connection.deliver(body).expect("an answer").outcome();
                }
            });
        }
    });
}

/// A store that has seen every story, and is closed.
fn loaded() -> Place {
    let place = Place::new();
    let server = place.serve();
    load(&server);
    server.stop();
    place
}

/// What a reader sees, apart from when it was written down.
fn seen(server: &Server) -> BTreeMap<String, Value> {
    let mut seen = BTreeMap::new();
    for livemode in [false, true] {
        for kind in ["accounts", "topups", "transfers", "payouts", "events"] {
            let path = format!("/v1/{kind}?limit=500&livemode={livemode}");
            let mut page = server.read(&path);
            assert_eq!(page["next_cursor"], Value::Null, "all of it stands on one page");
            for object in page["data"].as_array_mut().expect("a list") {
                if let Some(as_of) = object.get_mut("as_of").and_then(Value::as_object_mut) {
                    as_of.remove("recorded_at");
                }
            }
            seen.insert(path, page);
        }
        let path = format!("/v1/summary?livemode={livemode}");
        seen.insert(path.clone(), server.read(&path));
    }
    seen
}

/// Changes the views behind bursar's back, as if it had been killed: it keeps a checksum of views
/// that it closes in order.
fn tamper(place: &Place, change: impl FnOnce(&sled::Db)) {
    place.serve().kill_nine();
    let views = sled::open(place.store().join("views")).expect("the views");
    change(&views);
    views.flush().expect("written views");
}

/// The first row of a sort.
fn first_row(views: &sled::Db, tag: u8) -> (sled::IVec, sled::IVec) {
    views.scan_prefix([tag]).next().expect("a row").expect("a readable row")
}

#[test]
fn a_rebuild_finds_nothing_to_change_and_changes_nothing() {
    let place = loaded();
    place.run(&["rebuild", "--check"]).expect(0).says(&["no differences"]);
    place.run(&["verify"]).expect(0).says(&["no faults"]);
    let server = place.serve();
    let before = seen(&server);
    server.stop();
    place.run(&["rebuild"]).expect(0).says(&["rebuilt everything"]);
    let server = place.serve();
    assert_eq!(seen(&server), before);
    server.kill_nine();
    place.run(&["rebuild", "--check"]).expect(0).says(&["no differences"]);
}

#[test]
fn a_check_names_what_differs_and_a_rebuild_puts_it_right() {
    let place = loaded();
    tamper(&place, |views| {
        let (key, value) = first_row(views, b'o');
        let mut other = value.to_vec();
        *other.last_mut().unwrap() ^= 1;
        views.insert(key, other).unwrap();
        let (key, _) = first_row(views, b'l');
        views.remove(key).unwrap();
        views.insert(b"e\0evt_never_received", &[1]).unwrap();
    });
    for command in [&["rebuild", "--check"][..], &["verify"]] {
        let ended = place.run(command).expect(1);
        ended.says(&["object state", "differs", "list index", "is missing"]);
        ended.says(&["evt_never_received", "should not be there", "`bursar rebuild`"]);
    }
    place.run(&["rebuild"]).expect(0);
    place.run(&["rebuild", "--check"]).expect(0).says(&["no differences"]);
    place.run(&["verify"]).expect(0).says(&["no faults"]);
}

#[test]
fn an_event_that_is_not_in_the_index_is_a_fault_with_its_id() {
    let place = loaded();
    tamper(&place, |views| {
        assert!(views.remove(b"e\0evt_s0_0001").unwrap().is_some());
    });
    let ended = place.run(&["verify"]).expect(1);
    ended.says(&["event id evt_s0_0001", "is missing"]);
}

#[test]
fn deleted_or_unreadable_views_are_made_again() {
    let place = loaded();
    let server = place.serve();
    let before = seen(&server);
    server.stop();
    let views = place.store().join("views");

    std::fs::remove_dir_all(&views).unwrap();
    place.run(&["verify"]).expect(0).says(&["no faults"]);

    for (file, content) in [("conf", "rubbish"), ("db", "rubbish"), ("snap.0.generating", "")] {
        std::fs::write(views.join(file), content).unwrap();
        let server = place.serve();
        assert_eq!(seen(&server), before, "{file}");
        server.stop();
    }
    // As after a power loss: opened by a machine that was since started again.
    std::fs::write(place.store().join("OPENED"), "another boot").unwrap();
    tamper(&place, |views| views.clear().unwrap());
    let server = place.serve();
    assert_eq!(seen(&server), before);
    server.stop();
    place.run(&["rebuild", "--check"]).expect(0);
}

/// Changes one bit at `offset`.
fn flip(path: &Path, offset: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("a byte");
    file.write_all_at(&byte.map(|byte| byte ^ 16), offset).expect("a written byte");
}

/// Where each record of a journal's first segment starts.
fn records(path: &Path) -> Vec<u64> {
    let bytes = std::fs::read(path).expect("a segment");
    let mut offsets = Vec::new();
    let mut offset = 64_usize;
    loop {
        let length = bytes[offset..offset + 4].try_into().expect("four bytes");
        let length = usize::try_from(u32::from_le_bytes(length)).expect("a length");
        if length == 0 {
            return offsets;
        }
        offsets.push(offset as u64);
        offset += (8 + length).next_multiple_of(8);
    }
}

#[test]
fn one_wrong_bit_in_a_stored_record_is_named_by_file_offset_and_record() {
    let place = loaded();
    let segment = place.store().join("journal/00000001.journal");
    let offsets = records(&segment);
    let last = offsets.len() - 2;
    for record in [0, last / 2, last] {
        let offset = offsets[record];
        for bit_at in [4, 8 + 60] {
            flip(&segment, offset + bit_at);
            let ended = place.run(&["verify"]).expect(1);
            let (byte, sequence) = (format!("byte {offset}"), format!("sequence {} ", record + 1));
            ended.says(&["00000001.journal", &byte, &sequence]);
            place.run(&["serve"]).expect(1).says(&["00000001.journal", &byte, &sequence]);
            flip(&segment, offset + bit_at);
        }
    }
    place.run(&["verify"]).expect(0);
}

/// The newest batch alone looks like a write that was cut off; what was derived from it tells.
#[test]
fn a_wrong_bit_in_the_newest_batch_is_no_torn_write_and_is_left_for_repair() {
    let (place, _) = varied();
    let lines = place.run(&["export"]).expect(0).stdout;
    let other = Place::new();
    run_with_input(other.command(&["import", "-"]), lines.as_bytes()).expect(0);
    for place in [place, other] {
        let segment = place.store().join("journal/00000001.journal");
        let offsets = records(&segment);
        let wrong = offsets[offsets.len() - 1] + 8 + 20;
        flip(&segment, wrong);
        let damaged = std::fs::read(&segment).unwrap();
        for arguments in [&["verify"][..], &["serve"], &["rebuild"], &["export"]] {
            place.run(arguments).expect(1).says(&["00000001.journal", "damaged"]);
        }
        assert!(std::fs::read(&segment).unwrap() == damaged, "damage is left as it is");
        flip(&segment, wrong);
        place.run(&["verify"]).expect(0);
        assert_eq!(place.run(&["export"]).expect(0).stdout, lines);
    }
}

/// Without the file there is nothing to read, and what was derived from it must not follow.
#[test]
fn a_missing_or_shortened_segment_is_damage() {
    let place = loaded();
    let segment = place.store().join("journal/00000001.journal");
    let whole = std::fs::read(&segment).unwrap();
    for length in [whole.len() / 4096, 30, 0] {
        std::fs::write(&segment, &whole[..length]).unwrap();
        for arguments in [&["verify"][..], &["serve"], &["rebuild"]] {
            place.run(arguments).expect(1).says(&["damaged"]);
        }
    }
    std::fs::remove_file(&segment).unwrap();
    place.run(&["verify"]).expect(1).says(&["damaged", "put the missing files"]);
    std::fs::write(&segment, &whole).unwrap();
    place.run(&["verify"]).expect(0).says(&["no faults"]);
}

#[test]
fn commands_on_a_store_that_is_not_there_make_none() {
    let place = Place::new();
    for arguments in [&["rebuild"][..], &["rebuild", "--check"], &["verify"], &["export"]] {
        place.run(arguments).expect(2).says(&["no store", "--store", "BURSAR_STORE"]);
    }
    assert!(!place.store().exists());
}

/// The lines of an export.
fn lines(export: &str) -> Vec<Value> {
    export.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// A store with events of several kinds: sources, partitions, a conflict, odd bytes.
fn varied() -> (Place, String) {
    let place = Place::new();
    let server = place.serve();
    load(&server);
    let odd = String::from_utf8(payout("odd")).expect("UTF-8").replace('\n', "\r\n\t ");
    let odd = odd.replace("STRIPE PAYOUT", "Zo\u{eb} \\u00eb \u{1f980} \\\\ \\\" \u{7f}");
    assert_eq!(server.deliver(odd.as_bytes()).outcome(), "applied");
    let conflicting = odd.replace("1000", "1001");
    assert_eq!(server.deliver(conflicting.as_bytes()).outcome(), "duplicate");
    let file = place.write("replayed.json", payout("replayed"));
    place.run(&["replay", "--url", &server.url(), "--token", OPERATOR, &file]).expect(0);
    server.stop();
    (place, odd)
}

#[test]
fn what_was_exported_is_imported_byte_for_byte() {
    let (place, odd) = varied();
    let file = place.path("events.jsonl");
    place.run(&["export", text(&file)]).expect(0).says(&["exported"]);
    let exported = std::fs::read_to_string(&file).unwrap();
    assert_eq!(place.run(&["export"]).expect(0).stdout, exported, "stdout is the default");
    assert_eq!(place.run(&["export", "-"]).expect(0).stdout, exported);

    let found = lines(&exported);
    let of = |id: &str| found.iter().find(|line| line["id"] == id).expect("a line");
    assert_eq!(of("evt_odd")["body"], odd);
    assert_eq!(of("evt_odd")["flags"], json!(["conflicting_redelivery"]));
    assert_eq!(of("evt_odd")["source"], "platform");
    assert_eq!(of("evt_replayed")["source"], "replay:ops");
    assert_eq!(of("evt_replayed")["flags"], json!([]));
    assert!(found.iter().any(|line| line["livemode"] == true));

    let server = place.serve();
    let before = seen(&server);
    server.stop();

    let other = Place::new();
    let count = found.len();
    let ended = other.run(&["import", text(&file)]).expect(0);
    ended.says(&[&format!("imported {count} events"), "known already: 0"]);
    assert_eq!(other.run(&["export"]).expect(0).stdout, exported);
    let ended = run_with_input(other.command(&["import", "-"]), exported.as_bytes()).expect(0);
    ended.says(&["imported 0 events", &format!("known already: {count}")]);
    assert_eq!(other.run(&["export"]).expect(0).stdout, exported, "a second time changes nothing");
    other.run(&["verify"]).expect(0);
    other.run(&["rebuild", "--check"]).expect(0);

    let server = other.serve();
    assert_eq!(server.get("/v1/events/evt_odd/body", OPERATOR).text(), odd);
    let after = seen(&server);
    for (path, answer) in before {
        assert_eq!(after[&path], answer, "{path}");
    }
}

#[test]
fn an_import_in_another_order_gives_the_same_statuses() {
    let (place, _) = varied();
    let exported = place.run(&["export"]).expect(0).stdout;
    let backwards: Vec<&str> = exported.lines().rev().collect();
    let other = Place::new();
    run_with_input(other.command(&["import", "-"]), backwards.join("\n").as_bytes()).expect(0);
    let statuses = |place: &Place| {
        let server = place.serve();
        let mut statuses = BTreeMap::new();
        for (path, answer) in seen(&server) {
            for object in answer["data"].as_array().into_iter().flatten() {
                let name = format!("{path} {} {}", object["account"], object["id"]);
                let of = |field: &str| object[field].clone();
                if !path.contains("events") {
                    statuses.insert(name, [of("status"), of("payable"), of("ambiguous")]);
                }
            }
        }
        statuses
    };
    let (here, there) = (statuses(&place), statuses(&other));
    assert!(here.len() > 20);
    assert_eq!(here, there);
}

#[test]
fn a_bad_line_is_named_and_the_lines_before_it_are_kept() {
    let good = |name: &str| {
        let body = String::from_utf8(payout(name)).expect("UTF-8");
        json!({ "id": format!("evt_{name}"), "body": body }).to_string()
    };
    let not_its_id = good("one").replacen("evt_one", "evt_other", 1);
    let bad_time = good("one").replacen('{', r#"{"received_at":"yesterday","#, 1);
    let other_mode = good("one").replacen('{', r#"{"livemode":true,"#, 1);
    for bad in [
        other_mode.as_bytes(),
        &b"not JSON"[..],
        b"\xff\xfe",
        br#"{"id":"evt_x"}"#,
        br#"{"id":"evt_x","body":"{}"}"#,
        not_its_id.as_bytes(),
        bad_time.as_bytes(),
    ] {
        let place = Place::new();
        let (first, second, fifth) = (good("first"), good("second"), good("fifth"));
        let input =
            [first.as_bytes(), b"\n\n", second.as_bytes(), b"\n", bad, b"\n", fifth.as_bytes()];
        let file = place.write("events.jsonl", input.concat());
        let ended = place.run(&["import", &file]).expect(1);
        ended.says(&["events.jsonl", "line 4", "imported 2 events"]);
        let exported = lines(&place.run(&["export"]).expect(0).stdout);
        let ids: Vec<&Value> = exported.iter().map(|line| &line["id"]).collect();
        assert_eq!(ids, ["evt_first", "evt_second"], "{}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn a_line_that_says_less_is_imported_now_and_by_import() {
    let place = Place::new();
    let body = String::from_utf8(payout("bare")).unwrap();
    let bare = json!({ "id": "evt_bare", "body": body }).to_string();
    let silent = json!({ "id": "evt_quiet", "object": "event", "type": "whatever.happened" });
    let quiet = json!({ "id": "evt_quiet", "body": silent.to_string() }).to_string();
    let file = place.write("events.jsonl", format!("{bare}\r\n{quiet}"));
    let before = bursar::clock::now();
    place.run(&["import", &file]).expect(0).says(&["imported 2 events"]);
    let exported = lines(&place.run(&["export"]).expect(0).stdout);
    assert_eq!(exported.len(), 2);
    for line in exported {
        assert_eq!(line["source"], "import");
        assert_eq!(line["livemode"], false, "of the body, else the configured one");
        assert_eq!(line["flags"], json!([]));
        let received_at = line["received_at"].as_str().unwrap();
        let received_at = bursar::pipeline::portable::from_rfc3339(received_at).unwrap();
        assert!(received_at >= before && received_at <= bursar::clock::now());
    }
}

#[test]
fn several_files_are_imported_and_a_missing_one_stops_before_the_first() {
    let place = Place::new();
    let line = |name: &str| {
        let body = String::from_utf8(payout(name)).expect("UTF-8");
        json!({ "id": format!("evt_{name}"), "body": body }).to_string()
    };
    let (one, two) = (place.write("1", line("one")), place.write("2", line("two")));
    place.run(&["import", &one, "nowhere"]).expect(2).says(&["nowhere"]);
    assert!(!place.store().exists());
    place
        .run(&["import", &one, &two, &one])
        .expect(0)
        .says(&["imported 2 events", "known already: 1"]);
    place.run(&["import"]).expect(2).says(&["FILE"]);
}

#[test]
fn a_new_token_works_by_itself_and_by_its_hash() {
    let place = Place::new();
    let printed = run(place.bare(&["token"])).expect(0).stdout;
    let other = run(place.bare(&["token"])).expect(0).stdout;
    assert_ne!(printed, other);
    let (token, hash) = printed.trim_end().split_once('\n').expect("two lines");
    assert!(token.len() >= 40 && hash.starts_with("sha256:"), "{printed}");
    for configured in [token, hash] {
        let server = place.serve_with(|command| {
            command.env("BURSAR_TOKENS", format!("reader/shop={configured}"));
        });
        assert_eq!(server.get("/v1/summary", token).status, 200);
        assert_eq!(server.get("/v1/summary", "another").status, 401);
        server.stop().hides(&[token]);
    }
    let server = place.serve_with(|command| {
        command.env("BURSAR_TOKENS", format!("reader={hash}"));
    });
    assert_eq!(server.get("/v1/summary", hash).status, 401, "the hash is no token");
}

#[test]
fn completions_are_there_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run(place.bare(&["completions", shell])).expect(0);
        ended.says(&["bursar", "serve", "replay", "max-body-bytes"]);
        assert_eq!(ended.stderr, "");
    }
    run(place.bare(&["completions", "cmd"])).expect(2).says(&["bash", "zsh"]);
}

#[test]
fn a_reader_that_goes_away_is_no_crash() {
    let (place, _) = varied();
    for arguments in [&["completions", "bash"][..], &["export"]] {
        let mut command = place.command(arguments);
        command.stdout(gone());
        let ended = run(command);
        ended.hides(&["panicked"]);
        assert_ne!(ended.code(), 101, "{arguments:?}");
    }
    place.run(&["verify"]).expect(0);
}

/// The writing end of a pipe that nobody reads.
fn gone() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}

#[test]
fn a_healthcheck_knows_a_running_server_from_none() {
    let place = Place::new();
    let mut server = place.serve();
    let address = server.address.to_string();
    let check = |bind: &str| run(place.bare(&["healthcheck", "--bind", bind]));
    check(&address).expect(0);
    check(&format!("0.0.0.0:{}", server.address.port())).expect(0);
    server.process.signal("TERM");
    server.process.until_it_says("stopping");
    server.process.end().expect(0);
    check(&address).expect(1).says(&[&address, "cannot be reached"]);

    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || drop(stranger.accept()));
    check(&address).expect(1);
    thread.join().unwrap();
}

#[test]
fn the_demo_plays_its_story_and_reaches_its_statuses() {
    let place = Place::new();
    let ended = run(place.bare(&["demo", "--exit"])).expect(0);
    ended.says(&["enabled, payable", "failed, failed_after_paid", "waiting_for_funds"]);
    ended.says(&[
        "409 balance_insufficient",
        "moves no funds from a platform in US to accounts in JP",
    ]);
    assert!(!ended.stdout.contains("| NO"), "{}", ended.stdout);
    let left: Vec<_> = std::fs::read_dir(place.path(".")).unwrap().collect();
    assert!(left.is_empty(), "the demo leaves nothing behind: {left:?}");
}

#[test]
fn the_demo_listens_where_it_is_told_to_or_says_why_not() {
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut demo = place.bare(&["demo", "--exit"]);
    demo.env("BURSAR_BIND", free.to_string());
    run(demo).expect(0).says(&[&format!("listens on http://{free};")]);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    run(place.bare(&["demo", "--exit", "--bind", &taken])).expect(1).says(&[&taken, "--bind"]);
    run(place.bare(&["demo", "--exit", "--bind", "here"])).expect(2).says(&["--bind must be"]);
}

const COMMANDS: [&str; 13] = [
    "serve",
    "demo",
    "history",
    "replay",
    "redrive",
    "rebuild",
    "verify",
    "repair",
    "export",
    "import",
    "token",
    "healthcheck",
    "completions",
];

#[test]
fn every_command_explains_itself_with_an_example_and_shows_no_secret() {
    let place = Place::new();
    let overview = place.run(&["--help"]).expect(0);
    overview.says(&COMMANDS);
    for command in COMMANDS {
        let ended = place.run(&[command, "--help"]).expect(0);
        ended.says(&["Example", &format!("\n  bursar {command}").replace("  bursar serve", "  ")]);
        ended.hides(&[SECRET, OPERATOR, READER, "default: whsec", "default: reader"]);
        let short = place.run(&[command, "-h"]).expect(0);
        short.hides(&[SECRET, OPERATOR, READER]);
    }
    place.run(&["--version"]).expect(0).says(&[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn a_command_has_the_settings_that_it_reads_and_no_others() {
    let place = Place::new();
    let all: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    for (command, reads) in [
        ("serve", &all[..]),
        ("demo", &["bind"]),
        ("history", &["bind", "livemode", "tls_cert"]),
        ("replay", &["bind", "webhook_secrets", "tls_cert"]),
        ("redrive", &["bind", "livemode", "tls_cert"]),
        ("healthcheck", &["bind", "tls_cert"]),
        ("rebuild", &["store", "log", "log_format"]),
        ("verify", &["store", "log", "log_format"]),
        ("export", &["store", "log", "log_format"]),
        ("import", &["store", "livemode", "log", "log_format"]),
    ] {
        let help = place.run(&[command, "--help"]).expect(0).stdout;
        let listed = |name: &&str| help.contains(&format!("--{} <", name.replace('_', "-")));
        let listed: Vec<&str> = all.iter().copied().filter(listed).collect();
        assert_eq!(listed, reads, "{command}");
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    let place = Place::new();
    let wrong = |arguments: &[&str]| -> Ended { place.run(arguments).expect(2) };
    wrong(&[]).says(&["Usage"]);
    wrong(&["srve"]).says(&["serve"]);
    wrong(&["serve", "--bnid", "1"]).says(&["--bind"]);
    wrong(&["serve", "extra"]);
    wrong(&["demo", "--quiet"]);
    wrong(&["demo", "--exit", "--no-story"]).says(&["cannot be used with"]);
    wrong(&["export", "a", "b"]);
    wrong(&["verify", "--config", "nowhere.toml"]).says(&["nowhere.toml"]);
    wrong(&["rebuild", "--log", "=loud"]).says(&["--log"]);
}
