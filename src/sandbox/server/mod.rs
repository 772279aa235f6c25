//! The sandbox as a server: Stripe's calls, the hosted onboarding, webhooks, and the levers.
//!
//! It runs in a thread of its own, in this process, on the listener it is given, until it is
//! stopped or dropped. [`Running`] is the handle; the same levers are served below `/_sandbox/`.
//!
//! **Never in here:** what a call means; that is [`api`](crate::sandbox::api)'s.

mod calls;
mod connection;
mod control;
mod deliver;
mod listen;
mod page;
mod setup;
mod shared;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::error::DispatchError;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data, PayloadConfig};
use actix_web::{App, Error};
use tokio::sync::{broadcast, oneshot};

use crate::sandbox::api::Sandbox;
use crate::sandbox::server::connection::Connection;
use crate::sandbox::server::shared::Shared;
pub use crate::sandbox::server::shared::{Clock, MadeEvent};
use crate::sandbox::world::Settings;

const LARGEST_BODY: usize = 1 << 20;
const KEEP_ALIVE: Duration = Duration::from_mins(1);
const WORKERS: usize = 2;

/// A webhook endpoint that is there from the start.
#[derive(Clone, Debug)]
pub struct EndpointOption {
    pub url: String,
    /// Told of connected accounts, and not of the platform.
    pub connect: bool,
    /// Made up when there is none.
    pub secret: Option<String>,
}

/// What a sandbox is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub settings: Settings,
    /// Secret keys that are accepted; any `sk_test_...` when there are none.
    pub api_keys: Vec<String>,
    pub clock: Clock,
    pub endpoints: Vec<EndpointOption>,
    /// Where browsers reach it, when that is not the listener's address: `http://localhost:12111`.
    pub public_url: Option<String>,
}

/// A sandbox that serves. Dropping it stops it.
pub struct Running {
    pub address: SocketAddr,
    /// The secrets of the endpoints of [`Options`], in their order.
    pub secrets: Vec<String>,
    /// The platform's own account.
    pub platform: String,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

/// Serves on `listener` until the handle is stopped or dropped.
pub fn start(listener: TcpListener, options: Options) -> std::io::Result<Running> {
    let address = listener.local_addr()?;
    let mut settings = options.settings;
    settings.base_url = options.public_url.unwrap_or_else(|| format!("http://{address}"));
    let mut sandbox = Sandbox::new(settings, options.api_keys, options.clock.now(0));
    let register = |endpoint: EndpointOption| {
        let EndpointOption { url, connect, secret } = endpoint;
        sandbox.world.register_endpoint(url, connect, secret)
    };
    let secrets = options.endpoints.into_iter().map(register).collect();
    let platform = sandbox.world.platform().to_owned();
    let shared = Arc::new(Shared::new(sandbox, options.clock));
    let (stop, stopped) = oneshot::channel();
    let served = shared.clone();
    let thread = std::thread::Builder::new()
        .name("sandbox".to_owned())
        .spawn(move || actix_web::rt::System::new().block_on(serve(listener, served, stopped)))?;
    Ok(Running { address, secrets, platform, shared, stop: Some(stop), thread: Some(thread) })
}

impl Running {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the sandbox, or changes it, between two calls.
    pub fn with<R>(&self, look: impl FnOnce(&mut Sandbox) -> R) -> R {
        self.shared.with(look)
    }

    /// Moves its clock forward; what was due happens.
    pub fn advance(&self, seconds: i64) -> i64 {
        self.shared.advance(seconds)
    }

    /// Every event from now on, as it is made.
    pub fn events(&self) -> broadcast::Receiver<MadeEvent> {
        self.shared.subscribe()
    }

    /// Stops it, and waits until it has.
    pub fn stop(mut self) -> std::io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> std::io::Result<()> {
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(std::io::Error::other("the sandbox panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end().ok();
    }
}

async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let mut server = server(listener, shared.clone())?;
    let control = server.handle();
    let deliveries = actix_web::rt::spawn(deliver::deliver(shared));
    tokio::select! {
        _ = stopped => {}
        ended = &mut server => return ended,
    }
    deliveries.abort();
    // It stops by itself only while it is awaited.
    let ((), ended) = tokio::join!(control.stop(false), server);
    ended
}

fn server(listener: TcpListener, shared: Arc<Shared>) -> std::io::Result<Server> {
    listener.set_nonblocking(true)?;
    let builder = Server::build().workers(WORKERS).shutdown_timeout(1).disable_signals();
    let server = builder.listen("sandbox", listener, move || {
        let app = App::new()
            .app_data(Data::from(shared.clone()))
            .app_data(PayloadConfig::new(LARGEST_BODY))
            .service(web::resource("/_sandbox{rest:.*}").to(control::handle))
            .service(web::resource("/setup/s/{account}/{token}").to(setup::handle))
            .service(web::resource("/subscribe/{account}").to(listen::handle))
            .default_service(web::to(calls::handle));
        let app = app.into_factory().map_err(|error: Error| error.error_response());
        let service = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.scissors.clone());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            let connection = Connection::new(stream);
            let protocol = actix_http::Protocol::Http1;
            std::future::ready(Ok::<_, DispatchError>((connection, protocol, peer)))
        })
        .and_then(service)
    })?;
    Ok(server.run())
}
