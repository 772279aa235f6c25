//! The JSON bodies of requests, read strictly: everything that is wrong is named, all at once.

use std::fmt::Formatter;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::id::{Kind, check_id};
use crate::domain::operation::Params;
use crate::http::error::ApiError;

/// Stripe's own bounds of metadata, of which two are ours.
pub(super) const MOST_METADATA: usize = 48;
pub(super) const LONGEST_METADATA_NAME: usize = 40;
pub(super) const LONGEST_METADATA_VALUE: usize = 500;
pub(super) const LONGEST_TEXT: usize = 5_000;
/// In the place of a field that has no name like a field's.
const NOT_SHOWN: &str = "(a name that is not shown)";
/// Of what is nested.
const DEEPEST: usize = 5;
/// JSON numbers are exact up to here.
pub(super) const LARGEST_AMOUNT: i64 = 1 << 53;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    pub field: String,
    pub detail: String,
}

/// The fields of a body that were not taken yet, and what is wrong so far.
pub(super) struct Input {
    fields: Vec<(String, Value)>,
    /// Names that were asked for.
    expected: Vec<String>,
    problems: Vec<Problem>,
}

/// Names only: values can be personal.
impl std::fmt::Debug for Input {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.fields.iter().map(|(name, _)| name)).finish()
    }
}

/// Members in their order, repeated ones included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl Input {
    /// An empty body is as good as `{}`.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
        let Members(members) = serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            ApiError::InvalidBody(format!(
                "the body is not a JSON object: line {line}, column {column}"
            ))
        })?;
        let mut input = Self { fields: Vec::new(), expected: Vec::new(), problems: Vec::new() };
        for (name, value) in members {
            if input.fields.iter().any(|(known, _)| *known == name) {
                input.problem(&name, "is given more than once");
            } else {
                input.fields.push((name, value));
            }
        }
        Ok(input)
    }

    pub(super) fn problem(&mut self, field: &str, detail: impl Into<String>) {
        // Somebody's details can stand where a name should; what looks like none is not repeated.
        let is_name = |it: char| it.is_ascii_alphanumeric() || "_-.[]".contains(it);
        let is_shown = field.len() <= 200 && field.chars().all(is_name);
        let field = if is_shown { field.to_owned() } else { NOT_SHOWN.to_owned() };
        self.problems.push(Problem { field, detail: detail.into() });
    }

    /// `null` is as good as absent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.expected.push(name.to_owned());
        let place = self.fields.iter().position(|(known, _)| known == name)?;
        Some(self.fields.remove(place).1).filter(|value| !value.is_null())
    }

    /// A non-empty text of at most so many characters.
    pub(super) fn text(&mut self, name: &str, longest: usize) -> Option<String> {
        let value = self.take(name)?;
        let text = value.as_str().filter(|text| (1..=longest).contains(&text.chars().count()));
        if text.is_none() {
            self.problem(name, format!("must be a text of 1 to {longest} characters"));
        }
        text.map(str::to_owned)
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.take(name)?;
        if value.as_bool().is_none() {
            self.problem(name, "must be true or false");
        }
        value.as_bool()
    }

    /// Minor units, more than none.
    pub(super) fn amount(&mut self, name: &str) -> Option<i64> {
        let value = self.take(name)?;
        let amount = value.as_i64().filter(|amount| (1..=LARGEST_AMOUNT).contains(amount));
        if amount.is_none() {
            self.problem(name, "must be a positive integer in minor units, such as 1000 for 10.00");
        }
        amount
    }

    /// Three letters, in small ones as Stripe writes them.
    pub(super) fn currency(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, LONGEST_TEXT)?;
        let is_one = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_one {
            self.problem(name, "must be a currency of three letters, such as usd");
        }
        is_one.then(|| text.to_ascii_lowercase())
    }

    pub(super) fn country(&mut self, name: &str) -> Option<String> {
        let text = self.text(name, LONGEST_TEXT)?;
        let is_one = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_one {
            self.problem(name, "must be a country of two letters, such as US");
        }
        is_one.then(|| text.to_ascii_uppercase())
    }

    pub(super) fn id(&mut self, name: &str, kind: Kind) -> Option<String> {
        let text = self.text(name, LONGEST_TEXT)?;
        let prefix = kind.id_prefix().unwrap_or_default();
        let is_one = check_id(kind, &text).is_ok() && text.starts_with(prefix);
        if !is_one {
            self.problem(name, format!("must be the id of a {}, {prefix}...", kind.word()));
        }
        is_one.then_some(text)
    }

    /// One of these words.
    pub(super) fn word(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let text = self.text(name, LONGEST_TEXT)?;
        let is_one = words.contains(&text.as_str());
        if !is_one {
            self.problem(name, format!("must be one of {}", words.join(", ")));
        }
        is_one.then_some(text)
    }

    pub(super) fn required<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        let is_told = self.problems.iter().any(|problem| problem.field == name);
        if value.is_none() && !is_told {
            self.problem(name, "is missing");
        }
        value
    }

    /// Adds a text to what Stripe is sent, under the same name.
    pub(super) fn pass_text(&mut self, name: &str, params: &mut Params) {
        let text = self.text(name, LONGEST_TEXT);
        params.0.extend(text.map(|text| (name.to_owned(), text)));
    }

    /// Adds what is a token, or spelled out.
    pub(super) fn pass_token(&mut self, name: &str, params: &mut Params) {
        match self.take(name) {
            None => {}
            Some(Value::String(token)) => params.0.push((name.to_owned(), token)),
            Some(value @ Value::Object(_)) => self.flatten(name.to_owned(), value, params, 0),
            Some(_) => self.problem(name, "must be a token or an object"),
        }
    }

    /// Adds an object or a list in Stripe's form: `individual[dob][day]`.
    pub(super) fn pass_nested(&mut self, name: &str, params: &mut Params) {
        if let Some(value) = self.take(name) {
            if value.is_object() || value.is_array() {
                self.flatten(name.to_owned(), value, params, 0);
            } else {
                self.problem(name, "must be an object");
            }
        }
    }

    fn flatten(&mut self, name: String, value: Value, params: &mut Params, depth: usize) {
        if depth > DEEPEST {
            return self.problem(&name, "is nested too deep");
        }
        match value {
            Value::Null => self.problem(&name, "must not be null; leave it away"),
            Value::Bool(value) => params.0.push((name, value.to_string())),
            Value::Number(value) => params.0.push((name, value.to_string())),
            Value::String(value) if value.chars().count() <= LONGEST_TEXT => {
                params.0.push((name, value));
            }
            Value::String(_) => self.problem(&name, "is too long"),
            Value::Array(values) => {
                for (index, value) in values.into_iter().enumerate() {
                    self.flatten(format!("{name}[{index}]"), value, params, depth + 1);
                }
            }
            Value::Object(values) => {
                for (part, value) in values {
                    if part.is_empty() || part.contains(['[', ']']) {
                        self.problem(&name, "has a field with brackets in its name, or none");
                    } else {
                        self.flatten(format!("{name}[{part}]"), value, params, depth + 1);
                    }
                }
            }
        }
    }

    /// Adds `metadata`.
    pub(super) fn pass_metadata(&mut self, params: &mut Params) {
        const NAME: &str = "metadata";
        let Some(value) = self.take(NAME) else { return };
        let Value::Object(pairs) = value else {
            return self.problem(NAME, "must be an object of texts");
        };
        if pairs.len() > MOST_METADATA {
            self.problem(NAME, format!("may have {MOST_METADATA} entries at most"));
        }
        for (name, value) in pairs {
            let field = format!("{NAME}.{name}");
            let is_short = (1..=LONGEST_METADATA_NAME).contains(&name.chars().count());
            if !is_short || name.contains(['[', ']']) {
                self.problem(&field, "has a name that is too long, empty, or has brackets");
            } else if name.starts_with("bursar_") {
                self.problem(&field, "is bursar's own");
            } else if let Some(text) =
                value.as_str().filter(|text| text.chars().count() <= LONGEST_METADATA_VALUE)
            {
                params.0.push((format!("{NAME}[{name}]"), text.to_owned()));
            } else {
                self.problem(&field, "must be a text of at most 500 characters");
            }
        }
    }

    /// Nothing may be left, and nothing be wrong.
    pub(super) fn finish(mut self) -> Result<(), ApiError> {
        let expected =
            if self.expected.is_empty() { "none".into() } else { self.expected.join(", ") };
        for (name, _) in std::mem::take(&mut self.fields) {
            let detail = format!("is not a field of this request; expected: {expected}");
            self.problem(&name, detail);
        }
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::InvalidRequest(self.problems)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(body: &str, read: impl Fn(&mut Input)) -> Vec<String> {
        let mut input = Input::parse(body.as_bytes()).unwrap();
        read(&mut input);
        match input.finish() {
            Ok(()) => Vec::new(),
            Err(ApiError::InvalidRequest(problems)) => {
                problems.into_iter().map(|problem| problem.field).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let body = r#"{"amount": 1.5, "currency": "dollars", "amonut": 5, "amount": 7}"#;
        let read = |input: &mut Input| {
            input.amount("amount");
            input.currency("currency");
            let destination = input.id("destination", Kind::Account);
            input.required("destination", destination);
        };
        assert_eq!(problems(body, read), ["amount", "amount", "currency", "destination", "amonut"]);
    }

    #[test]
    fn amounts_are_positive_integers() {
        for (text, expected) in [
            ("1", Some(1)),
            ("9007199254740992", Some(1 << 53)),
            ("9007199254740993", None),
            ("0", None),
            ("-5", None),
            ("1.0", None),
            ("1e3", None),
            ("\"5\"", None),
            ("true", None),
        ] {
            let mut input = Input::parse(format!("{{\"amount\": {text}}}").as_bytes()).unwrap();
            assert_eq!(input.amount("amount"), expected, "{text}");
            assert_eq!(input.finish().is_ok(), expected.is_some(), "{text}");
        }
    }

    #[test]
    fn nested_fields_get_stripes_names() {
        let body =
            r#"{"individual": {"dob": {"day": 1}, "tags": ["a", true]}, "metadata": {"k": "v"}}"#;
        let mut input = Input::parse(body.as_bytes()).unwrap();
        let mut params = Params::default();
        input.pass_nested("individual", &mut params);
        input.pass_metadata(&mut params);
        input.finish().unwrap();
        let pairs: Vec<(&str, &str)> =
            params.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("individual[dob][day]", "1"),
            ("individual[tags][0]", "a"),
            ("individual[tags][1]", "true"),
            ("metadata[k]", "v"),
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn what_stripe_or_bursar_could_misread_is_refused() {
        for body in [
            r#"{"metadata": {"bursar_operation": "op_1"}}"#,
            r#"{"metadata": {"a[b]": "x"}}"#,
            r#"{"metadata": {"a": 5}}"#,
            r#"{"metadata": []}"#,
            r#"{"individual": {"a]": 1}}"#,
            r#"{"individual": {"a": null}}"#,
            r#"{"individual": "x"}"#,
            r#"{"individual": {"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}}"#,
        ] {
            let wrong = problems(body, |input| {
                input.pass_metadata(&mut Params::default());
                input.pass_nested("individual", &mut Params::default());
            });
            assert_eq!(wrong.len(), 1, "{body}: {wrong:?}");
        }
        for body in ["[]", "5", "{", r#"{"a":}"#] {
            assert!(Input::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
