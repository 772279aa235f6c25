//! kill -9 before, during and after a call to Stripe: what was recorded is gone on with, and has
//! one effect.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bursar::sandbox::server::Running;
use serde_json::{Value, json};

use crate::process::{Connection, LIMIT, Place, READER, SECRET, Server};
use crate::support::platform::{order, sandbox};
use crate::support::{PAYER, Request};
use crate::torture;

/// How often each call is cut off at each moment.
const ROUNDS: usize = 1;

/// When the process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Somewhere between the request and the call.
    Somewhere,
    /// Stripe has the call, and has not done it.
    Before,
    /// Stripe has done it, and has not answered.
    During,
    /// The answer was passed on.
    After,
}

const MOMENTS: [Moment; 4] = [Moment::Somewhere, Moment::Before, Moment::During, Moment::After];
const ACTIONS: [&str; 7] = ["account", "person", "link", "topup", "cancel", "transfer", "reversal"];

struct House {
    place: Place,
    stripe: Running,
    count: usize,
}

impl House {
    fn serve(&self) -> Server {
        let server = self.place.serve_with(|command| {
            command
                .env("BURSAR_TOKENS", format!("reader={READER},payer/pat={PAYER}"))
                .env("BURSAR_STRIPE_KEY", "sk_test_platform")
                .env("BURSAR_STRIPE_API_BASE", self.stripe.url())
                .env("BURSAR_PLATFORM_COUNTRY", "US")
                .env("BURSAR_BACKFILL_MINUTES", "0");
        });
        let url = format!("{}/webhooks/stripe", server.url());
        self.stripe.with(|sandbox| {
            for connect in [false, true] {
                let secret = Some(SECRET.to_owned());
                sandbox.world.register_endpoint(url.clone(), connect, secret);
            }
        });
        server
    }

    fn key(&mut self, name: &str) -> String {
        self.count += 1;
        format!("{name}-{}", self.count)
    }

    /// Done before anything goes wrong; answers the object's id.
    #[track_caller]
    fn made(&mut self, server: &Server, path: &str, body: &Value) -> String {
        let answer = order(path, &self.key("before"), body).send(server.address);
        assert_eq!(answer.status, 201, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()["object_id"].as_str().unwrap().to_owned()
    }

    /// The path and the body of a request, and the path at Stripe that it leads to.
    fn prepare(&mut self, server: &Server, account: &str, action: &str) -> (String, Value, String) {
        let topup = json!({ "amount": 2000, "currency": "usd" });
        let transfer = json!({ "amount": 100, "currency": "usd", "destination": account });
        let (path, body) = match action {
            "account" => ("/v1/accounts".to_owned(), json!({ "country": "US" })),
            "person" => {
                let account = self.made(server, "/v1/accounts", &json!({}));
                (format!("/v1/accounts/{account}/persons"), json!({ "first_name": "Jo" }))
            }
            "link" => {
                let account = self.made(server, "/v1/accounts", &json!({}));
                let url = "http://localhost/onboarding";
                let body = json!({ "refresh_url": url, "return_url": url });
                let path = format!("/v1/accounts/{account}/onboarding_links");
                return (path, body, "/v1/account_links".to_owned());
            }
            "topup" => ("/v1/topups".to_owned(), topup),
            "cancel" => {
                let topup = self.made(server, "/v1/topups", &topup);
                (format!("/v1/topups/{topup}/cancel"), json!({}))
            }
            "transfer" => ("/v1/transfers".to_owned(), transfer),
            "reversal" => {
                let transfer = self.made(server, "/v1/transfers", &transfer);
                (format!("/v1/transfers/{transfer}/reversals"), json!({ "amount": 40 }))
            }
            other => panic!("{other}"),
        };
        (path.clone(), body, path)
    }

    /// The calls that were seen from this one on: key and effects.
    fn seen(&self, from: usize, path: &str) -> Vec<(String, usize)> {
        self.stripe.with(|sandbox| {
            let calls = sandbox.journal.iter().skip(from);
            calls
                .filter(|call| call.method == "POST" && call.path == path)
                .map(|call| {
                    (
                        call.idempotency_key.clone().unwrap_or_default(),
                        call.effects.len() + call.events.len(),
                    )
                })
                .collect()
        })
    }
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "{what} never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn start() -> (House, Server, String) {
    let mut house = House { place: Place::new(), stripe: sandbox(0), count: 0 };
    let server = house.serve();
    let account = house.made(&server, "/v1/accounts", &json!({ "country": "US" }));
    house.stripe.with(|sandbox| sandbox.world.onboard(&account, &BTreeMap::new())).unwrap();
    let funds = json!({ "amount": 1_000_000, "currency": "usd" });
    house.stripe.with(|sandbox| sandbox.world.add_funds(&funds)).unwrap();
    house.stripe.advance(10);
    let path = format!("/v1/accounts/{account}");
    wait_until("a payable account", || {
        let answer = server.get(&path, READER);
        answer.status == 200 && answer.json()["payable"] == true
    });
    (house, server, account)
}

#[test]
fn a_call_that_the_process_did_not_outlive_has_one_effect() {
    let mut random = fastrand::Rng::with_seed(torture::seed("kills around calls"));
    let (mut house, mut server, account) = start();
    let mut kills = 0;
    for _ in 0..torture::asked("OPERATION_KILLS", ROUNDS) {
        for action in ACTIONS {
            for moment in MOMENTS {
                let case = format!("{action}, killed {moment:?}");
                let (path, body, at_stripe) = house.prepare(&server, &account, action);
                let key = house.key(action);
                let from = house.stripe.with(|sandbox| sandbox.journal.len());
                delay(&house.stripe, moment, &at_stripe);
                let request = order(&path, &key, &body);
                let pause = Duration::from_micros(random.u64(0..15_000));
                cut_off(&house, server, &request, (moment, pause), (from, &at_stripe));
                house.stripe.with(|sandbox| sandbox.faults.clear());

                server = house.serve();
                let mut last = Value::Null;
                wait_until(&case, || {
                    let answer = request.send(server.address);
                    last = answer.json();
                    matches!(answer.status, 200 | 201)
                });
                check(&house, &server, &key, (from, &at_stripe), &case);
                kills += 1;
            }
        }
    }
    server.stop();
    house.place.run(&["verify"]).expect(0).says(&["no faults"]);
    torture::row("kill -9 around a call to Stripe", kills, kills, 0);
}

fn delay(stripe: &Running, moment: Moment, path: &str) {
    let when = match moment {
        Moment::Somewhere | Moment::After => return,
        Moment::Before => "before",
        Moment::During => "after",
    };
    let order = json!({ "fault": "delay", "when": when, "milliseconds": 300, "path": path });
    let fault = bursar::sandbox::api::faults::Fault::read(&order).unwrap();
    stripe.with(|sandbox| sandbox.faults.plan(fault));
}

/// Asks, and kills the process at that moment.
fn cut_off(
    house: &House,
    server: Server,
    request: &Request,
    (moment, pause): (Moment, Duration),
    (from, at_stripe): (usize, &str),
) {
    // From here on it can be killed at any time.
    let mut connection = Connection::to(server.address).unwrap();
    let bytes = request.bytes();
    std::thread::scope(|threads| {
        let asking = threads.spawn(move || {
            connection.send(&bytes).and_then(|()| connection.answer()).ok();
        });
        match moment {
            Moment::Somewhere => std::thread::sleep(pause),
            Moment::Before => {
                wait_until("the call", || !house.seen(from, at_stripe).is_empty());
            }
            Moment::During => wait_until("the effect", || {
                let seen = house.seen(from, at_stripe);
                // A link leaves no trace; it is made as soon as the call is there.
                seen.iter().any(|(_, effects)| *effects > 0)
                    || at_stripe == "/v1/account_links" && !seen.is_empty()
            }),
            Moment::After => wait_until("the answer", || asking.is_finished()),
        }
        server.kill_nine().expect(-9);
    });
}

#[track_caller]
fn check(house: &House, server: &Server, key: &str, (from, at_stripe): (usize, &str), case: &str) {
    let list = server.read("/v1/operations?limit=20");
    let of_key: Vec<&Value> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["idempotency_key"] == key)
        .collect();
    let [operation] = of_key[..] else { panic!("{case}: {of_key:?}") };
    assert_eq!(operation["state"], "succeeded", "{case}: {operation}");
    let seen = house.seen(from, at_stripe);
    let keys: BTreeSet<&String> = seen.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), 1, "{case}: {seen:?}");
    let effective = seen.iter().filter(|(_, effects)| *effects > 0).count();
    let expected = usize::from(at_stripe != "/v1/account_links");
    assert_eq!(effective, expected, "{case}: {seen:?}");
}
