//! What a connection's bytes come over: a socket, or TLS over it.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How every TLS record of a handshake begins. No HTTP method does.
const HANDSHAKE: u8 = 22;

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a client that was to speak TLS did instead.
pub(super) enum Greeting {
    Tls(Stream),
    /// It speaks something else, and might understand being told so.
    Plain(TcpStream),
}

/// Waits for a handshake until then, and no longer.
pub(super) async fn greet(
    stream: TcpStream,
    tls: &TlsAcceptor,
    until: Instant,
) -> Result<Greeting> {
    let greeting = async {
        let mut first = [0];
        match stream.peek(&mut first).await? {
            0 => Err(Error::from(ErrorKind::UnexpectedEof)),
            _ if first == [HANDSHAKE] => {
                let stream = tls.accept(stream).await?;
                Ok(Greeting::Tls(Stream::Tls(Box::new(stream))))
            }
            _ => Ok(Greeting::Plain(stream)),
        }
    };
    timeout_at(until, greeting).await.unwrap_or_else(|_| Err(Error::from(ErrorKind::TimedOut)))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
