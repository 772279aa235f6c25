//! Whether an answer is like the one that a document shows.
//!
//! Ids and times differ from run to run. An id of the document stands for one id here, the same
//! each time; a time for any time. `...` stands for what is left out.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::blocks::Shown;

/// What ids begin with.
const KINDS: [&str; 9] = ["acct", "person", "trr", "tr", "tu", "po", "op", "evt", "req"];
/// Unix seconds that mean a time, and not an amount.
const TIMES: i64 = 1_000_000_000;
const LEFT_OUT: &str = "...";

/// Ids of the document, with the ones that they stand for.
#[derive(Default)]
pub(super) struct Likeness(BTreeMap<String, String>);

type Alike = Result<(), String>;

impl Likeness {
    /// A command, with ids that are known here.
    pub(super) fn as_here(&self, text: &str) -> String {
        pieces(text)
            .into_iter()
            .map(|piece| match piece {
                Piece::Id(id) => self.0.get(id).map_or(id, String::as_str),
                Piece::Text(text) => text,
            })
            .collect()
    }

    /// Compares a whole answer, and remembers what its ids stand for when it is alike.
    pub(super) fn compare(&mut self, shown: &Shown, answer: &str) -> Alike {
        let known = self.0.clone();
        let alike = self.answer(shown, answer);
        if alike.is_err() {
            self.0 = known;
        }
        alike
    }

    fn answer(&mut self, shown: &Shown, answer: &str) -> Alike {
        let body = if let Some((status, headers)) = shown.head.split_first() {
            let (head, body) = answer.split_once("\r\n\r\n").ok_or("no headers")?;
            let mut lines = head.lines();
            self.text(status, lines.next().unwrap_or_default())?;
            let lines: Vec<&str> = lines.collect();
            for header in headers {
                let is_there = lines.iter().any(|line| self.text(header, line).is_ok());
                is_there.then_some(()).ok_or_else(|| format!("no header {header}"))?;
            }
            body
        } else {
            answer
        };
        let shown = with_marks(&shown.body);
        let shown = serde_json::from_str(&shown).map_err(|error| format!("{error}: {shown}"))?;
        let answer = serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))?;
        self.value("", &shown, &answer)
    }

    fn value(&mut self, path: &str, shown: &Value, answer: &Value) -> Alike {
        match (shown, answer) {
            (Value::Object(shown), Value::Object(answer)) => self.object(path, shown, answer),
            (Value::Array(shown), Value::Array(answer)) => self.array(path, shown, answer),
            (Value::String(shown), Value::String(answer)) if is_time(shown) => {
                is_time(answer).then_some(()).ok_or_else(|| format!("{path}: {answer} is no time"))
            }
            (Value::String(shown), Value::String(answer)) => {
                self.text(shown, answer).map_err(|difference| format!("{path}: {difference}"))
            }
            (Value::Number(shown), Value::Number(answer))
                if shown.as_i64() > Some(TIMES) && answer.as_i64() > Some(TIMES) =>
            {
                Ok(())
            }
            _ if shown == answer => Ok(()),
            _ => Err(format!("{path} is {answer}, and not {shown}")),
        }
    }

    fn object(
        &mut self,
        path: &str,
        shown: &Map<String, Value>,
        answer: &Map<String, Value>,
    ) -> Alike {
        for (name, shown) in shown.iter().filter(|(name, _)| *name != LEFT_OUT) {
            let path = format!("{path}.{name}");
            let answer = answer.get(name).ok_or_else(|| format!("{path} is not there"))?;
            self.value(&path, shown, answer)?;
        }
        let more = answer.keys().find(|name| !shown.contains_key(*name));
        match more {
            Some(name) if !shown.contains_key(LEFT_OUT) => {
                Err(format!("{path}.{name} is there, too"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn array(&mut self, path: &str, shown: &[Value], answer: &[Value]) -> Alike {
        let (shown, has_more) = match shown.split_last() {
            Some((last, shown)) if *last == LEFT_OUT => (shown, true),
            Some(_) | None => (shown, false),
        };
        if answer.len() < shown.len() || (answer.len() > shown.len() && !has_more) {
            return Err(format!("{path} has {} entries", answer.len()));
        }
        let mut pairs = shown.iter().zip(answer).enumerate();
        pairs
            .try_for_each(|(index, (shown, it))| self.value(&format!("{path}[{index}]"), shown, it))
    }

    fn text(&mut self, shown: &str, answer: &str) -> Alike {
        let differs = || format!("{answer:?}, and not {shown:?}");
        let (shown_text, is_cut) = match shown.strip_suffix(LEFT_OUT) {
            Some(start) => (start, true),
            None => (shown, false),
        };
        let mut rest = answer;
        for piece in pieces(shown_text) {
            rest = match piece {
                Piece::Text(text) => rest.strip_prefix(text).ok_or_else(differs)?,
                Piece::Id(id) => {
                    let Some(Piece::Id(here)) = pieces(rest).into_iter().next() else {
                        return Err(differs());
                    };
                    let known = self.0.entry(id.to_owned()).or_insert_with(|| here.to_owned());
                    if *known != here || kind(id) != kind(here) {
                        return Err(differs());
                    }
                    rest.strip_prefix(here).unwrap_or_default()
                }
            };
        }
        (rest.is_empty() || is_cut).then_some(()).ok_or_else(differs)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Id(&'t str),
    Text(&'t str),
}

/// Cuts a text where ids begin and end.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(character) = rest[from..].chars().next() {
        let is_start = !rest[..from].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let length = if is_start { id_length(&rest[from..]) } else { 0 };
        if length == 0 {
            from += character.len_utf8();
            continue;
        }
        let (before, id) = rest[..from + length].split_at(from);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Id(id));
        (rest, from) = (&rest[from + length..], 0);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// How long the id is with which this begins; zero where none does.
fn id_length(text: &str) -> usize {
    let Some(kind) = kind(text) else { return 0 };
    let start = kind.len() + 1;
    let digits = text[start..].bytes().take_while(u8::is_ascii_alphanumeric).count();
    if digits < 4 { 0 } else { start + digits }
}

fn kind(text: &str) -> Option<&'static str> {
    let begins = |kind: &&str| text.strip_prefix(kind).is_some_and(|rest| rest.starts_with('_'));
    KINDS.into_iter().find(|kind| begins(kind))
}

fn is_time(text: &str) -> bool {
    text.len() > 19 && text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T')
}

/// JSON in which `...` is said in JSON: a member of that name, or an entry.
fn with_marks(text: &str) -> String {
    let mut marked = String::new();
    let mut open = Vec::new();
    let mut in_text = false;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if !in_text && rest.starts_with(LEFT_OUT) {
            let in_object = open.last() == Some(&'{');
            marked.push_str(if in_object { "\"...\": null" } else { "\"...\"" });
            rest = &rest[LEFT_OUT.len()..];
            continue;
        }
        match character {
            '"' if !marked.ends_with('\\') => in_text = !in_text,
            '{' | '[' if !in_text => open.push(character),
            '}' | ']' if !in_text => drop(open.pop()),
            _ => {}
        }
        marked.push(character);
        rest = &rest[character.len_utf8()..];
    }
    marked
}

mod tests {
    use super::*;

    #[track_caller]
    fn check(shown: &str, answer: &str, alike: bool) {
        let shown = Shown { head: Vec::new(), body: shown.to_owned() };
        let is = Likeness::default().compare(&shown, answer);
        assert_eq!(is.is_ok(), alike, "{shown:?} {answer}: {is:?}");
    }

    #[test]
    fn what_differs_is_told_from_what_may_differ() {
        check(r#"{"a": 1}"#, r#"{"a":1}"#, true);
        check(r#"{"a": 1}"#, r#"{"a":2}"#, false);
        check(r#"{"a": 1}"#, r#"{"a":1,"b":2}"#, false);
        check(r#"{"a": 1, ...}"#, r#"{"a":1,"b":2}"#, true);
        check(r#"{"a": 1, ...}"#, r#"{"b":2}"#, false);
        check(r#"["a", ...]"#, r#"["a","b"]"#, true);
        check(r#"["a"]"#, r#"["a","b"]"#, false);
        check(r#"{"u": "http://h/..."}"#, r#"{"u":"http://h/x"}"#, true);
        check(r#"{"t": 1787892130}"#, r#"{"t":1787892139}"#, true);
        check(r#"{"t": 1787892130}"#, r#"{"t":12}"#, false);
    }

    #[test]
    fn an_id_stands_for_the_same_one_each_time() {
        check(r#"["tr_1abc", "tr_1abc"]"#, r#"["tr_9xyz","tr_9xyz"]"#, true);
        check(r#"["tr_1abc", "tr_1abc"]"#, r#"["tr_9xyz","tr_8xyz"]"#, false);
        check(r#"["tr_1abc"]"#, r#"["trr_9xyz"]"#, false);
        check(r#"["of tr_1abc!"]"#, r#"["of tr_9xyz!"]"#, true);
        check(r#"["restricted_soon"]"#, r#"["restricted_late"]"#, false);
    }
}
