//! What happens to an operation, and what it makes of it.

use serde::{Deserialize, Serialize};

use crate::domain::Json;
use crate::domain::operation::{Operation, OperationError, OperationState, Params};
use crate::domain::time::Timestamp;

/// The code by which Stripe says that the money is not there.
const NO_FUNDS: &str = "balance_insufficient";
const EXPIRED: &str = "expired";

/// A reason or a warning: a stable word for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub code: String,
    pub detail: String,
}

impl Reason {
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), detail: detail.into() }
    }
}

/// How the outcome became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settled {
    /// Stripe answered the call.
    Answer,
    /// An event told of the object.
    Event { id: String },
    /// Stripe was asked what there is.
    Lookup,
    /// A person decided.
    Operator { name: String, reason: String },
    /// bursar did not make the call.
    Bursar,
}

/// Something that happens to an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The call is about to be made.
    Sent,
    /// Stripe did it.
    Answered { object_id: Option<String>, object: Json, request_id: Option<String> },
    /// Stripe said no.
    Refused { error: OperationError, request_id: Option<String> },
    /// It certainly had no effect at Stripe; `retry`: the same can be sent again.
    NotDone { reason: String, retry: bool, request_id: Option<String> },
    /// It was sent, and there is no answer.
    Lost { reason: String, request_id: Option<String> },
    /// It may have been sent by a run of which this store knows nothing, and Stripe cannot tell.
    Doubted { reason: String },
    /// bursar does not send it.
    TurnedDown { reasons: Vec<Reason> },
    /// An event tells of the object.
    Reported { object_id: String, event_id: String },
    /// Stripe was asked, and has the object, or has done it.
    Found { object_id: Option<String> },
    /// Stripe was asked for everything that it could be, and has nothing.
    NotFound,
    /// Nobody can tell what became of it, and what it may have made is of no use any more.
    Expired,
    /// A person says what became of it.
    Decided { happened: bool, object_id: Option<String>, by: String, reason: String },
}

impl Operation {
    /// The operation after something happened to it; `None` when that changes nothing, or cannot
    /// happen to an operation in this state.
    #[must_use]
    pub fn after(&self, happening: Happening, at: Timestamp) -> Option<Self> {
        if self.state == OperationState::Succeeded {
            return self.completed(happening, at);
        }
        let to = self.leads_to(&happening)?;
        if !self.state.next().contains(&to) {
            return None;
        }
        let mut next = self.clone();
        next.state = to;
        next.take(happening, at);
        if to == OperationState::WaitingForFunds {
            // Stripe would answer the same key with the same refusal.
            next.attempt = next.attempt.saturating_add(1);
            next.sent_at = None;
        }
        if !to.is_open() {
            next.params = None;
        }
        Some(next.stepped(at))
    }

    fn stepped(self, at: Timestamp) -> Self {
        Self { version: self.version.saturating_add(1), updated_at: at, ..self }
    }

    /// The state that a happening leads to, whether or not the table lets it.
    fn leads_to(&self, happening: &Happening) -> Option<OperationState> {
        let in_doubt = self.state == OperationState::Unknown;
        let is_under_way = in_doubt || self.state == OperationState::Sent;
        let is_unsent =
            matches!(self.state, OperationState::Requested | OperationState::WaitingForFunds);
        match happening {
            Happening::Sent => Some(OperationState::Sent),
            // Stripe's word is stronger than a person's, or what was found in a list.
            Happening::Answered { .. } => (is_under_way || self.was_settled_without_stripe())
                .then_some(OperationState::Succeeded),
            // Stripe looks at the key's permissions before it looks for an earlier answer.
            Happening::Refused { error, .. }
                if in_doubt && matches!(error.status, Some(401 | 403)) =>
            {
                None
            }
            Happening::Refused { error, .. } => {
                is_under_way.then_some(if self.waits_after(error) {
                    OperationState::WaitingForFunds
                } else {
                    OperationState::Refused
                })
            }
            // It speaks of one exchange; what an earlier one did stays unknown.
            Happening::NotDone { .. } if in_doubt => None,
            Happening::NotDone { retry: true, .. } => Some(OperationState::Requested),
            Happening::NotDone { retry: false, .. } => {
                is_under_way.then_some(OperationState::Refused)
            }
            Happening::Lost { .. } => (!is_unsent).then_some(OperationState::Unknown),
            Happening::Doubted { .. } => is_unsent.then_some(OperationState::Unknown),
            Happening::TurnedDown { .. } => (!is_under_way).then_some(OperationState::Refused),
            Happening::Reported { .. } => Some(OperationState::Succeeded),
            // Also of what seems never to have been sent, in a store put back from a copy.
            Happening::Found { .. } => (in_doubt || is_unsent).then_some(OperationState::Succeeded),
            Happening::NotFound | Happening::Expired => in_doubt.then_some(OperationState::Refused),
            Happening::Decided { happened: true, .. } => {
                in_doubt.then_some(OperationState::Succeeded)
            }
            Happening::Decided { happened: false, .. } => (in_doubt
                || self.state == OperationState::WaitingForFunds)
                .then_some(OperationState::Refused),
        }
    }

    fn was_settled_without_stripe(&self) -> bool {
        match &self.settled {
            Some(Settled::Operator { .. } | Settled::Lookup) => true,
            Some(Settled::Answer | Settled::Event { .. } | Settled::Bursar) | None => false,
        }
    }

    fn waits_after(&self, error: &OperationError) -> bool {
        error.code.as_deref() == Some(NO_FUNDS)
            && self.terms.as_ref().is_some_and(|terms| terms.wait_for_funds)
    }

    fn take(&mut self, happening: Happening, at: Timestamp) {
        match happening {
            Happening::Sent => {
                self.sent_at.get_or_insert(at);
            }
            Happening::Answered { object_id, object, request_id } => {
                self.object = Some(object);
                self.succeed(object_id, Settled::Answer);
                self.request_id = request_id;
            }
            Happening::Refused { error, request_id } => {
                self.error = Some(error);
                self.request_id = request_id;
                self.settled = (self.state == OperationState::Refused).then_some(Settled::Answer);
            }
            Happening::NotDone { reason, request_id, .. } => {
                self.fail_with("not_sent", reason, request_id);
                self.settled = (self.state == OperationState::Refused).then_some(Settled::Bursar);
            }
            Happening::Lost { reason, request_id } => {
                self.fail_with("outcome_unknown", reason, request_id);
            }
            Happening::Doubted { reason } => self.fail_with("outcome_unknown", reason, None),
            Happening::TurnedDown { reasons } => {
                self.reasons = reasons;
                self.settled = Some(Settled::Bursar);
            }
            Happening::Reported { object_id, event_id } => {
                self.succeed(Some(object_id), Settled::Event { id: event_id });
            }
            Happening::Found { object_id } => self.succeed(object_id, Settled::Lookup),
            Happening::NotFound => {
                self.fail_with("not_done", "Stripe has no object of this operation", None);
                self.settled = Some(Settled::Lookup);
            }
            Happening::Expired => {
                let message = "there was no answer; a link, if one was made, has expired";
                self.fail_with(EXPIRED, message, None);
                self.settled = Some(Settled::Bursar);
            }
            Happening::Decided { happened, object_id, by, reason } => {
                let settled = Settled::Operator { name: by, reason };
                if happened {
                    self.succeed(object_id, settled);
                } else {
                    self.fail_with("not_done", "an operator found that it was not done", None);
                    self.settled = Some(settled);
                }
            }
        }
    }

    fn succeed(&mut self, object_id: Option<String>, settled: Settled) {
        self.object_id = object_id.or_else(|| self.object_id.take());
        self.error = None;
        self.reasons = Vec::new();
        self.settled = Some(settled);
    }

    fn fail_with(&mut self, code: &str, message: impl Into<String>, request_id: Option<String>) {
        let (code, message) = (Some(code.to_owned()), message.into());
        self.error = Some(OperationError { code, message, ..OperationError::default() });
        self.request_id = request_id.or_else(|| self.request_id.take());
    }

    /// The answer of a call may come after the event that told of its object, and knows more.
    fn completed(&self, happening: Happening, at: Timestamp) -> Option<Self> {
        match happening {
            Happening::Answered { object_id, object, request_id }
                if self.object.is_none()
                    && (self.object_id.is_none() || self.object_id == object_id) =>
            {
                let mut next = self.clone();
                (next.object, next.request_id, next.params) = (Some(object), request_id, None);
                next.object_id = object_id;
                Some(next.stepped(at))
            }
            Happening::Answered { .. }
            | Happening::Sent
            | Happening::Refused { .. }
            | Happening::NotDone { .. }
            | Happening::Lost { .. }
            | Happening::Doubted { .. }
            | Happening::TurnedDown { .. }
            | Happening::Reported { .. }
            | Happening::Found { .. }
            | Happening::NotFound
            | Happening::Expired
            | Happening::Decided { .. } => None,
        }
    }

    /// Whether it may have had an effect, so that its tag stays with it: not when it was refused,
    /// unless nobody knows more than that it is over.
    pub fn holds_tag(&self) -> bool {
        let code = self.error.as_ref().and_then(|error| error.code.as_deref());
        let is_over = self.settled == Some(Settled::Bursar) && code == Some(EXPIRED);
        self.state != OperationState::Refused || is_over
    }

    /// The parameters of its call.
    pub fn parameters(&self) -> &[(String, String)] {
        self.params.as_ref().map_or(&[], |Params(params)| params)
    }
}
