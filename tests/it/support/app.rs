//! The real service in this process, on a free port, over a store in a temporary folder.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bursar::app::{Capacity, Networks, Outbound, Parts, Patience, RunError, Vigilance, run};
use bursar::clock;
use bursar::config::{Checker, Settings};
use bursar::pipeline::commit::Limits;
use bursar::pipeline::pace::Pace;
use bursar::pipeline::retention::Retention;
use bursar::pipeline::rules::StripeRules;
use bursar::store::StoreError;
use bursar::store::embedded::{Embedded, Options};
use bursar::stripe::client::{Access, Client, Persistence, Rest};
use bursar::stripe::signature::sign;
use bursar::tls::Certificate;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::support::client::{Answer, Request};
use crate::support::gate::{Gate, Gated};

/// Each secret with the source of the events that it signs.
pub(crate) const SECRETS: [(&str, &str); 4] = [
    ("platform", "whsec_platform"),
    ("connect", "whsec_connect_old"),
    ("connect", "whsec_connect_new"),
    ("default", DEFAULT_SECRET),
];
pub(crate) const DEFAULT_SECRET: &str = "whsec_without=a_name";

pub(crate) const READER: &str = "reader-token";
pub(crate) const OPERATOR: &str = "operator-token";
pub(crate) const PAYER: &str = "payer-token";

/// What every test runs with, unless it says otherwise.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("BIND", "127.0.0.1:0"),
    (
        "WEBHOOK_SECRETS",
        "platform=whsec_platform, connect=whsec_connect_old,connect=whsec_connect_new, whsec_without=a_name",
    ),
    ("TOKENS", "reader/dashboard=reader-token,operator/olga=operator-token,payer/pat=payer-token"),
    ("LIVEMODE", "false"),
    // Only when a test asks for it.
    ("BACKFILL_MINUTES", "0"),
];
const SEGMENT_BYTES: u32 = 1 << 20;

pub(crate) struct TestApp {
    folder: TempDir,
    environment: BTreeMap<String, String>,
    limits: Limits,
    patience: Patience,
    pub(crate) gate: Arc<Gate>,
    running: Option<Running>,
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), RunError>>,
}

impl TestApp {
    pub(crate) fn start() -> Self {
        Self::start_with(&[], Limits::default())
    }

    pub(crate) fn start_patient(patience: Patience) -> Self {
        Self::start_as(&[], Limits::default(), patience)
    }

    /// With these variables, named without `BURSAR_`, put over the usual ones.
    pub(crate) fn start_with(variables: &[(&str, &str)], limits: Limits) -> Self {
        Self::start_as(variables, limits, Patience::default())
    }

    pub(crate) fn start_as(variables: &[(&str, &str)], limits: Limits, patience: Patience) -> Self {
        let variables = ENVIRONMENT.iter().chain(variables);
        let environment =
            variables.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let folder = TempDir::new().unwrap();
        let gate = Arc::new(Gate::new());
        let mut app = Self { folder, environment, limits, patience, gate, running: None };
        app.run();
        app
    }

    /// Starts on what the folder holds.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        let parts = self.parts();
        let store = Gated { store: self.open(), gate: Arc::clone(&self.gate) };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let stopped = async { stopped.await.unwrap_or_default() };
            actix_web::rt::System::new().block_on(run(listener, Arc::new(store), parts, stopped))
        };
        self.running = Some(Running { address, stop, thread: std::thread::spawn(serve) });
    }

    fn parts(&self) -> Parts {
        let settings = Settings::gather(BTreeMap::new(), self.environment.clone(), None);
        let mut checker = Checker::new(&settings);
        let bind = checker.bind();
        let (tokens, insecure_no_auth) = checker.tokens(bind).unwrap();
        let body_bytes = checker.max_body_bytes();
        let capacity = Capacity {
            connections: checker.max_connections().unwrap(),
            body_bytes: body_bytes.unwrap(),
            total_body_bytes: checker.max_total_body_bytes(body_bytes).unwrap(),
            replay_bytes: checker.max_replay_bytes().unwrap(),
            header_bytes: checker.max_header_bytes().unwrap(),
            headers: checker.max_headers().unwrap(),
            streams: checker.max_streams().unwrap(),
            json_depth: checker.max_json_depth().unwrap(),
        };
        let networks = Networks {
            trusted_proxies: checker.networks("trusted_proxies").unwrap(),
            webhook: checker.networks("webhook_networks").unwrap(),
        };
        let files = checker.tls_files();
        let certificate =
            files.map(|files| Arc::new(Certificate::load(&files.cert, &files.key).unwrap()));
        Parts {
            verifier: checker.verifier().unwrap().into(),
            tokens: tokens.into(),
            auth_failures: checker.auth_failures().unwrap(),
            insecure_no_auth,
            livemode: checker.livemode().unwrap(),
            capacity,
            limits: self.limits(&mut checker),
            patience: self.patience,
            vigilance: Vigilance {
                silence_hours: checker.silence_hours().unwrap(),
                ..Vigilance::default()
            },
            certificate,
            networks,
            outbound: outbound(&mut checker),
            retention: checker.retention_days().map(Retention::of_days),
            onboarding: checker.onboarding(),
        }
    }

    /// What the variables say, where they do.
    fn limits(&self, checker: &mut Checker<'_>) -> Limits {
        let gives = |name: &str| self.environment.contains_key(name);
        let Limits { waiting, waiting_bytes, batch } = self.limits;
        let waiting = if gives("MAX_WAITING") { checker.max_waiting().unwrap() } else { waiting };
        let waiting_bytes = if gives("MAX_WAITING_BYTES") {
            checker.max_waiting_bytes().unwrap()
        } else {
            waiting_bytes
        };
        Limits { waiting, waiting_bytes, batch }
    }

    /// The last threads of a server that has just stopped may still be letting go of the store.
    #[track_caller]
    pub(crate) fn open(&self) -> Embedded {
        let deadline = clock::now().unix_seconds() + 30;
        loop {
            let options = Options { segment_bytes: SEGMENT_BYTES };
            let rules = Arc::new(StripeRules);
            match Embedded::open(&self.store_folder(), options, rules, &mut |_| {}) {
                Err(StoreError::Locked(_)) if clock::now().unix_seconds() < deadline => {
                    std::thread::yield_now();
                }
                opened => return opened.unwrap(),
            }
        }
    }

    pub(crate) fn store_folder(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Asks the server to stop, without waiting for it.
    pub(crate) fn ask_to_stop(&mut self) -> JoinHandle<Result<(), RunError>> {
        let Running { stop, thread, .. } = self.running.take().unwrap();
        stop.send(()).ok();
        thread
    }

    /// Waits for a server that ends by itself.
    pub(crate) fn wait_for_the_end(&mut self) -> Result<(), RunError> {
        let Running { stop, thread, .. } = self.running.take().unwrap();
        let ended = thread.join().unwrap();
        drop(stop);
        ended
    }

    /// Stops the server; what is under way is answered first.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.ask_to_stop().join().unwrap().unwrap();
    }

    /// Stops and starts again on the same folder.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.run();
    }

    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().address
    }

    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Answer {
        request.send(self.address())
    }

    /// Delivers `body`, freshly signed as the platform's endpoint would be.
    #[track_caller]
    pub(crate) fn deliver(&self, body: impl AsRef<[u8]>) -> (u16, Value) {
        let answer = self.send(&signed(body));
        (answer.status, answer.json())
    }

    /// Delivers an event that must be taken; answers its outcome.
    #[track_caller]
    pub(crate) fn outcome(&self, event: &Value) -> String {
        let (status, answer) = self.deliver(event.to_string());
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["id"], event["id"], "{answer}");
        answer["outcome"].as_str().unwrap().to_owned()
    }

    /// Delivers an event that must change something.
    #[track_caller]
    pub(crate) fn apply(&self, event: &Value) {
        assert_eq!(self.outcome(event), "applied", "{event}");
    }

    /// Reads with the reader's token.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&Request::get(path).token(READER))
    }

    /// A read that must be answered.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    /// A field of every item of a list.
    #[track_caller]
    pub(crate) fn column(&self, path: &str, field: &str) -> Vec<Value> {
        let list = self.read(path);
        let items = list["data"].as_array().unwrap();
        items.iter().map(|item| item[field].clone()).collect()
    }

    /// Posts with the operator's token.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&Request::post(path, body.to_string()).token(OPERATOR))
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(Running { stop, thread, .. }) = self.running.take() {
            self.gate.open();
            self.gate.tell(true);
            stop.send(()).ok();
            thread.join().ok();
        }
    }
}

/// With a key, Stripe is called, and no pause between two attempts is worth waiting for.
fn outbound(checker: &mut Checker<'_>) -> Option<Outbound> {
    let (settings, backfill_every) = checker.stripe().zip(checker.backfill_every())?;
    let (livemode, version) = (settings.livemode(), settings.version.clone());
    let client = Client::with(settings, Persistence::default(), Box::new(AtOnce)).unwrap();
    let access = Access { stripe: Arc::new(client), livemode, version };
    let moment = Duration::from_millis(1);
    let pace = Pace {
        between_reads: Duration::ZERO,
        first_wait: moment,
        longest_wait: 10 * moment,
        between_looks: moment,
        ..Pace::default()
    };
    Some(Outbound { access, backfill_every, pace, region: checker.region() })
}

struct AtOnce;

#[async_trait]
impl Rest for AtOnce {
    async fn before_retry(&self, _: u32) {}
}

/// A delivery, freshly signed with the first secret.
pub(crate) fn signed(body: impl AsRef<[u8]>) -> Request {
    let signature = sign(SECRETS[0].1, body.as_ref(), now());
    Request::post("/webhooks/stripe", body.as_ref()).header("Stripe-Signature", &signature)
}

/// Unix seconds.
pub(crate) fn now() -> i64 {
    clock::now().signed_seconds()
}
