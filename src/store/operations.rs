//! What a store is asked about operations, and what it answers.

use crate::domain::operation::{Action, Operation, OperationState};

/// Which operations a list shows.
#[derive(Clone, Debug, Default)]
pub struct OperationFilter {
    pub state: Option<OperationState>,
    pub action: Option<Action>,
    /// Made or acted upon.
    pub object: Option<String>,
    /// Only those about which something is still to be done or found out.
    pub open: bool,
    pub oldest_first: bool,
}

impl OperationFilter {
    pub fn admits(&self, operation: &Operation) -> bool {
        let is_about = |id: &String| {
            operation.subject.as_ref() == Some(id) || operation.object_id.as_ref() == Some(id)
        };
        self.state.is_none_or(|state| operation.state == state)
            && self.action.is_none_or(|action| operation.action == action)
            && self.object.as_ref().is_none_or(is_about)
            && (!self.open || operation.state.is_open())
    }
}

/// By what an operation is found.
#[derive(Clone, Debug)]
pub enum OperationName {
    /// The caller's idempotency key.
    Key(String),
    Tag(String),
}

/// What became of a request for an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is recorded.
    New(Operation),
    /// The caller's key was used before, for this one.
    Known(Operation),
    /// Its tag is this one's alone.
    Taken(Operation),
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advanced {
    Recorded(Operation),
    /// It has moved on meanwhile, and now stands like this; nothing was recorded.
    Overtaken(Operation),
}
