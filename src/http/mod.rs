//! The HTTP surface: routes, one file per group, thin on purpose.
//!
//! A handler translates in, calls, and translates out. [`view`] is the only place that knows our
//! JSON, [`error`] the only one that knows status codes, [`auth`] the only one that looks at
//! tokens. What is served stands in the table of [`endpoint`]s, which [`openapi`] describes.

pub mod attempts;
pub mod auth;
pub mod cursor;
pub mod endpoint;
mod erase;
pub mod error;
pub mod openapi;
pub mod query;
pub mod view;

mod audit;
mod backfills;
mod body;
mod changes;
mod conduct;
mod connection;
mod console;
mod docs;
mod events;
mod head;
mod health;
mod input;
mod metrics;
mod money;
mod objects;
mod onboarding;
mod operate;
mod operations;
mod origin;
mod page;
mod parting;
mod refetch;
mod refusal;
mod server;
mod stream;
mod table;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use tokio::sync::{Semaphore, watch};

pub use origin::{Networks, client_address};
pub use server::{SPARE_CONNECTIONS, server};

use crate::clock;
use crate::current::Current;
use crate::http::attempts::Attempts;
use crate::http::auth::Refusals;
use crate::http::body::Bounds;
use crate::http::error::ApiError;
use crate::meters::{Calls, Requests};
use crate::pipeline::backfill::Backfills;
use crate::pipeline::operations::Operations;
use crate::pipeline::receive::Receiver;
use crate::pipeline::refetch::Refetcher;
use crate::pipeline::replay::Replayer;
use crate::pipeline::vigil::{Standing, Vigil};
use crate::store::{SharedStore, StoreError};
use crate::stripe::outgoing::ReturnUrls;
use crate::stripe::wire::JSON_DEPTH;
use crate::token::Tokens;

/// A body that holds nothing but a reason.
const REASON_MAX_BODY_BYTES: usize = 64 << 10;
/// What is to be done at Stripe, prefilled details included.
const ORDER_MAX_BODY_BYTES: usize = 256 << 10;
/// Says whether the process is alive.
const HEALTH: &str = "/healthz";
/// How long requests under way may take to finish after a stop.
pub const DRAIN_SECONDS: u64 = 8;

/// How long clients are borne with. What each bounds is in `docs/overload.md`.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A client that does not send its first request head in this time, TLS included, is
    /// disconnected.
    pub request_head: Duration,
    /// A delivery's body must be here in this time.
    pub body: Duration,
    /// A replay's body may be much larger.
    pub replay_body: Duration,
    /// A connection may go without a request for so long.
    pub idle: Duration,
    /// A client that was turned away may still send, unheard, for so long, and so hears why.
    pub parting: Duration,
    /// A stream without news says so this often.
    pub heartbeat: Duration,
    /// A client that takes nothing of what it is sent for so long is disconnected.
    pub not_taking: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            request_head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            replay_body: Duration::from_mins(5),
            idle: Duration::from_secs(75),
            parting: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            not_taking: Duration::from_secs(30),
        }
    }
}

/// How much is taken in, of one client and at a time.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    pub connections: usize,
    /// Of one delivery's body; a larger one gets 413.
    pub body_bytes: usize,
    /// Of all bodies that are held, from their first byte until they are answered.
    pub total_body_bytes: usize,
    /// Of one replay's body, which carries many events.
    pub replay_bytes: usize,
    /// Of a request line and all headers; and how many headers. Beyond it is 431.
    pub header_bytes: usize,
    pub headers: usize,
    /// Streams of changes that are open at once.
    pub streams: usize,
    /// Levels of objects and lists in an event.
    pub json_depth: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            connections: 2048,
            body_bytes: 1 << 20,
            total_body_bytes: 64 << 20,
            replay_bytes: 32 << 20,
            header_bytes: 32 << 10,
            headers: 96,
            streams: 256,
            json_depth: JSON_DEPTH,
        }
    }
}

/// What the handlers work with.
pub struct Handles {
    pub receiver: Receiver,
    pub replayer: Replayer,
    pub store: SharedStore,
    pub requests: Requests,
    /// Of those to Stripe.
    pub calls: Arc<Calls>,
    pub vigil: Vigil,
    pub tokens: Current<Tokens>,
    pub attempts: Attempts,
    pub refusals: Refusals,
    /// Everyone may do everything.
    pub insecure_no_auth: bool,
    /// The partition that reads show by default.
    pub livemode: bool,
    pub capacity: Capacity,
    /// What is left of the room for bodies, in bytes.
    pub body_room: Semaphore,
    /// How many more streams of changes there may be.
    pub streams: Arc<Semaphore>,
    pub networks: Networks,
    pub patience: Patience,
    /// Becomes true when the service stops: what waits for news no longer does.
    pub draining: watch::Sender<bool>,
    /// With a key of Stripe's.
    pub fetching: Option<Fetching>,
    /// With a key of Stripe's.
    pub operations: Option<Operations>,
    /// Where people go who come back from onboarding, unless a request says otherwise.
    pub onboarding: ReturnUrls,
}

/// What fetches from Stripe.
pub struct Fetching {
    pub backfills: Backfills,
    pub refetcher: Refetcher,
    /// The partition that the key works in.
    pub livemode: bool,
}

impl Handles {
    fn fetching(&self) -> Result<&Fetching, ApiError> {
        self.fetching.as_ref().ok_or(ApiError::NoStripeKey)
    }

    /// The partition that lists of operations show by default: the one in which they are made.
    fn livemode_of_operations(&self) -> bool {
        self.operations.as_ref().map_or(self.livemode, Operations::livemode)
    }

    /// What an operator should look at now.
    pub async fn warnings(&self) -> Result<Vec<Standing>, StoreError> {
        let (secrets, skew) = (self.receiver.secrets(), self.receiver.meter().skew());
        let sources = secrets.iter().map(|secret| secret.name.as_str());
        self.vigil.look(&self.store, sources, skew, clock::now()).await
    }

    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    fn delivery_bounds(&self) -> Bounds {
        let bytes = self.capacity.body_bytes;
        Bounds { bytes, remedy: "; see BURSAR_MAX_BODY_BYTES", time: self.patience.body }
    }

    fn replay_bounds(&self) -> Bounds {
        let bytes = self.capacity.replay_bytes.min(self.capacity.total_body_bytes);
        let remedy = "; send the events in several requests, or see BURSAR_MAX_REPLAY_BYTES";
        Bounds { bytes, remedy, time: self.patience.replay_body }
    }

    fn order_bounds(&self) -> Bounds {
        let remedy = "; prefill less";
        Bounds { bytes: ORDER_MAX_BODY_BYTES, remedy, time: self.patience.body }
    }

    fn reason_bounds(&self) -> Bounds {
        let remedy = "; give a shorter reason";
        Bounds { bytes: REASON_MAX_BODY_BYTES, remedy, time: self.patience.body }
    }
}

fn routes(config: &mut ServiceConfig) {
    endpoint::serve(table::TABLE, config);
    config.default_service(web::to(no_such_path));
}

async fn no_such_path() -> Result<&'static str, ApiError> {
    Err(ApiError::NoSuchPath)
}
