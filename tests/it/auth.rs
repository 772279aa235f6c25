//! Who may ask what.

use bursar::pipeline::commit::Limits;
use bursar::token::hashed;
use serde_json::json;

use crate::support::events::account;
use crate::support::{
    Answer, OPERATOR, PAYER, READER, Request, TestApp, assert_problem, raw, signed, with,
};

/// Reads that any role may make; of some the object is not known.
const READS: &[&str] = &[
    "/v1/accounts",
    "/v1/accounts/acct_1",
    "/v1/accounts/acct_1/history",
    "/v1/topups",
    "/v1/topups/tu_1",
    "/v1/topups/tu_1/history",
    "/v1/transfers",
    "/v1/transfers/tr_1",
    "/v1/transfers/tr_1/history",
    "/v1/payouts",
    "/v1/payouts/po_1",
    "/v1/payouts/po_1/history",
    "/v1/balance",
    "/v1/events",
    "/v1/events/evt_1",
    "/v1/changes",
    "/v1/summary",
];

/// What only operators may do.
fn operations() -> Vec<Request> {
    vec![
        Request::get("/v1/events/evt_1/body"),
        Request::post("/v1/replays", r#"{"event_ids":[]}"#),
        Request::post("/v1/replays?dry_run=true", r#"{"event_ids":[]}"#),
        Request::post("/v1/events/evt_1/redrive", ""),
        Request::get("/v1/audit"),
    ]
}

fn everything() -> Vec<Request> {
    let reads = READS.iter().map(|path| Request::get(path));
    reads.chain(operations()).collect()
}

#[track_caller]
fn assert_unauthorized(answer: &Answer, case: &str) {
    assert_problem(answer, 401, "unauthorized", case);
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with("Bearer"), "{case}: {challenge}");
}

#[test]
fn nothing_is_told_without_a_token() {
    let app = TestApp::start();
    // Whoever may read the stream gets an answer without an end, so it is not with the others.
    let stream = Request::get("/v1/changes/stream");
    for request in everything().into_iter().chain([stream]) {
        assert_unauthorized(&app.send(&request), &format!("{request:?}"));
    }
}

#[test]
fn nothing_is_told_to_a_wrong_or_malformed_token() {
    let app = TestApp::start();
    for value in [
        "Bearer wrong",
        "Bearer reader-toke",
        "Bearer reader-token2",
        "Bearer READER-TOKEN",
        "Bearer reader/dashboard=reader-token",
        "Bearer reader",
        "Bearer dashboard",
        "Bearer ",
        "Bearer",
        "",
        "reader-token",
        "Basic cmVhZGVyLXRva2Vu",
        "Token reader-token",
        "Bearerreader-token",
        "Bearer reader-token,operator-token",
        "Bearer reader-token Bearer reader-token",
    ] {
        let request = Request::get("/v1/summary").header("Authorization", value);
        assert_unauthorized(&app.send(&request), value);
    }
    let twice = Request::get("/v1/summary").token(READER).token(OPERATOR);
    assert_unauthorized(&app.send(&twice), "two headers");
    let in_query = Request::get("/v1/summary?token=reader-token");
    assert_unauthorized(&app.send(&in_query), "in the query");
}

#[test]
fn the_scheme_is_not_sensitive_to_case() {
    let app = TestApp::start();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{scheme} {READER}");
        let request = Request::get("/v1/summary").header("Authorization", &value);
        assert_eq!(app.send(&request).status, 200, "{scheme}");
    }
}

#[test]
fn every_role_reads() {
    let app = TestApp::start();
    for token in [READER, OPERATOR, PAYER] {
        for path in READS {
            let status = app.send(&Request::get(path).token(token)).status;
            assert!([200, 404].contains(&status), "{token} {path}: {status}");
        }
    }
}

#[test]
fn only_operators_operate() {
    let app = TestApp::start();
    for request in operations() {
        for token in [READER, PAYER] {
            let answer = app.send(&request.clone().token(token));
            assert_problem(&answer, 403, "forbidden", &format!("{token} {request:?}"));
            assert!(answer.json()["detail"].as_str().unwrap().contains("operator"));
        }
        let status = app.send(&request.clone().token(OPERATOR)).status;
        assert!([200, 404].contains(&status), "{request:?}: {status}");
    }
}

#[test]
fn a_forbidden_replay_stores_nothing() {
    let app = TestApp::start();
    let body = json!({ "events": [account("acct_1")] }).to_string();
    for token in [READER, PAYER, "wrong"] {
        let answer = app.send(&Request::post("/v1/replays", body.clone()).token(token));
        assert!([401, 403].contains(&answer.status), "{token}");
    }
    assert_eq!(app.read("/v1/events")["data"], json!([]));
}

#[test]
fn a_token_can_be_configured_by_its_hash() {
    let tokens = format!("operator/hidden={},reader={}", hashed("secret"), hashed("other"));
    let app = TestApp::start_with(&[("TOKENS", &tokens)], Limits::default());
    let summary = |token: &str| app.send(&Request::get("/v1/summary").token(token)).status;
    assert_eq!(summary("secret"), 200);
    assert_eq!(summary("other"), 200);
    assert_eq!(summary(&hashed("secret")), 401, "the hash itself opens nothing");
    assert_eq!(summary(READER), 401);
    let replay = Request::post("/v1/replays", json!({ "events": [account("acct_1")] }).to_string());
    assert_eq!(app.send(&replay.token("secret")).status, 200);
    let source =
        app.send(&Request::get("/v1/events").token("other")).json()["data"][0]["source"].clone();
    assert_eq!(source, "replay:hidden");
}

#[test]
fn one_token_may_have_several_roles() {
    let tokens = "reader=both,operator=both";
    let app = TestApp::start_with(&[("TOKENS", tokens)], Limits::default());
    for request in everything() {
        let status = app.send(&request.clone().token("both")).status;
        assert!([200, 404].contains(&status), "{request:?}: {status}");
    }
}

/// A browser on this machine shows pages of anyone's, which can have it ask here.
#[test]
fn without_authentication_pages_of_other_hosts_may_do_nothing() {
    let variables = [("INSECURE_NO_AUTH", "true"), ("TOKENS", "")];
    let app = TestApp::start_with(&variables, Limits::default());
    let own = app.address().to_string();
    let port = app.address().port();
    let ask = |host: &str, origin: Option<&str>| {
        let origin = origin.map(|it| format!("Origin: {it}\r\n")).unwrap_or_default();
        let head = format!("GET /v1/summary HTTP/1.1\r\nHost: {host}\r\n{origin}");
        let answer = raw(app.address(), format!("{head}Connection: close\r\n\r\n").as_bytes());
        Answer::parse(&answer, false).expect("an answer")
    };
    let localhost = format!("localhost:{port}");
    for host in [own.as_str(), "localhost", "LocalHost", "bursar", &localhost, "[::1]", "[::1]:80"]
    {
        assert_eq!(ask(host, None).status, 200, "{host}");
        assert_eq!(ask(host, Some(&format!("http://{host}"))).status, 200, "{host}");
    }
    let other_port = format!("http://127.0.0.1:{}", port.wrapping_add(1));
    for origin in ["http://evil.example", "null", "", "http://localhost.evil.example", &other_port]
    {
        assert_problem(&ask(&own, Some(origin)), 403, "foreign_page", origin);
    }
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "", "127.0.0.1.evil"] {
        assert_problem(&ask(host, None), 403, "foreign_page", host);
    }
}

#[test]
fn without_authentication_anyone_may_do_everything() {
    let variables = [("INSECURE_NO_AUTH", "true"), ("TOKENS", "")];
    let app = TestApp::start_with(&variables, Limits::default());
    for request in everything() {
        for request in [request.clone(), request.clone().token("anything")] {
            let status = app.send(&request).status;
            assert!([200, 404].contains(&status), "{request:?}: {status}");
        }
    }
}

#[test]
fn without_authentication_deliveries_are_still_verified() {
    let variables = [("INSECURE_NO_AUTH", "true"), ("TOKENS", "")];
    let app = TestApp::start_with(&variables, Limits::default());
    let bare = Request::post("/webhooks/stripe", account("acct_1").to_string());
    assert_problem(&app.send(&bare), 400, "signature_missing", "bare");
}

#[test]
fn too_many_wrong_tokens_are_answered_with_429_and_a_right_one_always_passes() {
    let app = TestApp::start_with(&[("MAX_AUTH_FAILURES", "3")], Limits::default());
    let wrong = Request::get("/v1/summary").token("wrong");
    for _ in 0..3 {
        assert_unauthorized(&app.send(&wrong), "within the limit");
    }
    for _ in 0..2 {
        let answer = app.send(&wrong);
        assert_problem(&answer, 429, "too_many_attempts", "beyond the limit");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&seconds), "{seconds}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    for token in [READER, OPERATOR, PAYER] {
        assert_eq!(app.send(&Request::get("/v1/summary").token(token)).status, 200, "{token}");
    }
    let operator = Request::post("/v1/redrives", "").token(READER);
    assert_problem(&app.send(&operator), 403, "forbidden", "known, but no operator");
    assert_eq!(app.send(&signed(account("acct_1").to_string())).status, 200, "a delivery");
    assert_eq!(app.send(&Request::get("/healthz").token("wrong")).status, 200);
    // Who shows none guesses none.
    assert_unauthorized(&app.send(&Request::get("/v1/summary")), "without a token");
    assert_problem(&app.send(&wrong), 429, "too_many_attempts", "still");
}

#[test]
fn the_connection_of_a_guesser_beyond_the_limit_is_closed() {
    let app = TestApp::start_with(&[("MAX_AUTH_FAILURES", "1")], Limits::default());
    let get = "GET /v1/summary HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer wrong\r\n\r\n";
    let answers = String::from_utf8(raw(app.address(), get.repeat(2).as_bytes())).unwrap();
    let statuses = answers.split("HTTP/1.1 ").skip(1);
    let statuses: Vec<&str> = statuses.filter_map(|answer| answer.lines().next()).collect();
    assert_eq!(statuses, ["401 Unauthorized", "429 Too Many Requests"]);
    assert!(answers.to_ascii_lowercase().contains("connection: close"), "{answers}");
}

#[test]
fn health_needs_no_token() {
    let app = TestApp::start();
    for path in ["/healthz", "/readyz"] {
        for request in [Request::get(path), Request::new("HEAD", path)] {
            assert_eq!(app.send(&request).status, 200, "{request:?}");
            assert_eq!(app.send(&request.token("wrong")).status, 200, "{path}");
        }
    }
}

#[test]
fn deliveries_need_no_token_and_mind_none() {
    let app = TestApp::start();
    let event = account("acct_1");
    assert_eq!(app.send(&signed(event.to_string()).token("wrong")).status, 200);
    let event = with(account("acct_2"), "data.object.country", json!("DE"));
    assert_eq!(app.send(&signed(event.to_string())).status, 200);
}
