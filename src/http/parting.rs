//! An answer that is given to a client before there is a request of it: the bytes, and how the
//! client comes to read them.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::ResponseError as _;
use actix_web::body::MessageBody as _;
use actix_web::web::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::error::ApiError;
use crate::http::stream::Stream;

/// Bytes that are heard and dropped in one turn.
const BYTES_IN_A_TURN: usize = 8 << 10;

/// The last words to a client. What it still sends is heard and dropped: a connection that is
/// closed over unread bytes is reset, and the client would lose the answer.
pub(super) struct Parting {
    rest: Bytes,
    is_said: bool,
}

impl Parting {
    pub(super) fn with(error: &ApiError) -> Self {
        Self { rest: bytes_of(error), is_said: false }
    }

    /// The last answer was given.
    pub(super) fn without_a_word() -> Self {
        Self { rest: Bytes::new(), is_said: false }
    }

    /// Ends with an error, when the client has gone.
    pub(super) fn poll(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        if !self.is_said {
            self.is_said = self.poll_say(stream, context)?.is_ready();
        }
        let mut bytes = [0; BYTES_IN_A_TURN];
        let mut buffer = ReadBuf::new(&mut bytes);
        loop {
            let before = buffer.filled().len();
            match Pin::new(&mut *stream).poll_read(context, &mut buffer)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if buffer.filled().len() == before => {
                    return Poll::Ready(Err(Error::from(ErrorKind::UnexpectedEof)));
                }
                Poll::Ready(()) if buffer.remaining() == 0 => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(()) => {}
            }
        }
    }

    fn poll_say(&mut self, stream: &mut Stream, context: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.rest.is_empty() {
            match Pin::new(&mut *stream).poll_write(context, &self.rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(Error::from(ErrorKind::WriteZero))),
                Poll::Ready(written) => drop(self.rest.split_to(written)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(stream).poll_shutdown(context)
    }
}

/// The answer as it goes over the wire.
fn bytes_of(error: &ApiError) -> Bytes {
    let response = error.error_response();
    let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", response.status());
    for (name, value) in response.headers() {
        let value = value.to_str().unwrap_or_default();
        // Writing to a text cannot fail.
        write!(head, "{name}: {value}\r\n").ok();
    }
    let body = response.into_body().try_into_bytes().unwrap_or_default();
    write!(head, "Content-Length: {}\r\n\r\n", body.len()).ok();
    [head.as_bytes(), &body].concat().into()
}
