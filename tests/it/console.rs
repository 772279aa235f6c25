//! The operator's console in a real browser: what is seen, what is done, and that nothing which it
//! shows can run.

use serde_json::{Value, json};

use crate::browser::driver::{Browser, ENTER};
use crate::redrives::left_behind;
use crate::support::events::{
    account, balance, event, live, of, one_of_each, payout, restricted, topup, transfer,
};
use crate::support::platform::Platform;
use crate::support::{OPERATOR, READER, Request, TestApp, with};

const DESK: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);

fn open(app: &TestApp) -> Browser {
    let browser = Browser::open(DESK.0, DESK.1);
    browser.go_to(&format!("http://{}/", app.address()));
    browser.until_it_reads("Sign in");
    browser
}

#[track_caller]
fn sign_in(browser: &Browser, token: &str) {
    browser.enter("#token", &format!("{token}{ENTER}"));
}

/// Goes to a place of the console, and waits until it is shown.
#[track_caller]
fn visit(browser: &Browser, place: &str, text: &str) {
    browser.run(&format!("location.hash = {}", json!(format!("#/{place}"))));
    browser.until(text, |browser| {
        let shown = "const it = document.querySelector('#content'); \
                     return it.hasAttribute('aria-busy') ? '' : it.innerText";
        browser.run(shown).as_str().is_some_and(|shown| shown.contains(text))
    });
}

#[track_caller]
fn answer_dialog(browser: &Browser, reason: &str) {
    browser.until("a question", |browser| {
        browser.run("return Boolean(document.querySelector('dialog[open]'))") == true
    });
    browser.enter("dialog input[name=reason]", &format!("{reason}{ENTER}"));
}

fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

#[test]
fn an_operator_finds_a_parked_event_redrives_it_and_sees_what_became_of_it() {
    let parked = topup("tu_late", "succeeded", "succeeded");
    let app = left_behind(std::slice::from_ref(&parked));
    let browser = open(&app);

    sign_in(&browser, "no-such-token");
    browser.until_it_reads("This token is not, or no longer, known to bursar");
    browser.picture("console-1-refused");
    sign_in(&browser, OPERATOR);
    browser.until_it_reads("1 parked event");
    browser.until_it_reads("Test mode");
    browser.picture("console-2-overview");
    browser.click("main .attention a");
    browser.until_it_reads("this version cannot read the event");
    browser.picture("console-3-parked");
    browser.click(&format!("button[aria-label='Redrive {}']", id(&parked)));
    answer_dialog(&browser, "after the upgrade");
    browser.until_it_reads(&format!("{} is now applied.", id(&parked)));
    browser.until("no parked event", |browser| !browser.text().contains("this version cannot"));

    browser.enter(".find input", &format!("tu_late{ENTER}"));
    browser.until_it_reads("History");
    let shown = browser.run("return document.querySelector('.state').innerText");
    assert_eq!(shown, "succeeded");
    browser.picture("console-4-topup");
    assert_eq!(app.read("/v1/topups/tu_late")["status"], "succeeded");

    visit(&browser, "test/audit", "after the upgrade");
    let trail = browser.text();
    assert!(trail.contains("olga") && trail.contains("redrive"), "{trail}");
    browser.picture("console-8-audit");

    // The token is in this tab's memory, and in no address.
    assert!(!browser.url().contains(OPERATOR), "{}", browser.url());
    assert_eq!(browser.run("return sessionStorage.getItem('bursar-token')"), OPERATOR);
    assert_eq!(browser.run("return localStorage.length + document.cookie.length"), 0);
    let markup = browser.run("return document.documentElement.outerHTML");
    assert!(!markup.as_str().unwrap().contains(OPERATOR));
    browser.click(".foot button");
    browser.until_it_reads("Token");
    assert_eq!(browser.run("return sessionStorage.getItem('bursar-token')"), Value::Null);
}

const HOSTILE: &str = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=2</script>\
                       <svg onload=window.hacked=3>'\"><a href=javascript:window.hacked=4>x</a>";

#[test]
fn whatever_is_shown_is_text_and_nothing_of_it_runs() {
    let app = TestApp::start();
    let hostile = json!(HOSTILE);
    let poor =
        with(restricted("acct_poor"), "data.object.requirements.currently_due", json!([HOSTILE]));
    let poor = with(poor, "data.object.country", hostile.clone());
    app.apply(&poor);
    let odd_id = format!("po_{HOSTILE}");
    let paid =
        with(payout(&odd_id, "failed", "failed"), "data.object.failure_message", hostile.clone());
    let paid = of("acct_poor", with(paid, "data.object.failure_code", hostile.clone()));
    app.apply(&paid);
    app.apply(&with(transfer("tr_1", "created", 0), "data.object.transfer_group", hostile.clone()));
    let foreign = with(event(HOSTILE, json!({ "id": HOSTILE, "object": HOSTILE })), "id", hostile);
    app.outcome(&foreign);
    let odd_topup = topup(&format!("tu_{HOSTILE}"), "created", "pending");
    let parked = with(odd_topup, "data.object.status", json!(HOSTILE));
    assert_eq!(app.outcome(&parked), "parked");

    let browser = open(&app);
    sign_in(&browser, OPERATOR);
    browser.until_it_reads("Overview");
    let encoded = "encodeURIComponent";
    let path = |kind: &str, id: &str| {
        let script = format!("return 'test/{kind}/' + {encoded}({})", json!(id));
        browser.run(&script).as_str().unwrap().to_owned()
    };
    let odd_payout = format!("{}?account=acct_poor", path("payouts", &odd_id));
    for (place, text) in [
        ("test/accounts/acct_poor", "Stripe asks for"),
        ("test/accounts", "acct_poor"),
        ("test/payouts", "po_<img"),
        (odd_payout.as_str(), "failure message"),
        ("test/transfers/tr_1", "History"),
        ("test/events", "Parked"),
        (&path("events", id(&parked)), "Facts"),
        (&path("events", HOSTILE), "Facts"),
        (&path("accounts", HOSTILE), "Not here"),
    ] {
        visit(&browser, place, text);
        browser.run("for (const it of document.querySelectorAll('details')) it.open = true");
        let is_told = browser.text().contains("<img src=x onerror");
        // Of why an event is parked, only what is ours to say is told.
        assert!(is_told || place.ends_with(id(&parked)), "{place}: {}", browser.text());
        let made = browser.run(
            "return document.querySelectorAll('#app img, #app script, #app svg, #app [onerror], \
             #app a[href^=javascript]').length",
        );
        assert_eq!(made, 0, "{place}");
        assert_eq!(browser.run("return window.hacked === undefined"), true, "{place}");
    }
    visit(&browser, &path("events", id(&parked)), "Facts");
    browser.click(".card button");
    answer_dialog(&browser, "to see");
    browser.until("the body", |browser| {
        browser.run("return document.querySelectorAll('#content pre').length") == 1
    });
    assert_eq!(browser.run("return window.hacked === undefined"), true);
    browser.picture("console-5-hostile");

    // Nor could it, were there a fault: the browser makes no markup of text, and runs no script
    // but ours.
    let made = browser.run(
        "try { document.createElement('p').innerHTML = '<b>x</b>'; return 'made' } \
         catch (error) { return error.name }",
    );
    assert_eq!(made, "TypeError");
    browser.run(
        "const it = document.createElement('p'); document.body.append(it); \
         try { it.setAttribute('onclick', 'window.hacked = 5') } catch { /* As it should be. */ } \
         it.click()",
    );
    assert_eq!(browser.run("return window.hacked === undefined"), true);
}

#[test]
fn what_changes_is_seen_without_a_reload_and_each_partition_by_itself() {
    let app = TestApp::start();
    app.apply(&payout("po_1", "created", "pending"));
    app.apply(&live(account("acct_live")));
    let browser = open(&app);
    sign_in(&browser, READER);
    browser.until_it_reads("following");
    visit(&browser, "test/payouts", "po_1");
    browser.run("window.sameAsBefore = true");
    app.apply(&payout("po_1", "paid", "paid"));
    app.apply(&payout("po_2", "created", "pending"));
    browser.until("the new payout", |browser| {
        let text = browser.text();
        text.contains("po_2") && text.contains("paid")
    });
    assert_eq!(browser.run("return window.sameAsBefore"), true);

    browser.click(".modes .live");
    browser.until_it_reads("Live mode: real money");
    browser.picture("console-6-live");
    visit(&browser, "live/accounts", "acct_live");
    visit(&browser, "live/payouts", "Nothing here fits.");
    assert_eq!(browser.run("return window.sameAsBefore"), true);
    assert_eq!(browser.run("return document.body.dataset.mode"), "live");
    // The address says which partition it is of, also to whoever opens it anew.
    browser.run("location.reload()");
    browser.until_it_reads("Live mode: real money");
    browser.until_it_reads("Payouts");
}

#[test]
fn who_may_not_act_is_told_what_it_takes() {
    let parked = with(topup("tu_1", "created", "pending"), "data.object.status", json!("odd"));
    let app = TestApp::start();
    assert_eq!(app.outcome(&parked), "parked");
    let browser = open(&app);
    sign_in(&browser, READER);
    browser.until_it_reads("Overview");
    visit(&browser, &format!("test/events/{}", id(&parked)), "Redrive");
    browser.click(".head button");
    answer_dialog(&browser, "to see");
    browser.until_it_reads("this needs a token with the role operator");
    browser.picture("console-7-forbidden");
    assert_eq!(app.read("/v1/summary")["events"]["parked"], 1);
}

#[test]
fn an_account_is_erased_once_its_id_was_typed() {
    let app = TestApp::start();
    let poor = restricted("acct_poor");
    app.apply(&with(poor.clone(), "data.object.email", json!("poor@example.com")));
    let browser = open(&app);
    sign_in(&browser, OPERATOR);
    browser.until_it_reads("Overview");
    visit(&browser, "test/accounts/acct_poor", "History");
    browser.click(".head button.danger");
    browser.until_it_reads("This cannot be undone.");
    browser.enter("dialog input[name=typed]", "acct_other");
    browser.enter("dialog input[name=reason]", &format!("she asked for it{ENTER}"));
    browser.until_it_reads("That is not acct_poor.");
    browser.picture("console-9-erase");
    let event = format!("/v1/events/{}", id(&poor));
    assert_eq!(app.read(&event)["flags"], json!([]), "nothing was done");
    browser.run("document.querySelector('dialog input[name=typed]').value = ''");
    browser.enter("dialog input[name=typed]", &format!("acct_poor{ENTER}"));
    browser.until_it_reads("acct_poor was erased.");
    assert_eq!(app.read(&event)["flags"], json!(["erased"]));
    let answer = app.send(&Request::get(&format!("{event}/body")).token(OPERATOR));
    assert!(!String::from_utf8_lossy(&answer.body).contains("poor@example.com"));
}

#[test]
fn every_view_fits_every_screen() {
    let platform = Platform::start();
    let id = platform.payable("ada");
    platform.funds(100_000);
    let pay = json!({ "amount": 700, "currency": "usd", "destination": id });
    let paid = platform.done(201, "/v1/transfers", "t", &pay);
    let much = with(pay, "wait_for_funds", json!(true));
    let much = with(much, "amount", json!(900_000_000));
    let waiting = platform.done(202, "/v1/transfers", "w", &much);
    for (_, event) in one_of_each() {
        platform.app.outcome(&event);
    }
    platform.app.outcome(&balance(4200));
    let browser = open(&platform.app);
    sign_in(&browser, OPERATOR);
    browser.until_it_reads("Overview");
    let (operation, other) = (waiting["id"].as_str().unwrap(), paid["object_id"].as_str().unwrap());
    for (name, place, text) in [
        ("overview", "test".to_owned(), "Sources"),
        ("accounts", "test/accounts".to_owned(), &id),
        ("account", format!("test/accounts/{id}"), "History"),
        ("transfer", format!("test/transfers/{other}"), "History"),
        ("topups", "test/topups".to_owned(), "tu_"),
        ("operations", "test/operations".to_owned(), "waiting for funds"),
        ("operation", format!("test/operations/{operation}"), "Decide"),
        ("events", "test/events".to_owned(), "evt_"),
    ] {
        for (suffix, (width, height)) in [("phone", PHONE), ("desk", DESK)] {
            browser.resize(width, height);
            visit(&browser, &place, text);
            let over = browser.run(
                "const page = document.documentElement; return page.scrollWidth - page.clientWidth",
            );
            assert_eq!(over, 0, "{name} at {width} px");
            browser.picture(&format!("console-view-{name}-{suffix}"));
        }
    }

    // A person's decision.
    visit(&browser, &format!("test/operations/{operation}"), "Decide");
    browser.click(".head button");
    answer_dialog(&browser, "not wanted any more");
    browser.until_it_reads("is now refused");
    let decided = platform.app.read(&format!("/v1/operations/{operation}"));
    assert_eq!(decided["settled"]["reason"], "not wanted any more");
}

#[test]
fn the_console_and_the_description_are_shown_as_their_policies_have_it() {
    let app = TestApp::start();
    for path in ["/", "/console/app.js", "/console/app.css", "/docs"] {
        let answer = app.send(&Request::get(path));
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        for must in ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(must), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy").as_deref(), Some("no-referrer"), "{path}");
        let text = String::from_utf8(answer.body.clone()).unwrap();
        for elsewhere in ["http://", "https://", "@import", "innerHTML", "eval("] {
            assert!(!text.contains(elsewhere), "{path}: {elsewhere}");
        }
    }
    let browser = Browser::open(DESK.0, DESK.1);
    browser.go_to(&format!("http://{}/docs", app.address()));
    browser.until_it_reads("May this account be paid");
    // The browser took the style, which it does only when the policy names it.
    let display = browser.run("return getComputedStyle(document.body).display");
    assert_eq!(display, "grid");
    browser.picture("docs");
}
