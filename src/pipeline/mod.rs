//! What happens to events, one file per stage.
//!
//! [`receive`] verifies a delivery and hands it over; [`commit`] gathers what is handed over into
//! batches, one commit at a time; [`replay`] is the operator's way in. [`history`] answers how an
//! object came to its status; [`portable`] moves events between stores.
//!
//! Replay, import and rebuild are given no client that could reach Stripe.
//!
//! **Never in here:** status codes, our JSON, or a reading of the clock.

pub mod rules;

pub mod commit;
pub mod receive;
pub mod replay;

pub mod history;
pub mod portable;
