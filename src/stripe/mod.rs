//! Everything that is Stripe's: how a delivery is signed, how an event is spelled, how calls are
//! made.
//!
//! [`signature`] decides whether bytes are from Stripe; [`wire`] decides what they say; [`client`]
//! calls out, and is handed only to what may; [`outgoing`] spells the calls that change something,
//! [`payouts`] reads when money leaves by itself.
//!
//! **Never in here:** storage, our own HTTP surface, or a reading of the clock.

pub mod client;
pub mod outgoing;
pub mod payouts;
pub mod signature;
pub mod wire;
