//! Backfills of which a part goes wrong: what is read all the same, what is told, and what the next
//! one does about it.

use serde_json::{Value, json};

use crate::backfill::{DAY, asleep_since, backfill, backfill_with, counts, heard_of, start, told};
use crate::support::events::{account, application, of, payout, restricted, topup};
use crate::support::kept::{Kept, PLATFORM, refusal};
use crate::support::stripe::{Received, Reply};
use crate::support::{TestApp, now, with};

/// The last request for an account's list.
#[track_caller]
fn last_of(kept: &Kept, account: &str) -> Received {
    let asked = kept.lists_asked_for();
    let of_it = |(whose, _): &&(Option<String>, _)| whose.as_deref() == Some(account);
    asked.iter().rev().find(of_it).expect("its list was asked for").1.clone()
}

/// Accounts that are known, each with an event that is not.
fn accounts_with_something_missed(kept: &Kept, ids: &[&str]) -> TestApp {
    let app = start(kept);
    for id in ids {
        app.apply(&account(id));
        kept.happens(&of(id, payout("po_1", "paid", "paid")));
    }
    app
}

#[test]
fn the_platforms_own_account_is_not_read_as_a_connected_one() {
    let kept = Kept::start();
    let app = start(&kept);
    app.apply(&account(PLATFORM));
    app.apply(&account("acct_1"));
    let report = backfill(&app);
    assert_eq!((&report["lists"], &report["warnings"]), (&json!(2), &json!([])));
    let asked: Vec<_> = kept.lists_asked_for().into_iter().map(|(owner, _)| owner).collect();
    assert_eq!(asked, [None, Some("acct_1".to_owned())]);
}

#[test]
fn a_key_that_may_not_see_the_own_account_is_warned_of() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.answers(None, "/v1/account", refusal(403, "", ""));
    let warnings = backfill(&app)["warnings"].to_string();
    assert!(warnings.contains("own account"), "{warnings}");
}

#[test]
fn no_account_is_read_while_the_platforms_own_is_not_known() {
    let kept = Kept::start();
    let app = accounts_with_something_missed(&kept, &["acct_1"]);
    kept.answers(None, "/v1/account", Reply::HangUp);
    let report = backfill_with(&app, "");
    assert_eq!(report["state"], "failed", "{report}");
    assert!(kept.lists_asked_for().iter().all(|list| list.0.is_none()));
}

#[test]
fn what_an_outage_kept_from_being_fetched_after_a_long_gap_is_fetched_by_the_next_backfill() {
    let kept = Kept::start();
    let waiting = topup("tu_1", "created", "pending");
    let app = asleep_since(&kept, 31 * DAY, &[account("acct_1"), waiting.clone()]);
    kept.answers(None, "/v1/accounts/acct_1", Reply::HangUp);
    kept.holds(None, "/v1/topups/tu_1", &waiting["data"]["object"]);

    let report = backfill_with(&app, "");
    assert_eq!((&report["state"], &report["refetched"]), (&json!("failed"), &json!(1)));
    assert!(report["reason"].as_str().unwrap().contains("acct_1"), "{report}");
    kept.holds(None, "/v1/accounts/acct_1", &restricted("acct_1")["data"]["object"]);
    assert_eq!(backfill(&app)["refetched"], 2);
    assert_eq!(app.read("/v1/accounts/acct_1")["status"], "restricted");
}

#[test]
fn a_key_that_is_refused_while_objects_are_fetched_ends_the_backfill() {
    let kept = Kept::start();
    let app = asleep_since(&kept, 31 * DAY, &[account("acct_1")]);
    kept.answers(None, "/v1/accounts/acct_1", refusal(401, "", ""));
    let report = backfill_with(&app, "");
    assert_eq!(report["state"], "failed", "{report}");
}

#[test]
fn an_account_that_was_left_is_warned_of_and_later_read_as_far_back_as_stripe_goes() {
    let kept = Kept::start();
    let app = accounts_with_something_missed(&kept, &["acct_1", "acct_2"]);
    kept.refuses("acct_2");
    // The first of these leaves it, and the second still does.
    for _ in 0..2 {
        let report = backfill(&app);
        let warnings = report["warnings"].to_string();
        assert!(warnings.contains("acct_2") && warnings.contains("403"), "{report}");
    }
    kept.serves("acct_2");
    let report = backfill(&app);
    assert_eq!(told(&report), [(None, [0, 0, 0]), (Some("acct_2"), [1, 1, 0])]);
    assert_eq!(last_of(&kept, "acct_2").param("created[gte]"), None);
    backfill(&app);
    assert!(last_of(&kept, "acct_2").param("created[gte]").is_some(), "it was read");
}

#[test]
fn a_list_that_is_refused_after_its_first_page_was_not_read() {
    let kept = Kept::start();
    let app = start(&kept);
    app.apply(&account("acct_1"));
    for n in 0..150 {
        kept.happens(&of("acct_1", payout(&format!("po_{n}"), "paid", "paid")));
    }
    // The platform's list, the accounts, its own, and a page.
    kept.has_trouble_after(4, [refusal(403, "account_invalid", "")]);
    let report = backfill_with(&app, "");
    assert_eq!((&report["state"], &report["fetched"]), (&json!("failed"), &json!(100)));
    assert!(report["reason"].as_str().unwrap().contains("acct_1"), "{report}");
    assert!(report["accounts"][1]["failed"].as_str().unwrap().contains("403"), "{report}");
    assert_eq!(counts(&backfill(&app)), [150, 50, 100]);
}

#[test]
fn a_list_that_cannot_be_read_keeps_no_other_waiting_but_the_backfill_is_not_complete() {
    let kept = Kept::start();
    let app = accounts_with_something_missed(&kept, &["acct_1", "acct_2", "acct_3"]);
    for trouble in [Reply::HangUp, Reply::json(200, &json!({ "object": "list", "data": [5] }))] {
        kept.meets_all_for("acct_2", trouble);
        let report = backfill_with(&app, "");
        assert_eq!((&report["state"], &report["fetched"]), (&json!("failed"), &json!(2)));
        assert!(report["reason"].as_str().unwrap().contains("acct_2"), "{report}");
        assert_eq!(report["since"], Value::Null);
    }
    for id in ["acct_1", "acct_3"] {
        assert_eq!(app.read(&format!("/v1/payouts/po_1?account={id}"))["status"], "paid");
    }
    kept.serves("acct_2");
    assert_eq!(counts(&backfill(&app)), [3, 1, 2]);
}

#[test]
fn three_lists_in_a_row_that_cannot_be_read_end_a_backfill() {
    let kept = Kept::start();
    let ids = ["acct_1", "acct_2", "acct_3", "acct_4", "acct_5"];
    let app = accounts_with_something_missed(&kept, &ids);
    for id in ids {
        kept.meets_all_for(id, Reply::HangUp);
    }
    assert_eq!(backfill_with(&app, "")["state"], "failed");
    let mut asked: Vec<_> = kept.lists_asked_for().into_iter().filter_map(|list| list.0).collect();
    asked.dedup();
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn an_account_that_came_back_unheard_is_found_among_those_that_stripe_lists() {
    let kept = Kept::start();
    let app = start(&kept);
    app.apply(&account("acct_1"));
    app.apply(&application("acct_1", "deauthorized"));
    backfill(&app);
    assert!(kept.lists_asked_for().iter().all(|list| list.0.is_none()), "it is not ours");
    kept.connects(&account("acct_1")["data"]["object"]);
    kept.happens(&application("acct_1", "authorized"));
    let report = backfill(&app);
    assert_eq!(told(&report), [(None, [0, 0, 0]), (Some("acct_1"), [1, 1, 0])]);
    assert_eq!(last_of(&kept, "acct_1").param("created[gte]"), None);
    assert_eq!(app.read("/v1/accounts/acct_1")["status"], "complete");
}

/// Stripe's clock, or that of something between, is wrong for a while.
#[test]
fn a_date_that_is_ahead_of_time_moves_no_mark_ahead() {
    let kept = Kept::start();
    let app = start(&kept);
    kept.is_ahead(DAY);
    backfill(&app);
    kept.is_ahead(0);
    kept.happens(&with(topup("tu_1", "created", "pending"), "created", json!(now())));
    let report = backfill(&app);
    assert!(report["since"].as_i64().unwrap() <= now() - 3600, "{report}");
    assert_eq!(report["new"], 1, "{report}");
}

#[test]
fn a_mark_ahead_of_our_clock_counts_for_nothing() {
    let kept = Kept::start();
    let noted = [topup("tu_1", "created", "pending")];
    let app = heard_of(&kept, "backfill:complete", now() + DAY, &noted);
    assert_eq!(backfill(&app)["since"], Value::Null);
}
