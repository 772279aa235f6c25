//! Payouts: money that leaves an account's balance for its bank.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::balance_settings::{minimum, pays_out_on};
use crate::sandbox::world::bank::{refusal_of, text_of};
use crate::sandbox::world::json::{change_metadata, integer_at, previous, text_at};
use crate::sandbox::world::table::Named;
use crate::sandbox::world::{DAY, Due, Posting, World, check_amount, check_currency};

/// Seconds until a payout is handed to the bank, and until it arrives there.
const SENT_AFTER: i64 = 3600;
const ARRIVES_AFTER: i64 = 2 * DAY;
const INSTANT_ARRIVES_AFTER: i64 = 60;
const LONGEST_DESCRIPTOR: usize = 22;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PayoutStatus {
    Pending,
    InTransit,
    Paid,
    Failed,
    Canceled,
}

impl PayoutStatus {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InTransit => "in_transit",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Payout {
    pub id: String,
    pub account: String,
    pub amount: i64,
    pub currency: String,
    pub created: i64,
    pub arrival_date: i64,
    pub automatic: bool,
    pub instant: bool,
    pub status: PayoutStatus,
    pub bank: String,
    pub transaction: String,
    pub returned_by: Option<String>,
    pub failure: Option<(String, String)>,
    pub original: Option<String>,
    pub reversed_by: Option<String>,
    pub description: Option<String>,
    pub statement_descriptor: Option<String>,
    pub metadata: Map<String, Value>,
}

impl Named for Payout {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Payout {
    pub(super) fn view(&self) -> Value {
        let failure = self.failure.as_ref();
        let reconciliation = match (self.automatic, self.status) {
            (false, _) => "not_applicable",
            (true, PayoutStatus::Paid) => "completed",
            (true, _) => "in_progress",
        };
        let trace = match self.status {
            PayoutStatus::Paid => json!({ "status": "supported", "value": self.trace() }),
            PayoutStatus::Pending
            | PayoutStatus::InTransit
            | PayoutStatus::Failed
            | PayoutStatus::Canceled => json!({ "status": "pending", "value": null }),
        };
        json!({
            "id": self.id, "object": "payout", "amount": self.amount, "application_fee": null,
            "application_fee_amount": null, "arrival_date": self.arrival_date,
            "automatic": self.automatic, "balance_transaction": self.transaction,
            "created": self.created, "currency": self.currency, "description": self.description,
            "destination": self.bank, "failure_balance_transaction": self.returned_by,
            "failure_code": failure.map(|(code, _)| code),
            "failure_message": failure.map(|(_, text)| text), "livemode": false,
            "metadata": self.metadata, "method": if self.instant { "instant" } else { "standard" },
            "original_payout": self.original, "payout_method": null,
            "reconciliation_status": reconciliation, "reversed_by": self.reversed_by,
            "source_type": "card", "statement_descriptor": self.statement_descriptor,
            "status": self.status.word(), "trace_id": trace, "type": "bank_account",
        })
    }

    /// A number by which the bank would know it.
    fn trace(&self) -> String {
        format!("{:015}", self.created)
    }
}

/// What a payout begins with.
struct NewPayout {
    amount: i64,
    currency: String,
    bank: String,
    automatic: bool,
    instant: bool,
}

impl World {
    pub fn create_payout(&mut self, account: &str, params: &Value) -> Result<Value, Refusal> {
        let amount = check_amount(integer_at(params, "amount").unwrap_or(0))?;
        let currency = check_currency(text_at(params, "currency").unwrap_or_default())?;
        let descriptor = text_at(params, "statement_descriptor");
        if descriptor.is_some_and(|text| text.len() > LONGEST_DESCRIPTOR) {
            let message = "The statement descriptor must be at most 22 characters.";
            return Err(Refusal::invalid(message).param("statement_descriptor"));
        }
        let owner = self.connected(account)?;
        if !owner.standing(self.now).payouts_enabled {
            return Err(Refusal::forbidden(
                "payouts_not_allowed",
                "Cannot create payouts: this account has requirements that need to be collected.",
            ));
        }
        let bank = match text_at(params, "destination") {
            Some(id) => owner
                .banks
                .get(id)
                .ok_or_else(|| Refusal::no_such("external account", id, "destination"))?,
            None => owner.bank_for(&currency).ok_or_else(|| {
                Refusal::invalid(format!(
                    "Sorry, you don't have any external accounts in that currency ({currency})."
                ))
                .param("destination")
            })?,
        };
        let bank = bank.id.clone();
        if self.available(account, &currency) < amount {
            return Err(Refusal::insufficient_funds());
        }
        let instant = text_at(params, "method") == Some("instant");
        let id = self.begin_payout(
            account,
            NewPayout { amount, currency, bank, automatic: false, instant },
            |payout| {
                payout.description = text_at(params, "description").map(str::to_owned);
                payout.statement_descriptor = descriptor.map(str::to_owned);
                change_metadata(&mut payout.metadata, params.get("metadata"));
            },
        );
        self.payout(account, &id)
    }

    fn begin_payout(
        &mut self,
        account: &str,
        new: NewPayout,
        dress: impl FnOnce(&mut Payout),
    ) -> String {
        let NewPayout { amount, currency, bank, automatic, instant } = new;
        let id = self.ids.next("po");
        let now = self.now;
        let posting = Posting {
            amount: -amount,
            currency: &currency,
            kind: "payout",
            source: &id,
            available_on: now,
        };
        let transaction = self.post(account, posting);
        let arrives_after = if instant { INSTANT_ARRIVES_AFTER } else { ARRIVES_AFTER };
        let mut payout = Payout {
            id: id.clone(),
            account: account.to_owned(),
            amount,
            currency,
            created: now,
            arrival_date: now + arrives_after,
            automatic,
            instant,
            status: PayoutStatus::Pending,
            bank,
            transaction,
            returned_by: None,
            failure: None,
            original: None,
            reversed_by: None,
            description: automatic.then(|| "STRIPE PAYOUT".to_owned()),
            statement_descriptor: None,
            metadata: Map::new(),
        };
        dress(&mut payout);
        let sent_after = if instant { INSTANT_ARRIVES_AFTER / 2 } else { SENT_AFTER };
        self.schedule(now + sent_after, Due::Payout(id.clone()));
        let view = payout.view();
        self.made.push(id.clone());
        self.payouts.add(payout);
        self.emit(account, "payout.created", view);
        id
    }

    pub fn payout(&self, account: &str, id: &str) -> Result<Value, Refusal> {
        Ok(self.known_payout(account, id)?.view())
    }

    fn known_payout(&self, account: &str, id: &str) -> Result<&Payout, Refusal> {
        let payout = self.payouts.get(id).filter(|payout| payout.account == account);
        payout.ok_or_else(|| Refusal::not_found("payout", id))
    }

    pub fn update_payout(
        &mut self,
        account: &str,
        id: &str,
        params: &Value,
    ) -> Result<Value, Refusal> {
        self.payout(account, id)?;
        self.change_payout(id, "payout.updated", |payout| {
            change_metadata(&mut payout.metadata, params.get("metadata"));
        });
        self.payout(account, id)
    }

    pub fn cancel_payout(&mut self, account: &str, id: &str) -> Result<Value, Refusal> {
        let payout = self.known_payout(account, id)?;
        if payout.status != PayoutStatus::Pending || payout.automatic {
            return Err(Refusal::not_now(
                "Payouts can only be canceled while they are pending, and automatic ones never.",
            ));
        }
        let transaction = self.give_back(id, "payout_cancel");
        self.change_payout(id, "payout.canceled", |payout| {
            payout.status = PayoutStatus::Canceled;
            payout.returned_by = transaction;
        });
        self.payout(account, id)
    }

    pub fn reverse_payout(
        &mut self,
        account: &str,
        id: &str,
        params: &Value,
    ) -> Result<Value, Refusal> {
        let payout = self.known_payout(account, id)?.clone();
        let country = &self.connected(account)?.country;
        let may = payout.status == PayoutStatus::Paid
            && payout.reversed_by.is_none()
            && payout.original.is_none()
            && matches!(country.as_str(), "US" | "CA");
        if !may {
            return Err(Refusal::not_now("This payout cannot be reversed."));
        }
        let new = NewPayout {
            amount: -payout.amount,
            currency: payout.currency,
            bank: payout.bank,
            automatic: false,
            instant: false,
        };
        let reverse = self.begin_payout(account, new, |reverse| {
            reverse.original = Some(id.to_owned());
            change_metadata(&mut reverse.metadata, params.get("metadata"));
        });
        self.change_payout(id, "payout.updated", |payout| {
            payout.reversed_by = Some(reverse.clone());
        });
        self.payout(account, &reverse)
    }

    /// Changes a payout and tells of it.
    fn change_payout(&mut self, id: &str, kind: &'static str, change: impl FnOnce(&mut Payout)) {
        let Some(payout) = self.payouts.get_mut(id) else { return };
        let before = payout.view();
        change(payout);
        let (after, account) = (payout.view(), payout.account.clone());
        let Some(changed) = previous(&before, &after) else { return };
        let changed = (kind == "payout.updated").then_some(changed);
        self.emit_change(&account, kind, after, changed);
    }

    fn give_back(&mut self, id: &str, kind: &'static str) -> Option<String> {
        let Payout { account, amount, currency, .. } = self.payouts.get(id)?.clone();
        let available_on = self.now;
        let posting = Posting { amount, currency: &currency, kind, source: id, available_on };
        Some(self.post(&account, posting))
    }

    pub(super) fn payout_is_due(&mut self, id: &str) {
        let Some(payout) = self.payouts.get(id) else { return };
        match payout.status {
            PayoutStatus::Pending => {
                self.schedule(payout.arrival_date, Due::Payout(id.to_owned()));
                self.change_payout(id, "payout.updated", |payout| {
                    payout.status = PayoutStatus::InTransit;
                });
            }
            PayoutStatus::InTransit => self.payout_arrives(id),
            PayoutStatus::Paid | PayoutStatus::Failed | PayoutStatus::Canceled => {}
        }
    }

    fn payout_arrives(&mut self, id: &str) {
        let Some(payout) = self.payouts.get(id) else { return };
        let (automatic, amount) = (payout.automatic, payout.amount);
        let bank = self.accounts.get(&payout.account).and_then(|a| a.banks.get(&payout.bank));
        let refusal = bank.and_then(|bank| refusal_of(&bank.number)).filter(|_| amount > 0);
        if let Some((code, text)) = refusal {
            self.fail_payout(id, code, text);
            return;
        }
        self.change_payout(id, "payout.paid", |payout| payout.status = PayoutStatus::Paid);
        if let Some(payout) = self.payouts.get(id).filter(|_| automatic) {
            let (account, view) = (payout.account.clone(), payout.view());
            self.emit(&account, "payout.reconciliation_completed", view);
        }
    }

    /// The bank sends the money back: before it was paid, or after.
    pub fn return_payout(&mut self, id: &str, code: &str) -> Result<Value, Refusal> {
        let payout = self.payouts.get(id).ok_or_else(|| Refusal::not_found("payout", id))?;
        let account = payout.account.clone();
        if matches!(payout.status, PayoutStatus::Failed | PayoutStatus::Canceled) {
            return Err(Refusal::invalid("This payout has ended already."));
        }
        let text = text_of(code).unwrap_or("The bank returned the payout.");
        self.fail_payout(id, code, text);
        self.payout(&account, id)
    }

    fn fail_payout(&mut self, id: &str, code: &str, text: &str) {
        let Some(payout) = self.payouts.get(id) else { return };
        let (account, bank) = (payout.account.clone(), payout.bank.clone());
        let transaction = self.give_back(id, "payout_failure");
        self.change_payout(id, "payout.failed", |payout| {
            payout.status = PayoutStatus::Failed;
            payout.failure = Some((code.to_owned(), text.to_owned()));
            payout.returned_by = transaction;
        });
        self.bank_failed(&account, &bank);
    }

    /// At the beginning of a day: every account whose schedule says so pays out what it
    /// has, but for the minimum that is to stay.
    pub(super) fn pay_out_automatically(&mut self) {
        let now = self.now;
        let due: Vec<(String, String, i64, String)> = self
            .accounts
            .iter()
            .filter(|account| pays_out_on(account, now))
            .filter(|account| account.standing(now).payouts_enabled)
            .flat_map(|account| {
                let money = account.ledger.to_pay_out().into_iter();
                money.filter_map(|(currency, amount)| {
                    let bank = account.bank_for(&currency)?.id.clone();
                    let amount = amount - minimum(account, &currency);
                    (amount > 0).then_some((account.id.clone(), currency, amount, bank))
                })
            })
            .collect();
        for (account, currency, amount, bank) in due {
            let new = NewPayout { amount, currency, bank, automatic: true, instant: false };
            self.begin_payout(&account, new, |_| {});
        }
    }
}
