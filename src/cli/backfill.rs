//! `bursar backfill`

use std::time::Duration;

use serde_json::Value;

use crate::cli::client::Answer;
use crate::cli::remote::{Caller, Remote, encoded};
use crate::cli::{Failure, block_on};

/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Fetch missed events from Stripe
///
/// Reads Stripe's lists of events, the platform's own and that of each connected account, back to
/// where the last complete run had begun, and stores what is not known yet. It asks a running
/// server, which must have a key of Stripe's.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  bursar backfill --token $TOKEN\n  bursar backfill --full")]
pub struct Arguments {
    /// As far back as Stripe goes, 30 days, whatever is known already
    #[arg(long)]
    full: bool,
    /// Only ask for it; do not wait for its end
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    remote: Remote,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let report = block_on(async {
        let caller = arguments.remote.caller()?;
        let full: &[_] = if arguments.full { &[("full", "true")] } else { &[] };
        let report = ok(caller.post("/v1/backfills", full).await?)?;
        if arguments.no_wait { Ok(report) } else { end_of(&caller, report).await }
    })?;
    tell(&report)
}

async fn end_of(caller: &Caller, mut report: Value) -> Result<Value, Failure> {
    let path = format!("/v1/backfills/{}", encoded(text(&report, "id")));
    while matches!(text(&report, "state"), "waiting" | "running") {
        tokio::time::sleep(LOOK_EVERY).await;
        report = ok(caller.get(&path, &[]).await?)?;
    }
    Ok(report)
}

fn ok(answer: Answer) -> Result<Value, Failure> {
    if answer.is_success() { Ok(answer.json) } else { Err(Failure::Failed(answer.problem())) }
}

fn tell(report: &Value) -> Result<(), Failure> {
    let lists = report.get("accounts").and_then(Value::as_array);
    for list in lists.into_iter().flatten() {
        let whose = list.get("account").and_then(Value::as_str).unwrap_or("the platform");
        let because = |name: &str| list.get(name).and_then(Value::as_str);
        if let Some(reason) = because("failed") {
            println!("{whose}: not read to its end: {reason}");
        }
        match because("skipped") {
            Some(reason) => println!("{whose}: left out: {reason}"),
            None => println!("{whose}: {}", counts(list)),
        }
    }
    let warnings = report.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("warning: {warning}");
    }
    match text(report, "state") {
        "failed" => Err(Failure::Failed(format!(
            "the backfill is not complete: {}; what it has fetched is stored ({})",
            text(report, "reason"),
            counts(report)
        ))),
        "complete" => {
            println!("{}, in {}", counts(report), lists_read(report));
            Ok(())
        }
        state => {
            println!("{} is {state}", text(report, "id"));
            Ok(())
        }
    }
}

fn counts(of: &Value) -> String {
    let [fetched, new, known, parked] =
        ["fetched", "new", "known", "parked"].map(|name| number(of, name));
    let unusable = if parked > 0 { format!(" ({parked} parked)") } else { String::new() };
    format!("{fetched} fetched, {new} new{unusable}, {known} known")
}

fn lists_read(report: &Value) -> String {
    let also = |name: &str, what: &str| match number(report, name) {
        0 => String::new(),
        count => format!("; {what}: {count}"),
    };
    let lists = match number(report, "lists") {
        1 => "one list".to_owned(),
        lists => format!("{lists} lists"),
    };
    let discovered = also("discovered", "accounts not heard of before");
    format!("{lists}{discovered}{}", also("refetched", "objects fetched anew"))
}

fn number(of: &Value, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}
