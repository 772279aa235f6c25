//! What answers and bodies look like.
//!
//! `tests/it/openapi.rs` compares them with what a running server answers and takes.

mod audit;
mod events;
mod objects;
mod operations;
mod orders;
mod service;

use serde_json::{Map, Value};

pub(super) fn all() -> Map<String, Value> {
    let groups = [
        objects::all(),
        events::all(),
        audit::all(),
        operations::all(),
        orders::all(),
        service::all(),
    ];
    groups.into_iter().flatten().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
