use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::*;
use crate::domain::time::Timestamp;
use crate::stripe::wire::read;

const NOW: Timestamp = Timestamp(1_900_000_000_000_000);

/// Every event of the fixtures.
fn fixtures() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events");
    let (mut queue, mut events) = (vec![root], Vec::new());
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            queue.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            events.push(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
        }
    }
    assert!(events.len() > 50, "the fixtures were not found");
    events
}

fn reduced(body: &str) -> String {
    String::from_utf8(reduce(body.as_bytes()).unwrap()).unwrap()
}

#[track_caller]
fn check_reads_the_same(body: &str) {
    let left = reduced(body);
    let (whole, of_left) = (read(body.as_bytes(), NOW), read(left.as_bytes(), NOW));
    assert_eq!(of_left, whole, "\n{body}\nleft: {left}");
    assert_eq!(reduced(&left), left, "reduced once more");
}

#[test]
fn what_is_left_of_every_fixture_reads_as_the_whole_did() {
    for event in fixtures() {
        check_reads_the_same(&event.to_string());
        check_reads_the_same(&serde_json::to_string_pretty(&event).unwrap());
    }
}

#[test]
fn only_what_the_rules_read_is_left() {
    let event = json!({
        "id": "evt_1", "object": "event", "type": "account.updated", "account": "acct_1",
        "created": 5, "livemode": false, "request": {"id": "req_1"}, "unheard": "Jo",
        "data": {
            "object": {
                "id": "acct_1", "object": "account", "email": "jo@example.com",
                "details_submitted": true, "payouts_enabled": true, "country": "US",
                "individual": {"first_name": "Jo"}, "metadata": {"bursar_operation": "op_1", "x": "Jo"},
                "tos_acceptance": {"ip": "10.0.0.1", "service_agreement": "full"},
                "requirements": {"currently_due": ["individual.dob.day"]},
            },
            "previous_attributes": {"email": "j@example.com", "details_submitted": false},
        },
    });
    let left: Value = serde_json::from_str(&reduced(&event.to_string())).unwrap();
    let expected = json!({
        "id": "evt_1", "object": "event", "type": "account.updated", "account": "acct_1",
        "created": 5, "livemode": false,
        "data": {
            "object": {
                "id": "acct_1", "object": "account",
                "details_submitted": true, "payouts_enabled": true, "country": "US",
                "metadata": {"bursar_operation": "op_1"},
                "tos_acceptance": {"service_agreement": "full"},
                "requirements": {"currently_due": ["individual.dob.day"]},
            },
            "previous_attributes": {"details_submitted": false},
        },
    });
    assert_eq!(left, expected);
}

#[test]
fn of_what_is_not_tracked_only_the_envelope_and_what_it_is_about_are_left() {
    let person = r#"{"id":"evt_1","object":"event","type":"person.updated","account":"acct_1",
        "data":{"object":{"id":"person_1","object":"person","account":"acct_1","first_name":"Jo",
        "dob":{"day":1}},"previous_attributes":{"first_name":"J"}}}"#;
    let left: Value = serde_json::from_str(&reduced(person)).unwrap();
    let object = json!({"id": "person_1", "object": "person", "account": "acct_1"});
    assert_eq!(left["data"], json!({ "object": object }));
}

#[test]
fn a_text_in_the_place_of_something_else_says_nothing_any_more() {
    for (wrong, kept) in [
        (r#""amount":"Jo Smith""#, "amount"),
        (r#""status":"Jo Smith""#, "status"),
        (r#""currency":{"name":"Jo Smith"}"#, "currency"),
        (r#""created":["Jo Smith"]"#, "created"),
    ] {
        let body = format!(
            r#"{{"id":"evt_1","object":"event","type":"payout.paid","created":5,"livemode":true,
            "data":{{"object":{{"id":"po_1","object":"payout",{wrong}}}}}}}"#
        );
        let left = reduced(&body);
        assert!(!left.contains("Jo") && left.contains(kept), "{left}");
        check_reads_the_same(&body);
    }
}

#[test]
fn what_serde_cannot_read_stays_unreadable() {
    for object in [
        r#"{"id":"po_1","id":"po_1","object":"payout"}"#,
        r#"{"\ud800":1,"id":"po_1","object":"payout"}"#,
        r#"{"id":"po_1","object":"payout","status":"\ud800","amount":1e999}"#,
        r#"["po_1","payout"]"#,
        "5",
    ] {
        for event_type in ["payout.paid", "account.updated", "person.created"] {
            check_reads_the_same(&format!(
                r#"{{"id":"evt_1","object":"event","type":"{event_type}","created":5,
                "livemode":true,"data":{{"object":{object},"previous_attributes":{object}}}}}"#
            ));
        }
    }
}

#[test]
fn an_account_is_found_wherever_it_is_named() {
    for body in [
        r#"{"account":"acct_1"}"#,
        r#"{"data":{"object":{"destination":"acct_1"}}}"#,
        r#"{"data":{"object":{"transfer_data":{"destination":"acct_1"}}}}"#,
        r#"{"account":"acct\u005f1"}"#,
        r#"{"data":{"object":{"id":"acct\u005f1"}}}"#,
    ] {
        assert!(mentions(body.as_bytes(), "acct_1"), "{body}");
        assert!(!mentions(body.as_bytes(), "acct_"), "{body}");
        assert!(!mentions(body.as_bytes(), "acct_12"), "{body}");
    }
}

/// Where a value stands in another one.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| {
                places(value, &format!("{at}/{}", escaped(name)), all);
            });
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| places(value, &format!("{at}/{index}"), all)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_.]{0,12}".prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        select(vec!["", "acct_1", "po_1", "paid", "active", "account", "event"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    /// Whatever stands wherever in an event: what is left of it says the same.
    #[test]
    fn what_is_left_of_any_event_reads_as_the_whole_did(
        event in select(fixtures()),
        changes in proptest::collection::vec((any::<Index>(), any_value()), 0..4),
        pretty in any::<bool>(),
    ) {
        let mut event = event;
        for (place, value) in changes {
            let mut all = Vec::new();
            places(&event, "", &mut all);
            // The event itself stays one.
            let inner: Vec<_> = all.into_iter().filter(|at| !at.is_empty()).collect();
            let at = place.get(&inner).clone();
            *event.pointer_mut(&at).unwrap() = value;
        }
        let body = if pretty {
            serde_json::to_string_pretty(&event).unwrap()
        } else {
            event.to_string()
        };
        if read(body.as_bytes(), NOW).is_ok() {
            check_reads_the_same(&body);
        }
    }
}
