//! A store in a folder of its own, with all ways in and everything that can happen to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bursar::pipeline::commit::{Committer, Limits};
use bursar::pipeline::portable::{self, Defaults, Imported};
use bursar::pipeline::receive::Receiver;
use bursar::pipeline::replay::Replayer;
use bursar::pipeline::rules::StripeRules;
use bursar::secret::Secret;
use bursar::store::embedded::{Embedded, Options};
use bursar::store::{SharedStore, Store};
use bursar::stripe::signature::{Verifier, WebhookSecret, sign};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::lives::NOW;

const SECRET: &str = "whsec_convergence";

/// What happens to a store. Numbers are of deliveries, the next ones.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// Stripe delivers them, each by itself and signed.
    Webhooks(usize),
    /// An operator hands them in, at once.
    Replay(usize),
    /// They come from a file.
    Import(usize),
    /// An operator asks what would become of them, which does nothing.
    DryRun(usize),
    /// A stop in order, and a start.
    Restart,
    /// A stop without a word, and a start.
    Crash,
    Rebuild,
    /// Everything is exported and goes on living in another store.
    Move,
}

/// A store in a folder, and what can be done with it.
pub(super) struct Place {
    folder: TempDir,
    moves: usize,
    store: Option<Arc<Embedded>>,
}

impl Place {
    pub(super) fn new() -> Self {
        let mut place = Self { folder: TempDir::new().unwrap(), moves: 0, store: None };
        place.open();
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.moves.to_string())
    }

    fn open(&mut self) {
        self.store = Some(Arc::new(open(&self.path())));
    }

    pub(super) fn store(&self) -> Arc<Embedded> {
        self.store.clone().unwrap()
    }

    /// Does it, with as many of the deliveries as it needs; answers those left.
    pub(super) async fn deed<'d>(&mut self, deed: Deed, left: &'d [String]) -> &'d [String] {
        let part = |count: usize| left.split_at(count.min(left.len()));
        match deed {
            Deed::Webhooks(count) => {
                self.webhooks(part(count).0).await;
                return part(count).1;
            }
            Deed::Replay(count) => {
                self.replay(part(count).0, false).await;
                return part(count).1;
            }
            Deed::Import(count) => {
                self.import(&lines(part(count).0)).await;
                return part(count).1;
            }
            Deed::DryRun(count) => self.replay(part(count).0, true).await,
            Deed::Restart => self.restart().await,
            Deed::Crash => {
                self.store = None;
                self.open();
            }
            Deed::Rebuild => self.rebuild(),
            Deed::Move => self.move_on().await,
        }
        left
    }

    async fn webhooks(&self, bodies: &[String]) {
        let (committer, committing, _failure) = Committer::start(self.store(), Limits::default());
        let verifier = Verifier::new(&[WebhookSecret::new("connect", Secret::new(SECRET))], 300);
        let receiver = Receiver::new(verifier, committer, false);
        for body in bodies {
            let signature = sign(SECRET, body.as_bytes(), NOW.signed_seconds());
            receiver.receive(signature.as_bytes(), body.as_bytes(), NOW).await.unwrap();
        }
        drop(receiver);
        committing.await.unwrap();
    }

    pub(super) async fn replay(&self, bodies: &[String], dry_run: bool) {
        let (committer, committing, _failure) = Committer::start(self.store(), Limits::default());
        let replayer = Replayer::new(self.store(), committer, false);
        let bodies: Vec<&[u8]> = bodies.iter().map(String::as_bytes).collect();
        let events = replayer.read(&bodies, "olga", NOW).unwrap();
        replayer.events(events, dry_run).await.unwrap();
        drop(replayer);
        committing.await.unwrap();
    }

    pub(super) async fn import(&self, lines: &[u8]) {
        let store: SharedStore = self.store();
        let defaults = Defaults { now: NOW, livemode: false };
        let mut imported = Imported::default();
        portable::import(&store, lines, &defaults, &mut imported, &mut |_| {}).await.unwrap();
    }

    async fn restart(&mut self) {
        self.store().close().await.unwrap();
        self.store = None;
        self.open();
    }

    pub(super) fn rebuild(&mut self) {
        self.store = None;
        Embedded::rebuild(&self.path(), OPTIONS, &StripeRules, &mut |_| {}).unwrap();
        self.open();
    }

    /// Changes the rows of derived records behind the store's back, and lets the store believe that
    /// it was not closed in order: it keeps a checksum of views that were.
    pub(super) async fn tamper(&mut self, change: impl FnOnce(&sled::Db)) {
        let note = self.path().join("OPENED");
        let opened = std::fs::read(&note).unwrap();
        self.store().close().await.unwrap();
        self.store = None;
        let views = sled::open(self.path().join("views")).unwrap();
        change(&views);
        views.flush().unwrap();
        drop(views);
        std::fs::write(note, opened).unwrap();
        self.open();
    }

    async fn move_on(&mut self) {
        let store: SharedStore = self.store();
        let mut lines = Vec::new();
        portable::export(&store, &mut lines, &mut |_| {}).await.unwrap();
        drop(store);
        self.moves += 1;
        self.open();
        self.import(&lines).await;
    }
}

const OPTIONS: Options = Options { segment_bytes: 1 << 18 };

fn open(path: &Path) -> Embedded {
    Embedded::open(path, OPTIONS, Arc::new(StripeRules), &mut |_| {}).unwrap()
}

/// A file to import, with as little in it as may be.
pub(super) fn lines(bodies: &[String]) -> Vec<u8> {
    let line = |body: &String| {
        let event: Value = serde_json::from_str(body).unwrap();
        json!({ "id": event["id"], "body": body }).to_string() + "\n"
    };
    bodies.iter().map(line).collect::<String>().into_bytes()
}
