//! A client that writes exactly what it is told to: HTTP/1.1 over a plain socket.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Nothing here takes long; who waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);
const CHUNK: usize = 64 << 10;

#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: None, chunked: false }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::new("POST", path) }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sends the body in chunks, without telling its length first.
    pub(crate) fn chunked(self) -> Self {
        Self { chunked: true, ..self }
    }

    fn head(&self) -> String {
        let Self { method, path, headers, body, chunked } = self;
        let mut lines = vec![
            format!("{method} {path} HTTP/1.1"),
            "Host: bursar".to_owned(),
            "Connection: close".to_owned(),
        ];
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if *chunked {
            lines.push("Transfer-Encoding: chunked".to_owned());
        } else if let Some(body) = body {
            lines.push(format!("Content-Length: {}", body.len()));
        }
        lines.join("\r\n") + "\r\n\r\n"
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head().into_bytes();
        let body = self.body.as_deref().unwrap_or_default();
        if self.chunked {
            for chunk in body.chunks(CHUNK) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(body);
        }
        bytes
    }

    /// Sends the request on a connection of its own and waits for the answer.
    #[track_caller]
    pub(crate) fn send(&self, to: SocketAddr) -> Answer {
        let bytes = raw(to, &self.bytes());
        match Answer::parse(&bytes, self.method == "HEAD") {
            Some(answer) => answer,
            None => panic!("{} {}: no answer: {bytes:?}", self.method, self.path),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8], of_head: bool) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (head, body) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 4..]);
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let answer = Self { status, headers, body: body.to_vec() };
        if let Some(length) = answer.header("content-length").filter(|_| !of_head) {
            assert_eq!(body.len().to_string(), length, "the answer's length");
        }
        Some(answer)
    }

    /// An answer as it came over a connection.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        Self::parse(bytes, false)
    }

    /// The value of the only header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut named = self.headers.iter().filter(|(known, _)| known == name);
        let value = named.next().map(|(_, value)| value.clone());
        assert!(named.next().is_none(), "several headers {name}");
        value
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&self.body)),
        }
    }
}

/// Writes `bytes` and reads whatever comes back until the server closes.
pub(crate) fn raw(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    read_to_end(written(to, bytes))
}

/// The same for a client that closes its side as soon as it has written.
pub(crate) fn raw_and_hang_up(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let stream = written(to, bytes);
    stream.shutdown(Shutdown::Write).unwrap();
    read_to_end(stream)
}

fn written(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // A server that has heard enough may close before it has read all.
    stream.write_all(bytes).ok();
    stream
}

fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    answer
}

/// Percent-encoded, for a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes()
        .map(
            |byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") },
        )
        .collect()
}
