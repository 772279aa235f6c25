//! Parameters and paths, as Stripe's API wants them.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A path of these parts, none of which can lead elsewhere, whatever it holds.
pub fn path(parts: &[&str]) -> String {
    let mut path = String::new();
    for part in parts {
        path.push('/');
        match *part {
            // Would be taken as this folder, or the one above.
            "." => path.push_str("%2E"),
            ".." => path.push_str("%2E%2E"),
            part => path.extend(utf8_percent_encode(part, PLAIN)),
        }
    }
    path
}

/// Parameters in their order; what is nested has brackets in its name, `metadata[order]`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Form(Vec<(String, String)>);

impl Form {
    #[expect(clippy::needless_pass_by_value, reason = "callers have numbers and texts at hand")]
    pub fn push(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.push(name, value);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn encoded(&self) -> String {
        serde_urlencoded::to_string(&self.0).unwrap_or_default()
    }
}

/// Names only: values can be personal.
impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_keep_their_order_and_are_encoded() {
        let form = Form::default().with("amount", 100).with("metadata[a b]", "x&y=é");
        assert_eq!(form.encoded(), "amount=100&metadata%5Ba+b%5D=x%26y%3D%C3%A9");
    }

    #[test]
    fn debug_shows_no_values() {
        let form = Form::default().with("email", "jenny@example.com");
        assert_eq!(format!("{form:?}"), r#"{"email"}"#);
    }

    #[test]
    fn a_part_of_a_path_cannot_lead_elsewhere() {
        for (id, expected) in [
            ("acct_1", "/v1/accounts/acct_1"),
            ("a/../b?c#d", "/v1/accounts/a%2F..%2Fb%3Fc%23d"),
            ("..", "/v1/accounts/%2E%2E"),
            (".", "/v1/accounts/%2E"),
            ("é %", "/v1/accounts/%C3%A9%20%25"),
        ] {
            assert_eq!(path(&["v1", "accounts", id]), expected);
        }
    }
}
