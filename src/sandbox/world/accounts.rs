//! The calls about accounts.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::World;
use crate::sandbox::world::account::{Account, Control};
use crate::sandbox::world::balance_settings::agree_on_days;
use crate::sandbox::world::bank::{NewBank, no_permission};
use crate::sandbox::world::countries::{currency_of, takes_payments};
use crate::sandbox::world::json::{at, change_metadata, merge, text_at, truth_at};
use crate::sandbox::world::ledger::Ledger;
use crate::sandbox::world::standing::Review;
use crate::sandbox::world::table::Table;

/// Parameters that are kept as they come.
const DETAILS: &[&str] =
    &["business_profile", "business_type", "company", "documents", "settings", "tos_acceptance"];
/// Of these the platform cannot speak any more when an account link was made.
const HOLDERS: &[&str] = &["business_type", "company", "external_account", "individual"];

/// Who gives one of these anew has it checked anew.
const CHECKED: &[&str] = &[
    "business_profile",
    "business_type",
    "company",
    "documents",
    "external_account",
    "individual",
    "tos_acceptance",
];

impl World {
    pub fn create_account(&mut self, params: &Value) -> Result<Value, Refusal> {
        let control = control(params)?;
        let country = text_at(params, "country").map(str::to_uppercase);
        let country = country.unwrap_or_else(|| self.settings.country.clone());
        let currency = currency_of(&country).ok_or_else(|| unsupported(&country))?;
        let requested = requested(params, &control, &country)?;
        check_agreement(params, &country, &requested)?;
        let recipient = agreement(params) == "recipient";
        self.check_approval(&country, recipient, &requested)?;
        check_terms(params, &control)?;
        let bank = at(params, "external_account").map(NewBank::read).transpose()?;
        let id = self.ids.account();
        let default_currency = text_at(params, "default_currency").unwrap_or(currency).to_owned();
        let now = self.now;
        self.accounts.add(Account {
            id: id.clone(),
            created: now,
            country,
            default_currency,
            is_platform: false,
            control,
            email: None,
            details: json!({}),
            requested: requested.iter().map(|name| (name.clone(), now)).collect(),
            persons: Table::default(),
            banks: Table::default(),
            metadata: Map::new(),
            ledger: Ledger::default(),
            review: Review::default(),
            rejected: None,
            linked: false,
        });
        self.made.push(id.clone());
        // A new account is told of as a whole, not as the changes that made it.
        if let Some(account) = self.accounts.get_mut(&id) {
            put(account, params);
        }
        for name in requested {
            let view = self.capability(&id, &name)?;
            self.emit(&id, "capability.updated", view);
        }
        self.take_individual(&id, params);
        if let Some(bank) = bank {
            self.attach_bank(&id, bank, true);
        }
        self.submit_when_whole(&id);
        self.account(&id)
    }

    /// Transfers without card payments are for platforms that were approved.
    fn check_approval(
        &self,
        country: &str,
        recipient: bool,
        requested: &[String],
    ) -> Result<(), Refusal> {
        let only_transfers = requested.iter().any(|name| name == "transfers")
            && !requested.iter().any(|name| name == "card_payments");
        let param = "capabilities";
        if !only_transfers {
            return Ok(());
        }
        if country == "US" {
            return Err(Refusal::invalid(
                "You cannot request the `transfers` capability without the `card_payments` capability for accounts in US.",
            )
            .param(param));
        }
        if recipient && self.settings.recipients_approved {
            return Ok(());
        }
        Err(Refusal::invalid(
            "Your platform needs approval for accounts to have requested the `transfers` capability without the `card_payments` capability.",
        )
        .param(param))
    }

    /// Whether the account may ask for these capabilities, and leave those.
    fn check_requests(&self, id: &str, asked: &[(String, bool)]) -> Result<(), Refusal> {
        let account = self.connected(id)?;
        if asked.is_empty() {
            return Ok(());
        }
        let kept = account.requested.keys().filter(|name| asked.iter().all(|(is, _)| is != *name));
        let added = asked.iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name);
        let requested: Vec<String> = kept.chain(added).cloned().collect();
        self.check_approval(&account.country, account.is_recipient(), &requested)
    }

    pub fn account(&self, id: &str) -> Result<Value, Refusal> {
        Ok(self.connected(id)?.view(self.now))
    }

    pub fn update_account(&mut self, id: &str, params: &Value) -> Result<Value, Refusal> {
        let account = self.connected(id)?;
        if !account.is_platform {
            check_terms(params, &account.control)?;
        }
        let closed = !account.is_platform && !account.is_open_to_platform();
        let named = |name: &&&str| params.get(**name).is_some();
        if let Some(name) = HOLDERS.iter().find(named).filter(|_| closed) {
            return Err(no_permission(name, id));
        }
        let bank = at(params, "external_account").map(NewBank::read).transpose()?;
        self.check_requests(id, &asked_for(params))?;
        let (now, asked) = (self.now, asked_for(params));
        self.change_account(id, |account| {
            put(account, params);
            request(account, &asked, now);
        });
        self.take_individual(id, params);
        if let Some(bank) = bank {
            self.attach_bank(id, bank, true);
        }
        if CHECKED.iter().any(|name| params.get(*name).is_some()) {
            self.details_changed(id);
        }
        self.account(id)
    }

    /// The details of the one person of an individual account.
    fn take_individual(&mut self, id: &str, params: &Value) {
        let Some(individual) = at(params, "individual").cloned() else { return };
        self.take_representative(id, &individual);
    }

    pub fn take_representative(&mut self, id: &str, details: &Value) {
        let mut details = details.clone();
        merge(&mut details, &json!({ "relationship": { "representative": true } }));
        let known = self.accounts.get(id).and_then(Account::representative);
        match known.map(|person| person.id.clone()) {
            Some(person) => self.change_person(id, &person, &details),
            None => drop(self.add_person(id, &details)),
        }
    }

    pub fn delete_account(&mut self, id: &str) -> Result<Value, Refusal> {
        let account = self.connected(id)?;
        if account.is_platform || !account.ledger.is_even() {
            return Err(Refusal::invalid(
                "Accounts may only be deleted when all of their balances are zero.",
            )
            .code("account_invalid"));
        }
        let application =
            json!({ "id": self.application, "object": "application", "name": "Sandbox platform" });
        self.emit(id, "account.application.deauthorized", application);
        self.accounts.remove(id);
        Ok(json!({ "id": id, "object": "account", "deleted": true }))
    }

    pub fn reject_account(&mut self, id: &str, params: &Value) -> Result<Value, Refusal> {
        self.connected(id)?;
        let reason = text_at(params, "reason").unwrap_or_default().to_owned();
        if !matches!(reason.as_str(), "fraud" | "terms_of_service" | "other") {
            return Err(Refusal::invalid(
                "Invalid reason: must be one of fraud, terms_of_service or other",
            )
            .param("reason"));
        }
        self.change_account(id, |account| account.rejected = Some(reason));
        self.account(id)
    }

    pub fn unreject_account(&mut self, id: &str) -> Result<Value, Refusal> {
        self.connected(id)?;
        self.change_account(id, |account| account.rejected = None);
        self.account(id)
    }

    pub fn capability(&self, account: &str, name: &str) -> Result<Value, Refusal> {
        Ok(self.connected(account)?.capability_view(name, self.now))
    }

    pub fn update_capability(
        &mut self,
        account: &str,
        name: &str,
        params: &Value,
    ) -> Result<Value, Refusal> {
        let asked = truth_at(params, "requested").map(|wanted| (name.to_owned(), wanted));
        let asked = Vec::from_iter(asked);
        self.check_requests(account, &asked)?;
        let now = self.now;
        self.change_account(account, |account| request(account, &asked, now));
        self.capability(account, name)
    }
}

fn request(account: &mut Account, asked: &[(String, bool)], now: i64) {
    for (name, wanted) in asked {
        if *wanted {
            account.requested.entry(name.clone()).or_insert(now);
        } else {
            account.requested.remove(name);
        }
    }
}

fn put(account: &mut Account, params: &Value) {
    if let Some(email) = params.get("email") {
        account.email = email.as_str().map(str::to_owned);
    }
    if let Some(currency) = text_at(params, "default_currency") {
        currency.clone_into(&mut account.default_currency);
    }
    change_metadata(&mut account.metadata, params.get("metadata"));
    for name in DETAILS {
        if let Some(given) = params.get(*name) {
            merge(&mut account.details, &json!({ *name: given }));
        }
    }
    agree_on_days(&mut account.details, params);
    if text_at(&account.details, "settings.payouts.schedule.delay_days") == Some("minimum") {
        merge(
            &mut account.details,
            &json!({ "settings": { "payouts": { "schedule": { "delay_days": 2 } } } }),
        );
    }
}

fn unsupported(country: &str) -> Refusal {
    Refusal::invalid(format!("{country} is not currently supported by Stripe."))
        .code("country_unsupported")
        .param("country")
}

fn control(params: &Value) -> Result<Control, Refusal> {
    let legacy = text_at(params, "type").map(str::to_owned);
    if legacy.is_some() && at(params, "controller").is_some() {
        return Err(Refusal::invalid(
            "You may not provide the `type` parameter and the `controller` parameter together.",
        )
        .param("type"));
    }
    let (losses, payer, dashboard, collection) = match legacy.as_deref() {
        Some("express") => ("application", "application", "express", "stripe"),
        Some("custom") => ("application", "application", "none", "application"),
        Some(_) | None => ("stripe", "account", "full", "stripe"),
    };
    let word = |path: &str, default: &str| {
        text_at(params, &format!("controller.{path}")).unwrap_or(default).to_owned()
    };
    let control = Control {
        losses: word("losses.payments", losses),
        payer: word("fees.payer", payer),
        dashboard: word("stripe_dashboard.type", dashboard),
        collection: word("requirement_collection", collection),
        legacy,
    };
    if !control.stripe_collects() && control.dashboard != "none" {
        return Err(Refusal::invalid(
            "When `controller[requirement_collection]` is `application`, `controller[stripe_dashboard][type]` must be `none`.",
        )
        .param("controller[requirement_collection]"));
    }
    Ok(control)
}

/// The terms of service that the holder is to accept.
fn agreement(params: &Value) -> &str {
    text_at(params, "tos_acceptance.service_agreement").unwrap_or("full")
}

fn asked_for(params: &Value) -> Vec<(String, bool)> {
    let capabilities = at(params, "capabilities").and_then(Value::as_object);
    let asked = capabilities.into_iter().flatten();
    asked.filter_map(|(name, asked)| Some((name.clone(), truth_at(asked, "requested")?))).collect()
}

/// The capabilities that were asked for, or those that an Express account gets by itself.
fn requested(params: &Value, control: &Control, country: &str) -> Result<Vec<String>, Refusal> {
    let asked = asked_for(params).into_iter().filter(|(_, wanted)| *wanted);
    let asked: Vec<String> = asked.map(|(name, _)| name).collect();
    if !asked.is_empty() {
        return Ok(asked);
    }
    let recipient = agreement(params) == "recipient";
    match control.dashboard.as_str() {
        "express" if recipient || !takes_payments(country) => Ok(vec!["transfers".to_owned()]),
        "express" => Ok(vec!["card_payments".to_owned(), "transfers".to_owned()]),
        "none" => Err(Refusal::missing("capabilities")),
        _ => Ok(Vec::new()),
    }
}

fn check_agreement(params: &Value, country: &str, requested: &[String]) -> Result<(), Refusal> {
    let param = "tos_acceptance[service_agreement]";
    let refused = match agreement(params) {
        "full" if takes_payments(country) => return Ok(()),
        "full" => return Err(unsupported(country)),
        "recipient" if country == "US" => {
            "Accounts in US cannot be under the `recipient` service agreement."
        }
        "recipient" if requested.iter().any(|name| name != "transfers") => {
            "Accounts under the `recipient` service agreement can only request the `transfers` capability."
        }
        "recipient" => return Ok(()),
        _ => "Invalid service agreement: must be one of full or recipient",
    };
    Err(Refusal::invalid(refused).param(param))
}

/// The holder accepts the terms; a platform can say so only where it collects the details.
fn check_terms(params: &Value, control: &Control) -> Result<(), Refusal> {
    let accepts = at(params, "tos_acceptance.date").or(at(params, "tos_acceptance.ip"));
    if accepts.is_some() && control.stripe_collects() {
        return Err(Refusal::invalid(
            "You cannot accept the Terms of Service on behalf of Standard and Express connected accounts.",
        )
        .param("tos_acceptance"));
    }
    Ok(())
}
