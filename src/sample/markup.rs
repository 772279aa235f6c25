//! Pieces of HTML.

use serde_json::Value;
use time::OffsetDateTime;

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Dollars and cents.
pub(super) fn money(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let amount = amount.unsigned_abs();
    format!("{sign}${}.{:02}", amount / 100, amount % 100)
}

/// The day of these Unix seconds.
pub(super) fn day(seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(seconds);
    at.map(|at| format!("{} {} {}", at.day(), at.month(), at.year())).unwrap_or_default()
}

/// A status word, as a badge; the colour says what the word says, and never alone.
pub(super) fn badge(word: &str) -> String {
    let mood = match word {
        "complete" | "enabled" | "paid" | "succeeded" | "created" => "good",
        "restricted" | "rejected" | "deauthorized" | "failed" | "reversed" => "bad",
        "onboarding" | "restricted_soon" => "ask",
        _ => "wait",
    };
    format!("<span class=\"badge {mood}\">{}</span>", escaped(&word.replace('_', " ")))
}

pub(super) fn integer(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or_default()
}
