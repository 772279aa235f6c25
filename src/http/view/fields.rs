//! A JSON object, written field by field.

use std::borrow::Cow;
use std::ops::Range;

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::domain::Json;

/// A JSON object whose fields keep their order, written as they are put.
pub struct Fields {
    /// Without the brace that ends it.
    text: Vec<u8>,
    /// Each name, and where its value stands.
    places: Vec<(Cow<'static, str>, Range<usize>)>,
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = str::from_utf8(&self.text).map_err(S::Error::custom)?;
        let whole = RawValue::from_string(format!("{text}}}"));
        whole.map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl Fields {
    pub(super) fn new() -> Self {
        let mut text = Vec::with_capacity(1 << 10);
        text.push(b'{');
        Self { text, places: Vec::with_capacity(24) }
    }

    pub(super) fn put(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Serialize,
    ) -> &mut Self {
        self.value(name.into(), |text| json_into(text, &value))
    }

    /// JSON as Stripe gave it.
    pub(super) fn put_json(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: Option<&Json>,
    ) -> &mut Self {
        let value = value.map_or("null", |json| &json.0);
        self.value(name.into(), |text| text.extend_from_slice(value.as_bytes()))
    }

    pub(super) fn put_fields(&mut self, name: &'static str, value: Option<Self>) -> &mut Self {
        let value = value.map_or(b"null".to_vec(), Self::into_json);
        self.value(name.into(), |text| text.extend_from_slice(&value))
    }

    pub(super) fn value(
        &mut self,
        name: Cow<'static, str>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> &mut Self {
        if !self.places.is_empty() {
            self.text.push(b',');
        }
        json_into(&mut self.text, &name);
        self.text.push(b':');
        let start = self.text.len();
        write(&mut self.text);
        self.places.push((name, start..self.text.len()));
        self
    }

    /// Each name with the JSON text of its value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Cow<'static, str>, &[u8])> {
        self.places.iter().filter_map(|(name, place)| Some((name, self.text.get(place.clone())?)))
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The whole, as JSON text.
    pub fn into_json(mut self) -> Vec<u8> {
        self.text.push(b'}');
        self.text
    }
}

/// Nothing that is shown here cannot be JSON; if it were, `null` would stand for it.
fn json_into(text: &mut Vec<u8>, value: &impl Serialize) {
    let start = text.len();
    if serde_json::to_writer(&mut *text, value).is_err() {
        text.truncate(start);
        text.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_a_reader_of_json_finds_in_it() {
        let mut inner = Fields::new();
        inner.put("of \"it\"", Some(1));
        let mut fields = Fields::new();
        fields
            .put("text", "with \"quotes\" and \u{e9}")
            .put_json("stripe", Some(&Json("{\"a\":[1,2]}".to_owned())))
            .put_json("not there", None)
            .put_fields("inner", Some(inner))
            .put_fields("empty", Some(Fields::new()));
        let expected = r#"{"text":"with \"quotes\" and é","stripe":{"a":[1,2]},"not there":null,"inner":{"of \"it\"":1},"empty":{}}"#;
        assert_eq!(fields.get("stripe"), Some(b"{\"a\":[1,2]}".as_slice()));
        assert_eq!(fields.get("absent"), None);
        assert_eq!(serde_json::to_string(&fields).unwrap(), expected);
        assert_eq!(fields.into_json(), expected.as_bytes());
    }
}
