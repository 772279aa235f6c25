//! Card payments, no more of them than it takes to bring money into a balance: made and confirmed
//! in one call, with a test card, and without fees.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::json::{at, change_metadata, integer_at, overlay, text_at, truth_at};
use crate::sandbox::world::table::Named;
use crate::sandbox::world::{DAY, Posting, World, check_amount, check_currency};

/// A test card that is always good, and how long its money is pending.
#[derive(Debug)]
struct Card {
    /// As parameters name it.
    name: &'static str,
    last4: &'static str,
    pending_seconds: i64,
}

const CARDS: &[Card] = &[
    Card { name: "pm_card_bypassPending", last4: "0077", pending_seconds: 0 },
    Card { name: "pm_card_visa", last4: "4242", pending_seconds: 2 * DAY },
];

#[derive(Clone, Debug)]
pub(super) struct Payment {
    id: String,
    charge: String,
    account: String,
    amount: i64,
    currency: String,
    created: i64,
    card: &'static Card,
    method: String,
    client_secret: String,
    transaction: String,
    description: Option<String>,
    metadata: Map<String, Value>,
    shipping: Value,
    group: Option<String>,
}

impl Named for Payment {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What payments here have nothing to say of.
const EMPTY_IN_PAYMENTS: &[&str] = &[
    "allowed_payment_method_types",
    "application",
    "application_fee_amount",
    "automatic_payment_methods",
    "canceled_at",
    "cancellation_reason",
    "customer",
    "customer_account",
    "excluded_payment_method_types",
    "last_payment_error",
    "managed_payments",
    "next_action",
    "on_behalf_of",
    "payment_method_configuration_details",
    "processing",
    "receipt_email",
    "review",
    "setup_future_usage",
    "source",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
];

/// The same of charges.
const EMPTY_IN_CHARGES: &[&str] = &[
    "application",
    "application_fee",
    "application_fee_amount",
    "calculated_statement_descriptor",
    "customer",
    "failure_balance_transaction",
    "failure_code",
    "failure_message",
    "on_behalf_of",
    "receipt_email",
    "receipt_number",
    "receipt_url",
    "review",
    "source",
    "source_transfer",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
];

fn with_empty(mut view: Value, names: &[&str]) -> Value {
    if let Some(fields) = view.as_object_mut() {
        fields.extend(names.iter().map(|name| ((*name).to_owned(), Value::Null)));
    }
    view
}

impl Payment {
    pub(super) fn view(&self) -> Value {
        let Self { id, charge, amount, currency, created, method, description, .. } = self;
        let card = json!({
            "installments": null, "mandate_options": null, "network": null,
            "request_three_d_secure": "automatic",
        });
        let view = json!({
            "id": id, "object": "payment_intent", "amount": amount, "amount_capturable": 0,
            "amount_received": amount, "capture_method": "automatic",
            "client_secret": self.client_secret, "confirmation_method": "automatic",
            "created": created, "currency": currency, "description": description,
            "latest_charge": charge, "livemode": false, "metadata": self.metadata,
            "payment_method": method, "payment_method_options": { "card": card },
            "payment_method_types": ["card"], "shipping": self.shipping, "status": "succeeded",
            "transfer_group": self.group,
        });
        with_empty(view, EMPTY_IN_PAYMENTS)
    }

    fn charge_view(&self) -> Value {
        let Self { id, charge, amount, currency, created, method, description, .. } = self;
        let address = json!({
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null,
            "state": null,
        });
        let view = json!({
            "id": charge, "object": "charge", "amount": amount, "amount_captured": amount,
            "amount_refunded": 0, "balance_transaction": self.transaction,
            "billing_details": {
                "address": address, "email": null, "name": null, "phone": null, "tax_id": null,
            },
            "captured": true, "created": created, "currency": currency,
            "description": description, "disputed": false, "fraud_details": {},
            "livemode": false, "metadata": self.metadata,
            "outcome": {
                "advice_code": null, "network_advice_code": null, "network_decline_code": null,
                "network_status": "approved_by_network", "reason": null,
                "risk_level": "normal", "seller_message": "Payment complete.",
                "type": "authorized",
            },
            "paid": true, "payment_intent": id, "payment_method": method,
            "payment_method_details": { "card": self.card_view(), "type": "card" },
            "refunded": false, "shipping": self.shipping, "status": "succeeded",
            "transfer_group": self.group,
        });
        with_empty(view, EMPTY_IN_CHARGES)
    }

    fn card_view(&self) -> Value {
        json!({
            "amount_authorized": self.amount, "authorization_code": null, "brand": "visa",
            "checks": {
                "address_line1_check": null, "address_postal_code_check": null,
                "cvc_check": null,
            },
            "country": "US", "exp_month": 12, "exp_year": 2040, "funding": "credit",
            "installments": null, "last4": self.card.last4, "mandate": null,
            "network": "visa", "network_transaction_id": null, "regulated_status": null,
            "three_d_secure": null, "transaction_link_id": null, "wallet": null,
        })
    }
}

/// The card of a payment that is made at once, the only kind there is here.
fn read_card(params: &Value) -> Result<&'static Card, Refusal> {
    if truth_at(params, "confirm") != Some(true) {
        return Err(Refusal::invalid(
            "Here a payment is made and confirmed in one call: give `confirm=true`.",
        )
        .param("confirm"));
    }
    let kinds = at(params, "payment_method_types").and_then(Value::as_array);
    if kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind != "card")) {
        let message = "Here a payment is by card only.";
        return Err(Refusal::invalid(message).param("payment_method_types"));
    }
    let name = text_at(params, "payment_method");
    let name = name.ok_or_else(|| Refusal::missing("payment_method"))?;
    let card = CARDS.iter().find(|card| card.name == name);
    card.ok_or_else(|| Refusal::no_such("PaymentMethod", name, "payment_method"))
}

/// Where something is sent to that was paid for; nothing comes of it here.
fn shipping(params: &Value) -> Value {
    let address = json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null,
        "state": null,
    });
    let template = json!({
        "address": address, "carrier": null, "name": null, "phone": null, "tracking_number": null,
    });
    at(params, "shipping").map_or(Value::Null, |given| overlay(template, Some(given)))
}

impl World {
    pub fn create_payment(&mut self, account: &str, params: &Value) -> Result<Value, Refusal> {
        let amount = integer_at(params, "amount").ok_or_else(|| Refusal::missing("amount"))?;
        let amount = check_amount(amount)?;
        let currency = check_currency(text_at(params, "currency").unwrap_or_default())?;
        let card = read_card(params)?;
        if !self.connected(account)?.standing(self.now).charges_enabled {
            return Err(Refusal::not_now("Your account cannot currently make charges."));
        }
        let [id, charge, method] = ["pi", "ch", "pm"].map(|prefix| self.ids.next(prefix));
        let available_on = self.now + card.pending_seconds;
        let posting =
            Posting { amount, currency: &currency, kind: "charge", source: &charge, available_on };
        let transaction = self.post(account, posting);
        let mut metadata = Map::new();
        change_metadata(&mut metadata, params.get("metadata"));
        let payment = Payment {
            client_secret: format!("{id}_secret_{}", self.ids.token(25)),
            id,
            charge,
            account: account.to_owned(),
            amount,
            currency,
            created: self.now,
            card,
            method,
            transaction,
            description: text_at(params, "description").map(str::to_owned),
            metadata,
            shipping: shipping(params),
            group: text_at(params, "transfer_group").map(str::to_owned),
        };
        self.made.extend([payment.id.clone(), payment.charge.clone()]);
        self.tell_payment(&payment);
        let view = payment.view();
        self.payments.add(payment);
        Ok(view)
    }

    fn tell_payment(&mut self, payment: &Payment) {
        let (account, view) = (&payment.account, payment.view());
        self.emit(account, "payment_intent.created", not_yet_paid(view.clone()));
        self.emit(account, "charge.succeeded", payment.charge_view());
        self.emit(account, "payment_intent.succeeded", view);
        if payment.card.pending_seconds == 0 {
            self.tell_balance(account);
        }
    }

    pub fn payment(&self, account: &str, id: &str) -> Result<Value, Refusal> {
        let payment = self.payments.get(id).filter(|payment| payment.account == account);
        let payment = payment.ok_or_else(|| Refusal::not_found("payment_intent", id))?;
        Ok(payment.view())
    }

    pub fn charge(&self, account: &str, id: &str) -> Result<Value, Refusal> {
        let charged = |payment: &&Payment| payment.charge == id && payment.account == account;
        let payment = self.payments.iter().find(charged);
        Ok(payment.ok_or_else(|| Refusal::not_found("charge", id))?.charge_view())
    }
}

/// A payment as it was when it was made, before the card was asked.
fn not_yet_paid(mut view: Value) -> Value {
    let Some(fields) = view.as_object_mut() else { return view };
    for (name, was) in [
        ("amount_received", json!(0)),
        ("latest_charge", Value::Null),
        ("payment_method", Value::Null),
        ("status", json!("requires_payment_method")),
    ] {
        fields.insert(name.to_owned(), was);
    }
    view
}
