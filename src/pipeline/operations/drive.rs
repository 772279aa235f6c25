//! One operation, driven until nothing more is to be done about it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::id::{Kind, ObjectKey};
use crate::domain::operation::{
    Action, Due, Happening, Operation, OperationError, OperationState, Reason,
};
use crate::pipeline::operations::lookup::Past;
use crate::pipeline::operations::{Inner, Permit};
use crate::store::{Advanced, StoreError};
use crate::stripe::client::{Answer, CallError, StripeError};
use crate::stripe::outgoing::{call_of, kept_of, names_what_was_made};

/// How long an answer may be held up by showing what it made.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// Whether a turn got the operation further.
pub(super) enum Turn {
    /// It is settled, or waits for something that somebody else watches.
    Done,
    Further,
    /// Another try may do better later.
    Later,
}

impl Inner {
    /// Drives an operation in a task of its own, unless somebody does already.
    pub(super) fn spawn(self: &Arc<Self>, operation: &Operation) {
        let (inner, id) = (Arc::clone(self), operation.id.clone());
        let Some(driving) = Driving::start(&inner, &id) else { return };
        self.run_task(async move {
            driving.inner.drive(&driving.id).await;
        });
    }

    async fn drive(&self, id: &str) {
        let mut failures = 0;
        while self.turns(id).await {
            failures += 1;
            if !self.sleep(self.wait_after(failures)).await {
                return;
            }
        }
    }

    /// Takes turns until the operation is settled (false) or is to be tried again later (true).
    async fn turns(&self, id: &str) -> bool {
        loop {
            if *self.stopping.borrow() {
                return false;
            }
            match self.turn(id).await {
                Ok(Turn::Done) => return false,
                Ok(Turn::Further) => {}
                Ok(Turn::Later) => return true,
                Err(error) => {
                    tracing::warn!(operation.id = id, %error, "an operation cannot go on now");
                    return true;
                }
            }
        }
    }

    async fn turn(&self, id: &str) -> Result<Turn, StoreError> {
        // Who waits for a call to be free keeps nobody from deciding meanwhile.
        let permit = self.calls.acquire().await.ok();
        let _turn = self.turns.of(id).await;
        let Some(operation) = self.store.operation(self.access.livemode, id).await? else {
            return Ok(Turn::Done);
        };
        match operation.due(self.now()) {
            Due::Nothing => {
                self.spending.settled(&operation);
                Ok(Turn::Done)
            }
            Due::LookForFunds => Ok(Turn::Done),
            Due::Send => self.send(operation, permit).await,
            Due::SendAgain => self.send_again(operation, permit).await,
            Due::NoteLost => {
                let reason = "bursar stopped before the answer came".to_owned();
                self.take(&operation, Happening::Lost { reason, request_id: None }).await?;
                Ok(Turn::Further)
            }
            Due::LookUp => {
                drop(permit);
                self.look_up(operation).await
            }
            Due::GiveUp => {
                drop(permit);
                match self.past(&operation).await? {
                    Past::NotToldNow => return Ok(Turn::Later),
                    Past::Recorded => return Ok(Turn::Done),
                    Past::NeverMade => {}
                }
                let reason = Reason::new("stripe_unreachable", "Stripe could not be reached");
                self.take(&operation, Happening::TurnedDown { reasons: vec![reason] }).await?;
                Ok(Turn::Done)
            }
        }
    }

    /// Records that it is sent, and sends it. Who finds that record later knows that the call may
    /// have been made.
    pub(super) async fn send(
        &self,
        operation: Operation,
        permit: Permit<'_>,
    ) -> Result<Turn, StoreError> {
        let Some(sent) = operation.after(Happening::Sent, self.now()) else {
            return Ok(Turn::Done);
        };
        match self.store.advance(sent, operation.version).await? {
            Advanced::Recorded(sent) if sent.state == OperationState::Sent => {
                self.stepped();
                self.call(sent, permit).await
            }
            Advanced::Recorded(_) | Advanced::Overtaken(_) => Ok(Turn::Further),
        }
    }

    /// The same call with the same key, whose first answer Stripe gives again. Where that is a
    /// failure of its own, what there is may still tell.
    async fn send_again(
        &self,
        operation: Operation,
        permit: Permit<'_>,
    ) -> Result<Turn, StoreError> {
        match self.call(operation.clone(), permit).await? {
            Turn::Later => self.look_for(operation).await,
            turn @ (Turn::Done | Turn::Further) => Ok(turn),
        }
    }

    /// Makes the call and takes in what comes of it. The operation must be recorded as sent.
    async fn call(&self, operation: Operation, permit: Permit<'_>) -> Result<Turn, StoreError> {
        // Recording takes time, and clocks are set: looked at last of all.
        if !operation.key_lives(self.now()) {
            if operation.state == OperationState::Sent {
                let reason = "it was recorded too slowly to be sent".to_owned();
                let not_done = Happening::NotDone { reason, retry: true, request_id: None };
                self.take(&operation, not_done).await?;
            }
            return Ok(Turn::Further);
        }
        let (result, elapsed) = {
            let _permit = permit;
            self.spending.keep_back(&operation, self.now());
            let asked = Instant::now();
            (self.access.stripe.call(&call_of(&operation)).await, asked.elapsed())
        };
        let made = |answer: &&Answer| names_what_was_made(operation.action, answer);
        let answer = result.as_ref().ok().filter(made).cloned();
        let mut happening = happening_of(operation.action, result);
        if operation.state == OperationState::Unknown
            && matches!(happening, Happening::Refused { .. })
        {
            happening = self.believed(&operation, happening).await;
        }
        let later =
            matches!(happening, Happening::Lost { .. } | Happening::NotDone { retry: true, .. });
        let now = self.keep(&operation, happening).await;
        if let Some(answer) = answer {
            self.show(&operation, &answer, elapsed).await;
        }
        // Only now is who waits told: what was made can be read.
        self.stepped();
        // What was refused with an earlier outcome in doubt is asked for again, too.
        let open = now.state == OperationState::Unknown || now.state == OperationState::Requested;
        if now.state == OperationState::WaitingForFunds {
            self.look_at_lines();
        }
        Ok(if later || open { Turn::Later } else { Turn::Done })
    }

    /// Shows what was made to readers, before any event can. They learn of it anyway, if later.
    async fn show(&self, operation: &Operation, answer: &Answer, elapsed: Duration) {
        let kind = match operation.action {
            Action::CreateAccount => Kind::Account,
            Action::CreateTopup => Kind::Topup,
            Action::CreateTransfer => Kind::Transfer,
            Action::CreatePerson
            | Action::CreateOnboardingLink
            | Action::CancelTopup
            | Action::ReverseTransfer => return,
        };
        // What was answered before says how it was then.
        let Some(id) = answer.id().filter(|_| !answer.replayed) else { return };
        let key = ObjectKey::new(self.access.livemode, kind, None, &id);
        let kept = self.refetcher.keep_made(&key, answer, elapsed);
        match tokio::time::timeout(SHOWN_WITHIN, kept).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(object.id = %id, %error, "what was made is shown later");
            }
            Err(_) => tracing::warn!(object.id = %id, "what was made is shown later"),
        }
    }

    /// Takes something in, and does not give up before it is recorded: what Stripe said is said
    /// once.
    async fn keep(&self, operation: &Operation, happening: Happening) -> Operation {
        let mut failures = 0;
        loop {
            match self.record(operation, happening.clone()).await {
                Ok(operation) => return operation,
                Err(error) => {
                    tracing::error!(operation.id = %operation.id, %error, "Stripe's answer cannot be recorded; trying again");
                    failures += 1;
                    if !self.sleep(self.wait_after(failures)).await {
                        return operation.clone();
                    }
                }
            }
        }
    }

    /// Takes something in, and tells those who wait.
    pub(super) async fn take(
        &self,
        operation: &Operation,
        happening: Happening,
    ) -> Result<Operation, StoreError> {
        let now = self.record(operation, happening).await?;
        self.stepped();
        Ok(now)
    }

    /// Records something on top of whatever else has happened meanwhile.
    async fn record(
        &self,
        operation: &Operation,
        happening: Happening,
    ) -> Result<Operation, StoreError> {
        let mut held = operation.clone();
        loop {
            let Some(next) = held.after(happening.clone(), self.now()) else {
                // A second look: what was read may be old.
                let newest = self.store.operation(held.livemode, &held.id).await?;
                let Some(newest) = newest.filter(|newest| newest.version > held.version) else {
                    self.spending.settled(&held);
                    return Ok(held);
                };
                held = newest;
                continue;
            };
            match self.store.advance(next, held.version).await? {
                Advanced::Recorded(now) => {
                    tell(&now);
                    self.spending.settled(&now);
                    return Ok(now);
                }
                Advanced::Overtaken(newer) => held = newer,
            }
        }
    }

    fn wait_after(&self, failures: u32) -> Duration {
        let bounded = failures.min(self.pace.attempts.saturating_sub(1)).max(1);
        self.pace.wait_after(bounded).unwrap_or(self.pace.longest_wait)
    }

    /// False when everything stops meanwhile.
    pub(super) async fn sleep(&self, time: Duration) -> bool {
        let mut stopping = self.stopping.subscribe();
        tokio::time::timeout(time, stopping.wait_for(|stopping| *stopping)).await.is_err()
    }
}

/// As long as it lives, nobody else drives this operation.
pub(super) struct Driving {
    pub(super) inner: Arc<Inner>,
    id: String,
}

impl Driving {
    pub(super) fn start(inner: &Arc<Inner>, id: &str) -> Option<Self> {
        let is_first = inner.driven().insert(id.to_owned());
        is_first.then(|| Self { inner: Arc::clone(inner), id: id.to_owned() })
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.inner.driven().remove(&self.id);
        self.inner.stepped();
    }
}

pub(super) fn happening_of(action: Action, result: Result<Answer, CallError>) -> Happening {
    match result {
        Ok(answer) if names_what_was_made(action, &answer) => Happening::Answered {
            object_id: answer.id(),
            object: kept_of(&answer),
            request_id: answer.request_id,
        },
        Ok(answer) => Happening::Lost {
            reason: "an answer that names nothing that was made".to_owned(),
            request_id: answer.request_id,
        },
        Err(CallError::Refused { status, error, request_id }) => {
            Happening::Refused { error: error_of(action, status, error), request_id }
        }
        Err(CallError::NotDone { reason, retry, request_id }) => {
            Happening::NotDone { reason, retry, request_id }
        }
        Err(CallError::Unknown { reason, request_id }) => Happening::Lost { reason, request_id },
    }
}

/// What Stripe says of a person's details can repeat them; what is kept names the field only.
fn error_of(action: Action, status: u16, error: StripeError) -> OperationError {
    let in_short = error.in_short();
    let StripeError { kind, code, mut message, param } = error;
    match action {
        Action::CreateAccount | Action::CreatePerson | Action::CreateOnboardingLink => {
            message = format!(
                "{in_short}; what it said can repeat personal details and is not kept, but stands \
                 in its Dashboard under the request's id"
            );
        }
        Action::CreateTopup
        | Action::CancelTopup
        | Action::CreateTransfer
        | Action::ReverseTransfer => {}
    }
    let kind = Some(kind).filter(|kind| !kind.is_empty());
    OperationError { status: Some(status), kind, code, message, param }
}

fn tell(operation: &Operation) {
    let code = operation.error.as_ref().and_then(|error| error.code.as_deref());
    let (id, state) = (&operation.id, operation.state.word());
    let object_id = operation.object_id.as_deref();
    let request_id = operation.request_id.as_deref();
    if operation.state == OperationState::Unknown {
        tracing::warn!(operation.id = %id, state, request.id = request_id, "what became of an operation is not known yet");
    } else {
        tracing::info!(operation.id = %id, state, code, object.id = object_id, request.id = request_id, "an operation has come further");
    }
}
