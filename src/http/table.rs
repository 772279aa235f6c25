//! The table of endpoints: everything that is served, and who may ask for it.
//!
//! A path that is asked for often stands early; the first that matches is taken.

mod money;
mod operating;
mod parameters;
mod service;
mod status;

use crate::http::endpoint::Group;

pub(super) const TABLE: &[&Group] = &[
    &status::OBJECTS,
    &status::EVENTS,
    &status::CHANGES,
    &operating::REPAIR,
    &operating::AUDIT,
    &operating::PRIVACY,
    &operating::FETCHING,
    &money::ONBOARDING,
    &money::MONEY,
    &money::OPERATIONS,
    &service::SERVICE,
    &service::CONSOLE,
];
