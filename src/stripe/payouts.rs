//! When Stripe pays out what the platform holds: a read of its balance settings.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::stripe::client::{Answer, Call};

/// The word of a schedule under which nothing is paid out unless it is asked for.
const MANUAL: &str = "manual";

/// The schedule by which the platform's balance goes to its bank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayoutSchedule {
    /// Stripe's word, where it pays out by itself.
    automatic: Option<String>,
    /// What stays, in minor units by currency.
    minimums: BTreeMap<String, i64>,
}

impl PayoutSchedule {
    pub fn call() -> Call {
        Call::get("/v1/balance_settings")
    }

    /// `None` when it is no such object. A word that is not known yet counts as a schedule.
    pub fn read(answer: &Answer) -> Option<Self> {
        let settings = answer.value();
        if settings.get("object").and_then(Value::as_str) != Some("balance_settings") {
            return None;
        }
        let payouts = settings.pointer("/payments/payouts").unwrap_or(&Value::Null);
        let interval = payouts.pointer("/schedule/interval").and_then(Value::as_str);
        let minimums = payouts.get("minimum_balance_by_currency").and_then(Value::as_object);
        let minimums = minimums.into_iter().flatten();
        Some(Self {
            automatic: interval.filter(|word| *word != MANUAL).map(str::to_owned),
            minimums: minimums
                .filter_map(|(currency, least)| Some((currency.clone(), least.as_i64()?)))
                .collect(),
        })
    }

    /// By which schedule so much of this currency could be paid out before it is spent; `None`
    /// when all of it stays.
    pub fn takes(&self, currency: &str, amount: i64) -> Option<&str> {
        let kept = self.minimums.get(currency).copied().unwrap_or(0);
        self.automatic.as_deref().filter(|_| amount > kept)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: &Value) -> Option<PayoutSchedule> {
        let body = serde_json::value::to_raw_value(settings).unwrap();
        PayoutSchedule::read(&Answer {
            status: 200,
            body,
            request_id: None,
            replayed: false,
            date: None,
        })
    }

    #[test]
    fn money_stays_under_a_manual_schedule_and_below_the_minimum() {
        for (payouts, amount, expected) in [
            (json!({ "schedule": { "interval": "manual" } }), 1, None),
            (json!({ "schedule": { "interval": "daily" } }), 1, Some("daily")),
            (json!({ "schedule": { "interval": "fortnightly" } }), 1, Some("fortnightly")),
            (json!({ "schedule": { "interval": null } }), 1, None),
            (json!({ "schedule": null, "minimum_balance_by_currency": null }), 1, None),
            (Value::Null, 1, None),
            (least(&json!({ "usd": 500 })), 500, None),
            (least(&json!({ "usd": 500 })), 501, Some("weekly")),
            (least(&json!({ "eur": 500 })), 1, Some("weekly")),
            (least(&json!({ "usd": "much" })), 1, Some("weekly")),
        ] {
            let settings =
                json!({ "object": "balance_settings", "payments": { "payouts": payouts } });
            let schedule = read(&settings).unwrap();
            assert_eq!(schedule.takes("usd", amount), expected, "{settings} {amount}");
        }
        assert_eq!(read(&json!({ "object": "balance" })), None);
    }

    fn least(minimums: &Value) -> Value {
        json!({ "schedule": { "interval": "weekly" }, "minimum_balance_by_currency": minimums })
    }
}
