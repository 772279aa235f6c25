//! schemathesis makes requests of the API's description, right ones and wrong ones, and holds the
//! answers against it.
//!
//! Like the oracles, it is installed by `scripts/test` and named in `BURSAR_ORACLES`.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::clients::libraries;
use crate::process::Place;
use crate::support::events::{one_of_each, topup};
use crate::support::platform::Platform;
use crate::support::with;

/// Its token has every role: what a role may not do, `openapi` tries.
const TOKENS: &str = "reader/dashboard=reader-token,operator/olga=operator-token,\
                      payer/pat=payer-token,reader/all=every,operator/all=every,payer/all=every";

/// Every check that it has, with these exceptions.
const SETTINGS: &str = r#"
[auth.openapi.token]
bearer = "every"

# A cursor, an id or a key that looks right may still be refused: only we know what it means.
[checks.positive_data_acceptance]
enabled = false

# What is too long is refused by its length, before anything else is looked at; and what is wrong
# in a request about something that is not there is not looked at.
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 409, 410, 413]

# It would wait for what does not come.
[[operations]]
include-path = "/v1/changes"
parameters = { wait = 0 }
"#;

/// It would wait for the end of a stream that has none.
const ENDLESS: &str = "/v1/changes/stream";
/// Requests for each method of a path, beside those for every bound in the description.
const EXAMPLES: &str = "12";
const SEED: &str = "20261126";
const SECONDS_FOR_AN_ANSWER: &str = "20";

#[test]
fn nothing_that_the_description_allows_or_forbids_breaks_the_server_or_its_word() {
    let Some(folder) = libraries() else { return };
    let platform = Platform::start_with(&[("TOKENS", TOKENS)]);
    let account = platform.payable("ada");
    platform.funds(1_000_000);
    let transfer = json!({ "amount": 700, "currency": "usd", "destination": account });
    platform.done(201, "/v1/transfers", "transfer", &transfer);
    for (_, event) in one_of_each() {
        platform.app.outcome(&event);
    }
    let odd = with(topup("tu_odd", "created", "pending"), "data.object.status", json!("odd"));
    assert_eq!(platform.app.outcome(&odd), "parked");

    let place = Place::new();
    let settings = place.write("schemathesis.toml", SETTINGS);
    let mut command = Command::new("python3");
    command.args(["-m", "schemathesis.cli", "--config-file", &settings, "run"]);
    command.arg(format!("http://{}/openapi.json", platform.app.address()));
    // One worker: of several, some releases of Python 3.11 mix up what they parse.
    command.args(["--max-examples", EXAMPLES, "--seed", SEED, "--workers", "1"]);
    command.args(["--exclude-path", ENDLESS, "--request-timeout", SECONDS_FOR_AN_ANSWER]);
    command.env("PYTHONPATH", folder.join("site-packages")).current_dir(place.path(""));
    command.env("PYTHONUTF8", "1").env("NO_COLOR", "1").env("COLUMNS", "100");
    let ended = command.stdin(Stdio::null()).output().expect("python3");
    let said = String::from_utf8_lossy(&ended.stdout);
    let from = said.find("= FAILURES =").or_else(|| said.find("= ERRORS =")).unwrap_or(0);
    let lines = said[from..].lines().map(|line| line.chars().take(400).collect::<String>());
    let shown = lines.collect::<Vec<_>>().join("\n");
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{shown}\n{errors}");
    let mut told = said.lines().filter_map(|line| line.trim().split_once(" generated"));
    let tried: usize = told.find_map(|(number, _)| number.parse().ok()).unwrap_or(0);
    assert!(tried > 2_000, "only {tried} were tried: {shown}");
    println!("schemathesis tried {tried} requests");
    assert_eq!(platform.app.send(&crate::support::Request::get("/readyz")).status, 200);
}
