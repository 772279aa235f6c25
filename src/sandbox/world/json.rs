//! JSON that is merged, laid over templates, and compared.

use serde_json::{Map, Value};

/// What stands at `a.b.c`; null is nothing.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name)).filter(|value| !value.is_null())
}

pub(crate) fn text_at<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    at(value, path).and_then(Value::as_str)
}

pub(crate) fn integer_at(value: &Value, path: &str) -> Option<i64> {
    at(value, path).and_then(Value::as_i64)
}

pub(crate) fn truth_at(value: &Value, path: &str) -> Option<bool> {
    at(value, path).and_then(Value::as_bool)
}

/// Puts the parameters of an update over what was known; null unsets.
pub(crate) fn merge(known: &mut Value, update: &Value) {
    match (known, update) {
        (Value::Object(known), Value::Object(update)) => {
            for (name, value) in update {
                merge(known.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (known, update) => known.clone_from(update),
    }
}

/// Fills the fields that a template has with what is known of them.
pub(crate) fn overlay(template: Value, known: Option<&Value>) -> Value {
    match (template, known) {
        (template, None) => template,
        (Value::Object(template), Some(Value::Object(known))) => {
            let fill = |(name, value): (String, Value)| {
                let filled = overlay(value, known.get(&name).filter(|value| !value.is_null()));
                (name, filled)
            };
            Value::Object(template.into_iter().map(fill).collect())
        }
        (_, Some(known)) => known.clone(),
    }
}

/// Puts the metadata of a request over an object's: an empty value removes a key, and no value
/// at all removes every key.
pub(crate) fn change_metadata(metadata: &mut Map<String, Value>, update: Option<&Value>) {
    match update {
        Some(Value::Object(update)) => {
            for (key, value) in update {
                if value.as_str() == Some("") {
                    metadata.remove(key);
                } else {
                    metadata.insert(key.clone(), value.clone());
                }
            }
        }
        Some(Value::Null) => metadata.clear(),
        Some(_) | None => {}
    }
}

/// The `previous_attributes` of a change: what changed, as it was; lists whole.
pub(crate) fn previous(before: &Value, after: &Value) -> Option<Value> {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return (before != after).then(|| before.clone());
    };
    let mut changed = Map::new();
    for (name, was) in before {
        match after.get(name) {
            Some(is) => changed.extend(previous(was, is).map(|was| (name.clone(), was))),
            None => drop(changed.insert(name.clone(), was.clone())),
        }
    }
    let added = after.keys().filter(|name| !before.contains_key(*name));
    changed.extend(added.map(|name| (name.clone(), Value::Null)));
    (!changed.is_empty()).then_some(Value::Object(changed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn previous_attributes_hold_what_changed_and_nothing_else() {
        for (before, after, expected) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 2}), None),
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), Some(json!({"b": 2}))),
            (
                json!({"a": {"x": 1, "y": null}, "l": [1, 2]}),
                json!({"a": {"x": 1, "y": 5}, "l": [2]}),
                Some(json!({"a": {"y": null}, "l": [1, 2]})),
            ),
            (json!({"m": {}}), json!({"m": {"k": "v"}}), Some(json!({"m": {"k": null}}))),
            (json!({"m": {"k": "v"}}), json!({"m": {}}), Some(json!({"m": {"k": "v"}}))),
        ] {
            assert_eq!(previous(&before, &after), expected, "{before} -> {after}");
        }
    }

    #[test]
    fn metadata_is_changed_key_by_key() {
        for (update, expected) in [
            (None, json!({"a": "1", "b": "2"})),
            (Some(json!({"c": "3"})), json!({"a": "1", "b": "2", "c": "3"})),
            (Some(json!({"a": ""})), json!({"b": "2"})),
            (Some(Value::Null), json!({})),
        ] {
            let mut metadata = json!({"a": "1", "b": "2"}).as_object().unwrap().clone();
            change_metadata(&mut metadata, update.as_ref());
            assert_eq!(Value::Object(metadata), expected, "{update:?}");
        }
    }
}
