//! The money of one account: what is available, what is pending, and each transaction.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::sandbox::world::table::{Named, Table};

#[derive(Clone, Debug)]
pub struct Transaction {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    /// From when on it can be spent.
    pub available_on: i64,
    pub created: i64,
    /// Stripe's word for what moved.
    pub kind: &'static str,
    pub source: String,
    pub description: Option<String>,
}

impl Named for Transaction {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Transaction {
    pub fn view(&self, now: i64) -> Value {
        let Self { id, amount, currency, available_on, created, kind, source, description } = self;
        let status = if *available_on <= now { "available" } else { "pending" };
        json!({
            "id": id, "object": "balance_transaction", "amount": amount,
            "available_on": available_on, "balance_type": "payments", "created": created,
            "currency": currency, "description": description, "exchange_rate": null, "fee": 0,
            "fee_details": [], "net": amount, "reporting_category": category(kind),
            "source": source, "status": status, "type": kind,
        })
    }
}

fn category(kind: &str) -> &str {
    match kind {
        "payment" => "charge",
        "payment_refund" => "refund",
        "transfer_refund" | "transfer_cancel" => "transfer_reversal",
        "payout_cancel" | "payout_failure" => "payout_reversal",
        other => other,
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub transactions: Table<Transaction>,
    available: BTreeMap<String, i64>,
    pending: Vec<(i64, String, i64)>,
}

impl Ledger {
    /// Adds a transaction; one that cannot be spent yet waits.
    pub fn post(&mut self, transaction: Transaction, now: i64) {
        let Transaction { amount, currency, available_on, .. } = &transaction;
        if *available_on <= now {
            *self.available.entry(currency.clone()).or_default() += amount;
        } else {
            self.pending.push((*available_on, currency.clone(), *amount));
        }
        self.transactions.add(transaction);
    }

    /// Makes available what waited long enough; says whether that added money.
    pub fn settle(&mut self, now: i64) -> bool {
        let before: i64 = self.available.values().sum();
        for (_, currency, amount) in self.pending.extract_if(.., |(due, _, _)| *due <= now) {
            *self.available.entry(currency).or_default() += amount;
        }
        self.available.values().sum::<i64>() > before
    }

    pub fn available(&self, currency: &str) -> i64 {
        self.available.get(currency).copied().unwrap_or(0)
    }

    /// Every currency with something available.
    pub fn to_pay_out(&self) -> Vec<(String, i64)> {
        let positive = self.available.iter().filter(|(_, amount)| **amount > 0);
        positive.map(|(currency, amount)| (currency.clone(), *amount)).collect()
    }

    /// Whether nothing is held or owed.
    pub fn is_even(&self) -> bool {
        self.available.values().all(|amount| *amount == 0) && self.pending.is_empty()
    }

    /// The balance object; `default_currency` is there even when it holds nothing.
    pub fn view(&self, default_currency: &str) -> Value {
        let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::from([(default_currency, (0, 0))]);
        for (currency, amount) in &self.available {
            sums.entry(currency).or_default().0 += amount;
        }
        for (_, currency, amount) in &self.pending {
            sums.entry(currency).or_default().1 += amount;
        }
        let entry = |currency: &str, amount: i64| json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } });
        let list = |pick: fn(&(i64, i64)) -> i64| {
            sums.iter().map(|(currency, both)| entry(currency, pick(both))).collect::<Vec<_>>()
        };
        json!({
            "object": "balance", "available": list(|both| both.0), "livemode": false,
            "pending": list(|both| both.1),
        })
    }
}
