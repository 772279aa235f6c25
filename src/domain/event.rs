//! Events as the rules see them: who reports what about which object, and what became of it.

use serde::{Deserialize, Serialize};

use crate::domain::account::{Authorization, Capability, Snapshot};
use crate::domain::balance::Balance;
use crate::domain::id::ObjectKey;
use crate::domain::operation::Evidence;
use crate::domain::payout::Payout;
use crate::domain::time::Timestamp;
use crate::domain::topup::Topup;
use crate::domain::transfer::Transfer;

/// One event's report about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub event_id: String,
    pub event_type: String,
    /// Stripe's time of the event, in whole seconds.
    pub created: u64,
    pub says: Says,
    pub arrival: Arrival,
}

/// How an event came to us. Never decides anything; kept to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Its place in the order of arrival, which is the order of the journal.
    pub sequence: u64,
    pub received_at: Timestamp,
    pub recorded_at: Timestamp,
    pub source: String,
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    Account(Box<Snapshot>),
    Capability(Capability),
    Authorization(Authorization),
    Topup(Topup),
    Transfer(Transfer),
    Payout(Payout),
    Balance(Balance),
}

/// An event, read as far as its own fields go, and what its content means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: String,
    pub event_type: String,
    /// Unix seconds; `None` when it is not an integer that can be a time.
    pub created: Option<u64>,
    /// `None` when the event does not say, or not as a boolean.
    pub livemode: Option<bool>,
    pub account: Option<String>,
    pub api_version: Option<String>,
    /// `id` of the object inside, whatever it is.
    pub object_id: Option<String>,
    /// Operations of ours whose objects it tells of.
    pub evidence: Vec<Evidence>,
    pub reading: Reading,
}

/// What the content of an event means to bursar.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all readings are reports")]
pub enum Reading {
    /// A usable report about a tracked object.
    Report { object: ObjectKey, created: u64, says: Says },
    /// Not a type bursar tracks.
    Ignored,
    /// A tracked type whose content cannot be used; an operator sees the reason.
    Parked { reason: String },
}

/// What became of an event. The first five are of events that were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// What a read of the object shows changed.
    Applied,
    /// A report that the rules put later was known; this one took its place in the history.
    Stale,
    /// It said nothing new.
    Unchanged,
    /// Not a type bursar tracks.
    Ignored,
    /// A tracked type whose content could not be used.
    Parked,
    /// This id was stored before; nothing changed.
    Duplicate,
}

impl Outcome {
    pub const STORED: [Self; 5] =
        [Self::Applied, Self::Stale, Self::Unchanged, Self::Ignored, Self::Parked];

    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Stale => "stale",
            Self::Unchanged => "unchanged",
            Self::Ignored => "ignored",
            Self::Parked => "parked",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Whether this is the source of deliveries: those have the names of webhook secrets, all but ours.
pub fn is_of_deliveries(source: &str) -> bool {
    !source.contains(':') && !matches!(source, "import" | "backfill" | "refetch" | "operation")
}

/// Where an event stands among those of its own second, before anything else is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A type ending in `.created`: the object cannot have been reported on earlier.
    Created,
    Ordinary,
    /// A fetched object: it shows what came of the second's events.
    Observed,
}

impl Report {
    pub fn standing(&self) -> Standing {
        if self.event_type.ends_with(".created") {
            Standing::Created
        } else if self.event_type.ends_with(".observed") {
            Standing::Observed
        } else {
            Standing::Ordinary
        }
    }
}
