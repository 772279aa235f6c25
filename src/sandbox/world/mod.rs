//! The state of the sandbox: a machine that calls and time move, and that makes events.
//!
//! Time comes in as an argument, chance from a seed: the same calls at the same times give the
//! same world. What is due later waits in a queue, and [`World::advance`] does it in order.
//!
//! **Never in here:** I/O, a reading of the clock, HTTP.

pub mod account;
mod accounts;
mod balance_settings;
mod bank;
mod changes;
mod countries;
mod endpoint;
mod event;
mod ids;
pub(super) mod json;
mod ledger;
mod levers;
pub mod link;
pub mod listener;
mod listing;
pub mod onboarding;
pub mod outbox;
mod payment;
mod payout;
mod person;
mod review;
pub mod standing;
mod table;
mod topup;
mod transfer;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::account::{Account, Control};
use crate::sandbox::world::bank::NewBank;
use crate::sandbox::world::event::{Cause, Event};
use crate::sandbox::world::ids::Ids;
use crate::sandbox::world::ledger::{Ledger, Transaction};
use crate::sandbox::world::link::Link;
use crate::sandbox::world::listener::Listener;
use crate::sandbox::world::outbox::Outbox;
use crate::sandbox::world::payment::Payment;
use crate::sandbox::world::payout::Payout;
use crate::sandbox::world::standing::{Review, Stage};
use crate::sandbox::world::table::Table;
use crate::sandbox::world::topup::Topup;
use crate::sandbox::world::transfer::Transfer;

pub const DAY: i64 = 86_400;

/// What a sandbox is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of the platform.
    pub country: String,
    pub seed: u64,
    /// The version in which events are written.
    pub api_version: String,
    /// Where browsers reach the hosted onboarding: `http://127.0.0.1:12111`.
    pub base_url: String,
    /// How long the checks of a submitted account take.
    pub review_seconds: i64,
    /// Whether Stripe lets the platform have accounts that only receive.
    pub recipients_approved: bool,
}

impl Settings {
    /// Whether a platform can be there.
    pub fn is_country(code: &str) -> bool {
        countries::takes_payments(code)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            country: "US".to_owned(),
            seed: 0,
            api_version: "2026-07-29.dahlia".to_owned(),
            base_url: "http://127.0.0.1:12111".to_owned(),
            review_seconds: 3,
            recipients_approved: true,
        }
    }
}

/// What happens by itself at a later time.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    Topup(String),
    Payout(String),
    /// Pending money of an account becomes available.
    Settle(String),
    Reviewed(String),
    Deadline(String),
    /// The day on which automatic payouts are made begins.
    Midnight,
}

#[derive(Debug)]
pub struct World {
    pub settings: Settings,
    now: i64,
    ids: Ids,
    /// The id of the platform's own account.
    platform: String,
    /// The id of the platform as an application that accounts are connected to.
    application: String,
    accounts: Table<Account>,
    links: Table<Link>,
    topups: Table<Topup>,
    transfers: Table<Transfer>,
    payments: Table<Payment>,
    payouts: Table<Payout>,
    events: Table<Event>,
    listeners: Table<Listener>,
    /// Events that listeners were told of once more.
    told_again: usize,
    pub outbox: Outbox,
    due: BTreeMap<(i64, u64), Due>,
    scheduled: u64,
    cause: Cause,
    /// Ids of what the call under way has made, events too.
    made: Vec<String>,
    /// While several changes are told of as one.
    quiet: bool,
}

impl World {
    pub fn new(settings: Settings, now: i64) -> Self {
        let mut ids = Ids::new(settings.seed);
        let platform = ids.account();
        let application = ids.next("ca");
        let mut world = Self {
            settings,
            now,
            ids,
            platform,
            application,
            accounts: Table::default(),
            links: Table::default(),
            topups: Table::default(),
            transfers: Table::default(),
            payments: Table::default(),
            payouts: Table::default(),
            events: Table::default(),
            listeners: Table::default(),
            told_again: 0,
            outbox: Outbox::default(),
            due: BTreeMap::new(),
            scheduled: 0,
            cause: Cause::default(),
            made: Vec::new(),
            quiet: false,
        };
        world.found_platform();
        world.schedule(next_midnight(now), Due::Midnight);
        world
    }

    fn found_platform(&mut self) {
        let country = self.settings.country.clone();
        let currency = countries::currency_of(&country).unwrap_or("usd").to_owned();
        let control = Control {
            legacy: None,
            losses: "stripe".to_owned(),
            payer: "account".to_owned(),
            dashboard: "full".to_owned(),
            collection: "stripe".to_owned(),
        };
        let details = json!({
            "business_type": "company", "settings": { "dashboard": { "display_name": "Sandbox platform" } },
        });
        let requested = ["card_payments", "transfers"].map(|name| (name.to_owned(), self.now));
        self.accounts.add(Account {
            id: self.platform.clone(),
            created: self.now,
            country: country.clone(),
            default_currency: currency.clone(),
            is_platform: true,
            control,
            email: Some("platform@example.com".to_owned()),
            details,
            requested: requested.into(),
            persons: Table::default(),
            banks: Table::default(),
            metadata: Map::new(),
            ledger: Ledger::default(),
            review: Review { stage: Stage::Checked, passed_once: true, ..Review::default() },
            rejected: None,
            linked: false,
        });
        let bank = NewBank {
            number: "000123456789".to_owned(),
            routing: (country == "US").then(|| "110000000".to_owned()),
            country,
            currency,
            holder: Some("Sandbox platform".to_owned()),
            holder_type: Some("company".to_owned()),
        };
        self.attach_bank(&self.platform.clone(), bank, true);
        // It was there before anybody looked.
        self.events = Table::default();
        self.made.clear();
    }

    pub fn now(&self) -> i64 {
        self.now
    }

    pub fn platform(&self) -> &str {
        &self.platform
    }

    pub fn chance(&mut self) -> &mut fastrand::Rng {
        self.ids.chance()
    }

    /// What the sandbox hands to listeners: the events made since, and the world as it is then.
    pub fn event_of(&self, id: &str) -> Option<&Event> {
        self.events.get(id)
    }

    /// Does what is due until then, each thing at its time. Time never goes back.
    pub fn advance(&mut self, to: i64) {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= to) {
            let ((at, _), due) = entry.remove_entry();
            self.now = self.now.max(at);
            self.cause = Cause::default();
            self.happen(due);
        }
        self.now = self.now.max(to);
    }

    /// When the next thing is due.
    pub fn next_due(&self) -> Option<i64> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    fn schedule(&mut self, at: i64, due: Due) {
        self.scheduled += 1;
        self.due.insert((at, self.scheduled), due);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Topup(id) => self.topup_is_due(&id),
            Due::Payout(id) => self.payout_is_due(&id),
            Due::Settle(account) => self.settle(&account),
            Due::Reviewed(account) => self.reviewed(&account),
            Due::Deadline(account) => self.deadline_passes(&account),
            Due::Midnight => {
                self.pay_out_automatically();
                self.schedule(self.now + DAY, Due::Midnight);
            }
        }
    }

    fn settle(&mut self, account: &str) {
        let now = self.now;
        let settled = self.accounts.get_mut(account).is_some_and(|a| a.ledger.settle(now));
        if settled {
            self.tell_balance(account);
        }
    }

    /// Begins a call: what happens until the next is its doing.
    pub fn begin(&mut self, request_id: &str, idempotency_key: Option<&str>) {
        self.cause = Cause {
            request_id: Some(request_id.to_owned()),
            idempotency_key: idempotency_key.map(str::to_owned),
        };
        self.made.clear();
    }

    /// Ends a call, and says what it made.
    pub fn end(&mut self) -> Vec<String> {
        self.cause = Cause::default();
        std::mem::take(&mut self.made)
    }

    /// An id that nobody can guess who does not know the seed.
    pub fn new_id(&mut self, prefix: &str) -> String {
        format!("{prefix}_{}", self.ids.token(14))
    }

    pub fn has_account(&self, id: &str) -> bool {
        self.accounts.get(id).is_some()
    }

    /// An account that the platform may speak of.
    fn connected(&self, id: &str) -> Result<&Account, Refusal> {
        self.accounts.get(id).ok_or_else(|| {
            Refusal::invalid(format!(
                "The provided key does not have access to account '{id}' (or that account does not exist). Application access may have been revoked."
            ))
            .code("account_invalid")
            .status(403)
        })
    }

    /// Moves money in or out of an account's balance; the id of the transaction.
    fn post(&mut self, account: &str, posting: Posting<'_>) -> String {
        let Posting { amount, currency, kind, source, available_on } = posting;
        let id = self.ids.next("txn");
        let now = self.now;
        let transaction = Transaction {
            id: id.clone(),
            amount,
            currency: currency.to_owned(),
            available_on,
            created: now,
            kind,
            source: source.to_owned(),
            description: None,
        };
        if let Some(account) = self.accounts.get_mut(account) {
            account.ledger.post(transaction, now);
        }
        if available_on > now {
            self.schedule(available_on, Due::Settle(account.to_owned()));
        }
        id
    }

    fn available(&self, account: &str, currency: &str) -> i64 {
        self.accounts.get(account).map_or(0, |account| account.ledger.available(currency))
    }

    pub fn balance(&self, account: &str) -> Result<Value, Refusal> {
        let account = self.connected(account)?;
        Ok(account.ledger.view(&account.default_currency))
    }

    fn tell_balance(&mut self, account: &str) {
        if let Ok(balance) = self.balance(account) {
            self.emit(account, "balance.available", balance);
        }
    }
}

/// One movement of money.
#[derive(Clone, Copy)]
struct Posting<'a> {
    amount: i64,
    currency: &'a str,
    kind: &'static str,
    source: &'a str,
    available_on: i64,
}

fn next_midnight(now: i64) -> i64 {
    now - now.rem_euclid(DAY) + DAY
}

/// Whether it can be a URL that a program or a browser is sent to.
fn is_http_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with(['/', '?', '#'])
            && !rest.contains(char::is_whitespace)
    })
}

/// An amount that money can be moved with.
fn check_amount(amount: i64) -> Result<i64, Refusal> {
    const MOST: i64 = 99_999_999;
    if amount < 1 {
        return Err(Refusal::too_small("amount", 1));
    }
    if amount > MOST {
        return Err(Refusal::invalid("Amount must be no more than $999,999.99")
            .code("amount_too_large")
            .param("amount"));
    }
    Ok(amount)
}

fn check_currency(currency: &str) -> Result<String, Refusal> {
    let lower = currency.to_lowercase();
    if countries::is_currency(&lower) {
        return Ok(lower);
    }
    Err(Refusal::invalid(format!("Invalid currency: {currency}.")).param("currency"))
}
