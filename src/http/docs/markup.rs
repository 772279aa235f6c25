//! Pieces of HTML, and of what they are made from.

use serde_json::Value;

/// One after the other.
pub(super) fn each<T>(items: impl IntoIterator<Item = T>, write: impl Fn(T) -> String) -> String {
    items.into_iter().map(write).collect::<Vec<_>>().concat()
}

/// A part of a schema; null where there is none.
pub(super) fn part<'v>(schema: &'v Value, name: &str) -> &'v Value {
    schema.get(name).unwrap_or(&Value::Null)
}

/// Its texts, if it is a list of them.
pub(super) fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Text, wherever it stands.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Sentences in which what stands between backticks is code.
pub(super) fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let marked = parts.map(|(index, part)| match index % 2 {
        0 => escaped(part),
        _ => code(part),
    });
    marked.collect()
}

pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// What a value may be, in few words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = part(schema, "$ref").as_str().and_then(|path| path.rsplit('/').next()) {
        return link(name);
    }
    if let Some(choices) = part(schema, "anyOf").as_array() {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let mut kinds: Vec<&str> = part(schema, "type").as_str().into_iter().collect();
    kinds.extend(texts(part(schema, "type")));
    if kinds.is_empty() {
        kinds.push("any JSON");
    }
    let named = kinds.iter().map(|kind| match *kind {
        "array" if part(schema, "items").is_object() => {
            format!("list of {}", self::kind(part(schema, "items")))
        }
        "string" if part(schema, "format") == "date-time" => "time".to_owned(),
        other => escaped(other),
    });
    named.collect::<Vec<_>>().join(" or ") + &words(schema)
}

fn words(schema: &Value) -> String {
    let words: Vec<String> = texts(part(schema, "enum")).map(code).collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(" ")) }
}

fn link(name: &str) -> String {
    format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name))
}

/// The bounds of a value.
pub(super) fn bounds(schema: &Value) -> String {
    let names = [
        ("minimum", "at least "),
        ("maximum", "at most "),
        ("maxLength", "characters at most: "),
        ("maxProperties", "entries at most: "),
    ];
    let bounds = names.iter().filter_map(|(name, words)| {
        let bound = part(schema, name);
        bound.is_number().then(|| format!("{words}{bound}"))
    });
    bounds.collect::<Vec<_>>().join(", ")
}
