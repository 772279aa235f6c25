//! Which object a report is about.

use serde::{Deserialize, Serialize};

/// The kinds of object bursar keeps the status of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    Account,
    Topup,
    Transfer,
    Payout,
    Balance,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::Account, Self::Topup, Self::Transfer, Self::Payout, Self::Balance];

    pub fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Topup => "topup",
            Self::Transfer => "transfer",
            Self::Payout => "payout",
            Self::Balance => "balance",
        }
    }

    /// How Stripe's ids of this kind begin today. Stripe does not promise it, so an id without
    /// it is fine; an id with the prefix of another kind is not.
    pub fn id_prefix(self) -> Option<&'static str> {
        match self {
            Self::Account => Some("acct_"),
            Self::Topup => Some("tu_"),
            Self::Transfer => Some("tr_"),
            Self::Payout => Some("po_"),
            Self::Balance => None,
        }
    }
}

/// Names one object. Topups and transfers are the platform's; payouts and balances belong to an
/// owner, a connected account or (`None`) the platform itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    pub livemode: bool,
    pub kind: Kind,
    pub owner: Option<String>,
    /// Empty for a balance: each owner has one.
    pub id: String,
}

impl ObjectKey {
    pub fn new(livemode: bool, kind: Kind, owner: Option<&str>, id: &str) -> Self {
        let owner = match kind {
            Kind::Account | Kind::Topup | Kind::Transfer => None,
            Kind::Payout | Kind::Balance => owner.map(str::to_owned),
        };
        Self { livemode, kind, owner, id: id.to_owned() }
    }

    /// The connected account that this object is, or belongs to.
    pub fn account(&self) -> Option<&str> {
        match self.kind {
            Kind::Account => Some(&self.id),
            Kind::Payout | Kind::Balance => self.owner.as_deref(),
            Kind::Topup | Kind::Transfer => None,
        }
    }
}

/// Why an id cannot be one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdProblem {
    Empty,
    TooLong,
    /// It has the prefix of this other kind.
    OfAnotherKind(Kind),
}

const LONGEST_ID: usize = 255;

/// Checks that `id` can name an object of `kind`.
pub fn check_id(kind: Kind, id: &str) -> Result<(), IdProblem> {
    if id.is_empty() {
        return Err(IdProblem::Empty);
    }
    if id.chars().count() > LONGEST_ID {
        return Err(IdProblem::TooLong);
    }
    let has_prefix_of = |other: Kind| other.id_prefix().is_some_and(|p| id.starts_with(p));
    match Kind::ALL.into_iter().find(|&other| other != kind && has_prefix_of(other)) {
        Some(other) => Err(IdProblem::OfAnotherKind(other)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_refused_only_when_empty_too_long_or_of_another_kind() {
        for (kind, id, expected) in [
            (Kind::Payout, "po_1", Ok(())),
            (Kind::Payout, "withdrawal-7", Ok(())),
            (Kind::Payout, "", Err(IdProblem::Empty)),
            (Kind::Payout, "tu_1", Err(IdProblem::OfAnotherKind(Kind::Topup))),
            (Kind::Topup, "acct_1", Err(IdProblem::OfAnotherKind(Kind::Account))),
            (Kind::Account, "acct_1", Ok(())),
            (Kind::Transfer, &"x".repeat(255), Ok(())),
            (Kind::Transfer, &"é".repeat(255), Ok(())),
            (Kind::Transfer, &"x".repeat(256), Err(IdProblem::TooLong)),
        ] {
            assert_eq!(check_id(kind, id), expected, "{kind:?} {id}");
        }
    }
}
