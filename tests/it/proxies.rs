//! From where a request comes: proxies that are trusted, networks that may deliver.

use bursar::pipeline::commit::Limits;

use crate::process::{Place, run};
use crate::support::events::account;
use crate::support::{Request, TestApp, assert_problem, raw, signed};

const OFFICE: &str = "198.51.100.0/24";

fn start(variables: &[(&str, &str)]) -> TestApp {
    TestApp::start_with(variables, Limits::default())
}

fn forwarded(lines: &[&str]) -> Request {
    let event = account(&format!("acct_{}", fastrand::u64(..)));
    let event = crate::support::with(event.clone(), "id", {
        format!("evt_{}", event["data"]["object"]["id"].as_str().unwrap()).into()
    });
    let delivery = signed(event.to_string());
    lines.iter().fold(delivery, |delivery, line| delivery.header("X-Forwarded-For", line))
}

#[test]
fn webhooks_are_taken_from_everywhere_unless_networks_are_named() {
    assert_eq!(start(&[]).send(&forwarded(&[])).status, 200);
    for networks in ["127.0.0.1", "127.0.0.0/8", "198.51.100.0/24, 127.0.0.1", "::1,127.0.0.1"] {
        let app = start(&[("WEBHOOK_NETWORKS", networks)]);
        assert_eq!(app.send(&forwarded(&[])).status, 200, "{networks}");
    }
}

#[test]
fn a_delivery_from_another_network_is_refused_unread_and_nothing_else_is() {
    let app = start(&[("WEBHOOK_NETWORKS", OFFICE)]);
    let refused = app.send(&forwarded(&[]));
    assert_problem(&refused, 403, "network_not_allowed", "from elsewhere");
    assert_eq!(refused.header("connection").as_deref(), Some("close"));
    // Before the body has come: it is not waited for.
    let head = "POST /webhooks/stripe HTTP/1.1\r\nHost: b\r\nContent-Length: 1000\r\n\r\n";
    let answer = raw(app.address(), head.as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 403 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(app.read("/v1/events")["data"], serde_json::json!([]));
    assert_eq!(app.send(&Request::get("/readyz")).status, 200);
}

#[test]
fn nobody_is_believed_who_is_no_trusted_proxy() {
    for variables in [
        &[("WEBHOOK_NETWORKS", OFFICE)][..],
        &[("WEBHOOK_NETWORKS", OFFICE), ("TRUSTED_PROXIES", "10.0.0.0/8")],
    ] {
        let app = start(variables);
        let refused = app.send(&forwarded(&["198.51.100.7"]));
        assert_problem(&refused, 403, "network_not_allowed", "a header that anyone can send");
    }
}

#[test]
fn behind_a_trusted_proxy_the_rightmost_address_that_is_none_counts() {
    let app = start(&[("WEBHOOK_NETWORKS", OFFICE), ("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")]);
    for (lines, status) in [
        (&["198.51.100.7"][..], 200),
        (&["203.0.113.9, 198.51.100.7"], 200),
        (&["198.51.100.7, 10.1.2.3"], 200),
        (&["203.0.113.9", "198.51.100.7"], 200),
        (&["198.51.100.7:4711"], 200),
        (&["unknown, 198.51.100.7"], 200),
        (&["198.51.100.7, 203.0.113.9"], 403),
        (&["198.51.100.7", "203.0.113.9"], 403),
        (&["198.51.100.7, unknown"], 403),
        (&["198.51.100.7,"], 403),
        (&["198.51.100.7", ""], 403),
        (&["198.51.100.7 203.0.113.9"], 403),
        (&["10.0.0.1"], 403),
        (&[""], 403),
        (&[], 403),
    ] {
        assert_eq!(app.send(&forwarded(lines)).status, status, "{lines:?}");
    }
}

#[test]
fn the_log_names_the_client_and_not_the_proxy() {
    let place = Place::new();
    let server = place.serve_with(|command| {
        command.env("BURSAR_TRUSTED_PROXIES", "127.0.0.0/8");
    });
    let guess = |path: &str, address: &str| {
        let mut connection = server.connect();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: b\r\nX-Forwarded-For: {address}\r\nAuthorization: Bearer x\r\n\r\n"
        );
        connection.send(head).unwrap();
        assert_eq!(connection.answer().unwrap().status, 401);
    };
    guess("/v1/summary", "203.0.113.77");
    let mut connection = server.connect();
    let head = "POST /webhooks/stripe HTTP/1.1\r\nHost: b\r\nX-Forwarded-For: 203.0.113.78\r\nContent-Length: 0\r\n\r\n";
    connection.send(head).unwrap();
    assert_eq!(connection.answer().unwrap().status, 400);
    drop(connection);
    server.stop().says(&["203.0.113.77", "203.0.113.78", "signature_missing"]);
}

#[test]
fn networks_that_cannot_be_read_are_named_by_their_place() {
    let place = Place::new();
    let mut command = place.command(&["serve"]);
    command
        .env("BURSAR_TRUSTED_PROXIES", "10.0.0.0/8,here,10.0.0.1/8,10.0.0.0/33,,::1/129")
        .env("BURSAR_WEBHOOK_NETWORKS", "203.0.113.256");
    run(command).expect(2).says(&[
        "entry 2 of BURSAR_TRUSTED_PROXIES",
        "entry 3 of BURSAR_TRUSTED_PROXIES",
        "entry 4 of BURSAR_TRUSTED_PROXIES",
        "entry 5 of BURSAR_TRUSTED_PROXIES",
        "entry 6 of BURSAR_TRUSTED_PROXIES",
        "entry 1 of BURSAR_WEBHOOK_NETWORKS",
        "6 problems",
    ]);
}
