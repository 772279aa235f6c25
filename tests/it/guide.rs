//! docs/guide.md, as it stands: its commands are run, and what comes back is what it says.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::process::{LIMIT, Place, Process, text};

const GUIDE: &str = include_str!("../../docs/guide.md");
/// Stands in the guide for what differs each time.
const ANY: &str = "...";

/// A fenced block of the guide.
struct Block {
    is_answer: bool,
    text: String,
}

/// The blocks, with these texts in the place of others.
fn blocks(replaced: &[(&str, &str)]) -> Vec<Block> {
    let guide = replaced.iter().fold(GUIDE.to_owned(), |guide, (from, to)| guide.replace(from, to));
    let mut blocks = Vec::new();
    for fenced in guide.split("```").skip(1).step_by(2) {
        let (language, text) = fenced.split_once('\n').unwrap();
        let is_answer = match language {
            "sh" => false,
            "json" => true,
            other => panic!("a block of {other:?}"),
        };
        blocks.push(Block { is_answer, text: text.to_owned() });
    }
    blocks
}

/// Nobody listens there, at least for now.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A shell in which `bursar` is the program under test.
fn shell(place: &Place, script: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_bursar")).parent().unwrap();
    let mut command = Command::new("bash");
    command.args(["-euc", &format!("PATH={}:$PATH\n{script}", text(folder))]);
    command.current_dir(place.path("."));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Whoever reads the guide types into one shell.
struct Reader {
    place: Place,
    /// Variables that were set so far.
    set: String,
    last_answer: Value,
}

impl Reader {
    fn run(&self, commands: &str) -> Result<Value, String> {
        let script = format!("curl() {{ command curl -sS \"$@\"; }}\n{}\n{commands}", self.set);
        let output = shell(&self.place, &script).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&answer).map_err(|error| {
            format!("{error}: {answer:?}, {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// What only looks is looked at until it is so: webhooks take a moment.
    fn check(&mut self, commands: &str, expected: &Value) {
        let deadline = Instant::now() + LIMIT;
        let only_looks = !commands.contains(" -d ");
        loop {
            let answer = self.run(commands).and_then(|answer| match differs(expected, &answer) {
                Some(difference) => Err(format!("{difference} in {answer:#}")),
                None => Ok(answer),
            });
            match answer {
                Ok(answer) => {
                    self.last_answer = answer;
                    return;
                }
                Err(_) if only_looks && Instant::now() < deadline => std::thread::yield_now(),
                Err(why) => panic!("{commands}\n{why}"),
            }
        }
    }

    /// `NAME=acct_...` takes the id from the last answer.
    fn set(&mut self, assignment: &str) {
        let assignment = match assignment.trim_end().strip_suffix(ANY) {
            None => assignment.to_owned(),
            Some(start) => {
                let (_, prefix) = start.split_once('=').unwrap();
                let known = self.last_answer.to_string();
                let id = known.split('"').find(|text| text.starts_with(prefix));
                start.replace(prefix, id.unwrap_or_else(|| panic!("no {prefix} in {known}")))
            }
        };
        self.set.push_str(assignment.trim_end());
        self.set.push('\n');
    }
}

/// Where `actual` is not what the guide says.
fn differs(expected: &Value, actual: &Value) -> Option<String> {
    let differs_here = || Some(format!("{expected} was expected, not {actual}"));
    match (expected, actual) {
        (Value::String(expected), _) if expected == ANY => None,
        (Value::String(expected), Value::String(actual)) => match expected.strip_suffix(ANY) {
            Some(prefix) if actual.starts_with(prefix) => None,
            None if expected == actual => None,
            _ => differs_here(),
        },
        (Value::Object(expected), Value::Object(actual)) => {
            let unsaid = actual.keys().find(|name| !expected.contains_key(*name));
            if let Some(name) = unsaid.filter(|_| !expected.contains_key(ANY)) {
                return Some(format!("`{name}` is not expected"));
            }
            expected.iter().filter(|(name, _)| *name != ANY).find_map(|(name, expected)| {
                match actual.get(name) {
                    None => Some(format!("`{name}` is missing")),
                    Some(actual) => differs(expected, actual).map(|why| format!("`{name}`: {why}")),
                }
            })
        }
        (Value::Array(expected), Value::Array(actual)) => {
            let open = expected.last().is_some_and(|last| last == ANY);
            let named = &expected[..expected.len() - usize::from(open)];
            if actual.len() < named.len() || !open && actual.len() > named.len() {
                return differs_here();
            }
            named.iter().zip(actual).find_map(|(expected, actual)| differs(expected, actual))
        }
        _ if expected == actual => None,
        _ => differs_here(),
    }
}

#[test]
fn the_guide_says_what_happens() {
    let place = Place::new();
    let (bursar, stripe) = (free_address(), free_address());
    let blocks = blocks(&[("127.0.0.1:8787", &bursar), ("127.0.0.1:12111", &stripe)]);
    let [sandbox, serve, rest @ ..] = blocks.as_slice() else { panic!("a guide has steps") };

    let sandbox = sandbox.text.trim_end().replace("bursar sandbox", "exec bursar sandbox");
    let mut sandbox = Process::start(shell(&place, &format!("{sandbox} --bind {stripe}")));
    sandbox.until_it_prints("Ctrl-C");
    let serve = serve.text.replace("bursar serve", &format!("exec bursar serve --bind {bursar}"));
    let mut serve = Process::start(shell(&place, &serve));
    serve.until_it_says("is listening");

    let mut reader = Reader { place, set: String::new(), last_answer: Value::Null };
    let mut checked = 0;
    for (index, block) in rest.iter().enumerate() {
        match rest.get(index + 1) {
            _ if block.is_answer => {}
            Some(answer) if answer.is_answer => {
                let expected = serde_json::from_str(&answer.text);
                let expected = expected.unwrap_or_else(|error| panic!("{error}: {}", answer.text));
                reader.check(&block.text, &expected);
                checked += 1;
            }
            _ => reader.set(&block.text),
        }
    }
    assert!(checked > 15, "{checked} answers were compared");
    serve.signal("TERM");
    serve.end().expect(0);
    sandbox.signal("TERM");
    sandbox.end().expect(0);
}

#[test]
fn what_the_guide_does_not_say_is_seen() {
    let expected = serde_json::json!({"id": "tr_...", "list": [1, "..."], "inner": {"a": 1}});
    let fits = serde_json::json!({"id": "tr_1", "list": [1, 2, 3], "inner": {"a": 1}});
    assert_eq!(differs(&expected, &fits), None);
    for (path, other) in [("/id", "po_1"), ("/list", "1"), ("/list/0", "2"), ("/inner/a", "1")] {
        let mut actual = fits.clone();
        *actual.pointer_mut(path).unwrap() = Value::from(other);
        assert!(differs(&expected, &actual).is_some(), "{path}");
    }
    let mut more = fits.clone();
    more["inner"]["b"] = Value::Null;
    assert!(differs(&expected, &more).is_some());
}
