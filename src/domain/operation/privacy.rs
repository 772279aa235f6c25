//! What of an operation can be personal, and what is left without it.

use std::fmt::{Debug, Formatter, Result};

use crate::domain::operation::{Operation, OperationError, Params, Settled};

impl Debug for Params {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Without the message, which can repeat what was sent.
impl Debug for OperationError {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let Self { status, kind, code, message: _, param } = self;
        formatter
            .debug_struct("OperationError")
            .field("status", status)
            .field("kind", kind)
            .field("code", code)
            .field("param", param)
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// What is left when all is gone that can be personal: ids, states and amounts stay. Nobody can
    /// tell any more whether a repeated request is the same.
    #[must_use]
    pub fn without_personal_data(&self) -> Self {
        let mut left = self.clone();
        left.params = None;
        left.fingerprint = String::new();
        if let Some(error) = &mut left.error {
            error.message = String::new();
        }
        if let Some(Settled::Operator { name: _, reason }) = &mut left.settled {
            *reason = String::new();
        }
        left
    }

    /// What an index may know: also nothing of what Stripe answered.
    #[must_use]
    pub fn outline(&self) -> Self {
        Self { object: None, ..self.without_personal_data() }
    }

    /// Whether it is about this account, as far as the operation itself tells.
    pub fn is_about_account(&self, account: &str) -> bool {
        let destination = self.terms.as_ref().map(|terms| &terms.destination);
        let named = [self.subject.as_ref(), self.object_id.as_ref(), destination];
        named.into_iter().flatten().any(|id| id == account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_output_repeats_what_was_sent() {
        let params = Params(vec![("email".to_owned(), "jo@example.com".to_owned())]);
        assert_eq!(format!("{params:?}"), "{\"email\"}");
        let message = "jo@example.com is no address".to_owned();
        let error = OperationError { message, ..OperationError::default() };
        assert!(!format!("{error:?}").contains("jo@"), "{error:?}");
    }
}
