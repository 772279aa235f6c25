//! A stand-in for Stripe: one that serves the part of its API that payouts need, and one that
//! tells stories.
//!
//! The [`world`] is the state: accounts, money, events, and time that can be advanced. [`api`]
//! is the calls that change it, and what can be made to go wrong with them; the [`server`] serves
//! them, the hosted onboarding, and the webhooks. A [`story`] is a text that a person can read;
//! told, it becomes the events that Stripe would send, made from the bundled fixtures.
//!
//! **Never in here:** anything of the service itself; what comes out is bytes for its front door.

pub mod api;
pub mod form;
pub mod server;
pub mod shapes;
pub mod story;
pub mod world;

#[cfg(test)]
mod tests;

use include_dir::{Dir, include_dir};

static FIXTURES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/fixtures");

/// A bundled fixture, by its path below `fixtures/`.
pub fn fixture(path: &str) -> Option<&'static [u8]> {
    FIXTURES.get_file(path).map(include_dir::File::contents)
}

/// Every bundled event: its path below `fixtures/` and its body.
pub fn fixture_events() -> Vec<(String, &'static [u8])> {
    files_below("events")
}

/// Every bundled story.
pub fn fixture_stories() -> Vec<(String, &'static [u8])> {
    files_below("scenarios")
}

fn files_below(folder: &str) -> Vec<(String, &'static [u8])> {
    let mut folders: Vec<&Dir<'static>> = FIXTURES.get_dir(folder).into_iter().collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        files.extend(
            folder
                .files()
                .map(|file| (file.path().to_string_lossy().into_owned(), file.contents())),
        );
    }
    files.sort();
    files
}
