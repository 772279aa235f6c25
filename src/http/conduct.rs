//! What a connection is about: whether there is room for it, what its client does, and how long it
//! may go without a request. The stream and the requests that come over it both look here.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use actix_web::HttpRequest;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::http::{Capacity, Patience};

/// Requests that may be sent in a row without waiting for answers.
const MOST_AHEAD: usize = 64;

/// How many connections are open, in all threads.
#[derive(Clone)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    capacity: Capacity,
    patience: Patience,
}

impl Connections {
    /// `open` tells how many there are.
    pub(super) fn new(capacity: Capacity, patience: Patience, open: Arc<AtomicUsize>) -> Self {
        Self { open, capacity, patience }
    }

    /// One beyond the most is taken too, so that it can be told.
    pub(super) fn welcome(&self) -> Rc<Conduct> {
        let beyond = self.open.fetch_add(1, Ordering::Relaxed) >= self.capacity.connections;
        Rc::new(Conduct {
            under_way: Cell::new(0),
            since: Cell::new(Instant::now()),
            has_asked: Cell::new(false),
            of_a_head: Cell::new(0),
            leaves: Cell::new(beyond),
            said_goodbye: Cell::new(false),
            is_over: Cell::new(false),
            had_its_turn: Cell::new(false),
            ahead: Cell::new(0),
            takes_body: Cell::new(false),
            bodies_taken: Cell::new(0),
            withheld: Cell::new(None),
            beyond,
            connections: self.clone(),
        })
    }
}

/// What a connection is about: known to its stream and to the requests that come over it.
pub(super) struct Conduct {
    /// Requests that are not yet answered.
    pub(super) under_way: Cell<usize>,
    /// When there was last one of them.
    pub(super) since: Cell<Instant>,
    /// Whether there ever was a request.
    pub(super) has_asked: Cell<bool>,
    /// Bytes that were read since there was last a request: those of a head that has not ended.
    pub(super) of_a_head: Cell<usize>,
    leaves: Cell<bool>,
    /// Whether an answer told the client that it is the last.
    said_goodbye: Cell<bool>,
    /// Whether a request came all the same, which has no answer.
    pub(super) is_over: Cell<bool>,
    /// Whether a request was answered since the stream was last read.
    pub(super) had_its_turn: Cell<bool>,
    /// Requests in a row that did not wait for the answer to the one before.
    ahead: Cell<usize>,
    /// Whether the request under way still wants more of its body.
    pub(super) takes_body: Cell<bool>,
    /// Bodies that were taken whole.
    bodies_taken: Cell<usize>,
    /// Woken when what was not read for a while may be read again.
    pub(super) withheld: Cell<Option<Waker>>,
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

    /// How many bodies were taken to their end so far.
    pub(super) fn bodies_taken(&self) -> usize {
        self.bodies_taken.get()
    }

    pub(super) fn body_was_taken(&self) {
        self.bodies_taken.set(self.bodies_taken.get() + 1);
    }

    pub(super) fn is_too_far_ahead(&self) -> bool {
        self.ahead.get() > MOST_AHEAD
    }

    pub(super) fn read_on(&self) {
        self.withheld.take().inspect(Waker::wake_by_ref);
    }

    /// Has the connection end after the answer, whatever the client still sends.
    pub(super) fn leave(&self) {
        self.leaves.set(true);
    }

    /// Notes that the answer which is given now is the last.
    pub(super) fn say_goodbye(&self) {
        self.leave();
        self.said_goodbye.set(true);
    }

    pub(super) fn has_said_goodbye(&self) -> bool {
        self.said_goodbye.get()
    }

    /// What came behind the last request gets no answer: it may be no request at all. Never ends.
    pub(super) async fn ignore<T>(&self) -> T {
        poll_fn(|context| {
            if !self.is_over.replace(true) {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    /// A client that takes its answer, however slowly, is not idle.
    pub(super) fn takes_answers(&self) {
        if !self.leaves() {
            self.since.set(Instant::now());
        }
    }

    pub(super) fn leaves(&self) -> bool {
        self.leaves.get()
    }

    pub(super) fn capacity(&self) -> &Capacity {
        &self.connections.capacity
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.connections.patience
    }

    /// Until when the connection may go on as it is; `None` while a request is under way.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let patience = &self.connections.patience;
        let limit = if self.leaves() {
            patience.parting
        } else if self.has_asked.get() {
            patience.idle + patience.request_head
        } else {
            patience.request_head
        };
        (self.under_way.get() == 0).then(|| self.since.get() + limit)
    }

    /// Until when a connection that has just come must have sent its first head, TLS included.
    pub(super) fn first_head_until(&self) -> Instant {
        self.since.get() + self.connections.patience.request_head
    }

    /// What was read and led to no request is a head that has not ended yet.
    pub(super) fn is_head_too_large(&self) -> bool {
        let most = self.connections.capacity.header_bytes;
        self.under_way.get() == 0 && !self.leaves() && self.of_a_head.get() > most
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
        conduct.has_asked.set(true);
        conduct.of_a_head.set(0);
        Self(Rc::clone(conduct))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get().saturating_sub(1));
        self.0.since.set(Instant::now());
        self.0.of_a_head.set(0);
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
