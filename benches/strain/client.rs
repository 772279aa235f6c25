//! A client of good will, and what it hears.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::server::READER;

/// Who waits longer has not been answered.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    address: SocketAddr,
    kept: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, kept: None }
    }

    /// The status and body of the answer. The connection is kept unless the server ends it.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = match self.kept.take() {
            Some(kept) => kept,
            None => connect(self.address)?,
        };
        stream.get_mut().write_all(request)?;
        let (status, body, closes) = answer(&mut stream)?;
        self.kept = (!closes).then_some(stream);
        Ok((status, body))
    }

    /// The next request has a connection of its own.
    pub(crate) fn hang_up(&mut self) {
        self.kept = None;
    }

    pub(crate) fn read(&mut self, path: &str) -> io::Result<(u16, Vec<u8>)> {
        self.ask(&get(path))
    }
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {READER}\r\n\r\n")
        .into_bytes()
}

/// Reads the stream of changes until it is over.
pub(crate) fn stream(address: SocketAddr, is_over: impl Fn() -> bool) -> io::Result<()> {
    let mut stream = connect(address)?;
    stream.get_mut().write_all(&get("/v1/changes/stream?after=0"))?;
    while !is_over() {
        // There is a comment every ten seconds even when nothing changes.
        if stream.read(&mut [0; 8 << 10])? == 0 {
            return Err(io::Error::other("the stream of changes ended"));
        }
    }
    Ok(())
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(2 * PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<(u16, Vec<u8>, bool)> {
    let (mut status, mut length, mut closes) = (0, 0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::Error::other("hung up"));
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            status = rest.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        } else if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().map_err(io::Error::other)?;
        }
        closes |= line == "connection: close";
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, body, closes))
}

/// How often each answer came, and how long the good ones took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answers: BTreeMap<u16, usize>,
    /// No answer: cut off, or never heard.
    pub(crate) unanswered: usize,
    latencies: Vec<Duration>,
}

impl Tally {
    pub(crate) fn note(&mut self, start: Instant, answer: &io::Result<(u16, Vec<u8>)>) {
        self.count(answer);
        if matches!(answer, Ok((200, _))) {
            self.latencies.push(start.elapsed());
        }
    }

    /// Without the time it took.
    pub(crate) fn count(&mut self, answer: &io::Result<(u16, Vec<u8>)>) {
        match answer {
            Ok((status, _)) => *self.answers.entry(*status).or_default() += 1,
            Err(_) => self.unanswered += 1,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        self.unanswered += other.unanswered;
        self.latencies.extend(other.latencies);
    }

    /// Milliseconds that so many percent did not exceed.
    pub(crate) fn percentile(&mut self, percent: usize) -> f64 {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        let place = (self.latencies.len() * percent / 100).min(last);
        self.latencies.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
    }

    /// Such as `200: 17, 503: 2, none: 1`.
    pub(crate) fn words(&self) -> String {
        let answers = self.answers.iter().map(|(status, count)| format!("{status}: {count}"));
        let none = (self.unanswered > 0).then(|| format!("none: {}", self.unanswered));
        answers.chain(none).collect::<Vec<_>>().join(", ")
    }
}
