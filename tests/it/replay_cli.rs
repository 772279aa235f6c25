//! `bursar replay`: event files, handed to a running server.

use std::net::TcpListener;

use serde_json::Value;

use crate::process::{Ended, OPERATOR, Place, READER, SECRET, Server, id_of, payout, run};

const ARRAY: &str = "an array of events";

/// Runs `bursar replay` against a server, with an operator's token.
#[track_caller]
fn replay(place: &Place, server: &Server, arguments: &[&str]) -> Ended {
    let mut command = place.command(&[&["replay"], arguments].concat());
    command.env("BURSAR_URL", server.url()).env("BURSAR_TOKEN", OPERATOR);
    run(command)
}

fn ids(server: &Server) -> Vec<String> {
    let mut events = server.events();
    events.reverse();
    events.iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

fn line(name: &str) -> String {
    let event: Value = serde_json::from_slice(&payout(name)).expect("JSON");
    event.to_string()
}

#[test]
fn files_arrays_lines_and_folders_are_delivered_in_name_order() {
    let place = Place::new();
    let server = place.serve();
    let folder = place.path("events");
    place.write("events/c.json", payout("c"));
    place.write("events/a.jsonl", format!("{}\n\n{}\n", line("a1"), line("a2")));
    place.write("events/b/2.json", payout("b2"));
    place.write("events/b/1.json", format!(" [{},\n{}]", line("b1"), line("b1x")));
    place.write("events/notes.txt", "not an event");
    let single = place.write("single.json", payout("single"));

    let ended = replay(&place, &server, &[folder.to_str().unwrap(), &single]).expect(0);
    ended.says(&["delivered 7 events: 7 applied"]);
    let expected = ["a1", "a2", "b1", "b1x", "b2", "c", "single"];
    assert_eq!(ids(&server), expected.map(|name| format!("evt_{name}")));
    let event = server.read("/v1/events/evt_b1");
    assert_eq!(event["source"], "replay:ops");
    let body = server.get("/v1/events/evt_single/body", OPERATOR).text();
    assert_eq!(body.into_bytes(), payout("single"), "byte for byte");

    let ended = replay(&place, &server, &[&single]).expect(0);
    ended.says(&["delivered 1 event: 1 duplicate"]);
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let place = Place::new();
    let server = place.serve();
    let file = place.write("one.json", payout("one"));
    for _ in 0..2 {
        let ended = replay(&place, &server, &["--dry-run", &file]).expect(0);
        ended.says(&["would deliver 1 event: 1 applied"]);
    }
    assert!(ids(&server).is_empty());
    replay(&place, &server, &[&file]).expect(0).says(&["1 applied"]);
    replay(&place, &server, &["--dry-run", &file]).expect(0).says(&["1 duplicate"]);
    replay(&place, &server, &["--dry-run", "--sign", &file]).expect(2).says(&["--sign"]);
}

#[test]
fn a_shuffle_is_the_same_for_the_same_seed_and_duplicates_count_once() {
    let names: Vec<String> = (0..20).map(|number| format!("n{number:02}")).collect();
    let lines: String = names.iter().map(|name| line(name) + "\n").collect();
    let orders = ["7", "7", "8"].map(|seed| {
        let place = Place::new();
        let server = place.serve();
        let file = place.write("events.jsonl", &lines);
        let arguments = ["--shuffle", seed, "--duplicate", "2", &file];
        let ended = replay(&place, &server, &arguments).expect(0);
        ended.says(&["delivered 60 events", "20 applied", "40 duplicate"]);
        ids(&server)
    });
    assert_eq!(orders[0], orders[1]);
    assert_ne!(orders[0], orders[2]);
    let mut sorted = orders[0].clone();
    sorted.sort();
    assert_ne!(sorted, orders[0], "shuffled");
    assert_eq!(sorted, names.iter().map(|name| format!("evt_{name}")).collect::<Vec<_>>());
}

#[test]
fn signed_events_go_through_the_front_door_under_the_name_of_their_secret() {
    let place = Place::new();
    let secrets = format!("platform={SECRET},connect=whsec_second,whsec_third");
    let server = place.serve_with(|command| {
        command.env("BURSAR_WEBHOOK_SECRETS", &secrets);
    });
    let signed = |arguments: &[&str]| {
        let mut command = place.command(&[&["replay", "--sign"], arguments].concat());
        command.env("BURSAR_URL", server.url()).env("BURSAR_WEBHOOK_SECRETS", &secrets);
        run(command)
    };
    for (arguments, source) in [
        (&[][..], "platform"),
        (&["--secret", "connect"], "connect"),
        (&["--secret", "default"], "default"),
    ] {
        let file = place.write("event.json", payout(source));
        signed(&[arguments, &[&file]].concat()).expect(0).says(&["1 applied"]);
        assert_eq!(server.read(&format!("/v1/events/evt_{source}"))["source"], source);
    }
    let file = place.write("event.json", payout("unnamed"));
    let ended = signed(&["--secret", "nobody", &file]).expect(2);
    ended.says(&["nobody", "platform, connect, default"]);
    ended.hides(&[SECRET, "whsec_"]);
    place.run(&["replay", "--secret", "platform", &file]).expect(2).says(&["--sign"]);
}

#[test]
fn a_wrong_token_or_role_is_told_with_its_remedy() {
    let place = Place::new();
    let server = place.serve();
    let file = place.write("event.json", payout("one"));
    for (token, status) in [("guessed-token", "401"), (READER, "403"), ("", "401")] {
        let mut command = place.command(&["replay", &file, "--url", &server.url()]);
        command.env("BURSAR_TOKEN", token);
        let ended = run(command).expect(1);
        ended.says(&[status, "operator", "--token", "BURSAR_TOKEN"]);
        ended.hides(&["guessed-token", READER]);
    }
    assert!(ids(&server).is_empty());
}

#[test]
fn a_refused_event_is_named_with_its_place_and_the_others_are_delivered() {
    let place = Place::new();
    let server = place.serve();
    let no_event = r#"{"id":"evt_x","object":"charge","type":"payout.paid"}"#;
    let text = format!("{}\n{no_event}\n{}\n", line("before"), line("after"));
    let file = place.write("mixed.jsonl", text);
    let array = place.write("array.json", format!("[{},{no_event}]", line("in_array")));
    let broken = place.write("broken.json", "{\"id\": \"evt_broken\",");

    let ended = replay(&place, &server, &[&file, &array, &broken]).expect(1);
    ended.says(&["events that were refused: 3", "delivered 3 events: 3 applied", "not_an_event"]);
    ended.says(&["mixed.jsonl line 2", "array.json item", "broken.json"]);
    assert_eq!(ids(&server).len(), 3);

    let ended = replay(&place, &server, &["--sign", &file]).expect(1);
    ended.says(&[
        "mixed.jsonl line 2",
        "not_an_event",
        "events that were refused: 1",
        "2 duplicate",
    ]);
}

#[test]
fn a_parked_event_is_worth_a_warning_only() {
    let place = Place::new();
    let server = place.serve();
    let text = line("parked").replace("\"payout\"", "\"invoice\"");
    let file = place.write("parked.jsonl", text);
    for arguments in [&["--dry-run", &file][..], &["--sign", &file]] {
        let ended = replay(&place, &server, arguments).expect(0);
        ended.says(&["1 parked", "warning: parked"]);
    }
}

#[test]
fn wrong_usage_says_what_to_do() {
    let place = Place::new();
    let file = place.write("event.json", payout("one"));
    std::fs::create_dir(place.path("empty")).unwrap();
    let no_array = place.write("array.json", format!("[{},]", line("one")));
    for (arguments, expected) in [
        (&[][..], "PATH"),
        (&["empty"], "no event files"),
        (&["nowhere.json"], "nowhere.json"),
        (&[no_array.as_str()], ARRAY),
        (&["--url", "ftp://bursar.example", &file], "https://"),
        (&["--url", "localhost", &file], "not a URL"),
        (&["--shuffle", "much", &file], "--shuffle"),
        (&["--duplicate", "some", &file], "--duplicate"),
    ] {
        place.run(&[&["replay"], arguments].concat()).expect(2).says(&[expected]);
    }
    let mut command = place.command(&["replay", "--sign", &file]);
    command.env_remove("BURSAR_WEBHOOK_SECRETS");
    run(command).expect(2).says(&["BURSAR_WEBHOOK_SECRETS"]);
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let place = Place::new();
    let file = place.write("event.json", payout("one"));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let url = format!("http://{free}");
    let ended = place.run(&["replay", "--url", &url, "--token", OPERATOR, &file]).expect(1);
    ended.says(&[&url, "cannot be reached", "bursar serve", "BURSAR_URL"]);
    let ended = place.run(&["replay", "--bind", &free, "--sign", &file]).expect(1);
    ended.says(&[&url]);
}

/// More than one request to the server holds.
#[test]
fn a_large_file_is_delivered_in_several_requests() {
    let place = Place::new();
    let server = place.serve();
    let names: Vec<String> = (0..450).map(|number| format!("l{number:03}")).collect();
    let lines: String = names.iter().map(|name| line(name) + "\n").collect();
    let file = place.write("events.jsonl", &lines);
    replay(&place, &server, &[&file]).expect(0).says(&["delivered 450 events: 450 applied"]);
    let expected: Vec<String> = lines.lines().map(|line| id_of(line.as_bytes())).collect();
    assert_eq!(ids(&server), expected);
}
