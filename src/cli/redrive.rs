//! `bursar redrive`

use serde_json::Value;

use crate::cli::count::Outcomes;
use crate::cli::remote::{Caller, Remote, encoded};
use crate::cli::{Failure, block_on};

/// Try parked events again
///
/// After an upgrade that may understand them, bursar does this by itself; this command says what
/// becomes of them now. It asks a running server.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bursar redrive --all --dry-run --token $TOKEN\n  bursar redrive evt_1ABC evt_1DEF"
)]
pub struct Arguments {
    /// Events to try again
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// Try all parked events again
    #[arg(long)]
    all: bool,
    /// Say what would become of them, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    remote: Remote,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut outcomes = Outcomes::default();
    block_on(async {
        let caller = arguments.remote.caller()?;
        if arguments.all {
            all(&caller, arguments.dry_run, &mut outcomes).await
        } else {
            each(&caller, arguments, &mut outcomes).await
        }
    })?;
    report(&outcomes, arguments.dry_run)
}

async fn all(caller: &Caller, dry_run: bool, outcomes: &mut Outcomes) -> Result<(), Failure> {
    let answer = caller.post("/v1/redrives", parameters(dry_run)).await?;
    if !answer.is_success() {
        return Err(Failure::Failed(answer.problem()));
    }
    let results = answer.json.get("results").and_then(Value::as_array);
    for result in results.into_iter().flatten() {
        let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
        note(outcomes, text("id"), text("outcome"));
    }
    Ok(())
}

async fn each(
    caller: &Caller,
    arguments: &Arguments,
    outcomes: &mut Outcomes,
) -> Result<(), Failure> {
    for id in &arguments.ids {
        let path = format!("/v1/events/{}/redrive", encoded(id));
        let answer = caller.post(&path, parameters(arguments.dry_run)).await?;
        match answer.status {
            404 => note(outcomes, id, "unknown"),
            409 => note(outcomes, id, "not parked"),
            _ if answer.is_success() => note(outcomes, id, answer.text("outcome")),
            _ => return Err(Failure::Failed(format!("{id}: {}", answer.problem()))),
        }
    }
    Ok(())
}

fn parameters(dry_run: bool) -> &'static [(&'static str, &'static str)] {
    if dry_run { &[("dry_run", "true")] } else { &[] }
}

fn note(outcomes: &mut Outcomes, id: &str, outcome: &str) {
    println!("{id}  {outcome}");
    outcomes.count(outcome);
}

fn report(outcomes: &Outcomes, dry_run: bool) -> Result<(), Failure> {
    println!("{}", outcomes.told(if dry_run { "would try" } else { "tried" }));
    if outcomes.of("parked") > 0 {
        eprintln!(
            "those still parked cannot be used by this version either; GET /v1/events?outcome=parked says why"
        );
    }
    match outcomes.of("unknown") {
        0 => Ok(()),
        count => Err(Failure::Failed(format!(
            "events that are not known there: {count}; --livemode true or false chooses the partition, and --url the server"
        ))),
    }
}
