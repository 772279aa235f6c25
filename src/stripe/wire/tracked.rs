//! The types of event that bursar tracks, and what each reports.

use crate::domain::account::Authorization;
use crate::domain::id::Kind;

/// What the tracked types report.
#[derive(Clone, Copy)]
pub(super) enum Tracked {
    Account,
    Capability,
    Authorization(Authorization),
    Topup,
    Transfer,
    Payout,
    Balance,
}

/// All of them; `docs/events.md` speaks of each. The `observed` types are not Stripe's: they are
/// objects that were fetched.
const TYPES: &[(&str, Tracked)] = &[
    ("account.updated", Tracked::Account),
    ("account.observed", Tracked::Account),
    ("capability.updated", Tracked::Capability),
    ("account.application.authorized", Tracked::Authorization(Authorization::Granted)),
    ("account.application.deauthorized", Tracked::Authorization(Authorization::Revoked)),
    ("topup.created", Tracked::Topup),
    ("topup.succeeded", Tracked::Topup),
    ("topup.failed", Tracked::Topup),
    ("topup.canceled", Tracked::Topup),
    ("topup.reversed", Tracked::Topup),
    ("topup.observed", Tracked::Topup),
    ("transfer.created", Tracked::Transfer),
    ("transfer.updated", Tracked::Transfer),
    ("transfer.reversed", Tracked::Transfer),
    ("transfer.observed", Tracked::Transfer),
    ("payout.created", Tracked::Payout),
    ("payout.updated", Tracked::Payout),
    ("payout.canceled", Tracked::Payout),
    ("payout.paid", Tracked::Payout),
    ("payout.failed", Tracked::Payout),
    ("payout.reconciliation_completed", Tracked::Payout),
    ("payout.observed", Tracked::Payout),
    ("balance.available", Tracked::Balance),
    ("balance.observed", Tracked::Balance),
];

/// Every tracked type, with the kind of object it reports about.
pub fn tracked_types() -> impl Iterator<Item = (&'static str, Kind)> {
    TYPES.iter().map(|&(event_type, tracked)| (event_type, tracked.kind()))
}

impl Tracked {
    pub(super) fn of_type(event_type: &str) -> Option<Self> {
        TYPES.iter().find(|(known, _)| *known == event_type).map(|&(_, tracked)| tracked)
    }

    fn kind(self) -> Kind {
        match self {
            Self::Account | Self::Capability | Self::Authorization(_) => Kind::Account,
            Self::Topup => Kind::Topup,
            Self::Transfer => Kind::Transfer,
            Self::Payout => Kind::Payout,
            Self::Balance => Kind::Balance,
        }
    }

    /// The `object` word that the event must carry.
    pub(super) fn object_word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Capability => "capability",
            Self::Authorization(_) => "application",
            Self::Topup => "topup",
            Self::Transfer => "transfer",
            Self::Payout => "payout",
            Self::Balance => "balance",
        }
    }
}
