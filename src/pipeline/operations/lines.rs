//! The lines of transfers that wait for funds, one of each currency: who looks at one does not
//! hold up the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::operation::Operation;
use crate::pipeline::operations::Inner;

/// A moment at which the balance must be known: of which operation, after how many top-ups that
/// succeeded, and whether Stripe has refused it once.
pub(super) type Moment = (String, u64, bool);

/// By currency.
#[derive(Default)]
pub(super) struct Lines(Mutex<BTreeMap<String, Line>>);

#[derive(Default)]
struct Line {
    /// Somebody looks at it.
    busy: bool,
    /// There may be news since.
    news: bool,
    /// Somebody will look again after a while.
    is_due: bool,
    asked: BTreeSet<Moment>,
    /// At which it could not be had.
    failed: BTreeSet<Moment>,
}

impl Lines {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets those in which nobody waits any more.
    pub(super) fn keep(&self, waiting: &BTreeMap<String, Vec<Operation>>) {
        self.all().retain(|currency, line| line.busy || waiting.contains_key(currency));
    }

    fn with<R>(&self, currency: &str, what: impl FnOnce(&mut Line) -> R) -> R {
        what(self.all().entry(currency.to_owned()).or_default())
    }
}

/// A look at one line. As long as it lasts there is no other.
pub(super) struct Look {
    pub(super) inner: Arc<Inner>,
    currency: String,
    /// The moments at which the balance was asked for.
    asked: BTreeSet<Moment>,
    failed: BTreeSet<Moment>,
    /// Something could not be told now, and nothing that comes in need bring news of it.
    again: bool,
}

impl Look {
    /// Nothing when there is one already, after which another one is taken.
    pub(super) fn start(inner: &Arc<Inner>, currency: &str) -> Option<Self> {
        let asked = inner.lines.with(currency, |line| {
            line.news = line.busy;
            line.busy = true;
            (!line.news).then(|| std::mem::take(&mut line.asked))
        })?;
        let (inner, currency) = (Arc::clone(inner), currency.to_owned());
        Some(Self { inner, currency, asked, failed: BTreeSet::new(), again: false })
    }

    /// Those who no longer wait need nothing.
    pub(super) fn only(&mut self, line: &[Operation]) {
        self.asked.retain(|(id, ..)| line.iter().any(|operation| operation.id == *id));
    }

    /// Whether the balance was not asked for at this moment.
    pub(super) fn is_new(&mut self, moment: &Moment) -> bool {
        self.asked.insert(moment.clone())
    }

    /// The balance could not be had.
    pub(super) fn failed(&mut self, moment: Moment) {
        self.failed.insert(moment);
        self.again = true;
    }

    pub(super) fn again(&mut self) {
        self.again = true;
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let (asked, mut failed) =
            (std::mem::take(&mut self.asked), std::mem::take(&mut self.failed));
        let (news, wait) = self.inner.lines.with(&self.currency, |line| {
            line.busy = false;
            line.asked = asked;
            line.failed.append(&mut failed);
            let wait = self.again && !line.is_due;
            line.is_due |= self.again;
            (std::mem::take(&mut line.news), wait)
        });
        if news {
            self.inner.look_at_lines();
        }
        if wait {
            let (inner, currency) = (Arc::clone(&self.inner), std::mem::take(&mut self.currency));
            self.inner.run_task(async move {
                inner.sleep(inner.pace.longest_wait).await;
                inner.lines.with(&currency, |line| {
                    line.is_due = false;
                    let failed = std::mem::take(&mut line.failed);
                    line.asked.retain(|moment| !failed.contains(moment));
                });
                inner.look_at_lines();
            });
        }
    }
}
