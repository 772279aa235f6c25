//! An account: who controls it, what is known of its holder, and how the API shows it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::sandbox::world::bank::Bank;
use crate::sandbox::world::json::{at, merge, overlay, text_at, truth_at};
use crate::sandbox::world::ledger::Ledger;
use crate::sandbox::world::person::Person;
use crate::sandbox::world::standing::{Review, Standing, standing};
use crate::sandbox::world::table::{Named, Table};

/// The `controller` of an account, in Stripe's words.
#[derive(Clone, Debug)]
pub struct Control {
    /// The deprecated way to say it all.
    pub legacy: Option<String>,
    pub losses: String,
    pub payer: String,
    pub dashboard: String,
    pub collection: String,
}

impl Control {
    /// Whether Stripe, and not the platform, asks the holder for what is required.
    pub fn stripe_collects(&self) -> bool {
        self.collection == "stripe"
    }

    fn payer_shown(&self) -> &str {
        match self.legacy.as_deref() {
            Some("express") => "application_express",
            Some("custom") => "application_custom",
            Some(_) | None => &self.payer,
        }
    }

    fn view(&self, is_platform: bool) -> Value {
        if is_platform {
            return json!({ "type": "account" });
        }
        json!({
            "fees": { "payer": self.payer_shown() }, "is_controller": true,
            "losses": { "payments": self.losses }, "requirement_collection": self.collection,
            "stripe_dashboard": { "type": self.dashboard }, "type": "application",
        })
    }
}

#[derive(Debug)]
pub struct Account {
    pub id: String,
    pub created: i64,
    pub country: String,
    pub default_currency: String,
    pub is_platform: bool,
    pub control: Control,
    pub email: Option<String>,
    /// What was given with the call's own names: business type and profile, company, settings,
    /// acceptance of terms, documents.
    pub details: Value,
    /// Capabilities and since when they are requested.
    pub requested: BTreeMap<String, i64>,
    pub persons: Table<Person>,
    pub banks: Table<Bank>,
    pub metadata: Map<String, Value>,
    pub ledger: Ledger,
    pub review: Review,
    /// Why Stripe or the platform will have nothing to do with it.
    pub rejected: Option<String>,
    /// Whether an account link was made: from then on the holder's details are not the platform's.
    pub linked: bool,
}

impl Named for Account {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Account {
    pub fn business_type(&self) -> Option<&str> {
        text_at(&self.details, "business_type")
    }

    pub fn is_individual(&self) -> bool {
        self.business_type() == Some("individual")
    }

    pub fn is_recipient(&self) -> bool {
        text_at(&self.details, "tos_acceptance.service_agreement") == Some("recipient")
    }

    pub fn representative(&self) -> Option<&Person> {
        self.persons.iter().find(|person| person.represents())
    }

    pub fn representative_mut(&mut self) -> Option<&mut Person> {
        let id = self.representative()?.id.clone();
        self.persons.get_mut(&id)
    }

    /// Where payouts in this currency go: the default, unless that failed.
    pub fn bank_for(&self, currency: &str) -> Option<&Bank> {
        let usable = |bank: &&Bank| bank.currency == currency && bank.status != "errored";
        self.banks.iter().filter(usable).max_by_key(|bank| bank.is_default)
    }

    /// How often, and when, what is available is paid out.
    pub fn schedule(&self) -> &str {
        let given = text_at(&self.details, "settings.payouts.schedule.interval");
        given.unwrap_or(if self.is_platform { "manual" } else { "daily" })
    }

    /// Whether Stripe takes from the bank what the balance owes.
    pub fn debits_negative_balances(&self) -> bool {
        let given = truth_at(&self.details, "settings.payouts.debit_negative_balances");
        given.unwrap_or(self.control.stripe_collects())
    }

    /// Whether the platform may see and change the holder's details.
    pub fn is_open_to_platform(&self) -> bool {
        !(self.linked && self.control.stripe_collects())
    }

    pub fn standing(&self, now: i64) -> Standing {
        standing(self, now)
    }

    pub fn view(&self, now: i64) -> Value {
        let standing = self.standing(now);
        let given = |name: &str| at(&self.details, name);
        let mut account = json!({
            "id": self.id, "object": "account",
            "business_profile": overlay(business_profile(), given("business_profile")),
            "business_type": self.business_type(),
            "capabilities": standing.capabilities,
            "charges_enabled": standing.charges_enabled,
            "controller": self.control.view(self.is_platform),
            "country": self.country, "created": self.created,
            "default_currency": self.default_currency,
            "details_submitted": self.review.is_submitted(),
            "email": self.email,
            "external_accounts": self.external_accounts(),
            "future_requirements": standing.future.view(),
            "metadata": self.metadata,
            "payouts_enabled": standing.payouts_enabled,
            "requirements": standing.requirements.view(),
            "settings": overlay(self.settings(), given("settings")),
            "tos_acceptance": self.tos_acceptance(),
            "type": self.type_shown(),
        });
        if let Some(fields) = account.as_object_mut().filter(|_| self.is_open_to_platform()) {
            if let Some(person) = self.representative().filter(|_| self.is_individual()) {
                fields.insert("individual".to_owned(), person.view(self, now));
            }
            if let Some(company) = given("company") {
                fields.insert("company".to_owned(), company_view(company));
            }
        }
        account
    }

    fn type_shown(&self) -> &str {
        match (&self.control.legacy, self.is_platform) {
            (Some(legacy), _) => legacy,
            (None, true) => "standard",
            (None, false) => "none",
        }
    }

    fn external_accounts(&self) -> Value {
        let banks: Vec<Value> = self.banks.iter().map(|bank| bank.view(&self.id)).collect();
        let url = format!("/v1/accounts/{}/external_accounts", self.id);
        json!({ "object": "list", "data": banks, "has_more": false, "url": url })
    }

    fn tos_acceptance(&self) -> Value {
        let template = json!({ "date": null, "ip": null, "user_agent": null });
        let mut shown = overlay(template, at(&self.details, "tos_acceptance"));
        if let Some(fields) = shown.as_object_mut().filter(|_| self.is_recipient()) {
            fields.insert("service_agreement".to_owned(), json!("recipient"));
        }
        shown
    }

    fn settings(&self) -> Value {
        let mut schedule = match self.schedule() {
            "weekly" => json!({ "delay_days": 2, "interval": "weekly", "weekly_anchor": "monday" }),
            "monthly" => json!({ "delay_days": 2, "interval": "monthly", "monthly_anchor": 1 }),
            interval => json!({ "delay_days": 2, "interval": interval }),
        };
        let days = format!("{}_payout_days", self.schedule());
        if let Some(given) = at(&self.details, &format!("settings.payouts.schedule.{days}")) {
            merge(&mut schedule, &json!({ days: given }));
        }
        json!({
            "bacs_debit_payments": { "display_name": null, "service_user_number": null },
            "branding":
                { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
            "card_issuing": { "tos_acceptance": { "date": null, "ip": null } },
            "card_payments": {
                "decline_on": { "avs_failure": false, "cvc_failure": false },
                "statement_descriptor_prefix": null,
                "statement_descriptor_prefix_kana": null,
                "statement_descriptor_prefix_kanji": null,
            },
            "dashboard": { "display_name": null, "timezone": "Etc/UTC" },
            "invoices": { "default_account_tax_ids": null, "hosted_payment_method_save": null },
            "payments": {
                "statement_descriptor": null,
                "statement_descriptor_kana": null,
                "statement_descriptor_kanji": null,
                "statement_descriptor_prefix_kana": null,
                "statement_descriptor_prefix_kanji": null,
            },
            "payouts": {
                "debit_negative_balances": self.debits_negative_balances(),
                "schedule": schedule,
                "statement_descriptor": null,
            },
            "sepa_debit_payments": {},
        })
    }

    pub fn capability_view(&self, name: &str, now: i64) -> Value {
        let standing = self.standing(now);
        let requested_at = self.requested.get(name);
        let status = standing.capabilities.get(name).and_then(Value::as_str);
        json!({
            "id": name, "object": "capability", "account": self.id,
            "future_requirements": standing.future.view_for_capability(),
            "requested": requested_at.is_some(), "requested_at": requested_at,
            "requirements": standing.requirements.view_for_capability(),
            "status": status.unwrap_or("unrequested"),
        })
    }
}

fn business_profile() -> Value {
    json!({
        "annual_revenue": null, "estimated_worker_count": null, "mcc": null,
        "minority_owned_business_designation": null, "name": null, "product_description": null,
        "support_address": null, "support_email": null, "support_phone": null,
        "support_url": null, "url": null,
    })
}

fn company_view(company: &Value) -> Value {
    let address = json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null,
        "state": null,
    });
    let template = json!({ "address": address, "name": null, "phone": null });
    let mut shown = overlay(template, Some(company));
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("tax_id_provided".to_owned(), json!(at(company, "tax_id").is_some()));
    }
    shown
}
