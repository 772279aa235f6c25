//! Stripe's own command line tool, unmodified: it listens to the stand-in, triggers events there,
//! and forwards them to a running bursar.
//!
//! Like the oracles, it is installed by `scripts/test` and found below `BURSAR_ORACLES`. What can
//! be tried without it stands first.

use std::fmt::Debug;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use awc::ws::Frame;
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};

use bursar::secret::Secret;
use bursar::stripe::signature::{Verifier, WebhookSecret};

use crate::clients::libraries;
use crate::process::{Ended, LIMIT, Place, Process, Server, run};
use crate::support::stand_in::{KEY, StandIn};
use crate::support::{Request, now};

const SESSION: &str = "device_name=desk&websocket_features[]=webhooks";
/// Nobody listens there: what asks for anything but the loopback gets no further.
const NOWHERE: &str = "http://127.0.0.1:9";

fn begin_session(stripe: &StandIn) -> Value {
    stripe.send(&StandIn::request("POST", "/v1/stripecli/sessions", SESSION)).json()
}

async fn connect(session: &Value) -> impl Stream<Item = Result<Frame, impl Debug>> + Unpin {
    let url = session["websocket_url"].as_str().unwrap();
    let id = session["websocket_id"].as_str().unwrap();
    let request = awc::Client::builder().finish().ws(url).header("Websocket-Id", id);
    request.connect().await.expect("a websocket").1
}

/// What a session is told over one connection, until it was told of so many events.
fn told(session: &Value, events: usize) -> Vec<Value> {
    actix_web::rt::System::new().block_on(async {
        let connection = connect(session).await;
        // Each comes twice, for either version that one can listen in.
        let frames = connection.take(2 * events).map(|frame| {
            let Frame::Text(text) = frame.expect("a frame") else { panic!("not a text") };
            serde_json::from_slice(&text).expect("JSON")
        });
        tokio::time::timeout(LIMIT, frames.collect()).await.expect("events in time")
    })
}

#[test]
fn a_listener_that_comes_back_is_told_of_what_it_did_not_acknowledge() {
    let stripe = StandIn::start();
    let session = begin_session(&stripe);
    let topup = |stripe: &StandIn| stripe.ok("POST", "/v1/topups", "amount=5&currency=usd");
    let first = topup(&stripe);
    let heard = told(&session, 1);
    let second = topup(&stripe);
    let third = topup(&stripe);
    let later = told(&session, 3);

    let object = |message: &Value| {
        let event: Value =
            serde_json::from_str(message["event_payload"].as_str().unwrap()).unwrap();
        event["data"]["object"]["id"].clone()
    };
    let objects = |heard: &[Value]| heard.iter().map(object).collect::<Vec<_>>();
    let [first, second, third] = [first, second, third].map(|topup| topup["id"].clone());
    assert_eq!(objects(&heard), vec![first.clone(); 2]);
    let twice = [first, second, third].map(|id| [id.clone(), id]).concat();
    assert_eq!(objects(&later), twice);
    let versions: Vec<&Value> =
        heard.iter().map(|message| &message["endpoint"]["api_version"]).collect();
    assert_eq!(versions, [&Value::Null, &session["default_version"]]);

    let secret = [WebhookSecret::new("tool", Secret::new(session["secret"].as_str().unwrap()))];
    let message = &heard[0];
    let body = message["event_payload"].as_str().unwrap().as_bytes();
    let header = message["http_headers"]["Stripe-Signature"].as_str().unwrap().as_bytes();
    assert!(Verifier::new(&secret, 300).verify(header, body, now()).is_ok());
}

#[test]
fn a_stand_in_that_stops_lets_its_listeners_go() {
    let stripe = StandIn::start();
    let session = begin_session(&stripe);
    actix_web::rt::System::new().block_on(async {
        let mut connection = connect(&session).await;
        let (send, stopped) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || send.send(stripe.running.stop()));
        tokio::time::timeout(LIMIT, stopped).await.expect("a stop").unwrap().unwrap();
        let last = tokio::time::timeout(LIMIT, connection.next()).await.expect("an end");
        assert!(!matches!(last, Some(Ok(Frame::Text(_)))), "{last:?}");
    });
}

#[test]
fn a_session_that_nobody_began_is_unknown() {
    let stripe = StandIn::start();
    for request in [
        Request::get("/subscribe/acct_1"),
        Request::get("/subscribe/acct_1").header("Websocket-Id", "cliws_1"),
    ] {
        let answer = stripe.send(&request);
        // By these words the tool knows that it needs a new session.
        let said = json!({ "error": { "message": "Unknown WebSocket ID." } });
        assert_eq!((answer.status, answer.json()), (404, said));
    }
}

/// The tool itself, below the folder where `scripts/test` installs it.
fn tool() -> Option<PathBuf> {
    let folder = libraries()?.canonicalize().expect("the folder that BURSAR_ORACLES names");
    let tools = folder.join("node_modules/@stripe");
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let ours = tools.join(format!("cli-{system}-{machine}/bin/stripe"));
    assert!(ours.exists(), "{} is not there", ours.display());
    Some(ours)
}

/// A stand-in, a bursar, and the tool between them.
struct Desk {
    tool: PathBuf,
    stripe: StandIn,
    place: Place,
}

impl Desk {
    fn new() -> Option<Self> {
        Some(Self { tool: tool()?, stripe: StandIn::start(), place: Place::new() })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tool);
        command.args(arguments).args(["--api-base", &self.stripe.running.url()]);
        command.env_clear().env("STRIPE_API_KEY", KEY).env("STRIPE_CLI_TELEMETRY_OPTOUT", "1");
        command.env("HOME", self.place.path("home"));
        command.env("XDG_CONFIG_HOME", self.place.path("home"));
        command.env("HTTP_PROXY", NOWHERE).env("HTTPS_PROXY", NOWHERE);
        command.current_dir(self.place.path(""));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command(arguments)).expect(0)
    }

    #[track_caller]
    fn trigger(&self, arguments: &[&str]) {
        self.run(&[&["trigger"], arguments].concat()).says(&["Trigger succeeded!"]);
    }

    /// A bursar that knows the secret of the tool's sessions.
    #[track_caller]
    fn serve(&self) -> Server {
        let secret = self.run(&["listen", "--print-secret"]).stdout;
        let secrets = format!("tool={}", secret.trim());
        self.place.serve_with(|command| {
            command.env("BURSAR_WEBHOOK_SECRETS", secrets);
        })
    }

    /// The tool, listening: it forwards to this server, of connected accounts by another URL.
    #[track_caller]
    fn listen(&self, server: &Server, more: &[&str]) -> Process {
        let url = format!("{}/webhooks/stripe", server.url());
        let connect = format!("{url}?connect");
        let forward = ["listen", "--skip-update", "--forward-to", &url];
        let forward = [&forward[..], &["--forward-connect-to", &connect], more].concat();
        let process = Process::start(self.command(&forward));
        self.until(|| self.session()["connected"] == true, "nobody listens");
        process
    }

    /// The session that began last.
    fn session(&self) -> Value {
        let listeners = self.stripe.look("listeners");
        listeners.as_array().unwrap().last().cloned().unwrap_or_default()
    }

    /// What that session was told of this event, as often as it should be, with what came back.
    #[track_caller]
    fn told(&self, event: &Value, times: usize) -> Vec<Value> {
        let id = event["id"].as_str().unwrap();
        let told = || {
            let told = self.session()["told"].as_array().unwrap().clone();
            let answered = |told: &Value| told["event"] == id && told["answers"][0].is_object();
            told.into_iter().filter(answered).collect::<Vec<_>>()
        };
        self.until(|| told().len() >= times, &format!("{id} is not answered"));
        told()
    }

    /// Whether all that the session was told of was answered.
    fn is_quiet(&self) -> bool {
        let session = self.session();
        session["told"].as_array().unwrap().iter().all(|told| told["answers"][0].is_object())
    }

    #[track_caller]
    fn until(&self, condition: impl Fn() -> bool, failure: &str) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < LIMIT, "{failure}: {:#}", self.stripe.look("listeners"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The newest event of this type that the server has, once it has one.
    #[track_caller]
    fn arrived(&self, server: &Server, kind: &str) -> Value {
        let path = format!("/v1/events?type={kind}");
        self.until(|| server.read(&path)["data"][0].is_object(), &format!("no {kind} arrives"));
        server.read(&path)["data"][0].clone()
    }
}

/// What bursar answered to an event, and where that was forwarded to.
fn answer(told: &Value) -> (String, String) {
    let answer = &told["answers"][0];
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).expect("JSON");
    (body["outcome"].as_str().unwrap().to_owned(), answer["url"].as_str().unwrap().to_owned())
}

#[test]
fn what_the_tool_triggers_reaches_bursar_by_its_forwarding() {
    let Some(desk) = Desk::new() else { return };
    let server = desk.serve();
    let _listening = desk.listen(&server, &[]);
    for kind in [
        "account.updated",
        "topup.created",
        "transfer.created",
        "transfer.reversed",
        "payout.created",
        "balance.available",
        "transfer.updated",
        "payout.updated",
        "account.application.deauthorized",
    ] {
        desk.trigger(&[kind]);
        let event = desk.arrived(&server, kind);
        let (outcome, url) = answer(&desk.told(&event, 1)[0]);
        // Which one depends on what is told first of what happens in one second.
        let taken = ["applied", "unchanged", "stale"].contains(&outcome.as_str());
        assert!(taken && event["source"] == "tool", "{kind}: {outcome}: {event}");
        assert_eq!(url.ends_with("?connect"), event["account"].is_string(), "{kind}: {url}");
    }
    desk.until(|| desk.is_quiet(), "the tool forwards without end");
    let state = desk.stripe.look("state");
    for (kind, objects, expected) in [
        ("topups", &state["topups"], vec!["pending"]),
        ("transfers", &state["transfers"], vec!["created", "partially_reversed", "created"]),
        ("payouts", &state["payouts"], vec!["pending", "pending"]),
    ] {
        let read = |object: &Value| {
            let id = object["id"].as_str().unwrap();
            server.read(&format!("/v1/{kind}/{id}"))["status"].as_str().unwrap().to_owned()
        };
        let statuses: Vec<String> = objects.as_array().unwrap().iter().map(read).collect();
        assert_eq!(statuses, expected, "{kind}");
    }
    let accounts = server.read("/v1/accounts");
    let statuses: Vec<_> =
        accounts["data"].as_array().unwrap().iter().map(|a| &a["status"]).collect();
    assert_eq!(statuses, ["deauthorized", "onboarding"]);
    server.stop();
}

#[test]
fn what_the_tool_sends_again_is_a_duplicate() {
    let Some(desk) = Desk::new() else { return };
    let server = desk.serve();
    let _listening = desk.listen(&server, &[]);
    desk.trigger(&["topup.created"]);
    let event = desk.arrived(&server, "topup.created");
    let id = event["id"].as_str().unwrap();
    desk.run(&["events", "resend", id]).says(&[id]);
    let told = desk.told(&event, 2);
    let outcomes: Vec<String> = told.iter().map(|told| answer(told).0).collect();
    assert_eq!(outcomes, ["applied", "duplicate"]);
    assert_eq!(server.events().len(), 1);
    server.stop();
}

#[test]
fn what_is_triggered_for_a_connected_account_arrives_as_its() {
    let Some(desk) = Desk::new() else { return };
    let server = desk.serve();
    let account = desk.stripe.payable_account();
    let _listening = desk.listen(&server, &[]);
    desk.trigger(&["payout.created", "--stripe-account", &account]);
    let event = desk.arrived(&server, "payout.created");
    let (outcome, url) = answer(&desk.told(&event, 1)[0]);
    assert_eq!((outcome.as_str(), event["account"].as_str()), ("applied", Some(&*account)));
    assert!(url.ends_with("?connect"), "{url}");
    let payouts = server.read(&format!("/v1/payouts?account={account}"));
    assert_eq!(payouts["data"][0]["amount"], 1100);
    server.stop();
}

#[test]
fn who_listens_in_the_latest_version_hears_of_each_event_once() {
    let Some(desk) = Desk::new() else { return };
    let server = desk.serve();
    let _listening = desk.listen(&server, &["--latest"]);
    desk.trigger(&["topup.created"]);
    let event = desk.arrived(&server, "topup.created");
    desk.trigger(&["topup.created"]);
    desk.until(|| server.events().len() == 2 && desk.is_quiet(), "the second does not arrive");
    let told = desk.told(&event, 1);
    assert_eq!(told[0]["answers"].as_array().unwrap().len(), 1);
    server.stop();
}

#[test]
fn who_listens_in_the_place_of_an_endpoint_forwards_to_its_path() {
    let Some(desk) = Desk::new() else { return };
    let server = desk.serve();
    let hook = "url=https://platform.example/webhooks/stripe&enabled_events[]=topup.created";
    desk.stripe.ok("POST", "/v1/webhook_endpoints", hook);
    let process = Process::start(desk.command(&[
        "listen",
        "--skip-update",
        "--use-configured-webhooks",
        "--forward-to",
        &server.url(),
    ]));
    desk.until(|| desk.session()["connected"] == true, "nobody listens");
    desk.trigger(&["payout.created"]);
    desk.trigger(&["topup.created"]);
    desk.arrived(&server, "topup.created");
    assert_eq!(server.events().len(), 1);
    drop(process);
    server.stop();
}
