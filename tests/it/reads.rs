//! Every read: fields, filters, paging, partitions, history.

use bursar::pipeline::commit::Limits;
use bursar::pipeline::portable::from_rfc3339;
use serde_json::{Value, json};

use crate::support::events::{
    account, application, balance, capability, event, live, of, one_of_each, payout, restricted,
    together_with, topup, transfer,
};
use crate::support::{
    OPERATOR, PAYER, READER, Request, TestApp, assert_problem, encoded, signed, with,
};

const LISTS: [&str; 5] =
    ["/v1/accounts", "/v1/topups", "/v1/transfers", "/v1/payouts", "/v1/events"];

/// An account report with these fields of its object set.
fn account_with(id: &str, changes: &[(&str, Value)]) -> Value {
    changes.iter().fold(account(id), |event, (path, value)| {
        with(event, &format!("data.object.{path}"), value.clone())
    })
}

#[track_caller]
fn assert_has(value: &Value, fields: &[&str], what: &str) {
    for field in fields {
        assert!(value.get(field).is_some(), "{what}: no `{field}` in {value}");
    }
}

/// RFC 3339 in UTC.
#[track_caller]
fn assert_time(value: &Value, what: &str) {
    let text = value.as_str().unwrap_or_default();
    assert!(text.ends_with('Z') && from_rfc3339(text).is_some(), "{what}: {value}");
}

// Objects.

#[test]
fn objects_show_all_their_fields() {
    let app = TestApp::start();
    for (_, event) in one_of_each() {
        app.apply(&event);
    }
    let common = ["livemode", "as_of", "version"];
    let of_account = [
        "id",
        "status",
        "payable",
        "can_receive_transfers",
        "payouts_enabled",
        "charges_enabled",
        "details_submitted",
        "next_action",
        "blockers",
        "deadline",
        "requirements",
        "capabilities",
        "controller",
        "country",
        "default_currency",
        "type",
    ];
    for (path, fields) in [
        ("/v1/accounts/acct_1", &of_account[..]),
        ("/v1/accounts/acct_2", &of_account),
        ("/v1/accounts/acct_3", &of_account),
        ("/v1/topups/tu_1", &["id", "status", "amount", "currency"]),
        (
            "/v1/transfers/tr_1",
            &["id", "status", "amount", "amount_reversed", "currency", "destination"],
        ),
        (
            "/v1/payouts/po_1",
            &["id", "account", "status", "amount", "currency", "failed_after_paid"],
        ),
        ("/v1/balance", &["available", "pending"]),
    ] {
        let object = app.read(path);
        assert_has(&object, fields, path);
        assert_has(&object, &common, path);
        assert_has(&object["as_of"], &["event_id", "created", "recorded_at"], path);
        assert_time(&object["as_of"]["recorded_at"], path);
        assert!(object.get("ambiguous").is_none(), "{path}");
    }
}

#[test]
fn what_stripe_gave_is_shown_as_it_was_given() {
    let app = TestApp::start();
    let event = account("acct_1");
    app.apply(&event);
    let shown = app.read("/v1/accounts/acct_1");
    for field in
        ["requirements", "capabilities", "controller", "country", "default_currency", "type"]
    {
        assert_eq!(shown[field], event["data"]["object"][field], "{field}");
    }
    let event = balance(2500);
    app.apply(&event);
    let shown = app.read("/v1/balance");
    for field in ["available", "pending"] {
        assert_eq!(shown[field], event["data"]["object"][field], "{field}");
    }
}

#[test]
fn unknown_words_of_stripe_are_passed_through() {
    let app = TestApp::start();
    let requirements = json!({ "disabled_reason": "weather", "currently_due": [], "new": 1.50 });
    app.apply(&account_with(
        "acct_1",
        &[
            ("requirements", requirements.clone()),
            ("capabilities", json!({ "transfers": "dormant", "teleport": { "x": 1 } })),
            ("type", json!("quantum")),
        ],
    ));
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!(shown["requirements"], requirements);
    assert_eq!(shown["capabilities"], json!({ "teleport": { "x": 1 }, "transfers": "dormant" }));
    assert_eq!(shown["type"], "quantum");
    assert_eq!(shown["status"], "restricted");
    assert_eq!(shown["payable"], false);
}

#[test]
fn the_account_status_is_the_first_that_matches() {
    let app = TestApp::start();
    let due = || json!(["individual.id_number"]);
    let off = ("payouts_enabled", json!(false));
    let idle = ("capabilities.transfers", json!("inactive"));
    let reason = |word: &str| ("requirements.disabled_reason", json!(word));
    let currently = ("requirements.currently_due", due());
    let deadline = ("requirements.current_deadline", json!(1_900_000_000));
    for (changes, status, next_action) in [
        (vec![], "complete", "none"),
        (vec![("charges_enabled", json!(false))], "complete", "none"),
        (vec![("requirements.eventually_due", due())], "enabled", "none"),
        (vec![("requirements.eventually_due", due()), currently.clone()], "enabled", "none"),
        (vec![currently.clone(), deadline.clone()], "restricted_soon", "collect_information"),
        (vec![deadline], "complete", "none"),
        (vec![off.clone()], "restricted", "contact_stripe"),
        (vec![idle.clone()], "restricted", "contact_stripe"),
        (vec![off.clone(), currently.clone()], "restricted", "collect_information"),
        (vec![idle.clone(), ("requirements.past_due", due())], "restricted", "collect_information"),
        (vec![off.clone(), reason("platform_paused")], "restricted", "contact_stripe"),
        (
            vec![off.clone(), ("requirements.pending_verification", due())],
            "pending",
            "wait_for_review",
        ),
        (
            vec![off.clone(), reason("requirements.pending_verification")],
            "pending",
            "wait_for_review",
        ),
        (vec![off.clone(), reason("under_review")], "pending", "wait_for_review"),
        (vec![("capabilities.transfers", json!("pending"))], "pending", "wait_for_review"),
        (vec![off.clone(), reason("under_review"), currently], "restricted", "collect_information"),
        (vec![off, ("details_submitted", json!(false))], "onboarding", "collect_information"),
        (vec![("details_submitted", json!(false))], "onboarding", "collect_information"),
        (vec![reason("rejected.fraud")], "rejected", "contact_stripe"),
        (
            vec![reason("rejected.other"), ("details_submitted", json!(false))],
            "rejected",
            "contact_stripe",
        ),
    ] {
        let event = account_with("acct_1", &changes);
        app.outcome(&event);
        let shown = app.read("/v1/accounts/acct_1");
        assert_eq!(shown["status"], status, "{changes:?}");
        assert_eq!(shown["next_action"], next_action, "{changes:?}");
    }
}

#[test]
fn an_account_is_payable_when_transfers_are_active_and_payouts_enabled() {
    let app = TestApp::start();
    for (transfers, payouts, reason, payable) in [
        (json!("active"), true, json!(null), true),
        (json!("inactive"), true, json!(null), false),
        (json!("pending"), true, json!(null), false),
        (json!(null), true, json!(null), false),
        (json!("active"), false, json!(null), false),
        (json!("active"), true, json!("rejected.terms_of_service"), false),
        (json!("active"), true, json!("under_review"), true),
    ] {
        let event = account_with(
            "acct_1",
            &[
                ("capabilities.transfers", transfers.clone()),
                ("payouts_enabled", json!(payouts)),
                ("requirements.disabled_reason", reason.clone()),
                ("charges_enabled", json!(false)),
            ],
        );
        app.outcome(&event);
        let shown = app.read("/v1/accounts/acct_1");
        let case = format!("{transfers} {payouts} {reason}");
        assert_eq!(shown["payable"], payable, "{case}");
        assert_eq!(shown["can_receive_transfers"], transfers == "active", "{case}");
        assert_eq!(shown["payouts_enabled"], payouts, "{case}");
    }
}

#[test]
fn blockers_are_what_is_past_due_and_then_what_is_due_without_repeats() {
    let app = TestApp::start();
    app.apply(&account_with(
        "acct_1",
        &[
            ("payouts_enabled", json!(false)),
            ("requirements.past_due", json!(["z", "b"])),
            ("requirements.currently_due", json!(["a", "b", "z", "c"])),
            ("requirements.eventually_due", json!(["later"])),
            ("requirements.current_deadline", json!(1_900_000_000)),
        ],
    ));
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!(shown["blockers"], json!(["z", "b", "a", "c"]));
    assert_eq!(shown["deadline"], 1_900_000_000);
    app.apply(&account("acct_1"));
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!(shown["blockers"], json!([]));
    assert_eq!(shown["deadline"], Value::Null);
}

#[test]
fn an_account_known_only_from_other_reports_shows_nulls() {
    let app = TestApp::start();
    app.apply(&capability("acct_cap", "transfers", "active"));
    app.apply(&application("acct_yes", "authorized"));
    app.apply(&application("acct_no", "deauthorized"));
    for (id, status, next_action) in [
        ("acct_cap", "onboarding", "collect_information"),
        ("acct_yes", "onboarding", "collect_information"),
        ("acct_no", "deauthorized", "contact_stripe"),
    ] {
        let shown = app.read(&format!("/v1/accounts/{id}"));
        assert_eq!(shown["status"], status, "{id}");
        assert_eq!(shown["payable"], false, "{id}");
        assert_eq!(shown["next_action"], next_action, "{id}");
        for field in [
            "can_receive_transfers",
            "payouts_enabled",
            "charges_enabled",
            "details_submitted",
            "blockers",
            "deadline",
            "requirements",
            "capabilities",
            "controller",
            "country",
            "default_currency",
            "type",
        ] {
            assert_eq!(shown[field], Value::Null, "{id} {field}");
        }
    }
}

#[test]
fn capability_reports_update_the_account() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    app.apply(&capability("acct_1", "card_payments", "inactive"));
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!((&shown["status"], &shown["payable"]), (&json!("complete"), &json!(true)));
    assert_eq!(shown["capabilities"]["card_payments"], "inactive");
    app.apply(&capability("acct_1", "transfers", "inactive"));
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!((&shown["status"], &shown["payable"]), (&json!("restricted"), &json!(false)));
    assert_eq!(shown["capabilities"]["transfers"], "inactive");
}

#[test]
fn a_deauthorized_account_is_not_payable_until_it_is_authorized_again() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    app.apply(&application("acct_1", "deauthorized"));
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!((&shown["status"], &shown["payable"]), (&json!("deauthorized"), &json!(false)));
    assert_eq!(shown["country"], "US");
    app.apply(&application("acct_1", "authorized"));
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!((&shown["status"], &shown["payable"]), (&json!("complete"), &json!(true)));
}

#[test]
fn topups_and_payouts_show_stripes_status_words() {
    let app = TestApp::start();
    for (number, status) in
        ["pending", "succeeded", "failed", "canceled", "reversed"].iter().enumerate()
    {
        app.apply(&topup(&format!("tu_{number}"), "created", status));
        assert_eq!(app.read(&format!("/v1/topups/tu_{number}"))["status"], *status);
    }
    for (number, status) in
        ["pending", "in_transit", "paid", "failed", "canceled"].iter().enumerate()
    {
        app.apply(&payout(&format!("po_{number}"), "updated", status));
        assert_eq!(app.read(&format!("/v1/payouts/po_{number}"))["status"], *status);
    }
}

#[test]
fn a_transfer_shows_how_much_of_it_was_taken_back() {
    let app = TestApp::start();
    for (verb, reversed, status) in [
        ("created", 0, "created"),
        ("reversed", 1, "partially_reversed"),
        ("reversed", 999, "partially_reversed"),
        ("reversed", 1000, "reversed"),
    ] {
        app.apply(&transfer("tr_1", verb, reversed));
        let shown = app.read("/v1/transfers/tr_1");
        assert_eq!(shown["status"], status);
        assert_eq!(shown["amount_reversed"], reversed);
    }
    app.outcome(&transfer("tr_1", "updated", 300));
    assert_eq!(app.read("/v1/transfers/tr_1")["amount_reversed"], 1000, "it never shrinks");
    app.apply(&with(transfer("tr_0", "created", 0), "data.object.amount", json!(0)));
    assert_eq!(app.read("/v1/transfers/tr_0")["status"], "created");
}

#[test]
fn a_payout_that_fails_after_it_was_paid_says_so() {
    let app = TestApp::start();
    for (statuses, failed_after_paid) in [
        (&["paid", "failed"][..], true),
        (&["paid"], false),
        (&["pending", "failed"], false),
        (&["pending", "in_transit", "paid", "failed"], true),
        (&["failed", "paid"], true),
    ] {
        let id = format!("po_{}", statuses.join("_"));
        for status in statuses {
            app.outcome(&payout(&id, "updated", status));
        }
        let shown = app.read(&format!("/v1/payouts/{id}"));
        assert_eq!(shown["failed_after_paid"], failed_after_paid, "{statuses:?}");
    }
}

#[test]
fn two_reports_of_one_second_that_contradict_each_other_mark_the_object() {
    let app = TestApp::start();
    let good = account("acct_1");
    app.apply(&good);
    app.outcome(&together_with(&good, restricted("acct_1")));
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!(shown["ambiguous"], true);
    assert_eq!(shown["payable"], false, "money does not move");
    app.outcome(&capability("acct_1", "card_payments", "pending"));
    assert_eq!(app.read("/v1/accounts/acct_1")["ambiguous"], true, "a capability settles nothing");
    app.apply(&account("acct_1"));
    let shown = app.read("/v1/accounts/acct_1");
    assert_eq!(shown["payable"], true);
    assert!(shown.get("ambiguous").is_none(), "{shown}");

    let failed = payout("po_1", "failed", "failed");
    app.apply(&failed);
    app.outcome(&together_with(&failed, payout("po_1", "canceled", "canceled")));
    assert_eq!(app.read("/v1/payouts/po_1")["ambiguous"], true);
}

#[test]
fn as_of_names_the_report_that_counts() {
    let app = TestApp::start();
    let (early, middle, late) =
        (topup("tu_1", "created", "pending"), account("acct_1"), topup("tu_1", "failed", "failed"));
    app.apply(&middle);
    app.apply(&late);
    app.outcome(&early);
    let as_of = app.read("/v1/topups/tu_1")["as_of"].clone();
    assert_eq!(as_of["event_id"], late["id"]);
    assert_eq!(as_of["created"], late["created"]);
    let after_the_end = topup("tu_1", "succeeded", "succeeded");
    app.outcome(&after_the_end);
    assert_eq!(app.read("/v1/topups/tu_1")["as_of"], as_of);
}

#[test]
fn the_version_grows_with_every_change_and_with_nothing_else() {
    let app = TestApp::start();
    let version = || app.read("/v1/accounts/acct_1")["version"].as_u64().unwrap();
    let early = account("acct_1");
    app.apply(&account("acct_1"));
    let first = version();
    app.apply(&restricted("acct_1"));
    let second = version();
    assert!(second > first);
    assert_eq!(app.outcome(&early), "stale");
    assert_eq!(app.outcome(&early), "duplicate");
    assert_eq!(app.outcome(&account("acct_2")), "applied");
    assert_eq!(version(), second);
    app.apply(&account("acct_1"));
    assert!(version() > second);
}

#[test]
fn payouts_belong_to_their_owner() {
    let app = TestApp::start();
    let paid = |status| payout("po_1", "updated", status);
    app.apply(&paid("pending"));
    app.apply(&of("acct_1", paid("paid")));
    app.apply(&of("acct_2", paid("failed")));
    app.apply(&of("acct_2", payout("po_2", "created", "pending")));
    for (path, status, account) in [
        ("/v1/payouts/po_1", "pending", json!(null)),
        ("/v1/payouts/po_1?account=acct_1", "paid", json!("acct_1")),
        ("/v1/payouts/po_1?account=acct_2", "failed", json!("acct_2")),
    ] {
        let shown = app.read(path);
        assert_eq!((&shown["status"], &shown["account"]), (&json!(status), &account), "{path}");
        let history = path.replace("po_1", "po_1/history");
        let entries = app.read(&history)["data"].clone();
        assert_eq!(entries.as_array().unwrap().len(), 1, "{history}");
        assert_eq!(entries[0]["status_after"], status, "{history}");
    }
    assert_eq!(app.get("/v1/payouts/po_2").status, 404);
    assert_eq!(
        app.column("/v1/payouts", "account"),
        [json!("acct_2"), json!("acct_2"), json!("acct_1"), json!(null)]
    );
    assert_eq!(app.column("/v1/payouts?account=acct_2", "id"), ["po_2", "po_1"]);
}

#[test]
fn the_latest_balance_of_each_owner_is_shown() {
    let app = TestApp::start();
    assert_problem(&app.get("/v1/balance"), 404, "not_found", "none is known");
    let late = balance(5);
    app.apply(&balance(6));
    app.apply(&of("acct_1", balance(7)));
    assert_eq!(app.outcome(&late), "stale");
    assert_eq!(app.read("/v1/balance")["available"][0]["amount"], 6);
    assert_eq!(app.read("/v1/balance?account=acct_1")["available"][0]["amount"], 7);
    assert_problem(&app.get("/v1/balance?account=acct_2"), 404, "not_found", "another");
}

// Lists.

#[test]
fn lists_have_one_form() {
    let app = TestApp::start();
    for path in LISTS {
        let list = app.read(path);
        assert_eq!(list, json!({ "data": [], "next_cursor": null, "livemode": false }), "{path}");
    }
    for (_, event) in one_of_each() {
        app.apply(&event);
    }
    for path in LISTS {
        let list = app.read(path);
        assert!(!list["data"].as_array().unwrap().is_empty(), "{path}");
        assert_eq!((&list["next_cursor"], &list["livemode"]), (&json!(null), &json!(false)));
    }
    assert_eq!(app.read("/v1/accounts/acct_1/history")["next_cursor"], json!(null));
}

#[test]
fn a_list_shows_its_objects_as_a_read_does() {
    let app = TestApp::start();
    for (_, event) in one_of_each() {
        app.apply(&event);
    }
    for kind in ["accounts", "topups", "transfers"] {
        for object in app.read(&format!("/v1/{kind}"))["data"].as_array().unwrap() {
            let path = format!("/v1/{kind}/{}", object["id"].as_str().unwrap());
            assert_eq!(*object, app.read(&path), "{path}");
        }
    }
    for event in app.read("/v1/events")["data"].as_array().unwrap() {
        let mut alone = app.read(&format!("/v1/events/{}", event["id"].as_str().unwrap()));
        // Made for one event at a time: it looks at all that is known about the object.
        alone.as_object_mut().unwrap().remove("explanation").unwrap();
        assert_eq!(*event, alone);
    }
}

#[test]
fn objects_are_listed_newest_first_by_first_sight() {
    let app = TestApp::start();
    let older = topup("tu_a", "created", "pending");
    app.apply(&topup("tu_b", "created", "pending"));
    app.apply(&older);
    app.apply(&topup("tu_c", "created", "pending"));
    app.apply(&topup("tu_b", "succeeded", "succeeded"));
    assert_eq!(app.column("/v1/topups", "id"), ["tu_c", "tu_a", "tu_b"]);
    assert_eq!(app.column("/v1/events", "object"), ["tu_b", "tu_c", "tu_a", "tu_b"]);
}

#[test]
fn objects_are_filtered() {
    let app = TestApp::start();
    app.apply(&account("acct_us"));
    app.apply(&account_with("acct_de", &[("country", json!("DE"))]));
    app.apply(&restricted("acct_off"));
    app.apply(&capability("acct_cap", "transfers", "active"));
    app.apply(&topup("tu_1", "created", "pending"));
    app.apply(&topup("tu_2", "succeeded", "succeeded"));
    app.apply(&with(topup("tu_3", "created", "pending"), "data.object.currency", json!("eur")));
    app.apply(&transfer("tr_1", "created", 0));
    app.apply(&transfer("tr_2", "reversed", 1000));
    let other = with(transfer("tr_3", "created", 0), "data.object.destination", json!("acct_de"));
    app.apply(&with(other, "data.object.transfer_group", json!("week 41")));
    app.apply(&payout("po_1", "paid", "paid"));
    app.apply(&of("acct_us", payout("po_2", "failed", "failed")));
    for (path, expected) in [
        ("/v1/accounts?status=complete", &["acct_de", "acct_us"][..]),
        ("/v1/accounts?status=onboarding", &["acct_cap"]),
        ("/v1/accounts?status=rejected", &[]),
        ("/v1/accounts?payable=true", &["acct_de", "acct_us"]),
        ("/v1/accounts?payable=false", &["acct_cap", "acct_off"]),
        ("/v1/accounts?country=DE", &["acct_de"]),
        ("/v1/accounts?country=US&payable=true&status=complete", &["acct_us"]),
        ("/v1/accounts?country=de", &["acct_de"]),
        ("/v1/accounts?country=FR", &[]),
        ("/v1/topups?status=pending", &["tu_3", "tu_1"]),
        ("/v1/topups?currency=usd", &["tu_2", "tu_1"]),
        ("/v1/topups?currency=EUR", &["tu_3"]),
        ("/v1/topups?currency=usd&status=pending", &["tu_1"]),
        ("/v1/transfers?status=created", &["tr_3", "tr_1"]),
        ("/v1/transfers?destination=acct_nora", &["tr_2", "tr_1"]),
        ("/v1/transfers?transfer_group=week%2041", &["tr_3"]),
        ("/v1/transfers?transfer_group=week+41", &["tr_3"]),
        ("/v1/payouts?status=paid", &["po_1"]),
        ("/v1/payouts?account=acct_us", &["po_2"]),
        ("/v1/payouts?account=acct_us&status=paid", &[]),
    ] {
        assert_eq!(app.column(path, "id"), expected, "{path}");
    }
}

#[test]
fn a_filter_follows_the_current_status() {
    let app = TestApp::start();
    app.apply(&topup("tu_1", "created", "pending"));
    app.apply(&topup("tu_1", "failed", "failed"));
    assert_eq!(app.column("/v1/topups?status=pending", "id"), [""; 0]);
    assert_eq!(app.column("/v1/topups?status=failed", "id"), ["tu_1"]);
}

#[test]
fn a_limit_is_a_number_from_1_to_500() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    for path in LISTS.into_iter().chain(["/v1/accounts/acct_1/history"]) {
        for limit in ["0", "501", "-1", "", "abc", "1.0", "+5", "99999999999999999999"] {
            let answer = app.get(&format!("{path}?limit={}", encoded(limit)));
            assert_problem(&answer, 400, "invalid_parameter", &format!("{path} {limit}"));
        }
        for limit in ["1", "500"] {
            assert_eq!(app.get(&format!("{path}?limit={limit}")).status, 200, "{path} {limit}");
        }
    }
}

#[test]
fn a_page_holds_fifty_unless_told_otherwise() {
    let app = TestApp::start();
    let events: Vec<Value> =
        (0..51).map(|number| topup(&format!("tu_{number}"), "created", "pending")).collect();
    assert_eq!(app.post("/v1/replays", &json!({ "events": events })).status, 200);
    let changes: Vec<Value> = (0..51).map(|_| account("acct_1")).collect();
    assert_eq!(app.post("/v1/replays", &json!({ "events": changes })).status, 200);
    for path in ["/v1/topups", "/v1/events", "/v1/accounts/acct_1/history"] {
        let page = app.read(path);
        assert_eq!(page["data"].as_array().unwrap().len(), 50, "{path}");
        assert!(page["next_cursor"].is_string(), "{path}");
    }
    assert_eq!(app.column("/v1/topups?limit=51", "id").len(), 51);
    assert_eq!(app.read("/v1/topups?limit=51")["next_cursor"], json!(null));
}

/// Pages through a list, calling `between` after every page.
#[track_caller]
fn pages(app: &TestApp, path: &str, field: &str, mut between: impl FnMut()) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    for _ in 0..100 {
        let page = app.read(&format!("{path}{cursor}"));
        items.extend(page["data"].as_array().unwrap().iter().map(|item| item[field].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => return items,
        }
        between();
    }
    panic!("{path} never ends");
}

#[test]
fn pages_have_no_gaps_and_no_repeats_while_new_objects_arrive() {
    let app = TestApp::start();
    let name = |number: i32| format!("tu_{number:02}");
    for number in 0..12 {
        app.apply(&topup(&name(number), "created", "pending"));
    }
    let known: Vec<Value> = (0..12).rev().map(|number| json!(name(number))).collect();
    for limit in [1, 5, 6, 11, 12] {
        let mut more = 100 * limit;
        let path = format!("/v1/topups?limit={limit}");
        let list = app.column("/v1/topups?limit=500", "id");
        let paged = pages(&app, &path, "id", || {
            more += 1;
            app.apply(&topup(&format!("tu_new{more}"), "created", "pending"));
            app.outcome(&topup("tu_03", "succeeded", "succeeded"));
        });
        assert_eq!(paged, list, "limit {limit}");
        assert!(paged.ends_with(&known), "limit {limit}");
    }
    let events = app.column("/v1/events?limit=500", "id");
    let paged = pages(&app, "/v1/events?limit=7", "id", || {
        app.outcome(&balance(1));
        app.outcome(&event("person.updated", json!({})));
    });
    assert_eq!(paged, events);
}

#[test]
fn filtered_lists_are_paged_too() {
    let app = TestApp::start();
    for number in 0..10 {
        let status = if number % 3 == 0 { "succeeded" } else { "pending" };
        app.apply(&topup(&format!("tu_{number}"), "created", status));
    }
    let paged = pages(&app, "/v1/topups?status=succeeded&limit=2", "id", || {});
    assert_eq!(paged, ["tu_9", "tu_6", "tu_3", "tu_0"]);
    let paged = pages(&app, "/v1/events?object=tu_4&limit=1", "object", || {});
    assert_eq!(paged, ["tu_4"]);
}

#[test]
fn a_cursor_that_is_unreadable_or_of_another_list_is_refused() {
    let app = TestApp::start();
    for number in 0..2 {
        let id = format!("x_{number}");
        app.apply(&topup(&id, "created", "pending"));
        app.apply(&transfer(&id, "created", 0));
        app.apply(&payout(&id, "created", "pending"));
        app.apply(&account(&id));
        app.apply(&restricted(&id));
        app.apply(&live(topup(&id, "created", "pending")));
    }
    let histories = ["/v1/accounts/x_0/history", "/v1/accounts/x_1/history"];
    let paths: Vec<&str> = LISTS.into_iter().chain(histories).collect();
    let cursor = |path: &str| {
        let page = app.read(&format!("{path}limit=1"));
        page["next_cursor"].as_str().unwrap().to_owned()
    };
    for path in &paths {
        let own = cursor(&format!("{path}?"));
        assert_eq!(app.get(&format!("{path}?cursor={}", encoded(&own))).status, 200, "{path}");
        for bad in ["", "x", "zz", "0", "evt_1", "%00", &own[1..], &format!("{own}00")] {
            let answer = app.get(&format!("{path}?cursor={}", encoded(bad)));
            assert_problem(&answer, 400, "invalid_parameter", &format!("{path} {bad}"));
        }
        for other in paths.iter().filter(|other| *other != path) {
            let answer = app.get(&format!("{other}?cursor={}", encoded(&own)));
            assert_problem(&answer, 400, "invalid_parameter", &format!("{path} for {other}"));
        }
    }
    let alive = cursor("/v1/topups?livemode=true&");
    let answer = app.get(&format!("/v1/topups?cursor={}", encoded(&alive)));
    assert_problem(&answer, 400, "invalid_parameter", "of live mode");
}

#[test]
fn parameters_that_are_unknown_repeated_or_not_understood_are_refused() {
    let app = TestApp::start();
    for (_, event) in one_of_each() {
        app.apply(&event);
    }
    let event = account("acct_1");
    app.outcome(&event);
    let of_event = format!("/v1/events/{}", event["id"].as_str().unwrap());
    let of_body = format!("{of_event}/body");
    let singles = [
        "/v1/accounts/acct_1",
        "/v1/topups/tu_1",
        "/v1/transfers/tr_1",
        "/v1/payouts/po_1",
        "/v1/balance",
        "/v1/summary",
        &of_event,
        &of_body,
    ];
    let histories = ["/v1/accounts/acct_1/history", "/v1/payouts/po_1/history"];
    for path in LISTS.into_iter().chain(singles).chain(histories) {
        for query in [
            "bogus=1",
            "Livemode=false",
            "livemode=false&livemode=false",
            "livemode=maybe",
            "livemode=",
            "livemode=false&bogus",
        ] {
            let answer = app.send(&Request::get(&format!("{path}?{query}")).token(OPERATOR));
            assert_problem(&answer, 400, "invalid_parameter", &format!("{path}?{query}"));
        }
    }
    for path in [
        "/v1/accounts?payable=maybe",
        "/v1/accounts?account=acct_1",
        "/v1/accounts?country=US&country=US",
        "/v1/accounts/acct_1?account=acct_1",
        "/v1/accounts/acct_1/history?account=acct_1",
        "/v1/topups?destination=acct_1",
        "/v1/topups/tu_1?limit=1",
        "/v1/transfers?currency=usd",
        "/v1/payouts?destination=ba_1",
        "/v1/payouts/po_1?account=acct_1&account=acct_1",
        "/v1/events?since=yesterday",
        "/v1/events?until=1790672800",
        "/v1/events?kind=account",
    ] {
        assert_problem(&app.get(path), 400, "invalid_parameter", path);
    }
}

#[test]
fn a_status_that_does_not_exist_is_refused() {
    let app = TestApp::start();
    for path in [
        "/v1/accounts?status=paid",
        "/v1/topups?status=in_transit",
        "/v1/transfers?status=paid",
        "/v1/payouts?status=succeeded",
        "/v1/payouts?status=Paid",
        "/v1/events?outcome=lost",
    ] {
        assert_problem(&app.get(path), 400, "invalid_parameter", path);
    }
}

// Partitions.

#[test]
fn live_and_test_mode_are_kept_apart() {
    let app = TestApp::start();
    for (_, event) in one_of_each() {
        app.apply(&event);
    }
    for (path, event) in one_of_each() {
        let joint = if path.contains('?') { '&' } else { '?' };
        let alive = format!("{path}{joint}livemode=true");
        assert_problem(&app.get(&alive), 404, "not_found", &alive);
        let event = live(event);
        app.apply(&event);
        let shown = app.read(&alive);
        assert_eq!(shown["livemode"], true, "{alive}");
        assert_eq!(shown["as_of"]["event_id"], event["id"], "{alive}");
        assert_eq!(app.read(path)["livemode"], false, "{path}");
    }
    for path in LISTS {
        let counts = [false, true].map(|livemode| {
            let list = app.read(&format!("{path}?livemode={livemode}"));
            assert_eq!(list["livemode"], livemode, "{path}");
            list["data"].as_array().unwrap().len()
        });
        assert_eq!(counts[0], counts[1], "{path}");
    }
}

#[test]
fn the_partition_that_reads_show_can_be_set() {
    let app = TestApp::start_with(&[("LIVEMODE", "true")], Limits::default());
    app.apply(&account("acct_test"));
    app.apply(&live(account("acct_live")));
    assert_eq!(app.column("/v1/accounts", "id"), ["acct_live"]);
    assert_eq!(app.read("/v1/accounts")["livemode"], true);
    assert_eq!(app.column("/v1/accounts?livemode=false", "id"), ["acct_test"]);
    assert_eq!(app.get("/v1/accounts/acct_test").status, 404);
    assert_eq!(app.get("/v1/accounts/acct_test?livemode=false").status, 200);
    assert_eq!(app.get("/v1/accounts/acct_test/history").status, 404);
    assert_eq!(app.read("/v1/summary")["accounts"]["complete"], 1);
}

// What is not there.

#[test]
fn what_is_not_known_is_not_found() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    for path in [
        "/v1/accounts/acct_2",
        "/v1/accounts/acct_2/history",
        "/v1/accounts/acct_1%20",
        "/v1/accounts/ACCT_1",
        "/v1/topups/acct_1",
        "/v1/topups/acct_1/history",
        "/v1/transfers/tr_1",
        "/v1/payouts/po_1",
        "/v1/payouts/po_1?account=acct_1",
        "/v1/payouts/po_1/history?account=acct_1",
        "/v1/balance?account=acct_1",
        "/v1/events/evt_none",
        "/v1/persons",
        "/v1/persons/person_1/history",
        "/v1/balances/x/history",
        "/v1",
        "/v2/accounts",
        "/v1/accounts/acct_1/nothing",
    ] {
        assert_problem(&app.get(path), 404, "not_found", path);
    }
    let body = app.send(&Request::get("/v1/events/evt_none/body").token(OPERATOR));
    assert_problem(&body, 404, "not_found", "a body");
}

#[test]
fn paths_and_queries_that_are_not_text_are_told_as_problems() {
    let app = TestApp::start();
    for path in [
        "/v1/accounts/%FF",
        "/v1/accounts/%FF/history",
        "/v1/events/%C3",
        "/v1/accounts/%",
        "/v1/accounts/%zz",
        "/v1/accounts/",
        "/v1/accounts//history",
        "/v1/accounts?country=%FF",
        "/v1/payouts/po_1?account=%FF",
        "/v1/events?since=%FF",
        "/v1/summary?%FF=1",
    ] {
        let answer = app.get(path);
        match answer.status {
            200 => assert!(path.contains("country"), "{path}"),
            400 => assert_problem(&answer, 400, "invalid_parameter", path),
            _ => assert_problem(&answer, 404, "not_found", path),
        }
    }
    let body = Request::get("/v1/events/%FF/body").token(OPERATOR);
    assert_problem(&app.send(&body), 404, "not_found", "a body");
    let redrive = Request::post("/v1/events/%FF/redrive", "").token(OPERATOR);
    assert_problem(&app.send(&redrive), 404, "not_found", "a redrive");
}

#[test]
fn reads_answer_get_and_head_only() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    for path in ["/v1/accounts/acct_1", "/v1/accounts", "/v1/summary", "/healthz"] {
        let get = app.get(path);
        let head = app.send(&Request::new("HEAD", path).token(READER));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        for method in ["PUT", "DELETE", "PATCH"] {
            let answer = app.send(&Request::new(method, path).token(OPERATOR));
            assert_problem(&answer, 405, "method_not_allowed", &format!("{method} {path}"));
            assert!(answer.header("allow").unwrap().contains("GET"), "{path}");
        }
    }
}

// ETags.

#[test]
fn a_read_that_the_caller_has_already_is_not_sent_again() {
    let app = TestApp::start();
    for (_, event) in one_of_each() {
        app.apply(&event);
    }
    for (path, _) in one_of_each() {
        let first = app.get(path);
        let etag = first.header("etag").unwrap();
        assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{etag}");
        for known in [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"other\", {etag}"),
            format!("\"a\",{etag},\"b\""),
            "*".to_owned(),
        ] {
            let request = Request::get(path).token(READER).header("If-None-Match", &known);
            let answer = app.send(&request);
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{path} {known}");
            assert_eq!(answer.header("etag"), Some(etag.clone()), "{path}");
        }
        for unknown in ["\"other\"", "other", &etag[1..etag.len() - 1], ""] {
            let request = Request::get(path).token(READER).header("If-None-Match", unknown);
            let answer = app.send(&request);
            assert_eq!((answer.status, &answer.body), (200, &first.body), "{path} {unknown}");
        }
    }
}

#[test]
fn a_change_gives_a_read_another_etag() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    let etag = app.get("/v1/accounts/acct_1").header("etag").unwrap();
    assert_eq!(app.get("/v1/accounts/acct_1").header("etag"), Some(etag.clone()));
    app.apply(&restricted("acct_1"));
    let request = Request::get("/v1/accounts/acct_1").token(READER).header("If-None-Match", &etag);
    let answer = app.send(&request);
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("etag"), Some(etag));
}

// History.

#[test]
fn a_history_tells_every_report_in_the_objects_order() {
    let app = TestApp::start();
    let created = payout("po_1", "created", "pending");
    let again = payout("po_1", "updated", "pending");
    let paid = payout("po_1", "paid", "paid");
    let returned = payout("po_1", "updated", "in_transit");
    let failed = payout("po_1", "failed", "failed");
    let after = payout("po_1", "canceled", "canceled");
    for event in [&created, &paid, &again, &failed, &after, &returned] {
        app.outcome(event);
    }
    app.outcome(&created);
    let history = app.read("/v1/payouts/po_1/history");
    let expected = [
        (&created, "first", false, json!(null), "pending"),
        (&again, "repeat", true, json!("pending"), "pending"),
        (&paid, "advance", false, json!("pending"), "paid"),
        (&returned, "conflict", true, json!("paid"), "in_transit"),
        (&failed, "advance", false, json!("in_transit"), "failed"),
        (&after, "conflict", false, json!("failed"), "failed"),
    ];
    let entries = history["data"].as_array().unwrap();
    assert_eq!(entries.len(), expected.len(), "{history}");
    for (entry, (event, step, late, before, after)) in entries.iter().zip(expected) {
        assert_eq!(entry["event_id"], event["id"], "{entry}");
        assert_eq!(entry["type"], event["type"], "{entry}");
        assert_eq!(entry["created"], event["created"], "{entry}");
        assert_eq!(entry["source"], "platform", "{entry}");
        assert_eq!(entry["step"], step, "{entry}");
        assert_eq!(entry["arrived_late"], late, "{entry}");
        assert_eq!(entry["status_before"], before, "{entry}");
        assert_eq!(entry["status_after"], after, "{entry}");
        assert_time(&entry["received_at"], "received_at");
        assert!(entry["changes"].is_object(), "{entry}");
    }
    assert_eq!(app.read("/v1/summary")["conflicts"], 2);
}

#[test]
fn a_history_tells_what_each_report_changed() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    app.apply(&restricted("acct_1"));
    app.outcome(&restricted("acct_1"));
    app.apply(&topup("tu_1", "created", "pending"));
    app.apply(&with(topup("tu_1", "failed", "failed"), "data.object.failure_code", json!("x")));

    let entries = app.column("/v1/accounts/acct_1/history", "changes");
    assert_eq!(entries[0]["status"], json!([null, "complete"]));
    assert_eq!(entries[0]["payable"], json!([null, true]));
    assert_eq!(entries[0]["country"], json!([null, "US"]));
    assert_eq!(entries[1]["status"], json!(["complete", "restricted"]));
    assert_eq!(entries[1]["payable"], json!([true, false]));
    assert_eq!(entries[1]["blockers"], json!([[], ["individual.id_number"]]));
    assert_eq!(entries[1].get("country"), None);
    assert_eq!(entries[2], json!({}));
    let entries = app.column("/v1/topups/tu_1/history", "changes");
    let expected = json!({ "status": ["pending", "failed"], "failure_code": [null, "x"] });
    assert_eq!(entries[1], expected);
}

#[test]
fn a_history_tells_of_capabilities_and_authorizations() {
    let app = TestApp::start();
    app.apply(&capability("acct_1", "transfers", "active"));
    app.apply(&account("acct_1"));
    app.apply(&application("acct_1", "deauthorized"));
    let path = "/v1/accounts/acct_1/history";
    assert_eq!(
        app.column(path, "type"),
        ["capability.updated", "account.updated", "account.application.deauthorized"]
    );
    assert_eq!(
        app.column(path, "status_before"),
        [json!(null), json!("onboarding"), json!("complete")]
    );
    assert_eq!(app.column(path, "status_after"), ["onboarding", "complete", "deauthorized"]);
}

#[test]
fn a_history_is_paged() {
    let app = TestApp::start();
    let events: Vec<Value> = (0..7).map(|_| account("acct_1")).collect();
    for event in &events {
        app.outcome(event);
    }
    let ids: Vec<Value> = events.iter().map(|event| event["id"].clone()).collect();
    let path = "/v1/accounts/acct_1/history";
    assert_eq!(app.column(path, "event_id"), ids);
    for limit in [1, 3, 7] {
        let paged = pages(&app, &format!("{path}?limit={limit}"), "event_id", || {});
        assert_eq!(paged, ids, "limit {limit}");
    }
    let mut arrived = Vec::new();
    let paged = pages(&app, &format!("{path}?limit=2"), "event_id", || {
        let event = account("acct_1");
        if arrived.len() < 2 {
            app.outcome(&event);
            arrived.push(event["id"].clone());
        }
    });
    assert_eq!(paged, [ids, arrived].concat(), "those that arrive meanwhile come last");
}

#[test]
fn the_source_of_each_report_is_told() {
    let app = TestApp::start();
    let (delivered, replayed) = (account("acct_1"), restricted("acct_1"));
    app.apply(&delivered);
    assert_eq!(app.post("/v1/replays", &json!({ "events": [replayed] })).status, 200);
    assert_eq!(app.column("/v1/accounts/acct_1/history", "source"), ["platform", "replay:olga"]);
    assert_eq!(app.column("/v1/events", "source"), ["replay:olga", "platform"]);
}

// Events.

#[test]
fn an_event_is_shown_with_all_its_fields() {
    let app = TestApp::start();
    let event = account("acct_1");
    app.apply(&event);
    let shown = app.read(&format!("/v1/events/{}", event["id"].as_str().unwrap()));
    for field in ["id", "type", "created", "livemode", "account", "api_version"] {
        assert_eq!(shown[field], event[field], "{field}");
    }
    assert_time(&shown["received_at"], "received_at");
    assert_eq!(shown["source"], "platform");
    assert_eq!(shown["outcome"], "applied");
    assert_eq!(shown["reason"], json!(null));
    assert_eq!(shown["flags"], json!([]));

    let platform = topup("tu_1", "created", "pending");
    app.apply(&platform);
    let shown = app.read(&format!("/v1/events/{}", platform["id"].as_str().unwrap()));
    assert_eq!(shown["account"], json!(null));
}

#[test]
fn events_are_filtered() {
    let app = TestApp::start();
    let first = account("acct_1");
    let paid = of("acct_2", payout("po_1", "paid", "paid"));
    let pending = topup("tu_1", "created", "pending");
    let parked = with(topup("tu_2", "created", "pending"), "data.object.status", json!("odd"));
    let person = event("person.updated", json!({ "id": "person_1" }));
    let again = account("acct_1");
    for event in [&first, &paid, &pending, &parked, &person, &again] {
        app.outcome(event);
    }
    for (query, expected) in [
        ("type=account.updated", vec![&again, &first]),
        ("type=account", vec![]),
        ("object=acct_1", vec![&again, &first]),
        ("object=tu_2", vec![&parked]),
        ("object=person_1", vec![&person]),
        ("account=acct_2", vec![&paid]),
        ("account=acct_1", vec![&again, &first]),
        ("outcome=applied", vec![&pending, &paid, &first]),
        ("outcome=unchanged", vec![&again]),
        ("outcome=parked", vec![&parked]),
        ("outcome=ignored", vec![&person]),
        ("outcome=stale", vec![]),
        ("outcome=applied&account=acct_1", vec![&first]),
        ("type=account.updated&limit=1", vec![&again]),
    ] {
        let ids: Vec<Value> = expected.into_iter().map(|event| event["id"].clone()).collect();
        assert_eq!(app.column(&format!("/v1/events?{query}"), "id"), ids, "{query}");
    }
}

#[test]
fn events_are_filtered_by_the_time_of_their_receipt() {
    let app = TestApp::start();
    for number in 0..3 {
        app.apply(&balance(number));
    }
    let times = app.column("/v1/events", "received_at");
    let time = |index: usize| encoded(times[index].as_str().unwrap());
    let count = |query: &str| app.column(&format!("/v1/events?{query}"), "id").len();
    assert_eq!(count(&format!("since={}", time(2))), 3);
    assert_eq!(count(&format!("since={}", time(1))), 2);
    assert_eq!(count(&format!("until={}", time(1))), 1);
    assert_eq!(count(&format!("since={}&until={}", time(1), time(0))), 1);
    assert_eq!(count("since=2999-01-01T00:00:00Z"), 0);
    assert_eq!(count("until=2999-01-01T00:00:00%2B02:00"), 3);
    assert_eq!(count("until=2001-01-01T00:00:00Z"), 0);
}

#[test]
fn a_body_is_given_to_operators_byte_for_byte() {
    let app = TestApp::start();
    let event = account("acct_1");
    for (number, body) in [
        event.to_string(),
        serde_json::to_string_pretty(&event).unwrap() + "\r\n\t ",
        event.to_string().replace("Nora", "\\u004eora").replace("US", "\\u0055S"),
        with(event.clone(), "data.object.note", json!("žluťoučký \u{1f600} \u{2028}")).to_string(),
        event.to_string().replacen("true", "true, \"n\": 1.000e+2, \"m\": -0", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("evt_body{number}");
        let body = body.replacen(event["id"].as_str().unwrap(), &id, 1);
        assert_eq!(app.send(&signed(&body)).status, 200, "{body}");
        let path = format!("/v1/events/{id}/body");
        let answer = app.send(&Request::get(&path).token(OPERATOR));
        assert_eq!(String::from_utf8(answer.body).unwrap(), body);
        for token in [READER, PAYER] {
            let answer = app.send(&Request::get(&path).token(token));
            assert_problem(&answer, 403, "forbidden", token);
        }
    }
}

// Summary.

#[test]
fn a_summary_counts_events_and_objects_of_its_partition() {
    let app = TestApp::start();
    app.apply(&account("acct_1"));
    app.apply(&restricted("acct_2"));
    app.apply(&restricted("acct_1"));
    app.outcome(&with(account("acct_1"), "created", json!(1)));
    app.outcome(&restricted("acct_2"));
    app.outcome(&event("person.updated", json!({})));
    app.apply(&topup("tu_1", "created", "pending"));
    app.apply(&transfer("tr_1", "reversed", 400));
    app.apply(&of("acct_1", payout("po_1", "paid", "paid")));
    app.apply(&payout("po_1", "paid", "paid"));
    app.apply(&live(account("acct_1")));
    let duplicate = balance(1);
    app.apply(&duplicate);
    assert_eq!(app.outcome(&duplicate), "duplicate");
    let summary = app.read("/v1/summary");
    let events = json!({ "applied": 8, "stale": 1, "unchanged": 1, "ignored": 1, "parked": 0 });
    let without_zeros = |counts: &Value| {
        let counts = counts.as_object().unwrap().iter();
        let counts = counts.filter(|(_, count)| **count != 0 && !count.is_null());
        counts.map(|(name, count)| (name.clone(), count.clone())).collect::<Value>()
    };
    assert_eq!(without_zeros(&summary["events"]), without_zeros(&events));
    for (kind, counts) in [
        ("accounts", json!({ "restricted": 2 })),
        ("topups", json!({ "pending": 1 })),
        ("transfers", json!({ "partially_reversed": 1 })),
        ("payouts", json!({ "paid": 2 })),
    ] {
        assert_eq!(without_zeros(&summary[kind]), counts, "{kind}");
    }
    assert_eq!(app.read("/v1/summary?livemode=true")["accounts"]["complete"], 1);
}

#[test]
fn a_summary_tells_when_each_source_was_last_heard() {
    let app = TestApp::start();
    assert_eq!(app.read("/v1/summary")["sources"], json!({}));
    app.apply(&balance(1));
    app.apply(&balance(2));
    let last = app.column("/v1/events", "received_at")[0].clone();
    assert_time(&last, "received_at");
    assert_eq!(app.read("/v1/summary")["sources"], json!({ "platform": last }));
}

#[test]
fn a_summary_tells_when_the_oldest_parked_event_came() {
    let app = TestApp::start();
    assert_eq!(app.read("/v1/summary")["oldest_parked"], json!(null));
    for id in ["tu_1", "tu_2"] {
        app.outcome(&with(topup(id, "created", "pending"), "data.object.status", json!("odd")));
    }
    let times = app.column("/v1/events?outcome=parked", "received_at");
    assert_eq!(app.read("/v1/summary")["oldest_parked"], times[1]);
}
