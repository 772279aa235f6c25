//! Where the log goes and what it looks like, and where traces go.
//!
//! Spans are made where the work is done: a `delivery`, in it its `commit`, and beside them the
//! `batch` that several deliveries shared; `stripe.call` for each call to Stripe. They are of the
//! level debug, so that they cost nothing when nobody wants them. Their fields are ids and words:
//! never a body, a secret, a name or an address.

mod lines;
mod otlp;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use otlp::Traces;

/// Logs to stderr, so that stdout stays for what a command answers. Once per process; a second
/// call changes nothing.
pub fn start(filter: &str, json: bool) {
    let filter = log_filter(filter);
    let coloured = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(coloured)
        .with_writer(move || lines::Lines { coloured });
    if json {
        log.json().try_init().ok();
    } else {
        log.with_target(false).try_init().ok();
    }
}

/// The same, and sends spans to a collector. `endpoint` is where it takes OTLP over HTTP, such as
/// `http://127.0.0.1:4318`. What is not sent yet is when the answer is dropped. Fails when the
/// system gives no thread.
pub fn start_with_traces(filter: &str, json: bool, endpoint: &str) -> std::io::Result<Traces> {
    let (layer, traces) = otlp::start(endpoint)?;
    let coloured = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(coloured)
        .with_writer(move || lines::Lines { coloured });
    let registry = tracing_subscriber::registry().with(layer);
    if json {
        registry.with(log.json().with_filter(log_filter(filter))).try_init().ok();
    } else {
        registry.with(log.with_target(false).with_filter(log_filter(filter))).try_init().ok();
    }
    Ok(traces)
}

fn log_filter(filter: &str) -> EnvFilter {
    // The server library's own start and stop lines are noise; a filter can ask for them.
    let filter = EnvFilter::try_new(format!("actix_server=warn,{filter}"));
    filter.unwrap_or_else(|_| EnvFilter::new("info"))
}
