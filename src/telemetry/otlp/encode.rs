//! The JSON of OTLP: `ExportTraceServiceRequest`, version 1. Ids are hex, large numbers are text.

use serde_json::{Value as Json, json};

use super::ids::{SpanId, TraceId};
use super::{Span, Value};

const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// The status of a span of something that failed.
const ERROR: u8 = 2;

pub(super) fn request(spans: &[Span]) -> Vec<u8> {
    let resource = json!({ "attributes": [
        attribute("service.name", &Value::Text(env!("CARGO_PKG_NAME").to_owned())),
        attribute("service.version", &Value::Text(env!("CARGO_PKG_VERSION").to_owned())),
    ] });
    let scope = json!({ "name": env!("CARGO_PKG_NAME") });
    let spans: Vec<Json> = spans.iter().map(span).collect();
    let of_scope = json!([{ "scope": scope, "spans": spans }]);
    let request = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": of_scope }] });
    request.to_string().into_bytes()
}

fn span(span: &Span) -> Json {
    let Span { trace, id, parent, name, begun, ended, attributes, links } = span;
    let kind = match *name {
        "delivery" => SERVER,
        "stripe.call" => CLIENT,
        _ => INTERNAL,
    };
    let failed = attributes.iter().any(|(name, _)| *name == "error");
    let attributes = attributes.iter().map(|(name, value)| attribute(name, value));
    let links =
        links.iter().map(|(trace, id)| json!({ "traceId": hex(*trace), "spanId": short(*id) }));
    json!({
        "traceId": hex(*trace),
        "spanId": short(*id),
        "parentSpanId": parent.map_or_else(String::new, short),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": nanoseconds(begun.0),
        "endTimeUnixNano": nanoseconds(ended.0),
        "attributes": attributes.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "status": if failed { json!({ "code": ERROR }) } else { json!({}) },
    })
}

fn attribute(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Integer(number) => json!({ "intValue": number.to_string() }),
        Value::Truth(truth) => json!({ "boolValue": truth }),
    };
    json!({ "key": name, "value": value })
}

fn hex(trace: TraceId) -> String {
    format!("{:032x}", trace.0)
}

fn short(span: SpanId) -> String {
    format!("{:016x}", span.0)
}

fn nanoseconds(microseconds: i64) -> String {
    (i128::from(microseconds) * 1000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn a_span_has_the_form_that_collectors_read() {
        let sent = request(&[Span {
            trace: TraceId(0xab),
            id: SpanId(1),
            parent: Some(SpanId(2)),
            name: "delivery",
            begun: Timestamp(1_900_000_000_000_001),
            ended: Timestamp(1_900_000_000_000_002),
            attributes: vec![
                ("event.id", Value::Text("evt_1".to_owned())),
                ("events", Value::Integer(3)),
                ("livemode", Value::Truth(true)),
                ("error", Value::Text("signature".to_owned())),
            ],
            links: vec![(TraceId(5), SpanId(6))],
        }]);
        let sent: Json = serde_json::from_slice(&sent).unwrap();
        let span = &sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let expected = json!({
            "traceId": "000000000000000000000000000000ab",
            "spanId": "0000000000000001",
            "parentSpanId": "0000000000000002",
            "name": "delivery",
            "kind": 2,
            "startTimeUnixNano": "1900000000000001000",
            "endTimeUnixNano": "1900000000000002000",
            "attributes": [
                { "key": "event.id", "value": { "stringValue": "evt_1" } },
                { "key": "events", "value": { "intValue": "3" } },
                { "key": "livemode", "value": { "boolValue": true } },
                { "key": "error", "value": { "stringValue": "signature" } },
            ],
            "links": [{
                "traceId": "00000000000000000000000000000005", "spanId": "0000000000000006",
            }],
            "status": { "code": 2 },
        });
        assert_eq!(*span, expected);
    }
}
