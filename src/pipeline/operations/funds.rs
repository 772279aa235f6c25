//! Transfers that wait for their money: first in, first out in each currency.
//!
//! Nobody asks the clock: a look is taken when a commit may have brought news, and after a while
//! where Stripe could not be asked. A transfer that names a top-up stands in line only once that
//! has succeeded; until then others may pass it, since it waits for money of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::fold::State;
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::operation::{Happening, Operation, OperationState, Reason, TransferTerms};
use crate::domain::topup::TopupStatus;
use crate::pipeline::operations::Inner;
use crate::pipeline::operations::checks::{Findings, Funds};
use crate::pipeline::operations::drive::{Driving, Turn};
use crate::pipeline::operations::lines::Look;
use crate::pipeline::operations::lookup::Past;
use crate::store::StoreError;

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
    Succeeded,
    Lost(Reason),
}

impl Inner {
    pub(super) async fn release_as_funds_come(self: &Arc<Self>) {
        let mut waiting = self.waiting.subscribe();
        loop {
            waiting.borrow_and_update();
            match self.look_for_funds().await {
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

    pub(super) fn look_at_lines(&self) {
        self.waiting.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Has each line looked at. Answers up to where the store was looked at, or nothing when nobody
    /// waits.
    async fn look_for_funds(self: &Arc<Self>) -> Result<Option<u64>, StoreError> {
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
        self.lines.keep(&lines);
        let somebody_waits = !lines.is_empty();
        for (currency, line) in lines {
            if let Some(look) = Look::start(self, &currency) {
                self.run_task(look.release(line));
            }
        }
        Ok(somebody_waits.then_some(newest))
    }

    /// How many top-ups have succeeded so far; each is a reason to ask for the balance.
    async fn topups_that_came(&self) -> Result<u64, StoreError> {
        let summary = self.store.summary(self.access.livemode).await?;
        let counts = summary.statuses.get(&Kind::Topup);
        // What was reversed had succeeded.
        let of = |status: TopupStatus| counts.and_then(|counts| counts.get(status.word())).copied();
        let all = [TopupStatus::Succeeded, TopupStatus::Reversed].map(|it| of(it).unwrap_or(0));
        Ok(all.iter().sum())
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
            TopupStatus::Succeeded => Awaited::Succeeded,
            TopupStatus::Failed | TopupStatus::Canceled | TopupStatus::Reversed => {
                let word = topup.status.word();
                let detail = format!("the top-up {id} that it waited for is {word}");
                Awaited::Lost(Reason::new("topup_failed", detail))
            }
        })
    }
}

impl Look {
    /// Releases what can be of a line, the oldest first.
    async fn release(mut self, line: Vec<Operation>) {
        self.only(&line);
        if let Err(error) = self.go_along(line).await {
            tracing::warn!(%error, "waiting transfers cannot be looked at; trying again");
            self.again();
        }
    }

    async fn go_along(&mut self, line: Vec<Operation>) -> Result<(), StoreError> {
        let mut blocked = false;
        for operation in line {
            if *self.inner.stopping.borrow() {
                return Ok(());
            }
            let Some(terms) = operation.terms.clone() else { continue };
            match self.readiness(&operation, &terms, blocked).await? {
                Readiness::NotInLine => {}
                Readiness::First => blocked = true,
                Readiness::Refuse(reasons) => {
                    self.inner.take(&operation, Happening::TurnedDown { reasons }).await?;
                }
                // The next one is looked at when it is known what this one has taken.
                Readiness::Send => blocked = !self.send(operation, &terms).await?,
            }
        }
        Ok(())
    }

    /// Answers whether its turn is over.
    async fn send(
        &mut self,
        operation: Operation,
        terms: &TransferTerms,
    ) -> Result<bool, StoreError> {
        let inner = Arc::clone(&self.inner);
        let Some(driving) = Driving::start(&inner, &operation.id) else {
            // Who drives it is about to end.
            self.again();
            return Ok(false);
        };
        let turn = {
            let permit = inner.calls.acquire().await.ok();
            let _turn = inner.turns.of(&operation.id).await;
            // Others may have spent what was there a moment ago.
            let set_aside = {
                let _funds = inner.funds_of(&terms.currency).await;
                let is_there = inner.is_there(&operation, terms).await?;
                if is_there {
                    inner.spending.keep_back(&operation, inner.now());
                }
                is_there
            };
            if !set_aside {
                return Ok(false);
            }
            inner.send(operation.clone(), permit).await?
        };
        drop(driving);
        match turn {
            Turn::Done => {}
            Turn::Further | Turn::Later => inner.spawn(&operation),
        }
        Ok(true)
    }

    async fn readiness(
        &mut self,
        operation: &Operation,
        terms: &TransferTerms,
        blocked: bool,
    ) -> Result<Readiness, StoreError> {
        match self.inner.awaited(terms).await? {
            Awaited::Lost(reason) => return Ok(Readiness::Refuse(vec![reason])),
            Awaited::Pending => return Ok(Readiness::NotInLine),
            Awaited::Nothing | Awaited::Succeeded => {}
        }
        if blocked {
            return Ok(Readiness::First);
        }
        let mut there = self.inner.is_there(operation, terms).await?;
        // An event that should tell of the money may be missed, or may be known already.
        if !there {
            let topups = self.inner.topups_that_came().await?;
            let moment = (operation.id.clone(), topups, operation.attempt > 1);
            if self.is_new(&moment) {
                if self.inner.fetch_balance().await {
                    there = self.inner.is_there(operation, terms).await?;
                } else {
                    self.failed(moment);
                }
            }
        }
        if there { self.at_its_turn(operation, terms).await } else { Ok(Readiness::First) }
    }

    /// The account is judged only now: what was against it meanwhile may have passed.
    async fn at_its_turn(
        &mut self,
        operation: &Operation,
        terms: &TransferTerms,
    ) -> Result<Readiness, StoreError> {
        let inner = &self.inner;
        let key = ObjectKey::new(inner.access.livemode, Kind::Account, None, &terms.destination);
        if inner.store.object(&key).await?.is_some_and(|account| account.progress.ambiguous) {
            return Ok(Readiness::NotInLine);
        }
        let Findings { reasons, .. } = inner.of_destination(terms).await?;
        if !reasons.is_empty() {
            return Ok(Readiness::Refuse(reasons));
        }
        if !operation.is_old(inner.now()) {
            return Ok(Readiness::Send);
        }
        Ok(match inner.past(operation).await? {
            Past::NeverMade => Readiness::Send,
            Past::Recorded => Readiness::NotInLine,
            Past::NotToldNow => {
                self.again();
                Readiness::NotInLine
            }
        })
    }
}
