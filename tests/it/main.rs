//! The integration tests: one binary, a module for each way in.

/// What Stripe's own libraries make of a delivery, beside what we make of it.
mod oracles;
