//! Backfills, as far as they have got.

use serde_json::{Value, json};

use crate::pipeline::backfill::{Counts, List, Report, Stage};
use crate::pipeline::portable::to_rfc3339;

pub fn backfill(report: &Report) -> Value {
    let Report {
        id,
        by,
        full,
        stage,
        asked_at,
        ended_at,
        since,
        lists,
        told,
        total,
        discovered,
        refetched,
        warnings,
    } = report;
    let (state, reason) = match stage {
        Stage::Waiting => ("waiting", None),
        Stage::Running => ("running", None),
        Stage::Complete => ("complete", None),
        Stage::Failed(reason) => ("failed", Some(reason)),
    };
    json!({
        "id": id,
        "state": state,
        "reason": reason,
        "by": by,
        "full": full,
        "asked_at": to_rfc3339(*asked_at),
        "ended_at": ended_at.map(to_rfc3339),
        "since": since,
        "lists": lists,
        "fetched": total.fetched,
        "new": total.new,
        "known": total.known,
        "parked": total.parked,
        "discovered": discovered,
        "refetched": refetched,
        "warnings": warnings,
        "accounts": told.iter().map(list).collect::<Vec<_>>(),
    })
}

fn list(list: &List) -> Value {
    let List { account, counts, skipped, failed } = list;
    let Counts { fetched, new, known, parked } = counts;
    json!({
        "account": account, "fetched": fetched, "new": new, "known": known, "parked": parked,
        "skipped": skipped, "failed": failed,
    })
}

pub fn backfill_list(reports: &[Report]) -> Value {
    json!({ "data": reports.iter().map(backfill).collect::<Vec<_>>() })
}
