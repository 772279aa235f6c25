//! Pages of Stripe's lists.

use std::borrow::Cow;
use std::fmt::{self, Formatter};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::stripe::wire::made::fetched;
use crate::stripe::wire::raw::{Map, Raw, lenient, non_empty, raw_fields};

/// A page of `GET /v1/events`: newest first, as Stripe gives them.
#[derive(Debug)]
pub struct Listed {
    pub events: Vec<ListedEvent>,
    /// There are older ones.
    pub has_more: bool,
}

#[derive(PartialEq, Eq)]
pub struct ListedEvent {
    /// What the next page goes on after.
    pub id: String,
    /// Unix seconds.
    pub created: u64,
    /// As a delivery would bring it.
    pub body: String,
}

/// Without the body: people's data is in it.
impl fmt::Debug for ListedEvent {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { id, created, body: _ } = self;
        formatter
            .debug_struct("ListedEvent")
            .field("id", id)
            .field("created", created)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    has_more: bool,
}

raw_fields! { struct Head { id, created, account } }

/// Reads a page that was asked for on behalf of `account`. `None` when it is no list of events:
/// leaving one out unseen would be to miss it.
///
/// What is listed for a connected account need not repeat whose it is, but who reads the event
/// later has nothing else to go by: where the field is missing it is put in.
pub fn listed_events(page: &RawValue, account: Option<&str>) -> Option<Listed> {
    let Map(Page { data, has_more }) = lenient(Some(page))?;
    let event = |raw: &RawValue| {
        let Map(head) = lenient::<Map<Head<'_>>>(Some(raw))?;
        let id = non_empty(head.id)?.into_owned();
        let created = lenient(head.created)?;
        let body = match account.filter(|_| head.account.is_none()) {
            Some(account) => with_account(raw, account)?,
            None => raw.get().to_owned(),
        };
        Some(ListedEvent { id, created, body })
    };
    let events: Option<Vec<ListedEvent>> = data.into_iter().map(event).collect();
    Some(Listed { events: events?, has_more })
}

/// A page of objects, each with its id, and whether there are more. `None` when it is no such list.
pub fn listed_objects(page: &RawValue) -> Option<(Vec<(String, &RawValue)>, bool)> {
    let Map(Page { data, has_more }) = lenient(Some(page))?;
    let named = |raw| Some((fetched(raw)?.id, raw)).filter(|(id, _)| !id.is_empty());
    let objects: Option<Vec<_>> = data.into_iter().map(named).collect();
    Some((objects?, has_more))
}

/// The members of an object in their order, repeated ones included.
#[derive(Default)]
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, _>()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn with_account(event: &RawValue, account: &str) -> Option<String> {
    let Members(members) = lenient(Some(event))?;
    let account = serde_json::Value::from(account).to_string();
    let mut text = format!("{{\"account\":{account}");
    for (name, value) in members.into_iter().filter(|(name, _)| name != "account") {
        text.push(',');
        text.push_str(&serde_json::Value::from(&*name).to_string());
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str, account: Option<&str>) -> Option<Listed> {
        listed_events(&RawValue::from_string(text.to_owned()).unwrap(), account)
    }

    #[test]
    fn events_are_taken_as_they_came() {
        let event = r#"{ "id": "evt_1", "created": 5, "data": {"object": {"x": "\ud800"}} }"#;
        let text = format!(r#"{{"object":"list","has_more":true,"data":[{event}],"url":"..."}}"#);
        let Listed { events, has_more } = page(&text, None).unwrap();
        assert!(has_more);
        let expected = ListedEvent { id: "evt_1".into(), created: 5, body: event.into() };
        assert_eq!(events, [expected]);
    }

    #[test]
    fn whose_an_event_is_stands_in_it() {
        for (event, expected) in [
            (r#"{"id":"e","created":5}"#, r#"{"account":"acct_1","id":"e","created":5}"#),
            (
                r#"{"id":"e","account":null,"a\"b":[1, "\ud800"],"created":5}"#,
                r#"{"account":"acct_1","id":"e","a\"b":[1, "\ud800"],"created":5}"#,
            ),
            (
                r#"{"id":"e","account":"acct_2","created":5}"#,
                r#"{"id":"e","account":"acct_2","created":5}"#,
            ),
        ] {
            let listed = page(&format!(r#"{{"data":[{event}]}}"#), Some("acct_1")).unwrap();
            assert_eq!(listed.events[0].body, expected);
        }
    }

    #[test]
    fn objects_are_taken_with_their_ids() {
        let page = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let two = page(r#"{"data":[{"id":"acct_1"},{"id":"acct_2","x":5}],"has_more":true}"#);
        let (objects, has_more) = listed_objects(&two).unwrap();
        let objects: Vec<_> = objects.iter().map(|(id, raw)| (id.as_str(), raw.get())).collect();
        assert_eq!(
            objects,
            [("acct_1", r#"{"id":"acct_1"}"#), ("acct_2", r#"{"id":"acct_2","x":5}"#)]
        );
        assert!(has_more);
        assert!(listed_objects(&page(r#"{"data":[{"object":"account"}]}"#)).is_none());
    }

    #[test]
    fn what_is_no_list_of_events_is_no_page() {
        for text in [
            "{}",
            "[]",
            r#"{"data":{}}"#,
            r#"{"data":[5]}"#,
            r#"{"data":[{"id":"evt_1"}]}"#,
            r#"{"data":[{"id":"","created":5}]}"#,
            r#"{"data":[{"created":5}]}"#,
        ] {
            assert!(page(text, None).is_none(), "{text}");
        }
        assert!(page(r#"{"data":[]}"#, None).is_some_and(|listed| !listed.has_more));
    }
}
