//! Webhook deliveries: which endpoint is owed which event, what was tried, and what is next.
//!
//! An attempt that fails is made again, three in all over a few hours of the sandbox's clock. The
//! sandbox can be told to misbehave here, too.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::sandbox::world::endpoint::Endpoint;
use crate::sandbox::world::event::Event;
use crate::sandbox::world::table::Table;

/// Seconds to the next attempt, after the first and the second that failed.
const RETRY_AFTER: [i64; 2] = [3600, 3 * 3600];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Waiting,
    Delivered,
    /// Tried as often as there are attempts.
    GivenUp,
    /// Lost on purpose, or its endpoint went away.
    Lost,
}

impl Standing {
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Lost => "lost",
        }
    }
}

/// One attempt: when (by the sandbox's clock), and the status or the failure.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub at: i64,
    pub outcome: Result<u16, String>,
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub event: String,
    pub endpoint: String,
    pub attempts: Vec<Attempt>,
    pub standing: Standing,
}

impl Delivery {
    pub fn view(&self) -> Value {
        let Self { event, endpoint, attempts, standing } = self;
        let attempts: Vec<Value> = attempts
            .iter()
            .map(|Attempt { at, outcome }| {
                let (status, error) = (outcome.as_ref().ok(), outcome.as_ref().err());
                json!({ "at": at, "status": status, "error": error })
            })
            .collect();
        json!({
            "event": event, "webhook_endpoint": endpoint, "state": standing.word(),
            "attempts": attempts,
        })
    }
}

/// What is done to the next deliveries instead of making them as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// Lost for good.
    Drop,
    /// This attempt fails as if nobody listened.
    Fail,
    /// Sent twice.
    Duplicate,
}

impl Mischief {
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "drop" => Some(Self::Drop),
            "fail" => Some(Self::Fail),
            "duplicate" => Some(Self::Duplicate),
            _ => None,
        }
    }
}

/// What is to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub delivery: usize,
    pub event: String,
    pub endpoint: String,
}

#[derive(Debug, Default)]
pub struct Outbox {
    pub endpoints: Table<Endpoint>,
    deliveries: Vec<Delivery>,
    of_event: HashMap<String, Vec<usize>>,
    due: BTreeMap<(i64, u64), usize>,
    numbers: u64,
    held: bool,
    shuffled: bool,
    mischief: Vec<(Mischief, u64)>,
    /// Taken to be sent, and nothing heard of it yet.
    on_their_way: usize,
}

impl Outbox {
    /// Every enabled endpoint that wants such an event is owed it.
    pub fn post(&mut self, event: &Event, now: i64) {
        let wanting = self.endpoints.iter().filter(|endpoint| endpoint.wants(event));
        for endpoint in wanting.map(|endpoint| endpoint.id.clone()).collect::<Vec<_>>() {
            self.owe(&event.id, &endpoint, now);
        }
    }

    /// Once more to this endpoint, whatever came of it before.
    pub fn owe(&mut self, event: &str, endpoint: &str, now: i64) {
        let (event, endpoint) = (event.to_owned(), endpoint.to_owned());
        self.of_event.entry(event.clone()).or_default().push(self.deliveries.len());
        self.schedule(self.deliveries.len(), now);
        let standing = Standing::Waiting;
        self.deliveries.push(Delivery { event, endpoint, attempts: Vec::new(), standing });
    }

    fn schedule(&mut self, delivery: usize, at: i64) {
        self.numbers += 1;
        self.due.insert((at, self.numbers), delivery);
    }

    /// Deliveries of an event that were not taken yet.
    pub fn pending(&self, event: &str) -> usize {
        self.of(event).filter(|delivery| delivery.standing != Standing::Delivered).count()
    }

    pub fn of(&self, event: &str) -> impl Iterator<Item = &Delivery> {
        let places = self.of_event.get(event).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.deliveries.get(*place))
    }

    /// Nothing is sent until this is taken back.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// What is sent together goes in an order of chance.
    pub fn shuffle(&mut self, shuffled: bool) {
        self.shuffled = shuffled;
    }

    pub fn misbehave(&mut self, mischief: Mischief, times: u64) {
        self.mischief.push((mischief, times));
    }

    pub fn behave(&mut self) {
        (self.held, self.shuffled) = (false, false);
        self.mischief.clear();
    }

    /// What is owed by now, each with its mischief done.
    pub fn take(&mut self, now: i64, chance: &mut fastrand::Rng) -> Vec<Outgoing> {
        if self.held {
            return Vec::new();
        }
        let later = self.due.split_off(&(now.saturating_add(1), 0));
        let due: Vec<usize> = std::mem::replace(&mut self.due, later).into_values().collect();
        let mut sent = Vec::new();
        for delivery in due {
            let copies = self.copies(delivery, now);
            let made = self.deliveries.get(delivery);
            let outgoing = made.map(|made| Outgoing {
                delivery,
                event: made.event.clone(),
                endpoint: made.endpoint.clone(),
            });
            sent.extend(outgoing.into_iter().cycle().take(copies));
        }
        if self.shuffled {
            chance.shuffle(&mut sent);
        }
        self.on_their_way += sent.len();
        sent
    }

    fn copies(&mut self, delivery: usize, now: i64) -> usize {
        let enabled = |id: &str| self.endpoints.get(id).is_some_and(|endpoint| endpoint.enabled);
        if !self.deliveries.get(delivery).is_some_and(|made| enabled(&made.endpoint)) {
            self.end(delivery, Standing::Lost);
            return 0;
        }
        let Some((mischief, times)) = self.mischief.first_mut() else { return 1 };
        let mischief = *mischief;
        *times = times.saturating_sub(1);
        self.mischief.retain(|(_, times)| *times > 0);
        match mischief {
            Mischief::Drop => {
                self.end(delivery, Standing::Lost);
                0
            }
            Mischief::Fail => {
                self.attempted(delivery, Err("nobody listened, as was asked for".to_owned()), now);
                0
            }
            Mischief::Duplicate => 2,
        }
    }

    fn end(&mut self, delivery: usize, standing: Standing) {
        if let Some(made) = self.deliveries.get_mut(delivery) {
            made.standing = standing;
        }
    }

    /// What came of one that was taken. Only a 2xx is success.
    pub fn record(&mut self, delivery: usize, outcome: Result<u16, String>, now: i64) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
        self.attempted(delivery, outcome, now);
    }

    fn attempted(&mut self, delivery: usize, outcome: Result<u16, String>, now: i64) {
        let Some(made) = self.deliveries.get_mut(delivery) else { return };
        let taken = matches!(outcome, Ok(200..=299));
        made.attempts.push(Attempt { at: now, outcome });
        if taken {
            made.standing = Standing::Delivered;
        } else if made.standing == Standing::Waiting {
            match RETRY_AFTER.get(made.attempts.len() - 1) {
                Some(seconds) => self.schedule(delivery, now + seconds),
                None => made.standing = Standing::GivenUp,
            }
        }
    }

    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// Whether something is on its way, or is about to be.
    pub fn is_busy(&self, now: i64) -> bool {
        self.on_their_way > 0 || self.has_due(now)
    }

    /// Whether something is owed by now that is not held back.
    pub fn has_due(&self, now: i64) -> bool {
        !self.held && self.due.keys().next().is_some_and(|(at, _)| *at <= now)
    }
}
