//! The description of the API, beside a server that it describes.

mod checker;

use std::collections::BTreeSet;

use bursar::app::described;
use checker::Checker;
use serde_json::{Value, json};

use crate::process::{Place, run};
use crate::support::events::{
    account as account_event, balance, one_of_each, payout, restricted, topup,
};
use crate::support::platform::Platform;
use crate::support::{
    EventStream, OPERATOR, PAYER, READER, Request, TestApp, Told, assert_problem, with,
};

/// A method of a path, as the description has it.
struct Described {
    verb: &'static str,
    path: String,
    operation: &'static Value,
}

fn all() -> Vec<Described> {
    let paths = described()["paths"].as_object().unwrap();
    let methods = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(verb, operation)| Described {
            verb: if verb == "get" { "GET" } else { "POST" },
            path: path.clone(),
            operation,
        })
    });
    let all: Vec<Described> = methods.collect();
    assert!(all.len() > 40, "only {}", all.len());
    all
}

impl Described {
    /// The role that it needs; `None` when no token is needed.
    fn role(&self) -> Option<&str> {
        self.operation["security"][0]["token"][0].as_str()
    }

    fn token(&self) -> &'static str {
        match self.role() {
            Some("operator") => OPERATOR,
            Some("payer") => PAYER,
            _ => READER,
        }
    }

    fn parameters(&self, place: &str) -> BTreeSet<String> {
        let all = self.operation["parameters"].as_array().unwrap().iter();
        let here = all.filter(|parameter| parameter["in"] == place);
        here.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The path with an id that could be one.
    fn filled(&self) -> String {
        let prefix = match self.path.split('/').nth(2) {
            Some("accounts") => "acct_1",
            Some("topups") => "tu_1",
            Some("transfers") => "tr_1",
            Some("payouts") => "po_1",
            _ => "x_1",
        };
        self.path.replace("{id}", prefix)
    }

    /// A request with all that comes before what is tried.
    fn request(&self, query: &str, body: &str) -> Request {
        let path = self.filled() + query;
        let request = match self.verb {
            "GET" => Request::get(&path),
            _ => Request::post(&path, body),
        };
        if self.parameters("header").contains("Idempotency-Key") {
            return request.header("Idempotency-Key", &format!("{query}{body}"));
        }
        request
    }

    fn schema_of(&self, status: u16) -> &Value {
        let answer = &self.operation["responses"][status.to_string()];
        let content = answer["content"].as_object();
        &content.unwrap_or_else(|| panic!("{} {status}", self.path)).values().next().unwrap()["schema"]
    }
}

/// The names after `expected: `, or those in an example of what is expected.
fn names_in(detail: &str) -> BTreeSet<String> {
    match detail.split_once("expected: ") {
        Some((_, "none")) => BTreeSet::new(),
        Some((_, list)) => list.split(", ").map(str::to_owned).collect(),
        None => {
            let quoted = detail.split(['"', '`']).filter(|part| {
                let is_name = part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                is_name && !part.is_empty() && *part != "nonsense"
            });
            quoted.map(str::to_owned).collect()
        }
    }
}

#[test]
fn what_is_described_is_served_and_no_other_method_is() {
    let app = TestApp::start();
    let all = all();
    for described in &all {
        let answer = app.send(&described.request("", "{}"));
        let expected = match (described.role(), described.path.as_str()) {
            (Some(_), _) => 401,
            (None, "/webhooks/stripe") => 400,
            (None, _) => 200,
        };
        assert_eq!(answer.status, expected, "{} {}", described.verb, described.path);
        let refused = app.send(&Request::new("DELETE", &described.filled()).token(OPERATOR));
        assert_problem(&refused, 405, "method_not_allowed", &described.path);
        let here = all.iter().filter(|other| other.path == described.path);
        let verbs = here.map(|other| if other.verb == "GET" { "GET, HEAD" } else { "POST" });
        let allowed = verbs.collect::<Vec<_>>().join(", ");
        assert_eq!(refused.header("allow"), Some(allowed), "{}", described.path);
    }
}

#[test]
fn each_role_may_do_what_is_described_and_nothing_else() {
    let app = TestApp::start();
    let roles = [("reader", READER), ("operator", OPERATOR), ("payer", PAYER)];
    for described in all() {
        let Some(needed) = described.role().map(str::to_owned) else { continue };
        // Answered before anything is done, or waited for.
        for (role, token) in roles {
            let answer = app.send(&described.request("?nonsense=1", "{}").token(token));
            let may = needed == "reader" || needed == role;
            let expected = if may { 400 } else { 403 };
            assert_eq!(answer.status, expected, "{role}: {} {}", described.verb, described.path);
        }
    }
}

#[test]
fn the_parameters_are_those_that_are_taken() {
    let platform = Platform::start();
    for described in all().iter().filter(|described| described.role().is_some()) {
        let request = described.request("?nonsense=1", "{}").token(described.token());
        let answer = platform.app.send(&request);
        assert_problem(&answer, 400, "invalid_parameter", &described.path);
        let taken = names_in(answer.json()["detail"].as_str().unwrap());
        assert_eq!(taken, described.parameters("query"), "{} {}", described.verb, described.path);
    }
}

#[test]
fn the_fields_of_bodies_are_those_that_are_taken() {
    let platform = Platform::start();
    let schemas = &described()["components"]["schemas"];
    let mut seen = 0;
    for described in all().iter().filter(|described| described.role().is_some()) {
        let body = &described.operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(name) = body["$ref"].as_str() else { continue };
        let schema = &schemas[name.rsplit('/').next().unwrap()];
        let fields: BTreeSet<String> =
            schema["properties"].as_object().unwrap().keys().cloned().collect();
        let request = described.request("", r#"{"nonsense": 1}"#).token(described.token());
        let answer = platform.app.send(&request).json();
        let wrong = answer["errors"]
            .as_array()
            .and_then(|errors| errors.iter().find(|error| error["field"] == "nonsense"));
        let detail = wrong.map_or(&answer["detail"], |wrong| &wrong["detail"]);
        let taken = names_in(detail.as_str().unwrap_or_else(|| panic!("{answer}")));
        assert_eq!(taken, fields, "{}: {answer}", described.path);
        seen += 1;
    }
    assert!(seen > 15, "only {seen}");
}

#[test]
fn every_code_is_described_and_can_be_met_somewhere() {
    let codes = &described()["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    let all_codes: BTreeSet<&str> =
        codes.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut met = BTreeSet::from(["method_not_allowed"]);
    for described in all() {
        for answer in described.operation["responses"].as_object().unwrap().values() {
            let problem = &answer["content"]["application/problem+json"]["schema"]["allOf"][1];
            let words = problem["properties"]["code"]["enum"].as_array().into_iter().flatten();
            met.extend(words.filter_map(Value::as_str));
        }
    }
    assert_eq!(met, all_codes);
}

#[test]
fn every_reference_leads_somewhere_and_every_name_is_used() {
    let text = described().to_string();
    let schemas = described()["components"]["schemas"].as_object().unwrap();
    let referred: BTreeSet<&str> = text
        .split("#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(referred, schemas.keys().map(String::as_str).collect());
    let ids: Vec<&str> =
        all().iter().map(|it| it.operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "ids are of one each");
}

/// Holds answers against the description.
struct Held<'p> {
    platform: &'p Platform,
    all: Vec<Described>,
    seen: BTreeSet<String>,
}

impl Held<'_> {
    #[track_caller]
    fn send(&mut self, verb: &str, path: &str, request: &Request) -> Value {
        let described = self.all.iter().find(|it| it.verb == verb && it.path == path);
        let described = described.unwrap_or_else(|| panic!("{verb} {path} is not described"));
        let answer = self.platform.app.send(request);
        let value = answer.json();
        let schema = described.schema_of(answer.status);
        let faults = Checker::of(bursar::app::described()).faults(schema, &value);
        assert!(faults.is_empty(), "{verb} {path} {}: {faults:#?}\n{value:#}", answer.status);
        let kind = answer.header("content-type").unwrap_or_default();
        let promised = &described.operation["responses"][answer.status.to_string()]["content"];
        assert!(promised.get(&kind).is_some(), "{verb} {path}: {kind}");
        self.seen.insert(format!("{verb} {path} {}", answer.status));
        value
    }

    #[track_caller]
    fn get(&mut self, path: &str, filled: &str) -> Value {
        self.send("GET", path, &Request::get(filled).token(READER))
    }

    #[track_caller]
    fn operate(&mut self, path: &str, filled: &str, body: &Value) -> Value {
        self.send("POST", path, &Request::post(filled, body.to_string()).token(OPERATOR))
    }

    #[track_caller]
    fn order(&mut self, path: &str, filled: &str, key: &str, body: &Value) -> Value {
        let request = Request::post(filled, body.to_string()).token(PAYER);
        self.send("POST", path, &request.header("Idempotency-Key", key))
    }
}

/// From an account to a transfer, and what goes wrong on the way; the account and the transfer.
fn hold_money(held: &mut Held<'_>) -> (String, String) {
    let platform = held.platform;
    let id = platform.payable("ada");
    platform.funds(500_000);
    let country = json!({ "country": "US", "reference": "grace" });
    let account = held.order("/v1/accounts", "/v1/accounts", "a", &country);
    let unready = account["object_id"].as_str().unwrap();
    held.order("/v1/accounts", "/v1/accounts", "b", &country);
    let persons = format!("/v1/accounts/{unready}/persons");
    held.order("/v1/accounts/{id}/persons", &persons, "p", &json!({ "first_name": "Grace" }));
    let urls = json!({ "refresh_url": "https://a.example", "return_url": "https://b.example" });
    let links = format!("/v1/accounts/{unready}/onboarding_links");
    held.order("/v1/accounts/{id}/onboarding_links", &links, "l", &urls);
    held.order("/v1/accounts/{id}/persons", &persons, "p2", &json!({ "first_name": "Grace" }));
    let user = with(urls, "reference", json!("lin"));
    held.order("/onboard-user", "/onboard-user", "u", &user);
    let funds = json!({ "amount": 5000, "currency": "usd" });
    let funds = held.order("/v1/topups", "/v1/topups", "f", &funds);
    let cancel = format!("/v1/topups/{}/cancel", funds["object_id"].as_str().unwrap());
    held.order("/v1/topups/{id}/cancel", &cancel, "c", &json!({}));
    let pay = json!({ "amount": 700, "currency": "usd", "destination": id });
    let paid = held.order("/v1/transfers", "/v1/transfers", "t", &pay);
    let other = with(pay.clone(), "amount", json!(5));
    held.order("/v1/transfers", "/v1/transfers", "t", &other);
    let much = json!({ "amount": 900_000_000, "currency": "usd", "destination": id });
    held.order("/v1/transfers", "/v1/transfers", "m", &much);
    held.order("/v1/transfers", "/v1/transfers", "w", &json!({ "amount": "x" }));
    let waiting = with(much, "wait_for_funds", json!(true));
    let waiting = held.order("/v1/transfers", "/v1/transfers", "v", &waiting);
    let transfer = paid["object_id"].as_str().unwrap();
    let back = format!("/v1/transfers/{transfer}/reversals");
    held.order("/v1/transfers/{id}/reversals", &back, "r", &json!({ "amount": 100 }));
    let operation = format!("/v1/operations/{}", waiting["id"].as_str().unwrap());
    held.get("/v1/operations/{id}", &operation);
    let resolve = format!("{operation}/resolve");
    let no = json!({ "outcome": "refused", "reason": "not wanted" });
    held.operate("/v1/operations/{id}/resolve", &resolve, &no);
    held.operate("/v1/operations/{id}/resolve", &resolve, &no);
    held.get("/v1/operations", "/v1/operations?limit=3");
    let transfer = transfer.to_owned();
    (id, transfer)
}

fn hold_events(held: &mut Held<'_>) {
    let app = &held.platform.app;
    for (_, event) in one_of_each() {
        app.outcome(&event);
    }
    app.outcome(&restricted("acct_poor"));
    app.outcome(&payout("po_1", "paid", "paid"));
    app.outcome(&balance(70));
    let odd = with(topup("tu_odd", "created", "pending"), "data.object.status", json!("odd"));
    assert_eq!(app.outcome(&odd), "parked");
    let odd = odd["id"].as_str().unwrap();
    let again = format!("/v1/events/{odd}/redrive");
    held.operate("/v1/events/{id}/redrive", &again, &json!({ "reason": "to see" }));
    held.operate("/v1/redrives", "/v1/redrives?dry_run=true", &json!({}));
    held.operate("/v1/replays", "/v1/replays", &json!({ "event_ids": [odd] }));
    held.get("/v1/events", "/v1/events");
    held.get("/v1/events", "/v1/events?outcome=odd");
    held.get("/v1/events/{id}", &format!("/v1/events/{odd}"));
    held.get("/v1/events/{id}", "/v1/events/evt_nowhere");
    held.get("/v1/summary", "/v1/summary");
    held.get("/v1/changes", "/v1/changes?limit=500");
    held.get("/v1/changes", "/v1/changes?after=18446744073709551615");
}

fn hold_objects(held: &mut Held<'_>, account: &str, transfer: &str) {
    for (kind, id) in [("accounts", account), ("transfers", transfer)] {
        held.get(&format!("/v1/{kind}/{{id}}"), &format!("/v1/{kind}/{id}"));
        held.get(&format!("/v1/{kind}/{{id}}/history"), &format!("/v1/{kind}/{id}/history"));
        let refetch = format!("/v1/{kind}/{{id}}/refetch");
        held.operate(&refetch, &format!("/v1/{kind}/{id}/refetch"), &json!({}));
    }
    for kind in ["topups", "payouts"] {
        let list = held.get(&format!("/v1/{kind}"), &format!("/v1/{kind}"));
        let id = list["data"].as_array().unwrap().iter().find(|it| it["account"].is_null());
        let id = id.unwrap()["id"].as_str().unwrap();
        held.get(&format!("/v1/{kind}/{{id}}"), &format!("/v1/{kind}/{id}"));
        held.get(&format!("/v1/{kind}/{{id}}/history"), &format!("/v1/{kind}/{id}/history"));
    }
    held.operate("/v1/topups/{id}/refetch", "/v1/topups/tu_none/refetch", &json!({}));
    held.get("/v1/accounts", "/v1/accounts");
    held.get("/v1/transfers", "/v1/transfers?limit=1");
    held.get("/v1/balance", "/v1/balance");
    held.get("/v1/balance", "/v1/balance?account=acct_nobody");
    held.get("/v1/balance/history", "/v1/balance/history");
    held.operate("/v1/balance/refetch", "/v1/balance/refetch", &json!({}));
    held.operate("/v1/balance/refetch", "/v1/balance/refetch?livemode=true", &json!({}));
    let run = held.operate("/v1/backfills", "/v1/backfills", &json!({ "reason": "to see" }));
    let run = format!("/v1/backfills/{}", run["id"].as_str().unwrap());
    held.platform.until(&run, "state", &json!("complete"));
    held.get("/v1/backfills/{id}", &run);
    held.get("/v1/backfills", "/v1/backfills");
    held.platform.app.apply(&account_event("acct_erased"));
    let erase = "/v1/accounts/acct_erased/erase";
    held.operate("/v1/accounts/{id}/erase", erase, &json!({ "reason": "asked" }));
    let trail = Request::get("/v1/audit?limit=500").token(OPERATOR);
    let acts = held.send("GET", "/v1/audit", &trail);
    let acts = acts["data"].as_array().unwrap();
    let kinds: BTreeSet<&str> = acts.iter().map(|act| act["action"].as_str().unwrap()).collect();
    let expected = ["backfill", "erase", "redrive", "refetch", "replay", "resolve"];
    assert_eq!(kinds, expected.into());
    let erase = format!("/v1/accounts/{account}/erase");
    held.operate("/v1/accounts/{id}/erase", &erase, &json!({ "reason": "to see" }));
    held.get("/healthz", "/healthz");
    held.get("/readyz", "/readyz");
    held.get("/openapi.json", "/openapi.json");
}

#[test]
fn answers_are_as_described_and_have_no_field_that_is_not() {
    let platform = Platform::start();
    let mut held = Held { platform: &platform, all: all(), seen: BTreeSet::new() };
    let (account, transfer) = hold_money(&mut held);
    hold_events(&mut held);
    hold_objects(&mut held, &account, &transfer);
    let answered: Vec<&String> = held.seen.iter().filter(|seen| seen.contains(" 2")).collect();
    let not_read = ["/webhooks/stripe", "/v1/events/{id}/body"];
    for Described { verb, path, operation } in &held.all {
        let content = &operation["responses"]["200"]["content"];
        if content.is_object() && content["application/json"].is_null() {
            continue;
        }
        let was = answered.iter().any(|seen| seen.starts_with(&format!("{verb} {path} ")));
        let refetch = path.ends_with("/refetch");
        assert!(was || refetch || not_read.contains(&path.as_str()), "{verb} {path} was not asked");
    }
    assert!(held.seen.len() > 50, "{:#?}", held.seen);
}

#[test]
fn an_entry_of_the_stream_and_a_delivery_are_as_described() {
    let app = TestApp::start();
    let (status, delivered) = app.deliver(payout("po_1", "paid", "paid").to_string());
    assert_eq!(status, 200);
    let checker = Checker::of(described());
    let of = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    assert_eq!(checker.faults(&of("Delivered"), &delivered), Vec::<String>::new());
    let path = "/v1/changes/stream?after=0";
    let mut stream = EventStream::open(app.address(), path, READER, "").unwrap();
    let change = loop {
        if let Told::Change { change, .. } = stream.told().unwrap().unwrap() {
            break change;
        }
    };
    assert_eq!(checker.faults(&of("Change"), &change), Vec::<String>::new());
}

#[test]
fn the_command_prints_what_the_server_serves() {
    let app = TestApp::start();
    let answer = app.send(&Request::get("/openapi.json"));
    assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
    let printed = run(Place::new().bare(&["openapi"])).expect(0);
    let printed: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(printed, answer.json());
    assert_eq!(printed["openapi"], "3.1.0");
}

#[test]
fn the_page_for_people_shows_everything_and_loads_nothing() {
    let app = TestApp::start();
    let answer = app.send(&Request::get("/docs"));
    let page = String::from_utf8(answer.body.clone()).unwrap();
    for described in all() {
        let path = described.path.replace('/', "<wbr>/");
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for name in described()["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
    for from_elsewhere in ["src=", "<script", "<link", "@import", "url(", "http://", "style=\""] {
        assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
    }
    let targets = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
    for target in targets.collect::<BTreeSet<_>>() {
        assert!(page.contains(&format!("id=\"{target}\"")), "nothing is at #{target}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-content-type-options").as_deref(), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy").as_deref(), Some("no-referrer"));
}
