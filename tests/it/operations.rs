//! Onboarding and money: what is asked for, what is sent to Stripe, what comes back.

use serde_json::{Value, json};

use crate::support::events::{account, balance, of, restricted, topup};
use crate::support::platform::{Platform, order};
use crate::support::{OPERATOR, PAYER, READER, Request, TestApp, assert_problem, with};

fn words(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

fn transfer(destination: &str, amount: i64) -> Value {
    json!({ "amount": amount, "currency": "usd", "destination": destination })
}

#[test]
fn without_a_key_of_stripes_every_call_says_what_is_missing() {
    let app = TestApp::start();
    for path in [
        "/v1/accounts",
        "/v1/accounts/acct_1/persons",
        "/v1/accounts/acct_1/onboarding_links",
        "/onboard-user",
        "/v1/topups",
        "/v1/topups/tu_1/cancel",
        "/v1/transfers",
        "/v1/transfers/tr_1/reversals",
    ] {
        let answer = app.send(&order(path, "key", &json!({})));
        assert_problem(&answer, 501, "stripe_key_missing", path);
    }
    assert_eq!(app.read("/v1/operations")["data"], json!([]));
}

#[test]
fn calls_are_for_payers_with_a_key() {
    let platform = Platform::start();
    let body = transfer("acct_1", 5);
    for token in [READER, OPERATOR] {
        let request = Request::post("/v1/transfers", body.to_string()).token(token);
        let answer = platform.app.send(&request.header("Idempotency-Key", "key"));
        assert_problem(&answer, 403, "forbidden", token);
    }
    let bare = || Request::post("/v1/transfers", body.to_string()).token(PAYER);
    let answer = platform.app.send(&bare());
    assert_problem(&answer, 400, "idempotency_key_missing", "none");
    for key in ["", &"k".repeat(256), "é"] {
        let answer = platform.app.send(&bare().header("Idempotency-Key", key));
        assert_problem(&answer, 400, "idempotency_key_invalid", key);
    }
    let twice = bare().header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    assert_problem(&platform.app.send(&twice), 400, "idempotency_key_invalid", "twice");
    let longest = platform.app.send(&bare().header("Idempotency-Key", &"k".repeat(255)));
    assert_eq!(longest.status, 409, "the key is fine; the account is not known");
    let answer = platform.app.send(&Request::post("/v1/transfers", body.to_string()));
    assert_problem(&answer, 401, "unauthorized", "no token");
    assert!(platform.calls("POST", "/v1/transfers").is_empty());
}

#[test]
fn every_wrong_field_is_named_and_nothing_is_sent() {
    let platform = Platform::start();
    for (path, body, fields) in [
        ("/v1/transfers", json!({}), vec!["amount", "currency", "destination"]),
        (
            "/v1/transfers",
            json!({ "amount": "5", "currency": "usdollar", "destination": "tu_1", "topup": "tu_1", "x": 1 }),
            vec!["amount", "currency", "destination", "topup", "x"],
        ),
        (
            "/v1/topups",
            json!({ "amount": 0, "currency": "usd", "statement_descriptor": "123" }),
            vec!["amount", "statement_descriptor"],
        ),
        ("/v1/topups/tu_1/cancel", json!({ "reason": "x" }), vec!["reason"]),
        ("/v1/transfers/tr_1/reversals", json!({ "amount": -1 }), vec!["amount"]),
        (
            "/v1/accounts",
            json!({ "country": "USA", "business_type": "cat", "metadata": { "bursar_operation": "x" } }),
            vec!["country", "business_type", "metadata.bursar_operation"],
        ),
        (
            "/v1/accounts/acct_1/onboarding_links",
            json!({ "refresh_url": "example.com" }),
            vec!["refresh_url", "return_url"],
        ),
        (
            "/onboard-user",
            json!({ "refresh_url": "http://a", "return_url": "http://a" }),
            vec!["reference"],
        ),
        ("/v1/accounts/acct_1/persons", json!({ "first_name": "" }), vec!["first_name"]),
    ] {
        let answer = platform.order(path, "key", &body);
        assert_problem(&answer, 400, "invalid_request", path);
        assert_eq!(words(&answer.json()["errors"], "field"), fields, "{path} {body}");
    }
    let answer = platform
        .app
        .send(&Request::post("/v1/topups", "[]").token(PAYER).header("Idempotency-Key", "key"));
    assert_problem(&answer, 400, "invalid_body", "a list");
    platform.stripe.with(|sandbox| assert!(sandbox.journal.is_empty()));
    assert_eq!(platform.app.read("/v1/operations")["data"], json!([]));
}

#[test]
fn an_account_is_created_as_in_the_guide_and_its_reference_is_its_own() {
    let platform = Platform::start();
    let body = json!({
        "country": "US", "email": "jenny@example.com", "reference": "u7",
        "individual": { "first_name": "Jenny", "dob": { "day": 1, "month": 2, "year": 1990 } }, "metadata": { "plan": "gold" },
    });
    let created = platform.done(201, "/v1/accounts", "key", &body);
    assert_eq!(
        (&created["state"], &created["action"], &created["warnings"]),
        (&json!("succeeded"), &json!("create_account"), &json!([]))
    );
    let id = created["object_id"].as_str().unwrap();
    assert_eq!(created["object"]["id"], id);
    assert!(created["object"].get("email").is_none(), "nothing personal is kept: {created}");
    assert!(created["request_id"].as_str().unwrap().starts_with("req_"));
    let [seen] = &platform.calls("POST", "/v1/accounts")[..] else { panic!("one call") };
    let params = &seen.params;
    assert_eq!(params["controller"]["losses"]["payments"], "application");
    assert_eq!(params["controller"]["fees"]["payer"], "application");
    assert_eq!(params["controller"]["stripe_dashboard"]["type"], "express");
    assert_eq!(params["individual"]["dob"]["day"], "1");
    assert_eq!(params["metadata"]["bursar_operation"], created["id"]);
    assert_eq!(params["metadata"]["bursar_reference"], "u7");
    assert_eq!(params["metadata"]["plan"], "gold");

    // The same again is the same; for the same person, no second one.
    assert_eq!(platform.done(201, "/v1/accounts", "key", &body), created);
    let answer = platform.order("/v1/accounts", "other", &body);
    assert_problem(&answer, 409, "reference_taken", "another key");
    assert_eq!(answer.json()["account"], id);
    let made = platform.made("/v1/accounts");
    assert_eq!(made.iter().filter(|id| id.starts_with("acct_")).count(), 1, "{made:?}");
}

/// The first read after the answer shows it, and history tells where that comes from.
#[test]
fn what_was_made_is_there_before_any_event_tells_of_it() {
    let platform = Platform::start();
    platform.stripe.with(|sandbox| sandbox.world.outbox.hold(true));
    let account = platform.done(201, "/v1/accounts", "account", &json!({ "country": "US" }));
    let path = format!("/v1/accounts/{}", account["object_id"].as_str().unwrap());
    assert_eq!(platform.app.read(&path)["status"], "onboarding");
    let body = json!({ "amount": 2000, "currency": "usd" });
    let topup = platform.done(201, "/v1/topups", "topup", &body);
    let path = format!("/v1/topups/{}", topup["object_id"].as_str().unwrap());
    assert_eq!(platform.app.read(&path)["status"], "pending");
    platform.stripe.with(|sandbox| sandbox.world.outbox.hold(false));
    platform.stripe.advance(0);
    let history = format!("{path}/history");
    let start = std::time::Instant::now();
    while platform.app.column(&history, "type").len() < 2 {
        assert!(start.elapsed().as_secs() < 30, "its event never came");
        std::thread::yield_now();
    }
    assert_eq!(platform.app.column(&history, "type"), ["topup.observed", "topup.created"]);
    assert_eq!(platform.app.column(&history, "source"), ["operation", "platform"]);
    assert_eq!(platform.app.column(&history, "step"), ["first", "repeat"]);
}

#[test]
fn a_platform_that_does_not_bear_the_losses_is_warned() {
    let platform = Platform::start();
    let controller = json!({
        "losses": { "payments": "stripe" }, "fees": { "payer": "account" },
        "stripe_dashboard": { "type": "full" },
    });
    let created = platform.done(201, "/v1/accounts", "key", &json!({ "controller": controller }));
    assert_eq!(words(&created["warnings"], "code"), ["losses_not_borne"]);
}

#[test]
fn people_are_prefilled_until_a_link_was_made() {
    let platform = Platform::start();
    let account = platform.done(201, "/v1/accounts", "account", &json!({}));
    let id = account["object_id"].as_str().unwrap();
    let persons = format!("/v1/accounts/{id}/persons");
    let body = json!({
        "first_name": "Jenny", "last_name": "Rosen", "relationship": { "representative": true },
    });
    let person = platform.done(201, &persons, "person", &body);
    assert!(person["object_id"].as_str().unwrap().starts_with("person_"));
    assert!(!person.to_string().contains("Rosen"), "{person}");
    let [seen] = &platform.calls("POST", &persons)[..] else { panic!("one call") };
    assert_eq!(seen.params["relationship"]["representative"], "true");

    let links = format!("/v1/accounts/{id}/onboarding_links");
    let urls = json!({ "refresh_url": "http://localhost/refresh", "return_url": "http://localhost/return" });
    let answer = platform.order(&links, "link", &urls);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    let link = answer.json();
    assert!(link["url"].as_str().unwrap().starts_with("http"), "{link}");
    assert!(link["expires_at"].is_i64(), "{link}");

    let answer = platform.order(&persons, "late", &body);
    assert_problem(&answer, 409, "link_already_created", "prefill after a link");
    // What was done before is still answered.
    assert_eq!(platform.done(201, &persons, "person", &body), person);
    assert_eq!(platform.calls("POST", &persons).len(), 1);
}

#[test]
fn the_address_of_a_link_is_kept_nowhere_and_asked_for_again() {
    let mut platform = Platform::start();
    let account = platform.done(201, "/v1/accounts", "account", &json!({}));
    let id = account["object_id"].as_str().unwrap();
    let links = format!("/v1/accounts/{id}/onboarding_links");
    let urls = json!({ "refresh_url": "http://localhost/refresh", "return_url": "http://localhost/return" });
    let first = platform.done(201, &links, "link", &urls);
    let again = platform.done(201, &links, "link", &urls);
    assert_eq!(first, again);
    let calls = platform.calls("POST", "/v1/account_links");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].key, calls[1].key, "Stripe made it once");
    assert_problem(
        &platform.order(
            &links,
            "link",
            &json!({ "refresh_url": "http://x", "return_url": "http://x" }),
        ),
        409,
        "idempotency_mismatch",
        "another request",
    );
    let other = platform.done(201, &links, "other", &urls);
    assert_ne!(first["url"], other["url"]);

    let operations = platform.app.read("/v1/operations?action=create_onboarding_link");
    let token = first["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(token.len() > 8 && !operations.to_string().contains(&token), "{operations}");
    platform.app.stop();
    let mut queue = vec![platform.app.store_folder()];
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            queue.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn the_mobile_call_finds_or_creates_the_account_and_answers_where_to_go() {
    let platform = Platform::start_with(&[
        ("ONBOARDING_REFRESH_URL", "http://localhost/refresh"),
        ("ONBOARDING_RETURN_URL", "http://localhost/return"),
    ]);
    let body = json!({ "reference": "u7", "country": "US" });
    let call = || {
        let answer =
            platform.app.send(&Request::post("/onboard-user", body.to_string()).token(PAYER));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
        let url = answer.json()["url"].as_str().unwrap().to_owned();
        assert!(url.contains(answer.json()["account"].as_str().unwrap()), "{url}");
        url
    };
    let urls: Vec<String> = std::thread::scope(|threads| {
        let calls: Vec<_> = (0..5).map(|_| threads.spawn(call)).collect();
        calls.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(platform.made("/v1/accounts").len(), 1, "one account for one person");
    let distinct: std::collections::BTreeSet<&String> = urls.iter().collect();
    assert_eq!(distinct.len(), 5, "a link is for one visit");
    let answer = platform.order("/v1/accounts", "key", &json!({ "reference": "u7" }));
    assert_problem(&answer, 409, "reference_taken", "made by the mobile call");
}

#[test]
fn in_live_mode_people_come_back_by_https_only() {
    let platform =
        Platform::start_with(&[("STRIPE_KEY", "sk_live_platform"), ("LIVEMODE", "true")]);
    let body = json!({ "refresh_url": "http://a.example", "return_url": "https://a.example" });
    let answer = platform.order("/v1/accounts/acct_1/onboarding_links", "key", &body);
    assert_problem(&answer, 400, "invalid_request", "http in live mode");
    assert_eq!(words(&answer.json()["errors"], "field"), ["refresh_url"]);
}

#[test]
fn funds_are_added_and_a_top_up_is_canceled() {
    let platform = Platform::start();
    let body = json!({
        "amount": 2000, "currency": "USD", "description": "Top-up for week of May 31",
        "statement_descriptor": "Weekly top-up",
    });
    let created = platform.done(201, "/v1/topups", "key", &body);
    assert_eq!(created["object"]["status"], "pending");
    let id = created["object_id"].as_str().unwrap();
    platform.until(&format!("/v1/topups/{id}"), "status", &json!("pending"));
    let canceled = platform.done(200, &format!("/v1/topups/{id}/cancel"), "cancel", &json!({}));
    assert_eq!(
        (&canceled["object"]["status"], &canceled["subject"]),
        (&json!("canceled"), &json!(id))
    );
    platform.until(&format!("/v1/topups/{id}"), "status", &json!("canceled"));
    // Stripe's no is passed on.
    let answer = platform.order(&format!("/v1/topups/{id}/cancel"), "again", &json!({}));
    assert!(matches!(answer.status, 400 | 409), "{}", answer.status);
    let problem = answer.json();
    assert_eq!(problem["operation"]["state"], "refused", "{problem}");
    assert!(problem["stripe"]["message"].is_string(), "{problem}");
    let about = platform.app.column(&format!("/v1/operations?object={id}"), "action");
    assert_eq!(about, ["cancel_topup", "cancel_topup", "create_topup"]);
}

#[test]
fn a_transfer_is_made_once_and_taken_back_in_parts() {
    let platform = Platform::start();
    let account = platform.payable("u7");
    platform.funds(5000);
    let mut body = transfer(&account, 1000);
    body["transfer_group"] = json!("week_40");
    body["metadata"] = json!({ "order": "7" });
    let created = platform.done(201, "/v1/transfers", "key", &body);
    assert_eq!(created["object"]["amount"], 1000);
    let id = created["object_id"].as_str().unwrap().to_owned();
    assert_eq!(platform.done(201, "/v1/transfers", "key", &body), created);
    assert_eq!(platform.made("/v1/transfers"), std::slice::from_ref(&id));
    let [seen] = &platform.calls("POST", "/v1/transfers")[..] else { panic!("one call") };
    assert_eq!(seen.params["metadata"]["order"], "7");

    platform.until(&format!("/v1/transfers/{id}"), "status", &json!("created"));
    let reversals = format!("/v1/transfers/{id}/reversals");
    let part = platform.done(201, &reversals, "part", &json!({ "amount": 300 }));
    assert!(part["object_id"].as_str().unwrap().starts_with("trr_"), "{part}");
    platform.until(&format!("/v1/transfers/{id}"), "amount_reversed", &json!(300));
    platform.done(201, &reversals, "rest", &json!({}));
    platform.until(&format!("/v1/transfers/{id}"), "status", &json!("reversed"));
}

#[test]
fn the_same_key_for_another_request_is_refused() {
    let platform = Platform::start();
    let account = platform.payable("u7");
    platform.funds(5000);
    platform.done(201, "/v1/transfers", "key", &transfer(&account, 1000));
    for (path, body) in [
        ("/v1/transfers", transfer(&account, 1001)),
        ("/v1/topups", json!({ "amount": 1000, "currency": "usd" })),
        ("/v1/accounts", json!({})),
    ] {
        let answer = platform.order(path, "key", &body);
        assert_problem(&answer, 409, "idempotency_mismatch", path);
    }
    assert_eq!(platform.made("/v1/transfers").len(), 1);
}

#[test]
fn twenty_requests_at_once_have_one_effect_and_one_answer() {
    let platform = Platform::start();
    let account = platform.payable("u7");
    platform.funds(50_000);
    let body = transfer(&account, 1000);
    let answers: Vec<Value> = std::thread::scope(|threads| {
        let orders: Vec<_> = (0..20)
            .map(|_| threads.spawn(|| platform.done(201, "/v1/transfers", "key", &body)))
            .collect();
        orders.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(platform.made("/v1/transfers").len(), 1);
    assert_eq!(platform.calls("POST", "/v1/transfers").len(), 1);
}

#[test]
fn a_transfer_that_cannot_work_is_refused_with_every_reason_and_not_sent() {
    let platform = Platform::start();
    let far = |event| with(event, "data.object.country", json!("MX"));
    platform.app.apply(&account("acct_good"));
    platform.app.apply(&restricted("acct_restricted"));
    platform.app.apply(&far(restricted("acct_far")));
    platform.app.apply(&balance(100));
    for (destination, amount, currency, codes) in [
        ("acct_nobody", 50, "usd", vec!["account_unknown"]),
        ("acct_restricted", 50, "usd", vec!["account_not_payable"]),
        ("acct_good", 101, "usd", vec!["balance_insufficient"]),
        ("acct_good", 50, "eur", vec!["currency_not_available"]),
        (
            "acct_far",
            101,
            "usd",
            vec!["account_not_payable", "region_not_allowed", "balance_insufficient"],
        ),
    ] {
        let mut body = transfer(destination, amount);
        body["currency"] = json!(currency);
        let answer = platform.order("/v1/transfers", "key", &body);
        assert_problem(&answer, 409, codes[0], destination);
        assert_eq!(words(&answer.json()["reasons"], "code"), codes, "{destination}");
    }
    platform.stripe.with(|sandbox| assert!(sandbox.journal.is_empty(), "no call was made"));
    assert_eq!(platform.app.read("/v1/operations")["data"], json!([]));
}

#[test]
fn the_operator_can_name_countries_where_recipients_are_paid() {
    let recipient = |event| {
        let event = with(event, "data.object.country", json!("MX"));
        let agreement = json!({ "service_agreement": "recipient" });
        with(event, "data.object.tos_acceptance", agreement)
    };
    for (overrides, allowed) in [("MX,AU", true), ("AU", false)] {
        let platform = Platform::start_with(&[("REGION_OVERRIDES", overrides)]);
        platform.app.apply(&recipient(account("acct_mx")));
        platform.app.apply(&balance(100));
        let answer = platform.order("/v1/transfers", "key", &transfer("acct_mx", 50));
        let sent = !platform.calls("POST", "/v1/transfers").is_empty();
        assert_eq!(sent, allowed, "{overrides}: {}", String::from_utf8_lossy(&answer.body));
    }
}

#[test]
fn a_balance_that_was_reported_long_ago_is_asked_for_before_a_refusal() {
    let platform = Platform::start();
    let account = platform.payable("u7");
    // Money that no event tells of.
    platform.stripe.with(|sandbox| {
        sandbox.world.outbox.hold(true);
        let order = json!({ "amount": 500, "currency": "usd" });
        sandbox.world.add_funds(&order).unwrap();
    });
    platform.done(201, "/v1/transfers", "key", &transfer(&account, 400));
    assert_eq!(platform.calls("GET", "/v1/balance").len(), 1, "none was known");
    // It is known by now what is left; nobody needs to be asked again.
    let answer = platform.order("/v1/transfers", "other", &transfer(&account, 200));
    assert_problem(&answer, 409, "balance_insufficient", "100 are left");
    assert_eq!(platform.calls("GET", "/v1/balance").len(), 1);
    assert_eq!(platform.calls("POST", "/v1/transfers").len(), 1);
}

#[test]
fn a_transfer_that_looks_like_an_earlier_one_is_made_with_a_warning() {
    let platform = Platform::start();
    let account = platform.payable("u7");
    platform.funds(5000);
    let group = |name: &str| {
        let mut body = transfer(&account, 1000);
        body["transfer_group"] = json!(name);
        body
    };
    let first = platform.done(201, "/v1/transfers", "one", &group("week_40"));
    assert_eq!(first["warnings"], json!([]));
    let second = platform.done(201, "/v1/transfers", "two", &group("week_40"));
    assert_eq!(words(&second["warnings"], "code"), ["possible_duplicate"]);
    let detail = second["warnings"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(first["id"].as_str().unwrap()), "{detail}");
    let third = platform.done(201, "/v1/transfers", "three", &group("week_41"));
    assert_eq!(third["warnings"], json!([]));
    assert_eq!(platform.made("/v1/transfers").len(), 3);
}

#[test]
fn operations_are_listed_read_and_counted() {
    let platform = Platform::start();
    let created = platform.done(201, "/v1/accounts", "key", &json!({}));
    let id = created["id"].as_str().unwrap();
    assert_eq!(platform.app.read(&format!("/v1/operations/{id}")), created);
    assert_eq!(platform.app.column("/v1/operations?state=succeeded", "id"), [id]);
    assert_eq!(platform.app.column("/v1/operations?state=unknown", "id"), [""; 0]);
    assert_problem(&platform.app.get("/v1/operations/op_9"), 404, "not_found", "unknown");
    assert_problem(
        &platform.app.get("/v1/operations?state=done"),
        400,
        "invalid_parameter",
        "word",
    );
    let counts = platform.app.read("/v1/summary")["operations"].clone();
    assert_eq!((&counts["succeeded"], &counts["unknown"]), (&json!(1), &json!(0)));
    let answer = platform.app.post(
        &format!("/v1/operations/{id}/resolve"),
        &json!({ "outcome": "refused", "reason": "x" }),
    );
    assert_problem(&answer, 409, "outcome_is_known", "it succeeded");
}

#[test]
fn a_platforms_events_of_a_connected_account_are_no_operations_of_ours() {
    let platform = Platform::start();
    let created =
        platform.done(201, "/v1/topups", "key", &json!({ "amount": 5, "currency": "usd" }));
    let metadata = json!({ "bursar_operation": created["id"] });
    let event = with(topup("tu_other", "created", "pending"), "data.object.metadata", metadata);
    platform.app.outcome(&of("acct_1", event));
    let id = created["id"].as_str().unwrap();
    let now = platform.app.read(&format!("/v1/operations/{id}"));
    assert_eq!(now["object_id"], created["object_id"]);
}
