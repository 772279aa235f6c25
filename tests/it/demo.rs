//! `bursar demo` as a process of its own, with nothing done in it yet.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::Value;

use crate::process::{LIMIT, Place, Process};
use crate::support::{Answer, Request};

/// The last line of what it prints.
const LAST: &str = "/_sandbox/clock";

pub(crate) struct Demo {
    _process: Process,
    printed: String,
    _place: Place,
}

impl Demo {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let place = Place::new();
        let command = place.bare(&["demo", "--no-story", "--bind", "127.0.0.1:0"]);
        let mut process = Process::start(command);
        let printed = process.until_it_prints(LAST).to_owned();
        Self { _process: process, printed, _place: place }
    }

    /// What it says to export to a shell, by name.
    pub(crate) fn variables(&self) -> Vec<(&str, &str)> {
        let lines = self.printed.lines().filter_map(|line| line.trim().strip_prefix("export "));
        lines.flat_map(|line| line.split(' ')).filter_map(|word| word.split_once('=')).collect()
    }

    #[track_caller]
    pub(crate) fn variable(&self, name: &str) -> &str {
        let variables = self.variables();
        let found = variables.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.printed)).1
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        self.variable(name).trim_start_matches("http://").parse().expect("an address")
    }

    /// What bursar answers a reader.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> Value {
        let request = Request::get(path).token(self.variable("READER"));
        checked(&request.send(self.address("BURSAR")), path)
    }

    /// Waits for a status, which a webhook brings.
    #[track_caller]
    pub(crate) fn until_is(&self, path: &str, status: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let object = self.read(path);
            if object["status"] == status {
                return;
            }
            assert!(Instant::now() < deadline, "it never is {status}: {object}");
            std::thread::yield_now();
        }
    }

    /// Brings something about at the sandbox.
    #[track_caller]
    pub(crate) fn lever(&self, path: &str, order: &Value) -> Value {
        let request = Request::post(&format!("/_sandbox/{path}"), order.to_string());
        checked(&request.send(self.address("SANDBOX")), path)
    }

    /// A call of the platform to Stripe itself, past bursar.
    #[track_caller]
    pub(crate) fn stripe(&self, path: &str, form: &str) -> Value {
        let request = Request::post(path, form).token(self.variable("STRIPE_KEY"));
        checked(&request.send(self.address("SANDBOX")), path)
    }
}

#[track_caller]
fn checked(answer: &Answer, path: &str) -> Value {
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}
