//! `bursar doctor`
//!
//! Looks at everything that can keep a service from doing its work, and says of each in plain
//! words whether it is well, and if not, what helps. It changes nothing, and a server that runs
//! notices no more of it than of a few reads.

mod disk;
mod finding;
mod received;
mod server;
mod settings;
mod store;
mod stripe;

use crate::cli::doctor::finding::Findings;
use crate::cli::doctor::server::{Named, Server};
use crate::cli::doctor::settings::Wanted;
use crate::cli::settings::{All, SettingFlags};
use crate::cli::{Failure, block_on, core_dumps, remote};
use crate::clock;

/// Check settings, store, clock, Stripe key and what has (not) been received, in plain words
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  BURSAR_TOKEN=... bursar doctor\n\nRun it where `bursar serve` runs, with the same settings. Exit code 0: nothing is wrong, warnings aside; 1: something is; 2: wrong usage."
)]
pub struct Arguments {
    #[arg(long, help = remote::URL_HELP)]
    url: Option<String>,
    #[arg(long, help = "Token to call it with, of any role [env: BURSAR_TOKEN]")]
    token: Option<String>,
    #[arg(long, value_name = "FILE", help = remote::CA_HELP)]
    ca: Option<String>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
    /// Exit with 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// Do not call Stripe
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    settings: SettingFlags<All>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    core_dumps::forbid();
    // What opening a store has to say is said by the findings.
    crate::telemetry::start("off", false);
    let settings = arguments.settings.gather();
    let mut findings = Findings::default();
    let wanted = Wanted::check(&settings, &mut findings);
    let Arguments { url, ca, token, .. } = arguments;
    let named = Named { url: url.as_ref(), ca: ca.as_ref(), token: token.as_ref() };
    block_on(async {
        let server = Server::find(&settings, named, &wanted, &mut findings).await;
        let stored = store::check(&wanted, server.as_ref(), &mut findings);
        let heard = match &server {
            Some(server) => server.ask(&mut findings).await,
            None => stored.map(|summaries| received::of_store(&summaries, &wanted, clock::now())),
        };
        if arguments.offline {
            findings.note("stripe", "not asked, because of --offline");
        } else {
            stripe::check(&wanted, &mut findings).await;
        }
        if let Some(heard) = heard {
            heard.judge(&mut findings);
        }
    });
    if arguments.json {
        println!("{}", findings.json());
    } else {
        print!("{findings}");
    }
    if findings.are_good(arguments.strict) { Ok(()) } else { Err(Failure::Said) }
}
