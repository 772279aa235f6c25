//! What happens to events, one file per stage.
//!
//! [`receive`] verifies a delivery and hands it over; [`commit`] gathers what is handed over into
//! batches, one commit at a time; [`replay`] is the operator's way in, [`redrive`] tries
//! what was parked again. [`history`] answers how an object came to its status, [`explain`] what an
//! event did to it; [`portable`] moves events between stores. [`backfill`] fetches events that
//! never arrived and [`refetch`] objects whose events leave something open, both at a [`pace`] that
//! Stripe and those who deliver can bear. [`retention`] drops what is personal of old bodies.
//!
//! Replay, import and rebuild are given no client that could reach Stripe.
//!
//! **Never in here:** status codes, our JSON, or a reading of the clock.

pub mod rules;

pub mod commit;
pub mod receive;
pub mod redrive;
pub mod replay;

pub mod backfill;
pub mod operations;
pub mod pace;
pub mod refetch;

pub mod retention;
pub mod vigil;

pub mod explain;
pub mod history;
pub mod portable;
