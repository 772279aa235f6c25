//! `bursar sandbox`

use std::net::{SocketAddr, TcpListener};

use crate::cli::{Failure, block_on, serve};
use crate::sandbox::server::{Clock, EndpointOption, Options, Running, start};
use crate::sandbox::world::Settings;

const DAY: i64 = 86_400;

/// Run a stand-in for Stripe: the calls, onboarding page and webhooks that payouts need
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bursar sandbox --webhook http://127.0.0.1:8787/webhooks/stripe --connect-webhook http://127.0.0.1:8787/webhooks/stripe\n  curl -u sk_test_any: http://127.0.0.1:12111/v1/topups -d amount=2000 -d currency=usd\n  curl http://127.0.0.1:12111/_sandbox/clock -d '{\"advance_seconds\": 432000}'"
)]
pub struct Arguments {
    /// Address to serve on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:12111")]
    bind: SocketAddr,
    /// URL that is sent the events of the platform itself (may be repeated)
    #[arg(long, value_name = "URL")]
    webhook: Vec<String>,
    /// URL that is sent the events of connected accounts (may be repeated)
    #[arg(long, value_name = "URL")]
    connect_webhook: Vec<String>,
    /// Signing secret of these endpoints; by default each gets a new one, which is printed
    #[arg(long, value_name = "WHSEC")]
    webhook_secret: Option<String>,
    /// Country of the platform
    #[arg(long, value_name = "CODE", default_value = "US")]
    country: String,
    /// Ids and chance are the same for the same seed; by default another one each time
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Start this many days in the past, so that the clock can be advanced that far without
    /// leaving the present behind
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    days_ago: u32,
    /// How long the checks of a submitted account take
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    review_seconds: u32,
    /// The platform is not approved for accounts that only receive
    #[arg(long)]
    no_recipients: bool,
    /// Where browsers reach the onboarding page, when not at the address
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    crate::telemetry::start("warn", false);
    let options = options(arguments)?;
    let listener = TcpListener::bind(arguments.bind).map_err(|error| {
        Failure::Failed(format!(
            "the address {} cannot be used: {error}; choose another with --bind",
            arguments.bind
        ))
    })?;
    let endpoints = options.endpoints.clone();
    let running = start(listener, options).map_err(|error| Failure::Failed(error.to_string()))?;
    block_on(async {
        let stop = std::pin::pin!(serve::stop_signal());
        let invited = async {
            invite(&running, &endpoints);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            // Who has read that Ctrl-C ends it may press it.
            biased;
            () = stop => {}
            () = invited => {}
        }
    });
    running.stop().map_err(|error| Failure::Failed(error.to_string()))
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    let country = arguments.country.to_uppercase();
    if !Settings::is_country(&country) {
        return Err(Failure::Usage(format!(
            "--country {country}: platforms there are not known; give a code such as US or DE"
        )));
    }
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => getrandom::u64().map_err(|error| {
            Failure::Failed(format!("the system gives no random bytes: {error}"))
        })?,
    };
    let settings = Settings {
        country,
        seed,
        review_seconds: i64::from(arguments.review_seconds),
        recipients_approved: !arguments.no_recipients,
        ..Settings::default()
    };
    let secret = arguments.webhook_secret.clone();
    let endpoint = |url: &String, connect| EndpointOption {
        url: url.clone(),
        connect,
        secret: secret.clone(),
    };
    let own = arguments.webhook.iter().map(|url| endpoint(url, false));
    let connect = arguments.connect_webhook.iter().map(|url| endpoint(url, true));
    Ok(Options {
        settings,
        api_keys: Vec::new(),
        clock: Clock::System { offset_seconds: -i64::from(arguments.days_ago) * DAY },
        endpoints: own.chain(connect).collect(),
        public_url: arguments.public_url.clone(),
    })
}

fn invite(running: &Running, endpoints: &[EndpointOption]) {
    let url = running.url();
    println!("A stand-in for Stripe serves on {url}; what it holds is gone when it ends.");
    println!("Any key that begins with sk_test_ is taken. The platform is {}.\n", running.platform);
    for (endpoint, secret) in endpoints.iter().zip(&running.secrets) {
        let of = if endpoint.connect { "connected accounts" } else { "the platform" };
        println!("Events of {of} go to {}\n  signed with {secret}", endpoint.url);
    }
    println!("Try:");
    println!(
        "  curl -u sk_test_any: {url}/v1/accounts -d 'controller[losses][payments]=application' -d 'controller[fees][payer]=application' -d 'controller[stripe_dashboard][type]=express'"
    );
    println!("  curl -u sk_test_any: {url}/v1/topups -d amount=2000 -d currency=usd");
    println!("  curl {url}/_sandbox/clock -d '{{\"advance_seconds\": 432000}}'");
    println!("  curl {url}/_sandbox\n");
    println!("Ctrl-C ends it.");
}
