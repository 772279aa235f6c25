//! `bursar demo`

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use comfy_table::{Table, presets};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::app::{Capacity, Parts, Patience, run as run_app};
use crate::cli::client::Server;
use crate::cli::settings::{Address, SettingFlags};
use crate::cli::{Failure, block_on, healthcheck, serve};
use crate::clock;
use crate::config::{Checker, Settings};
use crate::pipeline::commit::Limits;
use crate::pipeline::rules::StripeRules;
use crate::sandbox::fixture;
use crate::sandbox::story::{Story, Teller, Told};
use crate::secret::Secret;
use crate::store::embedded::{Embedded, Options};
use crate::stripe::outgoing::ReturnUrls;
use crate::stripe::signature::{Verifier, WebhookSecret, sign};
use crate::token::{Role, Token, Tokens};

const STORY: &str = "scenarios/demo.txt";
const SEGMENT_BYTES: u32 = 4 << 20;
/// Decides the order of delivery, so that every demo is the same.
const SHUFFLE_SEED: u64 = 5;
const TOLERANCE_SECONDS: u64 = 300;
const CAPACITY: Capacity =
    Capacity { connections: 256, body_bytes: 1 << 20, total_body_bytes: 64 << 20 };

/// Play a story through a real server on a temporary store, then keep serving
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  bursar demo\n  bursar demo --exit")]
pub struct Arguments {
    /// Stop after the story; exit 0 only if every expected status was reached
    #[arg(long)]
    exit: bool,
    #[command(flatten)]
    settings: SettingFlags<Address>,
}

/// A folder that is gone when the demo is.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// What the demo's server knows and its visitor needs.
struct Keys {
    secret: String,
    reader: String,
    operator: String,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let listener = listen(&arguments.settings.gather())?;
    crate::telemetry::start("warn", false);
    let keys = Keys {
        secret: super::token::new("whsec_")?,
        reader: super::token::new("demo_reader_")?,
        operator: super::token::new("demo_operator_")?,
    };
    let folder = std::env::temp_dir().join(super::token::new("bursar-demo-")?);
    let folder = Temporary(folder);
    let options = Options { segment_bytes: SEGMENT_BYTES };
    let store = Embedded::open(&folder.0, options, Arc::new(StripeRules), &mut |_| {})?;
    let address = listener.local_addr().map_err(|error| Failure::Failed(error.to_string()))?;
    let url = healthcheck::url(address);
    let result = block_on(async {
        let (stop, stopped) = oneshot::channel::<()>();
        let stop_signal = async move {
            tokio::select! {
                _ = stopped => {}
                () = serve::stop_signal() => {}
            }
        };
        let parts = parts(&keys)?;
        let running =
            tokio::task::spawn_local(run_app(listener, Arc::new(store), parts, stop_signal));
        let told = tell(&url, &keys).await;
        if arguments.exit || told.is_err() {
            stop.send(()).ok();
        } else {
            invite(&url, &keys, &folder.0);
            std::mem::forget(stop);
        }
        let ended = running.await.map_err(|error| Failure::Failed(error.to_string()))?;
        ended.map_err(|error| Failure::Failed(error.to_string()))?;
        told
    });
    drop(folder);
    result
}

/// The address that was asked for. Without one the usual, or a free port when that is taken.
fn listen(settings: &Settings) -> Result<TcpListener, Failure> {
    let mut checker = Checker::new(settings);
    let bind = checker.bind();
    checker.finish()?;
    let bind = bind.ok_or(Failure::Said)?;
    let listener = TcpListener::bind(bind);
    let listener = if settings.gives("bind") {
        listener
    } else {
        listener.or_else(|_| TcpListener::bind(SocketAddr::new(bind.ip(), 0)))
    };
    listener.map_err(|error| {
        Failure::Failed(format!(
            "the address {bind} cannot be used: {error}; choose another with --bind or BURSAR_BIND"
        ))
    })
}

fn parts(keys: &Keys) -> Result<Parts, Failure> {
    let secret = WebhookSecret::new("demo", Secret::new(keys.secret.clone()));
    let token = |role: Role, token: &str| Token::new(role, role.word(), token).ok_or(Failure::Said);
    Ok(Parts {
        verifier: Verifier::new(&[secret], TOLERANCE_SECONDS),
        tokens: Tokens(vec![
            token(Role::Reader, &keys.reader)?,
            token(Role::Operator, &keys.operator)?,
        ]),
        insecure_no_auth: false,
        livemode: false,
        capacity: CAPACITY,
        limits: Limits::default(),
        patience: Patience::default(),
        outbound: None,
        onboarding: ReturnUrls::default(),
    })
}

/// Delivers the story, shuffled and with duplicates, and checks what came of it.
async fn tell(url: &str, keys: &Keys) -> Result<(), Failure> {
    let server = Server::new(url)?;
    let text = fixture(STORY).map(String::from_utf8_lossy).unwrap_or_default();
    let story =
        Story::parse(&text).map_err(|error| Failure::Failed(format!("{STORY}: {error}")))?;
    println!("{}", story.title);
    println!("bursar listens on {url}; the events arrive shuffled, some of them twice.\n");
    deliver(&server, keys, &story).await?;

    let mut told = table(&["object", "event", "step", "status", "arrived late"]);
    let mut ended = table(&["object", "status", "as it should be"]);
    let mut wrong = Vec::new();
    for expectation in story.final_expectations() {
        let answer = server.get(&expectation.path(), Some(&keys.reader)).await?;
        let checked = expectation.check(answer.status, &answer.json);
        if let Some(history) = expectation.history_path().filter(|_| expectation.is_status()) {
            let id = answer.text("id").to_owned();
            let mark = if checked.is_ok() { "yes" } else { "NO" };
            let history = server.get(&history, Some(&keys.reader)).await?;
            add_history(&mut told, &id, &history.json);
            ended.add_row([id, remarks(&answer.json), mark.to_owned()]);
        }
        wrong.extend(checked.err());
    }
    println!("What happened, in the order that bursar gave the events:\n{told}\n");
    println!("What is true now:\n{ended}\n");
    if wrong.is_empty() {
        return Ok(());
    }
    for wrong in &wrong {
        println!("not as expected: {wrong}");
    }
    Err(Failure::Failed(format!("expectations of the story that do not hold: {}", wrong.len())))
}

async fn deliver(server: &Server, keys: &Keys, story: &Story) -> Result<(), Failure> {
    let length = u64::try_from(story.lines.len()).unwrap_or(0);
    let mut teller = Teller::new(clock::now().unix_seconds().saturating_sub(length), "demo");
    let told: Result<Vec<Told>, String> =
        story.deliveries().map(|delivery| teller.tell(delivery)).collect();
    let told = told.map_err(Failure::Failed)?;
    let mut order: Vec<(usize, &Told)> = told.iter().enumerate().collect();
    let again: Vec<(usize, &Told)> = order.iter().copied().step_by(4).collect();
    order.extend(again);
    fastrand::Rng::with_seed(SHUFFLE_SEED).shuffle(&mut order);

    let mut table = table(&["arrived", "sent", "event", "about", "outcome"]);
    for (place, (index, event)) in order.into_iter().enumerate() {
        let now = clock::now().signed_seconds();
        let signature = sign(&keys.secret, &event.body, now);
        let header = ("Stripe-Signature", signature);
        let answer = server.post("/webhooks/stripe", header, event.body.clone()).await?;
        if !answer.is_success() {
            return Err(Failure::Failed(format!("{}: {}", event.event_id, answer.problem())));
        }
        table.add_row([
            (place + 1).to_string(),
            (index + 1).to_string(),
            event.event_type.clone(),
            event.object.clone(),
            answer.text("outcome").to_owned(),
        ]);
    }
    println!("What arrived, signed, over HTTP:\n{table}\n");
    Ok(())
}

/// The events about one object, and what each did to its status.
fn add_history(table: &mut Table, id: &str, history: &Value) {
    let entries = history.get("data").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let (before, after) = (text("status_before"), text("status_after"));
        let moved = if before.is_empty() || before == after {
            after.to_owned()
        } else {
            format!("{before} -> {after}")
        };
        let late = if entry.get("arrived_late") == Some(&Value::Bool(true)) { "late" } else { "" };
        table.add_row([id, text("type"), text("step"), &moved, late]);
    }
}

/// The status, and what else of an object a person would want to know.
fn remarks(object: &Value) -> String {
    let is = |name: &str| object.get(name) == Some(&Value::Bool(true));
    let status = object.get("status").and_then(Value::as_str).unwrap_or("?");
    let marks = [("payable", is("payable")), ("failed_after_paid", is("failed_after_paid"))];
    let marks = marks.into_iter().filter(|(_, is)| *is).map(|(name, _)| format!(", {name}"));
    format!("{status}{}", marks.collect::<String>())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header.to_vec());
    table
}

fn invite(url: &str, keys: &Keys, folder: &std::path::Path) {
    println!("Still serving; Ctrl-C ends it and removes {}.", folder.display());
    println!("  webhook secret  {}", keys.secret);
    println!("  reader token    {}", keys.reader);
    println!("  operator token  {}\n", keys.operator);
    println!("Try:");
    let curl = |token: &str, path: &str| {
        println!("  curl -H 'Authorization: Bearer {token}' '{url}{path}'");
    };
    curl(&keys.reader, "/v1/accounts");
    curl(&keys.reader, "/v1/accounts/acct_1TQx8RGh4NwJ6pLd/history");
    curl(&keys.reader, "/v1/payouts?status=failed");
    curl(&keys.reader, "/v1/summary");
    println!("  bursar replay fixtures/events --url {url} --token {}", keys.operator);
}
