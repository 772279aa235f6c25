//! One connection: whether there is room for it, and how long it may go without a request.
//!
//! actix times the first head of a connection and the silence between requests. Two things it
//! leaves open are closed here: a later head that never ends, and a body that still comes when its
//! request has been answered.

use std::cell::Cell;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::Patience;

/// How many connections are open, in all threads.
#[derive(Clone)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    most: usize,
    patience: Patience,
}

impl Connections {
    pub(super) fn new(most: usize, patience: Patience) -> Self {
        Self { open: Arc::default(), most, patience }
    }

    /// One beyond the most is taken too, so that it can be told.
    pub(super) fn welcome(&self, stream: TcpStream) -> Connection {
        let beyond = self.open.fetch_add(1, Ordering::Relaxed) >= self.most;
        let now = Instant::now();
        let conduct = Rc::new(Conduct {
            under_way: Cell::new(0),
            since: Cell::new(now),
            leaves: Cell::new(beyond),
            beyond,
            connections: self.clone(),
        });
        Connection { stream, overdue: Box::pin(sleep_until(now)), conduct }
    }
}

/// What a connection is about: known to its stream and to the requests that come over it.
pub(super) struct Conduct {
    /// Requests that are not yet answered.
    under_way: Cell<usize>,
    /// When there was last one of them.
    since: Cell<Instant>,
    leaves: Cell<bool>,
    beyond: bool,
    connections: Connections,
}

impl Conduct {
    pub(super) fn of(request: &HttpRequest) -> Option<&Rc<Self>> {
        request.conn_data()
    }

    /// Whether there are already as many connections as there may be.
    pub(super) fn is_beyond(&self) -> bool {
        self.beyond
    }

    /// Has the connection end after the answer, whatever the client still sends.
    pub(super) fn leave(&self) {
        self.leaves.set(true);
    }

    pub(super) fn leaves(&self) -> bool {
        self.leaves.get()
    }

    /// Until when the connection may go on as it is; `None` while a request is under way.
    fn deadline(&self) -> Option<Instant> {
        let patience = &self.connections.patience;
        let limit =
            if self.leaves() { patience.parting } else { patience.idle + patience.request_head };
        (self.under_way.get() == 0).then(|| self.since.get() + limit)
    }
}

impl Drop for Conduct {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// As long as this is there, a request is under way.
pub(super) struct UnderWay(Rc<Conduct>);

impl UnderWay {
    pub(super) fn on(conduct: &Rc<Conduct>) -> Self {
        conduct.under_way.set(conduct.under_way.get() + 1);
        Self(Rc::clone(conduct))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get().saturating_sub(1));
        self.0.since.set(Instant::now());
    }
}

/// A stream that fails once its connection is overdue.
pub(super) struct Connection {
    stream: TcpStream,
    overdue: Pin<Box<Sleep>>,
    conduct: Rc<Conduct>,
}

impl Connection {
    pub(super) fn conduct(&self) -> &Rc<Conduct> {
        &self.conduct
    }

    /// Has the context woken when it comes to that.
    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = self.conduct.deadline() else { return false };
        if self.overdue.deadline() != deadline {
            self.overdue.as_mut().reset(deadline);
        }
        self.overdue.as_mut().poll(context).is_ready()
    }
}

impl AsyncRead for Connection {
    /// Looks at the time before every read, so that whoever always has something to send is
    /// overdue like any other.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if self.is_overdue(context) {
            return Poll::Ready(Err(Error::from(ErrorKind::TimedOut)));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        // What is flushed is mostly an answer. From here on the time counts, and the next read may
        // only come when it is over.
        self.is_overdue(context);
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
