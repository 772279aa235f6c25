//! What is put in the place of what is used while the service runs: at SIGHUP, and when a file of
//! the settings has changed.
//!
//! All of it is made anew before any of it is used. Of settings that are wrong in any way nothing
//! is used, and what was loaded before stays. Requests under way end with what they began with.

mod credentials;

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::cli::block_on;
use crate::config::{Checker, Settings, SourceFile};
pub(super) use credentials::{WebhookSecrets, WhoIsLetIn};

/// Something that is put in another's place without a stop.
pub(super) trait Reloads {
    /// The settings that it is made of.
    fn settings(&self) -> &'static [&'static str];

    /// Files that it reads beside those of the settings, as they are before it reads them.
    fn files(&self, _: &Settings) -> Vec<SourceFile> {
        Vec::new()
    }

    /// Makes it anew, and tells the checker what is wrong. What it answers puts it in place, and is
    /// called once everything else is fine too.
    fn prepare(&self, checker: &mut Checker<'_>) -> Option<Box<dyn FnOnce()>>;
}

/// Reads all settings, as the start did.
type Gather = Box<dyn Fn() -> Settings + Send + Sync>;

pub(super) struct Reloader {
    gather: std::sync::Arc<Gather>,
    /// What the service was started with.
    started: Settings,
    parts: Vec<Box<dyn Reloads>>,
    /// How often files are looked at; zero is never.
    every: Duration,
    /// The files as they were when they were last read.
    seen: Vec<SourceFile>,
    /// What they were changed to when they were last looked at.
    changed_to: Option<Vec<SourceFile>>,
}

/// From here on SIGHUP no longer ends the process, as it does by itself.
pub(super) fn outlive_hangups() {
    if let Err(error) = block_on(async { signal(SignalKind::hangup()) }) {
        tracing::warn!(%error, "SIGHUP cannot be received, and ends bursar");
    }
}

impl Reloader {
    pub(super) fn new(
        gather: Gather,
        started: Settings,
        parts: Vec<Box<dyn Reloads>>,
        every: Duration,
    ) -> Self {
        let seen = files_of(&started, &parts);
        Self { gather: gather.into(), started, parts, every, seen, changed_to: None }
    }

    /// Never ends by itself.
    pub(super) async fn run(mut self) {
        let mut hangup = signal(SignalKind::hangup()).ok();
        let mut turn = (!self.every.is_zero()).then(|| {
            let mut turn = interval(self.every);
            turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
            turn
        });
        loop {
            tokio::select! {
                () = next_signal(&mut hangup) => {
                    self.tell_what_cannot_change();
                    self.reload().await;
                }
                () = next_turn(&mut turn) => {
                    if self.has_settled().await {
                        self.reload().await;
                    }
                }
            }
        }
    }

    /// Whether files have changed, and not since the look before: whoever writes one in place may
    /// still be writing.
    async fn has_settled(&mut self) -> bool {
        let seen = self.seen.clone();
        let now = spawn_blocking(move || seen.iter().map(SourceFile::again).collect::<Vec<_>>());
        let Ok(now) = now.await else { return false };
        if now == self.seen {
            self.changed_to = None;
            return false;
        }
        if self.changed_to.as_ref() == Some(&now) {
            return true;
        }
        self.changed_to = Some(now);
        false
    }

    async fn reload(&mut self) {
        self.changed_to = None;
        let gather = std::sync::Arc::clone(&self.gather);
        let settings = match spawn_blocking(move || gather()).await {
            Ok(settings) => settings,
            Err(error) => return tracing::error!(%error, "the settings could not be read again"),
        };
        self.seen = files_of(&settings, &self.parts);
        let mut checker = Checker::new(&settings);
        let prepared: Vec<_> = self.parts.iter().map(|part| part.prepare(&mut checker)).collect();
        checker.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        if let Err(problems) = checker.finish() {
            for problem in problems.0 {
                tracing::error!("not reloaded, and what was loaded before stays in use: {problem}");
            }
            return;
        }
        prepared.into_iter().flatten().for_each(|put_in_place| put_in_place());
        self.tell_what_takes_a_restart(&settings);
    }

    fn reloaded(&self) -> impl Iterator<Item = &'static str> {
        self.parts.iter().flat_map(|part| part.settings()).copied()
    }

    fn tell_what_cannot_change(&self) {
        for name in self.reloaded().filter_map(|setting| self.started.given_for_good(setting)) {
            tracing::warn!(
                "{name} was given as a value, which cannot change while bursar runs: name a file \
                 with {name}{} to have it read again",
                if name.starts_with("--") { "-file" } else { "_FILE" }
            );
        }
    }

    fn tell_what_takes_a_restart(&self, settings: &Settings) {
        let differ = self.started.that_differ(settings);
        for name in differ.into_iter().filter(|name| self.reloaded().all(|it| it != *name)) {
            tracing::warn!("`{name}` has changed: it is used from the next start on");
        }
    }
}

fn files_of(settings: &Settings, parts: &[Box<dyn Reloads>]) -> Vec<SourceFile> {
    let of_parts = parts.iter().flat_map(|part| part.files(settings));
    settings.files().iter().cloned().chain(of_parts).collect()
}

async fn next_signal(hangup: &mut Option<Signal>) {
    let received = match hangup {
        Some(hangup) => hangup.recv().await,
        None => None,
    };
    if received.is_none() {
        std::future::pending::<()>().await;
    }
}

async fn next_turn(turn: &mut Option<Interval>) {
    match turn {
        Some(turn) => drop(turn.tick().await),
        None => std::future::pending().await,
    }
}
