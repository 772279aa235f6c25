//! The calls that were seen, with what came of each: so that a test can count effects.

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Record {
    pub at: i64,
    pub method: String,
    pub path: String,
    pub account: Option<String>,
    pub idempotency_key: Option<String>,
    pub version: Option<String>,
    pub params: Value,
    pub request_id: String,
    /// None when the connection ended without an answer, or there is none yet.
    pub status: Option<u16>,
    pub replayed: bool,
    pub faults: Vec<String>,
    /// Ids of what the call made; events apart.
    pub effects: Vec<String>,
    pub events: Vec<String>,
}

impl Record {
    pub fn view(&self) -> Value {
        let Self { at, method, path, account, idempotency_key, version, params, .. } = self;
        json!({
            "at": at, "method": method, "path": path, "account": account,
            "idempotency_key": idempotency_key, "version": version, "params": params,
            "request_id": self.request_id, "status": self.status, "replayed": self.replayed,
            "faults": self.faults, "effects": self.effects, "events": self.events,
        })
    }
}
