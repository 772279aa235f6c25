//! The integration tests: one binary, a module for each way in.
//!
//! Most start the real server on a port of its own and talk HTTP to it, over a store in a
//! temporary folder.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests panic; the helpers beside them too"
)]

/// A running server, a client for it, and builders of events.
mod support;

/// Starts the real binary, and talks to it; for the modules that need processes.
mod process;

/// A disk that fails, waits, or ends the process that uses it, and one that is written down.
mod shim;

/// Clients that deliver until the server is gone, and what they know.
mod load;

/// How long tests with chance in them run.
mod torture;

/// The description of the API, and that it says what the server does.
mod openapi;
/// Onboarding and money: what is asked for, what is sent, what comes back.
mod operations;
/// kill -9 around calls to Stripe.
mod operations_crash;
/// Calls to Stripe in an order, and at times, that no server would let a test choose.
mod operations_directed;
/// Calls to Stripe that go wrong in every way.
mod operations_faults;
/// Transfers that wait for their money.
mod operations_funds;
/// Operations as a store keeps them.
mod operations_store;
/// Warnings of payouts that take what was meant for others.
mod operations_sweep;

/// A running `bursar demo`, for the modules that play in it.
mod demo;

/// The audit trail: what operators did.
mod audit;
/// Who may ask what.
mod auth;
/// Missed events: how they are fetched, and that none slips through.
mod backfill;
/// `bursar backfill`, and what the real binary says of a key.
mod backfill_cli;
/// Backfills of a sandbox in which much happens and goes wrong.
mod backfill_sandbox;
/// Backfills of which a part goes wrong.
mod backfill_troubles;
/// Bad inputs by the hundred: headers, bodies, queries, paths, tokens.
mod bad_inputs;
/// The sample page in a real browser: Connect, onboarding, and what changes without a reload.
mod browser;
/// The change feed: polled, waited for, streamed.
mod changes;
/// Stripe's own libraries deliver to a running server.
mod clients;
/// The operator's console in a real browser.
mod console;
/// The same events give the same state and history, whatever the order, number or way.
mod convergence;
/// kill -9 under load and during a start.
mod crash;
/// Damaged files: what is found, what is said of it, and what a repair keeps.
mod damage;
/// Documents that are made from the code's tables, or compared with them.
mod docs;
/// `bursar doctor`: what it finds, and what it leaves alone.
mod doctor;
/// Personal data of an account goes, and all else stays.
mod erase;
/// What is said, in a sentence, of events and accounts.
mod explain;
/// What other users of the machine, its disk and its log see.
mod exposure;
/// Full disks, broken ones and slow ones.
mod faults;
/// The change feed as a store gives it.
mod feed;
/// Requests that are framed badly, or so that two readers could read them in two ways.
mod framing;
/// What must hold of any bytes from outside: the properties of the fuzz targets.
mod fuzz;
/// `docs/guide.md`, run as it stands there.
mod guide;
/// Histories: whole, recomputed, and with all that each report changed.
mod history;
/// `bursar history` and `bursar redrive`, which ask a running server.
mod history_cli;
/// Every limit that is a setting, set low: just inside is served, just outside is refused.
mod limits;
/// Stripe's own command line tool drives the stand-in, and forwards its events to a running server.
mod listen;
/// Lists, while derived records are written behind the acknowledgement.
mod listing;
/// `GET /metrics`, and the documents about it.
mod metrics;
/// Who follows the change feed through kill -9 ends with what the server shows.
mod mirror;
/// What Stripe's own libraries make of a delivery, beside what we make of it.
mod oracles;
/// Clients that are too many, too slow, too large or deaf.
mod overload;
/// Power loss, at any moment of a server's life.
mod power;
/// What is said anywhere of what bodies hold: nothing.
mod privacy;
/// From where a request comes: proxies that are trusted, networks that may deliver.
mod proxies;
/// Every read: fields, filters, paging, partitions, history.
mod reads;
/// Parked events: how they are found, and how they are tried again.
mod redrives;
/// Objects fetched anew: by themselves when ambiguous, and when asked for.
mod refetch;
/// `bursar replay`: event files for a running server.
mod replay_cli;
/// Replays and redrives: what operators do.
mod replays;
/// What a stop keeps, and what a start brings back.
mod restart;
/// Other secrets and tokens while it runs.
mod rotation;
/// The sample platform beside the demo, over plain HTTP.
mod sample;
/// Stripe's stand-in, over HTTP: the guide, its webhooks, faults on demand.
mod sandbox;
/// Stripe's own libraries drive the stand-in through every call of the guide.
mod sandbox_clients;
/// Every story of `fixtures/scenarios` and every event of `fixtures/events`.
mod scenarios;
/// Requests made of the description of the API, and answers held against it.
mod schemathesis;
/// `bursar serve`: settings, refusals, signals, restarts.
mod serve;
/// Stores that earlier versions wrote.
mod stores;
/// Calls to Stripe: what is sent, what is sent again, what is known afterwards.
mod stripe_client;
/// What bursar is made of: licences, sources and versions of its dependencies.
mod supply;
/// The architecture: which module may name which, and what the documents name.
mod tidy;
/// TLS that is served, and another certificate while connections go on.
mod tls;
/// Spans: in the log, and as a collector gets them.
mod tracing;
/// The commands around the store, and the small ones.
mod upkeep_cli;
/// What is warned of, and where that is told.
mod vigil;
/// `POST /webhooks/stripe`: signatures, sizes, outcomes, duplicates, overload.
mod webhook;
