//! The change feed: what it announces, and how it is polled, waited for and streamed.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bursar::app::Patience;
use serde_json::{Value, json};

use crate::process::{self, Place};
use crate::support::events::{
    account, balance, event, live, of, one_of_each, payout, restricted, together_with, topup,
    transfer,
};
use crate::support::{
    Answer, EventStream, OPERATOR, PAYER, READER, Request, TestApp, Told, assert_problem, with,
};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);
/// Far less than a stop may take for requests that do not end by themselves.
const PROMPT: Duration = Duration::from_secs(4);

/// The entries after `after`, of which there are fewer than 500.
#[track_caller]
fn entries(app: &TestApp, after: u64) -> Vec<Value> {
    let page = app.read(&format!("/v1/changes?limit=500&after={after}"));
    page["data"].as_array().unwrap().clone()
}

#[track_caller]
fn next(app: &TestApp) -> u64 {
    app.read("/v1/changes?limit=500")["next"].as_u64().unwrap()
}

/// What the feed says of the events that `happen`.
#[track_caller]
fn announced(app: &TestApp, happen: impl FnOnce()) -> Vec<Value> {
    let before = next(app);
    happen();
    entries(app, before)
}

/// The event is announced, and nothing else; answers these fields.
#[track_caller]
fn announced_by<const N: usize>(app: &TestApp, event: &Value, fields: [&str; N]) -> [Value; N] {
    let entries = announced(app, || {
        app.outcome(event);
    });
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["event_id"], event["id"]);
    fields.map(|field| entries[0].get(field).unwrap_or_else(|| panic!("{field}")).clone())
}

#[track_caller]
fn announced_nothing(app: &TestApp, event: &Value, outcome: &str) {
    let entries = announced(app, || assert_eq!(app.outcome(event), outcome));
    assert_eq!(entries, Vec::<Value>::new(), "{outcome}");
}

fn topups(app: &TestApp, count: usize) {
    for number in 0..count {
        app.apply(&topup(&format!("tu_{number}"), "created", "pending"));
    }
}

fn stream(app: &TestApp, query: &str, headers: &str) -> EventStream {
    EventStream::open(app.address(), &format!("/v1/changes/stream{query}"), READER, headers)
        .unwrap()
}

/// A request's bytes.
fn head(path: &str, token: &str) -> Vec<u8> {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer {token}\r\n\r\n");
    head.into_bytes()
}

/// Asks in a thread of its own.
fn ask(app: &TestApp, path: &str) -> JoinHandle<(Answer, Duration)> {
    let (request, address) = (Request::get(path).token(READER), app.address());
    std::thread::spawn(move || {
        let start = Instant::now();
        (request.send(address), start.elapsed())
    })
}

#[test]
fn an_entry_says_what_changed_and_which_event_did_it() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    let event = restricted("acct_1");
    app.apply(&event);
    let page = app.read("/v1/changes?after=1");
    let entry = &page["data"][0];
    assert_eq!(
        *entry,
        json!({
            "sequence": 2,
            "kind": "account",
            "id": "acct_1",
            "account": "acct_1",
            "livemode": false,
            "status_before": "complete",
            "status_after": "restricted",
            "payable_before": true,
            "payable_after": false,
            "ambiguous": false,
            "amount_reversed": null,
            "failed_after_paid": null,
            "event_id": event["id"],
            "created": event["created"],
            "recorded_at": app.read("/v1/accounts/acct_1")["as_of"]["recorded_at"],
        })
    );
    assert_eq!((page["next"].as_u64(), page["livemode"].as_bool()), (Some(2), Some(false)));
    assert!(page["epoch"].as_str().is_some_and(|epoch| epoch.len() > 16), "{page}");
}

#[test]
fn first_sight_is_announced_of_everything_but_a_balance() {
    let app = TestApp::start();
    let mut expected = Vec::new();
    for (path, event) in one_of_each() {
        app.apply(&event);
        if !path.starts_with("/v1/balance") {
            expected.push((event["id"].clone(), app.read(path)["status"].clone()));
        }
    }
    let entries = entries(&app, 0);
    assert!(entries.iter().all(|entry| entry["status_before"].is_null()), "{entries:?}");
    let told =
        entries.iter().map(|entry| (entry["event_id"].clone(), entry["status_after"].clone()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let owners: Vec<&Value> = entries.iter().map(|entry| &entry["account"]).collect();
    let platform = Value::Null;
    assert_eq!(
        owners,
        [
            &json!("acct_1"),
            &json!("acct_2"),
            &json!("acct_3"),
            &platform,
            &platform,
            &platform,
            &json!("acct_1")
        ]
    );
}

#[test]
fn each_watched_field_is_announced_when_it_changes_alone() {
    let app = TestApp::start();
    app.apply(&transfer("tr_1", "created", 0));
    app.apply(&transfer("tr_1", "reversed", 100));
    let fields = ["status_before", "status_after", "amount_reversed"];
    let more = announced_by(&app, &transfer("tr_1", "reversed", 200), fields);
    assert_eq!(more, [json!("partially_reversed"), json!("partially_reversed"), json!(200)]);

    let paid = payout("po_1", "paid", "paid");
    app.apply(&payout("po_1", "failed", "failed"));
    let fields = ["status_before", "status_after", "failed_after_paid"];
    let late = announced_by(&app, &paid, fields);
    assert_eq!(late, [json!("failed"), json!("failed"), json!(true)]);

    let first = account("acct_3");
    app.apply(&first);
    let other = together_with(&first, restricted("acct_3"));
    let fields = ["payable_before", "payable_after", "ambiguous"];
    assert_eq!(announced_by(&app, &other, fields), [json!(true), json!(false), json!(true)]);
}

#[test]
fn what_changes_no_watched_field_is_not_announced() {
    let app = TestApp::start();
    let (late, first) =
        (topup("tu_1", "created", "pending"), topup("tu_1", "succeeded", "succeeded"));
    app.apply(&first);
    announced_nothing(&app, &late, "stale");
    announced_nothing(&app, &first, "duplicate");
    announced_nothing(&app, &topup("tu_1", "succeeded", "succeeded"), "unchanged");
    let amount = with(topup("tu_1", "succeeded", "succeeded"), "data.object.amount", json!(3000));
    announced_nothing(&app, &amount, "applied");
    announced_nothing(&app, &balance(1), "applied");
    announced_nothing(&app, &balance(2), "applied");
    announced_nothing(&app, &event("charge.succeeded", json!({ "id": "ch_1" })), "ignored");
    announced_nothing(&app, &topup("tu_2", "created", "lost"), "parked");
    assert_eq!(entries(&app, 0).len(), 1);
    // A reader is led past all of it.
    assert_eq!(next(&app), 8);
}

#[test]
fn a_late_event_that_changes_the_present_is_announced_once_as_its_cause() {
    let app = TestApp::start();
    let reports = [transfer("tr_1", "created", 0), transfer("tr_1", "reversed", 100)];
    app.apply(&with(
        reports[1].clone(),
        "created",
        json!(reports[1]["created"].as_i64().unwrap() + 9),
    ));
    let late = payout("po_1", "paid", "paid");
    app.apply(&payout("po_1", "failed", "failed"));
    let fields = ["status_before", "status_after", "failed_after_paid"];
    assert_eq!(announced_by(&app, &late, fields), [json!("failed"), json!("failed"), json!(true)]);
    announced_nothing(&app, &reports[0], "stale");
}

#[test]
fn each_partition_has_its_own_entries_in_one_order() {
    let app = TestApp::start();
    for number in 0..20 {
        let event = topup(&format!("tu_{number}"), "created", "pending");
        app.apply(&if number % 3 == 0 { live(event) } else { event });
    }
    let sequences = |livemode: bool| -> Vec<u64> {
        let page = app.read(&format!("/v1/changes?livemode={livemode}"));
        assert_eq!((page["livemode"].as_bool(), page["next"].as_u64()), (Some(livemode), Some(20)));
        let entries = page["data"].as_array().unwrap();
        assert!(entries.iter().all(|entry| entry["livemode"] == livemode));
        entries.iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect()
    };
    let (test, live) = (sequences(false), sequences(true));
    assert_eq!(live, [1, 4, 7, 10, 13, 16, 19]);
    let mut both = [test, live].concat();
    both.sort_unstable();
    assert_eq!(both, (1..=20).collect::<Vec<u64>>());
}

/// All kinds of changes, and much between them that is none.
fn fill(app: &TestApp) {
    for number in 0..40 {
        let account_id = format!("acct_{number}");
        app.outcome(&balance(number));
        app.outcome(&account(&account_id));
        app.outcome(&live(topup(&format!("tu_{number}"), "created", "pending")));
        app.outcome(&of(&account_id, payout("po_1", "created", "pending")));
        app.outcome(&restricted(&account_id));
        app.outcome(&of(&account_id, payout("po_1", "failed", "failed")));
    }
}

#[test]
fn pages_of_any_size_give_the_same_entries_as_one() {
    let app = TestApp::start();
    fill(&app);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let all = entries(&app, 0);
    assert_eq!(all.len(), 160);
    for _ in 0..20 {
        let (mut after, mut paged) = (0, Vec::new());
        while paged.len() < all.len() {
            let limit = random.usize(1..40);
            let page = app.read(&format!("/v1/changes?after={after}&limit={limit}"));
            let entries = page["data"].as_array().unwrap();
            assert!(entries.len() <= limit && page["next"].as_u64() > Some(after), "seed {seed}");
            after = page["next"].as_u64().unwrap();
            paged.extend(entries.iter().cloned());
        }
        assert_eq!(paged, all, "seed {seed}");
    }
}

#[test]
fn a_page_without_entries_leads_on_and_never_back() {
    let app = TestApp::start();
    let empty = |after: u64| {
        let page = app.read(&format!("/v1/changes?after={after}"));
        assert_eq!(page["data"], json!([]));
        page["next"].as_u64().unwrap()
    };
    assert_eq!(empty(0), 0);
    app.apply(&balance(1));
    assert_eq!(empty(0), 1);
    assert_eq!(empty(1), 1);
}

#[test]
fn a_restart_and_a_rebuild_leave_the_feed_as_it_was() {
    let mut app = TestApp::start();
    fill(&app);
    let read = |app: &TestApp| {
        [false, true]
            .map(|livemode| app.read(&format!("/v1/changes?limit=500&livemode={livemode}")))
    };
    let before = read(&app);
    assert_eq!(before[1]["data"].as_array().unwrap().len(), 40);
    app.restart();
    assert_eq!(read(&app), before);
    app.stop();
    std::fs::remove_dir_all(app.store_folder().join("views")).unwrap();
    app.run();
    assert_eq!(read(&app), before);
}

#[test]
fn parameters_that_are_unknown_repeated_or_out_of_range_are_refused() {
    let app = TestApp::start();
    for query in [
        "cursor=1",
        "after=-1",
        "after=%2B1",
        "after=",
        "after=x",
        "after=1&after=1",
        "after=18446744073709551616",
        "limit=0",
        "limit=501",
        "wait=61",
        "wait=-1",
        "wait=0.5",
        "livemode=maybe",
        "livemode=true&livemode=true",
        "epoch=a&epoch=a",
    ] {
        let answer = app.get(&format!("/v1/changes?{query}"));
        assert_problem(&answer, 400, "invalid_parameter", query);
    }
    for query in ["wait=1", "limit=5", "after=x", "after=1&after=1", "livemode=maybe"] {
        let answer = app.get(&format!("/v1/changes/stream?{query}"));
        assert_problem(&answer, 400, "invalid_parameter", query);
    }
    for id in ["x", "-1", "1.5"] {
        let request = Request::get("/v1/changes/stream").token(READER).header("Last-Event-ID", id);
        assert_problem(&app.send(&request), 400, "invalid_parameter", id);
    }
    let twice = Request::get("/v1/changes/stream").token(READER);
    let twice = twice.header("Last-Event-ID", "1").header("Last-Event-ID", "1");
    assert_problem(&app.send(&twice), 400, "invalid_parameter", "two headers");
}

#[test]
fn every_role_follows_the_stream() {
    let app = TestApp::start();
    for token in [READER, OPERATOR, PAYER] {
        EventStream::open(app.address(), "/v1/changes/stream", token, "").unwrap().hang_up();
    }
}

#[test]
fn who_remembers_another_feed_is_told_to_begin_anew() {
    let app = TestApp::start();
    topups(&app, 3);
    let epoch = app.read("/v1/changes")["epoch"].as_str().unwrap().to_owned();
    for path in ["/v1/changes", "/v1/changes/stream"] {
        for query in
            ["epoch=another".to_owned(), "epoch=".to_owned(), format!("epoch={epoch}&after=4")]
        {
            let answer = app.get(&format!("{path}?{query}"));
            assert_problem(&answer, 410, "feed_restarted", &query);
            let problem = answer.json();
            assert_eq!((problem["next"].as_u64(), &problem["epoch"]), (Some(3), &json!(epoch)));
            let detail = problem["detail"].as_str().unwrap();
            assert!(
                detail.contains("Read all objects anew") && detail.contains("after=3"),
                "{detail}"
            );
        }
    }
    for query in [format!("epoch={epoch}"), format!("epoch={epoch}&after=3"), "after=3".to_owned()]
    {
        assert_eq!(app.get(&format!("/v1/changes?{query}")).status, 200, "{query}");
    }
}

#[test]
fn a_reader_ahead_of_the_feed_followed_another_one_even_if_it_remembers_no_epoch() {
    let app = TestApp::start();
    topups(&app, 3);
    for path in ["/v1/changes", "/v1/changes/stream"] {
        for after in [4, 700, u64::MAX] {
            let answer = app.get(&format!("{path}?after={after}"));
            assert_problem(&answer, 410, "feed_restarted", path);
            assert_eq!(answer.json()["next"], 3);
        }
    }
    let beyond = Request::get("/v1/changes/stream").token(READER).header("Last-Event-ID", "9");
    assert_problem(&app.send(&beyond), 410, "feed_restarted", "header");
}

#[test]
fn an_older_copy_of_the_store_is_noticed_by_who_has_seen_more() {
    let mut app = TestApp::start();
    topups(&app, 2);
    app.stop();
    let (folder, copy) = (app.store_folder(), app.store_folder().with_extension("copy"));
    let copied = Command::new("cp").arg("-a").args([&folder, &copy]).status();
    assert!(copied.unwrap().success());
    app.run();
    app.apply(&topup("tu_9", "created", "pending"));
    let page = app.read("/v1/changes");
    let (seen, epoch) = (page["next"].as_u64().unwrap(), page["epoch"].as_str().unwrap());
    app.stop();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(&copy, &folder).unwrap();
    app.run();
    for query in [format!("after={seen}"), format!("after={seen}&epoch={epoch}")] {
        let answer = app.get(&format!("/v1/changes?{query}"));
        assert_problem(&answer, 410, "feed_restarted", "a restored copy");
    }
}

#[test]
fn a_wait_is_not_needed_for_what_is_there() {
    let app = TestApp::start();
    topups(&app, 1);
    let (answer, took) = ask(&app, "/v1/changes?wait=60").join().unwrap();
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 1);
    assert!(took < LIMIT, "{took:?}");
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
}

#[test]
fn a_wait_ends_with_the_first_entry_and_not_before() {
    let app = TestApp::start();
    topups(&app, 1);
    let waiting = ask(&app, "/v1/changes?after=1&wait=60");
    app.apply(&balance(1));
    app.apply(&live(topup("tu_2", "created", "pending")));
    app.outcome(&event("charge.succeeded", json!({ "id": "ch_1" })));
    let news = topup("tu_3", "created", "pending");
    app.apply(&news);
    let (answer, took) = waiting.join().unwrap();
    let page = answer.json();
    assert_eq!(page["data"][0]["event_id"], news["id"], "{page}");
    assert_eq!((page["data"].as_array().unwrap().len(), page["next"].as_u64()), (1, Some(5)));
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn a_wait_without_news_ends_in_time_and_says_how_far_it_looked() {
    let app = TestApp::start();
    app.apply(&balance(1));
    let (answer, took) = ask(&app, "/v1/changes?wait=1").join().unwrap();
    let page = answer.json();
    assert_eq!((&page["data"], page["next"].as_u64()), (&json!([]), Some(1)));
    assert!(Duration::from_millis(900) < took && took < LIMIT, "{took:?}");
}

#[test]
fn a_stream_tells_what_a_poll_tells_one_event_at_a_time() {
    let app = TestApp::start();
    fill(&app);
    let mut stream = stream(&app, "?after=0", "");
    for line in
        ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"]
    {
        assert!(stream.head.iter().any(|known| known == line), "{line}: {:?}", stream.head);
    }
    assert!(matches!(stream.told().unwrap(), Some(Told::Retry(_))));
    let page = app.read("/v1/changes?limit=500");
    for entry in page["data"].as_array().unwrap() {
        let expected = with(entry.clone(), "epoch", page["epoch"].clone());
        let told = stream.told().unwrap();
        let id = entry["sequence"].as_u64().unwrap();
        assert_eq!(told, Some(Told::Change { id, change: expected }));
    }
    stream.hang_up();
}

#[test]
fn a_stream_goes_on_after_the_last_event_a_client_saw() {
    let app = TestApp::start();
    topups(&app, 5);
    let first = |query: &str, headers: &str| {
        let mut stream = stream(&app, query, headers);
        stream.change().unwrap().unwrap().0
    };
    assert_eq!(first("?after=0", ""), 1);
    assert_eq!(first("?after=2", ""), 3);
    assert_eq!(first("", "Last-Event-ID: 3\r\n"), 4);
    assert_eq!(first("?after=1", "last-event-id: 4\r\n"), 5);
}

#[test]
fn a_stream_starts_at_now_and_tells_of_its_partition_only() {
    let app = TestApp::start();
    topups(&app, 3);
    let mut of_test = stream(&app, "", "");
    let mut of_live = stream(&app, "?livemode=true", "");
    app.apply(&live(topup("tu_live", "created", "pending")));
    app.apply(&topup("tu_test", "created", "pending"));
    assert_eq!(of_live.change().unwrap().unwrap().1["id"], "tu_live");
    assert_eq!(of_test.change().unwrap().unwrap().1["id"], "tu_test");
}

#[test]
fn a_stream_cut_off_again_and_again_repeats_and_misses_nothing() {
    let app = TestApp::start();
    fill(&app);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut last, mut told) = (0, Vec::new());
    let all = entries(&app, 0);
    while told.len() < all.len() {
        let mut stream = stream(&app, "", &format!("Last-Event-ID: {last}\r\n"));
        for _ in 0..random.usize(1..30).min(all.len() - told.len()) {
            let (id, change) = stream.change().unwrap().unwrap();
            last = id;
            told.push(change);
        }
        stream.hang_up();
    }
    let sequences = |entries: &[Value]| -> Vec<Option<u64>> {
        entries.iter().map(|entry| entry["sequence"].as_u64()).collect()
    };
    assert_eq!(sequences(&told), sequences(&all), "seed {seed}");
}

#[test]
fn a_stream_without_news_says_so() {
    let heartbeat = Duration::from_millis(50);
    let app = TestApp::start_patient(Patience { heartbeat, ..Patience::default() });
    let mut stream = stream(&app, "", "");
    stream.told().unwrap();
    assert_eq!(stream.told().unwrap(), Some(Told::Comment));
    // What is told in the other partition is no news here.
    app.apply(&live(topup("tu_1", "created", "pending")));
    assert_eq!(stream.told().unwrap(), Some(Told::Comment));
    assert!(Patience::default().heartbeat <= Duration::from_secs(15));
}

#[test]
fn the_head_of_a_stream_can_be_had_alone() {
    let app = TestApp::start();
    let answer = app.send(&Request::new("HEAD", "/v1/changes/stream").token(READER));
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.header("content-type").as_deref(), Some("text/event-stream"));
}

#[test]
fn a_stop_ends_waits_and_streams_at_once() {
    let place = Place::new();
    let server = place.serve();
    let token = process::READER;
    let mut stream = EventStream::open(server.address, "/v1/changes/stream", token, "").unwrap();
    assert!(matches!(stream.told().unwrap(), Some(Told::Retry(_))));
    let mut waiting = server.connect();
    waiting.send(head("/v1/changes?wait=60", token)).unwrap();
    // Requests that came later are answered: the wait has begun.
    for _ in 0..20 {
        assert_eq!(server.get("/readyz", "").status, 200);
    }
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
    assert_eq!(stream.change().unwrap(), None);
    let answer = waiting.answer().unwrap();
    assert_eq!((answer.status, &answer.json()["data"]), (200, &json!([])));
}

#[test]
fn very_many_followers_take_few_threads() {
    const FOLLOWERS: usize = 200;
    let place = Place::new();
    let server = place.serve();
    server.deliver(&process::payout("first")).outcome();
    let follow = |_| {
        let path = "/v1/changes/stream?after=0";
        EventStream::open(server.address, path, process::READER, "").unwrap()
    };
    let mut streams: Vec<EventStream> = (0..FOLLOWERS).map(follow).collect();
    for name in ["second", "third"] {
        server.deliver(&process::payout(name)).outcome();
    }
    for stream in &mut streams {
        for expected in 1..=3 {
            assert_eq!(stream.change().unwrap().unwrap().0, expected);
        }
    }
    let threads = server.process.threads();
    assert!(threads < FOLLOWERS / 3, "{threads} threads");
    server.stop();
}

/// Enough to fill every buffer between a server and a client that reads nothing.
const VERY_MANY: u64 = 20_000;

fn very_many_changes(app: &TestApp) {
    let numbers: Vec<u64> = (0..VERY_MANY).collect();
    for batch in numbers.chunks(500) {
        let topup = |number| topup(&format!("tu_{number}"), "created", "pending");
        let events: Vec<Value> = batch.iter().map(topup).collect();
        assert_eq!(app.post("/v1/replays", &json!({ "events": events })).status, 200);
    }
}

/// Whether the server still holds its side of a connection, by the system's own table.
fn is_held(server: SocketAddr, client: SocketAddr) -> bool {
    const ESTABLISHED: &str = "01";
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let is_it = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, ..] = fields[..] else { return false };
        local.ends_with(&format!(":{:04X}", server.port()))
            && remote.ends_with(&format!(":{:04X}", client.port()))
            && state == ESTABLISHED
    };
    sockets.lines().any(is_it)
}

#[test]
fn a_client_that_takes_nothing_is_disconnected_and_others_go_on() {
    let not_taking = Duration::from_secs(1);
    let app = TestApp::start_patient(Patience { not_taking, ..Patience::default() });
    let mut other = stream(&app, "?after=0", "");
    // Replays are acts of an operator, whose records have sequences of their own.
    let reading = std::thread::spawn(move || {
        (0..VERY_MANY).map(|_| other.change().unwrap().unwrap().0).is_sorted_by(|a, b| a < b)
    });
    let mut silent = TcpStream::connect(app.address()).unwrap();
    silent.write_all(&head("/v1/changes/stream?after=0", READER)).unwrap();
    very_many_changes(&app);
    let (client, start) = (silent.local_addr().unwrap(), Instant::now());
    while is_held(app.address(), client) {
        assert!(start.elapsed() < LIMIT, "it is still connected");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What it finds in its socket now is a part of all there was: the rest was never sent.
    let mut received = Vec::new();
    silent.set_read_timeout(Some(LIMIT)).unwrap();
    let ended = silent.read_to_end(&mut received);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let told = String::from_utf8_lossy(&received).matches("\nevent: change\n").count();
    assert!(0 < told && told < usize::try_from(VERY_MANY).unwrap(), "{told}");
    assert!(reading.join().unwrap());
}

#[test]
fn waits_and_streams_go_on_while_events_are_held_up() {
    let app = TestApp::start();
    topups(&app, 1);
    let waiting = ask(&app, "/v1/changes?after=1&wait=60");
    app.gate.close();
    let delivery = {
        let (address, event) = (app.address(), topup("tu_held", "created", "pending"));
        let request = crate::support::signed(event.to_string());
        std::thread::spawn(move || request.send(address))
    };
    app.gate.wait_for(2);
    assert_eq!(entries(&app, 1), Vec::<Value>::new(), "seen before it was stored");
    app.gate.open();
    assert_eq!(delivery.join().unwrap().status, 200);
    assert_eq!(waiting.join().unwrap().0.json()["data"][0]["id"], "tu_held");
}
