//! Any body is read, the same each time, and what it says does not hang on how it is spelled.

use std::collections::BTreeSet;
use std::fmt;

use bursar::domain::event::{Event, Reading};
use bursar::domain::time::Timestamp;
use bursar::stripe::wire::{read, same_content};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

const RECEIVED: Timestamp = Timestamp(1_800_000_000_000_000);
const LARGEST_CREATED: u64 = 1 << 53;
const SECONDS_PER_DAY: u64 = 86_400;
/// Bytes of the longest reason why an event is parked.
const LONGEST_REASON: usize = 300;

/// `data` is a body.
pub fn check(data: &[u8]) {
    let reading = read(data, RECEIVED);
    assert_eq!(reading, read(data, RECEIVED), "another reading the second time");
    assert!(same_content(data, data));
    let event = match reading {
        Ok(event) => event,
        Err(error) => return assert_fit_for_a_log(&error.to_string()),
    };
    assert_sound(&event);

    let spaced = spaced(data);
    assert_eq!(says(read(&spaced, RECEIVED).ok()), says(Some(event.clone())), "white space");
    assert!(same_content(data, &spaced) && same_content(&spaced, data), "white space");

    if let Some(turned) = turned(data) {
        let reread = read(turned.as_bytes(), RECEIVED).ok();
        assert_eq!(says(reread), says(Some(event)), "order of members: {turned}");
        // What no `Value` can hold is only the same when its text is.
        if serde_json::from_slice::<Value>(data).is_ok() {
            assert!(same_content(data, turned.as_bytes()), "order of members");
        }
    }
}

fn assert_sound(event: &Event) {
    assert!(!event.id.is_empty() && !event.event_type.is_empty());
    assert!(event.created.is_none_or(|created| created <= LARGEST_CREATED));
    match &event.reading {
        Reading::Report { object, created, says: _ } => {
            assert_eq!(Some(*created), event.created);
            assert!(*created <= RECEIVED.unix_seconds() + SECONDS_PER_DAY);
            assert_eq!(Some(object.livemode), event.livemode);
            assert!(object.id.chars().count() <= 255);
        }
        Reading::Parked { reason } => assert_fit_for_a_log(reason),
        Reading::Ignored => {}
    }
}

fn assert_fit_for_a_log(text: &str) {
    assert!(!text.is_empty() && text.len() <= LONGEST_REASON, "{text:?}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// A reading without the place of a fault, which white space moves.
fn says(event: Option<Event>) -> Option<Event> {
    event.map(|mut event| {
        if let Reading::Parked { reason } = &mut event.reading
            && let Some(at) = reason.find(" at line ")
        {
            reason.truncate(at);
        }
        event
    })
}

/// The same JSON with white space behind every token that may have some.
fn spaced(body: &[u8]) -> Vec<u8> {
    let mut spaced = Vec::new();
    let (mut in_string, mut escaped) = (false, false);
    for &byte in body {
        spaced.push(byte);
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else {
            in_string = byte == b'"';
            if b"{}[]:,".contains(&byte) {
                spaced.extend_from_slice(b"\n \t\r");
            }
        }
    }
    spaced
}

/// The same event with the members of itself, its data and its object in the reverse order; none
/// where a name is there twice, of which the order decides.
fn turned(body: &[u8]) -> Option<String> {
    turned_text(std::str::from_utf8(body).ok()?, &["data", "object"])
}

fn turned_text(text: &str, inside: &[&str]) -> Option<String> {
    let Members(members) = serde_json::from_str(text).ok()?;
    let mut names = BTreeSet::new();
    let mut turned = Vec::new();
    for (name, value) in members.iter().rev() {
        if !names.insert(name) {
            return None;
        }
        let value = match inside.split_first() {
            Some((next, rest)) if name == next && value.get().starts_with('{') => {
                turned_text(value.get(), rest)?
            }
            _ => value.get().to_owned(),
        };
        let name = serde_json::to_string(name).ok()?;
        turned.push(format!("{name}:{value}"));
    }
    Some(format!("{{{}}}", turned.join(",")))
}

/// All members of an object, also those whose names repeat.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
