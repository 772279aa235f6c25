//! Words to write schemas with.

use serde_json::{Map, Value, json};

/// A field of an object.
pub(super) struct Field {
    name: &'static str,
    schema: Value,
    required: bool,
}

/// The schema of this name.
pub(super) fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Always there.
pub(super) fn field(name: &'static str, schema: Value) -> Field {
    Field { name, schema, required: true }
}

/// There only at times.
pub(super) fn at_times(name: &'static str, schema: Value) -> Field {
    Field { name, schema, required: false }
}

pub(super) fn object(about: &str, fields: Vec<Field>) -> Value {
    let required: Vec<&str> =
        fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let properties: Map<String, Value> =
        fields.into_iter().map(|field| (field.name.to_owned(), field.schema)).collect();
    let mut object = json!({ "type": "object", "description": about, "properties": properties });
    if let (Some(members), false) = (object.as_object_mut(), required.is_empty()) {
        members.insert("required".to_owned(), json!(required));
    }
    object
}

/// What a caller sends: nothing but these fields.
pub(super) fn order(about: &str, fields: Vec<Field>) -> Value {
    with(object(about, fields), "additionalProperties", json!(false))
}

pub(super) fn with(mut schema: Value, name: &str, value: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    schema
}

fn typed(kind: &str, about: &str) -> Value {
    json!({ "type": kind, "description": about })
}

pub(super) fn text(about: &str) -> Value {
    typed("string", about)
}

pub(super) fn boolean(about: &str) -> Value {
    typed("boolean", about)
}

pub(super) fn integer(about: &str) -> Value {
    typed("integer", about)
}

/// An RFC 3339 time.
pub(super) fn time(about: &str) -> Value {
    with(text(about), "format", json!("date-time"))
}

pub(super) fn words<'w>(about: &str, words: impl IntoIterator<Item = &'w str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    with(text(about), "enum", json!(words))
}

pub(super) fn list(about: &str, items: Value) -> Value {
    with(typed("array", about), "items", items)
}

/// JSON as Stripe gave it.
pub(super) fn stripes(about: &str) -> Value {
    json!({ "description": about })
}

/// An object whose fields are data: each a value of this kind.
pub(super) fn map(about: &str, values: Value) -> Value {
    with(typed("object", about), "additionalProperties", values)
}

/// This or nothing.
pub(super) fn or_null(mut schema: Value) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    if let Some(words) = members.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    match members.get("type").cloned() {
        Some(kind) => {
            members.insert("type".to_owned(), json!([kind, "null"]));
            schema
        }
        None => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

/// A page of a list.
pub(super) fn page(items: &str) -> Value {
    object(
        "A page of a list.",
        vec![
            field("data", list("The items; a page may be empty, and not the last.", of(items))),
            field("next_cursor", or_null(text("Goes on as `cursor`; null on the last page."))),
            field("livemode", boolean("The partition.")),
        ],
    )
}
