//! One connection: whether there is room for it, and how long it may go without a request.
//!
//! actix times the first head of a connection and the silence between requests. Two things it
//! leaves open are closed here: a later head that never ends, and a body that still comes when its
//! request has been answered.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use actix_web::HttpRequest;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::Patience;

/// Bytes after which what was read is looked at, so that little gathers that is not yet wanted.
const BYTES_IN_A_TURN: usize = 8 << 10;
/// Requests that may be sent in a row without waiting for answers.
const MOST_AHEAD: usize = 64;

/// How many connections are open, in all threads.
#[derive(Clone)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    most: usize,
    patience: Patience,
}

impl Connections {
    /// `open` tells how many there are.
    pub(super) fn new(most: usize, patience: Patience, open: Arc<AtomicUsize>) -> Self {
        Self { open, most, patience }
    }

    /// One beyond the most is taken too, so that it can be told.
    pub(super) fn welcome(&self, stream: TcpStream) -> Connection {
        let beyond = self.open.fetch_add(1, Ordering::Relaxed) >= self.most;
        let now = Instant::now();
        let conduct = Rc::new(Conduct {
            under_way: Cell::new(0),
            since: Cell::new(now),
            leaves: Cell::new(beyond),
            had_its_turn: Cell::new(false),
            ahead: Cell::new(0),
            takes_body: Cell::new(false),
            withheld: Cell::new(None),
            beyond,
            connections: self.clone(),
        });
        Connection {
            stream,
            overdue: Box::pin(sleep_until(now)),
            left: BYTES_IN_A_TURN,
            is_stuck: false,
            conduct,
        }
    }
}

/// What a connection is about: known to its stream and to the requests that come over it.
pub(super) struct Conduct {
    /// Requests that are not yet answered.
    under_way: Cell<usize>,
    /// When there was last one of them.
    since: Cell<Instant>,
    leaves: Cell<bool>,
    /// Whether a request was answered since the stream was last read.
    had_its_turn: Cell<bool>,
    /// Requests in a row that did not wait for the answer to the one before.
    ahead: Cell<usize>,
    /// Whether the request under way still wants more of its body.
    takes_body: Cell<bool>,
    /// Woken when what was not read for a while may be read again.
    withheld: Cell<Option<Waker>>,
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

    /// Called by each request before it is worked on. One that was sent without waiting for the
    /// answer to the one before lets other connections go first. Nobody needs to send many so, and
    /// each waits as a request that was read, which takes far more memory than its bytes.
    pub(super) async fn turn(&self) {
        if self.had_its_turn.get() {
            self.ahead.set(self.ahead.get() + 1);
            yield_now().await;
        } else {
            self.ahead.set(0);
        }
    }

    fn is_too_far_ahead(&self) -> bool {
        self.ahead.get() > MOST_AHEAD
    }

    fn read_on(&self) {
        self.withheld.take().inspect(Waker::wake_by_ref);
    }

    /// Has the connection end after the answer, whatever the client still sends.
    pub(super) fn leave(&self) {
        self.leaves.set(true);
    }

    /// A client that takes its answer, however slowly, is not idle.
    fn takes_answers(&self) {
        if !self.leaves() {
            self.since.set(Instant::now());
        }
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
        self.0.had_its_turn.set(true);
        self.0.read_on();
    }
}

/// As long as this is there, a body is being taken in.
pub(super) struct TakingBody(Rc<Conduct>);

impl TakingBody {
    pub(super) fn on(conduct: &Rc<Conduct>) -> Self {
        conduct.takes_body.set(true);
        conduct.read_on();
        Self(Rc::clone(conduct))
    }
}

impl Drop for TakingBody {
    fn drop(&mut self) {
        self.0.takes_body.set(false);
    }
}

fn too_far_ahead() -> Error {
    Error::other("too many requests were sent without waiting for answers")
}

/// A stream that fails once its connection is overdue.
pub(super) struct Connection {
    stream: TcpStream,
    overdue: Pin<Box<Sleep>>,
    /// Bytes that may still be read in this turn.
    left: usize,
    /// Whether the client does not take what it is sent.
    is_stuck: bool,
    conduct: Rc<Conduct>,
}

impl Connection {
    pub(super) fn conduct(&self) -> &Rc<Conduct> {
        &self.conduct
    }

    /// Whether there is no use yet for more: actix would take in requests that have to wait.
    fn is_busy(&self) -> bool {
        self.conduct.under_way.get() > 0 && !self.conduct.takes_body.get()
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
        if self.conduct.is_too_far_ahead() {
            return Poll::Ready(Err(too_far_ahead()));
        }
        self.conduct.had_its_turn.set(false);
        if self.is_stuck || self.is_busy() {
            self.conduct.withheld.set(Some(context.waker().clone()));
            return Poll::Pending;
        }
        if self.left == 0 {
            self.left = BYTES_IN_A_TURN;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.left = match read {
            Poll::Pending => BYTES_IN_A_TURN,
            Poll::Ready(_) => self.left.saturating_sub(buffer.filled().len() - before),
        };
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.is_stuck = written.is_pending();
        if !self.is_stuck {
            self.conduct.read_on();
            self.conduct.takes_answers();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        // What is flushed is mostly an answer. From here on the time counts, and the next read may
        // only come when it is over.
        self.is_overdue(context);
        if self.conduct.is_too_far_ahead() {
            return Poll::Ready(Err(too_far_ahead()));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// Reads as much as there is in one turn.
    async fn read_a_turn(connection: &mut Connection) -> usize {
        poll_fn(|context| {
            let mut read = 0;
            loop {
                let mut bytes = [0; 1000];
                let mut buffer = ReadBuf::new(&mut bytes);
                match Pin::new(&mut *connection).poll_read(context, &mut buffer) {
                    Poll::Pending => return Poll::Ready(read),
                    Poll::Ready(result) => result.expect("a connection that goes on"),
                }
                read += buffer.filled().len();
            }
        })
        .await
    }

    #[tokio::test]
    async fn whoever_does_not_wait_for_answers_lets_others_go_first() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let connection = Connections::new(1, Patience::default(), Arc::default()).welcome(stream);
        let conduct = connection.conduct();
        let order = std::cell::RefCell::new(Vec::new());
        let pipelined = async {
            for request in ["first", "second"] {
                let _under_way = UnderWay::on(conduct);
                conduct.turn().await;
                order.borrow_mut().push(request);
            }
        };
        tokio::join!(pipelined, async { order.borrow_mut().push("another's") });
        assert_eq!(order.into_inner(), ["first", "another's", "second"]);
    }

    #[tokio::test]
    async fn whoever_sends_much_is_read_turn_by_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let sent = 3 * BYTES_IN_A_TURN + 10;
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(&vec![0; sent]).unwrap();

        let mut connection =
            Connections::new(1, Patience::default(), Arc::default()).welcome(stream);
        let mut read = 0;
        while read < sent {
            connection.stream.readable().await.unwrap();
            let turn = read_a_turn(&mut connection).await;
            assert!(turn < BYTES_IN_A_TURN + 1000, "{turn} bytes in a turn");
            read += turn;
        }
        assert_eq!(read, sent);
    }
}
