//! Form-encoded parameters with bracket keys: `controller[losses][payments]=application`.
//!
//! They become JSON of objects whose leaves are texts. A list is an object, too, named by places:
//! whether `metadata[7]` is a list, only who knows the parameter can tell.

use serde_json::{Map, Value};

/// The parameters of a query string or of a body.
pub fn decode(text: &str) -> Value {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(text).unwrap_or_default();
    let mut form = Value::Object(Map::new());
    for (key, value) in pairs {
        put(&mut form, &segments(&key), value);
    }
    form
}

/// `a[b][]` is `a`, `b` and an empty one.
fn segments(key: &str) -> Vec<&str> {
    let Some((head, rest)) = key.split_once('[') else { return vec![key] };
    let inner = rest.split('[').map(|part| part.trim_end_matches(']'));
    std::iter::once(head).chain(inner).collect()
}

fn put(at: &mut Value, path: &[&str], value: String) {
    let Some((name, rest)) = path.split_first() else {
        *at = Value::String(value);
        return;
    };
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    if let Some(object) = at.as_object_mut() {
        let name = if name.is_empty() { object.len().to_string() } else { (*name).to_owned() };
        put(object.entry(name).or_insert(Value::Null), rest, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bracket_keys_become_a_tree() {
        for (text, expected) in [
            ("", json!({})),
            ("amount=1000&currency=usd", json!({"amount": "1000", "currency": "usd"})),
            (
                "controller%5Blosses%5D%5Bpayments%5D=application&controller[fees][payer]=account",
                json!({"controller": {"losses": {"payments": "application"}, "fees": {"payer": "account"}}}),
            ),
            ("expand[]=a&expand[]=b", json!({"expand": {"0": "a", "1": "b"}})),
            ("types[0]=a&types[1]=b", json!({"types": {"0": "a", "1": "b"}})),
            ("x[0][a]=1&x[0][b]=2", json!({"x": {"0": {"a": "1", "b": "2"}}})),
            ("metadata[7]=seven&metadata[a]=b", json!({"metadata": {"7": "seven", "a": "b"}})),
            ("metadata=", json!({"metadata": ""})),
            ("description=two+words%20more", json!({"description": "two words more"})),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }
}
