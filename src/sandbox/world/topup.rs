//! Top-ups: money that the platform takes from its bank.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::json::{change_metadata, integer_at, text_at};
use crate::sandbox::world::table::Named;
use crate::sandbox::world::{DAY, Due, Posting, World, check_amount, check_currency};

/// Days until a debit of a bank account has settled, and until the bank has refused it.
const SETTLES_AFTER_DAYS: i64 = 5;
const REFUSED_AFTER_DAYS: i64 = 2;
const LONGEST_DESCRIPTOR: usize = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TopupStatus {
    Pending,
    Succeeded,
    Failed,
    Canceled,
    Reversed,
}

impl TopupStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Reversed => "reversed",
        }
    }
}

/// Why a bank will refuse, as code and as text.
type Failure = (&'static str, &'static str);

#[derive(Clone, Debug)]
pub(super) struct Topup {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    pub created: i64,
    pub status: TopupStatus,
    pub transaction: String,
    pub available_on: i64,
    /// Decided at the start, told when the bank has looked at it.
    pub fate: Option<Failure>,
    pub description: Option<String>,
    pub statement_descriptor: Option<String>,
    pub transfer_group: Option<String>,
    pub metadata: Map<String, Value>,
}

impl Named for Topup {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Topup {
    pub(super) fn view(&self) -> Value {
        let failure = self.fate.filter(|_| self.status == TopupStatus::Failed);
        json!({
            "id": self.id, "object": "topup", "amount": self.amount,
            "balance_transaction": self.transaction, "created": self.created,
            "currency": self.currency, "description": self.description,
            "expected_availability_date": self.available_on,
            "failure_code": failure.map(|(code, _)| code),
            "failure_message": failure.map(|(_, text)| text),
            "initiated_by": "user", "livemode": false, "metadata": self.metadata,
            "source": null, "statement_descriptor": self.statement_descriptor,
            "status": self.status.word(), "transfer_group": self.transfer_group,
        })
    }
}

/// What comes of the test sources.
fn fate(source: Option<&str>) -> Result<Option<Failure>, Refusal> {
    let refused = |code| super::bank::text_of(code).map(|text| (code, text));
    match source {
        None | Some("btok_us_verified" | "btok_us") => Ok(None),
        Some("btok_us_verified_noAccount") => Ok(refused("no_account")),
        Some("btok_us_verified_accountClosed") => Ok(refused("account_closed")),
        Some("btok_us_verified_insufficientFunds") => Ok(refused("insufficient_funds")),
        Some("btok_us_verified_debitNotAuthorized") => Ok(refused("debit_not_authorized")),
        Some("btok_us_verified_invalidCurrency") => Ok(refused("invalid_currency")),
        Some(other) => Err(Refusal::no_such("token", other, "source")),
    }
}

fn check_descriptor(text: Option<&str>) -> Result<(), Refusal> {
    let Some(text) = text else { return Ok(()) };
    let fits = text.len() <= LONGEST_DESCRIPTOR
        && text.is_ascii()
        && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    if fits {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Invalid statement_descriptor: {text}. It must be at most {LONGEST_DESCRIPTOR} ASCII characters and hold a letter."
    ))
    .param("statement_descriptor"))
}

impl World {
    pub fn create_topup(&mut self, params: &Value) -> Result<Value, Refusal> {
        let amount = check_amount(integer_at(params, "amount").unwrap_or(0))?;
        let currency = check_currency(text_at(params, "currency").unwrap_or_default())?;
        check_descriptor(text_at(params, "statement_descriptor"))?;
        let fate = fate(text_at(params, "source"))?;
        let text = |name: &str| text_at(params, name).map(str::to_owned);
        let id = self.ids.next("tu");
        let available_on = self.now + SETTLES_AFTER_DAYS * DAY;
        let at = if fate.is_some() { self.now + REFUSED_AFTER_DAYS * DAY } else { available_on };
        self.schedule(at, Due::Topup(id.clone()));
        let platform = self.platform.clone();
        let transaction = self.post(
            &platform,
            Posting { amount, currency: &currency, kind: "topup", source: &id, available_on },
        );
        let mut metadata = Map::new();
        change_metadata(&mut metadata, params.get("metadata"));
        let topup = Topup {
            id: id.clone(),
            amount,
            currency,
            created: self.now,
            status: TopupStatus::Pending,
            transaction,
            available_on,
            fate,
            description: text("description"),
            statement_descriptor: text("statement_descriptor"),
            transfer_group: text("transfer_group"),
            metadata,
        };
        let view = topup.view();
        self.made.push(id);
        self.topups.add(topup);
        self.emit(&platform, "topup.created", view.clone());
        Ok(view)
    }

    pub fn topup(&self, id: &str) -> Result<Value, Refusal> {
        self.topups.get(id).map(Topup::view).ok_or_else(|| Refusal::not_found("topup", id))
    }

    pub fn update_topup(&mut self, id: &str, params: &Value) -> Result<Value, Refusal> {
        let topup = self.topups.get_mut(id).ok_or_else(|| Refusal::not_found("topup", id))?;
        if let Some(description) = params.get("description") {
            topup.description = description.as_str().map(str::to_owned);
        }
        change_metadata(&mut topup.metadata, params.get("metadata"));
        Ok(topup.view())
    }

    pub fn cancel_topup(&mut self, id: &str) -> Result<Value, Refusal> {
        let topup = self.topups.get(id).ok_or_else(|| Refusal::not_found("topup", id))?;
        if topup.status != TopupStatus::Pending {
            let word = topup.status.word();
            return Err(Refusal::forbidden(
                "status_transition_invalid",
                format!(
                    "This top-up cannot be canceled because it has a status of {word}. Only top-ups with a status of pending can be canceled."
                ),
            ));
        }
        self.take_back(id, TopupStatus::Canceled, "topup.canceled");
        self.topup(id)
    }

    pub(super) fn topup_is_due(&mut self, id: &str) {
        let Some(topup) = self.topups.get_mut(id) else { return };
        if topup.status != TopupStatus::Pending {
            return;
        }
        if topup.fate.is_some() {
            self.take_back(id, TopupStatus::Failed, "topup.failed");
            return;
        }
        topup.status = TopupStatus::Succeeded;
        let view = topup.view();
        let platform = self.platform.clone();
        self.emit(&platform, "topup.succeeded", view);
        self.settle(&platform);
    }

    /// The bank takes a settled one back.
    pub fn reverse_topup(&mut self, id: &str) -> Result<Value, Refusal> {
        let topup = self.topups.get(id).ok_or_else(|| Refusal::not_found("topup", id))?;
        if topup.status != TopupStatus::Succeeded {
            return Err(Refusal::forbidden(
                "status_transition_invalid",
                "Only a top-up that succeeded can be reversed.",
            ));
        }
        self.take_back(id, TopupStatus::Reversed, "topup.reversed");
        self.topup(id)
    }

    /// Its money goes where it came from: what still pends, or what was available.
    fn take_back(&mut self, id: &str, status: TopupStatus, kind: &'static str) {
        let Some(topup) = self.topups.get_mut(id) else { return };
        topup.status = status;
        let (view, platform) = (topup.view(), self.platform.clone());
        let Topup { amount, currency, available_on, .. } = topup.clone();
        let posting = Posting {
            amount: -amount,
            currency: &currency,
            kind: "topup_reversal",
            source: id,
            available_on: available_on.max(self.now),
        };
        self.post(&platform, posting);
        self.emit(&platform, kind, view);
    }
}
