//! External accounts: where payouts go, and what becomes of them there.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::World;
use crate::sandbox::world::countries::currency_of;
use crate::sandbox::world::json::{change_metadata, text_at, truth_at};
use crate::sandbox::world::table::Named;

#[derive(Clone, Debug)]
pub struct Bank {
    pub id: String,
    pub number: String,
    pub routing: Option<String>,
    pub country: String,
    pub currency: String,
    pub holder: Option<String>,
    pub holder_type: Option<String>,
    pub fingerprint: String,
    /// `new`, or `errored` after a payout failed.
    pub status: &'static str,
    pub is_default: bool,
    pub metadata: Map<String, Value>,
}

impl Named for Bank {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Numbers of test accounts whose bank refuses: what it says, as code and as text.
const REFUSING: &[(&str, &str, &str)] = &[
    (
        "000111111116",
        "no_account",
        "The bank account details on file are probably incorrect. No bank account could be located with those details.",
    ),
    ("000111111113", "account_closed", "The bank account has been closed."),
    (
        "000222222227",
        "insufficient_funds",
        "The Stripe account has insufficient funds to cover the payout.",
    ),
    (
        "000333333335",
        "debit_not_authorized",
        "Debit transactions are not approved on this bank account.",
    ),
    (
        "000444444440",
        "invalid_currency",
        "The bank was unable to process this payout because of its currency.",
    ),
];

/// What the bank behind a test number says to a payout; nothing when it takes it.
pub(super) fn refusal_of(number: &str) -> Option<(&'static str, &'static str)> {
    REFUSING.iter().find(|(is, ..)| *is == number).map(|(_, code, text)| (*code, *text))
}

/// The same texts, by code.
pub(super) fn text_of(code: &str) -> Option<&'static str> {
    REFUSING.iter().find(|(_, is, _)| *is == code).map(|(_, _, text)| *text)
}

impl Bank {
    pub fn view(&self, account: &str) -> Value {
        let last4 = self.number.get(self.number.len().saturating_sub(4)..).unwrap_or("");
        json!({
            "id": self.id, "object": "bank_account", "account": account,
            "account_holder_name": self.holder, "account_holder_type": self.holder_type,
            "account_type": null, "available_payout_methods": ["standard"],
            "bank_name": "STRIPE TEST BANK", "country": self.country, "currency": self.currency,
            "default_for_currency": self.is_default, "fingerprint": self.fingerprint,
            "future_requirements": null, "last4": last4, "metadata": self.metadata,
            "requirements": null, "routing_number": self.routing, "status": self.status,
        })
    }
}

/// What was given for a new one: a token, or the details.
#[derive(Clone, Debug)]
pub struct NewBank {
    pub number: String,
    pub routing: Option<String>,
    pub country: String,
    pub currency: String,
    pub holder: Option<String>,
    pub holder_type: Option<String>,
}

impl NewBank {
    pub fn read(given: &Value) -> Result<Self, Refusal> {
        if let Some(token) = given.as_str() {
            return Self::of_token(token);
        }
        let text = |name: &str| text_at(given, name).map(str::to_owned);
        let number = text("account_number").ok_or_else(|| {
            Refusal::invalid("Only bank accounts can be added here, with their account_number.")
                .param("external_account")
        })?;
        let country = text("country").unwrap_or_default();
        let Some(usual) = currency_of(&country) else {
            return Err(Refusal::invalid(format!("Country '{country}' is unknown."))
                .code("country_code_invalid")
                .param("external_account[country]"));
        };
        let routing = text("routing_number");
        let is_routing =
            |text: &String| text.len() == 9 && text.bytes().all(|b| b.is_ascii_digit());
        if country == "US" && !routing.as_ref().is_some_and(is_routing) {
            let what = routing.unwrap_or_default();
            return Err(Refusal::invalid(format!(
                "Invalid routing number for US: '{what}'. The number must contain 9 digits."
            ))
            .code("routing_number_invalid")
            .param("external_account[routing_number]"));
        }
        let currency = text("currency").unwrap_or_else(|| usual.to_owned());
        let (holder, holder_type) = (text("account_holder_name"), text("account_holder_type"));
        Ok(Self { number, routing, country, currency, holder, holder_type })
    }

    fn of_token(token: &str) -> Result<Self, Refusal> {
        if !matches!(token, "btok_us" | "btok_us_verified") {
            return Err(Refusal::no_such("token", token, "external_account"));
        }
        Ok(Self {
            number: "000123456789".to_owned(),
            routing: Some("110000000".to_owned()),
            country: "US".to_owned(),
            currency: "usd".to_owned(),
            holder: Some("Jane Austen".to_owned()),
            holder_type: Some("individual".to_owned()),
        })
    }
}

impl World {
    /// Attaches a bank account, whoever gave it; the first of a currency is its default.
    pub fn attach_bank(&mut self, account: &str, new: NewBank, make_default: bool) -> String {
        let id = self.ids.next("ba");
        let fingerprint = self.ids.token(16);
        let NewBank { number, routing, country, currency, holder, holder_type } = new;
        let bank = Bank {
            id: id.clone(),
            number,
            routing,
            country,
            currency,
            holder,
            holder_type,
            fingerprint,
            status: "new",
            is_default: false,
            metadata: Map::new(),
        };
        self.made.push(id.clone());
        let named = id.clone();
        self.change_account(account, |account| {
            let currency = bank.currency.clone();
            let first = account.bank_for(&currency).is_none();
            account.banks.add(bank);
            if first || make_default {
                make_default_bank(account, &named, &currency);
            }
        });
        self.emit_bank(account, &id, "account.external_account.created", None);
        id
    }

    pub fn bank(&self, account: &str, id: &str) -> Result<Value, Refusal> {
        let account = self.connected(account)?;
        let bank = account.banks.get(id);
        let bank = bank.ok_or_else(|| Refusal::not_found("external account", id))?;
        Ok(bank.view(&account.id))
    }

    fn emit_bank(&mut self, account: &str, id: &str, kind: &'static str, previous: Option<Value>) {
        if let Ok(view) = self.bank(account, id) {
            self.emit_change(account, kind, view, previous);
        }
    }

    fn may_touch_banks(&self, account: &str) -> Result<(), Refusal> {
        let account = self.connected(account)?;
        if account.is_platform || account.is_open_to_platform() {
            return Ok(());
        }
        Err(no_permission("external_account", &account.id))
    }

    pub fn create_bank(&mut self, account: &str, params: &Value) -> Result<Value, Refusal> {
        self.may_touch_banks(account)?;
        let new = NewBank::read(params.get("external_account").unwrap_or(&Value::Null))?;
        let make_default = truth_at(params, "default_for_currency").unwrap_or(false);
        let id = self.attach_bank(account, new, make_default);
        self.change_bank(account, &id, |bank| {
            change_metadata(&mut bank.metadata, params.get("metadata"));
        });
        self.bank(account, &id)
    }

    pub fn update_bank(
        &mut self,
        account: &str,
        id: &str,
        params: &Value,
    ) -> Result<Value, Refusal> {
        let before = self.bank(account, id)?;
        let is_default = truth_at(params, "default_for_currency").unwrap_or(false);
        self.change_bank(account, id, |bank| {
            change_metadata(&mut bank.metadata, params.get("metadata"));
            if let Some(name) = text_at(params, "account_holder_name") {
                bank.holder = Some(name.to_owned());
            }
        });
        if is_default {
            let currency = text_at(&before, "currency").unwrap_or_default().to_owned();
            self.change_account(account, |account| make_default_bank(account, id, &currency));
        }
        let after = self.bank(account, id)?;
        let previous = super::json::previous(&before, &after);
        if previous.is_some() {
            self.emit_bank(account, id, "account.external_account.updated", previous);
        }
        Ok(after)
    }

    pub fn delete_bank(&mut self, account: &str, id: &str) -> Result<Value, Refusal> {
        self.may_touch_banks(account)?;
        let gone = self.bank(account, id)?;
        if truth_at(&gone, "default_for_currency") == Some(true) {
            return Err(Refusal::invalid(
                "You cannot delete the default external account for your default currency. Please make another external account the default using the `default_for_currency` param, and then delete this one.",
            ));
        }
        self.change_account(account, |account| drop(account.banks.remove(id)));
        self.emit(account, "account.external_account.deleted", gone);
        Ok(json!({ "id": id, "object": "bank_account", "deleted": true }))
    }

    /// A payout failed there: nothing more is sent until another one is given.
    pub fn bank_failed(&mut self, account: &str, id: &str) {
        let Ok(before) = self.bank(account, id) else { return };
        self.change_bank(account, id, |bank| bank.status = "errored");
        let after = self.bank(account, id).unwrap_or_default();
        let previous = super::json::previous(&before, &after);
        self.emit_bank(account, id, "account.external_account.updated", previous);
    }

    fn change_bank(&mut self, account: &str, id: &str, change: impl FnOnce(&mut Bank)) {
        self.change_account(account, |account| {
            if let Some(bank) = account.banks.get_mut(id) {
                change(bank);
            }
        });
    }
}

fn make_default_bank(account: &mut super::account::Account, id: &str, currency: &str) {
    let ids: Vec<String> = account.banks.iter().map(|bank| bank.id.clone()).collect();
    for other in ids {
        if let Some(bank) = account.banks.get_mut(&other).filter(|b| b.currency == currency) {
            bank.is_default = bank.id == id;
        }
    }
}

pub(super) fn no_permission(parameter: &str, account: &str) -> Refusal {
    Refusal::invalid(format!(
        "This application does not have the required permissions for the parameter '{parameter}' on account '{account}'."
    ))
    .param(parameter)
    .status(403)
}
