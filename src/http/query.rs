//! Query strings, read strictly: an unknown or repeated parameter is a mistake worth telling.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use actix_web::HttpRequest;

use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::pipeline::portable::from_rfc3339;

const DEFAULT_LIMIT: usize = 50;
pub(super) const LARGEST_LIMIT: u64 = 500;

/// The parameters of a request, all of them expected.
pub struct Query {
    values: BTreeMap<String, String>,
}

impl Query {
    pub fn of(request: &HttpRequest, expected: &[&str]) -> Result<Self, ApiError> {
        Self::parse(request.query_string(), expected)
    }

    /// Reads `name=value&...`; every name must be one of the expected, and stand there once.
    pub fn parse(query: &str, expected: &[&str]) -> Result<Self, ApiError> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|_| invalid("the query string cannot be read".to_owned()))?;
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            if !expected.contains(&name.as_str()) {
                let expected =
                    if expected.is_empty() { "none".into() } else { expected.join(", ") };
                return Err(invalid(format!(
                    "`{}` is not a parameter here; expected: {expected}",
                    shorten(&name),
                )));
            }
            if values.insert(name.clone(), value).is_some() {
                return Err(invalid(format!("`{name}` is given more than once")));
            }
        }
        Ok(Self { values })
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.parsed(name, |text| text.parse().ok(), "true or false")
    }

    /// The partition asked for, by default this one.
    pub fn livemode(&self, default: bool) -> Result<bool, ApiError> {
        Ok(self.boolean("livemode")?.unwrap_or(default))
    }

    /// The connected account that something belongs to.
    pub fn owner(&self) -> Result<Option<String>, ApiError> {
        let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.parsed("account", named, "the id of an account; leave it out to mean the platform")
    }

    /// One of these words.
    pub fn word(&self, name: &str, words: &[&str]) -> Result<Option<String>, ApiError> {
        let known = |text: &str| words.contains(&text).then(|| text.to_owned());
        self.parsed(name, known, &format!("one of {}", words.join(", ")))
    }

    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.parsed(name, from_rfc3339, "an RFC 3339 time, such as 2026-01-31T00:00:00Z")
    }

    pub fn limit(&self) -> Result<usize, ApiError> {
        let limit = self.number("limit", 1..=LARGEST_LIMIT)?;
        Ok(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DEFAULT_LIMIT))
    }

    pub fn number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, ApiError> {
        let must = format!("a number from {} to {}", range.start(), range.end());
        self.parsed(name, |text| digits(text).filter(|number| range.contains(number)), &must)
    }

    pub fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        must: &str,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.values.get(name) else { return Ok(None) };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None => Err(invalid(format!("`{name}` must be {must}"))),
        }
    }
}

/// A number in plain digits, without a sign.
pub fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

fn invalid(message: String) -> ApiError {
    ApiError::InvalidParameter(message)
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        for (query, expected) in [
            ("", true),
            ("limit=5&status=paid", true),
            ("statsu=paid", false),
            ("limit=5&limit=5", false),
            ("limit", true),
        ] {
            assert_eq!(Query::parse(query, &["limit", "status"]).is_ok(), expected, "{query}");
        }
    }

    #[test]
    fn a_limit_is_a_plain_number_within_its_range() {
        for (query, expected) in [
            ("", Some(50)),
            ("limit=1", Some(1)),
            ("limit=500", Some(500)),
            ("limit=0", None),
            ("limit=501", None),
            ("limit=%2B5", None),
            ("limit=", None),
            ("limit=ten", None),
        ] {
            let limit = Query::parse(query, &["limit"]).unwrap().limit().ok();
            assert_eq!(limit, expected, "{query}");
        }
    }
}
