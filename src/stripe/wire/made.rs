//! Events of our own making, in Stripe's form: what was fetched, and notes of what was done.
//!
//! They are kept beside Stripe's, so that a fetched object has its place in a history, and so that
//! what is known of a backfill outlives the process and moves with the events.

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::domain::id::{Kind, ObjectKey};
use crate::stripe::wire::raw::{Map, Raw, lenient, non_empty, raw_fields};

/// An object that was fetched.
#[derive(Clone, Copy)]
pub struct Observation<'a> {
    /// Of the observation itself.
    pub id: &'a str,
    pub key: &'a ObjectKey,
    /// As Stripe answered it.
    pub object: &'a RawValue,
    /// Unix seconds; no change of a later second may be in the object.
    pub created: u64,
    pub api_version: &'a str,
    pub request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Body<'a, D> {
    id: &'a str,
    object: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'a str>,
    created: u64,
    data: Data<D>,
    livemode: bool,
    pending_webhooks: u32,
    request: serde_json::Value,
    #[serde(rename = "type")]
    event_type: &'a str,
}

#[derive(Serialize)]
struct Data<D> {
    object: D,
}

/// The body of a `*.observed` event.
pub fn observation(of: Observation<'_>) -> String {
    let event_type = match of.key.kind {
        Kind::Account => "account.observed",
        Kind::Topup => "topup.observed",
        Kind::Transfer => "transfer.observed",
        Kind::Payout => "payout.observed",
        Kind::Balance => "balance.observed",
    };
    text(&Body {
        id: of.id,
        object: "event",
        account: of.key.account(),
        api_version: Some(of.api_version),
        created: of.created,
        data: Data { object: of.object },
        livemode: of.key.livemode,
        pending_webhooks: 0,
        request: json!({ "id": of.request_id, "idempotency_key": null }),
        event_type,
    })
}

/// What a fetched object says of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Empty for a balance.
    pub id: String,
    /// It is no more.
    pub deleted: bool,
}

raw_fields! { struct Named { id, deleted } }

/// `None` when it is no object.
pub fn fetched(object: &RawValue) -> Option<Fetched> {
    let Map(named) = lenient::<Map<Named<'_>>>(Some(object))?;
    let id = non_empty(named.id).unwrap_or_default().into_owned();
    Some(Fetched { id, deleted: lenient(named.deleted).unwrap_or(false) })
}

/// Something that bursar did, worth remembering.
#[derive(Clone, Copy)]
pub struct Note<'a> {
    pub id: &'a str,
    /// Begins with `bursar.`, and so is none of Stripe's.
    pub event_type: &'a str,
    /// Unix seconds.
    pub created: u64,
    pub livemode: bool,
    pub what: &'a serde_json::Value,
}

/// The body of a note.
pub fn note(of: Note<'_>) -> String {
    text(&Body {
        id: of.id,
        object: "event",
        account: None,
        api_version: None,
        created: of.created,
        data: Data { object: of.what },
        livemode: of.livemode,
        pending_webhooks: 0,
        request: serde_json::Value::Null,
        event_type: of.event_type,
    })
}

fn text(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Reading, Says};
    use crate::domain::time::Timestamp;
    use crate::stripe::wire::read;

    #[test]
    fn an_observation_is_read_as_a_report_about_its_object() {
        let payout = r#"{"id":"po_1","object":"payout","status":"paid","amount":5}"#;
        let balance = r#"{"object":"balance","available":[],"pending":[]}"#;
        let transfer = r#"{"id":"tr_1","object":"transfer","amount":5,"amount_reversed":0,
            "currency":"usd","destination":"acct_1"}"#;
        for (kind, owner, id, object) in [
            (Kind::Payout, Some("acct_1"), "po_1", payout),
            (Kind::Payout, None, "po_1", payout),
            (Kind::Balance, Some("acct_1"), "", balance),
            (Kind::Transfer, None, "tr_1", transfer),
        ] {
            let key = ObjectKey::new(true, kind, owner, id);
            let body = observation(Observation {
                id: "obs_1",
                key: &key,
                object: &RawValue::from_string(object.to_owned()).unwrap(),
                created: 1_790_000_000,
                api_version: "2026-07-29.dahlia",
                request_id: Some("req_1"),
            });
            let event = read(body.as_bytes(), Timestamp(1_790_000_000_000_000)).unwrap();
            let Reading::Report { object, created, says } = event.reading else {
                panic!("{body}: {:?}", event.reading)
            };
            assert_eq!((object, created), (key, 1_790_000_000), "{body}");
            assert!(!matches!(says, Says::Authorization(_)));
            assert_eq!(event.event_type, format!("{}.observed", kind.word()));
        }
    }

    #[test]
    fn a_note_says_nothing_about_any_object() {
        let what = json!({ "object": "backfill" });
        let event_type = "bursar.backfill_completed";
        let body = note(Note { id: "bf_1", event_type, created: 5, livemode: true, what: &what });
        let event = read(body.as_bytes(), Timestamp(0)).unwrap();
        assert_eq!(event.reading, Reading::Ignored);
        assert_eq!((event.livemode, event.created), (Some(true), Some(5)));
    }
}
