//! Many clients that open a connection, say what they say, and then drip.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::client::Tally;

/// A connection that cannot be opened soon is tried again.
const CONNECT: Duration = Duration::from_millis(500);

/// How each of a crowd behaves.
pub(crate) struct Manners {
    pub(crate) opening: Vec<u8>,
    /// Sent at every turn, as far as the socket takes it.
    pub(crate) drip: Vec<u8>,
    /// Reads what it is answered.
    pub(crate) listens: bool,
}

pub(crate) struct Crowd<'m> {
    address: SocketAddr,
    manners: &'m Manners,
    members: Vec<Option<Member>>,
    /// What its members were answered, and how many were cut off.
    pub(crate) heard: Tally,
}

struct Member {
    stream: TcpStream,
    /// Of the opening.
    sent: usize,
    answered: bool,
}

impl<'m> Crowd<'m> {
    pub(crate) fn new(address: SocketAddr, count: usize, manners: &'m Manners) -> Self {
        let members = (0..count).map(|_| None).collect();
        Self { address, manners, members, heard: Tally::default() }
    }

    /// Lets each do what it does once; whoever was cut off comes again.
    pub(crate) fn turn(&mut self) {
        for place in &mut self.members {
            let member = place.take().or_else(|| Member::connect(self.address));
            *place = member.and_then(|mut member| {
                let goes_on = member.turn(self.manners, &mut self.heard);
                self.heard.unanswered += usize::from(!goes_on && !member.answered);
                goes_on.then_some(member)
            });
        }
    }

    pub(crate) fn connected(&self) -> usize {
        self.members.iter().flatten().count()
    }
}

impl Member {
    fn connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT).ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(Self { stream, sent: 0, answered: false })
    }

    /// False when it was cut off.
    fn turn(&mut self, manners: &Manners, heard: &mut Tally) -> bool {
        let opening = manners.opening.get(self.sent..).unwrap_or_default();
        let said = if opening.is_empty() {
            self.say(&manners.drip).map(drop)
        } else {
            self.say(opening).map(|sent| self.sent += sent)
        };
        let is_open = !manners.listens || self.listen(heard);
        said.is_some() && is_open
    }

    /// `None` when the server takes no more for ever.
    fn say(&mut self, mut bytes: &[u8]) -> Option<usize> {
        let length = bytes.len();
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        Some(length - bytes.len())
    }

    /// False at the end. Only the first answer counts.
    fn listen(&mut self, heard: &mut Tally) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
                    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
                    if let Some(status) = status.and_then(|digits| digits.parse().ok()) {
                        *heard.answers.entry(status).or_default() += 1;
                        self.answered = true;
                    }
                }
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}
