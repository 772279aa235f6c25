//! What is looked at before a call is made: reasons not to make it, all of them at once, and
//! warnings that come with it.

use crate::domain::Json;
use crate::domain::account::Account;
use crate::domain::fold::State;
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::operation::{Reason, TransferTerms};
use crate::domain::region::Region;
use crate::domain::time::Timestamp;
use crate::domain::transfer::TransferStatus;
use crate::pipeline::operations::wanted::{Wanted, link_tag, transfer_tag};
use crate::pipeline::operations::{Inner, RequestError};
use crate::store::{Object, ObjectFilter, OperationName, Slice, StoreError};
use crate::stripe::outgoing::available_in;

/// A balance that was reported this long ago, and does not cover a transfer, is asked for anew
/// before the transfer is refused.
const FRESH_SECONDS: i64 = 60;

/// Transfers among which one is looked for that is like another.
const NEWEST_TRANSFERS: usize = 500;

/// What is found before a transfer.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) reasons: Vec<Reason>,
    pub(super) warnings: Vec<Reason>,
}

/// Whether the money for a transfer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Funds {
    There,
    /// Minor units that can be spent.
    Missing {
        available: i64,
    },
    /// The balance holds nothing in this currency.
    OtherCurrency,
    NotKnown,
}

impl Inner {
    /// The warnings, when there is no reason against it.
    pub(super) async fn check(&self, wanted: &Wanted) -> Result<Vec<Reason>, RequestError> {
        match wanted {
            Wanted::Account { .. } => Ok(of_losses(wanted.losses())),
            Wanted::Person { account, .. } => {
                let link = OperationName::Tag(link_tag(account));
                match self.store.operation_named(self.access.livemode, link).await? {
                    Some(_) => Err(RequestError::LinkMade(account.clone())),
                    None => Ok(Vec::new()),
                }
            }
            Wanted::Transfer { terms, .. } => {
                let Findings { reasons, warnings } = self.before_transfer(terms).await?;
                if reasons.is_empty() {
                    Ok(warnings)
                } else {
                    Err(RequestError::TurnedDown(reasons))
                }
            }
            Wanted::Topup { params } => {
                let given = |name| params.0.iter().find(|(is, _)| is == name).map(|(_, it)| it);
                let amount = given("amount").and_then(|amount| amount.parse().ok());
                let (Some(currency), Some(amount)) = (given("currency"), amount) else {
                    return Ok(Vec::new());
                };
                Ok(self.of_sweep(currency, amount).await.into_iter().collect())
            }
            Wanted::Link { .. } | Wanted::CancelTopup { .. } | Wanted::Reversal { .. } => {
                Ok(Vec::new())
            }
        }
    }

    async fn before_transfer(&self, terms: &TransferTerms) -> Result<Findings, StoreError> {
        let mut findings = self.of_destination(terms).await?;
        if terms.wait_for_funds {
            findings.warnings.extend(self.of_sweep(&terms.currency, terms.amount).await);
        } else {
            self.of_funds(terms, &mut findings).await?;
        }
        Ok(findings)
    }

    /// What others may have changed since a transfer was checked. Who asks has the turn of its
    /// currency, so that nobody does until it is recorded.
    pub(super) async fn just_before(&self, terms: &TransferTerms) -> Result<Findings, StoreError> {
        let mut findings = Findings::default();
        if !terms.wait_for_funds {
            let against = against(self.funds(terms).await?, terms);
            findings.reasons.extend(against);
        }
        findings.warnings.extend(self.alike(terms).await?);
        Ok(findings)
    }

    /// A transfer like this one, made or asked for before.
    async fn alike(&self, terms: &TransferTerms) -> Result<Option<Reason>, StoreError> {
        let livemode = self.access.livemode;
        let name = OperationName::Tag(transfer_tag(terms));
        let operation = self.store.operation_named(livemode, name).await?;
        let alike = if let Some(operation) = operation {
            Some(format!("operation {}", operation.id))
        } else {
            let (filter, slice) =
                (ObjectFilter::default(), Slice { from: None, limit: NEWEST_TRANSFERS });
            let newest = self.store.objects(livemode, Kind::Transfer, filter, slice).await?.items;
            let alike = newest.into_iter().find(|object| is_alike(&object.progress.state, terms));
            alike.map(|object| format!("transfer {}", object.key.id))
        };
        let detail = |what| format!("{what} has the same destination, amount and transfer_group");
        Ok(alike.map(|what| Reason::new("possible_duplicate", detail(what))))
    }

    /// Whether the account can be paid, and money may go where it is.
    pub(super) async fn of_destination(
        &self,
        terms: &TransferTerms,
    ) -> Result<Findings, StoreError> {
        let mut findings = Findings::default();
        let key = ObjectKey::new(self.access.livemode, Kind::Account, None, &terms.destination);
        let object = self.store.object(&key).await?;
        let Some(State::Account(account)) = object.map(|object| object.progress.state) else {
            let detail = format!("no account {} is known", terms.destination);
            findings.reasons.push(Reason::new("account_unknown", detail));
            return Ok(findings);
        };
        findings.reasons.extend(not_payable(&terms.destination, &account));
        let profile = account.profile.as_ref();
        let country = profile.and_then(|profile| profile.country.as_deref());
        let agreement = profile.and_then(|profile| profile.service_agreement.as_deref());
        match self.region.judge(country, agreement) {
            Region::Allowed => {}
            Region::NotKnown => findings.warnings.push(Reason::new(
                "region_not_checked",
                "the country of the platform (BURSAR_PLATFORM_COUNTRY) or of the account is not known",
            )),
            Region::OtherRegion { platform, account } => findings.reasons.push(Reason::new(
                "region_not_allowed",
                format!("Stripe moves no funds from a platform in {platform} to accounts in {account}"),
            )),
            Region::Recipient { platform, account } => findings.reasons.push(Reason::new(
                "region_not_allowed",
                format!(
                    "the account is under the recipient agreement, under which funds do not go from \
                     {platform} to {account}, unless BURSAR_REGION_OVERRIDES names {account}"
                ),
            )),
        }
        Ok(findings)
    }

    async fn of_funds(
        &self,
        terms: &TransferTerms,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let mut funds = self.funds(terms).await?;
        if funds != Funds::There && self.balance_is_old().await? && self.fetch_balance().await {
            funds = self.funds(terms).await?;
        }
        findings.reasons.extend(against(funds, terms));
        if funds == Funds::NotKnown {
            let warning = "no balance of the platform is known yet";
            findings.warnings.push(Reason::new("balance_unknown", warning));
        }
        Ok(())
    }

    /// By the balance as it was last reported.
    pub(super) async fn funds(&self, terms: &TransferTerms) -> Result<Funds, StoreError> {
        let balance = self.balance().await?;
        let Some((available, known_since)) = balance.as_ref().and_then(available) else {
            return Ok(Funds::NotKnown);
        };
        let Some(available) = available_in(available, &terms.currency) else {
            return Ok(Funds::OtherCurrency);
        };
        let left = || available.saturating_sub(self.spending.since(&terms.currency, known_since));
        if left() < terms.amount {
            self.settle_spending(&terms.currency).await?;
        }
        let available = left();
        Ok(if available >= terms.amount { Funds::There } else { Funds::Missing { available } })
    }

    /// Events and decisions settle operations that nobody drives any more.
    async fn settle_spending(&self, currency: &str) -> Result<(), StoreError> {
        for id in self.spending.open(currency) {
            if let Some(operation) = self.store.operation(self.access.livemode, &id).await? {
                self.spending.settled(&operation);
            }
        }
        Ok(())
    }

    /// The platform's.
    pub(super) async fn balance(&self) -> Result<Option<Object>, StoreError> {
        self.store.object(&self.balance_key()).await
    }

    fn balance_key(&self) -> ObjectKey {
        ObjectKey::new(self.access.livemode, Kind::Balance, None, "")
    }

    async fn balance_is_old(&self) -> Result<bool, StoreError> {
        let known_since = self.balance().await?.map(|balance| balance.progress.as_of.recorded_at);
        let fresh_since = Timestamp(self.now().0.saturating_sub(FRESH_SECONDS * 1_000_000));
        Ok(known_since.is_none_or(|known_since| known_since < fresh_since))
    }

    /// Has Stripe asked for the balance. Without an answer what is known has to do.
    pub(super) async fn fetch_balance(&self) -> bool {
        let fetched = self.refetcher.refetch(&self.balance_key()).await;
        fetched
            .inspect_err(|error| tracing::warn!(%error, "the balance could not be fetched"))
            .is_ok()
    }
}

/// What is available, and since when we know, by our clock.
fn available(balance: &Object) -> Option<(&Json, Timestamp)> {
    let known_since = balance.progress.as_of.recorded_at;
    match &balance.progress.state {
        State::Balance(balance) => balance.available.as_ref().map(|it| (it, known_since)),
        State::Account(_) | State::Topup(_) | State::Transfer(_) | State::Payout(_) => None,
    }
}

/// Why what there is does not do.
fn against(funds: Funds, terms: &TransferTerms) -> Option<Reason> {
    let (amount, currency) = (terms.amount, &terms.currency);
    match funds {
        Funds::There | Funds::NotKnown => None,
        Funds::Missing { available } => Some(Reason::new(
            "balance_insufficient",
            format!("{amount} {currency} are wanted, and {available} are available"),
        )),
        Funds::OtherCurrency => Some(Reason::new(
            "currency_not_available",
            format!("the platform's balance holds nothing in {currency}"),
        )),
    }
}

/// Whether this is such a transfer, and was not taken back.
fn is_alike(state: &State, terms: &TransferTerms) -> bool {
    let State::Transfer(transfer) = state else { return false };
    transfer.status() != TransferStatus::Reversed
        && transfer.amount == terms.amount
        && transfer.currency.as_ref() == Some(&terms.currency)
        && transfer.destination.as_ref() == Some(&terms.destination)
        && transfer.transfer_group == terms.transfer_group
}

fn not_payable(id: &str, account: &Account) -> Option<Reason> {
    let status = account.status().word();
    let detail = || format!("the account {id} cannot be paid now: it is {status}");
    (!account.payable()).then(|| Reason::new("account_not_payable", detail()))
}

/// Transfers are for platforms that bear the losses.
fn of_losses(losses: Option<&str>) -> Vec<Reason> {
    let bears = losses.is_none_or(|who| who == "application");
    let warning = || {
        Reason::new(
            "losses_not_borne",
            "controller.losses.payments is not `application`: Stripe advises separate charges and \
             transfers only where the platform bears negative balances",
        )
    };
    if bears { Vec::new() } else { vec![warning()] }
}
