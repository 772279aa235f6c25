//! The HTTP surface: routes, one file per group, thin on purpose.
//!
//! A handler translates in, calls, and translates out. [`view`] is the only place that knows our
//! JSON, [`error`] the only one that knows status codes, [`auth`] the only one that looks at
//! tokens.

pub mod auth;
mod cursor;
pub mod error;
pub mod query;
pub mod view;

mod changes;
mod events;
mod health;
mod objects;
mod operate;
mod webhook;

use std::any::Any;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data, PayloadConfig, ServiceConfig};
use actix_web::{App, Handler, HttpServer, Resource, Responder, Route, guard};
use tokio::sync::watch;

use crate::http::auth::Refusals;
use crate::http::error::ApiError;
use crate::pipeline::receive::Receiver;
use crate::pipeline::replay::Replayer;
use crate::store::SharedStore;
use crate::token::Tokens;

/// A replay carries many events; it may be larger than a delivery.
const REPLAY_MAX_BODY_BYTES: usize = 32 << 20;
/// A body that holds nothing but a reason.
const REASON_MAX_BODY_BYTES: usize = 64 << 10;
/// A client that does not send its request head in this time is disconnected.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long requests under way may take to finish after a stop.
pub const DRAIN_SECONDS: u64 = 8;

/// How long connections that carry nothing are borne with.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A stream without news says so this often.
    pub heartbeat: Duration,
    /// A client that takes nothing of what it is sent for so long is disconnected.
    pub not_taking: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(10), not_taking: Duration::from_secs(30) }
    }
}

/// What the handlers work with.
pub struct Handles {
    pub receiver: Receiver,
    pub replayer: Replayer,
    pub store: SharedStore,
    pub tokens: Tokens,
    pub refusals: Refusals,
    /// Everyone may do everything.
    pub insecure_no_auth: bool,
    /// The partition that reads show by default.
    pub livemode: bool,
    pub max_body_bytes: usize,
    pub patience: Patience,
    /// Becomes true when the service stops: what waits for news no longer does.
    pub draining: watch::Sender<bool>,
}

impl Handles {
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

/// Serves on `listener`; who calls owns the socket and the stop signal.
pub fn server(listener: TcpListener, handles: Data<Handles>) -> std::io::Result<Server> {
    let not_taking = handles.patience.not_taking;
    let server = HttpServer::new(move || {
        App::new().app_data(handles.clone()).configure(|config| routes(config, &handles))
    });
    let server = server
        .on_connect(move |connection, _| give_up_after(connection, not_taking))
        .client_request_timeout(REQUEST_HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Has the system close a connection whose client takes nothing for so long. Nothing else would:
/// an answer that waits for room in a full socket is not looked at again until there is some.
fn give_up_after(connection: &dyn Any, not_taking: Duration) {
    #[cfg(target_os = "linux")]
    if let Some(connection) = connection.downcast_ref::<TcpStream>() {
        let milliseconds = u32::try_from(not_taking.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(connection, milliseconds) {
            tracing::warn!(%error, "a connection has no limit for a client that takes nothing");
        }
    }
}

fn routes(config: &mut ServiceConfig, handles: &Handles) {
    let webhook_limit = PayloadConfig::new(handles.max_body_bytes);
    let replay_limit = PayloadConfig::new(REPLAY_MAX_BODY_BYTES);
    let reason_limit = PayloadConfig::new(REASON_MAX_BODY_BYTES);
    config
        .service(post("/webhooks/stripe", webhook::receive).app_data(webhook_limit))
        .service(get("/v1/accounts", objects::accounts))
        .service(get("/v1/accounts/{id}", objects::account))
        .service(get("/v1/topups", objects::topups))
        .service(get("/v1/topups/{id}", objects::topup))
        .service(get("/v1/transfers", objects::transfers))
        .service(get("/v1/transfers/{id}", objects::transfer))
        .service(get("/v1/payouts", objects::payouts))
        .service(get("/v1/payouts/{id}", objects::payout))
        .service(get("/v1/balance", objects::balance))
        .service(get("/v1/balance/history", objects::balance_history))
        .service(get("/v1/{kind}/{id}/history", objects::history))
        .service(get("/v1/events", events::events))
        .service(get("/v1/events/{id}", events::event))
        .service(get("/v1/events/{id}/body", events::body))
        .service(get("/v1/changes", changes::changes))
        .service(get("/v1/changes/stream", changes::stream))
        .service(get("/v1/summary", events::summary))
        .service(post("/v1/replays", operate::replays).app_data(replay_limit))
        .service(post("/v1/redrives", operate::redrives).app_data(reason_limit.clone()))
        .service(post("/v1/events/{id}/redrive", operate::redrive).app_data(reason_limit))
        .service(get("/healthz", health::alive))
        .service(get("/readyz", health::ready))
        .default_service(web::to(no_such_path));
}

/// A path that answers GET and HEAD.
fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let reads = guard::Any(guard::Get()).or(guard::Head());
    let route = Route::new().guard(reads).to(handler);
    web::resource(path).route(route).default_service(not_allowed("GET, HEAD"))
}

/// A path that answers POST.
fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let route = Route::new().method(Method::POST).to(handler);
    web::resource(path).route(route).default_service(not_allowed("POST"))
}

fn not_allowed(allow: &'static str) -> Route {
    web::to(move || std::future::ready(Err::<&str, _>(ApiError::MethodNotAllowed { allow })))
}

async fn no_such_path() -> Result<&'static str, ApiError> {
    Err(ApiError::NoSuchPath)
}
