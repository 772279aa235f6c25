//! Texts that stand for people's data, and the search for them in whatever bytes there are.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// What an event needs to be what it is: fields whose texts are ids, types, words and codes.
const NEEDED: &[&str] = &[
    "id",
    "object",
    "type",
    "account",
    "status",
    "currency",
    "country",
    "default_currency",
    "destination",
    "api_version",
];
/// What is kept of an erased account beside that: Stripe's own words about it, and references.
const KEPT: &[&str] = &[
    "requirements",
    "capabilities",
    "controller",
    "failure_code",
    "failure_message",
    "method",
    "service_agreement",
    "source_transaction",
    "transfer_group",
    "disabled_reason",
];
static PAGE: [u8; 4096] = [0; 4096];
/// The beginning of every zstd frame.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Plants markers, each of them another text, all with the same word in it.
pub(crate) struct Markers {
    /// In small letters: also what was made of a marker in capitals is found.
    word: String,
    planted: usize,
    /// Only what has to go when an account is erased is marked.
    of_erasure: bool,
}

impl Markers {
    /// In all that no event needs.
    pub(crate) fn everywhere(word: &str) -> Self {
        Self { word: word.to_owned(), planted: 0, of_erasure: false }
    }

    /// In all that an erasure has to take out.
    pub(crate) fn of_erasure(word: &str) -> Self {
        Self { of_erasure: true, ..Self::everywhere(word) }
    }

    /// How many there are.
    pub(crate) fn planted(&self) -> usize {
        self.planted
    }

    /// Another one.
    pub(crate) fn text(&mut self) -> String {
        self.planted += 1;
        format!("Jo {}{}@example.com", self.word, self.planted)
    }

    /// Every text in an event becomes a marker, unless it is needed; so do names of metadata.
    pub(crate) fn plant(&mut self, event: &Value) -> Value {
        let mut event = event.clone();
        let members = event.as_object_mut().expect("an event");
        for (name, value) in members.iter_mut() {
            if matches!(name.as_str(), "data" | "request") {
                self.mark(value);
            }
        }
        members.insert("unheard_of".to_owned(), self.text().into());
        event
    }

    fn mark(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mark(item)),
            Value::Object(members) => {
                if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
                    *metadata = std::iter::once((self.text(), self.text().into())).collect();
                }
                for (name, value) in members.iter_mut() {
                    let needed = NEEDED.contains(&name.as_str()) && !value.is_object();
                    let kept = self.of_erasure && KEPT.contains(&name.as_str());
                    let words = name == "capabilities" || name.ends_with("_due");
                    if !(needed || kept || words || name == "metadata") {
                        self.mark(value);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Where a marker stands in these bytes, as they are or compressed.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Option<String> {
        // Most of a file of the journal is blank.
        let written = bytes.chunks(PAGE.len()).rposition(|chunk| chunk != &PAGE[..chunk.len()]);
        let end = written.map_or(0, |page| (page + 1) * PAGE.len());
        let bytes = &bytes[..end.min(bytes.len())];
        found(&self.word, bytes).or_else(|| {
            let frames = memchr(bytes, &FRAME);
            frames.into_iter().find_map(|at| {
                let inside = unpacked(&bytes[at..]);
                found(&self.word, &inside).map(|text| format!("compressed at byte {at}: {text}"))
            })
        })
    }

    /// Every file below a folder that has a marker in it.
    pub(crate) fn found_below(&self, folder: &Path) -> BTreeSet<String> {
        let (mut queue, mut all) = (vec![folder.to_owned()], BTreeSet::new());
        while let Some(path) = queue.pop() {
            if path.is_dir() {
                let entries = std::fs::read_dir(path).expect("a readable folder");
                queue.extend(entries.map(|entry| entry.expect("an entry").path()));
            } else {
                let bytes = std::fs::read(&path).expect("a readable file");
                let found = self.found_in(&bytes);
                all.extend(found.map(|found| format!("{}: {found}", path.display())));
            }
        }
        all
    }
}

fn memchr(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let places = bytes.windows(wanted.len()).enumerate();
    places.filter(|(_, window)| *window == wanted).map(|(at, _)| at).collect()
}

/// The marker and what stands around it.
fn found(word: &str, bytes: &[u8]) -> Option<String> {
    let small = bytes.to_ascii_lowercase();
    let at = small.windows(word.len()).position(|window| window == word.as_bytes())?;
    let around = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
    Some(String::from_utf8_lossy(around).into_owned())
}

/// As much of a frame as can be had.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let dictionary = include_bytes!("../../../src/store/events-1.dict");
    let mut plain = Vec::new();
    for dictionary in [dictionary.as_slice(), &[]] {
        let decoder = zstd::stream::read::Decoder::with_dictionary(bytes, dictionary);
        let mut decoder = decoder.expect("a decoder").single_frame();
        decoder.read_to_end(&mut plain).ok();
    }
    plain
}

/// Every event of the fixtures.
pub(crate) fn fixtures() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events");
    let (mut queue, mut files) = (vec![root], Vec::<PathBuf>::new());
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).expect("a readable folder");
            queue.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            files.push(path);
        }
    }
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read(path).expect("a fixture");
        serde_json::from_slice(&text).expect("JSON")
    };
    files.iter().map(read).collect()
}

/// The event as one about another account, under another id.
pub(crate) fn about(account: &str, event: &Value) -> Value {
    fn renamed(value: &mut Value, account: &str) {
        match value {
            Value::String(text) if text.starts_with("acct_") => account.clone_into(text),
            Value::Array(items) => items.iter_mut().for_each(|item| renamed(item, account)),
            Value::Object(members) => {
                let members: &mut Map<String, Value> = members;
                members.values_mut().for_each(|member| renamed(member, account));
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut event = event.clone();
    renamed(&mut event, account);
    for at in ["/livemode", "/data/object/livemode"] {
        if let Some(livemode) = event.pointer_mut(at) {
            *livemode = false.into();
        }
    }
    let id = format!("{}_{account}", event["id"].as_str().expect("an id"));
    event["id"] = id.into();
    event
}
