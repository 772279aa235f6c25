//! What is printed at the end: what happened, what is true, and what a visitor can do now.

use std::path::Path;

use comfy_table::{Table, presets};
use serde_json::Value;

use crate::cli::Failure;
use crate::cli::demo::plot::Plot;
use crate::cli::demo::stage::Stage;

/// How an object is to be when the story is over.
pub(super) struct Ending<'a> {
    list: &'static str,
    id: &'a str,
    account: Option<&'a str>,
    expected: &'static str,
}

impl<'a> Ending<'a> {
    pub(super) fn of(list: &'static str, id: &'a str, expected: &'static str) -> Self {
        Self { list, id, account: None, expected }
    }

    pub(super) fn owned_by(self, account: &'a str) -> Self {
        Self { account: Some(account), ..self }
    }

    fn path(&self, of: &str) -> String {
        let query = self.account.map_or(String::new(), |account| format!("?account={account}"));
        format!("/v1/{}/{}{of}{query}", self.list, self.id)
    }
}

/// Shows each object's history and status; fails unless all is as it should be.
pub(super) async fn endings(plot: &Plot<'_>, endings: &[Ending<'_>]) -> Result<(), Failure> {
    let mut told = table(&["object", "event", "step", "status", "arrived late"]);
    let mut ended = table(&["object", "status", "as it should be"]);
    let mut wrong = Vec::new();
    for ending in endings {
        add_history(&mut told, ending.id, &plot.read(&ending.path("/history")).await?);
        let is = remarks(&plot.read(&ending.path("")).await?);
        let mark = if is == ending.expected { "yes" } else { "NO" };
        ended.add_row([ending.id, &is, mark]);
        if is != ending.expected {
            wrong.push(format!("{} is to be {}", ending.id, ending.expected));
        }
    }
    wrong.extend(loose_ends(&plot.read("/v1/summary").await?));
    println!("\nWhat happened, in the order that bursar gave the events:\n{told}\n");
    println!("What is true now:\n{ended}\n");
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!("the story did not end as it should: {}", wrong.join("; "))))
}

/// What nobody wants to see at the end.
fn loose_ends(summary: &Value) -> Vec<String> {
    let count = |path: &str| summary.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let counted = ["/events/parked", "/conflicts", "/operations/unknown"];
    let left = counted.into_iter().filter(|path| count(path) > 0);
    left.map(|path| format!("{path} is {}", count(path))).collect()
}

/// The events about one object, and what each did to its status.
fn add_history(table: &mut Table, id: &str, history: &Value) {
    let entries = history.get("data").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let (before, after) = (text("status_before"), text("status_after"));
        let moved = if before.is_empty() || before == after {
            after.to_owned()
        } else {
            format!("{before} -> {after}")
        };
        let late = if entry.get("arrived_late") == Some(&Value::Bool(true)) { "late" } else { "" };
        table.add_row([id, text("type"), text("step"), &moved, late]);
    }
}

/// The status, and what else of an object a person would want to know.
pub(super) fn remarks(object: &Value) -> String {
    let is = |name: &str| object.get(name) == Some(&Value::Bool(true));
    let status = object.get("status").and_then(Value::as_str).unwrap_or("?");
    let marks = [("payable", is("payable")), ("failed_after_paid", is("failed_after_paid"))];
    let marks = marks.into_iter().filter(|(_, is)| *is).map(|(name, _)| format!(", {name}"));
    format!("{status}{}", marks.collect::<String>())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header.to_vec());
    table
}

/// What a visitor needs, in a form that a shell takes.
pub(super) fn invite(stage: &Stage, folder: &Path) {
    let Stage { keys, service, sandbox, sample, .. } = stage;
    println!("Open {sample} in a browser: the page of a platform that pays its makers.\n");
    println!("Still serving; Ctrl-C ends it and removes {}.", folder.display());
    println!("For your shell:");
    println!("  export BURSAR={service} SANDBOX={sandbox} SAMPLE={sample}");
    println!("  export READER={}", keys.reader);
    println!("  export OPERATOR={}", keys.operator);
    println!("  export PAYER={}", keys.payer);
    println!("  export STRIPE_KEY={}", keys.stripe);
    println!("  export WEBHOOK_SECRETS={}\n", stage.secrets());
    println!("Then, for example:");
    println!("  curl -H \"Authorization: Bearer $READER\" $BURSAR/v1/accounts");
    println!("  curl -H \"Authorization: Bearer $READER\" $BURSAR/v1/payouts?status=failed");
    println!("  curl -H \"Authorization: Bearer $READER\" $BURSAR/v1/operations");
    println!("  curl -d '{{\"advance_seconds\": 86400}}' $SANDBOX/_sandbox/clock");
}
