//! Entries of the audit trail.

use serde_json::{Value, json};

use crate::domain::audit::{Audit, AuditAction, AuditOutcome, Named};
use crate::http::view::Fields;
use crate::pipeline::portable::to_rfc3339;

pub fn audit(entry: &Audit) -> Fields {
    let Audit { id, at, livemode, actor, role, address, action, reason, outcome } = entry;
    let Deed { objects, count, details } = deed(action);
    let (counts, made, code) = match outcome {
        AuditOutcome::Begun => (None, None, None),
        AuditOutcome::Done(results) => (Some(&results.counts), results.made.as_ref(), None),
        AuditOutcome::Failed { code } => (None, None, Some(code)),
    };
    let mut fields = Fields::new();
    fields
        .put("id", id)
        .put("at", to_rfc3339(*at))
        .put("livemode", livemode)
        .put("actor", actor)
        .put("role", role)
        .put("address", address)
        .put("action", action.word())
        .put("objects", objects)
        .put("count", count)
        .put("details", details)
        .put("reason", reason)
        .put("outcome", outcome.word())
        .put("results", counts)
        .put("made", made)
        .put("code", code);
    fields
}

/// What was done to what.
struct Deed<'a> {
    objects: Vec<&'a str>,
    count: u64,
    details: Value,
}

impl<'a> Deed<'a> {
    fn to(object: &'a str, details: Value) -> Self {
        Self { objects: vec![object], count: 1, details }
    }
}

fn deed(action: &AuditAction) -> Deed<'_> {
    match action {
        AuditAction::Replay { events } | AuditAction::Redrive { events } => {
            let Named { count, ids } = events;
            Deed {
                objects: ids.iter().map(String::as_str).collect(),
                count: *count,
                details: json!({}),
            }
        }
        AuditAction::ReadBody { event } => Deed::to(event, json!({})),
        AuditAction::Resolve { operation, decision, object } => {
            Deed::to(operation, json!({ "decision": decision, "object_id": object }))
        }
        AuditAction::Refetch { kind, id, account } => {
            let details = json!({ "kind": kind.word(), "account": account });
            let objects: Vec<&str> =
                Some(id.as_str()).filter(|id| !id.is_empty()).into_iter().collect();
            Deed { objects, count: 1, details }
        }
        AuditAction::Backfill { full } => {
            Deed { objects: Vec::new(), count: 0, details: json!({ "full": full }) }
        }
        AuditAction::Erase { account } => Deed::to(account, json!({})),
    }
}
