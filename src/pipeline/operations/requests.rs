//! Taking up a request, and telling who asked what became of it.
//!
//! Of one key of a caller's, one request at a time: all who come with it are told the same.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::domain::operation::{Operation, OperationState, Reason};
use crate::pipeline::operations::checks::Findings;
use crate::pipeline::operations::wanted::{Asked, Wanted};
use crate::pipeline::operations::{Inner, RequestError};
use crate::store::{Begun, OperationName, StoreError};

/// A request that was turned down, and so not recorded.
pub(super) struct TurnedDown {
    /// Of what it said.
    print: String,
    at: Instant,
    reasons: Vec<Reason>,
}

impl Inner {
    /// What became of the same request before.
    pub(super) async fn known(
        &self,
        wanted: &Wanted,
        asked: &Asked,
    ) -> Result<Option<Operation>, RequestError> {
        let name = OperationName::Key(asked.client_key.clone());
        let known = self.store.operation_named(self.access.livemode, name).await?;
        known.map(|known| same(wanted, known)).transpose()
    }

    /// The recorded operation of a request, which somebody drives from now on.
    pub(super) async fn taken_up(
        self: &Arc<Self>,
        wanted: &Wanted,
        asked: &Asked,
    ) -> Result<Operation, RequestError> {
        // Of one key, one at a time: who comes second finds what the first has recorded, and is
        // not turned down for what that one spends.
        let came = Instant::now();
        let mut before = self.keys.of(&asked.client_key).await;
        if let Some(known) = self.known(wanted, asked).await? {
            self.take_up(&known);
            return Ok(known);
        }
        // Who asked while another was being told no is told the same.
        let print = wanted.print();
        if let Some(TurnedDown { reasons, .. }) =
            before.as_ref().filter(|before| before.print == print && came <= before.at)
        {
            return Err(RequestError::TurnedDown(reasons.clone()));
        }
        let begun = self.begun_if_possible(wanted, asked).await;
        match &begun {
            Ok(operation) => self.take_up(operation),
            Err(RequestError::TurnedDown(reasons)) => {
                let reasons = reasons.clone();
                *before = Some(TurnedDown { print, at: Instant::now(), reasons });
            }
            Err(_) => {}
        }
        begun
    }

    async fn begun_if_possible(
        &self,
        wanted: &Wanted,
        asked: &Asked,
    ) -> Result<Operation, RequestError> {
        let mut warnings = self.check(wanted).await?;
        let Some(terms) = wanted.terms() else { return self.begun(wanted, asked, warnings).await };
        // What was there when it was checked may be another's by now.
        let _funds = self.funds_of(&terms.currency).await;
        let Findings { reasons, warnings: more } = self.just_before(terms).await?;
        if !reasons.is_empty() {
            return Err(RequestError::TurnedDown(reasons));
        }
        warnings.extend(more);
        self.begun(wanted, asked, warnings).await
    }

    /// The recorded operation of a request, which somebody has to go on with.
    pub(super) async fn begun(
        &self,
        wanted: &Wanted,
        asked: &Asked,
        warnings: Vec<Reason>,
    ) -> Result<Operation, RequestError> {
        let request = wanted.request(asked, self.access.livemode, warnings);
        match self.store.begin(Operation::new(request, self.now())).await? {
            Begun::New(operation) => {
                tracing::info!(
                    operation.id = %operation.id,
                    action = operation.action.word(),
                    by = %operation.by,
                    "an operation was asked for"
                );
                if operation.state == OperationState::Requested {
                    self.spending.keep_back(&operation, self.now());
                }
                Ok(operation)
            }
            Begun::Known(known) => same(wanted, known),
            Begun::Taken(other) => Err(RequestError::ReferenceTaken(Box::new(other))),
        }
    }

    /// What there is to spend in a currency is looked at by one at a time.
    pub(super) async fn funds_of(&self, currency: &str) -> OwnedMutexGuard<()> {
        self.turns.of(&format!("funds {currency}")).await
    }

    /// Sees to it that somebody goes on with what is open.
    fn take_up(self: &Arc<Self>, operation: &Operation) {
        match operation.state {
            OperationState::WaitingForFunds => self.look_at_lines(),
            OperationState::Requested | OperationState::Sent | OperationState::Unknown => {
                self.spawn(operation);
            }
            OperationState::Succeeded | OperationState::Refused => {}
        }
    }

    /// Waits until there is something to tell: the outcome, or that it takes longer.
    pub(super) async fn told(&self, mut operation: Operation) -> Result<Operation, StoreError> {
        let deadline = Instant::now() + self.pace.answer_within;
        let (mut steps, mut stopping) = (self.steps.subscribe(), self.stopping.subscribe());
        loop {
            steps.borrow_and_update();
            let held = self.store.operation(operation.livemode, &operation.id).await?;
            operation = held.unwrap_or(operation);
            match operation.state {
                OperationState::Requested | OperationState::Sent => {}
                OperationState::WaitingForFunds
                | OperationState::Succeeded
                | OperationState::Refused
                | OperationState::Unknown => return Ok(operation),
            }
            let waited = async {
                tokio::select! {
                    _ = steps.changed() => true,
                    _ = stopping.wait_for(|stopping| *stopping) => false,
                }
            };
            if !tokio::time::timeout_at(deadline, waited).await.unwrap_or(false) {
                return Ok(operation);
            }
        }
    }
}

/// The operation that has the key, when it is of the same request.
fn same(wanted: &Wanted, known: Operation) -> Result<Operation, RequestError> {
    if wanted.is_of(&known) { Ok(known) } else { Err(RequestError::KeyReused(known.id)) }
}
