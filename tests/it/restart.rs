//! What a stop keeps, and what a start brings back.

use bursar::sandbox::fixture_stories;
use bursar::sandbox::story::{Story, Teller};
use serde_json::{Value, json};

use crate::support::events::{account, balance, live, payout, restricted, topup};
use crate::support::{OPERATOR, Request, TestApp, encoded, now, with};

/// Fills a store with all that can happen to events.
fn fill(app: &TestApp) {
    let start = u64::try_from(now()).unwrap() - 10_000;
    for (number, (name, text)) in fixture_stories().iter().enumerate() {
        let story = Story::parse(std::str::from_utf8(text).unwrap()).unwrap();
        let mut teller = Teller::new(start, &format!("{number}x"));
        for delivery in story.deliveries() {
            let (status, answer) = app.deliver(teller.tell(delivery).unwrap().body);
            assert_eq!(status, 200, "{name}: {answer}");
        }
    }
    let conflicting = balance(1);
    app.outcome(&conflicting);
    app.outcome(&with(balance(2), "id", conflicting["id"].clone()));
    app.outcome(&with(payout("po_1", "paid", "paid"), "created", json!(null)));
    app.outcome(&live(account("acct_live")));
    let replay =
        json!({ "events": [topup("tu_new", "created", "pending"), restricted("acct_new")] });
    assert_eq!(app.post("/v1/replays", &replay).status, 200);
}

/// Every item of a list, page by page.
fn all(app: &TestApp, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.read(&format!("{path}&limit=500{cursor}"));
        items.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// Every read there is, and its answer.
fn every_read(app: &TestApp) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for livemode in [false, true] {
        let partition = format!("livemode={livemode}");
        paths.push(format!("/v1/summary?{partition}"));
        paths.push(format!("/v1/balance?{partition}"));
        for kind in ["accounts", "topups", "transfers", "payouts"] {
            let list = format!("/v1/{kind}?{partition}");
            paths.push(list.clone());
            for object in all(app, &list) {
                let id = encoded(object["id"].as_str().unwrap());
                let owner = object["account"].as_str().filter(|_| kind == "payouts");
                let owner = owner.map_or(String::new(), |id| format!("&account={}", encoded(id)));
                paths.push(format!("/v1/{kind}/{id}?{partition}{owner}"));
                paths.push(format!("/v1/{kind}/{id}/history?{partition}{owner}"));
                if kind == "accounts" {
                    paths.push(format!("/v1/balance?account={id}&{partition}"));
                }
            }
        }
        let events = format!("/v1/events?{partition}");
        paths.push(events.clone());
        for event in all(app, &events) {
            let id = encoded(event["id"].as_str().unwrap());
            paths.push(format!("/v1/events/{id}?{partition}"));
            paths.push(format!("/v1/events/{id}/body?{partition}"));
        }
    }
    let read = |path: String| {
        let answer = app.send(&Request::get(&path).token(OPERATOR));
        let mut body = String::from_utf8_lossy(&answer.body).into_owned();
        if path.starts_with("/v1/summary") {
            // When a secret was used is told of this process alone.
            let mut summary = answer.json();
            summary.as_object_mut().unwrap().shift_remove("secrets").unwrap();
            body = summary.to_string();
        }
        (path, format!("{} {body}", answer.status))
    };
    paths.into_iter().map(read).collect()
}

#[track_caller]
fn assert_same(before: &[(String, String)], after: &[(String, String)]) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
}

#[test]
fn after_a_restart_every_read_answers_the_same_bytes() {
    let mut app = TestApp::start();
    fill(&app);
    let before = every_read(&app);
    assert!(before.len() > 300, "{} reads", before.len());
    app.restart();
    assert_same(&before, &every_read(&app));
}

#[test]
fn without_its_views_every_read_answers_the_same_bytes() {
    let mut app = TestApp::start();
    fill(&app);
    let before = every_read(&app);
    app.stop();
    std::fs::remove_dir_all(app.store_folder().join("views")).unwrap();
    app.run();
    assert_same(&before, &every_read(&app));
}

#[test]
fn after_a_restart_known_events_are_duplicates_and_new_ones_are_applied() {
    let mut app = TestApp::start();
    let first = topup("tu_1", "created", "pending");
    app.apply(&first);
    let version = app.read("/v1/topups/tu_1")["version"].as_u64();
    app.restart();
    assert_eq!(app.outcome(&first), "duplicate");
    app.apply(&topup("tu_1", "succeeded", "succeeded"));
    assert!(app.read("/v1/topups/tu_1")["version"].as_u64() > version);
}

#[test]
fn a_cursor_goes_on_after_a_restart() {
    let mut app = TestApp::start();
    for number in 0..5 {
        app.apply(&topup(&format!("tu_{number}"), "created", "pending"));
    }
    let page = app.read("/v1/topups?limit=2");
    let next = format!("/v1/topups?limit=3&cursor={}", page["next_cursor"].as_str().unwrap());
    app.restart();
    assert_eq!(app.column(&next, "id"), ["tu_2", "tu_1", "tu_0"]);
}
