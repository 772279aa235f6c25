//! An object and its history as a person reads them, within the width of a screen.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Table, TableStyle, Width, presets,
};
use serde_json::{Map, Value};

use crate::cli::count::counted;
use crate::domain::time::Timestamp;
use crate::pipeline::portable::to_rfc3339;

/// Narrower than this nothing fits, wider than that nobody reads.
const WIDTHS: std::ops::RangeInclusive<u16> = 80..=120;
/// When stdout is no terminal.
const WIDTH_OF_A_FILE: u16 = 100;
/// Longer values are cut where several stand on a line.
const LONGEST_VALUE: usize = 48;
/// Longer lists are told by their first item and their length.
const ITEMS: usize = 2;
/// The widest type, padding included.
const EVENT_COLUMN: u16 = 34;
/// Where Stripe and bursar give Unix seconds.
const TIMES: [&str; 4] = ["created", "deadline", "arrival_date", "expected_availability_date"];
/// What the head shows, where the object has it.
const HEAD: [&str; 15] = [
    "status",
    "payable",
    "explanation",
    "next_action",
    "blockers",
    "deadline",
    "amount",
    "amount_reversed",
    "currency",
    "destination",
    "failed_after_paid",
    "failure_code",
    "available",
    "pending",
    "ambiguous",
];

/// The width of the terminal, within bounds.
pub(super) fn width() -> u16 {
    let terminal = terminal_size::terminal_size();
    terminal.map_or(WIDTH_OF_A_FILE, |(terminal_size::Width(width), _)| {
        width.clamp(*WIDTHS.start(), *WIDTHS.end())
    })
}

/// The state and what it rests on, and below it the entries.
pub(super) fn show(name: &str, object: &Value, entries: &[Value], width: u16) -> String {
    let mode = if object.get("livemode") == Some(&Value::Bool(true)) { "live" } else { "test" };
    let head = head(object, width);
    let history = history(entries, width);
    let text = format!("{name}, {mode} mode\n{head}\n\n{history}\n");
    // Names of fields come from outside as well as values do.
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

fn head(object: &Value, width: u16) -> String {
    let mut table = table(presets::NOTHING, width);
    for name in HEAD {
        if let Some(value) = object.get(name).filter(|value| says_something(value)) {
            table.add_row([name.replace('_', " "), shown(name, value)]);
        }
    }
    let as_of = |field: &str| object.pointer(&format!("/as_of/{field}")).map(|v| shown(field, v));
    if let (Some(event), Some(created)) = (as_of("event_id"), as_of("created")) {
        table.add_row(["as of".to_owned(), format!("{event}, created {created}")]);
    }
    if let Some(names) = table.column_mut(0) {
        names.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.trim_fmt()
}

fn history(entries: &[Value], width: u16) -> String {
    let mut table = table(presets::ASCII_HORIZONTAL_ONLY, width);
    table.set_header(["time (UTC)", "event", "step", "what changed"]);
    for entry in entries {
        let text = |name: &str| entry.get(name).map(|value| shown(name, value)).unwrap_or_default();
        let is = |name: &str| entry.get(name) == Some(&Value::Bool(true));
        let marks = [("late", is("arrived_late")), ("ambiguous", is("ambiguous"))];
        let marks = marks.into_iter().filter(|(_, is)| *is).map(|(mark, _)| format!("\n{mark}"));
        table.add_row([
            entry
                .get("created")
                .map(|at| shown("created", at))
                .unwrap_or_default()
                .replace(' ', "\n"),
            format!("{}\n{}", text("type"), text("event_id")),
            format!("{}{}", text("step"), marks.collect::<String>()),
            changes(entry).join("\n"),
        ]);
    }
    for (place, constraint) in [
        (0, ColumnConstraint::ContentWidth),
        (1, ColumnConstraint::UpperBoundary(Width::Fixed(EVENT_COLUMN))),
        (2, ColumnConstraint::ContentWidth),
    ] {
        if let Some(column) = table.column_mut(place) {
            column.set_constraint(constraint).set_cell_alignment(CellAlignment::Left);
        }
    }
    table.trim_fmt()
}

fn table(style: TableStyle, width: u16) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table
}

/// A line for each field that changed; of nested fields, for each part that did.
fn changes(entry: &Value) -> Vec<String> {
    let is_first = entry.get("step").and_then(Value::as_str) == Some("first");
    let changes = entry.get("changes").and_then(Value::as_object);
    let mut lines = Vec::new();
    for (name, change) in changes.into_iter().flatten() {
        let (Some(before), Some(after)) = (change.get(0), change.get(1)) else { continue };
        match (before, after) {
            (_, Value::Object(parts)) if is_first => {
                lines.push(format!("{name}: {}", counted(parts.len(), "field")));
            }
            _ if is_first => lines.extend(first_line(name, after)),
            (Value::Object(before), Value::Object(after)) => {
                lines.extend(parts(name, before, after));
            }
            _ => lines.push(line(name, name, before, after)),
        }
    }
    if lines.is_empty() { vec!["nothing".to_owned()] } else { lines }
}

fn first_line(name: &str, value: &Value) -> Option<String> {
    says_something(value).then(|| format!("{name}: {}", short(name, value)))
}

fn parts(name: &str, before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().collect();
    names.extend(after.keys().filter(|part| !before.contains_key(*part)));
    let part = |part: &String| {
        let value = |of: &Map<String, Value>| of.get(part).cloned().unwrap_or_default();
        let (before, after) = (value(before), value(after));
        (before != after).then(|| line(&format!("{name}.{part}"), part, &before, &after))
    };
    names.into_iter().filter_map(part).collect()
}

fn line(label: &str, name: &str, before: &Value, after: &Value) -> String {
    format!("{label}: {} -> {}", short(name, before), short(name, after))
}

fn says_something(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty())
}

/// A value as text: times as times, lists by their items. Without control characters, which could
/// play tricks on a terminal.
fn shown(name: &str, value: &Value) -> String {
    let time = value.as_i64().filter(|_| is_time(name)).map(utc);
    let text = time.unwrap_or_else(|| plain(value));
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `requirements.current_deadline` and its like, too.
fn is_time(name: &str) -> bool {
    TIMES.contains(&name) || name.ends_with("_deadline")
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => amount(fields).unwrap_or_else(|| value.to_string()),
        Value::Number(_) => value.to_string(),
    }
}

/// What a balance consists of: so much of a currency, in its minor unit.
fn amount(fields: &Map<String, Value>) -> Option<String> {
    Some(format!("{} {}", fields.get("amount")?.as_i64()?, fields.get("currency")?.as_str()?))
}

/// One of several values on a line.
fn short(name: &str, value: &Value) -> String {
    match value.as_array().and_then(|items| items.split_first()) {
        Some((first, rest)) if rest.len() >= ITEMS => {
            format!("{} and {} more", short(name, first), rest.len())
        }
        _ => shorten(&shown(name, value)),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= LONGEST_VALUE {
        return text.to_owned();
    }
    text.chars().take(LONGEST_VALUE - 3).chain("...".chars()).collect()
}

/// Unix seconds as a date and a time of day in UTC.
fn utc(seconds: i64) -> String {
    let time = to_rfc3339(Timestamp(seconds.saturating_mul(1_000_000)));
    let date_and_time = time
        .split_once('T')
        .map(|(date, time)| format!("{date} {}", time.split('.').next().unwrap_or_default()));
    date_and_time.unwrap_or_else(|| seconds.to_string())
}

#[cfg(test)]
mod tests;
