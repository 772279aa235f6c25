//! What whoever drives the sandbox can bring about, and no call of the API can.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::json::{at, integer_at, text_at, truth_at};
use crate::sandbox::world::link::Link;
use crate::sandbox::world::onboarding::{Choice, Step};
use crate::sandbox::world::standing::DEADLINE_SECONDS;
use crate::sandbox::world::{Posting, World, check_amount, check_currency};

impl World {
    /// Adds money that can be spent at once, as a payment by a test card would.
    pub fn add_funds(&mut self, order: &Value) -> Result<Value, Refusal> {
        let amount = check_amount(integer_at(order, "amount").unwrap_or(0))?;
        let account = text_at(order, "account").unwrap_or(&self.platform).to_owned();
        let usual = self.connected(&account)?.default_currency.clone();
        let currency = check_currency(text_at(order, "currency").unwrap_or(&usual))?;
        let source = self.ids.next("ch");
        let available_on = self.now;
        let posting =
            Posting { amount, currency: &currency, kind: "charge", source: &source, available_on };
        self.post(&account, posting);
        self.tell_balance(&account);
        self.balance(&account)
    }

    /// Asks an account for more, or stops its payments or payouts.
    pub fn press_account(&mut self, id: &str, order: &Value) -> Result<Value, Refusal> {
        self.connected(id)?;
        let now = self.now;
        let demanded = at(order, "demand").and_then(Value::as_array).map(|list| {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        });
        let deadline = now + integer_at(order, "deadline_seconds").unwrap_or(DEADLINE_SECONDS);
        self.change_account(id, |account| {
            if let Some(demanded) = &demanded {
                account.review.demanded.clone_from(demanded);
                account.review.deadline = (!demanded.is_empty()).then_some(deadline);
            }
            if let Some(blocked) = truth_at(order, "block_payouts") {
                account.review.payouts_blocked = blocked;
            }
            if let Some(blocked) = truth_at(order, "block_charges") {
                account.review.charges_blocked = blocked;
            }
        });
        if demanded.is_some_and(|demanded| !demanded.is_empty()) {
            self.deadline_at(id, deadline);
        }
        self.account(id)
    }

    /// Goes through the hosted onboarding without a browser: with these values, by the paths that
    /// requirements have, and with test values for the rest.
    pub fn onboard(
        &mut self,
        id: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<Value, Refusal> {
        self.connected(id)?;
        let link = Link {
            token: self.ids.token(24),
            account: id.to_owned(),
            refresh_url: "http://localhost/refresh".to_owned(),
            return_url: "http://localhost/return".to_owned(),
            created: self.now,
            expires_at: self.now + 1,
            asks_everything: false,
            visit: None,
            finished: false,
        };
        let token = link.token.clone();
        self.links.add(link);
        if let Some(account) = self.accounts.get_mut(id) {
            account.linked = true;
        }
        let Step::Form(form) = self.follow_link(id, &token) else {
            return Err(Refusal::invalid("This account cannot be onboarded."));
        };
        match self.fill_in((id, &token), &form.visit, values, Choice::UseTestValues) {
            Step::Form(form) => Err(Refusal::invalid(json!(form.problems).to_string())),
            Step::Leave(_) | Step::NoSuchLink => self.account(id),
        }
    }

    /// Everything there is, for people and tests to look at.
    pub fn state(&self) -> Value {
        let all = |views: Vec<Value>| Value::Array(views);
        let balances: serde_json::Map<String, Value> = self
            .accounts
            .iter()
            .map(|account| (account.id.clone(), account.ledger.view(&account.default_currency)))
            .collect();
        json!({
            "now": self.now, "platform": self.platform, "balances": balances,
            "accounts": all(self.accounts.iter().map(|account| account.view(self.now)).collect()),
            "topups": all(self.topups.iter().map(super::topup::Topup::view).collect()),
            "transfers": all(self.transfers.iter().map(super::transfer::Transfer::view).collect()),
            "payment_intents":
                all(self.payments.iter().map(super::payment::Payment::view).collect()),
            "payouts": all(self.payouts.iter().map(super::payout::Payout::view).collect()),
            "webhook_endpoints":
                all(self.outbox.endpoints.iter().map(super::endpoint::Endpoint::view).collect()),
            "events": self.events.len(),
        })
    }
}
