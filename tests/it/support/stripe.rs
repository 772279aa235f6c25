//! A stand-in for Stripe that does what a test tells it, also what Stripe never should, and keeps
//! what it was sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// Of the query or the body.
    pub(crate) params: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer(u16, Vec<(&'static str, String)>, String),
    /// These bytes, and the connection ends.
    Raw(String),
    /// The connection ends.
    HangUp,
    /// Nothing, until the client has had enough.
    Silence,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Answer(status, vec![("Request-Id", "req_1".to_owned())], body.to_string())
    }

    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Answer(status, headers, body)
            }
            Self::Raw(_) | Self::HangUp | Self::Silence => panic!("only answers have headers"),
        }
    }
}

type Handler = dyn Fn(&Received) -> Reply + Send + Sync;

pub(crate) struct FakeStripe {
    pub(crate) base: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl FakeStripe {
    /// Listens for as long as the process lives.
    pub(crate) fn start(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let (handler, seen): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&received));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, handler, seen) = (stream.unwrap(), Arc::clone(&handler), seen.clone());
                std::thread::spawn(move || converse(&stream, &*handler, &seen));
            }
        });
        Self { base, received }
    }

    /// Gives these replies in turn, the last one again and again.
    pub(crate) fn scripted(replies: Vec<Reply>) -> Self {
        let left = Mutex::new(replies);
        Self::start(move |_| {
            let mut left = left.lock().unwrap();
            if left.len() > 1 { left.remove(0) } else { left[0].clone() }
        })
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn converse(stream: &TcpStream, handler: &Handler, seen: &Mutex<Vec<Received>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let request = take(&mut reader)?;
        seen.lock().unwrap().push(request.clone());
        let mut writer = stream;
        match handler(&request) {
            Reply::Answer(status, headers, body) => {
                let mut answer =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    answer = format!("{answer}{name}: {value}\r\n");
                }
                writer.write_all(format!("{answer}\r\n{body}").as_bytes()).ok()?;
            }
            Reply::Raw(bytes) => {
                writer.write_all(bytes.as_bytes()).ok()?;
                return None;
            }
            Reply::HangUp => return None,
            Reply::Silence => {
                reader.read_to_end(&mut Vec::new()).ok()?;
                return None;
            }
        }
    }
}

/// The next request; `None` when the client has gone.
fn take(reader: &mut BufReader<&TcpStream>) -> Option<Received> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&length| length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let (method, rest) = first.split_once(' ').unwrap();
    let target = rest.split(' ').next().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request =
        Received { method: method.to_owned(), path: path.to_owned(), params: Vec::new(), headers };
    let length = request.header("Content-Length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let form = if length > 0 { String::from_utf8(body).unwrap() } else { query.to_owned() };
    request.params = serde_urlencoded::from_str(&form).unwrap();
    Some(request)
}
