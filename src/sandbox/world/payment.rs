//! The one kind of payment there is: a test card whose money can be spent at once. The official
//! command-line tool fills the balance with it before it transfers or pays out.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::json::{at, change_metadata, integer_at, text_at, truth_at};
use crate::sandbox::world::{Posting, World, check_amount, check_currency};

const CARD: &str = "pm_card_bypassPending";

impl World {
    pub fn create_payment(&mut self, owner: &str, params: &Value) -> Result<Value, Refusal> {
        let amount = check_amount(integer_at(params, "amount").unwrap_or(0))?;
        let currency = check_currency(text_at(params, "currency").unwrap_or_default())?;
        let card = text_at(params, "payment_method").unwrap_or_default();
        if card != CARD || truth_at(params, "confirm") != Some(true) {
            return Err(Refusal::invalid(format!(
                "This sandbox takes payments only with payment_method {CARD}, and at once: with confirm."
            ))
            .param("payment_method"));
        }
        let (id, charge) = (self.ids.next("pi"), self.ids.next("ch"));
        let available_on = self.now;
        let posting =
            Posting { amount, currency: &currency, kind: "charge", source: &charge, available_on };
        self.post(owner, posting);
        self.made.push(id.clone());
        self.tell_balance(owner);
        let mut metadata = Map::new();
        change_metadata(&mut metadata, params.get("metadata"));
        Ok(json!({
            "id": id, "object": "payment_intent", "amount": amount, "amount_capturable": 0,
            "amount_received": amount, "canceled_at": null, "cancellation_reason": null,
            "capture_method": "automatic", "client_secret": format!("{id}_secret"),
            "confirmation_method": "automatic", "created": self.now, "currency": currency,
            "customer": null, "description": at(params, "description"),
            "last_payment_error": null, "latest_charge": charge, "livemode": false,
            "metadata": metadata, "next_action": null, "payment_method": CARD,
            "payment_method_types": ["card"], "shipping": at(params, "shipping"),
            "status": "succeeded",
            "transfer_group": at(params, "transfer_group"),
        }))
    }
}
