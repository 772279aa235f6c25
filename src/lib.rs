//! bursar receives Stripe's webhooks and keeps the true status of every connected account,
//! top-up, transfer and payout.
//!
//! There is one ground truth: the verified raw bytes of every event, append-only, in the order of
//! arrival. Everything else is derived from them and can be deleted and rebuilt. Start reading at
//! [`domain`]; `ARCHITECTURE.md` has the map.

pub mod domain;
pub mod http;
pub mod pipeline;
pub mod sample;
pub mod sandbox;
pub mod store;
pub mod stripe;

pub mod clock;
pub mod config;
pub mod current;
pub mod meters;
pub mod secret;
pub mod telemetry;
pub mod tls;
pub mod token;

pub mod app;
pub mod cli;
