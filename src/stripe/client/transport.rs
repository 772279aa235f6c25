//! The connections to Stripe, on a thread of their own: what waits for Stripe never stands in the
//! way of a delivery.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::{Uri, header::HeaderValue};
use actix_web::rt::Runtime;
use awc::error::{ConnectError, SendRequestError};
use awc::{ClientRequest, Connector};
use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot};

use crate::stripe::client::verdict::{Answered, Attempt};
use crate::stripe::client::{Call, ClientSettings, Method, Persistence};
use crate::tls::{self, Trust};

/// A page of a hundred events is the largest that is asked for.
const LARGEST_ANSWER: usize = 64 << 20;
/// Requests that wait for the thread to take them.
const WAITING: usize = 64;

/// A call with all that its attempts must have in common.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) call: Arc<Call>,
    idempotency_key: Option<String>,
}

impl Request {
    pub(super) fn of(call: &Call) -> Self {
        let idempotency_key = match call.method {
            Method::Post => call.idempotency_key.clone().or_else(|| Some(unique())),
            Method::Get => None,
        };
        Self { call: Arc::new(call.clone()), idempotency_key }
    }
}

fn unique() -> String {
    let mut bytes = [0; 16];
    // Where the system gives none, the other source will do: nobody has to be unable to guess it.
    getrandom::fill(&mut bytes).unwrap_or_else(|_| fastrand::fill(&mut bytes));
    format!("bursar-{}", hex::encode(bytes))
}

struct Waiting {
    request: Request,
    answer: oneshot::Sender<Attempt>,
}

/// Hands requests to the thread; it ends with the last hold on this.
pub(super) struct Transport {
    queue: mpsc::Sender<Waiting>,
}

impl Transport {
    pub(super) fn start(
        settings: ClientSettings,
        persistence: Persistence,
    ) -> std::io::Result<Self> {
        let tls = tls::client(Trust::roots()).map_err(std::io::Error::other)?;
        let (queue, waiting) = mpsc::channel(WAITING);
        let run = move || match Runtime::new() {
            Ok(runtime) => {
                runtime.block_on(async {
                    let caller = Caller::new(settings, persistence, tls);
                    serve(waiting, Rc::new(caller)).await;
                });
            }
            Err(error) => tracing::error!(%error, "Stripe cannot be called: start bursar again"),
        };
        std::thread::Builder::new().name("stripe".to_owned()).spawn(run)?;
        Ok(Self { queue })
    }

    pub(super) async fn send(&self, request: Request) -> Attempt {
        let (answer, answered) = oneshot::channel();
        if self.queue.send(Waiting { request, answer }).await.is_err() {
            return Attempt::NotSent("the thread that calls Stripe has ended".to_owned());
        }
        let ended = |_| Attempt::Lost("the thread that calls Stripe has ended".to_owned());
        answered.await.unwrap_or_else(ended)
    }
}

async fn serve(mut waiting: mpsc::Receiver<Waiting>, caller: Rc<Caller>) {
    while let Some(Waiting { request, answer }) = waiting.recv().await {
        let caller = Rc::clone(&caller);
        actix_web::rt::spawn(async move { answer.send(caller.attempt(&request).await).ok() });
    }
}

struct Caller {
    client: awc::Client,
    settings: ClientSettings,
    persistence: Persistence,
}

impl Caller {
    fn new(settings: ClientSettings, persistence: Persistence, tls: ClientConfig) -> Self {
        let connector = Connector::new()
            .rustls_0_23(Arc::new(tls))
            .timeout(persistence.connect)
            .handshake_timeout(persistence.connect);
        // A redirect is no answer of Stripe's, and following it would send the key elsewhere.
        let client =
            awc::Client::builder().connector(connector).disable_timeout().disable_redirects();
        Self { client: client.finish(), settings, persistence }
    }

    async fn attempt(&self, request: &Request) -> Attempt {
        let Some(prepared) = self.prepare(request) else {
            return Attempt::Unsendable("a parameter cannot stand in a request".to_owned());
        };
        let body = match request.call.method {
            Method::Post => request.call.params.encoded(),
            Method::Get => String::new(),
        };
        let exchange = tokio::time::timeout(self.persistence.answer, exchange(prepared, body));
        exchange.await.unwrap_or_else(|_| {
            Attempt::Lost(format!("no answer in {} s", self.persistence.answer.as_secs_f32()))
        })
    }

    fn prepare(&self, request: &Request) -> Option<ClientRequest> {
        let Call { method, path, account, params, .. } = &*request.call;
        let mut url = format!("{}{path}", self.settings.api_base);
        let method = match method {
            Method::Post => actix_web::http::Method::POST,
            Method::Get => actix_web::http::Method::GET,
        };
        if method != actix_web::http::Method::POST && !params.is_empty() {
            url = format!("{url}?{}", params.encoded());
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", self.settings.key.expose())).ok()?;
        authorization.set_sensitive(true);
        let mut prepared = self
            .client
            .request(method.clone(), url.parse::<Uri>().ok()?)
            .insert_header(("Authorization", authorization))
            .insert_header(("User-Agent", concat!("bursar/", env!("CARGO_PKG_VERSION"))))
            .insert_header(("Stripe-Version", value(&self.settings.version)?));
        if method == actix_web::http::Method::POST {
            prepared = prepared.content_type("application/x-www-form-urlencoded");
        }
        if let Some(account) = account {
            prepared = prepared.insert_header(("Stripe-Account", value(account)?));
        }
        if let Some(key) = &request.idempotency_key {
            prepared = prepared.insert_header(("Idempotency-Key", value(key)?));
        }
        Some(prepared)
    }
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(text).ok()
}

async fn exchange(request: ClientRequest, body: String) -> Attempt {
    let mut response = match request.send_body(body).await {
        Ok(response) => response,
        Err(error) if was_not_sent(&error) => return Attempt::NotSent(error.to_string()),
        Err(SendRequestError::Connect(ConnectError::Disconnected)) => {
            return Attempt::Lost("the connection ended before an answer came".to_owned());
        }
        Err(error) => return Attempt::Lost(error.to_string()),
    };
    let body = match response.body().limit(LARGEST_ANSWER).await {
        Ok(body) => body.to_vec(),
        Err(error) => return Attempt::Lost(format!("the answer broke off: {error}")),
    };
    let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let date = text("Date").and_then(|date| httpdate::parse_http_date(date).ok());
    let date = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
    Attempt::Answered(Answered {
        status: response.status().as_u16(),
        request_id: text("Request-Id").map(str::to_owned),
        should_retry: text("Stripe-Should-Retry").and_then(|value| value.parse().ok()),
        rate_limited: text("Stripe-Rate-Limited-Reason").is_some(),
        replayed: text("Idempotent-Replayed") == Some("true"),
        date: date.map(|date| date.as_secs()),
        body,
    })
}

/// Whether there never was a connection to send anything over. A connection that ended before an
/// answer came is a [`ConnectError`] too, but by then the request was out.
fn was_not_sent(error: &SendRequestError) -> bool {
    matches!(
        error,
        SendRequestError::Url(_)
            | SendRequestError::Connect(
                ConnectError::SslIsNotSupported
                    | ConnectError::Resolver(_)
                    | ConnectError::NoRecords
                    | ConnectError::Timeout
                    | ConnectError::Unresolved
                    | ConnectError::Io(_)
            )
    )
}
