//! Holds JSON against the schemas of the description, which may use no word unknown here.
//!
//! Stricter than JSON Schema: a field of an answer that no schema names is a fault, too.

use serde_json::{Map, Value};

/// What the schemas may say. What a value's bounds are is for those who send it.
const KNOWN: &[&str] = &[
    "$ref",
    "type",
    "description",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "format",
    "minItems",
    "maxItems",
    "anyOf",
    "allOf",
];

pub(crate) struct Checker<'d> {
    schemas: &'d Map<String, Value>,
}

impl<'d> Checker<'d> {
    pub(crate) fn of(document: &'d Value) -> Self {
        Self { schemas: document["components"]["schemas"].as_object().unwrap() }
    }

    /// What is wrong with a value, by its place.
    pub(crate) fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(schema, value, "", &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let words = schema.as_object().unwrap();
        for word in words.keys() {
            assert!(KNOWN.contains(&word.as_str()), "{at}: what does `{word}` mean?");
        }
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.trim_start_matches("#/components/schemas/");
            let named = self.schemas.get(name).unwrap_or_else(|| panic!("no schema {name}"));
            return self.check(named, value, at, faults);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, value, at, faults);
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let fits = choices.iter().any(|choice| self.faults(choice, value).is_empty());
            if !fits {
                faults.push(format!("{at}: fits nothing of {choices:?}: {value}"));
            }
        }
        if !is_of_type(&schema["type"], value) {
            faults.push(format!("{at}: is not {}: {value}", schema["type"]));
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            faults.push(format!("{at}: {value} is not among {}", schema["enum"]));
        }
        let is_time = |text: &str| text.len() >= 20 && text.contains('T') && text.ends_with('Z');
        if schema["format"] == "date-time" && value.as_str().is_some_and(|text| !is_time(text)) {
            faults.push(format!("{at}: {value} is no time"));
        }
        self.check_object(schema, value, at, faults);
        self.check_list(schema, value, at, faults);
    }

    fn check_object(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let Some(fields) = value.as_object() else { return };
        for name in schema["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                faults.push(format!("{at}: {name} is missing"));
            }
        }
        let (named, others) = (&schema["properties"], &schema["additionalProperties"]);
        for (name, value) in fields {
            let at = format!("{at}/{name}");
            match named.get(name) {
                Some(schema) => self.check(schema, value, &at, faults),
                None if others.is_object() => self.check(others, value, &at, faults),
                // A part of a whole names some fields; what has a type names all.
                None if named.is_object() && schema["type"].is_string() => {
                    faults.push(format!("{at}: is not described"));
                }
                None => {}
            }
        }
    }

    fn check_list(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let Some(items) = value.as_array() else { return };
        let within = |word: &str, holds: fn(u64, u64) -> bool| {
            schema[word].as_u64().is_none_or(|bound| holds(items.len() as u64, bound))
        };
        if !within("minItems", |length, least| length >= least)
            || !within("maxItems", |length, most| length <= most)
        {
            faults.push(format!("{at}: has {} items", items.len()));
        }
        if schema["items"].is_object() {
            for (index, item) in items.iter().enumerate() {
                self.check(&schema["items"], item, &format!("{at}/{index}"), faults);
            }
        }
    }
}

fn is_of_type(kind: &Value, value: &Value) -> bool {
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("what is a {other}?"),
    };
    match (kind.as_str(), kind.as_array()) {
        (Some(kind), _) => is(kind),
        (_, Some(kinds)) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        (None, None) => true,
    }
}

#[test]
fn what_is_missing_of_another_kind_or_not_described_is_a_fault() {
    let document = serde_json::json!({ "components": { "schemas": { "Thing": {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": { "type": "string" },
            "word": { "type": ["string", "null"], "enum": ["a", null] },
            "things": { "type": "array", "items": { "$ref": "#/components/schemas/Thing" } },
        },
    }}}});
    let checker = Checker::of(&document);
    let schema = serde_json::json!({ "$ref": "#/components/schemas/Thing" });
    for (text, faults) in [
        (r#"{"id": "x", "word": null, "things": [{"id": "y"}]}"#, 0),
        (r#"{"word": "a"}"#, 1),
        (r#"{"id": 5}"#, 1),
        (r#"{"id": "x", "word": "b"}"#, 1),
        (r#"{"id": "x", "more": 1}"#, 1),
        (r#"{"id": "x", "things": [{}, 5]}"#, 2),
        ("[]", 1),
    ] {
        let found = checker.faults(&schema, &serde_json::from_str(text).unwrap());
        assert_eq!(found.len(), faults, "{text}: {found:?}");
    }
}
