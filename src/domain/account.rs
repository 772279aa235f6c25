//! A connected account: may this person be paid, and if not, why?
//!
//! `payable` rests on two facts alone, the `transfers` capability and `payouts_enabled`.
//! `charges_enabled` never decides: an account that only receives transfers may never get it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::Json;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccountStatus {
    Deauthorized,
    Rejected,
    Onboarding,
    Pending,
    Restricted,
    RestrictedSoon,
    Enabled,
    Complete,
}

impl AccountStatus {
    pub const ALL: [Self; 8] = [
        Self::Deauthorized,
        Self::Rejected,
        Self::Onboarding,
        Self::Pending,
        Self::Restricted,
        Self::RestrictedSoon,
        Self::Enabled,
        Self::Complete,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Deauthorized => "deauthorized",
            Self::Rejected => "rejected",
            Self::Onboarding => "onboarding",
            Self::Pending => "pending",
            Self::Restricted => "restricted",
            Self::RestrictedSoon => "restricted_soon",
            Self::Enabled => "enabled",
            Self::Complete => "complete",
        }
    }
}

/// What the platform, or the account's holder, can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAction {
    CollectInformation,
    WaitForReview,
    ContactStripe,
    None,
}

impl NextAction {
    pub fn word(self) -> &'static str {
        match self {
            Self::CollectInformation => "collect_information",
            Self::WaitForReview => "wait_for_review",
            Self::ContactStripe => "contact_stripe",
            Self::None => "none",
        }
    }
}

/// Names of requirement fields. Shown in Stripe's order, compared as a set.
#[derive(Clone, Debug, Default, Eq, Serialize, Deserialize)]
pub struct Fields(pub Vec<String>);

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
            || self.0.iter().collect::<BTreeSet<_>>() == other.0.iter().collect::<BTreeSet<_>>()
    }
}

/// The facts that the rules read. Whatever else differs between two snapshots is drift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub details_submitted: bool,
    pub payouts_enabled: bool,
    /// `capabilities.transfers`, in Stripe's word; `None` when it was never requested.
    pub transfers: Option<String>,
    /// `requirements.disabled_reason`, an open set of words.
    pub disabled_reason: Option<String>,
    /// `requirements.current_deadline`, Unix seconds.
    pub current_deadline: Option<i64>,
    pub currently_due: Fields,
    pub past_due: Fields,
    pub eventually_due: Fields,
    pub pending_verification: Fields,
}

impl Facts {
    pub fn can_receive_transfers(&self) -> bool {
        self.transfers.as_deref() == Some("active")
    }

    pub fn is_rejected(&self) -> bool {
        self.disabled_reason.as_deref().is_some_and(|reason| reason.starts_with("rejected."))
    }

    pub fn payable(&self) -> bool {
        self.can_receive_transfers() && self.payouts_enabled && !self.is_rejected()
    }

    /// The status, as long as the account has not deauthorized the platform.
    pub fn status(&self) -> AccountStatus {
        if self.is_rejected() {
            AccountStatus::Rejected
        } else if !self.details_submitted {
            AccountStatus::Onboarding
        } else if !self.payable() {
            if self.is_being_checked() { AccountStatus::Pending } else { AccountStatus::Restricted }
        } else if !self.currently_due.0.is_empty() && self.current_deadline.is_some() {
            AccountStatus::RestrictedSoon
        } else if !self.eventually_due.0.is_empty() {
            AccountStatus::Enabled
        } else {
            AccountStatus::Complete
        }
    }

    /// Nothing is asked of the holder, and Stripe is at work.
    fn is_being_checked(&self) -> bool {
        let nothing_due = self.currently_due.0.is_empty() && self.past_due.0.is_empty();
        let checking = !self.pending_verification.0.is_empty()
            || matches!(
                self.disabled_reason.as_deref(),
                Some("requirements.pending_verification" | "under_review")
            )
            || self.transfers.as_deref() == Some("pending");
        nothing_due && checking
    }

    /// `past_due`, then `currently_due`, without repeats.
    pub fn blockers(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let due = self.past_due.0.iter().chain(&self.currently_due.0).map(String::as_str);
        due.filter(|field| seen.insert(*field)).collect()
    }

    #[must_use]
    pub fn with_transfers(&self, word: &str) -> Self {
        Self { transfers: Some(word.to_owned()), ..self.clone() }
    }
}

/// What the last account report said, with later capability reports put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub facts: Facts,
    pub charges_enabled: Option<bool>,
    pub requirements: Option<Json>,
    /// Capability name to the JSON text of its status.
    pub capabilities: Option<BTreeMap<String, Json>>,
    pub controller: Option<Json>,
    pub country: Option<String>,
    pub default_currency: Option<String>,
    /// Stripe's `type`: `standard`, `express`, `custom` or `none`. Never decides anything.
    pub account_type: Option<String>,
    /// `tos_acceptance.service_agreement`: `full` or `recipient`. Decides where money may go.
    pub service_agreement: Option<String>,
}

impl Profile {
    pub fn says(&self, capability: &Capability) -> bool {
        self.capabilities.as_ref().and_then(|all| all.get(&capability.name))
            == Some(&capability.status_json)
    }

    #[must_use]
    pub fn with(&self, capability: &Capability) -> Self {
        let mut next = self.clone();
        let capabilities = next.capabilities.get_or_insert_default();
        capabilities.insert(capability.name.clone(), capability.status_json.clone());
        if capability.decides_payability() {
            next.facts = next.facts.with_transfers(&capability.status);
        }
        next
    }
}

/// An account as a read shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub deauthorized: bool,
    /// `None` while only capability or authorization events are known.
    pub profile: Option<Arc<Profile>>,
}

impl Account {
    pub fn status(&self) -> AccountStatus {
        if self.deauthorized {
            AccountStatus::Deauthorized
        } else {
            self.profile.as_ref().map_or(AccountStatus::Onboarding, |p| p.facts.status())
        }
    }

    pub fn payable(&self) -> bool {
        !self.deauthorized && self.profile.as_ref().is_some_and(|p| p.facts.payable())
    }

    pub fn next_action(&self) -> NextAction {
        let something_due = self.profile.as_ref().is_some_and(|p| !p.facts.blockers().is_empty());
        match self.status() {
            AccountStatus::Onboarding | AccountStatus::RestrictedSoon => {
                NextAction::CollectInformation
            }
            AccountStatus::Restricted if something_due => NextAction::CollectInformation,
            AccountStatus::Pending => NextAction::WaitForReview,
            AccountStatus::Rejected | AccountStatus::Deauthorized | AccountStatus::Restricted => {
                NextAction::ContactStripe
            }
            AccountStatus::Enabled | AccountStatus::Complete => NextAction::None,
        }
    }
}

/// An `account.updated` or a fetched account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub profile: Arc<Profile>,
    /// What the event says changed; `None` when it does not say, or not usably.
    pub previous: Option<Previous>,
}

impl Snapshot {
    /// Whether putting the previous attributes back gives exactly `facts`.
    pub fn follows(&self, facts: &Facts) -> bool {
        self.previous.as_ref().is_some_and(|previous| previous.leads(facts, &self.profile.facts))
    }
}

/// `previous_attributes`, as far as the rules read facts. The outer `Option` is "was named", the
/// inner one "was not null".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Previous {
    pub details_submitted: Option<bool>,
    pub payouts_enabled: Option<bool>,
    pub transfers: Option<Option<String>>,
    pub disabled_reason: Option<Option<String>>,
    pub current_deadline: Option<Option<i64>>,
    pub currently_due: Option<Fields>,
    pub past_due: Option<Fields>,
    pub eventually_due: Option<Fields>,
    pub pending_verification: Option<Fields>,
}

impl Previous {
    /// Whether putting these back into `now` gives exactly `then`.
    fn leads(&self, then: &Facts, now: &Facts) -> bool {
        fn is<T: PartialEq>(previous: Option<&T>, then: &T, now: &T) -> bool {
            previous.unwrap_or(now) == then
        }
        let Self {
            details_submitted,
            payouts_enabled,
            transfers,
            disabled_reason,
            current_deadline,
            currently_due,
            past_due,
            eventually_due,
            pending_verification,
        } = self;
        is(details_submitted.as_ref(), &then.details_submitted, &now.details_submitted)
            && is(payouts_enabled.as_ref(), &then.payouts_enabled, &now.payouts_enabled)
            && is(transfers.as_ref(), &then.transfers, &now.transfers)
            && is(disabled_reason.as_ref(), &then.disabled_reason, &now.disabled_reason)
            && is(current_deadline.as_ref(), &then.current_deadline, &now.current_deadline)
            && is(currently_due.as_ref(), &then.currently_due, &now.currently_due)
            && is(past_due.as_ref(), &then.past_due, &now.past_due)
            && is(eventually_due.as_ref(), &then.eventually_due, &now.eventually_due)
            && is(
                pending_verification.as_ref(),
                &then.pending_verification,
                &now.pending_verification,
            )
    }
}

/// A `capability.updated`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    pub name: String,
    pub status: String,
    /// `status` as JSON text, as it stands in an account's `capabilities`.
    pub status_json: Json,
}

impl Capability {
    pub fn decides_payability(&self) -> bool {
        self.name == "transfers"
    }
}

/// Whether the account lets the platform act for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authorization {
    Granted,
    Revoked,
}

#[cfg(test)]
mod tests;
