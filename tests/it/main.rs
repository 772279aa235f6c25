//! The integration tests: one binary, a module for each way in.

/// Starts the real binary, and talks to it; for the modules below.
mod process;

/// `bursar serve`: settings, refusals, signals, restarts.
mod serve;

/// `bursar replay`: event files for a running server.
mod replay_cli;

/// The commands around the store, and the small ones.
mod upkeep_cli;

/// kill -9 under load and during a start.
mod crash;

/// Stripe's own libraries deliver to a running server.
mod clients;

/// The architecture: which module may name which, and what the documents name.
mod tidy;

/// What Stripe's own libraries make of a delivery, beside what we make of it.
mod oracles;
