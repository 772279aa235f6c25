//! Other secrets and tokens while the real binary serves: by signal, by file, and under load.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use bursar::clock;
use bursar::stripe::signature::sign;
use bursar::token::hashed;
use serde_json::{Value, json};

use crate::load::stored;
use crate::process::{Answer, Connection, LIMIT, OPERATOR, Place, READER, Server, payout, text};

const OLD: &str = "whsec_the_old_one";
const NEW: &str = "whsec_the_new_one";
const TOKENS: &str = "reader=token-of-a-reader,operator/ops=token-of-an-operator";

/// A server whose secrets and tokens stand in files, `secrets` and `tokens`.
fn serve(place: &Place, secrets: &str, change: impl FnOnce(&mut Command)) -> Server {
    let secrets = place.write("secrets", secrets);
    let tokens = place.write("tokens", TOKENS);
    place.serve_with(|command| {
        command.env_remove("BURSAR_WEBHOOK_SECRETS").env("BURSAR_WEBHOOK_SECRETS_FILE", secrets);
        command.env_remove("BURSAR_TOKENS").env("BURSAR_TOKENS_FILE", tokens);
        // Only when a test says so.
        command.env("BURSAR_RELOAD_SECONDS", "0");
        change(command);
    })
}

/// Puts a file in the place of another, whole at every moment.
fn replace(place: &Place, name: &str, content: &str) {
    let next = place.write("next", content);
    std::fs::rename(next, place.path(name)).expect("a file in the place of another");
}

fn deliver(connection: &mut Connection, secret: &str, name: &str) -> std::io::Result<Answer> {
    let body = payout(name);
    let signature = sign(secret, &body, clock::now().signed_seconds());
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: bursar\r\nStripe-Signature: {signature}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send([head.as_bytes(), &body].concat())?;
    connection.answer()
}

#[track_caller]
fn status(server: &Server, secret: &str, name: &str) -> u16 {
    deliver(&mut server.connect(), secret, name).expect("an answer").status
}

/// Waits for something that a reload brings.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "never: {what}");
        std::thread::yield_now();
    }
}

/// Name and fingerprint of each secret, and whether it was used.
fn secrets(server: &Server) -> Vec<(String, String, bool)> {
    let summary = server.read("/v1/summary");
    let secrets = summary["secrets"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    secrets
        .map(|it| (text(&it["name"]), text(&it["fingerprint"]), it["last_used"].is_string()))
        .collect()
}

fn count(server: &Server) -> usize {
    secrets(server).len()
}

const CLIENTS: usize = 6;
const EACH: usize = 500;
/// Deliveries of all clients after which the operator takes the next step.
const STEP: usize = CLIENTS * EACH / 10;

/// Clients that sign only with secrets that are believed at that moment.
struct Clients {
    delivered: AtomicUsize,
    both_are_good: AtomicBool,
    only_the_new_one_will_be: AtomicBool,
    /// From here on nobody signs with the old one.
    turned: Barrier,
}

impl Clients {
    fn deliver_all(&self, client: usize, address: SocketAddr) {
        let mut connection = Connection::to(address).expect("a connection");
        let mut has_turned = false;
        for number in 0..EACH {
            if !has_turned && self.only_the_new_one_will_be.load(Ordering::SeqCst) {
                has_turned = true;
                self.turned.wait();
            }
            let either =
                self.both_are_good.load(Ordering::SeqCst) && (client + number).is_multiple_of(2);
            let secret = if has_turned || either { NEW } else { OLD };
            let name = format!("c{client}_{number}");
            let answer = deliver(&mut connection, secret, &name);
            let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(answer.outcome(), "applied", "{name}");
            self.delivered.fetch_add(1, Ordering::SeqCst);
        }
        if !has_turned {
            self.turned.wait();
        }
    }

    /// The operator: adds the new secret, goes astray in every way, and takes the old one away.
    fn exchange(&self, place: &Place, server: &Server) {
        let reached = |step: usize| {
            until("deliveries", || self.delivered.load(Ordering::SeqCst) >= step * STEP);
        };
        reached(1);
        replace(place, "secrets", &format!("connect={OLD},connect={NEW}"));
        server.process.signal("HUP");
        until("both secrets", || count(server) == 2);
        self.both_are_good.store(true, Ordering::SeqCst);
        reached(2);
        server.process.signal("HUP");
        for (step, name, content) in [
            (3, "secrets", &*format!("connect={NEW},connect={OLD}")),
            (4, "secrets", "connect=,,whsec_"),
            (5, "tokens", "king=x"),
        ] {
            reached(step);
            replace(place, name, content);
            server.process.signal("HUP");
        }
        self.only_the_new_one_will_be.store(true, Ordering::SeqCst);
        self.turned.wait();
        replace(place, "tokens", TOKENS);
        replace(place, "secrets", &format!("connect={NEW}"));
        until("the new secret alone, found in the file", || count(server) == 1);
    }
}

#[test]
fn no_delivery_is_lost_and_no_connection_broken_while_secrets_are_exchanged_under_load() {
    let place = Place::new();
    let server = serve(&place, &format!("connect={OLD}"), |command| {
        command.env("BURSAR_RELOAD_SECONDS", "1");
    });
    let clients = Clients {
        delivered: AtomicUsize::new(0),
        both_are_good: AtomicBool::new(false),
        only_the_new_one_will_be: AtomicBool::new(false),
        turned: Barrier::new(CLIENTS + 1),
    };
    std::thread::scope(|threads| {
        for client in 0..CLIENTS {
            let (clients, address) = (&clients, server.address);
            threads.spawn(move || clients.deliver_all(client, address));
        }
        clients.exchange(&place, &server);
    });
    assert_eq!(status(&server, OLD, "late"), 400, "it is no longer believed");
    let found = stored(&server);
    let of_client = |client| (0..EACH).map(move |number| format!("c{client}_{number}"));
    let expected: BTreeSet<String> = (0..CLIENTS).flat_map(of_client).collect();
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(found.values().all(|count| *count == 1));
    let summary = server.read("/v1/summary");
    assert_eq!(summary["events"]["applied"], json!(CLIENTS * EACH));
    let ended = server.stop();
    ended.says(&["not reloaded", "entry 1 of BURSAR_WEBHOOK_SECRETS_FILE"]);
    ended.says(&["entry 1 of BURSAR_TOKENS_FILE"]);
    ended.hides(&[OLD, NEW, READER, OPERATOR]);
}

#[test]
fn the_summary_tells_secrets_of_one_name_apart_and_when_each_was_used() {
    let place = Place::new();
    let server = serve(&place, &format!("connect={OLD},connect={NEW}"), |_| {});
    let before = secrets(&server);
    let names: Vec<&str> = before.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names, ["connect", "connect"]);
    assert!(before.iter().all(|(_, print, used)| print.len() == 8 && !used), "{before:?}");
    assert_ne!(before[0].1, before[1].1);

    assert_eq!(status(&server, NEW, "one"), 200);
    let used: Vec<bool> = secrets(&server).into_iter().map(|it| it.2).collect();
    assert_eq!(used, [false, true]);

    // Another one comes, and what is known of the others stays.
    replace(&place, "secrets", &format!("platform=whsec_other,connect={NEW},{OLD}"));
    server.process.signal("HUP");
    until("three secrets", || count(&server) == 3);
    let after = secrets(&server);
    assert_eq!((&after[1].1, after[1].2), (&before[1].1, true));
    assert_eq!(after[2], ("default".to_owned(), before[0].1.clone(), false));

    // What is refused uses nothing; who signs with two uses both.
    assert_eq!(status(&server, "whsec_strange", "two"), 400);
    let (body, now) = (payout("three"), clock::now().signed_seconds());
    let other = sign("whsec_other", &body, now);
    let both = sign(OLD, &body, now).replace(&format!("t={now},"), "");
    let request = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: bursar\r\nStripe-Signature: {other},{both}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = server.connect();
    connection.send([request.as_bytes(), &body].concat()).unwrap();
    assert_eq!(connection.answer().unwrap().status, 200);
    assert!(secrets(&server).iter().all(|(_, _, used)| *used));
    server.stop().hides(&[OLD, NEW]);
}

#[test]
fn tokens_are_exchanged_on_an_open_connection() {
    let place = Place::new();
    let mut server = serve(&place, OLD, |_| {});
    let mut connection = server.connect();
    let mut get = |token: &str| connection.get("/v1/summary", token).unwrap().status;
    assert_eq!((get(READER), get("token-of-another")), (200, 401));
    let hash = hashed("token-of-another");
    replace(&place, "tokens", &format!("reader/other={hash},operator/ops={OPERATOR}"));
    server.process.signal("HUP");
    server.process.until_it_says("the tokens are others from now on");
    assert_eq!((get(READER), get("token-of-another"), get(OPERATOR)), (401, 200, 200));
    let ended = server.stop();
    ended.says(&["reader/other ", "reader/reader "]);
    ended.hides(&[READER, OPERATOR, "token-of-another", &hash]);
}

#[test]
fn a_reload_with_anything_wrong_changes_nothing_and_says_all_that_is_wrong() {
    let place = Place::new();
    let mut server = serve(&place, &format!("connect={OLD}"), |_| {});
    let works = |server: &Server, name: &str| {
        assert_eq!(status(server, OLD, name), 200, "{name}");
        assert_eq!(server.get("/v1/summary", OPERATOR).status, 200, "{name}");
        assert_eq!(server.get("/readyz", "").status, 200, "{name}");
    };
    let wrong: [(&str, &str, &str, &[&str]); 5] = [
        ("blank", "", TOKENS, &["BURSAR_WEBHOOK_SECRETS_FILE is not set, or empty"]),
        (
            "malformed",
            "we_1abc, connect=whsec_a,connect=whsec_a",
            "king=x,reader=",
            &[
                "entry 1 of BURSAR_WEBHOOK_SECRETS_FILE",
                "entry 3 of BURSAR_WEBHOOK_SECRETS_FILE repeats",
                "entry 1 of BURSAR_TOKENS_FILE names no role",
                "entry 2 of BURSAR_TOKENS_FILE has no token",
            ],
        ),
        ("tokens", NEW, "reader=a b", &["entry 1 of BURSAR_TOKENS_FILE has a token with a blank"]),
        ("empty", NEW, "", &["BURSAR_TOKENS_FILE is not set, or empty"]),
        ("secrets", "connect=", "reader=another-token-of-a-reader", &["has no secret after"]),
    ];
    for (name, secrets, tokens, said) in wrong {
        replace(&place, "secrets", secrets);
        replace(&place, "tokens", tokens);
        server.process.signal("HUP");
        for text in said {
            server.process.until_it_says(text);
        }
        works(&server, name);
        assert_eq!(status(&server, NEW, "new"), 400, "{name}");
        assert_eq!(server.get("/v1/summary", "another-token-of-a-reader").status, 401, "{name}");
    }
    std::fs::remove_file(place.path("tokens")).unwrap();
    server.process.signal("HUP");
    server.process.until_it_says("the one it names cannot be read");
    works(&server, "a file that is gone");
    replace(&place, "tokens", TOKENS);
    replace(&place, "secrets", NEW);
    server.process.signal("HUP");
    server.process.until_it_says("the webhook secrets are others from now on");
    assert_eq!(status(&server, NEW, "new"), 200);
    server.stop().hides(&[OLD, NEW, READER, OPERATOR, "we_1abc"]);
}

#[test]
fn a_file_is_read_again_when_it_changes_also_behind_links_that_are_swapped() {
    let place = Place::new();
    for (folder, secret) in [("1", OLD), ("2", NEW)] {
        place.write(&format!("{folder}/secrets"), format!("connect={secret}"));
    }
    std::os::unix::fs::symlink("1", place.path("data")).unwrap();
    let file = place.path("data/secrets");
    let server = place.serve_with(|command| {
        command.env_remove("BURSAR_WEBHOOK_SECRETS").env("BURSAR_RELOAD_SECONDS", "1");
        command.env("BURSAR_WEBHOOK_SECRETS_FILE", text(&file));
    });
    assert_eq!(status(&server, OLD, "one"), 200);
    std::os::unix::fs::symlink("2", place.path("next")).unwrap();
    std::fs::rename(place.path("next"), place.path("data")).unwrap();
    let is = |fingerprints: &[String]| {
        secrets(&server).into_iter().map(|it| it.1).collect::<Vec<_>>() == fingerprints
    };
    let old = secrets(&server)[0].1.clone();
    until("the other secret", || !is(std::slice::from_ref(&old)));
    assert_eq!((status(&server, OLD, "two"), status(&server, NEW, "three")), (400, 200));
    // Written in place, in two halves: the first alone is never used.
    std::fs::write(&file, "connect=whsec_the_new_one,connect=whsec_the_").unwrap();
    std::fs::write(&file, format!("connect={NEW},connect={OLD}")).unwrap();
    until("both secrets", || count(&server) == 2);
    assert_eq!((status(&server, OLD, "four"), status(&server, NEW, "five")), (200, 200));
    server.stop();
}

#[test]
fn at_a_hangup_it_is_said_what_cannot_change_and_what_takes_a_restart() {
    let place = Place::new();
    let toml = place.write("bursar.toml", format!("webhook_secrets = ['{OLD}']\nlog = 'info'\n"));
    let mut server = place.serve_with(|command| {
        command.env_remove("BURSAR_WEBHOOK_SECRETS").env("BURSAR_CONFIG", &toml);
        command.env("BURSAR_RELOAD_SECONDS", "0");
    });
    let changed = format!("webhook_secrets = ['{NEW}']\nlog = 'warn'\nmax_body_bytes = 1000\n");
    replace(&place, "bursar.toml", &changed);
    server.process.signal("HUP");
    for text in [
        "BURSAR_TOKENS was given as a value",
        "BURSAR_TOKENS_FILE",
        "the webhook secrets are others from now on",
        "read the tokens again: they are the same",
        "`max_body_bytes` has changed: it is used from the next start on",
        "`log` has changed",
    ] {
        server.process.until_it_says(text);
    }
    assert_eq!((status(&server, OLD, "one"), status(&server, NEW, "two")), (400, 200));
    let ended = server.stop();
    ended.hides(&["`webhook_secrets` has changed", "`bind` has changed", OLD, NEW]);
}

#[test]
fn a_service_without_authentication_is_not_given_up_by_a_reload_nor_one_with_it_opened() {
    let place = Place::new();
    let toml = place.write("bursar.toml", format!("tokens = ['reader={READER}']\n"));
    let mut server = place.serve_with(|command| {
        command.env_remove("BURSAR_TOKENS").env("BURSAR_CONFIG", &toml);
    });
    replace(&place, "bursar.toml", "insecure_no_auth = true\n");
    server.process.signal("HUP");
    server.process.until_it_says("there are no tokens any more");
    assert_eq!(server.get("/v1/summary", READER).status, 200);
    assert_eq!(server.get("/v1/summary", "").status, 401);
    server.stop();
}
