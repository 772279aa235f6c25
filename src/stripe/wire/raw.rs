//! Values of Stripe's JSON: slices until they are wanted, then read strictly or leniently.

use std::borrow::Cow;
use std::fmt::Formatter;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::Json;
use crate::domain::id::{IdProblem, Kind, check_id};

pub(super) type Raw<'a> = Option<&'a RawValue>;

/// A JSON object of which these fields are kept as slices; `null` is as good as absent.
macro_rules! raw_fields {
    ($(#[$doc:meta])* struct $name:ident { $($field:ident $(as $spelling:literal)?),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Default, serde::Deserialize)]
        struct $name<'a> {
            $(#[serde(borrow $(, rename = $spelling)?)] $field: Raw<'a>,)*
        }
    };
}

/// A JSON object whose fields may be absent, which is told from `null`.
macro_rules! nullable_fields {
    (struct $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Default, serde::Deserialize)]
        struct $name {
            $(#[serde(default, deserialize_with = "named")] $field: Option<$type>,)*
        }
    };
}
pub(super) use {nullable_fields, raw_fields};

/// Fields of a JSON object. serde alone would also read a list as the fields in the order in which
/// they are declared.
pub(super) struct Map<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Map<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Map<T>;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Map)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// Why a report of a tracked type cannot be used.
pub(super) struct Unusable(pub(super) String);

pub(super) fn unusable<T>(reason: impl Into<String>) -> Result<T, Unusable> {
    Err(Unusable(reason.into()))
}

/// Keeps `null` apart from a field that is not there.
pub(super) fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A value of the wanted type, or nothing.
pub(super) fn lenient<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

pub(super) fn non_empty(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    raw.and_then(string).filter(|text| !text.is_empty())
}

/// A string, borrowed when it holds no escapes.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned),
    }
}

/// A text that is only shown.
pub(super) fn shown(raw: Raw<'_>) -> Option<String> {
    raw.and_then(string).map(Cow::into_owned)
}

/// serde would read a list as the fields in the order in which they are declared.
pub(super) fn is_object(raw: &&RawValue) -> bool {
    raw.get().starts_with('{')
}

/// The fields of a JSON object.
pub(super) fn fields_of<'a, T: Deserialize<'a>>(
    field: &str,
    raw: &'a RawValue,
) -> Result<T, Unusable> {
    if is_object(&raw) {
        value(field, raw)
    } else {
        unusable(format!("`{field}` is not an object"))
    }
}

pub(super) fn value<'a, T: Deserialize<'a>>(field: &str, raw: &'a RawValue) -> Result<T, Unusable> {
    // serde's message repeats the value that it could not use.
    serde_json::from_str(raw.get())
        .or_else(|_| unusable(format!("`{field}` cannot be understood: wrong type or form")))
}

pub(super) fn text<'a>(field: &str, raw: Raw<'a>) -> Result<Cow<'a, str>, Unusable> {
    match raw.and_then(string) {
        Some(text) => Ok(text),
        None => unusable(format!("`{field}` is not a string")),
    }
}

pub(super) fn optional_text(field: &str, raw: Raw<'_>) -> Result<Option<String>, Unusable> {
    raw.map(|raw| text(field, Some(raw)).map(Cow::into_owned)).transpose()
}

pub(super) fn boolean(field: &str, raw: Raw<'_>) -> Result<bool, Unusable> {
    lenient(raw).map_or_else(|| unusable(format!("`data.object.{field}` is not a boolean")), Ok)
}

/// Minor units.
pub(super) fn amount(field: &str, raw: Raw<'_>) -> Result<i64, Unusable> {
    lenient(raw).map_or_else(|| unusable(format!("`data.object.{field}` is not an integer")), Ok)
}

pub(super) fn not_negative(field: &str, raw: Raw<'_>) -> Result<i64, Unusable> {
    match amount(field, raw)? {
        minor if minor < 0 => unusable(format!("`data.object.{field}` is negative")),
        minor => Ok(minor),
    }
}

pub(super) fn status<S: Copy, const N: usize>(
    raw: Raw<'_>,
    all: [S; N],
    word: impl Fn(S) -> &'static str,
) -> Result<S, Unusable> {
    let given = text("data.object.status", raw)?;
    all.into_iter().find(|&status| word(status) == given).map_or_else(
        || unusable(format!("`data.object.status` has the unknown word {}", shown_word(&given))),
        Ok,
    )
}

/// Whether it looks like one of Stripe's words; whatever else stands in its place can be personal.
pub(super) fn is_word(text: &str) -> bool {
    let is_of_word =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
    (1..=40).contains(&text.len()) && text.bytes().all(is_of_word)
}

/// An unknown word, to recognise it by.
pub(super) fn shown_word(text: &str) -> String {
    if is_word(text) {
        format!("`{text}`")
    } else {
        "(not shown: it is none of Stripe's)".to_owned()
    }
}

/// JSON text without the white space between its tokens.
pub(super) fn compact(raw: &RawValue) -> Json {
    let all = raw.get();
    let mut text = String::with_capacity(all.len());
    let (mut in_string, mut escaped, mut start) = (false, false, 0);
    for (at, byte) in all.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            text.push_str(all.get(start..at).unwrap_or_default());
            start = at + 1;
        } else {
            in_string = byte == b'"';
        }
    }
    text.push_str(all.get(start..).unwrap_or_default());
    Json(text)
}

pub(super) fn id_of(kind: Kind, field: &str, id: &str) -> Result<(), Unusable> {
    check_id(kind, id).or_else(|problem| match problem {
        IdProblem::Empty => unusable(format!("`{field}` is empty")),
        IdProblem::TooLong => unusable(format!("`{field}` is longer than 255 characters")),
        IdProblem::OfAnotherKind(other) => {
            unusable(format!("`{field}` has the prefix of a {}'s id", other.word()))
        }
    })
}
