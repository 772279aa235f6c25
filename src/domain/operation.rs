//! A call that bursar owes Stripe: what is wanted, how far it has come, and what may be done next.
//!
//! Money moves at most once per operation. Each attempt has an idempotency key of its own; a new
//! attempt begins only after Stripe has refused the one before, so no two attempts can both have
//! had an effect. What nobody knows is called [`OperationState::Unknown`] until somebody does.
//!
//! Read [`OperationState::next`] first (the table of moves), then [`Operation::after`] (what a
//! happening makes of an operation) and [`Operation::due`] (what is to be done about it).

mod happening;
mod privacy;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::domain::Json;
use crate::domain::time::Timestamp;
pub use happening::{Happening, Reason, Settled};

/// Stripe keeps an idempotency key for 24 hours at least; after this long nothing is sent again.
pub const KEY_LIFETIME_SECONDS: i64 = 23 * 3600;
/// A link is good for some minutes, and nobody waits for it longer.
const LINK_LIFETIME_SECONDS: i64 = 600;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Wanted; nothing was sent that could have had an effect.
    Requested,
    /// A transfer that is held until its money is there.
    WaitingForFunds,
    /// A call is under way.
    Sent,
    Succeeded,
    /// Stripe, or bursar before it called, said no; nothing happened.
    Refused,
    /// It was sent, or may have been, and what became of it is not known.
    Unknown,
}

impl OperationState {
    pub const ALL: [Self; 6] = [
        Self::Requested,
        Self::WaitingForFunds,
        Self::Sent,
        Self::Succeeded,
        Self::Refused,
        Self::Unknown,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::WaitingForFunds => "waiting_for_funds",
            Self::Sent => "sent",
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// The states that may follow directly. The table is the whole specification.
    pub fn next(self) -> &'static [Self] {
        match self {
            // In doubt where a store that was put back from a copy does not know what was sent
            // since, and Stripe cannot tell either.
            Self::Requested | Self::WaitingForFunds => {
                &[Self::Sent, Self::Refused, Self::Succeeded, Self::Unknown]
            }
            // Back to the start when it certainly did not reach Stripe; back to waiting when Stripe
            // refused it for want of funds.
            Self::Sent => &[
                Self::Succeeded,
                Self::Refused,
                Self::Unknown,
                Self::Requested,
                Self::WaitingForFunds,
            ],
            Self::Unknown => &[Self::Succeeded, Self::Refused, Self::WaitingForFunds],
            // What Stripe reports to have made was made, whatever was thought of it.
            Self::Refused => &[Self::Succeeded],
            Self::Succeeded => &[],
        }
    }

    /// Something is still to be done, or found out.
    pub fn is_open(self) -> bool {
        match self {
            Self::Requested | Self::WaitingForFunds | Self::Sent | Self::Unknown => true,
            Self::Succeeded | Self::Refused => false,
        }
    }
}

/// What is wanted of Stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    CreateAccount,
    CreatePerson,
    CreateOnboardingLink,
    CreateTopup,
    CancelTopup,
    CreateTransfer,
    ReverseTransfer,
}

impl Action {
    pub const ALL: [Self; 7] = [
        Self::CreateAccount,
        Self::CreatePerson,
        Self::CreateOnboardingLink,
        Self::CreateTopup,
        Self::CancelTopup,
        Self::CreateTransfer,
        Self::ReverseTransfer,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::CreateAccount => "create_account",
            Self::CreatePerson => "create_person",
            Self::CreateOnboardingLink => "create_onboarding_link",
            Self::CreateTopup => "create_topup",
            Self::CancelTopup => "cancel_topup",
            Self::CreateTransfer => "create_transfer",
            Self::ReverseTransfer => "reverse_transfer",
        }
    }

    /// For how long the same call is of use.
    fn lifetime_seconds(self) -> i64 {
        match self {
            Self::CreateOnboardingLink => LINK_LIFETIME_SECONDS,
            Self::CreateAccount
            | Self::CreatePerson
            | Self::CreateTopup
            | Self::CancelTopup
            | Self::CreateTransfer
            | Self::ReverseTransfer => KEY_LIFETIME_SECONDS,
        }
    }

    /// What it makes, when events tell of that with the operation's id.
    pub fn makes(self) -> Option<Made> {
        match self {
            Self::CreateAccount => Some(Made::Account),
            Self::CreateTopup => Some(Made::Topup),
            Self::CreateTransfer => Some(Made::Transfer),
            Self::ReverseTransfer => Some(Made::Reversal),
            Self::CreatePerson | Self::CreateOnboardingLink | Self::CancelTopup => None,
        }
    }
}

/// Objects that carry the id of the operation that made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Made {
    Account,
    Topup,
    Transfer,
    Reversal,
}

/// An event tells of an object that an operation made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub operation: String,
    pub made: Made,
    pub object_id: String,
}

/// Parameters of a call, by Stripe's names. They can be personal, so that `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params(pub Vec<(String, String)>);

/// What of a transfer is looked at before it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferTerms {
    /// In minor units of `currency`.
    pub amount: i64,
    /// In small letters.
    pub currency: String,
    pub destination: String,
    pub transfer_group: Option<String>,
    pub wait_for_funds: bool,
    /// The top-up whose money is waited for.
    pub topup: Option<String>,
}

/// A name under which the newest operation that has it is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub name: String,
    /// No second operation may have it, unless the first was refused.
    pub exclusive: bool,
}

/// Why Stripe refused, or why there is no answer; in Stripe's own words where it refused to move
/// money, else in ours.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationError {
    /// HTTP status of Stripe's answer.
    pub status: Option<u16>,
    /// Stripe's `type`.
    pub kind: Option<String>,
    pub code: Option<String>,
    pub message: String,
    pub param: Option<String>,
}

/// What a caller asked for, before anything was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub id: String,
    pub livemode: bool,
    pub action: Action,
    pub client_key: String,
    pub fingerprint: String,
    pub by: String,
    pub subject: Option<String>,
    pub tag: Option<Tag>,
    pub params: Params,
    pub terms: Option<TransferTerms>,
    pub warnings: Vec<Reason>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: String,
    pub livemode: bool,
    /// Counts the recorded steps, from 1.
    pub version: u64,
    pub action: Action,
    pub state: OperationState,
    /// The caller's own idempotency key.
    pub client_key: String,
    /// Tells this request from others under the same key, without holding what it said.
    pub fingerprint: String,
    /// Name of the token that asked for it.
    pub by: String,
    /// The object that it is done to; `None` where it makes one.
    pub subject: Option<String>,
    pub tag: Option<Tag>,
    pub requested_at: Timestamp,
    pub updated_at: Timestamp,
    /// Kept only as long as they may be needed.
    pub params: Option<Params>,
    pub terms: Option<TransferTerms>,
    /// From 1; each has an idempotency key of its own.
    pub attempt: u32,
    /// When this attempt was sent first.
    pub sent_at: Option<Timestamp>,
    pub object_id: Option<String>,
    /// What Stripe answered, without what is personal.
    pub object: Option<Json>,
    /// Stripe's name for the exchange that told most recently how it stands.
    pub request_id: Option<String>,
    pub error: Option<OperationError>,
    /// Why bursar did not send it.
    pub reasons: Vec<Reason>,
    pub warnings: Vec<Reason>,
    pub settled: Option<Settled>,
}

/// What is to be done about an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Record that it is sent, then send it.
    Send,
    /// Send the same again, with the same key: Stripe does it once.
    SendAgain,
    /// See whether the money is there.
    LookForFunds,
    /// A call was under way when somebody stopped looking.
    NoteLost,
    /// Too late to send it again: ask Stripe what there is.
    LookUp,
    /// Nothing was sent for so long that nobody expects it any more.
    GiveUp,
    Nothing,
}

impl Operation {
    pub fn new(request: Request, now: Timestamp) -> Self {
        let Request {
            id,
            livemode,
            action,
            client_key,
            fingerprint,
            by,
            subject,
            tag,
            params,
            terms,
            warnings,
        } = request;
        let waits = terms.as_ref().is_some_and(|terms| terms.wait_for_funds);
        Self {
            id,
            livemode,
            version: 1,
            action,
            state: if waits { OperationState::WaitingForFunds } else { OperationState::Requested },
            client_key,
            fingerprint,
            by,
            subject,
            tag,
            requested_at: now,
            updated_at: now,
            params: Some(params),
            terms,
            attempt: 1,
            sent_at: None,
            object_id: None,
            object: None,
            request_id: None,
            error: None,
            reasons: Vec::new(),
            warnings,
            settled: None,
        }
    }

    /// What Stripe knows this attempt by.
    pub fn stripe_key(&self) -> String {
        format!("bursar-{}-{}", self.id, self.attempt)
    }

    /// Whether it was asked for so long ago that Stripe may have forgotten a key of that time.
    pub fn is_old(&self, now: Timestamp) -> bool {
        let age = now.signed_seconds().saturating_sub(self.requested_at.signed_seconds());
        age >= KEY_LIFETIME_SECONDS
    }

    /// Whether Stripe is sure to know a call with the key of this attempt for the same.
    pub fn key_is_known(&self, now: Timestamp) -> bool {
        self.age_seconds(now) < KEY_LIFETIME_SECONDS
    }

    /// Whether that is so, and the call still of use.
    pub fn key_lives(&self, now: Timestamp) -> bool {
        self.age_seconds(now) < self.action.lifetime_seconds()
    }

    fn age_seconds(&self, now: Timestamp) -> i64 {
        let since = self.sent_at.unwrap_or(self.requested_at);
        now.signed_seconds().saturating_sub(since.signed_seconds())
    }

    pub fn due(&self, now: Timestamp) -> Due {
        match (self.state, self.key_lives(now)) {
            (OperationState::Requested, true) => Due::Send,
            (OperationState::Requested, false) => Due::GiveUp,
            (OperationState::WaitingForFunds, _) => Due::LookForFunds,
            (OperationState::Sent, _) => Due::NoteLost,
            (OperationState::Unknown, true) => Due::SendAgain,
            (OperationState::Unknown, false) => Due::LookUp,
            (OperationState::Succeeded | OperationState::Refused, _) => Due::Nothing,
        }
    }

    /// What this event says of it, if it says anything about this operation.
    pub fn reported(&self, evidence: &Evidence, event_id: &str, at: Timestamp) -> Option<Self> {
        let is_of_it = self.action.makes() == Some(evidence.made);
        let (object_id, event_id) = (evidence.object_id.clone(), event_id.to_owned());
        is_of_it.then(|| self.after(Happening::Reported { object_id, event_id }, at)).flatten()
    }
}
