//! Money of a top-up that automatic payouts can take to the bank before it is spent.
//!
//! A top-up waits to be spent while it is pending, and for [`LONGEST_WAIT_SECONDS`] after it
//! succeeded, less what transfers in its currency took since then. So does what transfers that are
//! held for their funds wait for. Nothing waits for an answer about it for long, and nothing is
//! refused because of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::domain::fold::State;
use crate::domain::id::Kind;
use crate::domain::operation::{OperationState, Reason};
use crate::domain::topup::TopupStatus;
use crate::pipeline::operations::{Inner, Operations};
use crate::store::{Object, ObjectFilter, Slice, StoreError};
use crate::stripe::payouts::PayoutSchedule;

/// After so long most schedules have paid out, whatever was there.
const LONGEST_WAIT_SECONDS: u64 = 7 * 86_400;
/// How long a schedule that was read is taken for what it is.
const FRESH: Duration = Duration::from_mins(5);
/// How long it is not asked for after it could not be read.
const AGAIN: Duration = Duration::from_mins(1);
/// Who asks for something waits no longer for the schedule.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked whether something waits.
const BETWEEN_LOOKS: Duration = Duration::from_mins(5);
const PAGE: usize = 100;
/// Transfers beyond these are not looked at.
const MOST_PAGES: usize = 10;

/// What is known of the platform's schedule.
#[derive(Default)]
pub(super) struct Schedule(Mutex<Known>);

#[derive(Default)]
struct Known {
    schedule: Option<Arc<PayoutSchedule>>,
    /// When Stripe is to be asked again.
    until: Option<Instant>,
}

/// Money in one currency that may leave before it is spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepRisk {
    pub currency: String,
    /// What waits to be spent, in minor units.
    pub amount: i64,
    /// Stripe's word for the schedule, such as `daily`.
    pub interval: String,
}

impl SweepRisk {
    /// The same as a warning, with its remedy.
    pub fn warning(&self) -> Reason {
        let Self { currency, amount, interval } = self;
        Reason::new(
            "sweep_risk",
            format!(
                "Stripe pays out the platform's balance by itself ({interval}) and can take these \
                 {amount} {currency} before they are spent; set the payout schedule to manual, or \
                 a minimum balance that covers them"
            ),
        )
    }
}

impl Operations {
    /// What waits to be spent while Stripe pays out by itself, by currency; what is not known of
    /// the schedule is no risk. Asks Stripe at most every five minutes, and only if money waits.
    pub async fn sweep_risks(&self) -> Result<Vec<SweepRisk>, StoreError> {
        self.inner.sweep_risks().await
    }
}

impl Inner {
    /// A warning, when automatic payouts could take so much before it is spent.
    pub(super) async fn of_sweep(&self, currency: &str, amount: i64) -> Option<Reason> {
        let currency = currency.to_ascii_lowercase();
        let schedule = self.schedule().await?;
        let interval = schedule.takes(&currency, amount)?.to_owned();
        Some(SweepRisk { currency, amount, interval }.warning())
    }

    /// Tells the log, once for each currency as long as something waits there. Never ends.
    pub(super) async fn watch_for_sweeps(&self) {
        let mut told = BTreeSet::new();
        loop {
            match self.sweep_risks().await {
                Ok(risks) => {
                    told.retain(|currency| risks.iter().any(|risk| risk.currency == *currency));
                    for risk in risks {
                        let SweepRisk { currency, amount, interval } = &risk;
                        if told.insert(currency.clone()) {
                            tracing::warn!(
                                currency,
                                amount,
                                interval,
                                "money waits to be spent, and Stripe pays out by itself: it may be \
                                 gone before; set the payout schedule to manual, or a minimum balance"
                            );
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "it cannot be seen what waits to be spent"),
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn sweep_risks(&self) -> Result<Vec<SweepRisk>, StoreError> {
        let waiting = self.waiting_to_be_spent().await?;
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let Some(schedule) = self.schedule().await else { return Ok(Vec::new()) };
        let risk = |(currency, amount): (String, i64)| {
            let interval = schedule.takes(&currency, amount)?.to_owned();
            Some(SweepRisk { currency, amount, interval })
        };
        Ok(waiting.into_iter().filter_map(risk).collect())
    }

    /// Stripe is asked by one at a time; what it does not say in time is not known.
    async fn schedule(&self) -> Option<Arc<PayoutSchedule>> {
        let mut known = self.schedule.0.lock().await;
        if known.until.is_none_or(|until| until <= Instant::now()) {
            let call = PayoutSchedule::call();
            let asked = tokio::time::timeout(PATIENCE, self.access.stripe.call(&call)).await;
            let read = match asked {
                Ok(Ok(answer)) => {
                    PayoutSchedule::read(&answer).ok_or("it is another object".into())
                }
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no answer in time".to_owned()),
            };
            let fresh = if read.is_ok() { FRESH } else { AGAIN };
            match read {
                Ok(schedule) => known.schedule = Some(Arc::new(schedule)),
                Err(reason) => {
                    tracing::info!(reason, "the platform's payout schedule cannot be read");
                }
            }
            known.until = Some(Instant::now() + fresh);
        }
        known.schedule.clone()
    }

    /// In minor units by currency; what waits nowhere is not there.
    async fn waiting_to_be_spent(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let mut waiting = self.unspent().await?;
        // What is held may wait for the very money of a top-up.
        for (currency, held) in self.held().await? {
            let amount = waiting.entry(currency).or_default();
            *amount = held.max(*amount);
        }
        waiting.retain(|_, amount| *amount > 0);
        Ok(waiting)
    }

    async fn held(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let (mut held, mut from) = (BTreeMap::new(), None);
        loop {
            let page = self.open(from).await?;
            let is_held = |state| state == OperationState::WaitingForFunds;
            let items = page.items.into_iter().filter(|operation| is_held(operation.state));
            for terms in items.filter_map(|operation| operation.terms) {
                add(&mut held, terms.currency, terms.amount);
            }
            from = page.next;
            if from.is_none() {
                return Ok(held);
            }
        }
    }

    /// Money of top-ups that transfers have not taken.
    async fn unspent(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let mut pending = BTreeMap::new();
        // When it came or went, in which currency, how much.
        let mut moves: Vec<(u64, String, i64)> = Vec::new();
        let oldest = self.now().unix_seconds().saturating_sub(LONGEST_WAIT_SECONDS);
        for object in self.newest(Kind::Topup, None).await?.0 {
            let at = object.progress.as_of.created;
            let State::Topup(topup) = object.progress.state else { continue };
            let Some(currency) = topup.currency else { continue };
            match topup.status {
                TopupStatus::Pending => add(&mut pending, currency, topup.amount),
                TopupStatus::Succeeded if at >= oldest => moves.push((at, currency, topup.amount)),
                TopupStatus::Succeeded
                | TopupStatus::Failed
                | TopupStatus::Canceled
                | TopupStatus::Reversed => {}
            }
        }
        if let Some(first) = moves.iter().map(|(at, _, _)| *at).min() {
            moves.extend(self.transfers_since(first).await?);
        }
        // Of one second, what came stands before what went.
        moves.sort_by_key(|(at, _, amount)| (*at, -amount));
        let mut unspent: BTreeMap<String, i64> = BTreeMap::new();
        for (_, currency, amount) in moves {
            let left = unspent.entry(currency).or_default();
            *left = left.saturating_add(amount).max(0);
        }
        for (currency, amount) in pending {
            add(&mut unspent, currency, amount);
        }
        Ok(unspent)
    }

    async fn transfers_since(&self, first: u64) -> Result<Vec<(u64, String, i64)>, StoreError> {
        let (mut moves, mut from) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let (page, next) = self.newest(Kind::Transfer, from).await?;
            for object in page {
                let State::Transfer(transfer) = object.progress.state else { continue };
                let created = transfer.created.and_then(|at| u64::try_from(at).ok());
                let went = transfer.amount.saturating_sub(transfer.amount_reversed);
                if let (Some(at), Some(currency)) = (created, transfer.currency)
                    && at >= first
                {
                    moves.push((at, currency, -went));
                }
            }
            from = next;
            if from.is_none() {
                break;
            }
        }
        Ok(moves)
    }

    async fn newest(
        &self,
        kind: Kind,
        from: Option<u64>,
    ) -> Result<(Vec<Object>, Option<u64>), StoreError> {
        let slice = Slice { from, limit: PAGE };
        let filter = ObjectFilter::default();
        let page = self.store.objects(self.access.livemode, kind, filter, slice).await?;
        Ok((page.items, page.next))
    }
}

fn add(sums: &mut BTreeMap<String, i64>, currency: String, amount: i64) {
    let sum = sums.entry(currency).or_default();
    *sum = sum.saturating_add(amount);
}
