//! The sample platform of `bursar demo`, over plain HTTP: what its page needs no script for.

use crate::demo::Demo;
use crate::support::{Answer, Request};

/// Somebody with a browser, who keeps the cookie of her first visit.
struct Visitor<'d> {
    demo: &'d Demo,
    cookie: String,
}

impl<'d> Visitor<'d> {
    fn of(demo: &'d Demo) -> Self {
        let home = Request::get("/").send(demo.address("SAMPLE"));
        let cookie = home.header("set-cookie").expect("a cookie");
        assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
        let cookie = cookie.split(';').next().expect("a cookie").to_owned();
        Self { demo, cookie }
    }

    fn send(&self, request: Request) -> Answer {
        request.header("Cookie", &self.cookie).send(self.demo.address("SAMPLE"))
    }

    fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path))
    }

    fn post(&self, path: &str, form: &str) -> Answer {
        self.send(Request::post(path, form))
    }

    fn reads(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}");
        String::from_utf8(answer.body).expect("a page in UTF-8")
    }
}

#[test]
fn an_app_gets_the_link_in_json_and_a_form_is_sent_there() {
    let demo = Demo::start();
    let visitor = Visitor::of(&demo);
    let app = Request::post("/onboard-user", "").header("Accept", "application/json");
    let link = visitor.send(app).json();
    let sandbox = demo.variable("SANDBOX");
    assert!(link["url"].as_str().is_some_and(|url| url.starts_with(sandbox)), "{link}");

    let form = visitor.post("/onboard-user", "");
    assert_eq!(form.status, 303);
    assert!(form.header("location").is_some_and(|url| url.starts_with(sandbox)));
    assert_eq!(form.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(demo.read("/v1/accounts")["data"].as_array().map(Vec::len), Some(1));
}

#[test]
fn each_visitor_has_an_account_of_her_own() {
    let demo = Demo::start();
    let (ada, emi) = (Visitor::of(&demo), Visitor::of(&demo));
    ada.post("/onboard-user", "");
    assert!(ada.reads("/").contains("Continue onboarding"));
    assert!(emi.reads("/").contains("Get paid for what you make"));
    emi.post("/onboard-user", "");
    let accounts = demo.read("/v1/accounts");
    let ids: Vec<_> = accounts["data"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids.len(), 2, "{accounts}");
    let hers = |page: &str| ids.iter().filter(|id| page.contains(id.as_str().unwrap())).count();
    assert_eq!((hers(&ada.reads("/")), hers(&emi.reads("/"))), (1, 1));
}

#[test]
fn the_return_url_says_nothing_of_who_never_began_and_the_refresh_url_sends_her_home() {
    let demo = Demo::start();
    let visitor = Visitor::of(&demo);
    assert!(visitor.reads("/onboarding/return").contains("Get paid for what you make"));
    let refreshed = visitor.get("/onboarding/refresh");
    assert_eq!(refreshed.status, 303);
    assert_eq!(refreshed.header("location").as_deref(), Some("/"));
}

#[test]
fn a_payment_that_is_sent_twice_is_made_once_and_one_that_cannot_be_is_explained() {
    let demo = Demo::start();
    let visitor = Visitor::of(&demo);
    visitor.post("/onboard-user", "");
    let refused = visitor.post("/demo/pay", "key=early");
    assert_eq!(refused.status, 409);
    let page = String::from_utf8(refused.body).unwrap();
    assert!(page.contains("You cannot be paid yet"), "{page}");
    assert_eq!(demo.read("/v1/topups")["data"].as_array().map(Vec::len), Some(0));

    let account = demo.read("/v1/accounts")["data"][0]["id"].clone();
    let account = account.as_str().unwrap();
    demo.lever(&format!("accounts/{account}/onboard"), &serde_json::json!({}));
    demo.lever("clock", &serde_json::json!({ "advance_seconds": 60 }));
    demo.until_is(&format!("/v1/accounts/{account}"), "enabled");
    for _ in 0..2 {
        assert_eq!(visitor.post("/demo/pay", "key=once").status, 303);
    }
    let waiting = demo.read("/v1/operations?state=waiting_for_funds");
    assert_eq!(waiting["data"].as_array().map(Vec::len), Some(1), "{waiting}");
    assert!(visitor.reads("/").contains("$25.00"));
}

#[test]
fn days_do_not_pass_beyond_the_present() {
    let demo = Demo::start();
    let visitor = Visitor::of(&demo);
    assert_eq!(visitor.post("/demo/day", "").status, 303);
    demo.lever("clock", &serde_json::json!({ "advance_seconds": 89 * 86_400 }));
    let refused = visitor.post("/demo/day", "");
    assert_eq!(refused.status, 409);
    assert!(String::from_utf8(refused.body).unwrap().contains("caught up with the present"));
}
