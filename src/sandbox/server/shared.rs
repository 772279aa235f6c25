//! What the server's threads share: the sandbox behind a lock, its clock, and who is told of what.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, broadcast, watch};

use crate::clock;
use crate::sandbox::api::Sandbox;

/// Events that a listener may lag behind.
const EVENTS_KEPT: usize = 1024;

/// Where the sandbox's time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The system's, so many seconds off. One that starts in the past can be advanced without
    /// leaving the present behind.
    System { offset_seconds: i64 },
    /// It stands still at this Unix time until it is advanced.
    Still(i64),
}

impl Default for Clock {
    fn default() -> Self {
        Self::System { offset_seconds: 0 }
    }
}

impl Clock {
    pub(super) fn now(self, advanced_seconds: i64) -> i64 {
        let start = match self {
            Self::System { offset_seconds } => clock::now().signed_seconds() + offset_seconds,
            Self::Still(at) => at,
        };
        start.saturating_add(advanced_seconds)
    }
}

/// An event as listeners get it.
#[derive(Clone, Debug)]
pub struct MadeEvent {
    pub id: String,
    /// The connected account it is about.
    pub account: Option<String>,
    pub body: Value,
}

pub(super) struct Shared {
    sandbox: Mutex<Sandbox>,
    clock: Clock,
    advanced: AtomicI64,
    /// Events that listeners were told of.
    told: AtomicUsize,
    listeners: broadcast::Sender<MadeEvent>,
    pub(super) work: Notify,
    /// Changes when there may be something to tell who listens over a websocket.
    pub(super) news: watch::Sender<usize>,
}

impl Shared {
    pub(super) fn new(sandbox: Sandbox, clock: Clock) -> Self {
        Self {
            sandbox: Mutex::new(sandbox),
            clock,
            advanced: AtomicI64::new(0),
            told: AtomicUsize::new(0),
            listeners: broadcast::channel(EVENTS_KEPT).0,
            work: Notify::new(),
            news: watch::Sender::new(0),
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<MadeEvent> {
        self.listeners.subscribe()
    }

    fn now(&self) -> i64 {
        self.clock.now(self.advanced.load(Ordering::SeqCst))
    }

    pub(super) fn advance(&self, seconds: i64) -> i64 {
        self.advanced.fetch_add(seconds.max(0), Ordering::SeqCst);
        self.with(|sandbox| sandbox.world.now())
    }

    /// Does something with the sandbox as it is now, and passes on what came of it.
    pub(super) fn with<R>(&self, what: impl FnOnce(&mut Sandbox) -> R) -> R {
        let mut sandbox = self.sandbox.lock().unwrap_or_else(PoisonError::into_inner);
        sandbox.advance(self.now());
        let result = what(&mut sandbox);
        self.tell(&sandbox);
        let news = sandbox.world.news();
        self.news.send_if_modified(|known| std::mem::replace(known, news) != news);
        if sandbox.world.outbox.has_due(sandbox.world.now()) {
            self.work.notify_one();
        }
        result
    }

    fn tell(&self, sandbox: &Sandbox) {
        let told = self.told.swap(sandbox.world.events_made(), Ordering::SeqCst);
        if self.listeners.receiver_count() == 0 {
            return;
        }
        for event in sandbox.world.events_from(told) {
            let (id, account) = (event.id.clone(), event.account.clone());
            let body = sandbox.world.event_view(event);
            // The last one may just have left.
            self.listeners.send(MadeEvent { id, account, body }).ok();
        }
    }
}
