//! Stripe's own libraries as oracles: the same deliveries go to them and to us.
//!
//! `scripts/test` installs the libraries and names their folder in `BURSAR_ORACLES`. Without that
//! variable the oracles are not asked and these tests say so; with it, a missing one is a failure.
//!
//! As a rule we take what both libraries take and refuse what both refuse. Each exception is a row
//! below, with its reason.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use bursar::secret::Secret;
use bursar::stripe::signature::{Verifier, WebhookSecret, sign};

const SECRET: &str = "whsec_oracle";
const NOW: i64 = 1_700_000_000;
const TOLERANCE_SECONDS: u64 = 300;
const BODY: &str = r#"{"id":"evt_1","object":"event"}"#;

const NOT_ASKED: &str =
    "BURSAR_ORACLES is not set: Stripe's own libraries were not asked; scripts/test installs them";
static SAID: Once = Once::new();

/// The folder of the oracles, or `None` where nobody installed them.
fn oracles() -> Option<PathBuf> {
    let folder = std::env::var_os("BURSAR_ORACLES").map(PathBuf::from);
    if folder.is_none() {
        // Past the test harness, which shows nothing of a test that passes.
        SAID.call_once(|| drop(writeln!(std::io::stderr(), "{NOT_ASKED}")));
    }
    folder
}

#[derive(Clone)]
struct Delivery {
    header: Vec<u8>,
    body: Vec<u8>,
}

impl Delivery {
    fn new(header: impl Into<Vec<u8>>, body: impl Into<Vec<u8>>) -> Self {
        Self { header: header.into(), body: body.into() }
    }

    fn question(&self) -> Value {
        json!({
            "op": "verify",
            "header": latin1(&self.header),
            "body": latin1(&self.body),
            "secret": SECRET,
            "tolerance": TOLERANCE_SECONDS,
            "now": NOW,
        })
    }
}

/// A character for each byte, as the oracles expect it.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Who took a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdicts {
    ours: bool,
    node: bool,
    python: bool,
}

const ALL: Verdicts = Verdicts { ours: true, node: true, python: true };
const NONE: Verdicts = Verdicts { ours: false, node: false, python: false };
const BOTH_LIBRARIES: Verdicts = Verdicts { ours: false, node: true, python: true };
const ONLY_NODE: Verdicts = Verdicts { ours: false, node: true, python: false };
const ONLY_PYTHON: Verdicts = Verdicts { ours: false, node: false, python: true };
const ONLY_OURS: Verdicts = Verdicts { ours: true, node: false, python: false };
const OURS_AND_NODE: Verdicts = Verdicts { ours: true, node: true, python: false };
const OURS_AND_PYTHON: Verdicts = Verdicts { ours: true, node: false, python: true };

fn judge(folder: &Path, deliveries: &[Delivery]) -> Vec<Verdicts> {
    let questions: Vec<Value> = deliveries.iter().map(Delivery::question).collect();
    let node = accepted(ask(node(folder), &questions));
    let python = accepted(ask(python(folder), &questions));
    let judged = deliveries.iter().zip(node).zip(python);
    judged
        .map(|((delivery, node), python)| Verdicts { ours: we_take(delivery), node, python })
        .collect()
}

fn we_take(delivery: &Delivery) -> bool {
    let secrets = [WebhookSecret::new("oracle", Secret::new(SECRET))];
    let verifier = Verifier::new(&secrets, TOLERANCE_SECONDS);
    verifier.verify(&delivery.header, &delivery.body, NOW).is_ok()
}

fn accepted(answers: Vec<Value>) -> impl Iterator<Item = bool> {
    let accepted = |answer: Value| answer.get("accepted").and_then(Value::as_bool);
    answers.into_iter().map(move |answer| accepted(answer).expect("a verdict"))
}

fn node(folder: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg(folder.join("node_oracle.mjs"));
    command
}

fn python(folder: &Path) -> Command {
    let mut command = Command::new("python3");
    command.arg(folder.join("python_oracle.py"));
    command.env("PYTHONPATH", folder.join("site-packages")).env("PYTHONUTF8", "1");
    command
}

/// Runs an oracle once over all questions. They lie in a file, so that neither side of a pipe
/// waits for the other.
#[track_caller]
fn ask(mut oracle: Command, questions: &[Value]) -> Vec<Value> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    for question in questions {
        writeln!(file, "{question}").expect("a written question");
    }
    file.seek(SeekFrom::Start(0)).expect("a rewound file");
    let output = oracle.stdin(Stdio::from(file)).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{oracle:?} does not start: {error}"));
    assert!(output.status.success(), "{oracle:?} ended with {}", output.status);
    let answers = String::from_utf8(output.stdout).expect("answers in UTF-8");
    let answers: Vec<Value> = answers
        .lines()
        .map(|line| serde_json::from_str(line).expect("an answer in JSON"))
        .collect();
    assert_eq!(answers.len(), questions.len(), "{oracle:?} left questions open");
    answers
}

/// The `v1` that goes with any text for `t`.
fn v1(timestamp: &str, body: &[u8]) -> String {
    let keyed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
    let mac = keyed.chain_update(timestamp).chain_update(b".").chain_update(body).finalize();
    hex::encode(mac.as_bytes())
}

/// A delivery of `BODY`; in the header NOW, GOOD and WRONG stand for what they say, and each
/// character for a byte.
fn header(text: &str) -> Delivery {
    let text = text
        .replace("GOOD", &v1(&NOW.to_string(), BODY.as_bytes()))
        .replace("WRONG", &"0".repeat(64))
        .replace("NOW", &NOW.to_string());
    let byte = |character| u8::try_from(character).expect("a character that stands for a byte");
    Delivery::new(text.chars().map(byte).collect::<Vec<_>>(), BODY)
}

/// A delivery of `BODY`, rightly signed at another time.
fn at(unix_seconds: i64) -> Delivery {
    Delivery::new(sign(SECRET, BODY.as_bytes(), unix_seconds), BODY)
}

/// A delivery of another body, rightly signed.
fn signed(body: impl AsRef<[u8]>) -> Delivery {
    Delivery::new(sign(SECRET, body.as_ref(), NOW), body.as_ref())
}

/// A delivery whose body is not the one that was signed.
fn changed(signed: &str, delivered: impl Into<Vec<u8>>) -> Delivery {
    Delivery::new(sign(SECRET, signed.as_bytes(), NOW), delivered)
}

/// A verdict, why it differs between the three if it does, and the delivery.
type Row = (Verdicts, &'static str, Delivery);

/// Our part of the verdicts holds without the oracles, too.
#[track_caller]
fn check(rows: &[Row]) {
    let deliveries: Vec<Delivery> = rows.iter().map(|(_, _, delivery)| delivery.clone()).collect();
    let found: Vec<Verdicts> = match oracles() {
        Some(folder) => judge(&folder, &deliveries),
        None => {
            rows.iter().map(|(told, _, new)| Verdicts { ours: we_take(new), ..*told }).collect()
        }
    };
    for ((expected, why, delivery), found) in rows.iter().zip(found) {
        let header = latin1(&delivery.header);
        assert_eq!(found, *expected, "{header:?} with {:?} ({why})", latin1(&delivery.body));
    }
}

#[test]
fn all_take_what_stripe_sends() {
    let same = |delivery| (ALL, "", delivery);
    check(&[
        same(header("t=NOW,v1=GOOD")),
        same(header("v1=GOOD,t=NOW")),
        same(header("t=NOW,v1=WRONG,v1=GOOD,v0=WRONG")),
        same(header("t=NOW,v1=GOOD,v1=WRONG")),
        same(header("t=NOW,v1=GOOD,v1=GOOD")),
        same(header("t=NOW,,=,v2=x,whatever,v1=GOOD,")),
        same(header("t=NOW,v1=GOOD,\u{ff}\u{fe}=\u{80}")),
        same(header("t=NOW,v1=GOOD,v1=\u{ff}")),
        same(header("t=00000000NOW,v1=GOOD")),
        same(header(&format!("t=NOW,{}v1=GOOD", "v1=WRONG,".repeat(63)))),
        same(at(NOW - 300)),
        same(at(NOW + 300)),
        same(signed("{\"object\":\"event\",\"name\":\"Zoë — 東京\"}\n")),
    ]);
}

#[test]
fn all_refuse_what_stripe_did_not_sign() {
    let same = |delivery| (NONE, "", delivery);
    let good = header("t=NOW,v1=GOOD").header;
    let upper_hex = latin1(&good).to_uppercase().replacen('T', "t", 1).replacen('V', "v", 1);
    check(&[
        same(header("")),
        same(header(",")),
        same(header("t")),
        same(header("t=NOW")),
        same(header("v1=GOOD")),
        same(header("T=NOW,V1=GOOD")),
        same(header("t=,v1=GOOD")),
        same(header("t,v1=GOOD")),
        same(header("t=NOW,v1=GOOD,t")),
        same(header("t=NOW,v0=GOOD")),
        same(header("t=NOW,v1")),
        same(header("t=NOW,v1=")),
        same(header("t=NOW,v1=WRONG")),
        same(header("t=NOW, v1=GOOD")),
        same(header("t=NOW,v1= GOOD")),
        same(header("t=NOW,v1=GOOD ")),
        same(header("t=NOW,v1=GOOD00")),
        same(header("t=NOW;v1=GOOD")),
        same(header(&upper_hex)),
        same(changed(BODY, format!("{BODY} "))),
        same(Delivery::new(sign("whsec_other", BODY.as_bytes(), NOW), BODY)),
        same(Delivery::new(sign("oracle", BODY.as_bytes(), NOW), BODY)),
        same(at(NOW - 301)),
        same(at(-1)),
    ]);
}

#[test]
fn our_time_is_the_stricter_one() {
    let not_a_number = Delivery::new(format!("t=x,v1={}", v1("NaN", BODY.as_bytes())), BODY);
    check(&[
        (BOTH_LIBRARIES, "they let any time ahead pass, so a copy lives long", at(NOW + 301)),
        (BOTH_LIBRARIES, "int() and parseInt() take a sign", header("t=+NOW,v1=GOOD")),
        (BOTH_LIBRARIES, "int() and parseInt() skip a blank", header("t= NOW,v1=GOOD")),
        (BOTH_LIBRARIES, "and any of Unicode's blanks", header("t=\u{a0}NOW,v1=GOOD")),
        (BOTH_LIBRARIES, "and a blank behind", header("t=NOW ,v1=GOOD")),
        (BOTH_LIBRARIES, "we take 18 digits", header("t=000000000NOW,v1=GOOD")),
        (BOTH_LIBRARIES, "they drop what follows a second `=`", header("t=NOW=1,v1=GOOD")),
        (BOTH_LIBRARIES, "two are two, be they the same", header("t=NOW,t=NOW,v1=GOOD")),
        (ONLY_NODE, "the last counts there", header("t=1,t=NOW,v1=GOOD")),
        (ONLY_NODE, "the last counts there, be the first unreadable", header("t=x,t=NOW,v1=GOOD")),
        (ONLY_PYTHON, "the first counts there", header("t=NOW,t=1,v1=GOOD")),
        (ONLY_NODE, "parseInt() stops at a letter", header("t=NOWs,v1=GOOD")),
        (ONLY_NODE, "parseInt() stops at the point", header("t=NOW.5,v1=GOOD")),
        (ONLY_PYTHON, "int() takes `_` between digits", header("t=1_700_000_000,v1=GOOD")),
        (ONLY_NODE, "NaN is signed as text there and is never too old", not_a_number),
    ]);
}

#[test]
fn our_signature_is_the_stricter_one() {
    let sixty_five = format!("t=NOW,{}v1=GOOD", "v1=WRONG,".repeat(64));
    let replaced = changed("{\"id\":\"\u{fffd}\"}", b"{\"id\":\"\xff\"}");
    check(&[
        (BOTH_LIBRARIES, "they drop what follows a second `=`", header("t=NOW,v1=GOOD=")),
        (BOTH_LIBRARIES, "64 bound the work a stranger can ask for", header(&sixty_five)),
        (ONLY_NODE, "it signs without the mark", changed(BODY, format!("\u{feff}{BODY}"))),
        (ONLY_NODE, "it signs U+FFFD in place of what is not UTF-8", replaced),
    ]);
}

/// Each library throws at some items it cannot read, even beside a genuine `v1`. We pass over
/// them: what stands next to a genuine signature takes nothing from it.
#[test]
fn an_item_that_a_library_throws_at_does_not_harm_a_good_one() {
    let long = "\u{ff}".repeat(64);
    check(&[
        (OURS_AND_PYTHON, "Node throws at an empty one", header("t=NOW,v1=GOOD,v1=")),
        (
            OURS_AND_PYTHON,
            "Node throws at 64 characters that are more bytes",
            header(&format!("t=NOW,v1=GOOD,v1={long}")),
        ),
        (OURS_AND_NODE, "Python throws beyond ASCII", header("t=NOW,v1=\u{ff},v1=GOOD")),
        (ONLY_OURS, "both throw at one without `=`", header("t=NOW,v1=GOOD,v1")),
        (
            ONLY_OURS,
            "both throw, each for its own reason",
            header(&format!("t=NOW,v1={long},v1=GOOD")),
        ),
    ]);
}

/// The libraries read the body in the same call. For us that is the next step, which answers
/// `not_an_event` or stores what they would not hand out.
#[test]
fn the_body_is_judged_elsewhere() {
    check(&[
        (ONLY_OURS, "no body", signed("")),
        (ONLY_OURS, "no JSON", signed("event")),
        (ONLY_OURS, "not UTF-8", signed(b"{\"object\":\"\xff\"}")),
        (
            OURS_AND_PYTHON,
            "Node signs without a byte-order mark",
            signed(format!("\u{feff}{BODY}")),
        ),
        (ONLY_OURS, "a thin event", signed(r#"{"id":"evt_1","object":"v2.core.event"}"#)),
    ]);
}

/// Every header of up to three of these items, in every order.
#[test]
fn no_short_header_is_judged_otherwise_without_a_reason() {
    let items = [
        "t=NOW",
        "t=+NOW",
        "t=0NOW",
        "t=NOWs",
        "t=NOW=1",
        "t=1",
        "t=",
        "t",
        " t=NOW",
        "T=NOW",
        "v1=GOOD",
        "v1=GOOD=",
        "v1= GOOD",
        " v1=GOOD",
        "v1=WRONG",
        "v1=\u{ff}",
        "v1=",
        "v1",
        "v0=GOOD",
        "=",
        "",
    ];
    let Some(folder) = oracles() else { return };
    let mut headers: Vec<String> = items.map(str::to_owned).to_vec();
    for first in items {
        for second in items {
            headers.push(format!("{first},{second}"));
            headers.extend(items.map(|third| format!("{first},{second},{third}")));
        }
    }
    let deliveries: Vec<Delivery> = headers.iter().map(|text| header(text)).collect();
    let verdicts = judge(&folder, &deliveries);
    assert!(verdicts.contains(&ALL) && verdicts.contains(&NONE));
    for (text, Verdicts { ours, node, python }) in headers.iter().zip(verdicts) {
        let laxer = ours && !node && !python;
        let stricter = !ours && node && python;
        assert!(!laxer || has_a_v1_they_throw_at(text), "only we take {text:?}");
        assert!(!stricter || has_what_we_refuse(text), "only we refuse {text:?}");
    }
}

fn has_a_v1_they_throw_at(header: &str) -> bool {
    header.split(',').any(|item| matches!(item, "v1" | "v1=" | "v1=\u{ff}"))
}

fn has_what_we_refuse(header: &str) -> bool {
    let times: Vec<&str> = header.split(',').filter_map(|item| item.strip_prefix("t=")).collect();
    let plain = matches!(times[..], ["NOW" | "0NOW"]);
    !plain || header.split(',').any(|item| item == "v1=GOOD=")
}

#[test]
fn all_sign_alike() {
    let Some(folder) = oracles() else { return };
    let bodies = ["", BODY, "{\n  \"name\": \"Zoë — 東京\"\n}\r\n", "\0\u{7f}\u{1f980}"];
    let times = [1, NOW, 4_102_444_800];
    let mut questions = Vec::new();
    let mut answers = Vec::new();
    for (body, timestamp) in bodies.iter().flat_map(|body| times.map(|time| (body, time))) {
        questions.push(json!({
            "op": "sign",
            "body": latin1(body.as_bytes()),
            "secret": SECRET,
            "timestamp": timestamp,
        }));
        answers.push(json!({ "header": sign(SECRET, body.as_bytes(), timestamp) }));
    }
    assert_eq!(ask(node(&folder), &questions), answers, "Node");
    assert_eq!(ask(python(&folder), &questions), answers, "Python");
}

#[test]
fn the_official_command_line_tool_starts() {
    let Some(folder) = oracles() else { return };
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(folder.join("node_modules/.bin/stripe"))
        .arg("--version")
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path())
        .output()
        .expect("Stripe's command-line tool, as scripts/test installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.starts_with("stripe version 1."), "{output:?}");
}
