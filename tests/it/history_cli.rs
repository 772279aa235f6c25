//! `bursar history` and `bursar redrive`: commands that ask a running server.

use bursar::sandbox::fixture;
use serde_json::{Value, json};

use crate::process::{Ended, OPERATOR, Place, READER, Server, payout, run};

/// Runs a command against a server.
#[track_caller]
fn ask(place: &Place, server: &Server, token: &str, arguments: &[&str]) -> Ended {
    let mut command = place.bare(arguments);
    command.env("BURSAR_URL", server.url()).env("BURSAR_TOKEN", token);
    run(command)
}

/// A fixture under another event id, with changes.
fn told(path: &str, id: &str, changes: &[(&str, Value)]) -> Vec<u8> {
    let body = fixture(&format!("events/{path}.json")).expect("a fixture");
    let mut event: Value = serde_json::from_slice(body).expect("a fixture in JSON");
    event["id"] = json!(id);
    for (pointer, value) in changes {
        *event.pointer_mut(pointer).expect("a field of the fixture") = value.clone();
    }
    serde_json::to_vec(&event).expect("JSON")
}

/// A fixture's field.
fn field(path: &str, pointer: &str) -> Value {
    let body = fixture(&format!("events/{path}.json")).expect("a fixture");
    let event: Value = serde_json::from_slice(body).expect("a fixture in JSON");
    event.pointer(pointer).expect("a field of the fixture").clone()
}

fn acct() -> String {
    field("account.updated/complete", "/data/object/id").as_str().expect("an id").to_owned()
}

/// A server that knows an account which was complete and then restricted, told in between, late,
/// that it had been submitted.
fn with_an_account(place: &Place) -> Server {
    let server = place.serve();
    for case in ["complete", "restricted", "submitted_pending"] {
        let body = told(&format!("account.updated/{case}"), &format!("evt_{case}"), &[]);
        assert_eq!(server.deliver(&body).status, 200, "{case}");
    }
    server
}

#[test]
fn a_history_shows_the_state_with_its_reason_and_every_step() {
    let place = Place::new();
    let server = with_an_account(&place);
    let ended =
        ask(&place, &server, READER, &["history", &acct(), "--livemode", "false"]).expect(0);
    let explanation = server.read(&format!("/v1/accounts/{}", acct()))["explanation"].clone();
    let explanation = explanation.as_str().expect("a sentence").split(": ").next().expect("words");
    ended.says(&[
        &format!("account {}, test mode", acct()),
        "restricted",
        explanation,
        "evt_complete",
        "evt_submitted_pending",
        "late",
        "status: pending -> complete",
        "payable: yes -> no",
    ]);
    for line in ended.stdout.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
}

#[test]
fn raw_entries_are_those_of_the_server_and_of_every_page() {
    let place = Place::new();
    let server = place.serve();
    let object = field("balance.available/platform", "/data/object");
    for number in 0..501 {
        let changes =
            [("/created", json!(1_700_000_000 + number)), ("/data/object", object.clone())];
        let body = told("balance.available/platform", &format!("evt_{number}"), &changes);
        assert_eq!(server.deliver(&body).status, 200);
    }
    let ended = ask(&place, &server, READER, &["history", "--kind", "balance", "--json"]).expect(0);
    let entries: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let page = server.read("/v1/balance/history?limit=500");
    assert_eq!(entries.len(), 501);
    assert_eq!(entries[..500], *page["data"].as_array().expect("a list"));
    assert_eq!(entries[500]["event_id"], "evt_500");
}

#[test]
fn a_payout_is_found_with_its_owner() {
    let place = Place::new();
    let server = place.serve();
    assert_eq!(server.deliver(&payout("one")).status, 200);
    let owner = field("payout.created/pending", "/account");
    let owner = owner.as_str().expect("an account");
    let ended = ask(&place, &server, READER, &["history", "po_one", "--account", owner]).expect(0);
    ended.says(&[&format!("payout po_one of account {owner}"), "pending", "evt_one"]);
    let ended = ask(&place, &server, READER, &["history", "po_one"]).expect(1);
    ended.says(&["knows no payout po_one", "--account", "--livemode", "--url"]);
}

#[test]
fn what_cannot_be_shown_is_told_in_one_sentence_with_a_remedy() {
    let place = Place::new();
    let server = place.serve();
    let one_line = |ended: &Ended| {
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    };
    for (code, token, arguments, says) in [
        (
            1,
            READER,
            &["acct_x"][..],
            &["knows no account acct_x", "--livemode true or", "--url"][..],
        ),
        (1, READER, &["acct_x", "--livemode", "false"], &["--livemode true looks"]),
        (1, READER, &["--kind", "topup", "a b/c?"], &["knows no topup a b/c?"]),
        (1, READER, &["--kind", "balance"], &["knows no balance", "--account"]),
        (1, "wrong", &["acct_x"], &["401", "BURSAR_TOKEN"]),
        (2, READER, &["evt_1"], &["evt_1", "--kind"]),
        (2, READER, &["po_1", "--kind", "balance"], &["no id"]),
        (2, READER, &["--kind", "payout"], &["the id of the payout"]),
        (2, READER, &["acct_1", "--account", "acct_2"], &["--account"]),
    ] {
        let ended = ask(&place, &server, token, &[&["history"], arguments].concat()).expect(code);
        ended.says(says);
        one_line(&ended);
    }
    server.stop();
    let mut command = place.bare(&["history", "acct_x"]);
    command.env("BURSAR_URL", "http://127.0.0.1:1");
    let ended = run(command).expect(1);
    ended.says(&["cannot be reached", "bursar serve", "--url"]);
    one_line(&ended);
    ask_nothing_of(&place);
}

/// Wrong usage, which clap tells in its own words.
fn ask_nothing_of(place: &Place) {
    run(place.bare(&["history"])).expect(2);
    run(place.bare(&["history", "--kind", "planet", "x"])).expect(2).says(&["payout", "balance"]);
    run(place.bare(&["history", "acct_1", "--livemode", "maybe"])).expect(2).says(&["livemode"]);
    run(place.bare(&["redrive"])).expect(2);
    run(place.bare(&["redrive", "evt_1", "--all"])).expect(2);
}

#[test]
fn a_redrive_prints_what_became_of_each_event() {
    let place = Place::new();
    let server = place.serve();
    let odd = [("/data/object/status", json!("teleported"))];
    for id in ["evt_odd1", "evt_odd2"] {
        let body = told("payout.created/pending", id, &odd);
        assert_eq!(server.deliver(&body).outcome(), "parked");
    }
    assert_eq!(server.deliver(&payout("good")).outcome(), "applied");

    for arguments in [&["redrive", "--all"][..], &["redrive", "--all", "--dry-run"]] {
        let ended = ask(&place, &server, OPERATOR, arguments).expect(0);
        ended.says(&[
            "evt_odd1  parked\nevt_odd2  parked\n",
            "2 events: 2 parked",
            "outcome=parked",
        ]);
    }
    let some = ["redrive", "evt_odd1", "evt_good"];
    let ended = ask(&place, &server, OPERATOR, &some).expect(0);
    ended.says(&["evt_odd1  parked\nevt_good  not parked\n", "tried 2 events"]);
    let some = ["redrive", "evt_nobody", "evt_odd2", "--dry-run"];
    let ended = ask(&place, &server, OPERATOR, &some).expect(1);
    ended.says(&[
        "evt_nobody  unknown\nevt_odd2  parked\n",
        "would try 2 events",
        "not known there: 1",
    ]);
    let ended =
        ask(&place, &server, OPERATOR, &["redrive", "--all", "--livemode", "true"]).expect(0);
    ended.says(&["tried 0 events"]);
    let ended = ask(&place, &server, READER, &["redrive", "--all"]).expect(1);
    ended.says(&["403", "operator", "BURSAR_TOKEN"]);
}
