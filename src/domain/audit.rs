//! What operators did: who, when, what, why, from where, and what came of it.
//!
//! An entry is recorded before its action has any effect, as [`AuditOutcome::Begun`], and once
//! more when the outcome is known. It names objects and counts them; it never holds a body.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::id::Kind;
use crate::domain::time::Timestamp;

/// Ids that an entry names; of more it says how many there were.
pub const MOST_NAMED: usize = 100;
/// Characters of an id that an entry keeps: nobody promises that an id is short.
const LONGEST_ID: usize = 255;

/// One thing that an operator did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    pub id: String,
    /// When it was begun.
    pub at: Timestamp,
    /// The partition it was about; none when it was about both.
    pub livemode: Option<bool>,
    /// The name of the token.
    pub actor: String,
    pub role: String,
    /// The client's, where it is known.
    pub address: Option<String>,
    pub action: AuditAction,
    /// The operator's own words.
    pub reason: Option<String>,
    pub outcome: AuditOutcome,
}

/// What was asked for. Fields name objects by their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// Events were applied that somebody handed in, or stored ones again.
    Replay { events: Named },
    /// Parked events were tried again.
    Redrive { events: Named },
    /// The body of an event was shown.
    ReadBody { event: String },
    /// A person decided on an operation whose outcome nobody knew.
    Resolve { operation: String, decision: String, object: Option<String> },
    /// An object was fetched from Stripe. A balance has no id.
    Refetch { kind: Kind, id: String, account: Option<String> },
    /// Missed events were asked for.
    Backfill { full: bool },
    /// Personal data of an account was removed.
    Erase { account: String },
}

impl AuditAction {
    /// The words, in the order of the variants.
    pub const WORDS: [&str; 7] =
        ["replay", "redrive", "read_body", "resolve", "refetch", "backfill", "erase"];

    pub fn word(&self) -> &'static str {
        match self {
            Self::Replay { .. } => "replay",
            Self::Redrive { .. } => "redrive",
            Self::ReadBody { .. } => "read_body",
            Self::Resolve { .. } => "resolve",
            Self::Refetch { .. } => "refetch",
            Self::Backfill { .. } => "backfill",
            Self::Erase { .. } => "erase",
        }
    }
}

/// Some objects by their ids, and how many there were in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub count: u64,
    /// The first [`MOST_NAMED`].
    pub ids: Vec<String>,
}

impl Named {
    pub fn of<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let mut named = Self::default();
        for id in ids {
            named.count = named.count.saturating_add(1);
            if named.ids.len() < MOST_NAMED {
                named.ids.push(shortened(id));
            }
        }
        named
    }
}

/// An id as an entry keeps it.
pub fn shortened(id: &str) -> String {
    id.chars().take(LONGEST_ID).collect()
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It goes on, or bursar ended before it could say what came of it.
    Begun,
    Done(Results),
    /// By the word for programs that the caller got. What was done before it failed stays done.
    Failed {
        code: String,
    },
}

/// What an action that was done has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// How many ended how.
    pub counts: BTreeMap<String, u64>,
    /// The id of what was made.
    pub made: Option<String>,
}

impl AuditOutcome {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done(_) => "done",
            Self::Failed { .. } => "failed",
        }
    }

    pub fn is_final(&self) -> bool {
        match self {
            Self::Begun => false,
            Self::Done(_) | Self::Failed { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_counted_and_the_first_are_named() {
        let ids: Vec<String> = (0..MOST_NAMED + 5).map(|number| format!("evt_{number}")).collect();
        let named = Named::of(ids.iter().map(String::as_str));
        assert_eq!(named.count, 105);
        assert_eq!(named.ids, ids.into_iter().take(MOST_NAMED).collect::<Vec<_>>());
        let long = "x".repeat(10_000);
        assert_eq!(Named::of([long.as_str()]).ids.concat().len(), LONGEST_ID);
    }

    #[test]
    fn every_action_has_its_word_and_is_read_back_from_json() {
        let (id, events) = ("x".to_owned(), Named::of(["evt_1"]));
        let actions = [
            AuditAction::Replay { events: events.clone() },
            AuditAction::Redrive { events },
            AuditAction::ReadBody { event: id.clone() },
            AuditAction::Resolve {
                operation: id.clone(),
                decision: "refused".to_owned(),
                object: None,
            },
            AuditAction::Refetch { kind: Kind::Payout, id: id.clone(), account: None },
            AuditAction::Backfill { full: true },
            AuditAction::Erase { account: id },
        ];
        assert_eq!(actions.each_ref().map(AuditAction::word), AuditAction::WORDS);
        for action in actions {
            let json = serde_json::to_string(&action).unwrap();
            assert!(json.starts_with(&format!("{{\"{}\":", action.word())), "{json}");
            assert_eq!(serde_json::from_str::<AuditAction>(&json).unwrap(), action);
        }
    }
}
