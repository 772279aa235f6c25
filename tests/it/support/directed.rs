//! Operations without a server: a real store, a Stripe that a test directs call by call, and a
//! clock that it sets.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bursar::clock;
use bursar::domain::operation::{Operation, OperationState, Params, TransferTerms};
use bursar::domain::region::{Country, RegionRule};
use bursar::domain::time::Timestamp;
use bursar::pipeline::commit::{Committer, Limits};
use bursar::pipeline::operations::wanted::{Asked, Wanted};
use bursar::pipeline::operations::{Means, Operations, RequestError};
use bursar::pipeline::pace::Pace;
use bursar::pipeline::receive::incoming;
use bursar::pipeline::refetch::Refetcher;
use bursar::store::{Begun, SharedStore};
use bursar::stripe::client::{Access, Answer, Call, CallError, Method, Stripe, StripeError};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::TestApp;
use crate::support::events::account;
use crate::support::gate::{Gate, Gated};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const HOUR: i64 = 3600;

thread_local! {
    /// Seconds by which the clock of operations is ahead. All of a test runs on its thread.
    static AHEAD: Cell<i64> = const { Cell::new(0) };
}

static ANSWERS: AtomicU64 = AtomicU64::new(0);

/// Sets the clock forward, or back.
pub(crate) fn ahead(seconds: i64) {
    AHEAD.set(AHEAD.get() + seconds);
}

pub(crate) fn present() -> Timestamp {
    Timestamp(clock::now().0 + AHEAD.get() * 1_000_000)
}

/// What becomes of a call; `None` is no answer yet.
type Said = Option<Result<Answer, CallError>>;

/// Stands in for Stripe.
pub(crate) struct Directed {
    said: Box<dyn Fn(&Call) -> Said + Send + Sync>,
    calls: Mutex<Vec<Call>>,
    again: watch::Sender<u64>,
}

#[async_trait]
impl Stripe for Directed {
    async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        self.calls.lock().unwrap().push(call.clone());
        let mut again = self.again.subscribe();
        loop {
            if let Some(said) = (self.said)(call) {
                return said;
            }
            again.changed().await.unwrap();
        }
    }
}

impl Directed {
    /// Who had no answer yet may have one now.
    pub(crate) fn look_again(&self) {
        self.again.send_modify(|count| *count += 1);
    }

    fn of(&self, method: Method, path: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.method == method && call.path == path).cloned().collect()
    }

    pub(crate) fn posts(&self, path: &str) -> Vec<Call> {
        self.of(Method::Post, path)
    }

    pub(crate) fn gets(&self, path: &str) -> Vec<Call> {
        self.of(Method::Get, path)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as Stripe says it")]
pub(crate) fn answer(body: &Value) -> Said {
    let body = RawValue::from_string(body.to_string()).unwrap();
    let request_id = Some("req_1".to_owned());
    // Of two balances of one second nobody could tell which is the newer.
    let date = Some(clock::now().unix_seconds() + 2 * ANSWERS.fetch_add(1, Ordering::SeqCst));
    Some(Ok(Answer { status: 200, body, request_id, replayed: false, date }))
}

/// A list without an end is one whose every page says that there are more.
pub(crate) fn page(data: &[Value], has_more: bool) -> Said {
    answer(&json!({ "object": "list", "data": data, "has_more": has_more }))
}

#[expect(clippy::unnecessary_wraps, reason = "as Stripe says it")]
pub(crate) fn lost() -> Said {
    let reason = "the connection ended before an answer came".to_owned();
    Some(Err(CallError::Unknown { reason, request_id: None }))
}

#[expect(clippy::unnecessary_wraps, reason = "as Stripe says it")]
pub(crate) fn refused(status: u16, code: &str) -> Said {
    let kind = "invalid_request_error".to_owned();
    let error = StripeError { kind, code: Some(code.to_owned()), ..StripeError::default() };
    Some(Err(CallError::Refused { status, error, request_id: None }))
}

pub(crate) fn funds(amounts: &[(&str, i64)]) -> Value {
    amounts
        .iter()
        .map(|(currency, amount)| json!({"amount": amount, "currency": currency}))
        .collect()
}

/// The object that a call makes, under a new id that tells of the operation.
pub(crate) fn made(call: &Call, id: &str) -> Value {
    let operation = call.params.get("metadata[bursar_operation]");
    json!({ "id": id, "object": "transfer", "metadata": { "bursar_operation": operation } })
}

pub(crate) struct Bench {
    pub(crate) operations: Operations,
    pub(crate) store: SharedStore,
    pub(crate) gate: Arc<Gate>,
    pub(crate) stripe: Arc<Directed>,
}

/// Runs a test over a new store.
pub(crate) fn directed(
    said: impl Fn(&Call) -> Said + Send + Sync + 'static,
    test: impl AsyncFnOnce(&Bench),
) {
    let mut app = TestApp::start();
    app.stop();
    let stripe =
        Directed { said: Box::new(said), calls: Mutex::default(), again: watch::Sender::new(0) };
    let stripe = Arc::new(stripe);
    over(&app, stripe.clone(), async |operations, store, gate| {
        let bench = Bench { operations, store, gate, stripe: stripe.clone() };
        test(&bench).await;
    });
}

/// Operations over the store of a service that does not run, which is closed afterwards.
pub(crate) fn over(
    app: &TestApp,
    stripe: Arc<dyn Stripe>,
    test: impl AsyncFnOnce(Operations, SharedStore, Arc<Gate>),
) {
    let gate = Arc::new(Gate::new());
    let gated = Gated { store: app.open(), gate: gate.clone() };
    actix_web::rt::System::new().block_on(async {
        let store: SharedStore = Arc::new(gated);
        let (committer, committing, _) = Committer::start(store.clone(), Limits::default());
        let access = Access { stripe, livemode: false, version: "2026-07-29.dahlia".to_owned() };
        let refetcher = Refetcher::new(access.clone(), committer, clock::now);
        let moment = Duration::from_millis(1);
        let pace = Pace {
            first_wait: moment,
            longest_wait: 10 * moment,
            between_looks: moment,
            answer_within: 300 * moment,
            ..Pace::default()
        };
        let region = RegionRule { platform: Country::parse("US"), ..RegionRule::default() };
        let means = Means { store: store.clone(), access, refetcher, region, pace, clock: present };
        let operations = Operations::new(means);
        test(operations.clone(), store.clone(), gate).await;
        operations.stop(PATIENCE).await;
        drop(operations);
        committing.abort();
        store.close().await.unwrap();
    });
}

/// Takes in an event.
pub(crate) async fn keep(store: &SharedStore, event: &Value) {
    let (now, body) = (clock::now(), event.to_string());
    let read = bursar::stripe::wire::read(body.as_bytes(), now).unwrap();
    let event = incoming(read, body.as_bytes(), "platform", now, false);
    store.commit(vec![event]).await.unwrap();
}

pub(crate) fn asked(key: &str) -> Asked {
    Asked { client_key: key.to_owned(), by: "pat".to_owned() }
}

pub(crate) fn terms(amount: i64, currency: &str, wait_for_funds: bool) -> TransferTerms {
    TransferTerms {
        amount,
        currency: currency.to_owned(),
        destination: "acct_1".to_owned(),
        transfer_group: None,
        wait_for_funds,
        topup: None,
    }
}

pub(crate) fn transfer(terms: TransferTerms) -> Wanted {
    let params = [
        ("amount", terms.amount.to_string()),
        ("currency", terms.currency.clone()),
        ("destination", terms.destination.clone()),
    ];
    let params = Params(params.map(|(name, value)| (name.to_owned(), value)).to_vec());
    Wanted::Transfer { terms, params }
}

pub(crate) fn link() -> Wanted {
    Wanted::Link {
        account: "acct_1".to_owned(),
        refresh_url: "https://a.example/refresh".to_owned(),
        return_url: "https://a.example/return".to_owned(),
    }
}

impl Bench {
    pub(crate) async fn deliver(&self, event: &Value) {
        keep(&self.store, event).await;
    }

    /// An account that can be paid, and what there is to spend.
    pub(crate) async fn ready(&self, amounts: &[(&str, i64)]) {
        self.deliver(&account("acct_1")).await;
        self.balance(amounts).await;
    }

    pub(crate) async fn balance(&self, amounts: &[(&str, i64)]) {
        let known = crate::support::events::balance(0);
        let known = crate::support::with(known, "data.object.available", funds(amounts));
        self.deliver(&known).await;
    }

    pub(crate) async fn request(
        &self,
        wanted: &Wanted,
        key: &str,
    ) -> Result<Operation, RequestError> {
        self.operations.request(wanted, &asked(key)).await
    }

    /// Goes on with what is open, and looks for funds.
    pub(crate) fn run(&self) {
        actix_web::rt::spawn(self.operations.clone().run());
    }

    /// An operation as the store of an earlier run has it.
    pub(crate) async fn left_over(&self, wanted: &Operation) {
        let begun = self.store.begin(wanted.clone()).await.unwrap();
        assert!(matches!(begun, Begun::New(_)), "{begun:?}");
    }

    pub(crate) async fn of(&self, id: &str) -> Operation {
        self.store.operation(false, id).await.unwrap().unwrap()
    }

    #[track_caller]
    pub(crate) fn until<'a>(
        &'a self,
        id: &'a str,
        state: OperationState,
    ) -> impl Future<Output = Operation> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let mut last = None;
            let came = wait(async || {
                let now = self.of(id).await;
                let is_it = now.state == state;
                last = Some(now);
                is_it
            });
            let came = came.await;
            let last = last.unwrap();
            assert!(came, "{caller}: not {state:?}: {last:?}");
            last
        }
    }
}

/// Whether this becomes true.
pub(crate) async fn wait(mut condition: impl AsyncFnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if condition().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    false
}
