//! Stripe's own libraries, unmodified, as a platform's back end: they drive the stand-in through
//! every call of the guide, receive its webhooks, and verify them.
//!
//! Like the oracles, they are installed by `scripts/test` and named in `BURSAR_ORACLES`.

use std::process::{Command, Stdio};

use bursar::sandbox::server::{Clock, Options};
use serde_json::{Value, json};

use crate::clients::libraries;
use crate::process::run;
use crate::support::stand_in::StandIn;

/// A Wednesday, at noon: no day ends while a script runs.
const NOON: i64 = 1_790_164_800;

/// What the library found, in the end.
#[track_caller]
fn guide(command: impl FnOnce(&std::path::Path) -> Command) -> Option<Value> {
    let folder = libraries()?.canonicalize().expect("the folder that BURSAR_ORACLES names");
    let stripe = StandIn::start_with(Options { clock: Clock::Still(NOON), ..Options::default() });
    let mut command = command(&folder);
    command.arg(stripe.running.url()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = run(command).expect(0).stdout;
    Some(serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}")))
}

/// What is found whatever the language; the names of errors begin with `prefix`.
fn expected(prefix: &str) -> Value {
    let error = |text: &str| format!("{prefix}{text}");
    json!({
        "endpoints": 2, "persons": ["jane@example.com"], "expires_in": 300,
        "returned_to": "http://localhost/return", "status": [true, true, "active"],
        "capability": "active", "prefill_after_link": error("PermissionError - -"),
        "replayed": true, "mismatch": error("IdempotencyError - -"),
        "topups": ["pending", "canceled", "failed", "insufficient_funds", "succeeded", 0],
        "too_early": error("InvalidRequestError balance_insufficient -"),
        "transfers": [[true, 1000]], "reversal": [200, 1], "balances": [1200, 800],
        "unknown_parameter": error("InvalidRequestError parameter_unknown why"),
        "payouts": ["pending", "paid", [[500, true], [300, false]]],
        "transactions": [-500, -300],
        "events": [
            "transfer.reversed", "transfer.updated", "transfer.created", "balance.available",
            "topup.succeeded", "topup.failed", "topup.created", "topup.canceled",
            "topup.created", "topup.created",
        ],
        "chronological": [
            "topup.created", "topup.canceled", "topup.created", "topup.failed",
            "topup.succeeded", "balance.available", "transfer.created", "transfer.updated",
            "transfer.reversed",
        ],
        "same_event": true, "misheard": [], "wrong_scope": 0, "heard": true, "gone": true,
        "not_found": error("InvalidRequestError resource_missing id"),
        "no_access": error("PermissionError account_invalid -"),
        "unauthenticated": error("AuthenticationError - -"), "rejected": "rejected.fraud",
        "accounts": 1,
    })
}

#[track_caller]
fn check(found: &Value, expected: &Value) {
    for (name, expected) in expected.as_object().expect("an object") {
        assert_eq!(&found[name], expected, "{name}");
    }
}

#[test]
fn stripe_node_goes_through_the_guide() {
    let found = guide(|folder| {
        let mut command = Command::new("node");
        command.arg(folder.join("node_guide.mjs"));
        command
    });
    let Some(found) = found else { return };
    check(&found, &expected("Stripe"));
}

#[test]
fn stripe_python_goes_through_the_guide() {
    let found = guide(|folder| {
        let mut command = Command::new("python3");
        command.arg(folder.join("python_guide.py"));
        command.env("PYTHONPATH", folder.join("site-packages")).env("PYTHONUTF8", "1");
        command
    });
    let Some(mut found) = found else { return };
    // This library does not hand on the code of a 403.
    assert_eq!(found["no_access"], "PermissionError - -");
    found["no_access"] = json!("PermissionError account_invalid -");
    check(&found, &expected(""));
}
