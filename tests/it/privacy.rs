//! Nothing of what bodies and requests hold is in any output: not at the level trace, not in an
//! error, not in what a command says. Markers stand for people's data, in every text of every
//! fixture and of every request.

use std::process::Command;

use bursar::sandbox::server::Running;
use serde_json::{Value, json};

use crate::process::{OPERATOR, Place, READER, SECRET, Server};
use crate::support::events::{payout, with};
use crate::support::markers::{Markers, about, fixtures};
use crate::support::platform::sandbox;
use crate::support::{Answer, PAYER, Request};

/// Tells the process that is started for the control what to say.
const CONTROL: &str = "BURSAR_TEST_SAYS";

/// All that anybody could read, but for what was asked for.
#[derive(Default)]
struct Heard(Vec<(String, Vec<u8>)>);

impl Heard {
    fn hear(&mut self, what: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((what.into(), bytes.into()));
    }

    #[track_caller]
    fn has_none_of(&self, markers: &Markers) {
        for (what, bytes) in &self.0 {
            assert_eq!(markers.found_in(bytes), None, "{what}");
        }
    }
}

/// Asks, and hears what is said when it is refused.
fn ask(server: &Server, request: &Request, heard: &mut Heard) -> Answer {
    let answer = request.send(server.address);
    if answer.status >= 300 {
        heard.hear(format!("{request:?}"), answer.body.clone());
    }
    answer
}

fn deliver(server: &Server, body: &[u8], heard: &mut Heard) -> Answer {
    let now = bursar::clock::now().signed_seconds();
    let signature = bursar::stripe::signature::sign(SECRET, body, now);
    let request = Request::post("/webhooks/stripe", body).header("Stripe-Signature", &signature);
    ask(server, &request, heard)
}

fn post(server: &Server, path: &str, body: &Value, token: &str, heard: &mut Heard) -> Answer {
    let key = format!("key-{}", fastrand::u64(..));
    let request = Request::post(path, body.to_string()).token(token);
    ask(server, &request.header("Idempotency-Key", &key), heard)
}

/// What a stranger, a careless operator and a careless platform send.
fn malformed(markers: &mut Markers) -> Vec<String> {
    let mut text = || markers.text();
    vec![
        text(),
        format!("{{\"{}\": 1", text()),
        format!("{{\"id\": \"evt_1\", \"object\": \"event\", \"type\": [\"{}\"]}}", text()),
        format!("{{\"id\": \"evt_1\", \"object\": \"{}\", \"type\": \"x\"}}", text()),
        format!("[\"{}\"]", text()),
        format!("{{\"events\": \"{}\"}}", text()),
        format!("{{\"events\": [{{\"id\": \"{}\"}}]}}", text()),
        format!("{{\"{}\": \"{}\"}}", text(), text()),
        format!("{{\"events\": [\"{}\"], \"event_ids\": 5}}", text()),
        format!("{{\"amount\": \"{}\", \"email\": [\"{}\"]}}", text(), text()),
        format!("{{\"metadata\": {{\"{}\": 5}}, \"country\": \"{}\"}}", text(), text()),
        format!("{{\"individual\": {{\"{}]\": \"{}\"}}}}", text(), text()),
    ]
}

/// Events of tracked types that cannot be used, with people's data where something else should be.
fn unusable(markers: &mut Markers) -> Vec<Value> {
    let wrong = [
        ("data.object.status", json!(markers.text())),
        ("data.object.object", json!(markers.text())),
        ("data.object.amount", json!(markers.text())),
        ("created", json!([markers.text()])),
        ("livemode", json!(markers.text())),
        ("account", json!({ "name": markers.text() })),
        ("data.object", json!(markers.text())),
        ("data", json!([markers.text()])),
    ];
    let event = |(number, (path, value)): (usize, (&str, Value))| {
        let id = json!(format!("evt_unusable_{number}"));
        with(with(payout("po_1", "paid", "paid"), "id", id), path, value)
    };
    wrong.into_iter().enumerate().map(event).collect()
}

fn server(place: &Place, stripe: &Running, json: bool) -> Server {
    let tokens = format!("reader={READER},operator/ops={OPERATOR},payer/pat={PAYER}");
    let server = place.serve_with(|command| {
        command
            .env("BURSAR_LOG", "trace,actix_http=trace,awc=trace,rustls=trace,h2=trace,mio=trace")
            .env("BURSAR_LOG_FORMAT", if json { "json" } else { "text" })
            .env("BURSAR_TOKENS", &tokens)
            .env("BURSAR_STRIPE_KEY", "sk_test_platform")
            .env("BURSAR_STRIPE_API_BASE", stripe.url())
            .env("BURSAR_BACKFILL_MINUTES", "0");
    });
    let url = format!("{}/webhooks/stripe", server.url());
    stripe.with(|sandbox| {
        for connect in [false, true] {
            sandbox.world.register_endpoint(url.clone(), connect, Some(SECRET.to_owned()));
        }
    });
    server
}

/// Everything that can be done with bodies, done with markers in them.
fn live(place: &Place, stripe: &Running, json: bool, markers: &mut Markers) -> Heard {
    let mut heard = Heard::default();
    let server = server(place, stripe, json);
    receive(&server, markers, &mut heard);
    onboard(&server, markers, &mut heard);
    let metrics = server.get("/metrics", READER);
    heard.hear("metrics", metrics.text());
    let ended = server.stop();
    assert!(ended.stderr.contains("stopped"), "the log is heard");
    heard.hear("stdout", ended.stdout);
    heard.hear("stderr", ended.stderr);
    heard
}

fn receive(server: &Server, markers: &mut Markers, heard: &mut Heard) {
    let of_webhooks: Vec<Value> = fixtures().iter().map(|event| markers.plant(event)).collect();
    for event in &of_webhooks {
        let answer = deliver(server, event.to_string().as_bytes(), heard);
        assert_eq!(answer.status, 200, "{event}");
        heard.hear("an outcome", answer.body);
    }
    // The same ids with other contents.
    for event in of_webhooks.iter().take(5) {
        deliver(server, markers.plant(event).to_string().as_bytes(), heard);
    }
    for event in unusable(markers) {
        deliver(server, event.to_string().as_bytes(), heard);
    }
    let again: Vec<Value> =
        fixtures().iter().map(|event| markers.plant(&about("acct_replayed", event))).collect();
    let replay = json!({ "events": again, "reason": "by hand" });
    let answer = post(server, "/v1/replays", &replay, OPERATOR, heard);
    assert_eq!(answer.status, 200);
    for body in malformed(markers) {
        deliver(server, body.as_bytes(), heard);
        for (path, token) in [
            ("/v1/replays", OPERATOR),
            ("/v1/redrives", OPERATOR),
            ("/v1/accounts/acct_replayed/erase", OPERATOR),
            ("/v1/accounts", PAYER),
            ("/v1/accounts/acct_replayed/persons", PAYER),
            ("/v1/transfers", PAYER),
            ("/onboard-user", PAYER),
        ] {
            let request = Request::post(path, body.as_bytes()).token(token);
            ask(server, &request.header("Idempotency-Key", &body.len().to_string()), heard);
        }
    }
    post(server, "/v1/redrives", &json!({}), OPERATOR, heard);
    post(server, "/v1/events/evt_unusable_0/redrive", &json!({}), OPERATOR, heard);
}

fn onboard(server: &Server, markers: &mut Markers, heard: &mut Heard) {
    let prefill = json!({
        "country": "US", "email": markers.text(), "business_type": "individual",
        "individual": {
            "first_name": markers.text(), "last_name": markers.text(), "email": markers.text(),
            "address": { "line1": markers.text(), "city": markers.text() },
        },
        "business_profile": { "name": markers.text(), "product_description": markers.text() },
        "metadata": { "note": markers.text() },
    });
    let made = post(server, "/v1/accounts", &prefill, PAYER, heard);
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    let account = made.json()["object_id"].as_str().unwrap().to_owned();
    let person = json!({
        "first_name": markers.text(), "last_name": markers.text(), "id_number": markers.text(),
        "metadata": { "note": markers.text() },
    });
    let persons = format!("/v1/accounts/{account}/persons");
    let answer = post(server, &persons, &person, PAYER, heard);
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    // One that Stripe does not take.
    let refused = json!({ "dob": { "day": markers.text() }, "relationship": { "x": true } });
    post(server, &persons, &refused, PAYER, heard);
    let refetch = format!("/v1/accounts/{account}/refetch");
    assert_eq!(post(server, &refetch, &json!({}), OPERATOR, heard).status, 200);
    post(server, "/v1/backfills?full=true", &json!({}), OPERATOR, heard);
    let start = std::time::Instant::now();
    loop {
        let runs = server.read("/v1/backfills");
        let ended = runs["data"].as_array().unwrap().iter().all(|run| run["state"] != "running");
        if ended || start.elapsed() > crate::process::LIMIT {
            break;
        }
        std::thread::yield_now();
    }
    let erase = format!("/v1/accounts/{account}/erase");
    post(server, &erase, &json!({ "reason": "asked" }), OPERATOR, heard);
}

fn commands(place: &Place, markers: &mut Markers, heard: &mut Heard) {
    let line = json!({ "id": "evt_1", "body": markers.text() }).to_string();
    let odd = format!("{line}\n");
    let files = [
        place.write("odd.jsonl", odd),
        place.write("flags.jsonl", json!({ "id": [markers.text()] }).to_string()),
        place.write("operation.jsonl", format!("{{\"operation\":{{\"{}\":1}}}}", markers.text())),
    ];
    let imports: Vec<[&str; 2]> = files.iter().map(|file| ["import", file.as_str()]).collect();
    let others = [["verify"].as_slice(), &["rebuild", "--check"], &["rebuild"], &["repair"]];
    let all = imports.iter().map(<[&str; 2]>::as_slice).chain(others);
    for arguments in all {
        let mut command = place.command(arguments);
        command.env("BURSAR_LOG", "trace");
        let ended = crate::process::run(command);
        heard.hear(format!("{arguments:?}: stdout"), ended.stdout);
        heard.hear(format!("{arguments:?}: stderr"), ended.stderr);
    }
}

#[test]
fn no_text_of_an_event_or_a_request_is_in_any_output_at_any_level() {
    for json in [false, true] {
        let mut markers = Markers::everywhere("mk7logs");
        let (place, stripe) = (Place::new(), sandbox(0));
        let mut heard = live(&place, &stripe, json, &mut markers);
        commands(&place, &mut markers, &mut heard);
        assert!(markers.planted() > 1_000, "too few markers to say anything");
        // They are where they should be, so that they could have been said.
        assert!(!markers.found_below(&place.store().join("journal")).is_empty());
        // What is derived, and outlives what it was derived from in sled's files, has none but
        // those that reads show: see below.
        heard.has_none_of(&markers);
    }
}

#[test]
fn reads_show_nothing_personal() {
    let mut markers = Markers::of_erasure("mk7read");
    let (place, stripe) = (Place::new(), sandbox(0));
    let server = server(&place, &stripe, false);
    let mut heard = Heard::default();
    for fixture in fixtures() {
        let event = markers.plant(&about("acct_read", &fixture));
        deliver(&server, event.to_string().as_bytes(), &mut heard);
    }
    let made = post(
        &server,
        "/v1/accounts",
        &json!({ "email": markers.text(), "metadata": { "note": markers.text() } }),
        PAYER,
        &mut heard,
    );
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    heard.hear("the answer", made.body);
    let mut paths: Vec<String> = ["summary", "changes?limit=500", "balance?account=acct_read"]
        .map(|path| format!("/v1/{path}"))
        .to_vec();
    for list in ["accounts", "topups", "transfers", "payouts", "events", "operations"] {
        let path = format!("/v1/{list}?limit=500");
        for item in server.read(&path)["data"].as_array().unwrap() {
            let id = item["id"].as_str().unwrap();
            let owner = item["account"].as_str().filter(|_| list == "payouts");
            let owner = owner.map(|owner| format!("?account={owner}")).unwrap_or_default();
            paths.push(format!("/v1/{list}/{id}{owner}"));
            if list != "events" && list != "operations" {
                paths.push(format!("/v1/{list}/{id}/history{owner}"));
            }
        }
        paths.push(path);
    }
    paths.push("/v1/balance/history?account=acct_read".to_owned());
    assert!(paths.len() > 100, "{paths:?}");
    for path in paths {
        let answer = server.get(&path, READER);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        heard.hear(path, answer.text());
    }
    heard.has_none_of(&markers);
}

/// The control of the others: a line that prints a body is heard and found, by the same log and the
/// same search.
#[test]
fn a_line_that_printed_a_body_would_be_found() {
    let mut markers = Markers::everywhere("mk7ctrl");
    let body = markers.plant(&fixtures()[0]).to_string();
    for (says, is_found) in [(body.as_str(), true), ("nothing", false)] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "privacy::says_what_it_is_told", "--nocapture"]);
        let ended = command.env(CONTROL, says).output().unwrap();
        assert!(ended.status.success());
        let mut heard = Heard::default();
        heard.hear("stderr", ended.stderr);
        let found = heard.0.iter().any(|(_, bytes)| markers.found_in(bytes).is_some());
        assert_eq!(found, is_found);
    }
}

/// What the control runs, in a process of its own: the log is one for each process.
#[test]
fn says_what_it_is_told() {
    let Some(body) = std::env::var_os(CONTROL) else { return };
    let body = body.into_string().unwrap();
    bursar::telemetry::start("trace", true);
    tracing::debug!(target: "bursar::pipeline::receive", body, "received an event");
}
