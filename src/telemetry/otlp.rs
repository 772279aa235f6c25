//! Spans, gathered as they end and sent on as OTLP in JSON.
//!
//! OpenTelemetry's own crates would bring its SDK, its own HTTP client and protobuf; what a
//! collector needs of us is one JSON document, so that is what is made here. `encode` has its
//! form, `export` sends it.

mod encode;
mod export;
mod ids;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::domain::time::Timestamp;
use export::Outbox;
pub use export::Traces;
use ids::{SpanId, TraceId};

/// A span as it is sent.
#[derive(Debug)]
struct Span {
    trace: TraceId,
    id: SpanId,
    parent: Option<SpanId>,
    name: &'static str,
    begun: Timestamp,
    ended: Timestamp,
    attributes: Vec<(&'static str, Value)>,
    /// Spans that led to it without holding it.
    links: Vec<(TraceId, SpanId)>,
}

#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    Integer(i64),
    Truth(bool),
}

/// Takes the spans of this program, whatever the log shows.
pub(super) fn start<S>(endpoint: &str) -> std::io::Result<(impl Layer<S> + use<S>, Traces)>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let (outbox, traces) = export::start(endpoint)?;
    let ours = |metadata: &Metadata<'_>| {
        metadata.is_span() && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    };
    let filter = filter_fn(ours).with_max_level_hint(LevelFilter::DEBUG);
    Ok((Gatherer { outbox }.with_filter(filter), traces))
}

struct Gatherer {
    outbox: Outbox,
}

impl<S> Layer<S> for Gatherer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let above = span.parent().and_then(|parent| {
            parent.extensions().get::<Span>().map(|parent| (parent.trace, parent.id))
        });
        let begun = clock::now();
        let mut new = Span {
            trace: above.map_or_else(TraceId::new, |(trace, _)| trace),
            id: SpanId::new(),
            parent: above.map(|(_, parent)| parent),
            name: attributes.metadata().name(),
            begun,
            ended: begun,
            attributes: Vec::new(),
            links: Vec::new(),
        };
        attributes.record(&mut new);
        span.extensions_mut().insert(new);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(span) = span.extensions_mut().get_mut::<Span>() {
            values.record(span);
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let followed = context.span(follows).and_then(|followed| {
            followed.extensions().get::<Span>().map(|followed| (followed.trace, followed.id))
        });
        let Some((span, followed)) = context.span(id).zip(followed) else { return };
        if let Some(span) = span.extensions_mut().get_mut::<Span>() {
            span.links.push(followed);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).and_then(|span| span.extensions_mut().remove::<Span>());
        if let Some(span) = span {
            self.outbox.put(Span { ended: clock::now(), ..span });
        }
    }
}

impl Visit for Span {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.attributes.push((field.name(), Value::Text(value.to_owned())));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.attributes.push((field.name(), Value::Integer(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.attributes.push((field.name(), Value::Integer(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.attributes.push((field.name(), Value::Truth(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.attributes.push((field.name(), Value::Text(format!("{value:?}"))));
    }
}
