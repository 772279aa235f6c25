//! Stripe's stand-in as a server: headers, dropped connections, the onboarding in a browser's
//! place, webhooks to a running bursar, and the command.

use std::process::Command;
use std::time::{Duration, Instant};

use bursar::sandbox::server::{Clock, Options};
use bursar::sandbox::world::Settings;
use serde_json::{Value, json};

use crate::process::{Place, Process, run};
use crate::support::shapes::{assert_object, assert_request};
use crate::support::stand_in::{DAY, EXPRESS, KEY, StandIn};
use crate::support::{Answer, DEFAULT_SECRET, Request, TestApp, raw};

/// So far in the past that a story can be played in the time that has passed since.
fn three_weeks_ago() -> Options {
    Options { clock: Clock::System { offset_seconds: -21 * DAY }, ..Options::default() }
}

/// A sandbox that tells this bursar of everything.
fn telling(app: &TestApp) -> StandIn {
    let url = format!("http://{}/webhooks/stripe", app.address());
    StandIn::telling(&url, DEFAULT_SECRET, three_weeks_ago())
}

#[test]
fn answers_carry_the_headers_that_stripes_do() {
    let stripe = StandIn::start();
    let request = StandIn::request("POST", "/v1/topups", "amount=5&currency=usd");
    let request =
        request.header("Idempotency-Key", "k").header("Stripe-Version", "2026-07-29.dahlia");
    let first = stripe.send(&request);
    let again = stripe.send(&request);
    assert_object(&first.json());
    assert_eq!(first.header("stripe-version").as_deref(), Some("2026-07-29.dahlia"));
    assert!(first.header("request-id").unwrap().starts_with("req_"));
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed").as_deref(), Some("true"));
    assert_eq!(again.header("original-request"), first.header("request-id"));
    assert_eq!(again.body, first.body);
    let basic = Request::get("/v1/balance").header("Authorization", "Basic c2tfdGVzdF94Og==");
    assert_object(&stripe.send(&basic).json());
    let nobody = stripe.send(&Request::get("/v1/balance"));
    assert_eq!(nobody.status, 401);
    let text = nobody.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("You did not provide an API key."), "{text}");
}

#[test]
fn the_clock_that_answers_show_is_the_sandboxs() {
    let stripe = StandIn::start_with(Options { clock: Clock::Still(0), ..Options::default() });
    let date =
        |stripe: &StandIn| stripe.send(&StandIn::request("GET", "/v1/balance", "")).header("date");
    assert_eq!(date(&stripe).as_deref(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    stripe.advance(DAY);
    assert_eq!(date(&stripe).as_deref(), Some("Fri, 02 Jan 1970 00:00:00 GMT"));
    assert_eq!(stripe.look("clock")["now"], DAY);
}

#[test]
fn a_dropped_answer_leaves_no_byte_and_one_effect() {
    let stripe = StandIn::start();
    for when in ["after", "before"] {
        stripe.pull("faults", &json!({"fault": "drop", "when": when, "path": "/v1/topups"}));
        let form = "amount=5&currency=usd";
        let head = format!(
            "POST /v1/topups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nIdempotency-Key: {when}\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let received = raw(stripe.running.address, head.as_bytes());
        assert!(received.is_empty(), "{}", String::from_utf8_lossy(&received));
        let again = StandIn::request("POST", "/v1/topups", form).header("Idempotency-Key", when);
        let again = stripe.send(&again);
        let replayed = again.header("idempotent-replayed").is_some();
        assert_eq!((again.status, replayed), (200, when == "after"));
    }
    let requests = stripe.look("requests");
    let effects = |request: &Value| request["effects"].as_array().unwrap().len();
    let told: Vec<(Value, usize)> = requests
        .as_array()
        .unwrap()
        .iter()
        .map(|request| (request["status"].clone(), effects(request)))
        .collect();
    assert_eq!(told, [(Value::Null, 1), (json!(200), 0), (Value::Null, 0), (json!(200), 1)]);
}

#[test]
fn what_was_asked_for_happens_though_the_client_left() {
    let stripe = StandIn::start();
    stripe.pull("faults", &json!({"fault": "delay", "milliseconds": 200, "path": "/v1/topups"}));
    let form = "amount=5&currency=usd";
    let head = format!(
        "POST /v1/topups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    crate::support::raw_and_hang_up(stripe.running.address, head.as_bytes());
    let start = Instant::now();
    while stripe.look("state")["topups"].as_array().unwrap().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(30), "the call was forgotten");
        std::thread::yield_now();
    }
}

#[test]
fn twenty_at_once_with_one_key_have_one_effect() {
    let stripe = StandIn::start();
    stripe.pull("faults", &json!({"fault": "delay", "milliseconds": 50, "times": 20}));
    let request = StandIn::request("POST", "/v1/topups", "amount=5&currency=usd");
    let request = request.header("Idempotency-Key", "k");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..20).map(|_| scope.spawn(|| stripe.send(&request))).collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    let made = answers.iter().filter(|answer| answer.status == 200);
    let busy = answers.iter().filter(|answer| answer.status == 409);
    assert_eq!(made.clone().count() + busy.count(), 20);
    assert!(made.count() >= 1);
    assert_eq!(stripe.look("state")["topups"].as_array().unwrap().len(), 1);
}

/// A form's fields with the values they show, as a browser would send them.
fn fields_of(page: &str) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let inputs = page.split("<input").skip(1).filter_map(|rest| rest.split_once('>'));
    let inputs = inputs.map(|(tag, _)| tag);
    let value = |tag: &str| Some((attribute(tag, "name")?, attribute(tag, "value")?));
    inputs.filter(|tag| !tag.contains("checkbox")).filter_map(value).collect()
}

fn encoded(fields: &[(String, String)]) -> String {
    serde_urlencoded::to_string(fields).unwrap()
}

#[test]
fn a_browser_goes_through_the_onboarding() {
    let stripe = StandIn::start();
    let account = stripe.ok("POST", "/v1/accounts", EXPRESS);
    let id = account["id"].as_str().unwrap();
    let form = format!(
        "account={id}&type=account_onboarding&refresh_url=http://a.example/refresh&return_url=http://a.example/return"
    );
    assert_request("POST", "/v1/account_links", &form);
    let link = stripe.ok("POST", "/v1/account_links", &form);
    let url = link["url"].as_str().unwrap();
    let path = url.strip_prefix(&stripe.running.url()).expect("a URL of the sandbox");
    assert_eq!(stripe.send(&Request::new("HEAD", path)).status, 200, "it only looks");

    let page = stripe.send(&Request::get(path));
    assert_eq!((page.status, page.header("cache-control").as_deref()), (200, Some("no-store")));
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("It is not Stripe"), "{page}");
    let again = stripe.send(&Request::get(path));
    assert_eq!(
        (again.status, again.header("location").unwrap()),
        (303, "http://a.example/refresh".to_owned())
    );

    let mut fields = fields_of(&page);
    fields.push(("business_type".to_owned(), "individual".to_owned()));
    let second = stripe.send(&Request::post(path, encoded(&fields)));
    let page = String::from_utf8(second.body).unwrap();
    let mut fields = fields_of(&page);
    assert!(fields.len() > 15, "{page}");
    for (name, value) in &mut fields {
        if name == "individual.first_name" {
            *value = "<script>".to_owned();
        }
    }
    let refused = stripe.send(&Request::post(path, encoded(&fields)));
    let page = String::from_utf8(refused.body).unwrap();
    assert!(page.contains("role=\"alert\"") && page.contains("This is required."), "{page}");
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{page}");

    let mut fields = fields_of(&page);
    fields.push(("choice".to_owned(), "test".to_owned()));
    let done = stripe.send(&Request::post(path, encoded(&fields)));
    assert_eq!(
        (done.status, done.header("location").unwrap()),
        (303, "http://a.example/return".to_owned())
    );
    stripe.advance(10);
    let account = stripe.ok("GET", &format!("/v1/accounts/{id}"), "");
    assert_eq!(
        (&account["details_submitted"], &account["payouts_enabled"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(stripe.send(&Request::get("/setup/s/acct_x/y")).status, 404);
}

#[test]
fn the_pages_fetch_nothing_and_name_every_field() {
    let stripe = StandIn::start();
    let form = format!("{EXPRESS}&business_type=company");
    let account = stripe.ok("POST", "/v1/accounts", &form);
    let id = account["id"].as_str().unwrap();
    let form = format!(
        "account={id}&type=account_onboarding&refresh_url=http://a.example&return_url=http://a.example"
    );
    let link = stripe.ok("POST", "/v1/account_links", &form);
    let path =
        link["url"].as_str().unwrap().strip_prefix(&stripe.running.url()).unwrap().to_owned();
    let page = String::from_utf8(stripe.send(&Request::get(&path)).body).unwrap();
    for fetched in ["<script", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(fetched), "{fetched} in {page}");
    }
    let visible = page.split("<input").skip(1).filter(|tag| !tag.contains("type=\"hidden\""));
    let mut seen = 0;
    for tag in visible {
        let id = tag.split_once(" id=\"").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
        let labelled = page.contains(&format!("<label for=\"{id}\"")) || id == "terms";
        assert!(labelled, "{id} has no label");
        seen += 1;
    }
    assert!(seen > 20, "{page}");
}

#[test]
fn bursar_hears_the_whole_guide_and_shows_what_is_true() {
    let app = TestApp::start();
    let stripe = telling(&app);
    let account = stripe.payable_account();
    stripe.settle();
    let shown = app.read(&format!("/v1/accounts/{account}"));
    assert_eq!((&shown["status"], &shown["payable"]), (&json!("enabled"), &json!(true)));

    let topup = stripe.ok("POST", "/v1/topups", "amount=2000&currency=usd");
    stripe.advance(5 * DAY);
    let form = format!("amount=1000&currency=usd&destination={account}");
    let transfer = stripe.ok("POST", "/v1/transfers", &form);
    let transfer_path = format!("/v1/transfers/{}", transfer["id"].as_str().unwrap());
    stripe.ok("POST", &format!("{transfer_path}/reversals"), "amount=100");
    let payout = stripe.ok_for(&account, "POST", "/v1/payouts", "amount=300&currency=usd");
    let payout = payout["id"].as_str().unwrap();
    stripe.advance(3 * DAY);
    stripe.pull(&format!("payouts/{payout}/return"), &json!({"failure_code": "account_closed"}));
    stripe.settle();

    let status = |path: &str| app.read(path)["status"].clone();
    assert_eq!(status(&format!("/v1/topups/{}", topup["id"].as_str().unwrap())), "succeeded");
    assert_eq!(status(&transfer_path), "partially_reversed");
    let shown = app.read(&format!("/v1/payouts/{payout}?account={account}"));
    assert_eq!((&shown["status"], &shown["failed_after_paid"]), (&json!("failed"), &json!(true)));
    assert_eq!(status(&format!("/v1/accounts/{account}")), "restricted", "its bank failed");
    let events = app.read("/v1/events?outcome=parked&limit=500");
    assert_eq!(events["data"], json!([]), "each event is one that bursar can use");
    let undelivered = stripe.ok("GET", "/v1/events", "delivery_success=false");
    assert_eq!(undelivered["data"], json!([]));
}

#[test]
fn what_bursar_missed_is_sent_again_later() {
    let mut app = TestApp::start();
    let stripe = telling(&app);
    app.stop();
    let topup = stripe.ok("POST", "/v1/topups", "amount=5&currency=usd");
    stripe.settle();
    let deliveries = stripe.look("deliveries");
    assert_eq!(deliveries[0]["state"], "waiting", "{deliveries}");
    assert!(deliveries[0]["attempts"][0]["error"].is_string(), "{deliveries}");
    app.run();
    let url = format!("http://{}/webhooks/stripe", app.address());
    let endpoint = deliveries[0]["webhook_endpoint"].as_str().unwrap();
    stripe.ok("POST", &format!("/v1/webhook_endpoints/{endpoint}"), &format!("url={url}"));
    stripe.advance(3600);
    stripe.settle();
    assert_eq!(stripe.look("deliveries")[0]["state"], "delivered");
    assert_eq!(
        app.read(&format!("/v1/topups/{}", topup["id"].as_str().unwrap()))["status"],
        "pending"
    );
}

#[test]
fn deliveries_shuffled_and_doubled_end_in_the_same_state() {
    let app = TestApp::start();
    let stripe = telling(&app);
    stripe.pull("faults", &json!({"webhooks": "hold"}));
    stripe.pull("faults", &json!({"webhooks": "shuffle"}));
    stripe.pull("faults", &json!({"webhooks": "duplicate", "times": 40}));
    let account = stripe.payable_account();
    stripe.ok("POST", "/v1/topups", "amount=2000&currency=usd");
    stripe.advance(6 * DAY);
    stripe.pull("faults", &json!({"webhooks": "release"}));
    stripe.settle();
    assert_eq!(app.read(&format!("/v1/accounts/{account}"))["payable"], true);
    assert_eq!(app.read("/v1/topups")["data"][0]["status"], "succeeded");
    assert!(app.read("/v1/summary")["events"]["duplicate"].as_u64().is_none_or(|n| n > 0));
}

#[test]
fn listeners_are_told_of_every_event() {
    let stripe = StandIn::start();
    let mut events = stripe.running.events();
    let topup = stripe.ok("POST", "/v1/topups", "amount=5&currency=usd");
    let told = events.try_recv().unwrap();
    assert_object(&told.body);
    assert_eq!((told.account, &told.body["data"]["object"]), (None, &topup));
    let account = stripe.payable_account();
    let told = events.try_recv().unwrap();
    assert_eq!(told.account.as_deref(), Some(&*account));
}

#[test]
fn levers_that_make_no_sense_are_refused() {
    let stripe = StandIn::start();
    for (path, order, status) in [
        ("nothing", json!({}), 404),
        ("clock", json!({"advance_seconds": -1}), 400),
        ("clock", json!({}), 400),
        ("faults", json!({"fault": "explode"}), 400),
        ("faults", json!({"webhooks": "explode"}), 400),
        ("funds", json!({"amount": 0}), 400),
        ("accounts/acct_x", json!({}), 400),
        ("accounts/acct_x/onboard", json!({}), 400),
        ("payouts/po_x/return", json!({}), 400),
    ] {
        let request = Request::post(&format!("/_sandbox/{path}"), order.to_string());
        let answer = stripe.send(&request);
        assert_eq!(answer.status, status, "{path} {order}");
        assert!(answer.json()["error"]["message"].is_string());
    }
    assert_eq!(stripe.send(&Request::post("/_sandbox/clock", "{")).status, 400);
    assert!(stripe.look("").as_array().unwrap().len() > 10, "it lists the levers");
}

#[test]
fn a_sandbox_of_another_country_has_its_money() {
    let settings = Settings { country: "GB".to_owned(), ..Settings::default() };
    let stripe = StandIn::start_with(Options { settings, ..Options::default() });
    let own = stripe.ok("GET", "/v1/account", "");
    assert_eq!((&own["country"], &own["default_currency"]), (&json!("GB"), &json!("gbp")));
    assert_eq!(stripe.ok("GET", "/v1/balance", "")["available"][0]["currency"], "gbp");
}

#[test]
fn stopping_frees_the_address_and_starting_again_forgets() {
    let stripe = StandIn::start();
    stripe.ok("POST", "/v1/topups", "amount=5&currency=usd");
    let address = stripe.running.address;
    stripe.running.stop().unwrap();
    let listener = std::net::TcpListener::bind(address).unwrap();
    let again =
        StandIn { running: bursar::sandbox::server::start(listener, Options::default()).unwrap() };
    assert_eq!(again.look("state")["topups"], json!([]));
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut all = vec!["sandbox"];
    all.extend(arguments);
    place.bare(&all)
}

#[test]
fn the_command_says_what_it_serves_and_ends_when_told() {
    let place = Place::new();
    let hook = "http://127.0.0.1:1/webhooks/stripe";
    let arguments =
        ["--bind", "127.0.0.1:0", "--webhook", hook, "--connect-webhook", hook, "--seed", "1"];
    let mut process = Process::start(command(&place, &arguments));
    process.until_it_prints("Ctrl-C ends it.");
    process.signal("INT");
    let ended = process.end().expect(0);
    ended.says(&["A stand-in for Stripe serves on http://127.0.0.1:", "whsec_", hook, "/_sandbox"]);
}

#[test]
fn the_command_refuses_what_it_cannot_do() {
    let place = Place::new();
    run(command(&place, &["--country", "XX"])).expect(2).says(&["--country XX"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(command(&place, &["--bind", &address])).expect(1).says(&["cannot be used", "--bind"]);
}
