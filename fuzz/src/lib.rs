//! What must hold of any bytes that reach bursar from outside, or from a disk.
//!
//! Each module has one `check`, which panics when something does not hold. The fuzz targets call
//! them with libFuzzer's bytes; `tests/it/fuzz.rs` calls the same ones with the seeds, and with
//! what proptest makes up, so that the ordinary tests know every property too.

/// Query strings and cursors.
pub mod lists;
/// One record of the journal.
pub mod record;
/// A whole file of the journal, of which much is wrong.
pub mod salvage;
/// The `Stripe-Signature` header.
pub mod signature;
/// The JSON of an event.
pub mod wire;
