//! Missed events, fetched from Stripe's lists.

use bursar::domain::time::Timestamp;
use bursar::pipeline::commit::Limits;
use bursar::pipeline::receive::incoming;
use bursar::store::Store;
use bursar::stripe::wire;
use serde_json::{Value, json};

use crate::support::events::{account, application, of, payout, restricted, topup};
use crate::support::kept::{Kept, refusal};
use crate::support::stripe::Reply;
use crate::support::{OPERATOR, PAYER, READER, Request, TestApp, assert_problem, now, with};

const ROUTE: &str = "/v1/backfills";
pub(crate) const DAY: i64 = 86_400;

pub(crate) fn start(kept: &Kept) -> TestApp {
    TestApp::start_with(&kept.variables(), Limits::default())
}

/// Waits for a backfill to end; answers what it says.
#[track_caller]
fn ended(app: &TestApp, id: &str) -> Value {
    let deadline = now() + 60;
    loop {
        let report = app.read(&format!("{ROUTE}/{id}"));
        if report["state"] != "waiting" && report["state"] != "running" {
            return report;
        }
        assert!(now() < deadline, "{report}");
        std::thread::yield_now();
    }
}

/// Asks for a backfill and waits for its end.
#[track_caller]
pub(crate) fn backfill_with(app: &TestApp, query: &str) -> Value {
    let answer = app.send(&Request::post(&format!("{ROUTE}{query}"), "").token(OPERATOR));
    assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), Some(format!("{ROUTE}/{id}")));
    ended(app, &id)
}

/// A backfill that must get to its end.
#[track_caller]
pub(crate) fn backfill(app: &TestApp) -> Value {
    let report = backfill_with(app, "");
    assert_eq!(report["state"], "complete", "{report}");
    report
}

/// What a report says of the events it fetched: all, new, known.
pub(crate) fn counts(report: &Value) -> [u64; 3] {
    ["fetched", "new", "known"].map(|name| report[name].as_u64().unwrap())
}

/// Each list that was told of: whose, how many were fetched, new and known.
pub(crate) fn told(report: &Value) -> Vec<(Option<&str>, [u64; 3])> {
    let lists = report["accounts"].as_array().unwrap();
    lists.iter().map(|list| (list["account"].as_str(), counts(list))).collect()
}

#[test]
fn missed_events_of_the_platform_and_of_each_account_are_fetched() {
    let kept = Kept::start();
    let app = start(&kept);
    let known = account("acct_1");
    app.apply(&known);
    kept.happens(&known);
    let created = topup("tu_1", "created", "pending");
    let succeeded = topup("tu_1", "succeeded", "succeeded");
    let paid = of("acct_1", payout("po_1", "paid", "paid"));
    for event in [&created, &succeeded, &paid] {
        kept.happens(event);
    }

    let report = backfill(&app);
    assert_eq!(told(&report), [(None, [2, 2, 0]), (Some("acct_1"), [2, 1, 1])]);
    assert_eq!((counts(&report), &report["lists"]), ([4, 3, 1], &json!(2)));
    assert_eq!(report["by"], "olga");

    assert_eq!(app.read("/v1/topups/tu_1")["status"], "succeeded");
    assert_eq!(app.read("/v1/payouts/po_1?account=acct_1")["status"], "paid");
    assert_eq!(app.get("/v1/payouts/po_1").status, 404, "it is not the platform's own");
    let history = app.read("/v1/topups/tu_1/history");
    assert_eq!(history["data"][0]["source"], "backfill");
    let event = app.read(&format!("/v1/events/{}", paid["id"].as_str().unwrap()));
    assert_eq!((&event["source"], &event["account"]), (&json!("backfill"), &json!("acct_1")));
}

#[test]
fn a_delivery_of_a_fetched_event_is_a_duplicate_and_no_other_content() {
    let kept = Kept::start();
    let app = start(&kept);
    app.apply(&account("acct_1"));
    let paid = of("acct_1", payout("po_1", "paid", "paid"));
    kept.happens(&paid);
    backfill(&app);
    assert_eq!(app.outcome(&paid), "duplicate");
    let event = app.read(&format!("/v1/events/{}", paid["id"].as_str().unwrap()));
    assert_eq!(event["flags"], json!([]));
}

/// Stripe lists an event as it was rendered for the account, and delivers it as it was rendered for
/// the endpoint.
#[test]
fn what_is_listed_in_another_version_than_delivered_is_no_other_content() {
    let kept = Kept::start();
    let app = start(&kept);
    let delivered = topup("tu_1", "created", "pending");
    app.apply(&delivered);
    let listed = with(delivered, "api_version", json!("2020-08-27"));
    kept.happens(&listed);
    assert_eq!(counts(&backfill(&app)), [1, 0, 1]);
    let event = app.read(&format!("/v1/events/{}", listed["id"].as_str().unwrap()));
    assert_eq!((&event["flags"], &event["source"]), (&json!([]), &json!("platform")));
}

#[test]
fn the_next_backfill_reads_back_to_an_hour_before_the_last_complete_one() {
    let kept = Kept::start();
    let app = start(&kept);
    let before = now();
    backfill(&app);
    let after = now();
    let late = with(topup("tu_1", "created", "pending"), "created", json!(before - 3000));
    let too_late = with(topup("tu_2", "created", "pending"), "created", json!(before - 4000));
    kept.happens(&late);
    kept.happens(&too_late);

    let report = backfill(&app);
    let since = report["since"].as_i64().unwrap();
    assert!((before - 3600..=after - 3600).contains(&since), "{report}");
    assert_eq!(counts(&report), [1, 1, 0], "what was listed late is fetched");
    let report = backfill_with(&app, "?full=true");
    assert_eq!((counts(&report), &report["since"]), ([2, 1, 1], &json!(null)));
}

#[test]
fn what_a_backfill_has_reached_outlives_the_process_and_rebuilds() {
    let kept = Kept::start();
    let mut app = start(&kept);
    let since = |report: &Value| report["since"].as_i64();
    assert_eq!(since(&backfill(&app)), None);
    app.restart();
    assert!(since(&backfill(&app)).is_some());
    app.stop();
    std::fs::remove_dir_all(app.store_folder().join("views")).unwrap();
    app.run();
    assert!(since(&backfill(&app)).is_some());
}

/// Pages end within a second, and in the midst of what is known.
#[test]
fn events_of_one_second_are_all_fetched_however_many_pages_they_fill() {
    let kept = Kept::start();
    let app = start(&kept);
    let second = now() - 500;
    let events: Vec<Value> = (0..350)
        .map(|n| with(topup(&format!("tu_{n}"), "created", "pending"), "created", json!(second)))
        .collect();
    for event in &events {
        kept.happens(event);
    }
    for event in events.iter().filter(|event| event["id"].as_str().unwrap().ends_with('7')) {
        app.apply(event);
    }
    assert_eq!(counts(&backfill(&app)), [350, 315, 35]);
    for n in 0..350 {
        assert_eq!(app.read(&format!("/v1/topups/tu_{n}"))["status"], "pending");
    }
}

#[test]
fn a_hole_behind_pages_of_known_events_is_found() {
    let kept = Kept::start();
    let app = start(&kept);
    let hole = topup("tu_hole", "created", "pending");
    kept.happens(&hole);
    for n in 0..250 {
        let event = topup(&format!("tu_{n}"), "created", "pending");
        kept.happens(&event);
        app.apply(&event);
    }
    assert_eq!(counts(&backfill(&app)), [251, 1, 250]);
}

#[test]
fn a_backfill_goes_on_where_it_was_after_failures() {
    let kept = Kept::start();
    let app = start(&kept);
    for n in 0..250 {
        kept.happens(&topup(&format!("tu_{n}"), "created", "pending"));
    }
    let failure = || Reply::json(500, &json!({ "error": { "type": "api_error" } }));
    // The first page and the second fail, in all ways, for longer than a single call bears.
    let in_a_row = [failure(), failure(), failure(), Reply::HangUp, refusal(429, "rate_limit", "")];
    kept.has_troubles(in_a_row);
    assert_eq!(counts(&backfill(&app)), [250, 250, 0]);
    let asked = kept.lists_asked_for();
    let from = |place: usize| asked[place].1.param("starting_after");
    assert_eq!(asked.len(), 5 + 3, "no page is read twice");
    assert_eq!((from(5), from(6).is_some(), from(7).is_some()), (None, true, true));
}

/// Five failed reads, of three attempts each, are borne with; nine are not.
#[test]
fn failures_between_pages_lose_nothing() {
    let kept = Kept::start();
    let app = start(&kept);
    for n in 0..250 {
        kept.happens(&topup(&format!("tu_{n}"), "created", "pending"));
    }
    let hang_up = std::iter::repeat_n(Reply::HangUp, 5 * 3);
    kept.has_trouble_after_the_first(hang_up);
    assert_eq!(counts(&backfill(&app)), [250, 250, 0]);
    let asked = kept.lists_asked_for();
    let from = |place: usize| asked[place].1.param("starting_after");
    assert_eq!(asked.len(), 1 + 15 + 2, "no page is read twice");
    assert!(from(1).is_some() && from(1) == from(16) && from(17) != from(16));
}

#[test]
fn an_outage_ends_a_backfill_and_the_next_one_covers_its_time() {
    let kept = Kept::start();
    let app = start(&kept);
    let first = topup("tu_1", "created", "pending");
    kept.happens(&first);
    kept.has_troubles(std::iter::repeat_n(Reply::HangUp, 9 * 3));
    let report = backfill_with(&app, "");
    assert_eq!(report["state"], "failed", "{report}");
    assert!(report["reason"].as_str().unwrap().contains("not known"), "{report}");
    let report = backfill(&app);
    assert_eq!((&report["since"], counts(&report)), (&json!(null), [1, 1, 0]));
}

#[test]
fn a_key_that_stripe_refuses_ends_a_backfill_and_says_so() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.has_troubles([refusal(401, "", "")]);
    let report = backfill_with(&app, "");
    assert_eq!(report["state"], "failed", "{report}");
    assert!(report["reason"].as_str().unwrap().contains("401"), "{report}");
}

/// Between two pages Stripe drops the event at which the first ended.
#[test]
fn a_backfill_goes_on_when_the_event_it_stood_at_is_no_longer_kept() {
    let kept = Kept::start();
    let app = start(&kept);
    let second = now() - 500;
    for n in 0..250 {
        let event = topup(&format!("tu_{n}"), "created", "pending");
        kept.happens(&with(event, "created", json!(second)));
    }
    let gone = refusal(400, "resource_missing", "starting_after");
    kept.has_trouble_after_the_first([gone]);
    let report = backfill(&app);
    assert_eq!(report["new"], 250, "{report}");
    let asked = kept.lists_asked_for();
    assert_eq!(asked[2].1.param("created[lte]"), Some(second.to_string().as_str()));
    assert_eq!(asked[2].1.param("starting_after"), None);
}

#[test]
fn an_account_that_stripe_does_not_show_is_told_of_and_keeps_no_other_waiting() {
    let kept = Kept::start();
    let app = start(&kept);
    for id in ["acct_1", "acct_2", "acct_3"] {
        app.apply(&account(id));
        kept.happens(&of(id, payout("po_1", "paid", "paid")));
    }
    kept.refuses("acct_2");
    app.apply(&application("acct_3", "deauthorized"));
    let report = backfill(&app);
    assert_eq!(
        told(&report),
        vec![(None, [0, 0, 0]), (Some("acct_2"), [0, 0, 0]), (Some("acct_1"), [1, 1, 0])]
    );
    let skipped = report["accounts"][1]["skipped"].as_str().unwrap();
    assert!(skipped.contains("403"), "{skipped}");
    let asked: Vec<_> = kept.lists_asked_for().into_iter().map(|(owner, _)| owner).collect();
    assert!(!asked.contains(&Some("acct_3".to_owned())), "it is no longer ours to ask for");
}

#[test]
fn an_account_that_was_not_known_before_is_read_as_far_back_as_stripe_goes() {
    let kept = Kept::start();
    let app = start(&kept);
    app.apply(&account("acct_old"));
    backfill(&app);
    let missed = of("acct_new", payout("po_1", "paid", "paid"));
    kept.happens(&missed);
    app.apply(&account("acct_new"));
    let report = backfill(&app);
    assert_eq!(told(&report), [(None, [0, 0, 0]), (Some("acct_new"), [1, 1, 0])]);
    let asked = kept.lists_asked_for();
    let last_of = |owner: &str| {
        let of_owner = |(whose, _): &&(Option<String>, _)| whose.as_deref() == Some(owner);
        asked.iter().rev().find(of_owner).unwrap().1.param("created[gte]").map(str::to_owned)
    };
    assert!(last_of("acct_old").is_some());
    assert_eq!(last_of("acct_new"), None);
}

#[test]
fn accounts_of_which_nothing_ever_arrived_are_found() {
    let kept = Kept::start();
    let app = start(&kept);
    app.apply(&restricted("acct_0"));
    for n in 0..120 {
        kept.connects(&account(&format!("acct_{n}"))["data"]["object"]);
    }
    kept.happens(&of("acct_119", payout("po_1", "paid", "paid")));
    let report = backfill(&app);
    assert_eq!((&report["discovered"], &report["lists"]), (&json!(119), &json!(121)));
    assert_eq!(app.read("/v1/accounts/acct_119")["status"], "complete");
    assert_eq!(app.read("/v1/payouts/po_1?account=acct_119")["status"], "paid");
    assert_eq!(app.read("/v1/accounts/acct_0")["status"], "restricted", "it was known");
    assert_eq!(backfill(&app)["discovered"], 0);
}

#[test]
fn a_key_that_may_not_list_accounts_fetches_the_events_all_the_same() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.happens(&topup("tu_1", "created", "pending"));
    kept.has_trouble_after_the_first([refusal(403, "", "")]);
    let report = backfill(&app);
    assert_eq!(counts(&report), [1, 1, 0]);
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("accounts were not all listed"), "{warning}");
}

/// A server whose store last heard of Stripe so long ago, by these events.
pub(crate) fn asleep_since(kept: &Kept, seconds: i64, events: &[Value]) -> TestApp {
    heard_of(kept, "platform", now() - seconds, events)
}

/// A server whose store got these events from this source at this second.
pub(crate) fn heard_of(kept: &Kept, source: &str, second: i64, events: &[Value]) -> TestApp {
    let mut app = start(kept);
    app.stop();
    let store = app.open();
    let then = Timestamp(second * 1_000_000);
    let old = |body: &Value| {
        let body = with(body.clone(), "created", json!(second - 60)).to_string();
        let event = wire::read(body.as_bytes(), then).unwrap();
        incoming(event, body.as_bytes(), source, then, false)
    };
    actix_web::rt::System::new().block_on(async {
        store.commit(events.iter().map(old).collect()).await.unwrap();
        store.close().await.unwrap();
    });
    drop(store);
    app.run();
    app
}

#[test]
fn after_a_gap_longer_than_stripe_remembers_objects_are_fetched_and_it_is_said() {
    let kept = Kept::start();
    let (one, two) = (account("acct_1"), account("acct_2"));
    let (waiting, done) = (topup("tu_1", "created", "pending"), topup("tu_2", "failed", "failed"));
    let on_its_way = of("acct_1", payout("po_1", "updated", "in_transit"));
    let events = [one, two, waiting.clone(), done, on_its_way.clone()];
    let app = asleep_since(&kept, 31 * DAY, &events);
    let now_restricted = restricted("acct_1")["data"]["object"].clone();
    kept.holds(None, "/v1/accounts/acct_1", &now_restricted);
    let succeeded = with(waiting, "data.object.status", json!("succeeded"));
    kept.holds(None, "/v1/topups/tu_1", &succeeded["data"]["object"]);
    let paid = with(on_its_way, "data.object.status", json!("paid"));
    kept.holds(Some("acct_1"), "/v1/payouts/po_1", &paid["data"]["object"]);

    let report = backfill(&app);
    assert_eq!(report["refetched"], 3, "{report}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("30 days"), "{warnings}");
    assert!(warnings.contains("acct_2"), "Stripe does not know it: {warnings}");
    assert_eq!(app.read("/v1/accounts/acct_1")["status"], "restricted");
    assert_eq!(app.read("/v1/topups/tu_1")["status"], "succeeded");
    assert_eq!(app.read("/v1/payouts/po_1?account=acct_1")["status"], "paid");
    let paths: Vec<String> = kept.stripe.received().into_iter().map(|r| r.path).collect();
    assert!(!paths.contains(&"/v1/topups/tu_2".to_owned()), "it is final: {paths:?}");
    assert_eq!(backfill(&app)["warnings"], json!([]), "once is enough");
}

#[test]
fn a_gap_that_stripe_remembers_needs_no_warning() {
    let kept = Kept::start();
    let app = asleep_since(&kept, 29 * DAY, &[account("acct_1")]);
    let report = backfill(&app);
    assert_eq!((&report["warnings"], &report["refetched"]), (&json!([]), &json!(0)));
}

/// Waits until a backfill that nobody asked for has ended.
#[track_caller]
fn by_itself(app: &TestApp) -> Value {
    let deadline = now() + 60;
    loop {
        let list = app.read(ROUTE);
        let by_schedule = |report: &&Value| report["by"] == "schedule";
        let first = list["data"].as_array().unwrap().iter().find(by_schedule).cloned();
        if let Some(report) = first.filter(|report| report["ended_at"].is_string()) {
            return report;
        }
        assert!(now() < deadline, "{list}");
        std::thread::yield_now();
    }
}

#[test]
fn a_start_fetches_what_was_missed_by_itself() {
    let kept = Kept::start();
    kept.happens(&topup("tu_1", "created", "pending"));
    let variables = [kept.variables(), vec![("BACKFILL_MINUTES", "60")]].concat();
    let mut app = TestApp::start_with(&variables, Limits::default());
    assert_eq!(counts(&by_itself(&app)), [1, 1, 0]);
    // Nothing was heard from Stripe meanwhile, as far as anyone knows.
    app.restart();
    assert_eq!(by_itself(&app)["state"], "complete");
    // A start soon after a delivery has missed nothing.
    app.apply(&topup("tu_2", "created", "pending"));
    app.restart();
    let asked = kept.lists_asked_for().len();
    assert_eq!(backfill(&app)["by"], "olga");
    assert_eq!(kept.lists_asked_for().len(), asked + 1);
    assert_eq!(app.read(ROUTE)["data"].as_array().unwrap().len(), 1);
}

#[test]
fn who_asks_while_a_backfill_goes_on_joins_it() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.has_troubles([Reply::Silence]);
    let ask = |query: &str| {
        let answer = app.send(&Request::post(&format!("{ROUTE}{query}"), "").token(OPERATOR));
        answer.json()["id"].clone()
    };
    let first = ask("");
    assert_eq!(ask(""), first);
    let full = ask("?full=true");
    assert_ne!(full, first, "that is more than the first does");
    assert_eq!(ask("?full=true"), full);
    assert_eq!(app.column(ROUTE, "id"), [full, first], "newest first");
}

#[test]
fn deliveries_and_the_end_do_not_wait_for_stripe() {
    let kept = Kept::start();
    let mut app = start(&kept);
    kept.has_troubles([Reply::Silence]);
    let answer = app.send(&Request::post(ROUTE, "").token(OPERATOR));
    assert_eq!(answer.status, 202);
    let deadline = now() + 30;
    while kept.lists_asked_for().is_empty() {
        assert!(now() < deadline, "Stripe is not asked");
        std::thread::yield_now();
    }
    app.apply(&topup("tu_1", "created", "pending"));
    let stopping = now();
    app.stop();
    assert!(now() - stopping < 30, "a call may take 80 seconds; the end did not wait for it");
}

#[test]
fn only_operators_ask_and_everyone_with_a_token_looks() {
    let kept = Kept::start();
    let app = start(&kept);
    for token in [READER, PAYER] {
        let answer = app.send(&Request::post(ROUTE, "").token(token));
        assert_problem(&answer, 403, "forbidden", token);
    }
    assert_problem(&app.send(&Request::get(ROUTE)), 401, "unauthorized", "no token");
    assert_eq!(app.read(ROUTE)["data"], json!([]));
    assert_problem(&app.get(&format!("{ROUTE}/bf_1")), 404, "not_found", "unknown");
    let other = Request::post(&format!("{ROUTE}?livemode=true"), "").token(OPERATOR);
    assert_problem(&app.send(&other), 409, "other_mode", "the key is of test mode");
    let put = app.send(&Request::new("PUT", ROUTE));
    assert_problem(&put, 405, "method_not_allowed", "PUT");
}

#[test]
fn without_a_key_nothing_is_fetched_and_that_is_said() {
    let app = TestApp::start();
    for request in [
        Request::post(ROUTE, ""),
        Request::get(ROUTE),
        Request::get("/v1/backfills/bf_1"),
        Request::post("/v1/accounts/acct_1/refetch", ""),
    ] {
        let answer = app.send(&request.token(OPERATOR));
        assert_problem(&answer, 501, "stripe_key_missing", "no key");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("BURSAR_STRIPE_KEY"), "{detail}");
    }
}
