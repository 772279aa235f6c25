//! Stripe's JSON, read narrowly: the only place that knows how Stripe spells things.
//!
//! An event's own fields and the few fields of its object that the rules read; the rest stays a
//! slice of the body. Unknown fields, words and API versions never fail an event. Skipping is
//! iterative, so no nesting is too deep.
//!
//! Fields that decide something are read strictly, and a report whose deciding field cannot be
//! understood is parked. Fields that are only shown are read leniently: an odd one is left out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::Json;
use crate::domain::account::{
    Authorization, Capability, Facts, Fields, Previous, Profile, Snapshot,
};
use crate::domain::balance::Balance;
use crate::domain::event::{Event, Reading, Says};
use crate::domain::id::{IdProblem, Kind, ObjectKey, check_id};
use crate::domain::payout::{Payout, PayoutStatus};
use crate::domain::time::Timestamp;
use crate::domain::topup::{Topup, TopupStatus};
use crate::domain::transfer::Transfer;

/// Stripe's integers are JSON numbers, exact up to here.
const LARGEST_CREATED: u64 = 1 << 53;
const SECONDS_PER_DAY: u64 = 86_400;

/// Verified bytes that are not an event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a Stripe event: {why}")]
pub struct NotAnEvent {
    why: String,
}

type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    object: Raw<'a>,
    #[serde(borrow, rename = "type")]
    event_type: Raw<'a>,
    #[serde(borrow)]
    created: Raw<'a>,
    #[serde(borrow)]
    livemode: Raw<'a>,
    #[serde(borrow)]
    account: Raw<'a>,
    #[serde(borrow)]
    api_version: Raw<'a>,
    #[serde(borrow)]
    data: Raw<'a>,
}

#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Raw<'a>,
    #[serde(borrow)]
    previous_attributes: Raw<'a>,
}

#[derive(Default, Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
}

/// Reads an event. `received_at` bounds how far ahead its `created` may be.
pub fn read(body: &[u8], received_at: Timestamp) -> Result<Event, NotAnEvent> {
    let not = |why: &str| NotAnEvent { why: why.to_owned() };
    let text = std::str::from_utf8(body).map_err(|_| not("it is not UTF-8"))?;
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| NotAnEvent { why: error.to_string() })?;
    let id = non_empty(envelope.id).ok_or_else(|| not("`id` is not a non-empty string"))?;
    let event_type =
        non_empty(envelope.event_type).ok_or_else(|| not("`type` is not a non-empty string"))?;
    let is_thin = match non_empty(envelope.object).as_deref() {
        Some("event") => false,
        Some("v2.core.event") => true,
        _ => return Err(not("`object` is neither `event` nor `v2.core.event`")),
    };

    let data: Data<'_> = lenient(envelope.data).unwrap_or_default();
    let object_id = lenient::<Named<'_>>(data.object).and_then(|named| non_empty(named.id));
    let created = lenient(envelope.created).filter(|&created| created <= LARGEST_CREATED);
    let livemode = lenient(envelope.livemode);
    let tracked = if is_thin { None } else { Tracked::of_type(&event_type) };
    let reading = match tracked {
        None => Reading::Ignored,
        Some(tracked) => Report { tracked, event: &envelope, data, created, livemode }
            .read(&event_type, received_at)
            .unwrap_or_else(|Unusable(reason)| Reading::Parked { reason }),
    };
    Ok(Event {
        id: id.into_owned(),
        event_type: event_type.into_owned(),
        created,
        livemode,
        account: non_empty(envelope.account).map(Cow::into_owned),
        api_version: non_empty(envelope.api_version).map(Cow::into_owned),
        object_id: object_id.map(Cow::into_owned),
        reading,
    })
}

/// What the tracked types report.
#[derive(Clone, Copy)]
enum Tracked {
    Account,
    Capability,
    Authorization(Authorization),
    Topup,
    Transfer,
    Payout,
    Balance,
}

impl Tracked {
    fn of_type(event_type: &str) -> Option<Self> {
        Some(match event_type {
            "account.updated" | "account.observed" => Self::Account,
            "capability.updated" => Self::Capability,
            "account.application.authorized" => Self::Authorization(Authorization::Granted),
            "account.application.deauthorized" => Self::Authorization(Authorization::Revoked),
            "topup.created" | "topup.succeeded" | "topup.failed" | "topup.canceled"
            | "topup.reversed" | "topup.observed" => Self::Topup,
            "transfer.created" | "transfer.updated" | "transfer.reversed" | "transfer.observed" => {
                Self::Transfer
            }
            "payout.created"
            | "payout.updated"
            | "payout.canceled"
            | "payout.paid"
            | "payout.failed"
            | "payout.reconciliation_completed"
            | "payout.observed" => Self::Payout,
            "balance.available" | "balance.observed" => Self::Balance,
            _ => return None,
        })
    }

    /// The `object` word that the event must carry.
    fn object_word(self) -> &'static str {
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

/// Why a report of a tracked type cannot be used.
struct Unusable(String);

fn unusable<T>(reason: impl Into<String>) -> Result<T, Unusable> {
    Err(Unusable(reason.into()))
}

/// A tracked event under reading.
struct Report<'e, 'a> {
    tracked: Tracked,
    event: &'e Envelope<'a>,
    data: Data<'a>,
    created: Option<u64>,
    livemode: Option<bool>,
}

#[derive(Deserialize)]
struct Common<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    object: Raw<'a>,
    #[serde(borrow)]
    livemode: Raw<'a>,
    #[serde(borrow)]
    account: Raw<'a>,
}

impl<'a> Report<'_, 'a> {
    fn read(self, event_type: &str, received_at: Timestamp) -> Result<Reading, Unusable> {
        let Some(raw) = self.data.object else { return unusable("`data.object` is missing") };
        let common: Common<'_> = object("data.object", raw)?;
        let word = text("data.object.object", common.object)?;
        if word != self.tracked.object_word() {
            return unusable(format!(
                "`data.object.object` is `{}`, not `{}`",
                shorten(&word),
                self.tracked.object_word()
            ));
        }
        let created = self.created_by(received_at)?;
        let livemode = self.livemode(&common)?;
        let account = self.account()?;
        let (object, says) = self.says(raw, &common, account.as_deref(), event_type)?;
        Ok(Reading::Report { object: ObjectKey { livemode, ..object }, created, says })
    }

    fn created_by(&self, received_at: Timestamp) -> Result<u64, Unusable> {
        let Some(created) = self.created else {
            return unusable("`created` is not an integer from 0 to 2^53");
        };
        if created > received_at.unix_seconds().saturating_add(SECONDS_PER_DAY) {
            return unusable("`created` is more than a day ahead of its receipt");
        }
        Ok(created)
    }

    fn livemode(&self, common: &Common<'_>) -> Result<bool, Unusable> {
        let Some(livemode) = self.livemode else { return unusable("`livemode` is not a boolean") };
        match common.livemode.map(|raw| lenient::<bool>(Some(raw))) {
            None => Ok(livemode),
            Some(Some(of_object)) if livemode == of_object => Ok(livemode),
            Some(_) => unusable("`livemode` of the event and of its object contradict each other"),
        }
    }

    /// The connected account that the event is from; `None` is the platform itself.
    fn account(&self) -> Result<Option<Cow<'a, str>>, Unusable> {
        let Some(raw) = self.event.account else { return Ok(None) };
        let account = text("account", Some(raw))?;
        id_of(Kind::Account, "account", &account)?;
        Ok(Some(account))
    }

    fn says(
        &self,
        raw: &'a RawValue,
        common: &Common<'a>,
        account: Option<&str>,
        event_type: &str,
    ) -> Result<(ObjectKey, Says), Unusable> {
        let id = || text("data.object.id", common.id);
        let key = |kind: Kind, id: &str| {
            id_of(kind, "data.object.id", id)?;
            Ok(ObjectKey::new(false, kind, account, id))
        };
        Ok(match self.tracked {
            Tracked::Account => {
                let id = same_account(Some(id()?), account)?;
                let snapshot = snapshot(raw, self.data.previous_attributes)?;
                (key(Kind::Account, &id)?, Says::Account(Box::new(snapshot)))
            }
            Tracked::Capability => {
                let named = common.account.map(|raw| text("data.object.account", Some(raw)));
                let id = same_account(named.transpose()?, account)?;
                (key(Kind::Account, &id)?, Says::Capability(capability(raw)?))
            }
            Tracked::Authorization(authorization) => {
                let id = same_account(None, account)?;
                (key(Kind::Account, &id)?, Says::Authorization(authorization))
            }
            Tracked::Topup => (key(Kind::Topup, &id()?)?, Says::Topup(topup(raw)?)),
            Tracked::Transfer => {
                let transfer = transfer(raw, event_type == "transfer.created")?;
                (key(Kind::Transfer, &id()?)?, Says::Transfer(transfer))
            }
            Tracked::Payout => (key(Kind::Payout, &id()?)?, Says::Payout(payout(raw)?)),
            Tracked::Balance => {
                (ObjectKey::new(false, Kind::Balance, account, ""), Says::Balance(balance(raw)?))
            }
        })
    }
}

fn id_of(kind: Kind, field: &str, id: &str) -> Result<(), Unusable> {
    check_id(kind, id).or_else(|problem| match problem {
        IdProblem::Empty => unusable(format!("`{field}` is empty")),
        IdProblem::TooLong => unusable(format!("`{field}` is longer than 255 characters")),
        IdProblem::OfAnotherKind(other) => {
            unusable(format!("`{field}` has the prefix of a {}'s id", other.word()))
        }
    })
}

/// The account that the object names, which the event's `account` must not contradict.
fn same_account<'a>(
    named: Option<Cow<'a, str>>,
    account: Option<&str>,
) -> Result<Cow<'a, str>, Unusable> {
    match (named, account) {
        (Some(named), Some(account)) if named != account => {
            unusable("`account` differs from the account of the object")
        }
        (Some(named), _) => Ok(named),
        (None, Some(account)) => Ok(Cow::Owned(account.to_owned())),
        (None, None) => unusable("`account` is missing"),
    }
}

#[derive(Deserialize)]
struct RawAccount<'a> {
    #[serde(borrow)]
    details_submitted: Raw<'a>,
    #[serde(borrow)]
    payouts_enabled: Raw<'a>,
    #[serde(borrow)]
    charges_enabled: Raw<'a>,
    #[serde(borrow)]
    capabilities: Raw<'a>,
    #[serde(borrow)]
    requirements: Raw<'a>,
    #[serde(borrow)]
    controller: Raw<'a>,
    #[serde(borrow)]
    country: Raw<'a>,
    #[serde(borrow)]
    default_currency: Raw<'a>,
    #[serde(borrow, rename = "type")]
    account_type: Raw<'a>,
}

#[derive(Default, Deserialize)]
struct RawRequirements<'a> {
    #[serde(borrow)]
    disabled_reason: Raw<'a>,
    #[serde(borrow)]
    current_deadline: Raw<'a>,
    #[serde(borrow)]
    currently_due: Raw<'a>,
    #[serde(borrow)]
    past_due: Raw<'a>,
    #[serde(borrow)]
    eventually_due: Raw<'a>,
    #[serde(borrow)]
    pending_verification: Raw<'a>,
}

fn snapshot(raw: &RawValue, previous: Raw<'_>) -> Result<Snapshot, Unusable> {
    let account: RawAccount<'_> = object("data.object", raw)?;
    let capabilities = match account.capabilities {
        None => None,
        Some(raw) => Some(object::<BTreeMap<String, &RawValue>>("capabilities", raw)?),
    };
    let transfers = capabilities.as_ref().and_then(|all| all.get("transfers").copied());
    let requirements = match account.requirements {
        None => RawRequirements::default(),
        Some(raw) => object("requirements", raw)?,
    };
    let fields = |name: &str, raw: Raw<'_>| match raw {
        None => Ok(Fields::default()),
        Some(raw) => object(name, raw).map(Fields),
    };
    let facts = Facts {
        details_submitted: boolean("details_submitted", account.details_submitted)?,
        payouts_enabled: boolean("payouts_enabled", account.payouts_enabled)?,
        transfers: lenient(transfers),
        disabled_reason: optional_text("disabled_reason", requirements.disabled_reason)?,
        current_deadline: match requirements.current_deadline {
            None => None,
            Some(raw) => Some(object("requirements.current_deadline", raw)?),
        },
        currently_due: fields("requirements.currently_due", requirements.currently_due)?,
        past_due: fields("requirements.past_due", requirements.past_due)?,
        eventually_due: fields("requirements.eventually_due", requirements.eventually_due)?,
        pending_verification: fields(
            "requirements.pending_verification",
            requirements.pending_verification,
        )?,
    };
    let profile = Profile {
        facts,
        charges_enabled: lenient(account.charges_enabled),
        requirements: account.requirements.map(compact),
        capabilities: capabilities
            .map(|all| all.into_iter().map(|(name, status)| (name, compact(status))).collect()),
        controller: account.controller.map(compact),
        country: shown(account.country),
        default_currency: shown(account.default_currency),
        account_type: shown(account.account_type),
    };
    Ok(Snapshot { profile, previous: previous.and_then(previous_facts) })
}

#[derive(Deserialize)]
struct RawPrevious<'a> {
    #[serde(borrow, default, deserialize_with = "named")]
    details_submitted: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "named")]
    payouts_enabled: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "named")]
    capabilities: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "named")]
    requirements: Raw<'a>,
}

#[derive(Deserialize)]
struct RawPreviousCapabilities<'a> {
    #[serde(borrow, default, deserialize_with = "named")]
    transfers: Raw<'a>,
}

#[derive(Deserialize)]
struct RawPreviousRequirements<'a> {
    #[serde(borrow, default, deserialize_with = "named")]
    disabled_reason: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "named")]
    current_deadline: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "named")]
    currently_due: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "named")]
    past_due: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "named")]
    eventually_due: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "named")]
    pending_verification: Raw<'a>,
}

/// Reads `previous_attributes`. One that cannot be understood links to nothing, as if absent.
fn previous_facts(raw: &RawValue) -> Option<Previous> {
    /// `None`: unusable. `Some(None)`: not named. `Some(Some(_))`: its value.
    #[expect(clippy::option_option, reason = "three cases, told apart by `?` and a match")]
    fn field<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<Option<T>> {
        raw.map(|raw| serde_json::from_str(raw.get()).ok()).map_or(Some(None), |v| v.map(Some))
    }
    #[expect(clippy::option_option, reason = "as `field`")]
    fn fields(raw: Raw<'_>) -> Option<Option<Fields>> {
        let names = field::<Option<Vec<String>>>(raw)?;
        Some(names.map(|names| Fields(names.unwrap_or_default())))
    }
    let previous: RawPrevious<'_> = lenient(Some(raw))?;
    let mut known = Previous {
        details_submitted: field(previous.details_submitted)?,
        payouts_enabled: field(previous.payouts_enabled)?,
        ..Previous::default()
    };
    match field::<Option<RawPreviousCapabilities<'_>>>(previous.capabilities)? {
        None => {}
        Some(None) => known.transfers = Some(None),
        Some(Some(capabilities)) => known.transfers = field(capabilities.transfers)?,
    }
    match field::<Option<RawPreviousRequirements<'_>>>(previous.requirements)? {
        None => {}
        Some(None) => {
            known.disabled_reason = Some(None);
            known.current_deadline = Some(None);
            let none = || Some(Fields::default());
            (known.currently_due, known.past_due) = (none(), none());
            (known.eventually_due, known.pending_verification) = (none(), none());
        }
        Some(Some(requirements)) => {
            known.disabled_reason = field(requirements.disabled_reason)?;
            known.current_deadline = field(requirements.current_deadline)?;
            known.currently_due = fields(requirements.currently_due)?;
            known.past_due = fields(requirements.past_due)?;
            known.eventually_due = fields(requirements.eventually_due)?;
            known.pending_verification = fields(requirements.pending_verification)?;
        }
    }
    Some(known)
}

#[derive(Deserialize)]
struct RawCapability<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    status: Raw<'a>,
}

fn capability(raw: &RawValue) -> Result<Capability, Unusable> {
    let capability: RawCapability<'_> = object("data.object", raw)?;
    let name = text("data.object.id", capability.id)?.into_owned();
    id_of(Kind::Balance, "data.object.id", &name)?;
    let status = text("data.object.status", capability.status)?.into_owned();
    let status_json = Json(serde_json::Value::from(status.as_str()).to_string());
    Ok(Capability { name, status, status_json })
}

#[derive(Deserialize)]
struct RawTopup<'a> {
    #[serde(borrow)]
    status: Raw<'a>,
    #[serde(borrow)]
    amount: Raw<'a>,
    #[serde(borrow)]
    currency: Raw<'a>,
    #[serde(borrow)]
    created: Raw<'a>,
    #[serde(borrow)]
    expected_availability_date: Raw<'a>,
    #[serde(borrow)]
    failure_code: Raw<'a>,
    #[serde(borrow)]
    failure_message: Raw<'a>,
    #[serde(borrow)]
    transfer_group: Raw<'a>,
}

fn topup(raw: &RawValue) -> Result<Topup, Unusable> {
    let topup: RawTopup<'_> = object("data.object", raw)?;
    Ok(Topup {
        status: status(topup.status, TopupStatus::ALL, TopupStatus::word)?,
        amount: not_negative("amount", topup.amount)?,
        currency: shown(topup.currency),
        created: lenient(topup.created),
        expected_availability_date: lenient(topup.expected_availability_date),
        failure_code: shown(topup.failure_code),
        failure_message: shown(topup.failure_message),
        transfer_group: shown(topup.transfer_group),
    })
}

#[derive(Deserialize)]
struct RawTransfer<'a> {
    #[serde(borrow)]
    amount: Raw<'a>,
    #[serde(borrow)]
    amount_reversed: Raw<'a>,
    #[serde(borrow)]
    currency: Raw<'a>,
    #[serde(borrow)]
    created: Raw<'a>,
    #[serde(borrow)]
    destination: Raw<'a>,
    #[serde(borrow)]
    source_transaction: Raw<'a>,
    #[serde(borrow)]
    transfer_group: Raw<'a>,
}

/// Nothing has been taken back yet when a transfer `is_new`; otherwise the event must say.
fn transfer(raw: &RawValue, is_new: bool) -> Result<Transfer, Unusable> {
    let transfer: RawTransfer<'_> = object("data.object", raw)?;
    let amount = not_negative("amount", transfer.amount)?;
    let amount_reversed = match transfer.amount_reversed {
        None if is_new => 0,
        reversed => not_negative("amount_reversed", reversed)?,
    };
    if amount_reversed > amount {
        return unusable("`data.object.amount_reversed` is larger than `amount`");
    }
    Ok(Transfer {
        amount,
        amount_reversed,
        currency: shown(transfer.currency),
        created: lenient(transfer.created),
        destination: shown(transfer.destination),
        source_transaction: shown(transfer.source_transaction),
        transfer_group: shown(transfer.transfer_group),
    })
}

#[derive(Deserialize)]
struct RawPayout<'a> {
    #[serde(borrow)]
    status: Raw<'a>,
    #[serde(borrow)]
    amount: Raw<'a>,
    #[serde(borrow)]
    currency: Raw<'a>,
    #[serde(borrow)]
    created: Raw<'a>,
    #[serde(borrow)]
    arrival_date: Raw<'a>,
    #[serde(borrow)]
    automatic: Raw<'a>,
    #[serde(borrow)]
    method: Raw<'a>,
    #[serde(borrow)]
    destination: Raw<'a>,
    #[serde(borrow)]
    failure_code: Raw<'a>,
    #[serde(borrow)]
    failure_message: Raw<'a>,
}

fn payout(raw: &RawValue) -> Result<Payout, Unusable> {
    let payout: RawPayout<'_> = object("data.object", raw)?;
    Ok(Payout {
        status: status(payout.status, PayoutStatus::ALL, PayoutStatus::word)?,
        failed_after_paid: false,
        amount: amount("amount", payout.amount)?,
        currency: shown(payout.currency),
        created: lenient(payout.created),
        arrival_date: lenient(payout.arrival_date),
        automatic: lenient(payout.automatic),
        method: shown(payout.method),
        destination: shown(payout.destination),
        failure_code: shown(payout.failure_code),
        failure_message: shown(payout.failure_message),
    })
}

#[derive(Deserialize)]
struct RawBalance<'a> {
    #[serde(borrow)]
    available: Raw<'a>,
    #[serde(borrow)]
    pending: Raw<'a>,
}

fn balance(raw: &RawValue) -> Result<Balance, Unusable> {
    let balance: RawBalance<'_> = object("data.object", raw)?;
    let Some(available) = balance.available else {
        return unusable("`data.object.available` is missing");
    };
    Ok(Balance { available: Some(compact(available)), pending: balance.pending.map(compact) })
}

// Readers of single values.

/// Keeps `null` apart from a field that is not there.
fn named<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Raw<'a>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A value of the wanted type, or nothing.
fn lenient<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn non_empty(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    raw.and_then(string).filter(|text| !text.is_empty())
}

/// A string, borrowed when it holds no escapes.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned),
    }
}

/// A text that is only shown.
fn shown(raw: Raw<'_>) -> Option<String> {
    raw.and_then(string).map(Cow::into_owned)
}

fn object<'a, T: Deserialize<'a>>(field: &str, raw: &'a RawValue) -> Result<T, Unusable> {
    serde_json::from_str(raw.get()).or_else(|error| {
        unusable(format!("`{field}` cannot be understood: {}", without_values(&error)))
    })
}

/// serde's message repeats the value it could not use; only its place is ours to keep.
fn without_values(error: &serde_json::Error) -> String {
    format!("wrong type or form at line {}, column {}", error.line(), error.column())
}

fn text<'a>(field: &str, raw: Raw<'a>) -> Result<Cow<'a, str>, Unusable> {
    match raw.and_then(string) {
        Some(text) => Ok(text),
        None => unusable(format!("`{field}` is not a string")),
    }
}

fn optional_text(field: &str, raw: Raw<'_>) -> Result<Option<String>, Unusable> {
    raw.map(|raw| text(field, Some(raw)).map(Cow::into_owned)).transpose()
}

fn boolean(field: &str, raw: Raw<'_>) -> Result<bool, Unusable> {
    lenient(raw).map_or_else(|| unusable(format!("`data.object.{field}` is not a boolean")), Ok)
}

/// Minor units.
fn amount(field: &str, raw: Raw<'_>) -> Result<i64, Unusable> {
    lenient(raw).map_or_else(|| unusable(format!("`data.object.{field}` is not an integer")), Ok)
}

fn not_negative(field: &str, raw: Raw<'_>) -> Result<i64, Unusable> {
    match amount(field, raw)? {
        minor if minor < 0 => unusable(format!("`data.object.{field}` is negative")),
        minor => Ok(minor),
    }
}

fn status<S: Copy, const N: usize>(
    raw: Raw<'_>,
    all: [S; N],
    word: impl Fn(S) -> &'static str,
) -> Result<S, Unusable> {
    let given = text("data.object.status", raw)?;
    all.into_iter().find(|&status| word(status) == given).map_or_else(
        || unusable(format!("`data.object.status` has the unknown word `{}`", shorten(&given))),
        Ok,
    )
}

/// Enough of an unknown word to recognise it by.
fn shorten(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// JSON text without the white space between its tokens.
fn compact(raw: &RawValue) -> Json {
    let mut text = String::with_capacity(raw.get().len());
    let (mut in_string, mut escaped) = (false, false);
    for character in raw.get().chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            in_string = character == '"';
        }
        text.push(character);
    }
    Json(text)
}

/// Whether two bodies are the same event. `pending_webhooks` counts deliveries, not content; key
/// order and white space are not content either.
pub fn same_content(a: &[u8], b: &[u8]) -> bool {
    type Members<'a> = BTreeMap<String, &'a RawValue>;
    fn members(body: &[u8]) -> Option<Members<'_>> {
        let mut members: Members<'_> = serde_json::from_slice(body).ok()?;
        members.remove("pending_webhooks");
        Some(members)
    }
    let same = |a: Members<'_>, b: Members<'_>| {
        a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same_value(a, b)))
    };
    a == b || members(a).zip(members(b)).is_some_and(|(a, b)| same(a, b))
}

/// What no [`serde_json::Value`] can hold (a lone surrogate, a huge number, deep nesting) is the
/// same when its text is.
fn same_value(a: &RawValue, b: &RawValue) -> bool {
    let value = |raw| lenient::<serde_json::Value>(Some(raw));
    compact(a) == compact(b) || value(a).is_some_and(|a| value(b) == Some(a))
}

#[cfg(test)]
mod tests;
