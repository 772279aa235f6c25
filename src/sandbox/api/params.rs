//! Parameters, read by the tables of `fixtures/stripe/requests.txt`: texts become numbers, truths
//! and lists, and what Stripe would not take is refused with its name.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::shapes::{Field, Kind, REQUESTS};

const MOST_METADATA: usize = 50;
const LONGEST_METADATA_KEY: usize = 40;
const LONGEST_METADATA_VALUE: usize = 500;

/// The parameters of a call. What Stripe takes as an order to unset a field is null.
pub fn read(call: &str, form: &Value) -> Result<Value, Refusal> {
    section(call, form, "")
}

fn section(name: &str, form: &Value, path: &str) -> Result<Value, Refusal> {
    let fields = REQUESTS.section(name).unwrap_or_default();
    let empty = Map::new();
    let given = form.as_object().unwrap_or(&empty);
    for name in given.keys() {
        if !fields.iter().any(|field| field.name == *name) {
            return Err(Refusal::unknown_parameter(&below(path, name)));
        }
    }
    let mut read = Map::new();
    for field in fields {
        let path = below(path, &field.name);
        match given.get(&field.name) {
            Some(value) => {
                read.insert(field.name.clone(), of_field(field, value, &path)?);
            }
            None if field.required => return Err(Refusal::missing(&path)),
            None => {}
        }
    }
    Ok(Value::Object(read))
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}[{name}]") }
}

fn of_field(field: &Field, value: &Value, path: &str) -> Result<Value, Refusal> {
    if value.as_str() == Some("") {
        let may_be_unset = field.kinds.contains(&Kind::Null) || !field.required;
        return if may_be_unset { Ok(Value::Null) } else { Err(Refusal::empty(path)) };
    }
    // Of several ways to give it, the first of the same form is the one that is told about.
    let has_form = |kind: &&Kind| is_tree(kind) == value.is_object();
    let kinds = field.kinds.iter().filter(has_form).chain(&field.kinds);
    let mut refusal = None;
    for kind in kinds {
        match of_kind(kind, value, path) {
            Ok(value) => return Ok(value),
            Err(refused) => drop(refusal.get_or_insert(refused)),
        }
    }
    Err(refusal.unwrap_or_else(|| Refusal::unknown_parameter(path)))
}

fn is_tree(kind: &Kind) -> bool {
    match kind {
        Kind::Section(_) | Kind::Map | Kind::ListOf(_) | Kind::Anything => true,
        Kind::Text | Kind::Integer | Kind::Number | Kind::Boolean | Kind::OneOf(_) | Kind::Null => {
            false
        }
    }
}

fn of_kind(kind: &Kind, value: &Value, path: &str) -> Result<Value, Refusal> {
    match kind {
        Kind::Section(name) if value.is_object() => section(name, value, path),
        Kind::Section(_) | Kind::Anything => {
            Err(Refusal::invalid("Invalid object").code("parameter_invalid_string").param(path))
        }
        Kind::Map => map(value, path),
        Kind::ListOf(of) => list(of, value, path),
        Kind::Text | Kind::Integer | Kind::Number | Kind::Boolean | Kind::OneOf(_) => {
            let text = value.as_str().ok_or_else(|| {
                Refusal::invalid("Invalid string: must be a string")
                    .code("parameter_invalid_string")
                    .param(path)
            })?;
            of_text(kind, text, path)
        }
        // Only an empty value is that, and it was seen before.
        Kind::Null => Err(Refusal::invalid("Invalid value").param(path)),
    }
}

fn of_text(kind: &Kind, text: &str, path: &str) -> Result<Value, Refusal> {
    let not = |what: &str| Refusal::invalid(format!("Invalid {what}: {text}")).param(path);
    match kind {
        Kind::Integer => match text.parse::<i64>() {
            Ok(number) => Ok(json!(number)),
            Err(_) => Err(not("integer").code("parameter_invalid_integer")),
        },
        Kind::Number => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(json!(number)),
            Ok(_) | Err(_) => Err(not("decimal")),
        },
        Kind::Boolean => match text {
            "true" | "1" => Ok(json!(true)),
            "false" | "0" => Ok(json!(false)),
            _ => Err(not("boolean")),
        },
        Kind::OneOf(words) if !words.iter().any(|word| word == text) => {
            let words = match words.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                Some((last, _)) => last.clone(),
                None => String::new(),
            };
            Err(Refusal::invalid(format!("Invalid {path}: must be one of {words}")).param(path))
        }
        Kind::OneOf(_)
        | Kind::Text
        | Kind::Anything
        | Kind::Map
        | Kind::Section(_)
        | Kind::ListOf(_)
        | Kind::Null => Ok(json!(text)),
    }
}

fn list(of: &Kind, value: &Value, path: &str) -> Result<Value, Refusal> {
    let items = value.as_object().ok_or_else(|| Refusal::invalid("Invalid array").param(path))?;
    let items = items.iter().map(|(place, item)| of_kind(of, item, &below(path, place)));
    Ok(Value::Array(items.collect::<Result<_, _>>()?))
}

fn map(value: &Value, path: &str) -> Result<Value, Refusal> {
    let invalid = |message: &str| Refusal::invalid(message.to_owned()).param(path);
    let map = value.as_object().ok_or_else(|| invalid("Invalid hash"))?;
    if map.len() > MOST_METADATA {
        return Err(invalid("You cannot have more than 50 metadata keys on an object."));
    }
    for (key, value) in map {
        let Some(text) = value.as_str() else {
            return Err(invalid("Metadata values must be strings."));
        };
        if key.chars().count() > LONGEST_METADATA_KEY {
            return Err(invalid("Metadata keys can be at most 40 characters long."));
        }
        if text.chars().count() > LONGEST_METADATA_VALUE {
            return Err(invalid("Metadata values can be at most 500 characters long."));
        }
    }
    Ok(value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::form::decode;

    #[track_caller]
    fn refused(call: &str, form: &str, code: Option<&str>, param: &str) {
        let refusal = read(call, &decode(form)).unwrap_err();
        let found = (refusal.code, refusal.param.as_deref());
        assert_eq!(found, (code, Some(param)), "{form}: {}", refusal.message);
    }

    #[test]
    fn what_stripe_would_not_take_is_named() {
        let transfers = "POST /v1/transfers";
        refused(transfers, "currency=usd", Some("parameter_missing"), "destination");
        refused(
            transfers,
            "currency=usd&destination=",
            Some("parameter_invalid_empty"),
            "destination",
        );
        let given = "currency=usd&destination=acct_1";
        for (form, code, param) in [
            ("amuont=1", Some("parameter_unknown"), "amuont"),
            ("amount=1.5", Some("parameter_invalid_integer"), "amount"),
            ("amount[a]=1", Some("parameter_invalid_string"), "amount"),
            ("source_type=cash", None, "source_type"),
            ("metadata=x", None, "metadata"),
            ("metadata[a][b]=x", None, "metadata"),
        ] {
            refused(transfers, &format!("{given}&{form}"), code, param);
        }
        let accounts = "POST /v1/accounts";
        refused(
            accounts,
            "controller[losses][who]=me",
            Some("parameter_unknown"),
            "controller[losses][who]",
        );
        refused(accounts, "controller[losses][payments]=me", None, "controller[losses][payments]");
        refused(
            accounts,
            "capabilities[transfers][requested]=yes",
            None,
            "capabilities[transfers][requested]",
        );
        refused("POST /v1/topups/{topup}/cancel", "why=x", Some("parameter_unknown"), "why");
    }

    #[test]
    fn texts_become_what_they_say() {
        let form = "external_account[object]=bank_account&external_account[country]=US\
                    &external_account[account_number]=000123456789&metadata[7]=x&email=\
                    &external_account[currency]=usd&capabilities[transfers][requested]=true";
        let read = read("POST /v1/accounts", &decode(form)).unwrap();
        let expected = json!({
            "capabilities": {"transfers": {"requested": true}},
            "email": null,
            "external_account": {
                "object": "bank_account", "country": "US", "currency": "usd",
                "account_number": "000123456789",
            },
            "metadata": {"7": "x"},
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn a_form_that_fits_is_taken() {
        let form =
            "types[]=topup.created&types[]=payout.paid&delivery_success=false&created[gte]=5";
        let read = read("GET /v1/events", &decode(form)).unwrap();
        let expected = json!({
            "created": {"gte": 5}, "delivery_success": false,
            "types": ["topup.created", "payout.paid"],
        });
        assert_eq!(read, expected);
    }
}
