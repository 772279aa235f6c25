//! Everything that is Stripe's: how a delivery is signed and how an event is spelled.
//!
//! [`signature`] decides whether bytes are from Stripe; [`wire`] decides what they say.
//!
//! **Never in here:** storage, HTTP, or a reading of the clock.

pub mod signature;
pub mod wire;
