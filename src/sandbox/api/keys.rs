//! Idempotency: the first answer to a key is the answer to all that follow with it.

use std::collections::HashMap;

use serde_json::Value;

use crate::sandbox::api::refusal::Refusal;

/// After so long a key is forgotten, and the same one is a new request.
pub const KEPT_SECONDS: i64 = 86_400;
const LONGEST: usize = 255;

/// An answer that is given again.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub status: u16,
    pub body: Value,
    pub request_id: String,
}

#[derive(Clone, Debug)]
struct Entry {
    /// What was asked: the same key is for the same request only.
    asked: String,
    at: i64,
    /// None while the first call with it is under way.
    answer: Option<Kept>,
}

/// Whom a key belongs to, and the key.
type Owned = (String, String);

/// How often old keys are looked for.
const LOOKED_FOR_SECONDS: i64 = 3600;

#[derive(Debug, Default)]
pub struct Keys {
    entries: HashMap<Owned, Entry>,
    looked_at: i64,
}

/// What a key says of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is the first; its answer will be kept.
    First,
    Again(Kept),
}

impl Keys {
    /// `asked` is the whole request: endpoint and parameters.
    pub fn begin(
        &mut self,
        owner: &str,
        key: &str,
        asked: String,
        now: i64,
    ) -> Result<Verdict, Refusal> {
        if key.is_empty() || key.len() > LONGEST {
            return Err(Refusal {
                kind: "idempotency_error",
                ..Refusal::invalid(format!(
                    "Idempotency keys must be at least 1 and at most {LONGEST} characters long."
                ))
            });
        }
        let place = (owner.to_owned(), key.to_owned());
        match self.entries.get(&place).filter(|entry| now < entry.at + KEPT_SECONDS) {
            None => {
                self.entries.insert(place, Entry { asked, at: now, answer: None });
                Ok(Verdict::First)
            }
            Some(entry) if entry.asked != asked => Err(Refusal {
                kind: "idempotency_error",
                ..Refusal::invalid(format!(
                    "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
                ))
            }),
            Some(Entry { answer: Some(kept), .. }) => Ok(Verdict::Again(kept.clone())),
            Some(Entry { answer: None, .. }) => Err(Refusal {
                kind: "idempotency_error",
                ..Refusal::invalid(format!(
                    "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): {key}. Please try again later."
                ))
                .code("idempotency_key_in_use")
                .status(409)
            }),
        }
    }

    pub fn keep(&mut self, owner: &str, key: &str, kept: Kept) {
        if let Some(entry) = self.entries.get_mut(&(owner.to_owned(), key.to_owned())) {
            entry.answer = Some(kept);
        }
    }

    /// The request was not begun: the key is as if it had never been used.
    pub fn release(&mut self, owner: &str, key: &str) {
        self.entries.remove(&(owner.to_owned(), key.to_owned()));
    }

    pub fn forget_old(&mut self, now: i64) {
        if now < self.looked_at + LOOKED_FOR_SECONDS {
            return;
        }
        self.looked_at = now;
        self.entries.retain(|_, entry| now < entry.at + KEPT_SECONDS);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept() -> Kept {
        Kept { status: 200, body: json!({"id": "tr_1"}), request_id: "req_1".to_owned() }
    }

    #[test]
    fn the_first_answer_is_given_again_for_a_day() {
        let mut keys = Keys::default();
        let mut ask = |asked: &str, now| keys.begin("acct_1", "k", asked.to_owned(), now);
        assert_eq!(ask("a", 0), Ok(Verdict::First));
        assert_eq!(ask("a", 1).unwrap_err().code, Some("idempotency_key_in_use"));
        keys.keep("acct_1", "k", kept());
        let mut ask = |asked: &str, now| keys.begin("acct_1", "k", asked.to_owned(), now);
        assert_eq!(ask("a", KEPT_SECONDS - 1), Ok(Verdict::Again(kept())));
        assert_eq!(ask("b", 1).unwrap_err().kind, "idempotency_error");
        assert_eq!(ask("b", KEPT_SECONDS), Ok(Verdict::First));
    }

    #[test]
    fn a_key_belongs_to_one_account_and_can_be_released() {
        let mut keys = Keys::default();
        assert_eq!(keys.begin("acct_1", "k", "a".to_owned(), 0), Ok(Verdict::First));
        assert_eq!(keys.begin("acct_2", "k", "b".to_owned(), 0), Ok(Verdict::First));
        keys.release("acct_1", "k");
        assert_eq!(keys.begin("acct_1", "k", "b".to_owned(), 0), Ok(Verdict::First));
        assert_eq!(
            keys.begin("acct_1", &"k".repeat(256), "b".to_owned(), 0).unwrap_err().status,
            400
        );
    }
}
