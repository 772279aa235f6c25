//! Objects fetched from Stripe, and kept as events: `*.observed`, source `refetch`.
//!
//! When a fetched object was true is what decides its place among the events, and is no single
//! moment: it was read at some time between our asking and Stripe's answer. It is dated to the
//! last second that was over, by Stripe's clock, when we asked: of that second and those before it
//! has everything in it, and whatever Stripe reports of a later one stands after it.

pub mod ambiguous;

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::domain::fold::State;
use crate::domain::id::{Kind, ObjectKey};
use crate::domain::time::Timestamp;
use crate::pipeline::commit::{CommitError, Committer};
use crate::pipeline::receive::incoming;
use crate::store::{Object, Receipt, SharedStore};
use crate::stripe::client::{Access, Answer, Call, CallError, path};
use crate::stripe::wire::{self, Observation};

const SOURCE: &str = "refetch";
/// Of what operations have made.
const OPERATION: &str = "operation";
/// Accounts that are read at a time, Stripe's most.
const PAGE: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum RefetchError {
    #[error(transparent)]
    Call(#[from] CallError),
    /// An account or other object that is no more.
    #[error("Stripe says that the {kind} {id} was deleted")]
    Deleted { kind: &'static str, id: String },
    #[error("Stripe's answer cannot be used: {0}")]
    Unusable(&'static str),
    #[error("the API key is for {}", if *.key_livemode { "live mode" } else { "test mode" })]
    OtherMode { key_livemode: bool },
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl RefetchError {
    /// Whether the same may do better later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Call(error) => error.may_pass(),
            Self::Commit(_) | Self::Unusable(_) => true,
            Self::Deleted { .. } | Self::OtherMode { .. } => false,
        }
    }

    /// Whether it is the key itself that Stripe refuses.
    pub fn is_of_the_key(&self) -> bool {
        matches!(self, Self::Call(CallError::Refused { status: 401, .. }))
    }
}

#[derive(Clone)]
pub struct Refetcher {
    access: Access,
    committer: Committer,
    clock: fn() -> Timestamp,
}

/// What a page of Stripe's list of the connected accounts told.
#[derive(Debug, Default)]
pub struct Listing {
    /// Accounts of which no report of their own had been known.
    pub new: u64,
    /// The ids of those that had left us, as far as was known: what Stripe lists is ours.
    pub returned: Vec<String>,
    /// The account after which the next page begins.
    pub next: Option<String>,
}

/// What a read of Stripe showed.
struct Observed {
    answer: Answer,
    /// The second to which what it shows is dated.
    created: u64,
    source: &'static str,
}

impl Refetcher {
    pub fn new(access: Access, committer: Committer, clock: fn() -> Timestamp) -> Self {
        Self { access, committer, clock }
    }

    /// Fetches an object and keeps what was found. Returns once that is durable and applied.
    pub async fn refetch(&self, key: &ObjectKey) -> Result<Receipt, RefetchError> {
        let observed = self.observe(key).await?;
        self.keep(key, &observed.answer.body, &observed).await
    }

    /// The id of the platform's own account.
    pub async fn own_account(&self) -> Result<String, RefetchError> {
        let answer = self.access.stripe.call(&Call::get("/v1/account")).await?;
        let id = wire::fetched(&answer.body).map(|account| account.id);
        id.filter(|id| !id.is_empty()).ok_or(RefetchError::Unusable("it is no account"))
    }

    /// Keeps the accounts of a page of Stripe's list of them of which no report of their own is
    /// known.
    pub async fn fetch_unknown_accounts(
        &self,
        store: &SharedStore,
        after: Option<&str>,
    ) -> Result<Listing, RefetchError> {
        let mut call = Call::get("/v1/accounts").with("limit", PAGE);
        if let Some(after) = after {
            call = call.with("starting_after", after);
        }
        let observed = self.read(&call).await?;
        let (accounts, has_more) = wire::listed_objects(&observed.answer.body)
            .ok_or(RefetchError::Unusable("it is no list"))?;
        let mut listing = Listing::default();
        for (id, account) in &accounts {
            let key = ObjectKey::new(self.access.livemode, Kind::Account, None, id);
            let known = store.object(&key).await.map_err(CommitError::from)?;
            if known.as_ref().is_some_and(has_left) {
                listing.returned.push(id.clone());
            } else if !known.is_some_and(|known| is_told_of(&known)) {
                self.keep(&key, account, &observed).await?;
                listing.new += 1;
            }
        }
        let last = accounts.into_iter().next_back().filter(|_| has_more);
        listing.next = last.map(|(id, _)| id);
        Ok(listing)
    }

    /// Keeps what Stripe answered when it made an object, so that it is known before any event
    /// tells of it. `answer` must be the first answer, not one that was given before; `elapsed` is
    /// how long it took.
    pub async fn keep_made(
        &self,
        key: &ObjectKey,
        answer: &Answer,
        elapsed: Duration,
    ) -> Result<Receipt, RefetchError> {
        let date = answer.date.ok_or(RefetchError::Unusable("it has no Date"))?;
        let created = last_second_before(date, elapsed);
        let observed = Observed { answer: answer.clone(), created, source: OPERATION };
        self.keep(key, &answer.body, &observed).await
    }

    async fn observe(&self, key: &ObjectKey) -> Result<Observed, RefetchError> {
        if key.livemode != self.access.livemode {
            return Err(RefetchError::OtherMode { key_livemode: self.access.livemode });
        }
        let observed = self.read(&call(key)).await?;
        let object = wire::fetched(&observed.answer.body)
            .ok_or(RefetchError::Unusable("it is no object of Stripe's"))?;
        if object.deleted {
            return Err(RefetchError::Deleted { kind: key.kind.word(), id: key.id.clone() });
        }
        if object.id != key.id {
            return Err(RefetchError::Unusable("it is another object"));
        }
        Ok(observed)
    }

    async fn read(&self, call: &Call) -> Result<Observed, RefetchError> {
        let asked = Instant::now();
        let answer = self.access.stripe.call(call).await?;
        let date = answer.date.ok_or(RefetchError::Unusable("it has no Date"))?;
        let created = last_second_before(date, asked.elapsed());
        Ok(Observed { answer, created, source: SOURCE })
    }

    async fn keep(
        &self,
        key: &ObjectKey,
        object: &RawValue,
        observed: &Observed,
    ) -> Result<Receipt, RefetchError> {
        let Observed { answer, created, source } = observed;
        let id = unique_id();
        let body = wire::observation(Observation {
            id: &id,
            key,
            object,
            created: *created,
            api_version: &self.access.version,
            request_id: answer.request_id.as_deref(),
        });
        let now = (self.clock)();
        let event = wire::read(body.as_bytes(), now)
            .map_err(|_| RefetchError::Unusable("it is no object of Stripe's"))?;
        let incoming = incoming(event, body.as_bytes(), source, now, key.livemode);
        let receipts = self.committer.commit(vec![incoming]).await?;
        let receipt = receipts.into_iter().next().ok_or(CommitError::Stopping)?;
        tracing::info!(
            event.id = %receipt.id,
            object.id = %key.id,
            outcome = receipt.outcome.word(),
            request.id = answer.request_id,
            source,
            "kept an object as Stripe answered it"
        );
        Ok(receipt)
    }
}

/// Events of its capabilities say too little about an account.
fn is_told_of(account: &Object) -> bool {
    match &account.progress.state {
        State::Account(account) => account.profile.is_some(),
        State::Topup(_) | State::Transfer(_) | State::Payout(_) | State::Balance(_) => true,
    }
}

/// Whether it is an account that has deauthorized the platform.
pub fn has_left(object: &Object) -> bool {
    match &object.progress.state {
        State::Account(account) => account.deauthorized,
        State::Topup(_) | State::Transfer(_) | State::Payout(_) | State::Balance(_) => false,
    }
}

fn call(key: &ObjectKey) -> Call {
    let path = match key.kind {
        Kind::Account => path(&["v1", "accounts", &key.id]),
        Kind::Topup => path(&["v1", "topups", &key.id]),
        Kind::Transfer => path(&["v1", "transfers", &key.id]),
        Kind::Payout => path(&["v1", "payouts", &key.id]),
        Kind::Balance => path(&["v1", "balance"]),
    };
    Call::get(path).on_behalf_of(key.owner.as_deref())
}

/// The last whole second that was over when we asked, if the answer of `date` took so long.
fn last_second_before(date: u64, elapsed: Duration) -> u64 {
    let of_a_second = u64::from(elapsed.subsec_nanos() > 0);
    date.saturating_sub(elapsed.as_secs() + of_a_second + 1)
}

fn unique_id() -> String {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).unwrap_or_else(|_| fastrand::fill(&mut bytes));
    format!("obs_{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetched_object_is_dated_to_the_last_second_over_when_it_was_asked_for() {
        for (elapsed_milliseconds, expected) in [
            // Asked within the second of the answer, or at the end of the one before.
            (0, 99),
            (1, 98),
            (999, 98),
            (1000, 98),
            (1001, 97),
            (80_000, 19),
        ] {
            let elapsed = Duration::from_millis(elapsed_milliseconds);
            assert_eq!(last_second_before(100, elapsed), expected, "{elapsed:?}");
        }
    }
}
