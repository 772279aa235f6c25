//! The parameters of requests.

use crate::domain::account::AccountStatus;
use crate::domain::audit::AuditAction;
use crate::domain::event::Outcome;
use crate::domain::operation::{Action, OperationState};
use crate::domain::payout::PayoutStatus;
use crate::domain::topup::TopupStatus;
use crate::domain::transfer::TransferStatus;
use crate::http::changes::LONGEST_WAIT;
use crate::http::endpoint::{Parameter, Shape};
use crate::http::operations::LONGEST_KEY;
use crate::http::query::LARGEST_LIMIT;

pub(super) const LIVEMODE: Parameter = Parameter::new(
    "livemode",
    Shape::Boolean,
    "The partition: live or test mode. By default the one of BURSAR_LIVEMODE, or of the key of \
     Stripe's where that is used.",
);
pub(super) const LIMIT: Parameter = Parameter::new(
    "limit",
    Shape::Number(1, LARGEST_LIMIT),
    "How many items a page has at most; 50 by default.",
);
pub(super) const CURSOR: Parameter =
    Parameter::new("cursor", Shape::Text, "The `next_cursor` of the page before, as it came.");
pub(super) const OWNER: Parameter = Parameter::new(
    "account",
    Shape::Id,
    "The connected account that it belongs to; without it the platform's own is meant.",
);

pub(super) const ACCOUNT_STATUS: Parameter = Parameter::new(
    "status",
    Shape::Words(|| AccountStatus::ALL.map(AccountStatus::word).to_vec()),
    "Only accounts with this status.",
);
pub(super) const PAYABLE: Parameter =
    Parameter::new("payable", Shape::Boolean, "Only accounts that can, or cannot, be paid.");
pub(super) const COUNTRY: Parameter =
    Parameter::new("country", Shape::Text, "Only accounts of this country, such as US.");
pub(super) const TOPUP_STATUS: Parameter = Parameter::new(
    "status",
    Shape::Words(|| TopupStatus::ALL.map(TopupStatus::word).to_vec()),
    "Only top-ups with this status.",
);
pub(super) const CURRENCY: Parameter =
    Parameter::new("currency", Shape::Text, "Only those in this currency, such as usd.");
pub(super) const TRANSFER_STATUS: Parameter = Parameter::new(
    "status",
    Shape::Words(|| TransferStatus::ALL.map(TransferStatus::word).to_vec()),
    "Only transfers with this status.",
);
pub(super) const DESTINATION: Parameter =
    Parameter::new("destination", Shape::Text, "Only transfers to this account.");
pub(super) const TRANSFER_GROUP: Parameter =
    Parameter::new("transfer_group", Shape::Text, "Only transfers of this group.");
pub(super) const PAYOUT_STATUS: Parameter = Parameter::new(
    "status",
    Shape::Words(|| PayoutStatus::ALL.map(PayoutStatus::word).to_vec()),
    "Only payouts with this status.",
);
pub(super) const ANY_OWNER: Parameter =
    Parameter::new("account", Shape::Text, "Only payouts of this connected account.");

pub(super) const EVENT_TYPE: Parameter =
    Parameter::new("type", Shape::Text, "Only events of this type, such as account.updated.");
pub(super) const EVENT_OBJECT: Parameter =
    Parameter::new("object", Shape::Text, "Only events about the object with this id.");
pub(super) const EVENT_ACCOUNT: Parameter =
    Parameter::new("account", Shape::Text, "Only events of this connected account.");
pub(super) const OUTCOME: Parameter = Parameter::new(
    "outcome",
    Shape::Words(|| Outcome::STORED.map(Outcome::word).to_vec()),
    "Only events with this outcome.",
);
pub(super) const SINCE: Parameter =
    Parameter::new("since", Shape::Time, "Only events received at this time or later.");
pub(super) const UNTIL: Parameter =
    Parameter::new("until", Shape::Time, "Only events received before this time.");

pub(super) const REASON: Parameter =
    Parameter::new("reason", Shape::Text, "Why; for the audit trail, 1000 characters at most.");
pub(super) const ACTOR: Parameter =
    Parameter::new("actor", Shape::Text, "Only acts by tokens of this name.");
pub(super) const AUDIT_ACTION: Parameter =
    Parameter::new("action", Shape::Words(|| AuditAction::WORDS.to_vec()), "Only such acts.");
pub(super) const ACTED_SINCE: Parameter =
    Parameter::new("since", Shape::Time, "Only acts begun at this time or later.");
pub(super) const ACTED_UNTIL: Parameter =
    Parameter::new("until", Shape::Time, "Only acts begun before this time.");

pub(super) const AFTER: Parameter = Parameter::new(
    "after",
    Shape::Number(0, u64::MAX),
    "The last sequence that was taken in: the `next` of the answer before.",
);
pub(super) const WAIT: Parameter = Parameter::new(
    "wait",
    Shape::Number(0, LONGEST_WAIT),
    "Seconds to wait for an entry when there is none; 0 by default.",
);
pub(super) const EPOCH: Parameter = Parameter::new(
    "epoch",
    Shape::Text,
    "The `epoch` of earlier answers: a feed that is another one is then told by 410.",
);
pub(super) const LAST_EVENT_ID: Parameter = Parameter::header(
    "Last-Event-ID",
    Shape::Number(0, u64::MAX),
    "The last `id` that was taken in; goes before `after`. Clients of such streams send it.",
);

pub(super) const DRY_RUN: Parameter =
    Parameter::new("dry_run", Shape::Boolean, "Says what would come of it, and changes nothing.");
pub(super) const FULL: Parameter = Parameter::new(
    "full",
    Shape::Boolean,
    "As far back as Stripe goes, whatever was fetched already.",
);
pub(super) const STATE: Parameter = Parameter::new(
    "state",
    Shape::Words(|| OperationState::ALL.map(OperationState::word).to_vec()),
    "Only operations in this state.",
);
pub(super) const ACTION: Parameter = Parameter::new(
    "action",
    Shape::Words(|| Action::ALL.map(Action::word).to_vec()),
    "Only operations of this kind.",
);
pub(super) const OPERATION_OBJECT: Parameter = Parameter::new(
    "object",
    Shape::Text,
    "Only operations that made, or were done to, the object with this id.",
);
pub(super) const KEY: Parameter = Parameter::header(
    "Idempotency-Key",
    Shape::Key(LONGEST_KEY),
    "The same key and the same request bring the same answer, and one effect. Make it of what you \
     owe, not of the attempt.",
);
pub(super) const SIGNATURE: Parameter = Parameter::header(
    "Stripe-Signature",
    Shape::Text,
    "When it was signed, and the signatures: `t=1793000000,v1=5257a869...`.",
);
