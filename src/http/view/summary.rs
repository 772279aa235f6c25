//! Counts, and what is to be warned of.

use serde_json::{Value, json};

use crate::domain::account::AccountStatus;
use crate::domain::event::Outcome;
use crate::domain::id::Kind;
use crate::domain::operation::OperationState;
use crate::domain::payout::PayoutStatus;
use crate::domain::time::Timestamp;
use crate::domain::topup::TopupStatus;
use crate::domain::transfer::TransferStatus;
use crate::domain::warning::{Heard, Warning};
use crate::pipeline::operations::SweepRisk;
use crate::pipeline::portable::to_rfc3339;
use crate::pipeline::vigil::Standing;
use crate::store::Summary;
use crate::stripe::signature::SecretUse;

pub fn summary(
    summary: &Summary,
    secrets: &[SecretUse],
    livemode: bool,
    warnings: &[Standing],
    risks: &[SweepRisk],
) -> Value {
    let events: serde_json::Map<String, Value> =
        outcomes(summary).map(|(word, count)| (word.to_owned(), count.into())).collect();
    let statuses = |wanted| -> serde_json::Map<String, Value> {
        let all = statuses(summary).into_iter().filter(|(kind, ..)| *kind == wanted);
        all.map(|(_, word, count)| (word.to_owned(), count.into())).collect()
    };
    let operations: serde_json::Map<String, Value> = OperationState::ALL
        .into_iter()
        .map(|state| {
            let count = summary.operations.get(&state).copied().unwrap_or(0);
            (state.word().to_owned(), count.into())
        })
        .collect();
    let sources: serde_json::Map<String, Value> = summary
        .sources
        .iter()
        .map(|(name, &heard)| (name.clone(), to_rfc3339(heard).into()))
        .collect();
    json!({
        "livemode": livemode,
        "events": events,
        "accounts": statuses(Kind::Account),
        "topups": statuses(Kind::Topup),
        "transfers": statuses(Kind::Transfer),
        "payouts": statuses(Kind::Payout),
        "operations": operations,
        "conflicts": summary.conflicts,
        "sources": sources,
        "secrets": secrets.iter().map(secret).collect::<Vec<_>>(),
        "deliveries": { "platform": heard(summary.platform), "connect": heard(summary.connect) },
        "oldest_parked": summary.oldest_parked.map(to_rfc3339),
        "warnings": warnings.iter().map(warning).collect::<Vec<_>>(),
        "sweep_risks": risks.iter().map(sweep_risk).collect::<Vec<_>>(),
    })
}

/// How many stored events came to what.
pub fn outcomes(summary: &Summary) -> impl Iterator<Item = (&'static str, u64)> {
    let count = |outcome| summary.events.get(&outcome).copied().unwrap_or(0);
    Outcome::STORED.into_iter().map(move |outcome| (outcome.word(), count(outcome)))
}

/// How many objects of each kind have each status that there is.
pub fn statuses(summary: &Summary) -> Vec<(Kind, &'static str, u64)> {
    let of = |kind, words: &[&'static str]| -> Vec<(Kind, &'static str, u64)> {
        let counted = summary.statuses.get(&kind);
        let count = |word: &str| counted.and_then(|counted| counted.get(word)).copied();
        words.iter().map(|&word| (kind, word, count(word).unwrap_or(0))).collect()
    };
    [
        of(Kind::Account, &AccountStatus::ALL.map(AccountStatus::word)),
        of(Kind::Topup, &TopupStatus::ALL.map(TopupStatus::word)),
        of(Kind::Transfer, &TransferStatus::ALL.map(TransferStatus::word)),
        of(Kind::Payout, &PayoutStatus::ALL.map(PayoutStatus::word)),
    ]
    .concat()
}

/// A webhook secret, without showing it.
fn secret(secret: &SecretUse) -> Value {
    let SecretUse { name, fingerprint, last_used } = secret;
    let moment = |seconds: i64| to_rfc3339(Timestamp(seconds.saturating_mul(1_000_000)));
    json!({ "name": name, "fingerprint": fingerprint, "last_used": last_used.map(moment) })
}

fn heard(heard: Heard) -> Value {
    let Heard { count, first, last } = heard;
    json!({ "count": count, "first": first.map(to_rfc3339), "last": last.map(to_rfc3339) })
}

fn warning(standing: &Standing) -> Value {
    let Standing { warning: Warning { code, source, message, since: _ }, since } = standing;
    json!({
        "code": code.word(), "source": source, "message": message, "since": to_rfc3339(*since),
    })
}

/// Money that may be paid out before it is spent.
fn sweep_risk(risk: &SweepRisk) -> Value {
    let SweepRisk { currency, amount, interval } = risk;
    let detail = risk.warning().detail;
    json!({ "currency": currency, "amount": amount, "interval": interval, "detail": detail })
}
