//! Calls to Stripe: what is sent, what is sent again, and what is known afterwards.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bursar::secret::Secret;
use bursar::stripe::client::{
    Answer, Call, CallError, Client, ClientSettings, Persistence, Rest, Stripe,
};
use serde_json::json;

use crate::support::stripe::{FakeStripe, Received, Reply};

/// Counts the pauses instead of waiting.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU32>);

#[async_trait]
impl Rest for Counted {
    async fn before_retry(&self, attempt: u32) {
        assert_eq!(self.0.fetch_add(1, Ordering::Relaxed) + 1, attempt, "attempts count from 1");
    }
}

/// What is waited for an answer that never comes.
const SOON: Duration = Duration::from_millis(300);

fn persistence() -> Persistence {
    Persistence { connect: SOON, answer: Duration::from_secs(30), retries: 2 }
}

fn settings(base: &str) -> ClientSettings {
    ClientSettings {
        key: Secret::new("sk_test_secret"),
        api_base: base.to_owned(),
        version: "2026-07-29.dahlia".to_owned(),
    }
}

/// Makes a call; says also how many pauses were made.
fn call(base: &str, persistence: Persistence, call: &Call) -> (Result<Answer, CallError>, u32) {
    let pauses = Counted::default();
    let client = Client::with(settings(base), persistence, Box::new(pauses.clone())).unwrap();
    let result = actix_web::rt::System::new().block_on(client.call(call));
    (result, pauses.0.load(Ordering::Relaxed))
}

fn transfer() -> Call {
    Call::post("/v1/transfers", "key-1").with("amount", 100).with("metadata[order]", "7")
}

/// What is known after a call.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Done,
    Refused(u16),
    NotDone { retry: bool },
    Unknown,
}

use Known::{Done, NotDone, Refused, Unknown};

fn known(result: &Result<Answer, CallError>) -> Known {
    match result {
        Ok(_) => Done,
        Err(CallError::Refused { status, .. }) => Refused(*status),
        Err(CallError::NotDone { retry, .. }) => NotDone { retry: *retry },
        Err(CallError::Unknown { .. }) => Unknown,
    }
}

/// An error of Stripe's.
fn no(status: u16, kind: &str, code: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "type": kind, "code": code, "message": "No." } }))
}

fn ok() -> Reply {
    Reply::json(200, &json!({ "id": "tr_1", "object": "transfer" }))
}

/// What Stripe does in turn, what is known afterwards, and how often the call was sent.
type Row = (&'static str, Vec<Reply>, Known, usize);

#[track_caller]
fn check(table: Vec<Row>) {
    for (case, replies, expected, sent) in table {
        let stripe = FakeStripe::scripted(replies);
        let (result, pauses) = call(&stripe.base, persistence(), &transfer());
        assert_eq!(known(&result), expected, "{case}: {result:?}");
        let received = stripe.received();
        assert_eq!(received.len(), sent, "{case}: how often it was sent");
        assert_eq!(pauses as usize, sent - 1, "{case}: a pause before each further attempt");
        let same_key = |request: &Received| request.header("Idempotency-Key") == Some("key-1");
        assert!(received.iter().all(same_key), "{case}: {received:?}");
    }
}

fn invalid(status: u16, code: &str) -> Reply {
    no(status, "invalid_request_error", code)
}

/// Another request with this key is under way.
fn in_use() -> Reply {
    no(409, "idempotency_error", "idempotency_key_in_use")
}

fn failure(status: u16) -> Reply {
    no(status, "api_error", "")
}

/// Not in Stripe's form.
fn plain(status: u16, body: &str) -> Reply {
    Reply::Answer(status, Vec::new(), body.to_owned())
}

fn worth_a_retry(reply: Reply, is: bool) -> Reply {
    reply.with("Stripe-Should-Retry", if is { "true" } else { "false" })
}

#[test]
fn what_stripe_refuses_was_not_done() {
    let again = || worth_a_retry(invalid(400, ""), true);
    check(vec![
        ("done", vec![ok()], Done, 1),
        ("created", vec![Reply::json(201, &json!({ "id": "tr_1" }))], Done, 1),
        ("a bad request", vec![invalid(400, "parameter_missing")], Refused(400), 1),
        ("a bad key", vec![invalid(401, "")], Refused(401), 1),
        ("a failed payment", vec![no(402, "card_error", "")], Refused(402), 1),
        ("a missing permission", vec![invalid(403, "")], Refused(403), 1),
        ("a missing object", vec![invalid(404, "resource_missing")], Refused(404), 1),
        ("a refusal worth another try", vec![again(), ok()], Done, 2),
        ("one worth it again and again", vec![again()], Refused(400), 3),
    ]);
}

#[test]
fn what_is_turned_away_was_not_done_and_may_be_sent_again() {
    let held = || invalid(429, "lock_timeout");
    let limited = || invalid(429, "rate_limit");
    let for_a_reason = held().with("Stripe-Rate-Limited-Reason", "global-rate");
    let later = || NotDone { retry: true };
    check(vec![
        ("a rate limit", vec![limited()], later(), 1),
        ("a rate limit with a reason", vec![for_a_reason], later(), 1),
        ("a rate limit of something between", vec![plain(429, "slow")], later(), 1),
        ("a limit worth another try", vec![worth_a_retry(limited(), true), ok()], Done, 2),
        ("a locked object", vec![held()], later(), 3),
        ("an object locked for a moment", vec![held(), ok()], Done, 2),
        ("a lock not worth another try", vec![worth_a_retry(held(), false)], later(), 1),
        ("a conflict", vec![invalid(409, "")], later(), 3),
        (
            "a conflict not worth another try",
            vec![worth_a_retry(invalid(409, ""), false)],
            NotDone { retry: false },
            1,
        ),
        ("a conflict, then done", vec![invalid(409, ""), ok()], Done, 2),
    ]);
}

#[test]
fn what_may_have_been_done_is_unknown() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":\"tr_1\"";
    let cut_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n";
    let redirect = plain(307, "").with("Location", "http://127.0.0.1:9/elsewhere");
    check(vec![
        // Another request with this key counts, and how it ends is not said.
        ("the key is in use", vec![in_use()], Unknown, 3),
        ("the key was in use", vec![in_use(), ok()], Done, 2),
        ("the key is of another request", vec![no(400, "idempotency_error", "")], Unknown, 1),
        // Failures.
        ("a failure", vec![failure(500)], Unknown, 3),
        ("a failure, then done", vec![failure(500), ok()], Done, 2),
        ("two failures, then done", vec![failure(502), failure(503), ok()], Done, 3),
        ("a failure without JSON", vec![plain(504, "<html>")], Unknown, 3),
        ("one not worth another try", vec![worth_a_retry(failure(500), false)], Unknown, 1),
        // No answer, or not a whole one.
        ("hung up", vec![Reply::HangUp], Unknown, 3),
        ("hung up, then done", vec![Reply::HangUp, ok()], Done, 2),
        ("an answer that breaks off", vec![Reply::Raw(cut.to_owned())], Unknown, 3),
        ("a chunked one that breaks off", vec![Reply::Raw(cut_chunk.to_owned())], Unknown, 3),
        ("half a head", vec![Reply::Raw("HTTP/1.1 200 O".to_owned())], Unknown, 3),
        ("no HTTP", vec![Reply::Raw("220 mail ready\r\n\r\n".to_owned())], Unknown, 3),
        ("an answer without JSON", vec![plain(200, "<html>")], Unknown, 3),
        ("an empty answer", vec![plain(200, "")], Unknown, 3),
        ("an answer that is a list", vec![plain(200, "[]")], Unknown, 3),
        ("one without JSON, then done", vec![plain(200, "<html>"), ok()], Done, 2),
        // Not Stripe.
        ("a refusal of something between", vec![plain(403, "<html>")], Unknown, 1),
        ("its JSON", vec![plain(404, r#"{"message":"no route"}"#)], Unknown, 1),
        ("a conflict of something between", vec![plain(409, "")], Unknown, 1),
        ("its error", vec![plain(403, r#"{"error":{"message":"denied"}}"#)], Unknown, 1),
        ("its conflict", vec![plain(409, r#"{"error":{"code":409}}"#)], Unknown, 1),
        ("one without a type", vec![no(400, "", "")], Unknown, 1),
        ("it waited no longer", vec![invalid(408, "")], Unknown, 1),
        ("a redirect", vec![redirect], Unknown, 1),
    ]);
}

#[test]
fn what_one_attempt_leaves_open_the_next_settles_only_with_an_answer_to_the_key() {
    let held = || invalid(429, "lock_timeout");
    check(vec![
        ("lost, then refused", vec![Reply::HangUp, invalid(400, "")], Refused(400), 2),
        ("a failure, then refused", vec![failure(500), invalid(402, "")], Refused(402), 2),
        ("lost, then the key is bad", vec![Reply::HangUp, invalid(401, "")], Unknown, 2),
        ("lost, then not permitted", vec![Reply::HangUp, invalid(403, "")], Unknown, 2),
        ("lost, then a limit", vec![Reply::HangUp, invalid(429, "rate_limit")], Unknown, 2),
        ("a failure, then a lock", vec![failure(500), held()], Unknown, 3),
        ("lost, a lock, refused", vec![Reply::HangUp, held(), invalid(400, "")], Refused(400), 3),
        ("in use, then refused", vec![in_use(), invalid(400, "")], Refused(400), 2),
    ]);
}

#[test]
fn without_a_connection_nothing_was_done() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (result, pauses) = call(&format!("http://{free}"), persistence(), &transfer());
    assert_eq!((known(&result), pauses), (NotDone { retry: true }, 2), "{result:?}");
}

#[test]
fn without_a_handshake_nothing_was_done() {
    for (case, reply) in [("silence", Reply::Silence), ("no TLS", Reply::Raw("?\r\n".repeat(99)))] {
        let stripe = FakeStripe::scripted(vec![reply]);
        let base = stripe.base.replace("http:", "https:");
        let (result, _) = call(&base, persistence(), &transfer());
        assert_eq!(known(&result), NotDone { retry: true }, "{case}: {result:?}");
        assert!(stripe.received().is_empty(), "{case}");
    }
}

#[test]
fn an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let stripe = FakeStripe::scripted(vec![Reply::Silence]);
    let impatient = Persistence { answer: SOON, ..persistence() };
    let (result, pauses) = call(&stripe.base, impatient, &transfer());
    assert_eq!((known(&result), pauses), (Unknown, 2), "{result:?}");
    assert_eq!(stripe.received().len(), 3);
}

#[test]
fn a_connection_that_ends_unread_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let (result, _) = call(&base, persistence(), &transfer());
    assert_eq!(known(&result), Unknown, "{result:?}");
}

#[test]
fn a_lost_attempt_leaves_the_outcome_unknown_when_the_next_gets_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    // The one connection is ended after the listener is gone.
    std::thread::spawn(move || {
        let taken = listener.accept().unwrap();
        drop(listener);
        drop(taken);
    });
    let (result, pauses) = call(&base, persistence(), &transfer());
    assert_eq!((known(&result), pauses), (Unknown, 2), "{result:?}");
}

#[test]
fn what_cannot_stand_in_a_request_is_never_sent() {
    let stripe = FakeStripe::scripted(vec![ok()]);
    let key = Call::post("/v1/transfers", "two\nlines");
    let account = transfer().on_behalf_of(Some("acct\r\nX: y"));
    for odd in [key, account, Call::get("/v1/a b")] {
        let (result, pauses) = call(&stripe.base, persistence(), &odd);
        assert_eq!((known(&result), pauses), (NotDone { retry: false }, 0), "{odd:?}: {result:?}");
    }
    assert!(stripe.received().is_empty());
}

#[test]
fn a_call_carries_all_that_stripe_wants() {
    let stripe = FakeStripe::scripted(vec![ok()]);
    let (result, _) = call(&stripe.base, persistence(), &transfer().on_behalf_of(Some("acct_1")));
    result.unwrap();
    let [request] = &stripe.received()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/transfers"));
    let agent = format!("bursar/{}", env!("CARGO_PKG_VERSION"));
    for (name, expected) in [
        ("Authorization", "Bearer sk_test_secret"),
        ("Stripe-Version", "2026-07-29.dahlia"),
        ("Stripe-Account", "acct_1"),
        ("Idempotency-Key", "key-1"),
        ("User-Agent", &agent),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ] {
        assert_eq!(request.header(name), Some(expected), "{name}");
    }
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(request.params, [pair("amount", "100"), pair("metadata[order]", "7")]);
}

#[test]
fn a_read_has_its_parameters_in_the_query_and_no_key() {
    let stripe = FakeStripe::scripted(vec![ok()]);
    let events = Call::get("/v1/events").with("limit", 100).with("types[]", "payout.paid");
    call(&stripe.base, persistence(), &events).0.unwrap();
    let [request] = &stripe.received()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/events"));
    assert_eq!(request.param("limit"), Some("100"));
    assert_eq!(request.param("types[]"), Some("payout.paid"));
    assert_eq!(request.header("Idempotency-Key"), None);
    assert_eq!(request.header("Stripe-Account"), None);
}

#[test]
fn a_post_without_a_key_gets_one_that_its_retries_share() {
    let stripe = FakeStripe::scripted(vec![Reply::HangUp, ok()]);
    for _ in 0..2 {
        let anonymous = Call { idempotency_key: None, ..transfer() };
        call(&stripe.base, persistence(), &anonymous).0.unwrap();
    }
    let keys: Vec<_> = stripe
        .received()
        .iter()
        .map(|request| request.header("Idempotency-Key").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
}

#[test]
fn an_answer_brings_what_stripe_says_of_itself() {
    let reply =
        ok().with("Idempotent-Replayed", "true").with("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let stripe = FakeStripe::scripted(vec![reply]);
    let answer = call(&stripe.base, persistence(), &transfer()).0.unwrap();
    assert_eq!(answer.request_id.as_deref(), Some("req_1"));
    assert!(answer.replayed);
    assert_eq!(answer.date, Some(784_111_777));
    assert_eq!(answer.value()["object"], "transfer");
    assert_eq!(answer.id().as_deref(), Some("tr_1"));
}

#[test]
fn an_answer_with_text_that_is_no_unicode_is_an_answer() {
    let body = r#"{"id":"tr_1","description":"\ud800"}"#;
    let stripe = FakeStripe::scripted(vec![Reply::Answer(200, Vec::new(), body.to_owned())]);
    let answer = call(&stripe.base, persistence(), &transfer()).0.unwrap();
    assert_eq!(answer.body.get(), body);
    assert_eq!(answer.id().as_deref(), Some("tr_1"));
}

#[test]
fn a_refusal_brings_stripes_own_words() {
    let error = json!({ "error": {
        "type": "invalid_request_error", "code": "balance_insufficient",
        "message": "Too little.", "param": "amount", "doc_url": "...",
    } });
    let stripe = FakeStripe::scripted(vec![Reply::json(400, &error)]);
    let refusal = call(&stripe.base, persistence(), &transfer()).0.unwrap_err();
    assert_eq!(refusal.request_id(), Some("req_1"));
    let CallError::Refused { error, .. } = refusal else { panic!("{refusal:?}") };
    assert_eq!(error.kind, "invalid_request_error");
    assert_eq!(error.code.as_deref(), Some("balance_insufficient"));
    assert_eq!(error.message, "Too little.");
    assert_eq!(error.param.as_deref(), Some("amount"));
}

#[test]
fn what_is_said_of_a_call_that_was_not_done_or_may_have_been_repeats_none_of_stripes_words() {
    let says = |status: u16, code: &str| {
        let error = json!({ "error": {
            "type": "invalid_request_error", "code": code, "message": "MARKER7f3a, born 1990",
        } });
        Reply::json(status, &error)
    };
    for (replies, code) in [
        (vec![says(429, "rate_limit")], "rate_limit"),
        (vec![says(409, "")], "409"),
        (vec![Reply::HangUp, says(403, "no_permission")], "no_permission"),
        (vec![Reply::HangUp, says(429, "rate_limit")], "rate_limit"),
        (vec![says(500, "")], "500"),
        (vec![says(400, "parameter_unknown")], "parameter_unknown"),
    ] {
        let stripe = FakeStripe::scripted(replies);
        let error = call(&stripe.base, persistence(), &transfer()).0.unwrap_err();
        let kept = match &error {
            CallError::NotDone { reason, .. } | CallError::Unknown { reason, .. } => reason,
            CallError::Refused { .. } => "",
        };
        assert_eq!(error.request_id(), Some("req_1"), "{error}");
        let said = error.plainly();
        assert!(said.contains(code), "{said}");
        assert!(!said.contains("MARKER7f3a") && !kept.contains("MARKER7f3a"), "{said}, {kept}");
    }
}

#[test]
fn what_stripe_answered_is_in_no_debug() {
    let body = r#"{"id":"tr_1","description":"MARKER7f3a"}"#;
    let stripe = FakeStripe::scripted(vec![plain(200, body)]);
    let answer = call(&stripe.base, persistence(), &transfer()).0.unwrap();
    let shown = format!("{answer:?}");
    assert!(shown.contains("200") && !shown.contains("MARKER7f3a"), "{shown}");
}

#[test]
fn the_key_is_in_no_debug() {
    let shown = format!("{:?}", settings("http://127.0.0.1:1"));
    assert!(!shown.contains("sk_test"), "{shown}");
}

#[test]
fn many_calls_go_at_once() {
    let all = 20;
    let gate = Arc::new(std::sync::Barrier::new(all));
    // No one is answered before all have asked.
    let stripe = FakeStripe::start(move |_| {
        gate.wait();
        ok()
    });
    let client = Client::new(settings(&stripe.base)).unwrap();
    actix_web::rt::System::new().block_on(async {
        let transfer = transfer();
        let calls = (0..all).map(|_| client.call(&transfer));
        for result in futures_util::future::join_all(calls).await {
            result.unwrap();
        }
    });
}
