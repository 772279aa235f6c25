//! Transfers that wait for their money: first in, first out in each currency.
//!
//! Nobody asks the clock: a look is taken when a commit may have brought news. A transfer that
//! names a top-up stands in line only once that has succeeded; until then others may pass it, since
//! it waits for money of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::fold::State;
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::operation::{Happening, Operation, OperationState, Reason, TransferTerms};
use crate::domain::topup::TopupStatus;
use crate::pipeline::operations::Inner;
use crate::pipeline::operations::checks::{Findings, Funds};
use crate::pipeline::operations::drive::{Driving, Turn};
use crate::store::{ObjectFilter, Slice, StoreError};

/// Top-ups that are looked at for one that succeeded.
const NEWEST_TOPUPS: usize = 20;

/// A moment at which the balance must be known: of which operation, after which top-up's event, and
/// whether Stripe has refused it once.
type Moment = (String, Option<String>, bool);

/// What is to be done about a waiting transfer now.
enum Readiness {
    Send,
    /// It waits for a top-up, or for certainty about the account or about itself, and is in
    /// nobody's way.
    NotInLine,
    /// It is the next in its currency, and the money is not there.
    First,
    Refuse(Vec<Reason>),
}

/// The top-up that a transfer waits for.
enum Awaited {
    Nothing,
    Pending,
    /// By this event.
    Succeeded(String),
    Lost(Reason),
}

impl Inner {
    pub(super) async fn release_as_funds_come(self: &Arc<Self>) {
        let mut asked = BTreeSet::new();
        let mut waiting = self.waiting.subscribe();
        loop {
            waiting.borrow_and_update();
            match self.look_for_funds(&mut asked).await {
                Ok(Some(newest)) => {
                    tokio::select! {
                        _ = self.store.changed_after(newest) => {}
                        _ = waiting.changed() => {}
                    }
                }
                // Nobody waits.
                Ok(None) => {
                    waiting.changed().await.ok();
                }
                Err(error) => {
                    tracing::warn!(%error, "waiting transfers cannot be looked at; trying again");
                    tokio::time::sleep(self.pace.longest_wait).await;
                }
            }
            // What comes in swarms is looked at together.
            tokio::time::sleep(self.pace.between_looks).await;
        }
    }

    /// Releases what can be. Answers up to where the store was looked at, or nothing when nobody
    /// waits.
    async fn look_for_funds(
        self: &Arc<Self>,
        asked: &mut BTreeSet<Moment>,
    ) -> Result<Option<u64>, StoreError> {
        let newest = self.store.feed().await?.newest;
        let mut lines: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
        let mut from = None;
        loop {
            let page = self.open(from).await?;
            for operation in page.items {
                if operation.state == OperationState::WaitingForFunds {
                    let terms = operation.terms.as_ref();
                    let currency = terms.map(|terms| terms.currency.clone()).unwrap_or_default();
                    lines.entry(currency).or_default().push(operation);
                }
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        asked.retain(|(id, _, _)| lines.values().flatten().any(|operation| operation.id == *id));
        if lines.is_empty() {
            return Ok(None);
        }
        for line in lines.into_values() {
            self.release(line, asked).await?;
        }
        Ok(Some(newest))
    }

    /// `line` is of one currency, the oldest first.
    async fn release(
        self: &Arc<Self>,
        line: Vec<Operation>,
        asked: &mut BTreeSet<Moment>,
    ) -> Result<(), StoreError> {
        let mut blocked = false;
        for operation in line {
            let Some(terms) = operation.terms.clone() else { continue };
            match self.readiness(&operation, &terms, blocked, asked).await? {
                Readiness::NotInLine => {}
                Readiness::First => blocked = true,
                Readiness::Refuse(reasons) => {
                    self.take(&operation, Happening::TurnedDown { reasons }).await?;
                }
                Readiness::Send => {
                    // The next one is looked at when it is known what this one has taken.
                    self.drive_waiting(&operation).await?;
                }
            }
        }
        Ok(())
    }

    async fn drive_waiting(self: &Arc<Self>, operation: &Operation) -> Result<(), StoreError> {
        let Some(driving) = Driving::start(self, &operation.id) else { return Ok(()) };
        let operation = operation.clone();
        // A task of its own, which a stop does not cut off.
        let work = self.run_to_end(async move {
            let inner = Arc::clone(&driving.inner);
            let turn = {
                let permit = inner.calls.acquire().await.ok();
                let _turn = inner.turns.of(&operation.id).await;
                inner.send(operation.clone(), permit).await?
            };
            drop(driving);
            match turn {
                Turn::Done => {}
                Turn::Further | Turn::Later => inner.spawn(&operation),
            }
            Ok(())
        });
        work.await.unwrap_or(Ok(()))
    }

    async fn readiness(
        &self,
        operation: &Operation,
        terms: &TransferTerms,
        blocked: bool,
        asked: &mut BTreeSet<Moment>,
    ) -> Result<Readiness, StoreError> {
        let after = match self.awaited(terms).await? {
            Awaited::Lost(reason) => return Ok(Readiness::Refuse(vec![reason])),
            Awaited::Pending => return Ok(Readiness::NotInLine),
            Awaited::Nothing => None,
            Awaited::Succeeded(event) => Some(event),
        };
        if blocked {
            return Ok(Readiness::First);
        }
        let mut there = self.is_there(operation, terms).await?;
        // An event that should tell of the money may be missed, or may be known already.
        if !there {
            let after = self.newest_topup(&terms.currency).await?.or(after);
            let moment = (operation.id.clone(), after, operation.attempt > 1);
            if asked.insert(moment) && self.fetch_balance().await {
                there = self.is_there(operation, terms).await?;
            }
        }
        if there { self.at_its_turn(operation, terms).await } else { Ok(Readiness::First) }
    }

    /// The account is judged only now: what was against it meanwhile may have passed.
    async fn at_its_turn(
        &self,
        operation: &Operation,
        terms: &TransferTerms,
    ) -> Result<Readiness, StoreError> {
        let key = ObjectKey::new(self.access.livemode, Kind::Account, None, &terms.destination);
        if self.store.object(&key).await?.is_some_and(|account| account.progress.ambiguous) {
            return Ok(Readiness::NotInLine);
        }
        let Findings { reasons, .. } = self.of_destination(terms).await?;
        if !reasons.is_empty() {
            return Ok(Readiness::Refuse(reasons));
        }
        let can_go = !operation.is_old(self.now()) || self.was_never_made(operation).await?;
        Ok(if can_go { Readiness::Send } else { Readiness::NotInLine })
    }

    /// The event by which the top-up that succeeded last did so.
    async fn newest_topup(&self, currency: &str) -> Result<Option<String>, StoreError> {
        let currency = Some(currency.to_owned());
        let filter = ObjectFilter { currency, ..ObjectFilter::default() };
        let slice = Slice { from: None, limit: NEWEST_TOPUPS };
        let page = self.store.objects(self.access.livemode, Kind::Topup, filter, slice).await?;
        let succeeded = |state: &State| match state {
            State::Topup(topup) => topup.status == TopupStatus::Succeeded,
            State::Account(_) | State::Transfer(_) | State::Payout(_) | State::Balance(_) => false,
        };
        let succeeded = page.items.into_iter().filter(|object| succeeded(&object.progress.state));
        let newest = succeeded.max_by_key(|object| object.progress.as_of.recorded_at);
        Ok(newest.map(|object| object.progress.as_of.event_id))
    }

    async fn is_there(
        &self,
        operation: &Operation,
        terms: &TransferTerms,
    ) -> Result<bool, StoreError> {
        // Stripe has said that the money is not there: only what is known since says otherwise.
        let refused_at = (operation.attempt > 1).then_some(operation.updated_at);
        let known_since = self.balance().await?.map(|balance| balance.progress.as_of.recorded_at);
        let is_news = refused_at.is_none_or(|at| known_since.is_some_and(|since| since > at));
        Ok(is_news && self.funds(terms).await? == Funds::There)
    }

    async fn awaited(&self, terms: &TransferTerms) -> Result<Awaited, StoreError> {
        let Some(id) = &terms.topup else { return Ok(Awaited::Nothing) };
        let key = ObjectKey::new(self.access.livemode, Kind::Topup, None, id);
        let Some(object) = self.store.object(&key).await? else { return Ok(Awaited::Pending) };
        let State::Topup(topup) = &object.progress.state else { return Ok(Awaited::Pending) };
        Ok(match topup.status {
            TopupStatus::Pending => Awaited::Pending,
            TopupStatus::Succeeded => Awaited::Succeeded(object.progress.as_of.event_id),
            TopupStatus::Failed | TopupStatus::Canceled | TopupStatus::Reversed => {
                let word = topup.status.word();
                let detail = format!("the top-up {id} that it waited for is {word}");
                Awaited::Lost(Reason::new("topup_failed", detail))
            }
        })
    }
}
