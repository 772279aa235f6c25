//! The load generator: few threads, many connections, one request under way on each.
//!
//! It shares the machine with what it measures, so it does as little as it can: requests are
//! ready-made bytes, and an answer costs a read, a look at its head and its end, and a write.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// Longer answers are not expected.
const LONGEST_ANSWER: usize = 64 * 1024;
/// With no answer for so long, the server is given up.
const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    Empty,
    /// The body ends like this.
    Ending(&'static [u8]),
    /// The body is an object.
    Json,
}

pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    /// Sent in turn, from the start again when there are fewer than `count`.
    pub(crate) requests: &'a [Vec<u8>],
    pub(crate) count: usize,
    pub(crate) limit: Duration,
    pub(crate) wanted: Wanted,
}

/// Answers, all of them as wanted.
pub(crate) struct Answered {
    pub(crate) seconds: f64,
    /// One for each, ascending.
    pub(crate) latencies: Vec<Duration>,
}

impl Answered {
    pub(crate) fn per_second(&self) -> f64 {
        count(self.latencies.len()) / self.seconds
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let place = self.latencies.len() * percent / 100;
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

pub(crate) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Sends the requests and waits for all answers; the first unwanted one is an error.
pub(crate) fn drive(load: &Load<'_>) -> io::Result<Answered> {
    let next = AtomicUsize::new(0);
    let threads = load.threads.clamp(1, load.connections.max(1));
    let together = Barrier::new(threads);
    let parts = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|thread| {
                let (next, together) = (&next, &together);
                scope.spawn(move || {
                    let connections = (thread..load.connections).step_by(threads).count();
                    let part = Part::connect(load, next, connections);
                    together.wait();
                    part?.run()
                })
            })
            .collect();
        let join = |part: std::thread::ScopedJoinHandle<'_, io::Result<(Vec<Duration>, f64)>>| {
            part.join().unwrap_or_else(|_| Err(io::Error::other("the generator panicked")))
        };
        parts.into_iter().map(join).collect::<io::Result<Vec<_>>>()
    })?;
    let seconds = parts.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
    let mut latencies: Vec<Duration> =
        parts.into_iter().flat_map(|(latencies, _)| latencies).collect();
    latencies.sort_unstable();
    Ok(Answered { seconds, latencies })
}

/// What one thread does.
struct Part<'a> {
    load: &'a Load<'a>,
    /// Of the next request to send, by whichever thread.
    next: &'a AtomicUsize,
    poll: rustix::fd::OwnedFd,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    sent: Instant,
    buffer: Vec<u8>,
    filled: usize,
}

impl<'a> Part<'a> {
    fn connect(load: &'a Load<'a>, next: &'a AtomicUsize, connections: usize) -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let connections = (0..connections)
            .map(|place| {
                let stream = TcpStream::connect(load.address)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                let data = epoll::EventData::new_u64(place as u64);
                epoll::add(&poll, &stream, data, epoll::EventFlags::IN)?;
                let buffer = vec![0; LONGEST_ANSWER];
                Ok(Connection { stream, sent: Instant::now(), buffer, filled: 0 })
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self { load, next, poll, connections })
    }

    /// Gives the latencies, and the seconds it took.
    fn run(mut self) -> io::Result<(Vec<Duration>, f64)> {
        let start = Instant::now();
        let mut latencies = Vec::with_capacity(self.load.count);
        let mut under_way = 0;
        for connection in &mut self.connections {
            under_way += usize::from(send_next(self.load, self.next, connection)?);
        }
        let mut events = Vec::with_capacity(self.connections.len());
        while under_way > 0 {
            epoll::wait(&self.poll, spare_capacity(&mut events), Some(&PATIENCE))?;
            if events.is_empty() {
                return Err(io::Error::other("the server no longer answers"));
            }
            for event in events.drain(..) {
                let place = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                let Some(connection) = self.connections.get_mut(place) else { continue };
                if !connection.receive(self.load.wanted)? {
                    continue;
                }
                latencies.push(connection.sent.elapsed());
                let in_time = start.elapsed() < self.load.limit;
                if !(in_time && send_next(self.load, self.next, connection)?) {
                    under_way -= 1;
                }
            }
        }
        Ok((latencies, start.elapsed().as_secs_f64()))
    }
}

/// False when all have been sent.
fn send_next(load: &Load<'_>, next: &AtomicUsize, connection: &mut Connection) -> io::Result<bool> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    if number >= load.count {
        return Ok(false);
    }
    let request = load.requests.get(number % load.requests.len().max(1));
    connection.send(request.ok_or_else(|| io::Error::other("there is nothing to send"))?)?;
    Ok(true)
}

impl Connection {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.sent = Instant::now();
        self.filled = 0;
        let mut rest = request;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                // Nothing else is under way on the connection, so this is rare and short.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// True when the answer is complete; an error when it is not as wanted.
    fn receive(&mut self, wanted: Wanted) -> io::Result<bool> {
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let read = self.stream.read(free)?;
        if read == 0 {
            return Err(io::Error::other("the server hung up, or its answer is too long"));
        }
        self.filled += read;
        let answer = self.buffer.get(..self.filled).unwrap_or_default();
        let Some(head_bytes) = end_of_head(answer) else { return Ok(false) };
        let (head, body) = answer.split_at(head_bytes);
        if body.len() < content_length(head) {
            return Ok(false);
        }
        let as_wanted = match wanted {
            Wanted::Empty => body.is_empty(),
            Wanted::Ending(ending) => body.ends_with(ending),
            Wanted::Json => body.starts_with(b"{") && body.ends_with(b"}"),
        };
        if head.starts_with(b"HTTP/1.1 200 ") && as_wanted {
            return Ok(true);
        }
        let answer = String::from_utf8_lossy(answer);
        Err(io::Error::other(format!("an answer is not as wanted:\n{answer}")))
    }
}

fn end_of_head(answer: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    answer.windows(END.len()).position(|bytes| bytes == END).map(|place| place + END.len())
}

fn content_length(head: &[u8]) -> usize {
    let length = head.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked("content-length:".len())?;
        let value = name.eq_ignore_ascii_case(b"content-length:").then_some(value)?;
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    });
    length.unwrap_or(0)
}
