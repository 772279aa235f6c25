//! Where the log goes and what it looks like, and where traces go.
//!
//! Spans are made where the work is done: a `delivery`, in it its `commit`, and beside them the
//! `batch` that several deliveries shared; `stripe.call` for each call to Stripe. They are of the
//! level debug, so that they cost nothing when nobody wants them. Their fields are ids and words:
//! never a body, a secret, a name or an address.

mod lines;
mod otlp;

use std::io::IsTerminal;

pub use otlp::Traces;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Filter, Identity, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// Logs to stderr, so that stdout stays for what a command answers. Once per process; a second
/// call changes nothing.
pub fn start(filter: &str, json: bool) {
    log_beside(Identity::new(), filter, json);
}

/// The same, and sends spans to a collector. `endpoint` is where it takes OTLP over HTTP, such as
/// `http://127.0.0.1:4318`. What is not sent yet is when the answer is dropped. Fails when the
/// system gives no thread.
pub fn start_with_traces(filter: &str, json: bool, endpoint: &str) -> std::io::Result<Traces> {
    let (layer, traces) = otlp::start(endpoint)?;
    log_beside(layer, filter, json);
    Ok(traces)
}

fn log_beside(other: impl Layer<Registry> + Send + Sync, filter: &str, json: bool) {
    let coloured = std::io::stderr().is_terminal();
    let log = fmt::layer().with_ansi(coloured).with_writer(move || lines::Lines { coloured });
    let registry = tracing_subscriber::registry().with(other);
    if json {
        registry.with(log.json().with_filter(log_filter(filter))).try_init().ok();
    } else {
        registry.with(log.with_target(false).with_filter(log_filter(filter))).try_init().ok();
    }
}

/// What is logged. What other crates say below `info` can be whole requests and answers, with
/// people's data in them; no filter brings that into the log.
fn log_filter<S: Subscriber + for<'a> LookupSpan<'a>>(filter: &str) -> impl Filter<S> + use<S> {
    // The server library's own start and stop lines are noise; a filter can ask for them.
    let wanted = EnvFilter::try_new(format!("actix_server=warn,{filter}"));
    let wanted = wanted.unwrap_or_else(|_| EnvFilter::new("info"));
    let may_be_told =
        |metadata: &Metadata<'_>| *metadata.level() <= Level::INFO || is_ours(metadata.target());
    wanted.and(filter_fn(may_be_told).with_max_level_hint(LevelFilter::TRACE))
}

fn is_ours(target: &str) -> bool {
    target.split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_has_other_crates_say_what_can_be_personal() {
        for filter in ["trace", "actix_http=trace,bursar=trace", "trace,actix_http::h1=trace"] {
            let kept = Kept::default();
            let writer = kept.clone();
            let layer = fmt::layer().with_writer(move || writer.clone());
            let registry = tracing_subscriber::registry();
            tracing::subscriber::with_default(
                registry.with(layer.with_filter(log_filter(filter))),
                || {
                    tracing::trace!(target: "actix_http::h1", "a body of theirs");
                    tracing::debug!(target: "bursary", "a body of a namesake's");
                    tracing::info!(target: "actix_http::h1", "a line of theirs");
                    tracing::trace!(target: "bursar::http", "a line of ours");
                },
            );
            let log = kept.0.lock().unwrap();
            let log = String::from_utf8_lossy(&log);
            assert!(!log.contains("a body"), "{filter}: {log}");
            assert!(log.contains("a line of ours"), "{filter}: {log}");
            assert!(log.contains("a line of theirs"), "{filter}: {log}");
        }
    }
}
