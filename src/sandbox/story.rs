//! Stories: what happens at Stripe, line by line, and what must then be true.
//!
//! `fixtures/README.md` describes the language. Time, and the order of telling, are the
//! caller's.

use serde_json::{Map, Value};

use crate::sandbox::fixture;

/// A story, read.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its first comment, a sentence.
    pub title: String,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub enum Line {
    Deliver(Delivery),
    Expect(Expectation),
}

#[derive(Clone, Debug)]
pub struct Delivery {
    event_type: String,
    id: String,
    case: String,
    account: Option<String>,
    timing: Timing,
    with: Vec<(String, Option<Value>)>,
}

#[derive(Clone, Copy, Debug)]
enum Timing {
    NextSecond,
    Together,
    Late(u64),
}

/// Something that must be true, and how to ask.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The line as written.
    pub text: String,
    subject: Subject,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
enum Subject {
    Object { kind: String, id: String, account: Option<String> },
    History { kind: String, id: String, account: Option<String> },
    Summary,
}

#[derive(Clone, Debug)]
enum Wanted {
    Unknown,
    Field(String, Value),
    Entries(usize),
    Parked(u64),
    Conflicts(u64),
}

/// Where a story cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct StoryError {
    line: usize,
    why: String,
}

impl Story {
    pub fn parse(text: &str) -> Result<Self, StoryError> {
        let title = text.lines().find_map(|line| line.strip_prefix('#')).unwrap_or_default();
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let parsed = match words.as_slice() {
                [] => continue,
                [first, ..] if first.starts_with('#') => continue,
                ["deliver", rest @ ..] => delivery(rest).map(Line::Deliver),
                ["expect", rest @ ..] => expectation(rest).map(Line::Expect),
                _ => Err("a line begins with `deliver`, `expect` or `#`".to_owned()),
            };
            lines.push(parsed.map_err(|why| StoryError { line: index + 1, why })?);
        }
        Ok(Self { title: title.trim().to_owned(), lines })
    }

    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.lines.iter().filter_map(|line| match line {
            Line::Deliver(delivery) => Some(delivery),
            Line::Expect(_) => None,
        })
    }

    /// What must be true in the end, whatever the order of arrival.
    pub fn final_expectations(&self) -> impl Iterator<Item = &Expectation> {
        let is_delivery = |line: &Line| matches!(line, Line::Deliver(_));
        let start = self.lines.iter().rposition(is_delivery).map_or(0, |last| last + 1);
        self.lines.iter().skip(start).filter_map(|line| match line {
            Line::Deliver(_) => None,
            Line::Expect(expectation) => Some(expectation),
        })
    }
}

fn delivery(words: &[&str]) -> Result<Delivery, String> {
    let [event_type, id, case, rest @ ..] = words else {
        return Err("deliver TYPE ID CASE".to_owned());
    };
    let owned = |word: &&str| (*word).to_owned();
    let mut delivery = Delivery {
        event_type: owned(event_type),
        id: owned(id),
        case: owned(case),
        account: None,
        timing: Timing::NextSecond,
        with: Vec::new(),
    };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let mut argument = || rest.next().ok_or(format!("`{word}` needs a word after it"));
        match *word {
            "for" => delivery.account = Some(owned(argument()?)),
            "together" => delivery.timing = Timing::Together,
            "late" => {
                let seconds = argument()?.parse().map_err(|_| "`late` needs seconds".to_owned())?;
                delivery.timing = Timing::Late(seconds);
            }
            "with" => delivery.with.push(change(argument()?)?),
            other => return Err(format!("`{other}` is not a word that a delivery knows")),
        }
    }
    Ok(delivery)
}

fn change(text: &str) -> Result<(String, Option<Value>), String> {
    let (path, value) = text.split_once('=').ok_or("`with` needs PATH=JSON")?;
    if path == "previous" && value == "none" {
        return Ok((path.to_owned(), None));
    }
    let value = serde_json::from_str(value).map_err(|error| format!("`{text}`: {error}"))?;
    Ok((path.to_owned(), Some(value)))
}

fn expectation(words: &[&str]) -> Result<Expectation, String> {
    let text = words.join(" ");
    let count =
        |word: &str| if word == "no" { Ok(0) } else { word.parse().map_err(|_| text.clone()) };
    let (subject, wanted) = match words {
        [n, "parked"] => (Subject::Summary, Wanted::Parked(count(n)?)),
        [n, "conflicts"] => (Subject::Summary, Wanted::Conflicts(count(n)?)),
        [n, "entries", kind, id, rest @ ..] => {
            let (account, []) = owner(rest) else { return Err(text) };
            let entries = usize::try_from(count(n)?).map_err(|error| error.to_string())?;
            let (kind, id) = ((*kind).to_owned(), (*id).to_owned());
            (Subject::History { kind, id, account }, Wanted::Entries(entries))
        }
        [kind, id, rest @ ..] => {
            let (account, claim) = owner(rest);
            let wanted = match claim {
                ["is", "unknown"] => Wanted::Unknown,
                ["is", status] => Wanted::Field("status".to_owned(), Value::from(*status)),
                ["has", field, json] => {
                    let value = serde_json::from_str(json).map_err(|error| error.to_string())?;
                    Wanted::Field((*field).to_owned(), value)
                }
                _ => return Err(text),
            };
            let (kind, id) = ((*kind).to_owned(), (*id).to_owned());
            (Subject::Object { kind, id, account }, wanted)
        }
        _ => return Err(text),
    };
    Ok(Expectation { text, subject, wanted })
}

fn owner<'w>(words: &'w [&'w str]) -> (Option<String>, &'w [&'w str]) {
    match words {
        ["of", account, rest @ ..] => (Some((*account).to_owned()), rest),
        rest => (None, rest),
    }
}

impl Expectation {
    /// The path to GET.
    pub fn path(&self) -> String {
        let of = |account: &Option<String>| {
            account.as_ref().map_or(String::new(), |account| format!("&account={account}"))
        };
        match &self.subject {
            Subject::Summary => "/v1/summary?livemode=false".to_owned(),
            Subject::Object { kind, id, .. } if kind == "balance" => {
                let account = (id != "platform").then(|| id.clone());
                format!("/v1/balance?livemode=false{}", of(&account))
            }
            Subject::Object { kind, id, account } => {
                format!("/v1/{kind}s/{id}?livemode=false{}", of(account))
            }
            Subject::History { kind, id, account } => {
                format!("/v1/{kind}s/{id}/history?livemode=false&limit=500{}", of(account))
            }
        }
    }

    /// Whether this is about the status of an object.
    pub fn is_status(&self) -> bool {
        matches!(&self.wanted, Wanted::Field(field, _) if field == "status")
    }

    /// Where the history of the object is read.
    pub fn history_path(&self) -> Option<String> {
        match &self.subject {
            Subject::Object { kind, id, account } => {
                let subject = Subject::History {
                    kind: kind.clone(),
                    id: id.clone(),
                    account: account.clone(),
                };
                Some(Self { subject, ..self.clone() }.path())
            }
            Subject::History { .. } => Some(self.path()),
            Subject::Summary => None,
        }
    }

    /// Whether the answer is as expected; if not, what it was instead.
    pub fn check(&self, status: u16, answer: &Value) -> Result<(), String> {
        let is = match &self.wanted {
            Wanted::Unknown if status == 404 => None,
            Wanted::Unknown => Some(format!("HTTP {status}")),
            _ if status != 200 => Some(format!("HTTP {status}")),
            Wanted::Field(field, value) => {
                let is = answer.get(field).unwrap_or(&Value::Null);
                (is != value).then(|| is.to_string())
            }
            Wanted::Entries(wanted) => {
                let entries = answer.get("data").and_then(Value::as_array).map_or(0, Vec::len);
                (entries != *wanted).then(|| entries.to_string())
            }
            Wanted::Parked(wanted) => {
                let events = answer.get("events");
                other_count(events.and_then(|events| events.get("parked")), *wanted)
            }
            Wanted::Conflicts(wanted) => other_count(answer.get("conflicts"), *wanted),
        };
        is.map_or(Ok(()), |is| Err(format!("{}: it is {is}", self.text)))
    }
}

/// The count, where it is not the wanted one.
fn other_count(is: Option<&Value>, wanted: u64) -> Option<String> {
    let is = is.and_then(Value::as_u64).unwrap_or(0);
    (is != wanted).then(|| is.to_string())
}

/// Turns deliveries into events, second by second.
pub struct Teller {
    /// `created` of the last event that was on time.
    clock: u64,
    /// `created` of the last event.
    last: u64,
    told: u64,
    /// Begins every event id, so that two stories do not share one.
    prefix: String,
}

/// An event as Stripe would send it.
#[derive(Clone, Debug)]
pub struct Told {
    pub event_id: String,
    pub event_type: String,
    /// The object the story names.
    pub object: String,
    pub body: Vec<u8>,
}

impl Teller {
    pub fn new(start: u64, prefix: &str) -> Self {
        Self { clock: start, last: start, told: 0, prefix: prefix.to_owned() }
    }

    /// The next event of the story.
    pub fn tell(&mut self, delivery: &Delivery) -> Result<Told, String> {
        let created = match delivery.timing {
            Timing::NextSecond => self.clock + 1,
            Timing::Together => self.last,
            Timing::Late(seconds) => self.last.saturating_sub(seconds),
        };
        self.clock = self.clock.max(created);
        self.last = created;
        self.told += 1;

        let path = format!("events/{}/{}.json", delivery.event_type, delivery.case);
        let fixture = fixture(&path).ok_or(format!("there is no fixture {path}"))?;
        let mut event: Value =
            serde_json::from_slice(fixture).map_err(|e| format!("{path}: {e}"))?;
        let id = format!("evt_{}{:04}", self.prefix, self.told);
        set(&mut event, "id", Value::from(id.as_str()));
        if event.get("created").is_some_and(Value::is_u64) {
            set(&mut event, "created", Value::from(created));
        }
        name_objects(&mut event, delivery);
        for (path, value) in &delivery.with {
            apply(&mut event, path, value.clone());
        }
        let text =
            |name: &str, or: &str| event.get(name).and_then(Value::as_str).unwrap_or(or).to_owned();
        Ok(Told {
            event_id: text("id", &id),
            event_type: text("type", &delivery.event_type),
            object: delivery.id.clone(),
            // Stripe indents by two spaces, as this does.
            body: serde_json::to_vec_pretty(&event).map_err(|error| error.to_string())?,
        })
    }
}

/// Puts the story's ids where the type of event carries them.
fn name_objects(event: &mut Value, delivery: &Delivery) {
    let Delivery { event_type, id, account, .. } = delivery;
    let id = Value::from(id.as_str());
    match event_type.as_str() {
        "account.updated" | "account.observed" => {
            set(event, "account", id.clone());
            set(event, "data.object.id", id);
        }
        "capability.updated" => {
            set(event, "account", id.clone());
            set(event, "data.object.account", id);
        }
        "account.application.authorized" | "account.application.deauthorized" => {
            set(event, "account", id);
        }
        "balance.available" if id == "platform" => remove(event, "account"),
        "balance.available" => set(event, "account", id),
        _ => {
            match account {
                Some(account) => set(event, "account", Value::from(account.as_str())),
                None => remove(event, "account"),
            }
            if event.pointer("/data/object").is_some() {
                set(event, "data.object.id", id);
            }
        }
    }
}

fn apply(event: &mut Value, path: &str, value: Option<Value>) {
    match (path, path.split_once('.'), value) {
        ("previous", _, None) => remove(event, "data.previous_attributes"),
        ("previous", _, Some(value)) => set(event, "data.previous_attributes", value),
        (_, Some(("previous", rest)), Some(value)) => {
            set(event, &format!("data.previous_attributes.{rest}"), value);
        }
        (_, Some(("event", rest)), Some(value)) => set(event, rest, value),
        (path, _, Some(value)) => set(event, &format!("data.object.{path}"), value),
        (_, _, None) => {}
    }
}

fn set(event: &mut Value, path: &str, value: Value) {
    let (parents, name) = path.rsplit_once('.').map_or((None, path), |(p, n)| (Some(p), n));
    let mut place = event;
    for parent in parents.into_iter().flat_map(|parents| parents.split('.')) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(fields) = place else { return };
        place = fields.entry(parent).or_insert_with(|| Value::Object(Map::new()));
    }
    if let Value::Object(fields) = place {
        fields.insert(name.to_owned(), value);
    }
}

fn remove(event: &mut Value, path: &str) {
    let (parents, name) = path.rsplit_once('.').map_or(("", path), |(p, n)| (p, n));
    let pointer =
        if parents.is_empty() { String::new() } else { format!("/{}", parents.replace('.', "/")) };
    if let Some(Value::Object(fields)) = event.pointer_mut(&pointer) {
        fields.shift_remove(name);
    }
}
