//! Stripe's own libraries as senders: they sign an event and deliver it to a running server.
//!
//! Like the oracles, they are installed by `scripts/test` and named in `BURSAR_ORACLES`.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use crate::process::{Place, SECRET, Server, run_with_input};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/events");

const NOT_RUN: &str =
    "BURSAR_ORACLES is not set: Stripe's libraries delivered nothing; scripts/test installs them";
static SAID: Once = Once::new();

/// The folder of the libraries, or `None` where nobody installed them.
pub(crate) fn libraries() -> Option<PathBuf> {
    let folder = std::env::var_os("BURSAR_ORACLES").map(PathBuf::from);
    if folder.is_none() {
        // Past the test harness, which shows nothing of a test that passes.
        SAID.call_once(|| drop(writeln!(std::io::stderr(), "{NOT_RUN}")));
    }
    folder
}

/// Signs what stands in a file with stripe-node, and posts it.
const NODE: &str = r#"
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const [folder, file, url, secret] = process.argv.slice(2);
const Stripe = createRequire(folder + "/package.json")("stripe");
const payload = readFileSync(file, "utf8");
const header = Stripe.webhooks.generateTestHeaderString({ payload, secret });
const headers = { "Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8" };
const answer = await fetch(url, { method: "POST", headers, body: payload });
console.log(answer.status, await answer.text());
"#;

/// The same with stripe-python.
const PYTHON: &str = r#"
import sys, time, urllib.error, urllib.request
import stripe
file, url, secret = sys.argv[1:]
payload = open(file, encoding="utf-8", newline="").read()
header = stripe.WebhookSignature.generate_signature_header(payload, secret, int(time.time()))
request = urllib.request.Request(url, payload.encode(), {"Stripe-Signature": header})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    answer = opener.open(request)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"#;

#[derive(Clone, Copy)]
enum Library {
    Node,
    Python,
}

/// What the server answered to a delivery by the library.
#[track_caller]
fn deliver(library: Library, folder: &Path, server: &Server, file: &str, secret: &str) -> String {
    let url = format!("{}/webhooks/stripe", server.url());
    let (mut command, script) = match library {
        Library::Node => {
            let mut command = Command::new("node");
            command.args(["--input-type=module", "-"]).arg(folder);
            (command, NODE)
        }
        Library::Python => {
            let mut command = Command::new("python3");
            command.arg("-").env("PYTHONPATH", folder.join("site-packages"));
            (command, PYTHON)
        }
    };
    command.args([file, &url, secret]).stdout(Stdio::piped()).stderr(Stdio::piped());
    run_with_input(command, script.as_bytes()).expect(0).stdout
}

/// An account's life and a payout's, in the order in which the webhooks might arrive.
#[track_caller]
fn tell(library: Library) {
    let Some(folder) = libraries() else { return };
    let folder = folder.canonicalize().expect("the folder that BURSAR_ORACLES names");
    let place = Place::new();
    let server = place.serve();
    for (event, outcome) in [
        ("account.updated/submitted_pending.json", "applied"),
        ("account.updated/complete.json", "applied"),
        ("account.updated/onboarding_started.json", "stale"),
        ("account.updated/complete.json", "duplicate"),
        ("payout.created/pending.json", "applied"),
        ("payout.paid/paid.json", "applied"),
    ] {
        let answer = deliver(library, &folder, &server, &format!("{FIXTURES}/{event}"), SECRET);
        let taken = answer.starts_with("200 ") && answer.contains(outcome);
        assert!(taken, "{event} should be {outcome}: {answer}");
    }
    let account = server.read("/v1/accounts/acct_1TQx8RGh4NwJ6pLd");
    assert_eq!((&account["status"], &account["payable"]), (&"complete".into(), &true.into()));
    let payout = "/v1/payouts/po_1TDetAGh4NwJ6pLdBorokQFx?account=acct_1TQx8RGh4NwJ6pLd";
    assert_eq!(server.read(payout)["status"], "paid");

    let file = format!("{FIXTURES}/payout.failed/returned.json");
    let answer = deliver(library, &folder, &server, &file, "whsec_of_someone_else");
    assert!(answer.starts_with("400 ") && answer.contains("signature_mismatch"), "{answer}");
    assert_eq!(server.read(payout)["status"], "paid");
    server.stop();
}

#[test]
fn stripe_node_delivers_and_the_status_can_be_read() {
    tell(Library::Node);
}

#[test]
fn stripe_python_delivers_and_the_status_can_be_read() {
    tell(Library::Python);
}
