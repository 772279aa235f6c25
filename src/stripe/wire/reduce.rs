//! What is left of a body when all that the rules do not read is taken out.
//!
//! The lists below say what stays; whatever else a body holds, known or not, goes. What is left
//! reads exactly as the whole did: the same report, the same reason for being parked. So a value
//! of the wrong kind is not dropped but becomes an empty one that is wrong in the same way.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::stripe::wire::evidence::OPERATION;
use crate::stripe::wire::listed::Members;
use crate::stripe::wire::raw::{is_word, lenient, non_empty, string};
use crate::stripe::wire::tracked::Tracked;

/// What stays of a value.
#[derive(Clone, Copy)]
enum Keep {
    Boolean,
    Number,
    /// An id or a word, whatever it says.
    Text,
    /// A text of which only words like Stripe's are ever repeated.
    Word,
    Texts,
    /// As it is, to the last character.
    Whole,
    /// The same of an object.
    WholeObject,
    Fields(&'static [(&'static str, Self)]),
    ListOf(&'static Self),
    /// Numbers, truth values, and texts that look like ids, whatever they are called.
    Plain,
}

use Keep::{Boolean, Fields, ListOf, Number, Plain, Text, Texts, Whole, WholeObject, Word};

const ENVELOPE: &[(&str, Keep)] = &[
    ("id", Text),
    ("object", Text),
    ("account", Text),
    ("api_version", Text),
    ("created", Number),
    ("livemode", Boolean),
    ("type", Text),
    // What a thin event is about.
    ("context", Text),
    ("related_object", Fields(&[("id", Text), ("type", Text)])),
];

const METADATA: Keep = Fields(&[(OPERATION, Text)]);

const ACCOUNT: &[(&str, Keep)] = &[
    ("id", Text),
    ("object", Word),
    ("livemode", Boolean),
    ("details_submitted", Boolean),
    ("payouts_enabled", Boolean),
    ("charges_enabled", Boolean),
    ("capabilities", WholeObject),
    ("requirements", WholeObject),
    ("controller", Whole),
    ("country", Text),
    ("default_currency", Text),
    ("type", Text),
    ("tos_acceptance", Fields(&[("service_agreement", Text)])),
    ("metadata", METADATA),
];

/// Of `previous_attributes`.
const ACCOUNT_BEFORE: &[(&str, Keep)] = &[
    ("details_submitted", Boolean),
    ("payouts_enabled", Boolean),
    ("capabilities", Fields(&[("transfers", Text)])),
    (
        "requirements",
        Fields(&[
            ("disabled_reason", Text),
            ("current_deadline", Number),
            ("currently_due", Texts),
            ("past_due", Texts),
            ("eventually_due", Texts),
            ("pending_verification", Texts),
        ]),
    ),
];

const CAPABILITY: &[(&str, Keep)] =
    &[("id", Text), ("object", Word), ("livemode", Boolean), ("account", Text), ("status", Text)];

const APPLICATION: &[(&str, Keep)] = &[("id", Text), ("object", Word), ("livemode", Boolean)];

const TOPUP: &[(&str, Keep)] = &[
    ("id", Text),
    ("object", Word),
    ("livemode", Boolean),
    ("status", Word),
    ("amount", Number),
    ("currency", Text),
    ("created", Number),
    ("expected_availability_date", Number),
    ("failure_code", Text),
    ("failure_message", Text),
    ("transfer_group", Text),
    ("metadata", METADATA),
];

const TRANSFER: &[(&str, Keep)] = &[
    ("id", Text),
    ("object", Word),
    ("livemode", Boolean),
    ("amount", Number),
    ("amount_reversed", Number),
    ("currency", Text),
    ("created", Number),
    ("destination", Text),
    ("source_transaction", Text),
    ("transfer_group", Text),
    ("metadata", METADATA),
    ("reversals", Fields(&[("data", ListOf(&Fields(&[("id", Text), ("metadata", METADATA)])))])),
];

const PAYOUT: &[(&str, Keep)] = &[
    ("id", Text),
    ("object", Word),
    ("livemode", Boolean),
    ("status", Word),
    ("amount", Number),
    ("currency", Text),
    ("created", Number),
    ("arrival_date", Number),
    ("automatic", Boolean),
    ("method", Text),
    ("destination", Text),
    ("failure_code", Text),
    ("failure_message", Text),
];

const BALANCE: &[(&str, Keep)] = &[
    ("id", Text),
    ("object", Word),
    ("livemode", Boolean),
    ("available", Whole),
    ("pending", Whole),
];

/// Of what is not tracked: what it is about, and no more.
const IGNORED: &[(&str, Keep)] =
    &[("id", Text), ("object", Word), ("account", Text), ("livemode", Boolean)];

/// An object that cannot be read: serde takes no field twice.
const UNREADABLE: &str = r#"{"id":"","id":""}"#;

/// What bursar notes of itself has this in front of its type.
const OWN: &str = "bursar.";

/// What is left of an event's body; nothing when it is none.
pub fn reduce(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let Members(members) = serde_json::from_str(text).ok()?;
    let event_type = members.iter().find(|(name, _)| name == "type");
    let event_type = event_type.and_then(|(_, raw)| string(raw)).unwrap_or_default();
    let is_thin = members.iter().any(|(name, raw)| {
        name == "object" && string(raw).is_some_and(|word| word == "v2.core.event")
    });
    let tracked = if is_thin { None } else { Tracked::of_type(&event_type) };
    let (object, before): (Keep, &[_]) = match tracked {
        Some(Tracked::Account) => (Fields(ACCOUNT), ACCOUNT_BEFORE),
        Some(Tracked::Capability) => (Fields(CAPABILITY), &[]),
        Some(Tracked::Authorization(_)) => (Fields(APPLICATION), &[]),
        Some(Tracked::Topup) => (Fields(TOPUP), &[]),
        Some(Tracked::Transfer) => (Fields(TRANSFER), &[]),
        Some(Tracked::Payout) => (Fields(PAYOUT), &[]),
        Some(Tracked::Balance) => (Fields(BALANCE), &[]),
        None if event_type.starts_with(OWN) => (Plain, &[]),
        None => (Fields(IGNORED), &[]),
    };
    let mut out = Out { text: String::new(), pretty: text.contains('\n'), depth: 0 };
    out.object(members.iter().filter_map(|(name, raw)| {
        let data = (name == "data").then_some(Part::Data { object, before });
        let known = ENVELOPE.iter().find(|(known, _)| known == name);
        Some((name.as_ref(), *raw, data.or(known.map(|(_, keep)| Part::Keep(*keep)))?))
    }));
    Some(out.text.into_bytes())
}

#[derive(Clone, Copy)]
enum Part {
    Keep(Keep),
    /// What the event is about.
    Object(Keep),
    Data {
        object: Keep,
        before: &'static [(&'static str, Keep)],
    },
}

/// The JSON that is being written, in the manner of what was read: compression counts on it.
struct Out {
    text: String,
    pretty: bool,
    depth: usize,
}

impl Out {
    fn part(&mut self, raw: &RawValue, part: Part) {
        let unreadable = || {
            raw.get() == UNREADABLE
                || raw.get().starts_with('{') && lenient::<Members<'_>>(Some(raw)).is_none()
        };
        match part {
            Part::Object(_) if unreadable() => self.text.push_str(UNREADABLE),
            Part::Keep(keep) | Part::Object(keep) => self.value(raw, keep),
            Part::Data { object, before } => match lenient::<Members<'_>>(Some(raw)) {
                Some(Members(members)) => self.object(members.iter().filter_map(|(name, raw)| {
                    let part = match name.as_ref() {
                        "object" => Part::Object(object),
                        "previous_attributes" if !before.is_empty() => Part::Keep(Fields(before)),
                        _ => return None,
                    };
                    Some((name.as_ref(), *raw, part))
                })),
                None => self.text.push_str(empty(raw)),
            },
        }
    }

    fn value(&mut self, raw: &RawValue, keep: Keep) {
        let text = raw.get();
        let first = text.bytes().next().unwrap_or(b'n');
        let is_number = first == b'-' || first.is_ascii_digit();
        let stays = text == "null"
            || match keep {
                Whole => true,
                WholeObject => first == b'{',
                Boolean => matches!(text, "true" | "false"),
                Number => is_number,
                Text => first == b'"',
                Word => string(raw).is_some_and(|word| is_word(&word)),
                Plain if first == b'"' => string(raw).is_some_and(|text| is_like_an_id(&text)),
                Plain => is_number || matches!(text, "true" | "false"),
                Texts | Fields(_) | ListOf(_) => false,
            };
        if stays {
            self.text.push_str(text);
            return;
        }
        match (keep, first) {
            (Texts, b'[') => self.list(raw, Text),
            (ListOf(keep), b'[') => self.list(raw, *keep),
            (Plain, b'[') => self.list(raw, Plain),
            (Fields(fields), b'{') => self.fields(raw, |name| {
                fields.iter().find(|(known, _)| *known == name).map(|(_, keep)| *keep)
            }),
            (Plain, b'{') => {
                self.fields(raw, |name| is_like_an_id(name).then_some(Plain));
            }
            // A text that is none, and so as unreadable as it was.
            (Word, b'"') if string(raw).is_none() => self.text.push_str("\"\\ud800\""),
            _ => self.text.push_str(empty(raw)),
        }
    }

    fn fields(&mut self, raw: &RawValue, keep: impl Fn(&str) -> Option<Keep>) {
        let Some(Members(members)) = lenient(Some(raw)) else {
            // No object, and so as unreadable as it was.
            return self.text.push('0');
        };
        self.object(
            members
                .iter()
                .filter_map(|(name, raw)| Some((name.as_ref(), *raw, Part::Keep(keep(name)?)))),
        );
    }

    fn list(&mut self, raw: &RawValue, keep: Keep) {
        let items: Vec<&RawValue> = lenient(Some(raw)).unwrap_or_default();
        self.between(('[', ']'), items.into_iter(), |out, item| out.value(item, keep));
    }

    fn object<'a>(&mut self, members: impl Iterator<Item = (&'a str, &'a RawValue, Part)>) {
        self.between(('{', '}'), members, |out, (name, raw, part)| {
            let name = serde_json::Value::from(name).to_string();
            out.text.push_str(&name);
            out.text.push_str(if out.pretty { ": " } else { ":" });
            out.part(raw, part);
        });
    }

    fn between<T>(
        &mut self,
        (open, close): (char, char),
        items: impl Iterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        self.text.push(open);
        self.depth += 1;
        let mut is_empty = true;
        for item in items {
            if !is_empty {
                self.text.push(',');
            }
            is_empty = false;
            self.line();
            write(self, item);
        }
        self.depth -= 1;
        if !is_empty {
            self.line();
        }
        self.text.push(close);
    }

    fn line(&mut self) {
        if self.pretty {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n("  ", self.depth));
        }
    }
}

/// A value of the same kind that says nothing.
fn empty(raw: &RawValue) -> &'static str {
    match raw.get().bytes().next() {
        Some(b'"') => "\"\"",
        Some(b'{') => "{}",
        Some(b'[') => "[]",
        Some(b't' | b'f') => "false",
        Some(b'n') | None => "null",
        Some(_) => "0",
    }
}

fn is_like_an_id(text: &str) -> bool {
    text.len() <= 255 && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-.:".contains(&it))
}

/// Whether a body names this account anywhere.
pub fn mentions(body: &[u8], account: &str) -> bool {
    let quoted = serde_json::Value::from(account).to_string();
    let (body, quoted) = (String::from_utf8_lossy(body), quoted);
    body.contains(&quoted) || names(&body, account)
}

/// The same in the fields that say whose an event is, however they are escaped.
fn names(body: &str, account: &str) -> bool {
    // Without one there is nothing to unescape.
    if !body.contains('\\') {
        return false;
    }
    let member = |members: &Members<'_>, wanted: &str, is: &dyn Fn(&RawValue) -> bool| {
        members.0.iter().any(|(name, raw)| name == wanted && is(raw))
    };
    let is_it = |raw: &RawValue| non_empty(Some(raw)) == Some(Cow::Borrowed(account));
    let Ok(event) = serde_json::from_str::<Members<'_>>(body) else { return false };
    let of_object = |raw: &RawValue| {
        let object: Option<Members<'_>> = lenient(Some(raw));
        object.is_some_and(|object| {
            ["id", "account", "destination"].iter().any(|name| member(&object, name, &is_it))
        })
    };
    let of_data = |raw: &RawValue| {
        let data: Option<Members<'_>> = lenient(Some(raw));
        data.is_some_and(|data| member(&data, "object", &of_object))
    };
    member(&event, "account", &is_it) || member(&event, "data", &of_data)
}

/// Bodies of any shape for the tests.
#[cfg(test)]
mod tests;
