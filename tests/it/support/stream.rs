//! A client of server-sent events, over a plain socket.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Nothing here takes long; who waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a stream says, one block of it at a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Change { id: u64, change: Value },
    Comment,
    Retry(u64),
}

/// A stream that was opened and answered with 200.
pub(crate) struct EventStream {
    /// The lines of the answer's head, in lower case.
    pub(crate) head: Vec<String>,
    body: BufReader<Chunks>,
}

impl EventStream {
    /// `headers` are whole lines, each with its end.
    pub(crate) fn open(to: SocketAddr, path: &str, token: &str, headers: &str) -> Result<Self> {
        let mut socket = TcpStream::connect_timeout(&to, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(
            format!(
                "GET {path} HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer {token}\r\n{headers}\r\n"
            )
            .as_bytes(),
        )?;
        let mut socket = BufReader::new(socket);
        let mut head = Vec::new();
        loop {
            let line = line_of(&mut socket)?.ok_or_else(|| Error::other("no answer"))?;
            if line.is_empty() {
                break;
            }
            head.push(line.to_ascii_lowercase());
        }
        if head[0] != "http/1.1 200 ok" {
            return Err(Error::other(head[0].clone()));
        }
        Ok(Self { head, body: BufReader::new(Chunks { socket, left: 0, ended: false }) })
    }

    /// Waits no longer than this for what comes next.
    pub(crate) fn wait_at_most(&mut self, patience: Duration) -> Result<()> {
        self.body.get_ref().socket.get_ref().set_read_timeout(Some(patience))
    }

    /// The next block; `None` at the orderly end of the stream.
    pub(crate) fn told(&mut self) -> Result<Option<Told>> {
        let mut lines = Vec::new();
        while let Some(line) = line_of(&mut self.body)? {
            if line.is_empty() {
                return Ok(Some(told(&lines)));
            }
            lines.push(line);
        }
        assert!(lines.is_empty(), "a stream that ends in the middle of a block: {lines:?}");
        Ok(None)
    }

    /// The next change, whatever else is said before it.
    pub(crate) fn change(&mut self) -> Result<Option<(u64, Value)>> {
        loop {
            match self.told()? {
                Some(Told::Change { id, change }) => return Ok(Some((id, change))),
                Some(Told::Comment | Told::Retry(_)) => {}
                None => return Ok(None),
            }
        }
    }

    pub(crate) fn hang_up(self) {
        self.body.get_ref().socket.get_ref().shutdown(Shutdown::Both).ok();
    }
}

fn told(lines: &[String]) -> Told {
    let field = |line: &String| {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
        (name.to_owned(), value.to_owned())
    };
    let fields: Vec<(String, String)> = lines.iter().map(field).collect();
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    match fields[..] {
        [("id", id), ("event", "change"), ("data", data)] => {
            Told::Change { id: id.parse().unwrap(), change: serde_json::from_str(data).unwrap() }
        }
        [("", _)] => Told::Comment,
        [("retry", milliseconds)] => Told::Retry(milliseconds.parse().unwrap()),
        _ => panic!("not a block of ours: {lines:?}"),
    }
}

/// A line without its end; `None` when there is no more.
fn line_of(from: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    let length = from.read_line(&mut line)?;
    Ok((length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// A chunked body, put together again.
struct Chunks {
    socket: BufReader<TcpStream>,
    left: usize,
    ended: bool,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.left == 0 && !self.ended {
            let line = line_of(&mut self.socket)?.ok_or_else(|| Error::other("cut off"))?;
            self.left = usize::from_str_radix(&line, 16).map_err(Error::other)?;
            self.ended = self.left == 0;
        }
        if self.ended {
            return Ok(0);
        }
        let most = buffer.len().min(self.left);
        let length = self.socket.read(&mut buffer[..most])?;
        if length == 0 {
            return Err(Error::other("cut off"));
        }
        self.left -= length;
        if self.left == 0 {
            line_of(&mut self.socket)?;
        }
        Ok(length)
    }
}
