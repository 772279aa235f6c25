//! Bad inputs by the hundred, over HTTP: each is refused as it should be, and leaves nothing
//! behind. SECURITY.md has a table of how many there are, which is held to be true here.

use std::collections::BTreeMap;

use bursar::pipeline::commit::Limits;
use bursar::sandbox::fixture_events;
use bursar::stripe::signature::sign;
use serde_json::{Value, json};

use crate::support::events::account;
use crate::support::{Answer, OPERATOR, READER, Request, SECRETS, TestApp, now, signed};

const LISTS: [&str; 6] = ["accounts", "topups", "transfers", "payouts", "events", "operations"];

/// The count in SECURITY.md's table of bad inputs, in the row that begins with this text.
#[track_caller]
fn assert_told(row: &str, count: usize) {
    let text = include_str!("../../SECURITY.md");
    let begins = format!("| {row} |");
    let line = text.lines().find(|line| line.starts_with(&begins));
    let line = line.unwrap_or_else(|| panic!("SECURITY.md has no row `{row}`: it is {count}"));
    let told = line.split('|').nth(2).unwrap_or_default().trim().replace(',', "");
    assert_eq!(told, count.to_string(), "SECURITY.md, `{row}`");
}

fn code(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!(problem["status"], answer.status, "{problem}");
    problem["code"].as_str().unwrap_or_else(|| panic!("{problem}")).to_owned()
}

#[track_caller]
fn assert_empty_and_alive(app: &TestApp) {
    for livemode in [false, true] {
        let path = format!("/v1/events?livemode={livemode}");
        assert_eq!(app.read(&path)["data"], json!([]), "something was stored");
    }
    app.apply(&account("acct_still_alive"));
}

/// Values of `t`, of which the first alone is good.
fn times(t: i64) -> Vec<String> {
    [
        format!("t={t}"),
        format!("t={}", t + 1),
        format!("t={}", t - 1),
        format!("t={}", t - 400),
        format!("t={}", t + 400),
        format!("t=+{t}"),
        format!("t=-{t}"),
        format!("t={t}.0"),
        format!("t= {t}"),
        format!("t={t} "),
        format!("T={t}"),
        format!("t:{t}"),
        format!("t=0x{t:x}"),
        format!("t={t}e0"),
        format!("t={t},t={t}"),
        format!("t=0,t={t}"),
        "t=".to_owned(),
        "t".to_owned(),
        String::new(),
        "t=0".to_owned(),
        format!("t={}", "9".repeat(18)),
        format!("t={}", "9".repeat(19)),
        format!("t={}", i64::MAX),
        format!("t=\u{661}{t}"),
    ]
    .into()
}

/// What stands beside it, none of it good.
fn signatures(body: &[u8], t: i64, hex: &str) -> Vec<String> {
    let v1 = |secret: &str, body: &[u8]| {
        format!("v1={}", sign(secret, body, t).split_once("v1=").unwrap().1)
    };
    [
        format!("v0={hex}"),
        format!("V1={hex}"),
        format!(" v1={hex}"),
        format!("v1 ={hex}"),
        format!("v1= {hex}"),
        format!("v1={}", hex.to_uppercase()),
        format!("v1={}", &hex[1..]),
        format!("v1={hex}0"),
        format!("v1={hex}{hex}"),
        format!("v1=0x{hex}"),
        format!("v1={hex}="),
        format!("v1=\"{hex}\""),
        format!("v1:{hex}"),
        format!("v1={}", "0".repeat(64)),
        format!("v1={}", "f".repeat(64)),
        "v1=".to_owned(),
        "v1".to_owned(),
        String::new(),
        hex.to_owned(),
        format!("{},v1={hex}", ["v1=00"; 64].join(",")),
        v1("whsec_other", body),
        v1("", body),
        v1(SECRETS[0].1, b"{}"),
        "v1=%00".to_owned(),
        "v1=\u{fffd}".to_owned(),
    ]
    .into()
}

#[test]
fn no_bad_signature_header_lets_anything_in() {
    let app = TestApp::start();
    let body = account("acct_1").to_string();
    let t = now();
    let good = sign(SECRETS[0].1, body.as_bytes(), t);
    let hex = good.split_once("v1=").unwrap().1.to_owned();
    let times = times(t);
    let signatures = signatures(body.as_bytes(), t, &hex);
    let mut headers: Vec<String> = Vec::new();
    for time in &times {
        for signature in &signatures {
            headers.push(format!("{time},{signature}"));
        }
        if *time != times[0] {
            headers.push(format!("{time},v1={hex}"));
        }
    }
    let mut by_code: BTreeMap<String, usize> = BTreeMap::new();
    for header in &headers {
        let delivery = Request::post("/webhooks/stripe", body.as_bytes());
        let answer = app.send(&delivery.header("Stripe-Signature", header));
        assert_eq!(answer.status, 400, "{header}");
        let code = code(&answer);
        assert!(code.starts_with("signature_") || code == "timestamp_out_of_tolerance", "{code}");
        *by_code.entry(code).or_default() += 1;
    }
    assert!(by_code["signature_malformed"] > 300 && by_code["signature_mismatch"] > 100);
    assert_empty_and_alive(&app);
    assert_told("signature headers", headers.len());
}

/// What stands in the place of each member in turn.
fn strange() -> [Value; 8] {
    [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!([[]]),
        json!({}),
        json!("\u{0}\n\u{1b}[31m<script>'\"\u{202e}"),
    ]
}

/// Events of every type with one member of the event, its data or its object replaced or left out.
fn strange_events() -> Vec<Value> {
    let mut events = Vec::new();
    let mut types = Vec::new();
    for (_, text) in fixture_events() {
        let event: Value = serde_json::from_slice(text).unwrap();
        if types.contains(&event["type"]) {
            continue;
        }
        types.push(event["type"].clone());
        for place in ["", "/data", "/data/object"] {
            let Some(members) = event.pointer(place).and_then(Value::as_object) else { continue };
            let decides = |name: &str| place != "/data/object" || DECIDING.contains(&name);
            for name in members.keys().filter(|name| decides(name)) {
                // Two of them for each, others for the next.
                let all = strange().into_iter().map(Some).chain([None]).cycle();
                for strange in all.skip(events.len() % 9).take(2) {
                    let mut changed = event.clone();
                    // What is compared is the answer; two of one id would be twins.
                    changed["id"] = format!("evt_{}", events.len()).into();
                    let members = changed.pointer_mut(place).unwrap().as_object_mut().unwrap();
                    match strange {
                        Some(strange) => members.insert(name.clone(), strange),
                        None => members.remove(name),
                    };
                    events.push(changed);
                }
            }
        }
    }
    events
}

/// What the rules read of an object to decide.
const DECIDING: [&str; 14] = [
    "id",
    "object",
    "livemode",
    "account",
    "status",
    "amount",
    "amount_reversed",
    "created",
    "capabilities",
    "requirements",
    "payouts_enabled",
    "details_submitted",
    "destination",
    "available",
];

#[test]
fn no_strange_event_stops_the_service() {
    let app = TestApp::start();
    let events = strange_events();
    let (mut stored, mut refused) = (0, 0);
    for event in &events {
        let answer = app.send(&signed(event.to_string()));
        match answer.status {
            200 => stored += 1,
            400 => {
                assert_eq!(code(&answer), "not_an_event", "{event}");
                refused += 1;
            }
            other => panic!("{other}: {event}"),
        }
    }
    assert!(stored > 500 && refused > 50, "{stored} stored, {refused} refused");
    for list in LISTS {
        assert_eq!(app.get(&format!("/v1/{list}?limit=500")).status, 200, "{list}");
    }
    app.apply(&account("acct_still_alive"));
    assert_told("events with a strange member", events.len());
}

#[test]
fn no_broken_body_is_an_event() {
    let app = TestApp::start();
    let text = account("acct_1").to_string();
    let bytes = text.as_bytes();
    let mut bodies: Vec<Vec<u8>> =
        (0..bytes.len()).step_by(7).map(|n| bytes[..n].to_vec()).collect();
    for (at, &byte) in bytes.iter().enumerate() {
        // Without one of these it is no JSON any more.
        if b"{}[]:".contains(&byte) {
            bodies.push([&bytes[..at], &bytes[at + 1..]].concat());
            bodies.push([&bytes[..at], b"\xff", &bytes[at..]].concat());
        }
    }
    for depth in [100, 10_000, 100_000] {
        bodies.push([vec![b'['; depth], vec![b']'; depth]].concat());
        bodies.push(vec![b'{'; depth]);
        bodies.push([br#"{"a":"#.repeat(depth), b"1".to_vec(), vec![b'}'; depth]].concat());
    }
    for body in &bodies {
        let answer = app.send(&signed(body));
        let shown = String::from_utf8_lossy(&body[..body.len().min(400)]);
        assert_eq!((answer.status, code(&answer).as_str()), (400, "not_an_event"), "{shown}");
    }
    assert_empty_and_alive(&app);
    assert_told("broken bodies", bodies.len());
}

#[test]
fn no_bad_query_or_cursor_is_guessed_at() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    let elsewhere = |list: &str| hex::encode(format!("{list} false 5"));
    let mut queries = 0;
    for list in LISTS {
        let mut bad: Vec<String> = [
            "limit=0",
            "limit=501",
            "limit=-1",
            "limit=%2B5",
            "limit=5.0",
            "limit=",
            "limit=ten",
            "limit=18446744073709551616",
            "limit=5&limit=5",
            "limits=5",
            "LIMIT=5",
            "livemode=yes",
            "livemode=1",
            "livemode=",
            "livemode=true&livemode=true",
            "%00=1",
            "a%0d%0ab=1",
            "=1",
            "cursor=",
            "cursor=zz",
            "cursor=0",
            "cursor=00",
            "cursor=ff",
            "cursor=%00",
            "cursor=6576656e7473",
            "cursor=..%2f..%2fetc",
            "limit=5&cursor=5&cursor=5",
        ]
        .map(str::to_owned)
        .into();
        for place in ["", "-1", "+5", "5 ", " 5", "5.0", "1e3", "18446744073709551616", "\u{665}"] {
            bad.push(format!("cursor={}", hex::encode(format!("{list} false {place}"))));
        }
        bad.extend(
            LISTS.iter().filter(|of| **of != list).map(|of| format!("cursor={}", elsewhere(of))),
        );
        bad.push(format!("cursor={}", hex::encode(format!("{list} true 5"))));
        for query in &bad {
            let answer = app.get(&format!("/v1/{list}?{query}"));
            let told = (answer.status, code(&answer));
            assert_eq!(told, (400, "invalid_parameter".to_owned()), "{list}?{query}");
        }
        queries += bad.len();
    }
    assert_told("queries and cursors", queries);
}

#[test]
fn no_bad_path_finds_anything() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    let long = "x".repeat(20_000);
    let ids = [
        "%00",
        "%ff",
        "%",
        "%2",
        "%2e%2e",
        "..",
        ".",
        "..%2f..%2fetc%2fpasswd",
        "acct_1%00",
        "acct_1%20",
        "%20acct_1",
        "acct_1/",
        "acct_1//",
        "/acct_1",
        "ACCT_1",
        "acct_1;x=1",
        "acct_1%3flivemode=true",
        "acct_1%0d%0aSet-Cookie:%20a=b",
        "%E2%80%AEacct_1",
        "acct_1.json",
        "<script>alert(1)</script>",
        "'%20OR%201=1",
        "*",
        "{id}",
        long.as_str(),
        "null",
        "0",
    ];
    let mut tried = 0;
    for kind in ["accounts", "topups", "transfers", "payouts", "events", "operations"] {
        for id in ids {
            let path = format!("/v1/{kind}/{}", encoded_where_needed(id));
            let answer = app.get(&path);
            assert!(matches!(answer.status, 400 | 404), "{}: {path:.200}", answer.status);
            let text = String::from_utf8_lossy(&answer.body);
            assert!(
                answer.header("set-cookie").is_none() && !text.contains("root:"),
                "{path:.200}"
            );
            assert_ne!(answer.header("content-type").as_deref(), Some("text/html"), "{path:.200}");
            tried += 1;
        }
    }
    app.apply(&account("acct_still_alive"));
    assert_told("paths", tried);
}

/// What cannot stand in a request line would never reach the server as one path.
fn encoded_where_needed(id: &str) -> String {
    id.split(|c: char| " <>'{}".contains(c)).map(str::to_owned).collect::<Vec<_>>().join("%22")
}

#[test]
fn no_bad_token_is_taken_for_a_good_one() {
    // More than one address may try in a minute.
    let app = TestApp::start_with(&[("MAX_AUTH_FAILURES", "0")], Limits::default());
    let bearer = |token: &str| format!("Bearer {token}");
    let hash = bursar::token::hashed(READER);
    let values: Vec<String> = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        READER.to_owned(),
        format!("Basic {READER}"),
        format!("Token {READER}"),
        format!("Bearer:{READER}"),
        format!("Bearer{READER}"),
        format!("Bearer\t{READER}"),
        format!("\"Bearer\" {READER}"),
        bearer(&READER[1..]),
        bearer(&READER[..READER.len() - 1]),
        bearer(&format!("{READER}x")),
        bearer(&READER.to_uppercase()),
        bearer(&format!("{READER},{OPERATOR}")),
        bearer(&format!("{READER} {OPERATOR}")),
        bearer(&format!("\"{READER}\"")),
        bearer(&format!("reader={READER}")),
        bearer(&format!("reader/dashboard={READER}")),
        bearer(&hash),
        bearer(hash.trim_start_matches("sha256:")),
        bearer("sha256:"),
        bearer("dashboard"),
        bearer("reader"),
        bearer("null"),
        bearer("undefined"),
        bearer("*"),
        bearer("' OR '1'='1"),
        bearer(&"x".repeat(10_000)),
        bearer("\u{fffd}"),
        bearer(SECRETS[0].1),
    ]
    .into();
    let requests = [
        ("GET", "/v1/accounts"),
        ("GET", "/v1/events/evt_1/body"),
        ("GET", "/v1/changes"),
        ("GET", "/v1/summary"),
        ("POST", "/v1/replays"),
        ("POST", "/v1/redrives"),
        ("POST", "/v1/transfers"),
        ("POST", "/v1/operations/op_1/resolve"),
    ];
    for (method, path) in requests {
        for value in &values {
            let request = Request::new(method, path).header("Authorization", value);
            let answer = app.send(&request);
            assert_eq!((answer.status, code(&answer).as_str()), (401, "unauthorized"), "{value}");
            assert!(answer.header("www-authenticate").is_some());
        }
    }
    assert_told("tokens", requests.len() * values.len());
}
