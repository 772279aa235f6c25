//! The HTTP server: how connections are taken, timed and ended.

use std::io::{Error as IoError, Result as IoResult};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::{ConnectionType, HttpService, Protocol};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceRequest, ServiceResponse};
use actix_web::error::DispatchError;
use actix_web::http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use actix_web::{App, Error};
use tokio_rustls::TlsAcceptor;

use crate::http::conduct::{Conduct, Connections, UnderWay};
use crate::http::connection::Connection;
use crate::http::error::ApiError;
use crate::http::stream::{Greeting, Stream, greet};
use crate::http::{DRAIN_SECONDS, HEALTH, Handles, body, head, routes};
use crate::meters::route;
use crate::tls::Certificate;

/// Connections beyond the most that are still taken to be told so; others wait unaccepted.
pub const SPARE_CONNECTIONS: usize = 128;
/// Connections that the system may take before we do; more in one instant try again a second later.
const BACKLOG: i32 = 1024;

/// Answers that the system holds for a client that does not take them yet.
const SEND_BUFFER_BYTES: usize = 128 << 10;

/// Serves on `listener`, over TLS where there is a certificate; who calls owns the socket and the
/// stop signal.
pub fn server(
    listener: TcpListener,
    handles: Data<Handles>,
    certificate: Option<&Arc<Certificate>>,
) -> IoResult<Server> {
    rustix::net::listen(&listener, BACKLOG)?;
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let open = Arc::clone(&handles.requests.connections);
    let connections = Connections::new(handles.capacity, handles.patience, open);
    let tls = certificate.map(Certificate::server_config).transpose();
    let tls = tls.map_err(IoError::other)?.map(|config| TlsAcceptor::from(Arc::new(config)));
    let most = handles.capacity.connections + SPARE_CONNECTIONS;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(most.div_ceil(workers))
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let (connections, stopping) = (connections.clone(), stopping.clone());
        let patience = handles.patience;
        let app = App::new()
            .app_data(handles.clone())
            .configure(routes)
            .wrap(from_fn(attend))
            .wrap(from_fn(count));
        let app = app.into_factory().map_err(|error: Error| error.error_response());
        let service = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            // A connection times its first head itself, from the moment it is there.
            .client_request_timeout(Duration::ZERO)
            .keep_alive(patience.idle)
            .client_disconnect_timeout(patience.parting)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.conduct().clone());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        let tls = tls.clone();
        fn_service(move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            prepare(&stream, patience.not_taking);
            let conduct = connections.welcome();
            let tls = tls.clone();
            async move {
                let connection =
                    connection(stream, conduct, tls).await.map_err(DispatchError::Io)?;
                Ok((connection, Protocol::Http1, peer))
            }
        })
        .and_then(service)
    })?;
    Ok(server.run())
}

/// What HTTP is spoken over, once it is there.
async fn connection(
    stream: TcpStream,
    conduct: Rc<Conduct>,
    tls: Option<TlsAcceptor>,
) -> IoResult<Connection> {
    let Some(tls) = tls else { return Ok(Connection::over(Stream::Plain(stream), conduct)) };
    match greet(stream, &tls, conduct.first_head_until()).await {
        Ok(Greeting::Tls(stream)) => Ok(Connection::over(stream, conduct)),
        Ok(Greeting::Plain(stream)) => {
            let mut connection = Connection::over(Stream::Plain(stream), conduct);
            connection.refuse(&ApiError::TlsRequired);
            Ok(connection)
        }
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake came to nothing");
            Err(error)
        }
    }
}

/// Bounds what the system holds for a connection, and has it close one whose client takes nothing
/// for so long. Nothing else would: an answer that waits for room in a full socket is not looked at
/// again until there is some.
fn prepare(stream: &TcpStream, not_taking: Duration) {
    // Without it, the parts of a stream of changes would wait for each other.
    stream.set_nodelay(true).ok();
    // By itself it would go up to several megabytes, which no measure of our memory shows.
    rustix::net::sockopt::set_socket_send_buffer_size(stream, SEND_BUFFER_BYTES).ok();
    #[cfg(target_os = "linux")]
    {
        let milliseconds = u32::try_from(not_taking.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds) {
            tracing::warn!(%error, "a connection has no limit for a client that takes nothing");
        }
    }
}

/// Counts every request, whatever becomes of it.
async fn count(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let (route, begun) = (route(request.path()), Instant::now());
    let handles = request.app_data::<Data<Handles>>().cloned();
    let response = next.call(request).await?;
    if let Some(handles) = handles {
        handles.requests.answered(route, response.status().as_u16(), begun.elapsed());
    }
    Ok(response)
}

/// Every request passes here, and is under way until it is answered.
async fn attend(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(conduct) = Conduct::of(request.request()).cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    if conduct.has_said_goodbye() {
        return conduct.ignore().await;
    }
    let _under_way = UnderWay::on(&conduct);
    let client_leaves = request.head().connection_type() == ConnectionType::Close;
    conduct.turn().await;
    let taken = conduct.bodies_taken();
    // Whoever asks whether the process lives must not hear that it is busy.
    let refused = if conduct.is_beyond() && request.path() != HEALTH {
        Some(ApiError::Overloaded)
    } else {
        head::check(request.head(), conduct.capacity()).inspect_err(|_| conduct.leave()).err()
    };
    let has_body = body::is_announced(request.head());
    let mut response = match refused {
        Some(error) => request.error_response(error).map_into_right_body(),
        None => next.call(request).await?.map_into_left_body(),
    };
    // What still comes of a body that nobody took is no request.
    if has_body && conduct.bodies_taken() == taken {
        conduct.leave();
    }
    // No answer is to be taken for a page or a script that its type does not say it is.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let we_leave = response.response().head().connection_type() == ConnectionType::Close;
    if conduct.leaves() || client_leaves || we_leave {
        conduct.say_goodbye();
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
