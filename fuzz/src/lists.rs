//! A query string is understood whole or refused, and a cursor goes back to where it came from.

use std::collections::BTreeMap;

use bursar::http::cursor;
use bursar::http::query::Query;
use bursar::pipeline::portable::{from_rfc3339, to_rfc3339};

const EXPECTED: [&str; 6] = ["status", "account", "payable", "limit", "since", "cursor"];
const LISTS: [&str; 3] = ["events true", "events false", "history true payout po_1 None"];
/// Bytes of the longest refusal.
const LONGEST_REFUSAL: usize = 300;

/// `data` is a query string, a line feed, a cursor, a line feed and a place in a list.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    check_query(parts.next().unwrap_or_default());
    check_cursor(parts.next().unwrap_or_default());
    check_place(parts.next().unwrap_or_default());
}

fn check_query(text: &str) {
    let pairs: Option<Vec<(String, String)>> = serde_urlencoded::from_str(text).ok();
    let values: BTreeMap<_, _> = pairs.iter().flatten().cloned().collect();
    let known = values.keys().all(|name| EXPECTED.contains(&name.as_str()));
    let once = pairs.as_ref().is_some_and(|pairs| pairs.len() == values.len());

    let query = match Query::parse(text, &EXPECTED) {
        Ok(query) => query,
        Err(refusal) => {
            assert!(!(known && once), "refused: {text:?}");
            let refusal = refusal.to_string();
            assert!(refusal.len() <= LONGEST_REFUSAL, "{refusal:?}");
            assert!(!refusal.chars().any(char::is_control), "{refusal:?}");
            return;
        }
    };
    assert!(known && once, "taken: {text:?}");
    let printed = serde_urlencoded::to_string(&values).expect("pairs can be printed");
    let again = Query::parse(&printed, &EXPECTED).unwrap_or_else(|_| panic!("{printed:?}"));
    for name in EXPECTED {
        assert_eq!(query.text(name), values.get(name).cloned());
        assert_eq!(again.text(name), query.text(name));
    }
    assert_eq!(Query::parse(text, &[]).is_ok(), values.is_empty());
    check_values(&query);
}

/// A value that is understood means what it says.
fn check_values(query: &Query) {
    if let Ok(limit) = query.limit() {
        assert!((1..=500).contains(&limit));
        if let Some(text) = query.text("limit") {
            assert!(text.bytes().all(|byte| byte.is_ascii_digit()), "{text:?}");
            assert_eq!(text.parse(), Ok(limit));
        }
    }
    if let Ok(Some(payable)) = query.boolean("payable") {
        assert_eq!(query.text("payable"), Some(payable.to_string()));
    }
    if let Ok(Some(since)) = query.time("since") {
        assert_eq!(from_rfc3339(&to_rfc3339(since)), Some(since));
    }
    if let Ok(Some(status)) = query.word("status", &["paid", "failed"]) {
        assert!(["paid", "failed"].contains(&status.as_str()));
    }
}

fn check_cursor(text: &str) {
    let readable: Vec<_> = LISTS
        .into_iter()
        .filter_map(|list| Some((list, cursor::decode(list, text).ok()?)))
        .collect();
    assert!(readable.len() <= 1, "one cursor for two lists: {text:?}");
    for (list, place) in readable {
        assert_eq!(cursor::encode(list, &place), text.to_ascii_lowercase());
    }
}

fn check_place(place: &str) {
    for list in LISTS {
        let cursor = cursor::encode(list, place);
        for reader in LISTS {
            let read = cursor::decode(reader, &cursor).ok();
            assert_eq!(read.as_deref(), (reader == list).then_some(place));
        }
        check_cursor(&cursor);
    }
}
