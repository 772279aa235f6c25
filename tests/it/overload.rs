//! Clients that are too many, too slow, too large or deaf: what they get, and that others do not
//! suffer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bursar::app::Patience;
use bursar::pipeline::commit::Limits;
use bursar::stripe::signature::sign;
use serde_json::json;

use crate::process::{Connection, Place};
use crate::support::events::{account, topup};
use crate::support::{
    Answer, EventStream, OPERATOR, READER, Request, SECRETS, TestApp, Told, assert_problem, now,
    signed, with,
};

/// Nothing here takes long; who waits longer waits for ever.
const LIMIT: Duration = Duration::from_secs(30);
/// For what a test waits to see end.
const SHORT: Duration = Duration::from_millis(300);
/// The server's clock for the first head and for silence between requests is up to half a second
/// slow.
const SHORT_HEAD: Duration = Duration::from_millis(1200);
/// For what must not end in a test.
const LONG: Duration = Duration::from_hours(1);

/// Nobody is hurried.
const ENDLESS: Patience = Patience {
    request_head: LONG,
    body: LONG,
    replay_body: LONG,
    idle: LONG,
    parting: LONG,
    heartbeat: LONG,
    not_taking: LONG,
};

fn start(variables: &[(&str, &str)], patience: Patience) -> TestApp {
    TestApp::start_as(variables, Limits::default(), patience)
}

/// A connection on which this has been sent.
fn sent(app: &TestApp, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(bytes.as_ref()).unwrap();
    stream
}

/// The head of a delivery whose signature has the right shape.
fn head(framing: &str) -> String {
    let signature = sign(SECRETS[0].1, b"", now());
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: b\r\nStripe-Signature: {signature}\r\n{framing}\r\n\r\n"
    )
}

/// Everything that comes until the server closes.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn answer_of(stream: TcpStream) -> Answer {
    Answer::of(&rest(stream)).expect("an answer")
}

/// Reads one answer, and leaves the connection open.
fn next_answer(stream: &TcpStream) -> u16 {
    Connection::over(stream.try_clone().unwrap()).answer().unwrap().status
}

/// Waits until a connection is cut off that began now and goes without a whole request.
fn outwait_another(app: &TestApp) {
    let mut stream = sent(app, "GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(next_answer(&stream), 200);
    stream.write_all(b"GET /heal").unwrap();
    assert_eq!(rest(stream), b"");
}

/// Goes on sending until the server no longer takes it.
fn trickle_until_closed(mut stream: TcpStream, bytes: &[u8]) {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let start = std::time::Instant::now();
    loop {
        assert!(start.elapsed() < LIMIT, "it is still connected");
        if stream.write_all(bytes).is_err() {
            return;
        }
        match stream.read(&mut [0; 1024]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Sends without ever reading, until the server ends the connection.
fn send_until_closed(mut stream: &TcpStream, bytes: &[u8]) {
    stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
    let start = std::time::Instant::now();
    loop {
        assert!(start.elapsed() < LIMIT, "it is still connected");
        match stream.write(bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

// Refused by the head alone.

#[test]
fn a_delivery_without_a_signature_is_refused_before_its_body_comes() {
    let app = start(&[], Patience { parting: SHORT, ..ENDLESS });
    let bare = "POST /webhooks/stripe HTTP/1.1\r\nHost: b\r\nContent-Length: 1000\r\n\r\n";
    assert_problem(&answer_of(sent(&app, bare)), 400, "signature_missing", "no signature");
}

#[test]
fn a_delivery_with_a_misshapen_signature_is_refused_before_its_body_comes() {
    let app = start(&[], Patience { parting: SHORT, ..ENDLESS });
    let good = sign(SECRETS[0].1, b"", now());
    for headers in ["t=1".to_owned(), format!("{good}\r\nStripe-Signature: {good}")] {
        let head = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nHost: b\r\nStripe-Signature: {headers}\r\nContent-Length: 1000\r\n\r\n"
        );
        let answer = answer_of(sent(&app, head));
        assert_problem(&answer, 400, "signature_malformed", &headers);
    }
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_before_it_comes_signed_or_not() {
    let app = start(&[], Patience { parting: SHORT, ..ENDLESS });
    let announced = "Content-Length: 1048577";
    let bare = format!("POST /webhooks/stripe HTTP/1.1\r\nHost: b\r\n{announced}\r\n\r\n");
    for head in [bare, head(announced)] {
        assert_problem(&answer_of(sent(&app, &head)), 413, "body_too_large", &head);
    }
}

// Slow.

#[test]
fn a_body_that_does_not_come_in_time_is_told_so_and_the_connection_ends() {
    let app = start(&[], Patience { body: SHORT, parting: SHORT, ..ENDLESS });
    for beginning in [
        head("Content-Length: 1000") + "{",
        head("Transfer-Encoding: chunked") + "1\r\n{\r\n",
        head("Transfer-Encoding: chunked"),
    ] {
        let answer = answer_of(sent(&app, &beginning));
        assert_problem(&answer, 408, "request_timeout", &beginning);
        assert_eq!(answer.header("connection").as_deref(), Some("close"), "{beginning}");
    }
}

#[test]
fn a_body_that_comes_byte_by_byte_has_no_more_time_than_others() {
    let app = start(&[], Patience { body: SHORT, parting: SHORT, ..ENDLESS });
    trickle_until_closed(sent(&app, head("Content-Length: 1000000")), b" ");
    trickle_until_closed(sent(&app, head("Transfer-Encoding: chunked")), b"1\r\n \r\n");
}

#[test]
fn a_replay_that_does_not_come_in_time_is_told_so() {
    let app = start(&[], Patience { replay_body: SHORT, parting: SHORT, ..ENDLESS });
    let head = format!(
        "POST /v1/replays HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {OPERATOR}\r\nContent-Length: 1000\r\n\r\n{{"
    );
    assert_problem(&answer_of(sent(&app, head)), 408, "request_timeout", "a replay");
}

#[test]
fn a_body_that_is_refused_and_goes_on_for_ever_is_cut_off() {
    let app = start(&[("MAX_BODY_BYTES", "15")], Patience { parting: SHORT, ..ENDLESS });
    let bare = "POST /webhooks/stripe HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n";
    trickle_until_closed(sent(&app, bare), b"1\r\n \r\n");
}

#[test]
fn a_first_head_that_never_ends_is_cut_off() {
    let app = start(&[], Patience { request_head: SHORT_HEAD, ..ENDLESS });
    trickle_until_closed(sent(&app, "GET /healthz HTTP/1.1\r\nX: "), b"x");
    rest(sent(&app, ""));
}

#[test]
fn a_later_head_that_never_ends_is_cut_off() {
    let app = start(&[], Patience { request_head: SHORT_HEAD, idle: SHORT, ..ENDLESS });
    outwait_another(&app);
    let stream = sent(&app, "GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(next_answer(&stream), 200);
    trickle_until_closed(stream, b"x");
}

#[test]
fn a_connection_without_requests_is_closed() {
    let app = start(&[], Patience { idle: SHORT_HEAD, ..ENDLESS });
    let stream = sent(&app, "GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(next_answer(&stream), 200);
    assert_eq!(rest(stream), b"");
}

#[test]
fn a_request_under_way_is_not_cut_off_however_long_it_takes() {
    let app =
        start(&[], Patience { request_head: SHORT_HEAD, idle: SHORT, parting: SHORT, ..ENDLESS });
    app.gate.close();
    let (address, request) = (app.address(), signed(account("acct_1").to_string()));
    let waiting = std::thread::spawn(move || request.send(address));
    app.gate.wait_for(1);
    outwait_another(&app);
    app.gate.open();
    assert_eq!(waiting.join().unwrap().json()["outcome"], "applied");
}

#[test]
fn a_stream_of_changes_is_not_cut_off_for_want_of_requests() {
    let app = start(&[], Patience { request_head: SHORT_HEAD, idle: SHORT, ..ENDLESS });
    let mut stream = EventStream::open(app.address(), "/v1/changes/stream", READER, "").unwrap();
    assert!(matches!(stream.told().unwrap(), Some(Told::Retry(_))));
    outwait_another(&app);
    app.apply(&topup("tu_1", "created", "pending"));
    assert_eq!(stream.change().unwrap().unwrap().1["id"], "tu_1");
}

#[test]
fn who_asks_on_and_on_and_never_reads_is_disconnected_and_others_go_on() {
    let app = start(&[], Patience { not_taking: SHORT_HEAD, ..ENDLESS });
    let questions = b"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n".repeat(1000);
    let deaf: Vec<TcpStream> = (0..4).map(|_| sent(&app, "")).collect();
    std::thread::scope(|scope| {
        for stream in &deaf {
            scope.spawn(|| send_until_closed(stream, &questions));
        }
        for number in 0..20 {
            app.apply(&account(&format!("acct_{number}")));
        }
    });
}

#[test]
fn some_requests_may_be_sent_ahead_but_not_very_many() {
    let app = start(&[], ENDLESS);
    let question = b"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n";
    let last = b"GET /healthz HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";
    let some = [question.repeat(49).as_slice(), last].concat();
    let answers = rest(sent(&app, some));
    assert_eq!(String::from_utf8(answers).unwrap().matches("HTTP/1.1 200").count(), 50);

    let mut stream = sent(&app, "");
    stream.write_all(&question.repeat(200)).ok();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).ok();
    let answers = String::from_utf8(answers).unwrap().matches("HTTP/1.1 200").count();
    assert!(answers < 100, "{answers}");
}

// Too much at once.

/// Deliveries that each hold a part of their body in the server, and send no more of it.
fn half_sent(app: &TestApp, count: usize, bytes: usize) -> Vec<TcpStream> {
    let bytes = " ".repeat(bytes);
    let beginning = head("Content-Length: 900000") + &bytes;
    (0..count).map(|_| sent(app, &beginning)).collect()
}

/// Waits until one of these has been answered, and takes it out.
fn first_answered(streams: &mut Vec<TcpStream>) -> TcpStream {
    let start = std::time::Instant::now();
    loop {
        assert!(start.elapsed() < LIMIT, "none is answered");
        for place in 0..streams.len() {
            streams[place].set_nonblocking(true).unwrap();
            let is_answered = streams[place].peek(&mut [0; 1]).is_ok();
            streams[place].set_nonblocking(false).unwrap();
            if is_answered {
                return streams.remove(place);
            }
        }
    }
}

#[test]
fn bodies_share_one_room_and_beyond_it_the_answer_is_503_at_once() {
    let variables = [("MAX_BODY_BYTES", "1000000"), ("MAX_TOTAL_BODY_BYTES", "1000000")];
    let app = start(&variables, Patience { parting: SHORT, ..ENDLESS });
    let mut held = half_sent(&app, 2, 700_000);
    let refused = answer_of(first_answered(&mut held));
    assert_problem(&refused, 503, "overloaded", "no room");
    assert!(refused.header("retry-after").is_some());
    // What is small finds room beside the other, and that is free when its client is gone.
    app.apply(&account("acct_1"));
    held.clear();
    let large = with(account("acct_2"), "data.object.filler", json!("x".repeat(900_000)));
    let mut answer = app.send(&signed(large.to_string()));
    while answer.status == 503 {
        answer = app.send(&signed(large.to_string()));
    }
    assert_eq!(answer.json()["outcome"], "applied");
}

#[test]
fn who_announces_much_and_sends_little_takes_little_room() {
    let variables = [("MAX_BODY_BYTES", "1000000"), ("MAX_TOTAL_BODY_BYTES", "1000000")];
    let app = start(&variables, ENDLESS);
    let _held = half_sent(&app, 50, 10);
    app.apply(&account("acct_1"));
}

#[test]
fn a_body_keeps_its_room_until_it_is_answered() {
    let variables = [("MAX_BODY_BYTES", "1000000"), ("MAX_TOTAL_BODY_BYTES", "1000000")];
    let app = start(&variables, Patience { parting: SHORT, ..ENDLESS });
    let large = |id: &str| {
        // Packs to very little: the queue of commits alone would take thousands of these.
        signed(with(account(id), "data.object.filler", json!("x".repeat(700_000))).to_string())
    };
    app.gate.close();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| app.send(&large("acct_1")));
        app.gate.wait_for(1);
        assert_problem(&app.send(&large("acct_2")), 503, "overloaded", "while the first waits");
        app.gate.open();
        assert_eq!(first.join().unwrap().status, 200);
        assert_eq!(app.send(&large("acct_2")).status, 200);
    });
}

#[test]
fn a_replay_larger_than_the_room_is_refused_for_good() {
    let variables = [("MAX_BODY_BYTES", "1000"), ("MAX_TOTAL_BODY_BYTES", "2000")];
    let app = start(&variables, ENDLESS);
    let replay = Request::post("/v1/replays", " ".repeat(2001)).token(OPERATOR);
    assert_problem(&app.send(&replay), 413, "body_too_large", "it would never fit");
}

#[test]
fn beyond_the_most_connections_the_answer_is_503_but_the_process_is_alive() {
    let app = start(&[("MAX_CONNECTIONS", "3")], Patience { parting: SHORT, ..ENDLESS });
    let keep_open = "GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n";
    let mut open: Vec<TcpStream> = (0..3).map(|_| sent(&app, keep_open)).collect();
    assert!(open.iter().all(|stream| next_answer(stream) == 200));
    let refused = answer_of(sent(&app, head("Content-Length: 1000")));
    assert_problem(&refused, 503, "overloaded", "a delivery");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("connection").as_deref(), Some("close"));
    assert_problem(&app.send(&Request::get("/readyz")), 503, "overloaded", "not ready");
    assert_eq!(app.send(&Request::get("/healthz")).status, 200, "but alive");
    // One that was there before goes on, and one that leaves makes room.
    open[0].write_all(keep_open.as_bytes()).unwrap();
    assert_eq!(next_answer(&open[0]), 200);
    open.pop();
    while app.send(&Request::get("/readyz")).status == 503 {}
}

#[test]
fn one_beyond_the_most_that_asks_nothing_is_cut_off() {
    let app = start(&[("MAX_CONNECTIONS", "1")], Patience { parting: SHORT, ..ENDLESS });
    let keep_open = "GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n";
    let open = sent(&app, keep_open);
    assert_eq!(next_answer(&open), 200);
    trickle_until_closed(sent(&app, "GET /heal"), b"x");
}

#[test]
fn a_thousand_slow_clients_do_not_keep_others_waiting() {
    let app = start(&[], ENDLESS);
    let head_only = "POST /webhooks/stripe HTTP/1.1\r\nHost: b\r\nStripe";
    let _slow: Vec<TcpStream> = (0..500)
        .flat_map(|_| [sent(&app, head_only), sent(&app, head("Content-Length: 900000") + "{")])
        .collect();
    for number in 0..20 {
        app.apply(&account(&format!("acct_{number}")));
    }
}

#[test]
fn with_few_open_files_there_are_fewer_connections_and_the_operator_is_told() {
    let place = Place::new();
    let server = place.serve_with(|command| {
        // The shell's limit becomes that of the server that it turns into.
        let program = command.get_program().to_owned();
        let mut limited = std::process::Command::new("/bin/sh");
        limited.args(["-c", "ulimit -n 300; exec \"$0\" serve"]).arg(program).env_clear();
        limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited.stdin(std::process::Stdio::null());
        limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        *command = limited;
    });
    server.stop().says(&["connections can be served instead of 2048", "300 files", "ulimit -n"]);
}
