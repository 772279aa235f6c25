//! What an account, a top-up, a transfer, a payout and a balance are, and how each may change.
//!
//! Pure: the reports about an object go in, its state and history come out. The same set of
//! reports gives the same answer, in whatever order and however often they came, which is what
//! lets every status be rebuilt from the stored events alone.
//!
//! Read [`lifecycle`] first (the tables), then [`order`] (which report comes first), then
//! [`payout`] (the smallest object) and [`fold`] (how reports become a state). [`operation`] is the
//! other way: what is wanted of Stripe, and what is known of it. [`audit`] is what operators did.
//!
//! **Never in here:** `async`, clocks, JSON, disks, sockets, or anything from another module of
//! this crate; hence nothing in here can fail. `tests/it/tidy.rs` holds it.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

pub mod lifecycle;
pub mod order;

pub mod account;
pub mod balance;
pub mod payout;
pub mod topup;
pub mod transfer;

pub mod explain;
pub mod fold;

pub mod change;

pub mod audit;
pub mod operation;
pub mod region;

pub mod warning;

pub mod event;
pub mod id;
pub mod time;

#[cfg(test)]
mod examples;

/// JSON text exactly as Stripe gave it, white space aside. Opaque here: it is kept and shown,
/// never looked into.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Json(pub String);
