//! `bursar serve`

pub(super) mod bounds;
pub(super) mod edge;
mod reload;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{Capacity, Outbound, Parts, run as run_app};
use crate::cli::meter::Meter;
use crate::cli::serve::edge::ServedCertificate;
use crate::cli::serve::reload::{Reloader, Reloads, WebhookSecrets, WhoIsLetIn};
use crate::cli::settings::{All, SettingFlags};
use crate::cli::{Failure, block_on, core_dumps, open_files};
use crate::config::{Checker, Settings};
use crate::domain::region::RegionRule;
use crate::pipeline::pace::Pace;
use crate::pipeline::retention::Retention;
use crate::pipeline::rules::StripeRules;
use crate::store::embedded::{Embedded, Options};
use crate::stripe::client::{Access, Client, ClientSettings};
use crate::telemetry::{self, Traces};

/// Run the service
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  BURSAR_WEBHOOK_SECRETS=platform=whsec_... BURSAR_TOKENS=reader=... bursar serve"
)]
pub struct Arguments {
    #[command(flatten)]
    settings: SettingFlags<All>,
}

/// Everything that a start needs, checked.
struct Start {
    listener: TcpListener,
    folder: PathBuf,
    address_out: Option<PathBuf>,
    parts: Parts,
    reload_every: Duration,
    warnings: Vec<String>,
    /// What waits of them is sent when this is dropped.
    traces: Option<Traces>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    core_dumps::forbid();
    let settings = arguments.settings.gather();
    let start = check(&settings)?;
    start.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    reload::outlive_hangups();
    let reloader = reloader(arguments, settings, &start);
    let mut meter = Meter::default();
    let rules = Arc::new(StripeRules);
    let store = Embedded::open(&start.folder, Options::default(), rules, &mut |at| meter.at(at))?;
    meter.clear();

    let address =
        start.listener.local_addr().map_err(|error| Failure::Failed(error.to_string()))?;
    if let Some(path) = &start.address_out {
        std::fs::write(path, format!("{address}\n")).map_err(|error| {
            Failure::Failed(format!("the address cannot be written to {}: {error}", path.display()))
        })?;
    }
    if start.parts.insecure_no_auth {
        tracing::warn!("BURSAR_INSECURE_NO_AUTH is set: whoever can connect can read and replay");
    }
    let scheme = if start.parts.certificate.is_some() { "https" } else { "http" };
    tracing::info!(%address, store = %start.folder.display(), "bursar is listening on {scheme}://{address}");
    block_on(async {
        let serving = run_app(start.listener, Arc::new(store), start.parts, stop_signal());
        tokio::select! {
            ended = serving => ended.map_err(|error| Failure::Failed(error.to_string())),
            () = reloader.run() => Ok(()),
        }
    })?;
    drop(start.traces);
    tracing::info!("stopped; everything acknowledged is stored");
    Ok(())
}

/// What looks for other secrets, tokens and certificates while the service runs.
fn reloader(arguments: &Arguments, settings: Settings, start: &Start) -> Reloader {
    let flags = arguments.settings.clone();
    let Parts { verifier, tokens, insecure_no_auth, certificate, .. } = &start.parts;
    let mut parts: Vec<Box<dyn Reloads>> = vec![
        Box::new(WebhookSecrets(verifier.clone())),
        Box::new(WhoIsLetIn { tokens: tokens.clone(), insecure_no_auth: *insecure_no_auth }),
    ];
    if let Some(certificate) = certificate {
        parts.push(Box::new(ServedCertificate(Arc::clone(certificate))));
    }
    Reloader::new(Box::new(move || flags.gather()), settings, parts, start.reload_every)
}

/// Collects all that keeps bursar from starting: settings, address and store alike.
fn check(settings: &Settings) -> Result<Start, Failure> {
    let mut checker = Checker::new(settings);
    let bind = checker.bind();
    let folder = checker.store();
    let verifier = checker.verifier();
    let tokens = checker.tokens(bind);
    let (auth_failures, reload_every) = (checker.auth_failures(), checker.reload_every());
    let livemode = checker.livemode();
    let (capacity, limits) = (bounds::capacity(&mut checker), bounds::limits(&mut checker));
    let patience = bounds::patience(&mut checker);
    let (networks, certificate) = (edge::networks(&mut checker), edge::certificate(&mut checker));
    let (stripe, backfill_every) = (checker.stripe(), checker.backfill_every());
    let vigilance = bounds::vigilance(&mut checker);
    let (region, onboarding) = (checker.region(), checker.onboarding());
    let (log, otlp_endpoint) = (checker.log(), checker.otlp_endpoint());
    let retention = checker.retention_days().map(Retention::of_days);
    let address_out = checker.optional("address_out").map(PathBuf::from);
    let wrong_settings = checker.has_problems();
    let listener = bind.and_then(|bind| listen(bind, &mut checker));
    // Without other problems, opening the store says what is wrong with it.
    if checker.has_problems() {
        let probed = folder.as_ref().map_or(Ok(()), |folder| Embedded::probe(folder));
        probed.err().into_iter().for_each(|error| checker.problem(error.to_string()));
    }
    let warnings = checker.warnings().to_vec();
    let kind = if wrong_settings { Failure::Usage } else { Failure::Failed };
    checker.finish().map_err(|problems| kind(problems.to_string()))?;

    let (Some(listener), Some(folder), Some(verifier), Some((tokens, insecure_no_auth))) =
        (listener, folder, verifier, tokens)
    else {
        return Err(Failure::Said);
    };
    let (Some(auth_failures), Some(reload_every), Some(vigilance)) =
        (auth_failures, reload_every, vigilance)
    else {
        return Err(Failure::Said);
    };
    let (Some(livemode), Some(capacity), Some((filter, json))) = (livemode, capacity, log) else {
        return Err(Failure::Said);
    };
    let (Some(limits), Some(patience), Some(networks)) = (limits, patience, networks) else {
        return Err(Failure::Said);
    };
    let traces = traces(&filter, json, otlp_endpoint.as_deref())?;
    let connections = open_files::connections(capacity.connections);
    let capacity = Capacity { connections, ..capacity };
    let outbound = match stripe.zip(backfill_every) {
        Some((stripe, backfill_every)) => Some(outbound(stripe, backfill_every, region, livemode)?),
        None => None,
    };
    if let Some(certificate) = &certificate {
        edge::tell(certificate.installed());
    }
    let parts = Parts {
        verifier: verifier.into(),
        tokens: tokens.into(),
        auth_failures,
        insecure_no_auth,
        livemode,
        capacity,
        limits,
        patience,
        vigilance,
        certificate,
        networks,
        outbound,
        retention,
        onboarding,
    };
    Ok(Start { listener, folder, address_out, parts, reload_every, warnings, traces })
}

/// Starts the log, and with an endpoint the sending of traces.
fn traces(filter: &str, json: bool, endpoint: Option<&str>) -> Result<Option<Traces>, Failure> {
    let Some(endpoint) = endpoint else {
        telemetry::start(filter, json);
        return Ok(None);
    };
    let started = telemetry::start_with_traces(filter, json, endpoint);
    started.map(Some).map_err(|error| Failure::Failed(format!("traces cannot be sent: {error}")))
}

fn outbound(
    settings: ClientSettings,
    backfill_every: Duration,
    region: RegionRule,
    livemode: bool,
) -> Result<Outbound, Failure> {
    let (key_livemode, version) = (settings.livemode(), settings.version.clone());
    if key_livemode != livemode {
        let mode = |livemode| if livemode { "live mode" } else { "test mode" };
        tracing::warn!(
            "BURSAR_STRIPE_KEY works in {}, and reads show {} unless they ask for the other: set \
             BURSAR_LIVEMODE to {key_livemode}, or use another key",
            mode(key_livemode),
            mode(livemode)
        );
    }
    let client = Client::new(settings)
        .map_err(|error| Failure::Failed(format!("Stripe cannot be called: {error}")))?;
    let access = Access { stripe: Arc::new(client), livemode: key_livemode, version };
    Ok(Outbound { access, backfill_every, pace: Pace::default(), region })
}

fn listen(bind: SocketAddr, checker: &mut Checker<'_>) -> Option<TcpListener> {
    match TcpListener::bind(bind) {
        Ok(listener) => Some(listener),
        Err(error) => {
            checker.problem(format!(
                "the address {bind} cannot be used: {error}; choose another with BURSAR_BIND"
            ));
            None
        }
    }
}

/// Ready at the first SIGTERM or Ctrl-C; at the second the process ends at once.
pub(super) async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; stop bursar with kill -9, which is safe");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: answering what is under way; a second signal stops at once");
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
}
