//! What all tests share.

mod app;
mod client;
mod gate;
mod stream;

pub(crate) mod certificates;
pub(crate) mod directed;
pub(crate) mod events;
pub(crate) mod kept;
pub(crate) mod lives;
pub(crate) mod markers;
pub(crate) mod platform;
pub(crate) mod shapes;
pub(crate) mod stand_in;
pub(crate) mod stripe;

pub(crate) use app::{DEFAULT_SECRET, OPERATOR, PAYER, READER, SECRETS, TestApp, now, signed};
pub(crate) use client::{Answer, Request, encoded, raw, raw_and_hang_up};
pub(crate) use events::with;
pub(crate) use stream::{EventStream, Told};

/// The answer is this problem, in the form that every problem has.
#[track_caller]
pub(crate) fn assert_problem(answer: &Answer, status: u16, code: &str, case: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, status, "{case}: {text}");
    let kind = answer.header("content-type");
    assert_eq!(kind.as_deref(), Some("application/problem+json"), "{case}");
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{case}: {problem}");
    assert_eq!(problem["status"], status, "{case}: {problem}");
    for member in ["type", "title", "detail"] {
        let is_text = problem[member].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_text, "{case}: `{member}` in {problem}");
    }
}
