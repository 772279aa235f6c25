//! The sample page of `bursar demo` in a real browser.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

pub(crate) mod driver;

use driver::Browser;
use serde_json::{Value, json};

use crate::demo::Demo;

const DAY: i64 = 86_400;
const DESK: (u32, u32) = (1280, 1000);
const PHONE: (u32, u32) = (390, 844);

/// Nothing hangs over the right edge.
#[track_caller]
fn assert_fits(browser: &Browser, name: &str) {
    for (suffix, (width, height)) in [("phone", PHONE), ("desk", DESK)] {
        browser.resize(width, height);
        let over = browser.run(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        assert_eq!(over, 0, "{name} at {width} px");
        browser.picture(&format!("{name}-{suffix}"));
    }
}

#[test]
fn a_maker_connects_is_onboarded_and_sees_her_status_change_without_a_reload() {
    let demo = Demo::start();
    let sample = demo.variable("SAMPLE");
    let browser = Browser::open(DESK.0, DESK.1);
    browser.go_to(&format!("{sample}/"));
    browser.until_it_reads("Get paid for what you make");
    assert_fits(&browser, "1-before");

    // She goes to onboarding, and comes back without having finished.
    browser.click("#connect");
    browser.until_it_reads("Test page of bursar sandbox");
    assert!(browser.url().starts_with(demo.variable("SANDBOX")), "{}", browser.url());
    assert_fits(&browser, "2-onboarding");
    browser.click("button[value=later]");
    browser.until_it_is_at(&format!("{sample}/onboarding/return"));
    browser.until_it_reads("You are not finished yet");
    assert_fits(&browser, "3-unfinished");

    // This time she finishes. That she came back says nothing; bursar does, by itself.
    browser.click("#continue");
    browser.click("button[value=test]");
    browser.until_it_is_at(&format!("{sample}/onboarding/return"));
    browser.run("window.sameAsBefore = true");
    browser.until_it_reads("Stripe is checking your details");
    browser.picture("4-checking");
    browser.until_it_reads("You can be paid");
    assert_fits(&browser, "5-payable");

    // Stripe wants more, and gets it.
    let account = demo.read("/v1/accounts")["data"][0].clone();
    let id = account["id"].as_str().unwrap();
    assert_eq!(account["status"], "enabled");
    let order = json!({ "demand": ["individual.verification.document"] });
    demo.lever(&format!("accounts/{id}"), &order);
    browser.until_it_reads("Stripe will need more from you");
    assert_fits(&browser, "6-asked");
    assert_eq!(browser.run("return window.sameAsBefore"), true, "the page was not loaded anew");
    browser.click("#continue");
    browser.click("button[value=test]");
    browser.until_it_reads("You can be paid");

    // She is paid, and her bank.
    browser.click("form[action='/demo/pay'] button");
    browser.until_it_reads("waits for our funds");
    assert_fits(&browser, "7-waiting");
    demo.lever("clock", &json!({ "advance_seconds": 6 * DAY }));
    browser.until_it_reads("tr_");
    browser.click("form[action='/demo/day'] button");
    browser.until_it_reads("A day has passed.");
    browser.until_it_reads("in your bank by");
    demo.lever("clock", &json!({ "advance_seconds": 2 * DAY }));
    browser.until_it_reads("in your bank since");
    assert_fits(&browser, "8-paid");
    let transfers = demo.read(&format!("/v1/transfers?destination={id}"));
    assert_eq!(transfers["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(transfers["data"][0]["amount"], 2500);
    assert_eq!(demo.read("/v1/summary")["events"]["parked"], 0);

    let seen = browser.run("return document.documentElement.outerHTML + document.cookie");
    for secret in ["PAYER", "READER", "OPERATOR", "STRIPE_KEY"] {
        let shown = seen.as_str().is_some_and(|seen| seen.contains(demo.variable(secret)));
        assert!(!shown, "{secret} is the back end's own");
    }
}

#[test]
fn a_link_that_was_used_leads_to_a_new_one() {
    let demo = Demo::start();
    let sample = demo.variable("SAMPLE");
    let browser = Browser::open(DESK.0, DESK.1);
    browser.go_to(&format!("{sample}/"));
    browser.click("#connect");
    browser.until_it_reads("Test page of bursar sandbox");
    let link = browser.url();
    // As somebody does who reloads, or goes back.
    browser.go_to(&link);
    browser.until_it_reads("Test page of bursar sandbox");
    assert_ne!(browser.url(), link, "another link, made by the refresh URL");
    assert_eq!(demo.read("/v1/accounts")["data"].as_array().map(Vec::len), Some(1));
}

#[test]
fn who_may_no_longer_be_paid_is_told_so() {
    let demo = Demo::start();
    let sample = demo.variable("SAMPLE");
    let browser = Browser::open(PHONE.0, PHONE.1);
    browser.go_to(&format!("{sample}/"));
    browser.click("#connect");
    browser.click("button[value=later]");
    browser.until_it_reads("You are not finished yet");
    let id = demo.read("/v1/accounts")["data"][0]["id"].clone();
    reject(&demo, id.as_str().unwrap());
    browser.until_it_reads("You cannot be paid");
    browser.go_to(&format!("{sample}/onboarding/refresh"));
    browser.until_it_reads("Stripe refused it");
    browser.picture("9-rejected");
}

/// Only Stripe's dashboard, or the platform at Stripe, does this.
#[track_caller]
fn reject(demo: &Demo, account: &str) -> Value {
    demo.stripe(&format!("/v1/accounts/{account}/reject"), "reason=fraud")
}

/// Also when there is nobody left to end it.
#[test]
fn a_browser_ends_with_whoever_started_it() {
    let mut browser = Browser::open(400, 400);
    let members = |group: u32| {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let stats = entries.filter_map(|it| std::fs::read_to_string(it.path().join("stat")).ok());
        // After the name, in brackets: the state, the parent, the process group.
        let after_name = |stat: String| stat.rsplit(')').next().map(str::to_owned);
        let is_member = |stat: &String| {
            let mut fields = stat.split_whitespace();
            let lives = fields.next() != Some("Z");
            lives && fields.nth(1).is_some_and(|it| it == group.to_string())
        };
        stats.filter_map(after_name).filter(is_member).count()
    };
    let started = std::time::Instant::now();
    let group = browser.abandon();
    while members(group) > 0 {
        assert!(started.elapsed() < crate::process::LIMIT, "{} are left", members(group));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
