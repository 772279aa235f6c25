//! What the settings bound, as the service takes it. `None` after a problem.

use crate::app::{Capacity, Patience, Vigilance};
use crate::config::Checker;
use crate::pipeline::commit::Limits;

pub(in crate::cli) fn capacity(checker: &mut Checker<'_>) -> Option<Capacity> {
    let body_bytes = checker.max_body_bytes();
    let total_body_bytes = checker.max_total_body_bytes(body_bytes);
    let connections = checker.max_connections();
    let replay_bytes = checker.max_replay_bytes();
    let (header_bytes, headers) = (checker.max_header_bytes(), checker.max_headers());
    let (streams, json_depth) = (checker.max_streams(), checker.max_json_depth());
    Some(Capacity {
        connections: connections?,
        body_bytes: body_bytes?,
        total_body_bytes: total_body_bytes?,
        replay_bytes: replay_bytes?,
        header_bytes: header_bytes?,
        headers: headers?,
        streams: streams?,
        json_depth: json_depth?,
    })
}

pub(in crate::cli) fn limits(checker: &mut Checker<'_>) -> Option<Limits> {
    let (waiting, waiting_bytes) = (checker.max_waiting(), checker.max_waiting_bytes());
    Some(Limits { waiting: waiting?, waiting_bytes: waiting_bytes?, ..Limits::default() })
}

pub(in crate::cli) fn patience(checker: &mut Checker<'_>) -> Option<Patience> {
    let request_head = checker.timeout("head_timeout_seconds");
    let body = checker.timeout("body_timeout_seconds");
    let replay_body = checker.timeout("replay_timeout_seconds");
    let idle = checker.timeout("idle_timeout_seconds");
    let not_taking = checker.timeout("send_timeout_seconds");
    Some(Patience {
        request_head: request_head?,
        body: body?,
        replay_body: replay_body?,
        idle: idle?,
        not_taking: not_taking?,
        ..Patience::default()
    })
}

/// From when on something is worth a warning.
pub(super) fn vigilance(checker: &mut Checker<'_>) -> Option<Vigilance> {
    Some(Vigilance { silence_hours: checker.silence_hours()?, ..Vigilance::default() })
}
