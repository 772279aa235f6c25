//! Looks again and again whether something is worth a warning, and says so once.
//!
//! What is judged, and how, is [`crate::domain::warning`]; here it is gathered and remembered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::domain::warning::{Code, Limits, Seen, Skew, Warning, warnings};
use crate::store::{SharedStore, StoreError};

/// How often somebody should look, if nobody asks.
pub const EVERY: Duration = Duration::from_mins(1);

/// What is warned of now, so that it is told once.
pub struct Vigil {
    limits: Limits,
    /// The partition that reads show by default.
    livemode: bool,
    known: Mutex<BTreeMap<Subject, Timestamp>>,
}

type Subject = (Code, Option<String>);

/// A warning, and since when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub warning: Warning,
    pub since: Timestamp,
}

impl Vigil {
    pub fn new(limits: Limits, livemode: bool) -> Self {
        Self { limits, livemode, known: Mutex::default() }
    }

    /// What is to be warned of at this moment; what is new in that, or over, is logged.
    pub async fn look(
        &self,
        store: &SharedStore,
        sources: impl Iterator<Item = &str>,
        skew: Option<Skew>,
        now: Timestamp,
    ) -> Result<Vec<Standing>, StoreError> {
        let seen = self.seen(store, sources, skew).await?;
        Ok(self.tell(warnings(&seen, now, &self.limits), now))
    }

    async fn seen(
        &self,
        store: &SharedStore,
        sources: impl Iterator<Item = &str>,
        skew: Option<Skew>,
    ) -> Result<Seen, StoreError> {
        let here = store.summary(self.livemode).await?;
        let there = store.summary(!self.livemode).await?;
        let last = |source: &str| here.sources.get(source).max(there.sources.get(source)).copied();
        Ok(Seen {
            sources: sources.map(|source| (source.to_owned(), last(source))).collect(),
            livemode: self.livemode,
            platform: here.platform,
            connect: here.connect,
            elsewhere: there.platform.and(there.connect),
            skew,
        })
    }

    fn tell(&self, found: Vec<Warning>, now: Timestamp) -> Vec<Standing> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        let mut standing = Vec::new();
        for warning in found {
            let Warning { code, source, message, since } = &warning;
            let subject = (*code, source.clone());
            let noticed = before.remove(&subject);
            if noticed.is_none() {
                tracing::warn!(warning = code.word(), source, "{message}");
            }
            let noticed = noticed.unwrap_or(now);
            let since = since.unwrap_or(noticed);
            known.insert(subject, noticed);
            standing.push(Standing { warning, since });
        }
        for (code, source) in before.into_keys() {
            tracing::info!(warning = code.word(), source, "a warning no longer holds");
        }
        standing
    }
}
