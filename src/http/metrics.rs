//! `GET /metrics`: Prometheus' text format, version 0.0.4.
//!
//! What is counted comes from the meters; what can be read off the store, the queue and the process
//! is read when it is asked for, and so is true after a restart. `docs/metrics.md` has the list.

mod gauges;
mod process;

use std::sync::atomic::Ordering;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};

use crate::domain::operation::OperationState;
use crate::domain::warning::Code;
use crate::http::auth::Reader;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::{Handles, view};
use crate::meters::Meter as _;
use crate::pipeline::backfill::COMPLETE;
use crate::pipeline::vigil::Standing;
use crate::store::{Figures, StoreError, Summary};
use gauges::Gauges;

pub(super) async fn metrics(
    request: HttpRequest,
    _: Reader,
    handles: Data<Handles>,
) -> Result<HttpResponse, ApiError> {
    Query::of(&request, &[])?;
    let registry = Registry::new();
    handles.receiver.meter().show(&registry);
    handles.receiver.committer().meter().show(&registry);
    handles.requests.show(&registry);
    if handles.fetching.is_some() {
        handles.calls.show(&registry);
    }
    let gauges = Gauges::into(&registry);
    in_flight(&handles, &gauges);
    signatures(&handles, &gauges);
    process::show(&gauges);
    let stored = of_store(&handles, &gauges).await;
    gauges.one(
        "bursar_store_readable",
        "1 when the numbers that come from the store could be read.",
        f64::from(u8::from(stored.is_ok())),
    );
    if let Err(error) = stored {
        tracing::error!(%error, "metrics of the store are missing");
    }
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap_or_default();
    let content_type = format!("{TEXT_FORMAT}; charset=utf-8");
    Ok(HttpResponse::Ok().content_type(content_type).body(text))
}

fn in_flight(handles: &Handles, gauges: &Gauges<'_>) {
    let committer = handles.receiver.committer();
    let (queue, limits, capacity) = (committer.queue(), committer.limits(), handles.capacity);
    let bodies = capacity.total_body_bytes.saturating_sub(handles.body_room.available_permits());
    let connections = handles.requests.connections.load(Ordering::Relaxed);
    for (name, help, value) in [
        ("bursar_queue_requests", "Requests that wait for a commit.", queue.requests),
        ("bursar_queue_requests_limit", "Beyond it the answer is 503.", limits.waiting),
        ("bursar_queue_bytes", "Bytes of packed bodies that wait for a commit.", queue.bytes),
        ("bursar_queue_bytes_limit", "Beyond it the answer is 503.", limits.waiting_bytes),
        ("bursar_body_bytes", "Bytes held for bodies that are not yet answered.", bodies),
        ("bursar_body_bytes_limit", "Beyond it the answer is 503.", capacity.total_body_bytes),
        ("bursar_connections", "Connections that are open.", connections),
        ("bursar_connections_limit", "Beyond it the answer is 503.", capacity.connections),
    ] {
        gauges.one(name, help, gauges::number(value as u64));
    }
    gauges.labelled(
        "bursar_build_info",
        "1; the version is a label.",
        &["version"],
        [([env!("CARGO_PKG_VERSION")], 1.0)],
    );
}

fn signatures(handles: &Handles, gauges: &Gauges<'_>) {
    let meter = handles.receiver.meter();
    #[expect(clippy::cast_precision_loss, reason = "what is lost of a time is less than it")]
    let seconds = |seconds: i64| seconds as f64;
    let secrets = handles.receiver.secrets();
    let used = secrets.iter().filter_map(|secret| {
        Some(([secret.name.as_str(), secret.fingerprint.as_str()], seconds(secret.last_used?)))
    });
    gauges.labelled(
        "bursar_secret_last_used_timestamp_seconds",
        "When a delivery was last signed with a webhook secret, since this start.",
        &["secret", "fingerprint"],
        used,
    );
    if let Some(last) = meter.last_skew() {
        gauges.one(
            "bursar_clock_skew_last_seconds",
            "Our time less that in the last genuine signature.",
            seconds(last),
        );
    }
    if let Some(skew) = meter.skew() {
        gauges.one(
            "bursar_clock_skew_seconds",
            "Our time less Stripe's: the median of the last signatures.",
            seconds(skew.seconds),
        );
    }
}

async fn of_store(handles: &Handles, gauges: &Gauges<'_>) -> Result<(), StoreError> {
    let [test, live] = [handles.store.summary(false).await?, handles.store.summary(true).await?];
    summaries(&[("false", &test), ("true", &live)], gauges);
    figures(&handles.store.figures().await?, gauges);
    gauges.one(
        "bursar_feed_sequence",
        "The newest sequence of the change feed.",
        gauges::number(handles.store.feed().await?.newest),
    );
    warned_of(&handles.warnings().await?, gauges);
    Ok(())
}

fn figures(figures: &Figures, gauges: &Gauges<'_>) {
    let lag = figures.records.saturating_sub(figures.records_written);
    for (name, help, value) in [
        ("bursar_journal_bytes", "Bytes in use in the journal.", figures.journal_bytes),
        ("bursar_journal_segments", "Files of the journal.", figures.journal_files),
        ("bursar_views_lag_records", "Records that a crash would have derived again.", lag),
        (
            "bursar_views_lag_bytes",
            "Derived rows that wait in memory to be written.",
            figures.unwritten_bytes,
        ),
    ] {
        gauges.one(name, help, gauges::number(value));
    }
    if let Some(free) = figures.free_bytes {
        gauges.one(
            "bursar_store_free_bytes",
            "Free bytes on the store's disk; below 64 MiB nothing more is taken.",
            gauges::number(free),
        );
    }
}

fn summaries(partitions: &[(&str, &Summary); 2], gauges: &Gauges<'_>) {
    let each = || partitions.iter().copied();
    let events = each().flat_map(|(livemode, summary)| {
        view::outcomes(summary).map(move |(word, count)| ([livemode, word], gauges::number(count)))
    });
    gauges.labelled("bursar_events", "Stored events.", &["livemode", "outcome"], events);
    let objects = each().flat_map(|(livemode, summary)| {
        view::statuses(summary).into_iter().map(move |(kind, status, count)| {
            ([livemode, kind.word(), status], gauges::number(count))
        })
    });
    let labels = ["livemode", "kind", "status"];
    gauges.labelled("bursar_objects", "Known objects by kind and status.", &labels, objects);
    let operations = each().flat_map(|(livemode, summary)| {
        OperationState::ALL.into_iter().map(move |state| {
            let count = summary.operations.get(&state).copied().unwrap_or(0);
            ([livemode, state.word()], gauges::number(count))
        })
    });
    let labels = ["livemode", "state"];
    gauges.labelled("bursar_operations", "Calls that change something.", &labels, operations);
    let conflicts =
        each().map(|(livemode, summary)| ([livemode], gauges::number(summary.conflicts)));
    let help = "Reports that no legal move explains.";
    gauges.labelled("bursar_conflicts", help, &["livemode"], conflicts);
    let sources = each().flat_map(|(livemode, summary)| {
        let heard = summary.sources.iter().filter(|(source, _)| *source != COMPLETE);
        heard.map(move |(source, &heard)| ([livemode, source.as_str()], gauges::moment(heard)))
    });
    gauges.labelled(
        "bursar_last_event_timestamp_seconds",
        "When an event last came from a source.",
        &["livemode", "source"],
        sources,
    );
    let parked = each().filter_map(|(livemode, summary)| {
        Some(([livemode], gauges::moment(summary.oldest_parked?)))
    });
    gauges.labelled(
        "bursar_oldest_parked_timestamp_seconds",
        "When the oldest event came that is parked; absent when none is.",
        &["livemode"],
        parked,
    );
    let complete = each().filter_map(|(livemode, summary)| {
        Some(([livemode], gauges::moment(*summary.sources.get(COMPLETE)?)))
    });
    gauges.labelled(
        "bursar_backfill_complete_timestamp_seconds",
        "Until when a complete backfill knows of all events that Stripe listed.",
        &["livemode"],
        complete,
    );
}

fn warned_of(standing: &[Standing], gauges: &Gauges<'_>) {
    let counts = Code::ALL.into_iter().map(|code| {
        let count = standing.iter().filter(|standing| standing.warning.code == code).count();
        ([code.word()], gauges::number(count as u64))
    });
    gauges.labelled("bursar_warnings", "What is warned of now.", &["code"], counts);
}
