//! Spans: in the log, and as a collector gets them over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use crate::process::{LIMIT, OPERATOR, Place, READER, SECRET, Server, id_of, payout};
use crate::support::Request;
use crate::support::platform::sandbox;

/// Takes what it is sent, and answers as it is told.
struct Collector {
    url: String,
    got: Arc<Mutex<Vec<Value>>>,
    status: Arc<Mutex<u16>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (got, status) = (Arc::default(), Arc::new(Mutex::new(200)));
        let collector = Self { url, got: Arc::clone(&got), status: Arc::clone(&status) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (got, status) = (Arc::clone(&got), Arc::clone(&status));
                std::thread::spawn(move || while take(stream.as_ref().unwrap(), &got, &status) {});
            }
        });
        collector
    }

    /// Every span so far, with its resource's name beside it.
    fn spans(&self) -> Vec<Value> {
        let got = self.got.lock().unwrap();
        let mut spans = Vec::new();
        for request in got.iter() {
            for of_resource in request["resourceSpans"].as_array().unwrap() {
                let named = &of_resource["resource"]["attributes"][0];
                assert_eq!(named["value"]["stringValue"], "bursar", "{of_resource}");
                for of_scope in of_resource["scopeSpans"].as_array().unwrap() {
                    spans.extend(of_scope["spans"].as_array().unwrap().iter().cloned());
                }
            }
        }
        spans
    }

    /// Waits for spans for which this holds.
    #[track_caller]
    fn until(&self, what: &str, so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let spans = self.spans();
            if so(&spans) {
                return spans;
            }
            assert!(start.elapsed() < LIMIT, "{what} never came: {spans:#?}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

/// Takes one request; false when there is none.
fn take(mut stream: &TcpStream, got: &Mutex<Vec<Value>>, status: &Mutex<u16>) -> bool {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_lowercase());
    }
    assert_eq!(head[0], "post /v1/traces http/1.1");
    assert!(head.contains(&"content-type: application/json".to_owned()), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let status = *status.lock().unwrap();
    if status == 200 {
        got.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    }
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n{{}}");
    stream.write_all(answer.as_bytes()).is_ok()
}

fn attribute(span: &Value, name: &str) -> Option<String> {
    let attributes = span["attributes"].as_array().unwrap().iter();
    let value = attributes.filter(|it| it["key"] == name).map(|it| &it["value"]).next_back()?;
    let text = value["stringValue"].as_str().or(value["intValue"].as_str());
    text.map(str::to_owned)
}

/// The delivery of this event.
#[track_caller]
fn delivery_of(spans: &[Value], event: &str) -> Value {
    let is_it = |span: &&Value| {
        span["name"] == "delivery" && attribute(span, "event.id").as_deref() == Some(event)
    };
    spans.iter().find(is_it).unwrap_or_else(|| panic!("no delivery of {event}: {spans:#?}")).clone()
}

fn serve(place: &Place, collector: &Collector) -> Server {
    place.serve_with(|command| {
        command.env("BURSAR_OTLP_ENDPOINT", &collector.url);
    })
}

#[test]
fn a_collector_sees_a_delivery_its_commit_and_the_batch_that_held_it() {
    let (place, collector) = (Place::new(), Collector::start());
    let server = serve(&place, &collector);
    let body = payout("traced");
    assert_eq!(server.deliver(&body).status, 200);
    let event = id_of(&body);
    let is_batch = |span: &Value| span["name"] == "batch";
    let spans = collector.until("a batch and a delivery", |spans| {
        let delivered = |span: &Value| attribute(span, "event.id").as_deref() == Some(&event);
        spans.iter().any(is_batch) && spans.iter().any(delivered)
    });
    let delivery = delivery_of(&spans, &event);
    assert_eq!(delivery["kind"], 2, "of a server");
    assert_eq!(delivery["parentSpanId"], "");
    assert_eq!(delivery["traceId"].as_str().unwrap().len(), 32);
    for (name, value) in
        [("event.type", "payout.created"), ("source", "platform"), ("outcome", "applied")]
    {
        let found = attribute(&delivery, name);
        assert!(found.as_deref() == Some(value) || name == "event.type", "{name}: {found:?}");
    }
    assert!(attribute(&delivery, "object.id").is_some(), "{delivery}");

    let commit = spans.iter().find(|span| span["name"] == "commit").unwrap();
    assert_eq!(commit["traceId"], delivery["traceId"]);
    assert_eq!(commit["parentSpanId"], delivery["spanId"]);
    let batch = spans.iter().find(|span| is_batch(span)).unwrap();
    assert_eq!(attribute(commit, "batch"), attribute(batch, "number"));
    let link = json!([{ "traceId": commit["traceId"], "spanId": commit["spanId"] }]);
    assert_eq!(batch["links"], link);
    let nanoseconds =
        |span: &Value, name: &str| -> u128 { span[name].as_str().unwrap().parse().unwrap() };
    for (inner, outer) in [(commit, &delivery), (batch, commit)] {
        let (start, end) = ("startTimeUnixNano", "endTimeUnixNano");
        assert!(nanoseconds(outer, start) <= nanoseconds(inner, start), "{inner} in {outer}");
        assert!(nanoseconds(inner, start) <= nanoseconds(inner, end), "{inner}");
    }
    server.stop();
}

#[test]
fn what_was_refused_is_a_span_with_an_error_and_nothing_secret_is_sent() {
    let (place, collector) = (Place::new(), Collector::start());
    let server = serve(&place, &collector);
    let body = String::from_utf8(payout("kept")).unwrap().replace("usd", "zzz");
    assert_eq!(server.deliver(body.as_bytes()).status, 200);
    let forged = Request::post("/webhooks/stripe", body.clone());
    let forged = forged.header("Stripe-Signature", &format!("t=1,v1={}", "0".repeat(64)));
    assert_eq!(forged.send(server.address).status, 400);
    assert_eq!(server.deliver(b"{\"marker\":\"a body\"}").status, 400);
    server.get("/v1/summary", READER);
    let ended = server.stop();
    ended.says(&["bursar is listening"]);
    // What had not been sent went out with the end.
    let spans = collector.spans();
    let errors: Vec<_> = spans
        .iter()
        .filter(|span| span["name"] == "delivery")
        .filter(|span| span["status"]["code"] == 2)
        .filter_map(|span| attribute(span, "error"))
        .collect();
    assert_eq!(errors, ["signature", "not_an_event"], "{spans:#?}");
    let text = json!(spans).to_string();
    for secret in [SECRET, READER, OPERATOR, "a body", "zzz", "v1="] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn calls_to_stripe_are_spans() {
    let (place, collector, stripe) = (Place::new(), Collector::start(), sandbox(0));
    let server = place.serve_with(|command| {
        command.env("BURSAR_OTLP_ENDPOINT", &collector.url);
        command.env("BURSAR_STRIPE_KEY", "sk_test_traced");
        command.env("BURSAR_STRIPE_API_BASE", stripe.url());
    });
    // The first backfill comes by itself.
    let is_call = |span: &Value| span["name"] == "stripe.call";
    let spans = collector.until("a call", |spans| spans.iter().any(is_call));
    let call = spans.iter().find(|span| is_call(span)).unwrap();
    assert_eq!(attribute(call, "outcome").as_deref(), Some("done"), "{call}");
    assert!(attribute(call, "path").unwrap().starts_with("/v1/"), "{call}");
    assert!(attribute(call, "request.id").unwrap().starts_with("req_"), "{call}");
    assert_eq!(call["kind"], 3);
    server.stop();
    assert!(!json!(collector.spans()).to_string().contains("sk_test_traced"));
}

#[test]
fn a_collector_that_fails_costs_spans_and_nothing_else() {
    let (place, collector) = (Place::new(), Collector::start());
    *collector.status.lock().unwrap() = 503;
    let mut server = serve(&place, &collector);
    assert_eq!(server.deliver(&payout("unseen")).status, 200);
    server.process.until_it_says("traces cannot be sent: the answer is 503");
    *collector.status.lock().unwrap() = 200;
    assert_eq!(server.deliver(&payout("seen")).status, 200);
    server.process.until_it_says("traces are sent again");
    let event = id_of(&payout("seen"));
    let seen = |span: &Value| attribute(span, "event.id").as_deref() == Some(&*event);
    collector.until("the second delivery", |spans| spans.iter().any(seen));
    server.stop();

    // Nobody listens at all.
    let server = place.serve_with(|command| {
        command.env("BURSAR_OTLP_ENDPOINT", "http://127.0.0.1:1");
    });
    assert_eq!(server.deliver(&payout("alone")).status, 200);
    server.stop().expect(0);
}

/// The lines of a log in JSON.
fn lines(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn the_log_has_ids_as_fields_in_text_and_in_json() {
    let place = Place::new();
    let body = payout("logged");
    let (event, object) = (id_of(&body), object_of(&body));
    let server = place.serve();
    assert_eq!(server.deliver(&body).status, 200);
    let text = server.stop().stderr;
    let line = text.lines().find(|line| line.contains("received an event")).unwrap();
    for field in ["event.id=", "object.id=", "outcome=\"applied\"", &event, &object] {
        assert!(line.contains(field), "{field} is not in {line}");
    }
    assert!(!text.contains("delivery{"), "spans are for those who ask: {text}");

    let place = Place::new();
    let server = place.serve_with(|command| {
        command.env("BURSAR_LOG", "info,bursar=debug").env("BURSAR_LOG_FORMAT", "json");
    });
    assert_eq!(server.deliver(&body).status, 200);
    let lines = lines(&server.stop().stderr);
    let told = |message: &str| {
        lines.iter().find(|line| line["fields"]["message"] == message).unwrap().clone()
    };
    let received = told("received an event");
    assert_eq!(received["fields"]["event.id"], event, "{received}");
    assert_eq!(received["span"]["name"], "delivery", "{received}");
    assert_eq!(received["span"]["event.id"], event, "{received}");
    let committed = told("committed");
    assert_eq!(committed["span"]["name"], "batch", "{committed}");
    assert_eq!(committed["span"]["events"], 1, "{committed}");
}

fn object_of(body: &[u8]) -> String {
    let event: Value = serde_json::from_slice(body).unwrap();
    event["data"]["object"]["id"].as_str().unwrap().to_owned()
}
