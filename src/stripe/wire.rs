//! Stripe's JSON, read narrowly: the only place that knows how Stripe spells things.
//!
//! An event's own fields and the few fields of its object that the rules read; the rest stays a
//! slice of the body. Unknown fields, words and API versions never fail an event. Skipping is
//! iterative, so no nesting does harm here; [`check_depth`] bounds it for others.
//!
//! Fields that decide something are read strictly, and a report whose deciding field cannot be
//! understood is parked. Fields that are only shown are read leniently: an odd one is left out.

mod account;
mod depth;
mod evidence;
mod listed;
mod made;
mod money;
mod raw;
mod reduce;
mod tracked;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::event::{Event, Reading, Says};
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use account::{capability, snapshot};
pub use depth::{JSON_DEPTH, check_depth};
pub use evidence::OPERATION;
use evidence::evidence;
pub use listed::{Listed, ListedEvent, listed_events, listed_objects};
pub use made::{Fetched, Note, Observation, fetched, note, observation};
use money::{balance, payout, topup, transfer};
use raw::{
    Map, Raw, Unusable, compact, fields_of, id_of, is_object, lenient, non_empty, raw_fields,
    shown_word, text, unusable,
};
pub use reduce::{mentions, reduce};
use tracked::Tracked;
pub use tracked::tracked_types;

/// Stripe's integers are JSON numbers, exact up to here.
const LARGEST_CREATED: u64 = 1 << 53;
const SECONDS_PER_DAY: u64 = 86_400;

/// Verified bytes that are not an event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a Stripe event: {why}")]
pub struct NotAnEvent {
    why: String,
}

/// An event's own fields; `null` is as good as absent.
#[derive(Deserialize)]
struct Envelope<'a, D> {
    #[serde(borrow)]
    id: Raw<'a>,
    object: Raw<'a>,
    #[serde(rename = "type")]
    event_type: Raw<'a>,
    created: Raw<'a>,
    livemode: Raw<'a>,
    account: Raw<'a>,
    api_version: Raw<'a>,
    data: Option<D>,
}

/// What an event is about, as it should be: read in the same pass as the event itself.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Map<Object<'a>>,
    previous_attributes: Raw<'a>,
}

raw_fields! {
    /// What an event is about, whatever it is.
    struct RawData { object, previous_attributes }
}

raw_fields! {
    /// What the rules read of an object of any kind, so that one pass over it is enough.
    struct Object {
        id, word as "object", livemode, account, status, amount, currency, created,
        // accounts
        details_submitted, payouts_enabled, charges_enabled, capabilities, requirements,
        controller, country, default_currency, account_type as "type", tos_acceptance,
        // topups, transfers, payouts
        expected_availability_date, failure_code, failure_message, transfer_group,
        amount_reversed, destination, source_transaction, arrival_date, automatic, method,
        // balances
        available, pending,
        // what we made
        metadata, reversals,
    }
}

/// Reads an event. `received_at` bounds how far ahead its `created` may be.
pub fn read(body: &[u8], received_at: Timestamp) -> Result<Event, NotAnEvent> {
    let not = |why: &str| NotAnEvent { why: why.to_owned() };
    let text = std::str::from_utf8(body).map_err(|_| not("it is not UTF-8"))?;
    // serde would read a list as the fields in the order in which they are declared.
    if !text.trim_start().starts_with('{') {
        return Err(not("it is not a JSON object"));
    }
    let (envelope, object) = match serde_json::from_str(text) {
        Ok(envelope) => as_expected(envelope),
        Err(_) => in_pieces(text)?,
    };
    let id = non_empty(envelope.id).ok_or_else(|| not("`id` is not a non-empty string"))?;
    let event_type =
        non_empty(envelope.event_type).ok_or_else(|| not("`type` is not a non-empty string"))?;
    let is_thin = match non_empty(envelope.object).as_deref() {
        Some("event") => false,
        Some("v2.core.event") => true,
        _ => return Err(not("`object` is neither `event` nor `v2.core.event`")),
    };

    let known = object.as_ref().and_then(|object| object.as_ref().ok());
    let object_id = known.and_then(|object| non_empty(object.id));
    let created = lenient(envelope.created).filter(|&created| created <= LARGEST_CREATED);
    let livemode = lenient(envelope.livemode);
    let tracked = if is_thin { None } else { Tracked::of_type(&event_type) };
    let evidence =
        tracked.zip(known).map(|(tracked, object)| evidence(tracked, object, envelope.account));
    let reading = match tracked {
        None => Reading::Ignored,
        Some(tracked) => Report { tracked, event: &envelope, created, livemode }
            .read(object, &event_type, received_at)
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
        evidence: evidence.unwrap_or_default(),
        reading,
    })
}

/// An event with its `previous_attributes` in the place of its data.
type Opened<'a> = Envelope<'a, &'a RawValue>;
/// `data.object`, when there is one.
type Subject<'a> = Option<Result<Object<'a>, Unusable>>;

fn as_expected<'a>(mut envelope: Envelope<'a, Map<Data<'a>>>) -> (Opened<'a>, Subject<'a>) {
    let (object, previous_attributes) = match envelope.data.take() {
        Some(Map(data)) => (Some(Ok(data.object.0)), data.previous_attributes),
        None => (None, None),
    };
    (envelope.with(previous_attributes), object)
}

/// One piece that cannot be used leaves the others usable.
fn in_pieces(text: &str) -> Result<(Opened<'_>, Subject<'_>), NotAnEvent> {
    let envelope: Envelope<'_, &RawValue> =
        serde_json::from_str(text).map_err(|error| NotAnEvent { why: place_of(&error) })?;
    let data: RawData<'_> = lenient(envelope.data.filter(is_object)).unwrap_or_default();
    let object = data.object.map(|raw| fields_of("data.object", raw));
    Ok((envelope.with(data.previous_attributes), object))
}

/// serde's message can repeat what it could not use; only its place is ours to tell.
fn place_of(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("it is not JSON as it should be at line {line}, column {column}")
}

impl<'a, D> Envelope<'a, D> {
    fn with<E>(self, data: Option<E>) -> Envelope<'a, E> {
        let Self { id, object, event_type, created, livemode, account, api_version, data: _ } =
            self;
        Envelope { id, object, event_type, created, livemode, account, api_version, data }
    }
}

/// A tracked event under reading.
struct Report<'e, 'a> {
    tracked: Tracked,
    event: &'e Opened<'a>,
    created: Option<u64>,
    livemode: Option<bool>,
}

impl<'a> Report<'_, 'a> {
    fn read(
        self,
        object: Option<Result<Object<'a>, Unusable>>,
        event_type: &str,
        received_at: Timestamp,
    ) -> Result<Reading, Unusable> {
        let Some(object) = object else { return unusable("`data.object` is missing") };
        let object = object?;
        let word = text("data.object.object", object.word)?;
        if word != self.tracked.object_word() {
            return unusable(format!(
                "`data.object.object` is {}, not `{}`",
                shown_word(&word),
                self.tracked.object_word()
            ));
        }
        let created = self.created_by(received_at)?;
        let livemode = self.livemode(&object)?;
        let account = self.account()?;
        let (key, says) = self.says(&object, account.as_deref(), event_type)?;
        Ok(Reading::Report { object: ObjectKey { livemode, ..key }, created, says })
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

    fn livemode(&self, object: &Object<'_>) -> Result<bool, Unusable> {
        let Some(livemode) = self.livemode else { return unusable("`livemode` is not a boolean") };
        match object.livemode.map(|raw| lenient::<bool>(Some(raw))) {
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
        object: &Object<'a>,
        account: Option<&str>,
        event_type: &str,
    ) -> Result<(ObjectKey, Says), Unusable> {
        let id = || text("data.object.id", object.id);
        let key = |kind: Kind, id: &str| {
            id_of(kind, "data.object.id", id)?;
            Ok(ObjectKey::new(false, kind, account, id))
        };
        Ok(match self.tracked {
            Tracked::Account => {
                let id = same_account(Some(id()?), account)?;
                let snapshot = snapshot(object, self.event.data)?;
                (key(Kind::Account, &id)?, Says::Account(Box::new(snapshot)))
            }
            Tracked::Capability => {
                let named = object.account.map(|raw| text("data.object.account", Some(raw)));
                let id = same_account(named.transpose()?, account)?;
                (key(Kind::Account, &id)?, Says::Capability(capability(object)?))
            }
            Tracked::Authorization(authorization) => {
                let id = same_account(None, account)?;
                (key(Kind::Account, &id)?, Says::Authorization(authorization))
            }
            Tracked::Topup => (key(Kind::Topup, &id()?)?, Says::Topup(topup(object)?)),
            Tracked::Transfer => {
                let transfer = transfer(object, event_type == "transfer.created")?;
                (key(Kind::Transfer, &id()?)?, Says::Transfer(transfer))
            }
            Tracked::Payout => (key(Kind::Payout, &id()?)?, Says::Payout(payout(object)?)),
            Tracked::Balance => {
                (ObjectKey::new(false, Kind::Balance, account, ""), Says::Balance(balance(object)?))
            }
        })
    }
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
