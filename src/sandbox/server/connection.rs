//! A connection that can be cut: what is written to it then goes nowhere, and it ends.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether the connection is to end without an answer.
#[derive(Clone, Default)]
pub(super) struct Scissors(Rc<Cell<bool>>);

impl Scissors {
    pub(super) fn cut(request: &HttpRequest) {
        if let Some(scissors) = request.conn_data::<Self>() {
            scissors.0.set(true);
        }
    }
}

pub(super) struct Connection {
    stream: TcpStream,
    pub(super) scissors: Scissors,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).ok();
        Self { stream, scissors: Scissors::default() }
    }

    fn check(&self) -> Result<()> {
        if self.scissors.0.get() { Err(Error::from(ErrorKind::ConnectionAborted)) } else { Ok(()) }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
