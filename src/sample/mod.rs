//! A small platform that pays its makers through bursar, for `bursar demo`: a page with a Connect
//! button, and the tiny back end behind it.
//!
//! It stands where a platform's own code would, and talks to bursar over HTTP alone. The browser
//! never gets a token of bursar's: the page asks this back end, which knows its user by a cookie.
//!
//! **Never in here:** anything from the service's own modules.

mod bursar;
mod live;
mod markup;
mod page;
mod routes;
mod users;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use actix_web::dev::Server;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use tokio::sync::{oneshot, watch};

use crate::sample::bursar::Bursar;
use crate::sample::users::Users;
use crate::secret::Secret;

/// Nothing is fetched from elsewhere. Forms lead to the sandbox's onboarding by a redirect, which
/// browsers hold against `form-action`; so that is left open.
const CONTENT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                       connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Where a platform's back end finds the others.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://127.0.0.1:8787`
    pub bursar: String,
    /// A token with the role `payer`.
    pub payer: Secret,
    /// Stripe's stand-in, whose clock a visitor may move.
    pub sandbox: String,
}

/// What the threads of the back end share.
struct Shared {
    users: Users,
    /// Grows whenever bursar tells of a change.
    news: watch::Sender<u64>,
}

/// A sample that serves. Dropping it stops it.
pub struct Running {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

/// Serves on `listener` until the handle is dropped.
pub fn start(listener: TcpListener, options: Options) -> std::io::Result<Running> {
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("sample".to_owned())
        .spawn(move || actix_web::rt::System::new().block_on(serve(listener, options, stopped)))?;
    Ok(Running { address, stop: Some(stop), thread: Some(thread) })
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(
    listener: TcpListener,
    options: Options,
    stopped: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let shared = Arc::new(Shared { users: Users::default(), news: watch::Sender::new(0) });
    let mut server = server(listener, options.clone(), shared.clone())?;
    let control = server.handle();
    let following = actix_web::rt::spawn(live::follow(Bursar::new(&options), shared));
    tokio::select! {
        _ = stopped => {}
        ended = &mut server => return ended,
    }
    following.abort();
    // It stops by itself only while it is awaited.
    let ((), ended) = tokio::join!(control.stop(false), server);
    ended
}

fn server(listener: TcpListener, options: Options, shared: Arc<Shared>) -> std::io::Result<Server> {
    let app = move || {
        let headers = DefaultHeaders::new()
            .add(("Content-Security-Policy", CONTENT))
            .add(("X-Content-Type-Options", "nosniff"))
            .add(("Cache-Control", "no-store"));
        App::new()
            .wrap(headers)
            .app_data(Data::from(shared.clone()))
            .app_data(Data::new(Bursar::new(&options)))
            .route("/", web::get().to(routes::home))
            .route("/sample.css", web::get().to(routes::style))
            .route("/sample.js", web::get().to(routes::script))
            .route("/onboard-user", web::post().to(routes::onboard_user))
            .route("/onboarding/return", web::get().to(routes::returned))
            .route("/onboarding/refresh", web::get().to(routes::refresh))
            .route("/live", web::get().to(live::stream))
            .route("/demo/pay", web::post().to(routes::pay))
            .route("/demo/day", web::post().to(routes::day))
    };
    let server = HttpServer::new(app).workers(1).shutdown_timeout(1).disable_signals();
    Ok(server.listen(listener)?.run())
}
