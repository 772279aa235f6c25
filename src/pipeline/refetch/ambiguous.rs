//! Objects whose reports could not be put in order are fetched: what Stripe shows of them now
//! settles it.
//!
//! Follows the change feed, like any other of its readers, so no delivery waits for it.

use std::collections::BTreeMap;

use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use crate::pipeline::pace::Pace;
use crate::pipeline::refetch::{RefetchError, Refetcher};
use crate::store::{Object, ObjectFilter, SharedStore, Slice, StoreError};

/// Objects or changes that are read at a time.
const PAGE: usize = 200;
/// A second must be over, by Stripe's clock, before what it ended in can be fetched; clocks differ
/// a little, and the answer is dated back.
const SETTLING_SECONDS: u64 = 3;

/// Objects to fetch, each with the moment before which it is of no use, in Unix seconds, and how
/// often it was tried.
type Due = BTreeMap<ObjectKey, (u64, u32)>;

pub struct Watch {
    refetcher: Refetcher,
    store: SharedStore,
    pace: Pace,
    due: Due,
}

impl Watch {
    pub fn new(refetcher: Refetcher, store: SharedStore, pace: Pace) -> Self {
        Self { refetcher, store, pace, due: Due::new() }
    }

    /// Goes on until it is dropped.
    pub async fn run(mut self) {
        loop {
            let error = match self.follow().await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            tracing::warn!(%error, "what is ambiguous cannot be looked for; trying again");
            tokio::time::sleep(self.pace.longest_wait).await;
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, StoreError> {
        let mut after = self.store.feed().await?.newest;
        self.left_from_before().await?;
        loop {
            if self.due.is_empty() {
                self.store.changed_after(after).await?;
            }
            tokio::time::sleep(self.pace.between_looks).await;
            loop {
                let page = self.store.changes(self.livemode(), after, PAGE).await?;
                for change in page.items.iter().filter(|item| item.change.after.ambiguous) {
                    self.note(&change.object, 0);
                }
                if page.next <= after {
                    break;
                }
                after = page.next;
            }
            self.fetch_what_is_due().await?;
        }
    }

    fn livemode(&self) -> bool {
        self.refetcher.access.livemode
    }

    fn note(&mut self, key: &ObjectKey, not_before: u64) {
        self.due.insert(key.clone(), (not_before, 0));
    }

    /// What an earlier run of the process had no time for.
    async fn left_from_before(&mut self) -> Result<(), StoreError> {
        for kind in [Kind::Account, Kind::Topup, Kind::Payout] {
            let mut from = None;
            loop {
                let slice = Slice { from, limit: PAGE };
                let filter = ObjectFilter::default();
                let page = self.store.objects(self.livemode(), kind, filter, slice).await?;
                let ambiguous = |object: &&Object| object.progress.ambiguous;
                for object in page.items.iter().filter(ambiguous).filter(|object| is_open(object)) {
                    self.note(&object.key, 0);
                }
                from = page.next;
                if from.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn fetch_what_is_due(&mut self) -> Result<(), StoreError> {
        let now = (self.refetcher.clock)().unix_seconds();
        let due: Vec<ObjectKey> = self
            .due
            .iter()
            .filter(|(_, (not_before, _))| *not_before <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let Some((_, tried)) = self.due.remove(&key) else { continue };
            let object = self.store.object(&key).await?;
            let Some(object) = object.filter(|object| object.progress.ambiguous) else { continue };
            let settled = object.progress.newest + SETTLING_SECONDS;
            // Stripe's clock may be far from ours; then only its answer tells.
            if (object.progress.newest..settled).contains(&now) {
                self.due.insert(key, (settled, tried));
                continue;
            }
            tokio::time::sleep(self.pace.between_reads).await;
            self.fetch(key, object.progress.newest, tried + 1).await;
        }
        Ok(())
    }

    /// `newest` is the second of its newest report.
    async fn fetch(&mut self, key: ObjectKey, newest: u64, tried: u32) {
        let error = match self.refetcher.observe(&key).await {
            // Too early to settle anything; asking again a little later will do.
            Ok(observed) if observed.created <= newest => {
                RefetchError::Unusable("it came too early")
            }
            Ok(observed) => match self.refetcher.keep(&key, &observed.answer.body, &observed).await
            {
                Ok(_) => return,
                Err(error) => error,
            },
            Err(error) => error,
        };
        if !error.may_pass() {
            tracing::warn!(object.id = %key.id, %error, "an ambiguous object could not be fetched");
            return;
        }
        // However long it takes: nothing else would bring it up again before the next start.
        let wait = self.pace.wait_after(tried).unwrap_or(self.pace.longest_wait);
        if tried == self.pace.attempts {
            tracing::warn!(
                object.id = %key.id, %error, "an ambiguous object is not fetched yet; trying on"
            );
        }
        let now: Timestamp = (self.refetcher.clock)();
        self.due.insert(key, (now.unix_seconds() + wait.as_secs().max(1), tried));
    }
}

/// What is final stays as it is, also its mark: fetching it once has told all there is, and has
/// become its newest report.
fn is_open(object: &Object) -> bool {
    let Object { key, progress, .. } = object;
    key.kind == Kind::Account || progress.newest == progress.as_of.created
}
