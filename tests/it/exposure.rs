//! What other users of the machine, its disk and whoever reads the log get to see.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use bursar::stripe::signature::sign;
use serde_json::{Value, json};

use crate::process::{OPERATOR, Place, SECRET, Server, payout};
use crate::support::{Request, encoded, now};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_store_is_closed_to_other_users() {
    let place = Place::new();
    let ended = place.serve().stop();
    assert_eq!(mode(&place.store()), 0o700);
    ended.hides(&["chmod"]);
}

#[test]
fn a_store_that_other_users_can_read_is_warned_of() {
    let place = Place::new();
    fs::create_dir(place.store()).unwrap();
    for (open, warned) in [(0o755, true), (0o711, true), (0o750, false), (0o700, false)] {
        fs::set_permissions(place.store(), Permissions::from_mode(open)).unwrap();
        let ended = place.serve().stop();
        assert_eq!(ended.stderr.contains("chmod o-rwx"), warned, "{open:o}: {}", ended.stderr);
        assert_eq!(mode(&place.store()), open, "it is the operator's to change");
    }
}

#[test]
fn an_export_is_closed_to_other_users() {
    let place = Place::new();
    let server = place.serve();
    assert_eq!(server.deliver(&payout("po_1")).status, 200);
    server.stop();
    place.run(&["export", "events.jsonl"]).expect(0);
    assert_eq!(mode(&place.path("events.jsonl")), 0o600);
}

#[test]
fn a_crash_leaves_no_image_of_the_memory_with_its_secrets() {
    let place = Place::new();
    let usual = place.command(&["serve"]);
    let mut allowed = Command::new("/bin/sh");
    allowed.args(["-c", "ulimit -c $(ulimit -Hc); exec \"$0\" serve"]).arg(usual.get_program());
    allowed.envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))));
    allowed.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let server = place.serve_by(allowed);
    let limits = server.process.file("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

/// Line ends, and what moves a terminal's cursor.
const FORGERY: &str = "evt_1\n2026-11-26T07:00:00Z ERROR forged: all is lost\r\u{1b}[2Jforged";

fn hostile(name: &str) -> Value {
    let mut event: Value = serde_json::from_slice(&payout(name)).unwrap();
    event["id"] = format!("{name} {FORGERY}").into();
    event
}

fn deliver(server: &Server, event: &Value) -> u16 {
    let body = event.to_string();
    let signature = sign(SECRET, body.as_bytes(), now());
    let delivery = Request::post("/webhooks/stripe", body).header("Stripe-Signature", &signature);
    delivery.send(server.address).status
}

#[test]
fn what_comes_from_outside_forges_no_line_of_the_log() {
    for format in ["text", "json"] {
        let place = Place::new();
        let server = place.serve_with(|command| {
            command.env("BURSAR_LOG", "trace").env("BURSAR_LOG_FORMAT", format);
        });
        let applied = hostile("po_1");
        assert_eq!(deliver(&server, &applied), 200);
        let mut parked = hostile("po_2");
        parked["data"]["object"]["status"] = FORGERY.into();
        assert_eq!(deliver(&server, &parked), 200);
        let mut ignored = hostile("po_3");
        ignored["type"] = FORGERY.into();
        assert_eq!(deliver(&server, &ignored), 200);
        let mut misnamed = hostile("po_4");
        misnamed["data"]["object"]["id"] = FORGERY.into();
        assert_eq!(deliver(&server, &misnamed), 200);
        let mut no_event = hostile("po_5");
        no_event["object"] = FORGERY.into();
        assert_eq!(deliver(&server, &no_event), 400);

        let send = |request: Request| request.token(OPERATOR).send(server.address).status;
        let id = encoded(applied["id"].as_str().unwrap());
        assert_eq!(send(Request::get(&format!("/v1/events/{id}/body"))), 200);
        let parked = encoded(parked["id"].as_str().unwrap());
        let because = json!({ "reason": FORGERY }).to_string();
        let redrive = format!("/v1/events/{parked}/redrive");
        assert_eq!(send(Request::post(&redrive, because.clone())), 200);
        assert_eq!(send(Request::post("/v1/redrives", because)), 200);
        let replay = json!({ "events": [hostile("po_6")], "reason": FORGERY }).to_string();
        assert_eq!(send(Request::post("/v1/replays", replay)), 200);
        assert_eq!(send(Request::get(&format!("/v1/{id}/{id}?{id}={id}"))), 404);

        let log = server.stop().stderr;
        assert!(log.contains("po_1") && log.contains("forged"), "it is not logged: {log}");
        let odd = |c: char| c.is_control() && c != '\n';
        if let Some(line) = log.lines().find(|line| line.contains(odd)) {
            panic!("{format}: {line:?}");
        }
        for line in log.lines() {
            let genuine = match format {
                "json" => serde_json::from_str::<Value>(line).is_ok(),
                _ => !line.starts_with("2026-11-26T07:00:00Z ERROR") && !line.starts_with("forged"),
            };
            assert!(genuine, "{format}: {line}");
        }
    }
}

#[test]
fn what_was_forged_is_taken_out_by_an_export_and_an_import() {
    let place = Place::new();
    let server = place.serve();
    let status = |server: &Server| server.read("/v1/payouts")["data"][0]["status"].clone();
    assert_eq!(server.deliver(&payout("po_1")).status, 200);
    let genuine = status(&server);
    assert_ne!(genuine, "paid");
    let mut forged: Value = serde_json::from_slice(&payout("po_1")).unwrap();
    forged["id"] = "evt_forged".into();
    forged["type"] = "payout.paid".into();
    forged["created"] = (forged["created"].as_u64().unwrap() + 1).into();
    forged["data"]["object"]["status"] = "paid".into();
    let replay = json!({ "events": [forged], "reason": "mine" }).to_string();
    let answer = Request::post("/v1/replays", replay).token(OPERATOR).send(server.address);
    assert_eq!(answer.status, 200);
    assert_eq!(status(&server), "paid");
    server.stop();

    place.run(&["export", "events.jsonl"]).expect(0);
    let lines = fs::read_to_string(place.path("events.jsonl")).unwrap();
    let left: Vec<&str> =
        lines.lines().filter(|line| !line.contains("\"source\":\"replay:")).collect();
    place.write("left.jsonl", left.join("\n"));
    fs::rename(place.store(), place.path("old")).unwrap();
    place.run(&["import", "left.jsonl"]).expect(0);
    let server = place.serve();
    assert_eq!(status(&server), genuine);
    assert_eq!(server.events().len(), 1);
}

#[test]
fn a_raw_body_is_kept_by_no_cache_and_taken_for_nothing_else() {
    let place = Place::new();
    let server = place.serve();
    let event = hostile("po_1");
    assert_eq!(deliver(&server, &event), 200);
    let path = format!("/v1/events/{}/body", encoded(event["id"].as_str().unwrap()));
    let answer = Request::get(&path).token(OPERATOR).send(server.address);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options").as_deref(), Some("nosniff"));
}
