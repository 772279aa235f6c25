//! How the measurements are shown.

use std::fmt;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::Error;
use crate::figures::{Figure, figures};
use crate::growth::Growth;
use crate::round::{Round, Rounds};
use crate::servers::Server;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    figures: Vec<Figure>,
    rounds: Vec<Round>,
    growth: Option<Growth>,
}

impl Report {
    pub(crate) fn new(rounds: Vec<Round>, growth: Option<Growth>) -> Self {
        Self { figures: figures(&rounds, growth.as_ref()), rounds, growth }
    }

    pub(crate) fn json(&self) -> Result<String, Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rounds.is_empty() {
            writeln!(formatter, "{}\n", servers(&self.rounds))?;
        }
        write!(formatter, "{}", table_of(&self.figures))
    }
}

/// Every server under every load: medians.
fn servers(rounds: &[Round]) -> Table {
    let mut table =
        table(&["load", "server", "per second", "p50 ms", "p99 ms", "cpu us", "disk bytes"]);
    for load in Rounds::by_load(rounds) {
        for server in Server::ALL {
            let Some(per_second) = load.median(server, |leg| Some(leg.per_second)) else {
                continue;
            };
            let of = |value: fn(&crate::round::Leg) -> f64| {
                load.median(server, |leg| Some(value(leg))).unwrap_or_default()
            };
            let disk = load.median(server, |leg| leg.disk_bytes_per_event);
            table.add_row([
                load.name(),
                server.word().to_owned(),
                format!("{per_second:.0}"),
                format!("{:.2}", of(|leg| leg.p50_ms)),
                format!("{:.2}", of(|leg| leg.p99_ms)),
                format!("{:.1}", of(|leg| leg.cpu_us)),
                disk.map(|bytes| format!("{bytes:.0}")).unwrap_or_default(),
            ]);
        }
    }
    table
}

fn table_of(figures: &[Figure]) -> Table {
    let mut table = table(&["what", "seen", "beside"]);
    for figure in figures {
        table.add_row([figure.what.clone(), figure.seen(), figure.beside.clone()]);
    }
    table
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(header.to_vec());
    table
}
