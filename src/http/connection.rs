//! One connection's stream, which ends when its client does not behave.
//!
//! actix times the silence between requests. What it leaves open is closed here: a first head that
//! does not come in time, TLS included; a later one that never ends; one that is too large; and a
//! body that still comes when its request has been answered.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::http::conduct::Conduct;
use crate::http::error::ApiError;
use crate::http::head;
use crate::http::parting::Parting;
use crate::http::stream::Stream;

/// Bytes after which what was read is looked at, so that little gathers that is not yet wanted.
const BYTES_IN_A_TURN: usize = 8 << 10;
fn too_far_ahead() -> Error {
    Error::other("too many requests were sent without waiting for answers")
}

/// A stream that fails once its connection is overdue.
pub(super) struct Connection {
    stream: Stream,
    overdue: Pin<Box<Sleep>>,
    /// Bytes that may still be read in this turn.
    left: usize,
    /// Whether the client does not take what it is sent.
    is_stuck: bool,
    /// What is said to a client that is heard no more.
    parting: Option<Parting>,
    conduct: Rc<Conduct>,
}

impl Connection {
    pub(super) fn over(stream: Stream, conduct: Rc<Conduct>) -> Self {
        Self {
            stream,
            overdue: Box::pin(sleep_until(Instant::now())),
            left: BYTES_IN_A_TURN,
            is_stuck: false,
            parting: None,
            conduct,
        }
    }

    /// Has the client hear this and nothing else, whatever it still sends.
    pub(super) fn refuse(&mut self, error: &ApiError) {
        self.parting = Some(Parting::with(error));
        self.conduct.since.set(Instant::now());
        self.conduct.leave();
    }

    pub(super) fn conduct(&self) -> &Rc<Conduct> {
        &self.conduct
    }

    /// What to tell a client whose connection is overdue, if anything: a later head may have been
    /// begun by mistake, and an answer to it would be taken for one to the next.
    fn is_late_with_first_head(&self) -> bool {
        !self.conduct.has_asked.get() && !self.conduct.leaves()
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
        let is_overdue = self.is_overdue(context);
        if is_overdue && self.is_late_with_first_head() {
            let seconds = self.conduct.patience().request_head.as_secs();
            self.refuse(&ApiError::HeadTooSlow { seconds });
        } else if is_overdue {
            return Poll::Ready(Err(Error::from(ErrorKind::TimedOut)));
        }
        // All that was read in earlier turns has been looked at.
        if self.left == BYTES_IN_A_TURN && self.conduct.is_head_too_large() {
            let too_large = head::too_large(self.conduct.capacity());
            self.refuse(&too_large);
        }
        if self.conduct.is_over.get() && !self.is_stuck && self.parting.is_none() {
            self.parting = Some(Parting::without_a_word());
        }
        if self.parting.is_some() {
            // Once more, with the time of a parting.
            self.is_overdue(context);
            let Self { parting, stream, .. } = &mut *self;
            return parting.as_mut().map_or(Poll::Pending, |parting| parting.poll(stream, context));
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
        let count = buffer.filled().len() - before;
        self.conduct.of_a_head.set(self.conduct.of_a_head.get().saturating_add(count));
        self.left = match read {
            Poll::Pending => BYTES_IN_A_TURN,
            Poll::Ready(_) => self.left.saturating_sub(count),
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
        if self.parting.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
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
        if self.parting.is_some() {
            return Poll::Ready(Ok(()));
        }
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
    use std::sync::Arc;

    use actix_web::rt::net::TcpStream;

    use super::*;
    use crate::http::conduct::{Connections, UnderWay};
    use crate::http::{Capacity, Patience};

    fn connection(stream: TcpStream) -> Connection {
        let connections =
            Connections::new(Capacity::default(), Patience::default(), Arc::default());
        Connection::over(Stream::Plain(stream), connections.welcome())
    }

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
        let connection = connection(stream);
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

        let mut connection = connection(stream);
        let mut read = 0;
        while read < sent {
            let Stream::Plain(stream) = &connection.stream else { panic!("a plain stream") };
            stream.readable().await.unwrap();
            let turn = read_a_turn(&mut connection).await;
            assert!(turn < BYTES_IN_A_TURN + 1000, "{turn} bytes in a turn");
            read += turn;
        }
        assert_eq!(read, sent);
    }
}
