//! Every limit that is a setting, set low: just inside is served, just outside is refused as
//! `docs/limits.md` says. Sizes of bodies, connections and the room for all bodies are tried in
//! `webhook` and `overload`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bursar::config::SETTINGS;
use bursar::pipeline::commit::Limits;
use bursar::stripe::signature::sign;
use serde_json::{Value, json};

use crate::process::{self, Place, Server, run};
use crate::support::events::{account, topup};
use crate::support::{
    Answer, EventStream, OPERATOR, READER, Request, SECRETS, TestApp, assert_problem, now, raw,
    signed, with,
};

/// Nothing here takes long; who waits longer waits for ever.
const LIMIT: Duration = Duration::from_secs(30);

fn start(name: &str, value: &str) -> TestApp {
    TestApp::start_with(&[(name, value)], Limits::default())
}

/// A request whose request line and headers are so many bytes.
fn head_of(bytes: usize) -> Vec<u8> {
    let head = |filler: &str| {
        format!("GET /healthz HTTP/1.1\r\nHost: b\r\nConnection: close\r\nX: {filler}\r\n")
    };
    let filler = "x".repeat(bytes - head("").len());
    (head(&filler) + "\r\n").into_bytes()
}

#[test]
fn the_bytes_of_a_head_are_counted_with_its_line_ends() {
    let app = start("MAX_HEADER_BYTES", "2000");
    for (bytes, status) in [(1999, 200), (2000, 200), (2001, 431), (20_000, 431)] {
        let answer = Answer::of(&raw(app.address(), &head_of(bytes))).expect("an answer");
        assert_eq!(answer.status, status, "{bytes}");
        if status == 431 {
            assert_problem(&answer, 431, "headers_too_large", "a head");
            assert_eq!(answer.header("connection").as_deref(), Some("close"));
        }
    }
    assert_eq!(app.outcome(&account("acct_1")), "applied", "a delivery has a small head");
}

#[test]
fn a_body_does_not_count_towards_the_head_before_it() {
    let app = start("MAX_HEADER_BYTES", "1024");
    let filled = |id: &str| with(account(id), "data.object.filler", json!("x".repeat(200_000)));
    assert_eq!(app.outcome(&filled("acct_1")), "applied");
    let chunked = signed(filled("acct_2").to_string()).chunked();
    assert_eq!(app.send(&chunked).json()["outcome"], "applied");
    // Many on one connection, sent at once.
    let question = b"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n".repeat(50);
    let last = b"GET /healthz HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";
    let answers = raw(app.address(), &[question.as_slice(), last].concat());
    assert_eq!(String::from_utf8(answers).unwrap().matches("HTTP/1.1 200").count(), 51);
}

#[test]
fn a_head_without_end_is_refused_while_it_still_comes() {
    let app = start("MAX_HEADER_BYTES", "2000");
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: b\r\nX: ").unwrap();
    let mut sent = 0;
    stream.set_nonblocking(true).unwrap();
    let start = Instant::now();
    let mut answer = Vec::new();
    while answer.is_empty() {
        assert!(start.elapsed() < LIMIT, "no answer after {sent} bytes");
        sent += stream.write(&[b'x'; 500]).unwrap_or(0);
        let mut bytes = [0; 4096];
        if let Ok(count) = stream.read(&mut bytes) {
            answer.extend_from_slice(&bytes[..count]);
        }
        std::thread::yield_now();
    }
    stream.set_nonblocking(false).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    stream.read_to_end(&mut answer).ok();
    let answer = Answer::of(&answer).expect("one whole answer");
    assert_problem(&answer, 431, "headers_too_large", "without end");
}

#[test]
fn the_number_of_headers_is_bounded() {
    let app = start("MAX_HEADERS", "8");
    // Host and Connection are the first two.
    let with = |count: usize| {
        let request = Request::get("/healthz");
        (2..count).fold(request, |request, number| request.header(&format!("X-{number}"), "y"))
    };
    assert_eq!(app.send(&with(8)).status, 200);
    assert_problem(&app.send(&with(9)), 431, "headers_too_large", "nine headers");
}

#[test]
fn a_replay_has_a_size_of_its_own() {
    let app = start("MAX_REPLAY_BYTES", "3000");
    let replay = |bytes: usize| {
        let mut body = json!({"events": [topup("tu_1", "created", "pending")]}).to_string();
        body.push_str(&" ".repeat(bytes - body.len()));
        Request::post("/v1/replays", body).token(OPERATOR)
    };
    assert_eq!(app.send(&replay(3000)).json()["results"][0]["outcome"], "applied");
    assert_problem(&app.send(&replay(3001)), 413, "body_too_large", "with a length");
    assert_problem(&app.send(&replay(3001).chunked()), 413, "body_too_large", "in chunks");
}

#[test]
fn of_many_signatures_so_many_are_looked_at() {
    let app = start("MAX_SIGNATURES", "3");
    let deliver = |others: usize| {
        let event = account(&format!("acct_{others}")).to_string();
        let good = sign(SECRETS[0].1, event.as_bytes(), now());
        let (time, good) = good.split_once(',').unwrap();
        let others = format!("v1={},", "0".repeat(64)).repeat(others);
        let header = format!("{time},{others}{good}");
        app.send(&Request::post("/webhooks/stripe", event).header("Stripe-Signature", &header))
    };
    assert_eq!(deliver(2).json()["outcome"], "applied");
    assert_problem(&deliver(3), 400, "signature_mismatch", "the good one is the fourth");
}

/// An event with so many levels in all.
fn nested(id: &str, levels: usize) -> String {
    let event = with(account(id), "data.object.odd", json!("NEST"));
    let inner = levels - 3;
    let nest = format!("{}{}", "[".repeat(inner), "]".repeat(inner));
    event.to_string().replacen(r#""NEST""#, &nest, 1)
}

#[test]
fn an_event_is_nested_so_deep_and_no_deeper_by_every_way_in() {
    let app = start("MAX_JSON_DEPTH", "20");
    let replay = |event: &str| {
        let body = format!("{{\"events\":[{event}]}}");
        app.send(&Request::post("/v1/replays", body).token(OPERATOR))
    };
    assert_eq!(app.deliver(nested("acct_1", 20)).1["outcome"], "applied");
    assert_eq!(replay(&nested("acct_2", 20)).json()["results"][0]["outcome"], "applied");
    let refused = app.send(&signed(nested("acct_3", 21)));
    assert_problem(&refused, 400, "not_an_event", "delivered");
    assert!(refused.json()["detail"].as_str().unwrap().contains("BURSAR_MAX_JSON_DEPTH"));
    assert_problem(&replay(&nested("acct_4", 21)), 400, "not_an_event", "replayed");
    assert_eq!(app.column("/v1/accounts", "id"), [json!("acct_2"), json!("acct_1")]);
}

#[test]
fn an_event_of_usual_depth_but_many_lists_is_taken() {
    let app = start("MAX_JSON_DEPTH", "16");
    let wide: Vec<Value> = (0..1000).map(|_| json!([{}])).collect();
    assert_eq!(app.outcome(&with(account("acct_1"), "data.object.odd", json!(wide))), "applied");
}

#[test]
fn so_many_requests_wait_for_the_disk() {
    let app = TestApp::start_with(&[("MAX_WAITING", "2")], Limits::default());
    app.gate.close();
    let event = |number: u32| signed(account(&format!("acct_{number}")).to_string());
    std::thread::scope(|scope| {
        let first = scope.spawn(|| app.send(&event(0)));
        app.gate.wait_for(1);
        // One is being stored; those behind it wait, and beyond two of them nobody may.
        let later: Vec<_> = (1..=6)
            .map(|number| {
                scope.spawn({
                    let (app, event) = (&app, event(number));
                    move || app.send(&event)
                })
            })
            .collect();
        while later.iter().filter(|thread| thread.is_finished()).count() < 4 {
            std::thread::yield_now();
        }
        app.gate.open();
        let answers: Vec<Answer> = later.into_iter().map(|thread| thread.join().unwrap()).collect();
        let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
        assert_eq!(refused.len(), 4);
        for answer in refused {
            assert_problem(answer, 503, "overloaded", "no more may wait");
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(app.column("/v1/accounts", "id").len(), 3);
}

#[test]
fn so_many_bytes_wait_for_the_disk() {
    let app = TestApp::start_with(&[("MAX_WAITING_BYTES", "3000")], Limits::default());
    let noise: String = std::iter::repeat_with(fastrand::alphanumeric).take(2500).collect();
    let event = |id: &str| signed(with(account(id), "data.object.noise", json!(noise)).to_string());
    app.gate.close();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| app.send(&event("acct_1")));
        app.gate.wait_for(1);
        assert_problem(&app.send(&event("acct_2")), 503, "overloaded", "no room");
        app.gate.open();
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert_eq!(app.send(&event("acct_2")).json()["outcome"], "applied");
}

#[test]
fn so_many_streams_are_open_at_once() {
    let app = start("MAX_STREAMS", "2");
    let open = || EventStream::open(app.address(), "/v1/changes/stream", READER, "");
    let (first, mut second) = (open().unwrap(), open().unwrap());
    let refused = app.get("/v1/changes/stream");
    assert_problem(&refused, 503, "overloaded", "a third stream");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(app.get("/v1/changes").status, 200, "who polls is served");
    app.apply(&account("acct_1"));
    assert_eq!(second.change().unwrap().unwrap().1["id"], "acct_1");
    // One that leaves makes room.
    first.hang_up();
    let start = Instant::now();
    while open().is_err() {
        assert!(start.elapsed() < LIMIT, "no room is made");
    }
}

// Times, which are whole seconds, with the real binary.

const TIMES: [&str; 5] = ["HEAD", "BODY", "REPLAY", "IDLE", "SEND"];

fn hurried(place: &Place) -> Server {
    place.serve_with(|command| {
        for time in TIMES {
            command.env(format!("BURSAR_{time}_TIMEOUT_SECONDS"), "1");
        }
    })
}

fn sent(server: &Server, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(bytes.as_ref()).unwrap();
    stream
}

fn answer_of(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::of(&bytes).expect("an answer")
}

#[test]
fn heads_and_bodies_that_do_not_come_in_time_are_told_so() {
    let place = Place::new();
    let server = hurried(&place);
    let operator = process::OPERATOR;
    let head = process::delivery_head(&[b' '; 1000]);
    let replay = format!(
        "POST /v1/replays HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {operator}\r\nContent-Length: 9\r\n\r\n"
    );
    let cases = [
        ("nothing", Vec::new()),
        ("half a head", b"GET /healthz HTTP/1.1\r\nX: ".to_vec()),
        ("half a delivery", [head.as_bytes(), b"{"].concat()),
        ("half a replay", replay.into_bytes()),
    ];
    for (case, bytes) in cases {
        let start = Instant::now();
        assert_problem(&answer_of(sent(&server, bytes)), 408, "request_timeout", case);
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(1), "{case}: {took:?}");
    }
    assert_eq!(server.deliver(&process::payout("in_time")).outcome(), "applied");
    server.stop();
}

#[test]
fn a_connection_without_requests_ends_and_so_does_one_that_takes_nothing() {
    let place = Place::new();
    let server = hurried(&place);
    let mut idle = sent(&server, "GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    let mut bytes = Vec::new();
    idle.read_to_end(&mut bytes).unwrap();
    assert_eq!(Answer::of(&bytes).map(|answer| answer.status), Some(200));

    let deaf = sent(&server, "");
    deaf.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    let questions = b"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n".repeat(1000);
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < LIMIT, "it is still connected");
        match (&deaf).write(&questions) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    server.stop();
}

// The settings themselves.

/// Those that bound something, by their names.
fn bounding() -> impl Iterator<Item = &'static str> {
    let bounds = |name: &&str| name.starts_with("max_") || name.ends_with("_timeout_seconds");
    SETTINGS.iter().map(|setting| setting.name).filter(bounds)
}

#[test]
fn a_limit_that_is_no_number_in_its_range_refuses_the_start() {
    for wrong in ["-1", "many", "1.5", "99999999999999999999"] {
        let place = Place::new();
        let mut command = place.command(&["serve"]);
        let variables: Vec<String> =
            bounding().map(|name| format!("BURSAR_{}", name.to_ascii_uppercase())).collect();
        assert!(variables.len() >= 16, "{variables:?}");
        for variable in &variables {
            command.env(variable, wrong);
        }
        let ended = run(command).expect(2);
        let must: Vec<String> =
            variables.iter().map(|it| format!("{it} must be a number")).collect();
        ended.says(&must.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn every_limit_stands_in_the_document_of_limits_with_its_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/limits.md");
    let document = std::fs::read_to_string(path).unwrap();
    for setting in SETTINGS.iter().filter(|setting| bounding().any(|name| name == setting.name)) {
        let variable = format!("`BURSAR_{}`", setting.name.to_ascii_uppercase());
        let row = document.lines().find(|line| line.contains(&format!("| {variable} |")));
        let row = row.unwrap_or_else(|| panic!("docs/limits.md has no row for {variable}"));
        let default = format!("| `{}` |", setting.default.unwrap());
        assert!(row.contains(&default), "{variable}: {row}");
    }
}
