//! Transfers from the platform to connected accounts, and their reversals.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::account::Account;
use crate::sandbox::world::countries::funds_may_go;
use crate::sandbox::world::json::{change_metadata, integer_at, previous, text_at};
use crate::sandbox::world::table::Named;
use crate::sandbox::world::{DAY, Posting, World, check_amount, check_currency};

/// Reversals that a transfer shows.
const SHOWN_REVERSALS: usize = 10;

#[derive(Clone, Debug)]
pub(super) struct Reversal {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    pub created: i64,
    pub transaction: String,
    pub transfer: String,
    pub refund: String,
    pub metadata: Map<String, Value>,
}

impl Named for Reversal {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Reversal {
    pub(super) fn view(&self) -> Value {
        let Self { id, amount, currency, created, transaction, transfer, refund, metadata } = self;
        json!({
            "id": id, "object": "transfer_reversal", "amount": amount,
            "balance_transaction": transaction, "created": created, "currency": currency,
            "destination_payment_refund": refund, "metadata": metadata, "source_refund": null,
            "transfer": transfer,
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    pub created: i64,
    pub destination: String,
    pub payment: String,
    pub transaction: String,
    pub description: Option<String>,
    pub source_type: String,
    pub group: Option<String>,
    pub metadata: Map<String, Value>,
    /// Oldest first.
    pub reversals: Vec<Reversal>,
}

impl Named for Transfer {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Transfer {
    fn reversed(&self) -> i64 {
        self.reversals.iter().map(|reversal| reversal.amount).sum()
    }

    pub(super) fn view(&self) -> Value {
        let reversals = self.reversals.iter().rev().take(SHOWN_REVERSALS).map(Reversal::view);
        let reversed = self.reversed();
        json!({
            "id": self.id, "object": "transfer", "amount": self.amount,
            "amount_reversed": reversed, "balance_transaction": self.transaction,
            "created": self.created, "currency": self.currency,
            "description": self.description, "destination": self.destination,
            "destination_payment": self.payment, "livemode": false, "metadata": self.metadata,
            "reversals": {
                "object": "list", "data": reversals.collect::<Vec<_>>(),
                "has_more": self.reversals.len() > SHOWN_REVERSALS,
                "url": format!("/v1/transfers/{}/reversals", self.id),
            },
            "reversed": reversed == self.amount, "source_transaction": null,
            "source_type": self.source_type, "transfer_group": self.group,
        })
    }
}

impl World {
    /// Whether an account may be sent funds at all; in Stripe's words if not.
    fn check_destination(&self, id: &str) -> Result<&Account, Refusal> {
        let account = self.accounts.get(id).filter(|account| !account.is_platform);
        let account = account.ok_or_else(|| Refusal::no_such("destination", id, "destination"))?;
        if account.rejected.is_some() {
            return Err(Refusal::forbidden(
                "transfers_not_allowed",
                "Transfers to this account are not allowed.",
            ));
        }
        // Like Stripe's own, this sandbox lets an account receive that never asked for it.
        let capabilities = account.standing(self.now).capabilities;
        let status = capabilities.get("transfers").and_then(Value::as_str);
        let lacks = match status {
            Some(status) => status != "active",
            None => !account.requested.is_empty(),
        };
        if lacks {
            return Err(Refusal::forbidden(
                "insufficient_capabilities_for_transfer",
                "Your destination account needs to have at least one of the following capabilities enabled: transfers, crypto_transfers, legacy_payments",
            ));
        }
        let (from, to) = (&self.settings.country, &account.country);
        if !account.is_recipient() && !funds_may_go(from, to) {
            return Err(Refusal::not_now(format!(
                "Funds can't be sent to accounts located in {to} when the account is under the `full` service agreement."
            )));
        }
        Ok(account)
    }

    pub fn create_transfer(&mut self, params: &Value) -> Result<Value, Refusal> {
        if let Some(charge) = text_at(params, "source_transaction") {
            let known = self.charge(&self.platform, charge).is_ok();
            let refusal = if known {
                Refusal::invalid("Here the funds of a charge cannot be transferred as such.")
                    .param("source_transaction")
            } else {
                Refusal::no_such("charge", charge, "source_transaction")
            };
            return Err(refusal);
        }
        let amount = integer_at(params, "amount").ok_or_else(|| Refusal::missing("amount"))?;
        let amount = check_amount(amount)?;
        let currency = check_currency(text_at(params, "currency").unwrap_or_default())?;
        let destination = text_at(params, "destination").unwrap_or_default().to_owned();
        let account = self.check_destination(&destination)?;
        let delay = if account.is_recipient() { DAY } else { 0 };
        let platform = self.platform.clone();
        if self.available(&platform, &currency) < amount {
            return Err(Refusal::insufficient_funds());
        }
        let text = |name: &str| text_at(params, name).map(str::to_owned);
        let (id, payment) = (self.ids.next("tr"), self.ids.next("py"));
        let now = self.now;
        let (currency, source) = (currency.as_str(), id.as_str());
        let transaction = self.post(
            &platform,
            Posting { amount: -amount, currency, kind: "transfer", source, available_on: now },
        );
        let available_on = now + delay;
        self.post(
            &destination,
            Posting { amount, currency, kind: "payment", source: &payment, available_on },
        );
        let mut metadata = Map::new();
        change_metadata(&mut metadata, params.get("metadata"));
        let transfer = Transfer {
            id: id.clone(),
            amount,
            currency: currency.to_owned(),
            created: now,
            destination: destination.clone(),
            payment,
            transaction,
            description: text("description"),
            source_type: text("source_type").unwrap_or_else(|| "card".to_owned()),
            group: text("transfer_group"),
            metadata,
            reversals: Vec::new(),
        };
        let view = transfer.view();
        self.made.push(id);
        self.transfers.add(transfer);
        self.emit(&platform, "transfer.created", view.clone());
        if delay == 0 {
            self.tell_balance(&destination);
        }
        Ok(view)
    }

    pub fn transfer(&self, id: &str) -> Result<Value, Refusal> {
        Ok(self.known_transfer(id)?.view())
    }

    pub(super) fn known_transfer(&self, id: &str) -> Result<&Transfer, Refusal> {
        self.transfers.get(id).ok_or_else(|| Refusal::not_found("transfer", id))
    }

    pub fn update_transfer(&mut self, id: &str, params: &Value) -> Result<Value, Refusal> {
        let before = self.transfer(id)?;
        let Some(transfer) = self.transfers.get_mut(id) else { return Ok(before) };
        if let Some(description) = params.get("description") {
            transfer.description = description.as_str().map(str::to_owned);
        }
        change_metadata(&mut transfer.metadata, params.get("metadata"));
        let after = transfer.view();
        if let Some(changed) = previous(&before, &after) {
            let platform = self.platform.clone();
            self.emit_change(&platform, "transfer.updated", after.clone(), Some(changed));
        }
        Ok(after)
    }

    pub fn create_reversal(&mut self, id: &str, params: &Value) -> Result<Value, Refusal> {
        let transfer = self.known_transfer(id)?;
        let left = transfer.amount - transfer.reversed();
        if left == 0 {
            return Err(Refusal::not_now(format!("Transfer {id} is already fully reversed.")));
        }
        let amount = check_amount(integer_at(params, "amount").unwrap_or(left))?;
        if amount > left {
            return Err(Refusal::not_now(format!(
                "Reversal amount ({amount}) is greater than unreversed amount on transfer ({left})"
            ))
            .param("amount"));
        }
        let transfer = transfer.clone();
        if self.available(&transfer.destination, &transfer.currency) < amount {
            return Err(Refusal::forbidden(
                "balance_insufficient",
                "The recipient's balance does not have sufficient funds to reverse this transfer.",
            ));
        }
        Ok(self.reverse(&transfer, amount, params))
    }

    fn reverse(&mut self, transfer: &Transfer, amount: i64, params: &Value) -> Value {
        let Transfer { id, destination, payment, currency, .. } = transfer;
        let (platform, now) = (self.platform.clone(), self.now);
        let (reversal_id, refund) = (self.ids.next("trr"), self.ids.next("pyr"));
        let posting =
            |amount, kind, source| Posting { amount, currency, kind, source, available_on: now };
        self.post(destination, posting(-amount, "payment_refund", payment));
        let transaction = self.post(&platform, posting(amount, "transfer_refund", &reversal_id));
        let mut metadata = Map::new();
        change_metadata(&mut metadata, params.get("metadata"));
        let reversal = Reversal {
            id: reversal_id.clone(),
            amount,
            currency: currency.clone(),
            created: now,
            transaction,
            transfer: id.clone(),
            refund,
            metadata,
        };
        self.made.push(reversal_id);
        let view = reversal.view();
        if let Some(transfer) = self.transfers.get_mut(id) {
            transfer.reversals.push(reversal);
            let after = transfer.view();
            self.emit(&platform, "transfer.reversed", after);
        }
        view
    }

    pub fn reversal(&self, transfer: &str, id: &str) -> Result<Value, Refusal> {
        let reversals = &self.known_transfer(transfer)?.reversals;
        let reversal = reversals.iter().find(|reversal| reversal.id == id);
        reversal.map(Reversal::view).ok_or_else(|| Refusal::not_found("transfer reversal", id))
    }

    pub fn update_reversal(
        &mut self,
        transfer: &str,
        id: &str,
        params: &Value,
    ) -> Result<Value, Refusal> {
        self.reversal(transfer, id)?;
        let known = self.transfers.get_mut(transfer);
        let reversals = known.into_iter().flat_map(|transfer| &mut transfer.reversals);
        for reversal in reversals.filter(|reversal| reversal.id == id) {
            change_metadata(&mut reversal.metadata, params.get("metadata"));
        }
        self.reversal(transfer, id)
    }
}
