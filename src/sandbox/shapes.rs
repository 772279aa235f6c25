//! What the objects and parameters of Stripe's API look like: the tables of `fixtures/stripe`.
//!
//! The sandbox reads parameters by them; the tests hold every object and every outgoing request
//! against them.
//!
//! **Never in here:** what a value means.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::sandbox::fixture;

/// The objects of the API, by the word in their `object`.
pub static OBJECTS: LazyLock<Shapes> = LazyLock::new(|| bundled("stripe/objects.txt"));
/// The parameters of its calls, by method and path: `POST /v1/transfers/{transfer}/reversals`.
pub static REQUESTS: LazyLock<Shapes> = LazyLock::new(|| bundled("stripe/requests.txt"));

fn bundled(path: &str) -> Shapes {
    let text = fixture(path).map(String::from_utf8_lossy).unwrap_or_default();
    Shapes::parse(&text)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Anything,
    /// Names with texts.
    Map,
    Section(String),
    OneOf(Vec<String>),
    ListOf(Box<Self>),
    Null,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub required: bool,
    /// It is of one of these.
    pub kinds: Vec<Kind>,
}

#[derive(Clone, Debug, Default)]
pub struct Shapes {
    sections: HashMap<String, Vec<Field>>,
    words: HashMap<String, Vec<String>>,
    /// Lines that could not be read; a test keeps this empty for the bundled tables.
    pub unread: Vec<String>,
}

impl Shapes {
    pub fn parse(text: &str) -> Self {
        let mut shapes = Self::default();
        let (mut section, mut list) = (String::new(), String::new());
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let Some(named) = line.strip_prefix("words ").and_then(|rest| rest.split_once(':')) {
                named.0.clone_into(&mut list);
                shapes.add_words(&list, named.1);
            } else if line.starts_with(' ') {
                shapes.add_words(&list, line);
            } else if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                name.clone_into(&mut section);
                shapes.sections.insert(section.clone(), Vec::new());
            } else {
                match shapes.field(line) {
                    Some(field) => shapes.sections.entry(section.clone()).or_default().push(field),
                    None => shapes.unread.push(line.to_owned()),
                }
            }
        }
        shapes
    }

    fn add_words(&mut self, list: &str, words: &str) {
        let words = words.split_whitespace().map(str::to_owned);
        self.words.entry(list.to_owned()).or_default().extend(words);
    }

    fn field(&self, line: &str) -> Option<Field> {
        let (name, kinds) = line.split_once(": ")?;
        let kinds = kinds.split(" or ").map(|kind| self.kind(kind)).collect::<Option<_>>()?;
        let required = !name.ends_with('?');
        Some(Field { name: name.trim_end_matches('?').to_owned(), required, kinds })
    }

    fn kind(&self, text: &str) -> Option<Kind> {
        let plain = match text {
            "string" => Kind::Text,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "boolean" => Kind::Boolean,
            "object" => Kind::Anything,
            "map" => Kind::Map,
            "null" | "nothing" => Kind::Null,
            other => return self.composed(other),
        };
        Some(plain)
    }

    fn composed(&self, text: &str) -> Option<Kind> {
        if let Some(words) = text.strip_prefix("one of ") {
            return Some(Kind::OneOf(words.split_whitespace().map(str::to_owned).collect()));
        }
        if let Some(list) = text.strip_prefix("word ") {
            return self.words.get(list).cloned().map(Kind::OneOf);
        }
        if let Some(of) = text.strip_prefix("list of ") {
            return Some(Kind::ListOf(Box::new(self.kind(of)?)));
        }
        let section = text.strip_prefix('{')?.strip_suffix('}')?;
        Some(Kind::Section(section.to_owned()))
    }

    pub fn section(&self, name: &str) -> Option<&[Field]> {
        self.sections.get(name).map(Vec::as_slice)
    }

    /// Sections that some field names and none is.
    pub fn dangling(&self) -> Vec<&str> {
        let fields = self.sections.values().flatten();
        let kinds = fields.flat_map(|field| &field.kinds);
        kinds.filter_map(|kind| self.dangling_in(kind)).collect()
    }

    fn dangling_in<'a>(&self, kind: &'a Kind) -> Option<&'a str> {
        match kind {
            Kind::Section(name) => (!self.sections.contains_key(name)).then_some(name),
            Kind::ListOf(of) => self.dangling_in(of),
            Kind::Text
            | Kind::Integer
            | Kind::Number
            | Kind::Boolean
            | Kind::Anything
            | Kind::Map
            | Kind::OneOf(_)
            | Kind::Null => None,
        }
    }

    /// What is wrong with an object, each with its path; by its own word for what it is.
    pub fn problems(&self, object: &Value) -> Vec<String> {
        let word = object.get("object").and_then(Value::as_str).unwrap_or_default();
        let deleted = object.get("deleted") == Some(&Value::Bool(true));
        let section = if deleted { format!("deleted.{word}") } else { word.to_owned() };
        let mut problems = Vec::new();
        self.check_section(&section, object, word, &mut problems);
        problems
    }

    fn check_section(&self, section: &str, value: &Value, path: &str, problems: &mut Vec<String>) {
        let (Some(fields), Some(object)) = (self.section(section), value.as_object()) else {
            problems.push(format!("{path}: no {section}: {value}"));
            return;
        };
        for field in fields {
            let path = format!("{path}.{}", field.name);
            match object.get(&field.name) {
                Some(value) => self.check(&field.kinds, value, &path, problems),
                None if field.required => problems.push(format!("{path} is missing")),
                None => {}
            }
        }
        let known = |name: &String| fields.iter().any(|field| field.name == *name);
        let unknown = object.keys().filter(|name| !known(name));
        problems.extend(unknown.map(|name| format!("{path}.{name} is not known")));
    }

    fn check(&self, kinds: &[Kind], value: &Value, path: &str, problems: &mut Vec<String>) {
        let mut closest = vec![format!("{path} should not be {value}")];
        for kind in kinds {
            let mut found = Vec::new();
            self.check_kind(kind, value, path, &mut found);
            match (found.is_empty(), kind) {
                (true, _) => return,
                (false, Kind::Section(_) | Kind::ListOf(_)) => closest = found,
                (false, _) => {}
            }
        }
        problems.extend(closest);
    }

    fn check_kind(&self, kind: &Kind, value: &Value, path: &str, problems: &mut Vec<String>) {
        let fits = match kind {
            Kind::Text => value.is_string(),
            Kind::Integer => value.is_i64() || value.is_u64(),
            Kind::Number => value.is_number(),
            Kind::Boolean => value.is_boolean(),
            Kind::Anything => value.is_object(),
            Kind::Map => value.as_object().is_some_and(all_texts),
            Kind::OneOf(words) => value.as_str().is_some_and(|is| words.iter().any(|w| w == is)),
            Kind::Null => value.is_null(),
            Kind::Section(name) => return self.check_section(name, value, path, problems),
            Kind::ListOf(of) => match value.as_array() {
                Some(items) => {
                    for (place, item) in items.iter().enumerate() {
                        self.check_kind(of, item, &format!("{path}.{place}"), problems);
                    }
                    true
                }
                None => false,
            },
        };
        if !fits {
            problems.push(format!("{path} should not be {value}"));
        }
    }
}

fn all_texts(map: &Map<String, Value>) -> bool {
    map.values().all(Value::is_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bundled_tables_are_read_to_the_last_line() {
        for (shapes, known) in [(&OBJECTS, "topup"), (&REQUESTS, "POST /v1/transfers")] {
            assert_eq!(shapes.unread, Vec::<String>::new());
            assert_eq!(shapes.dangling(), Vec::<&str>::new());
            assert!(shapes.section(known).is_some_and(|fields| fields.len() > 5), "{known}");
        }
    }

    /// The bundled events are Stripe's in shape, so the tables can be held against them, too. What
    /// they say of accounts leaves out what no rule looks at.
    #[test]
    fn the_bundled_events_fit_the_tables() {
        let historic = ["transfer.paid", "transfer.failed", "treasury.novelty.happened"];
        let mut held = 0;
        for (path, body) in crate::sandbox::fixture_events() {
            let event: Value = serde_json::from_slice(body).unwrap();
            let kind = event["type"].as_str().unwrap_or_default();
            if event["object"] != "event" || historic.contains(&kind) {
                continue;
            }
            let mut problems = OBJECTS.problems(&event);
            let object = &event["data"]["object"];
            let word = object["object"].as_str().unwrap_or_default();
            if ["topup", "transfer", "payout", "capability", "person", "balance"].contains(&word) {
                problems.extend(OBJECTS.problems(object));
                held += 1;
            }
            // Lists were counted once.
            problems.retain(|problem| !problem.ends_with(".total_count is not known"));
            assert_eq!(problems, Vec::<String>::new(), "{path}");
        }
        assert!(held > 30, "{held}");
    }

    #[test]
    fn an_object_is_held_against_its_section() {
        let shapes = Shapes::parse(
            "words kind: a b\n    c\n[o]\nobject: one of o\nn: integer or null\nm?: {p}\nl?: list of {p}\n\
             [p]\nk: word kind\nt?: map\n[deleted.o]\nobject: one of o\ndeleted: boolean\n",
        );
        for (object, expected) in [
            (json!({"object": "o", "n": 1}), vec![]),
            (json!({"object": "o", "n": null, "m": {"k": "c", "t": {"x": "y"}}}), vec![]),
            (json!({"object": "o", "deleted": true}), vec![]),
            (json!({"object": "o"}), vec!["o.n is missing"]),
            (json!({"object": "o", "n": 1.5}), vec!["o.n should not be 1.5"]),
            (json!({"object": "o", "n": 1, "x": 1}), vec!["o.x is not known"]),
            (json!({"object": "o", "n": 1, "m": {"k": "d"}}), vec!["o.m.k should not be \"d\""]),
            (json!({"object": "o", "n": 1, "l": [{"k": "a"}, {}]}), vec!["o.l.1.k is missing"]),
            (
                json!({"object": "o", "n": 1, "m": {"k": "a", "t": {"x": 1}}}),
                vec!["o.m.t should not be {\"x\":1}"],
            ),
            (json!({"object": "q"}), vec!["q: no q: {\"object\":\"q\"}"]),
        ] {
            assert_eq!(shapes.problems(&object), expected, "{object}");
        }
    }
}
