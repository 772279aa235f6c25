//! Calls to Stripe that change something: recorded, made at most once, and followed until their
//! outcome is known.
//!
//! A request is checked (`checks`), recorded by the store, and then driven (`drive`) by a task
//! of its own, which outlives the request that asked for it. What one run of the process leaves
//! open the next one goes on with. Deliveries never wait for any of it.
//!
//! Read [`wanted`] first: what can be asked for; then `requests`: how it is taken up. `funds` holds
//! transfers until their money is there, in the `lines` of their currencies, [`links`] sends people
//! to onboarding, `lookup` asks Stripe what there is when it is too late to send something again.
//!
//! **Never in here:** status codes, our JSON, or a reading of the clock. The address of a link is
//! in no record, no log and no `Debug`.

mod checks;
mod drive;
mod error;
mod funds;
mod lines;
pub mod links;
mod lookup;
mod requests;
mod spending;
mod sweep;
mod turns;
pub mod wanted;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot, watch};
use tokio::task::JoinSet;

use crate::domain::operation::{Happening, Operation, OperationState};
use crate::domain::region::RegionRule;
use crate::domain::time::Timestamp;
use crate::pipeline::pace::Pace;
use crate::pipeline::refetch::Refetcher;
use crate::store::{Advanced, OperationFilter, OperationName, SharedStore, Slice, StoreError};
use crate::stripe::client::Access;
pub use error::RequestError;
use lines::Lines;
use requests::TurnedDown;
use spending::Spending;
use sweep::Schedule;
pub use sweep::SweepRisk;
use turns::Turns;
use wanted::{Asked, Wanted};

/// Calls that are under way at the same time; Stripe bounds them too.
const AT_ONCE: usize = 16;
/// Open operations that are read at a time.
const PAGE: usize = 200;

/// Leave to make one call; held while it is made.
type Permit<'a> = Option<SemaphorePermit<'a>>;

/// Takes up requests and drives operations. Cheap to clone.
#[derive(Clone)]
pub struct Operations {
    inner: Arc<Inner>,
}

struct Inner {
    store: SharedStore,
    access: Access,
    refetcher: Refetcher,
    region: RegionRule,
    pace: Pace,
    clock: fn() -> Timestamp,
    /// Tasks run here, and not where a request came in, which can end before them.
    runtime: Handle,
    tasks: Mutex<JoinSet<()>>,
    calls: Semaphore,
    /// Operations that somebody drives.
    driven: Mutex<HashSet<String>>,
    spending: Spending,
    schedule: Schedule,
    /// Counts steps, so that who waits for one wakes.
    steps: watch::Sender<u64>,
    /// Transfers may be waiting for funds.
    waiting: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
    /// Of one operation, and of what is left to spend in one currency.
    turns: Turns,
    /// Of one key of a caller's, with what the last one was told.
    keys: Turns<Option<TurnedDown>>,
    lines: Lines,
}

/// What operations work with.
pub struct Means {
    pub store: SharedStore,
    pub access: Access,
    pub refetcher: Refetcher,
    pub region: RegionRule,
    pub pace: Pace,
    pub clock: fn() -> Timestamp,
}

impl Operations {
    /// Tasks of operations run on the runtime that this is called on.
    pub fn new(means: Means) -> Self {
        let Means { store, access, refetcher, region, pace, clock } = means;
        let inner = Inner {
            store,
            access,
            refetcher,
            region,
            pace,
            clock,
            runtime: Handle::current(),
            tasks: Mutex::default(),
            calls: Semaphore::new(AT_ONCE),
            driven: Mutex::default(),
            spending: Spending::default(),
            schedule: Schedule::default(),
            steps: watch::Sender::new(0),
            waiting: watch::Sender::new(1),
            stopping: watch::Sender::new(false),
            turns: Turns::default(),
            keys: Turns::default(),
            lines: Lines::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The partition that the key works in.
    pub fn livemode(&self) -> bool {
        self.inner.access.livemode
    }

    /// Goes on with what an earlier run left open, and releases transfers as their money comes.
    /// Never ends.
    pub async fn run(self) {
        while let Err(error) = self.resume().await {
            tracing::warn!(%error, "open operations cannot be read; trying again");
            tokio::time::sleep(self.inner.pace.longest_wait).await;
        }
        // In a box, which keeps the service's own future small.
        let watch = Box::pin(self.inner.watch_for_sweeps());
        tokio::join!(self.inner.release_as_funds_come(), watch);
    }

    /// What is asleep ends; what is under way is given a little time. What is open then is gone on
    /// with at the next start.
    pub async fn stop(&self, patience: Duration) {
        self.inner.stopping.send_replace(true);
        let mut steps = self.inner.steps.subscribe();
        let idle = async {
            while !self.inner.driven().is_empty() {
                if steps.changed().await.is_err() {
                    break;
                }
            }
        };
        if tokio::time::timeout(patience, idle).await.is_err() {
            tracing::warn!("stopped during calls to Stripe; the next start goes on with them");
        }
        self.inner.tasks().abort_all();
    }

    async fn resume(&self) -> Result<(), StoreError> {
        let mut from = None;
        loop {
            let page = self.inner.open(from).await?;
            for operation in &page.items {
                if operation.state != OperationState::WaitingForFunds {
                    tracing::info!(
                        operation.id = %operation.id,
                        state = operation.state.word(),
                        "going on with an operation"
                    );
                    self.inner.spawn(operation);
                }
            }
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    /// Takes up a request, or finds what became of it before. Answers when the outcome is known,
    /// or waited for by other means.
    pub async fn request(&self, wanted: &Wanted, asked: &Asked) -> Result<Operation, RequestError> {
        let (inner, wanted, asked) = (self.inner.clone(), wanted.clone(), asked.clone());
        // Goes on when who asked goes away: what is recorded must be driven.
        let work = self.inner.run_to_end(async move { inner.taken_up(&wanted, &asked).await });
        let stopping = || RequestError::NoLink("bursar is stopping; ask again".to_owned());
        let operation = work.await.unwrap_or_else(|| Err(stopping()))?;
        Ok(self.inner.told(operation).await?)
    }

    /// The operation that created the account of this reference.
    pub async fn of_reference(&self, reference: &str) -> Result<Option<Operation>, StoreError> {
        let name = OperationName::Tag(wanted::reference_tag(reference));
        self.inner.store.operation_named(self.livemode(), name).await
    }

    /// A person says what became of an operation whose outcome nobody knows.
    pub async fn resolve(
        &self,
        livemode: bool,
        id: &str,
        decided: Happening,
    ) -> Result<Operation, RequestError> {
        // A call that is under way ends first.
        let _turn = self.inner.turns.of(id).await;
        let now = self.inner.now();
        let operation = resolve(&self.inner.store, (livemode, id), decided, now).await?;
        self.inner.spending.settled(&operation);
        self.inner.stepped();
        Ok(operation)
    }
}

/// Tells the log of operations that nobody goes on with, since there is no key for them.
pub async fn tell_of_abandoned(store: &SharedStore, key_livemode: Option<bool>) {
    for livemode in [false, true].into_iter().filter(|mode| key_livemode != Some(*mode)) {
        let filter = OperationFilter { open: true, ..OperationFilter::default() };
        match store.operations(livemode, filter, Slice { from: None, limit: PAGE }).await {
            Ok(page) if page.items.is_empty() => {}
            Ok(page) => tracing::warn!(
                livemode,
                open = page.items.len(),
                "operations are open, and there is no key of Stripe's to go on with them"
            ),
            Err(error) => tracing::warn!(%error, "open operations cannot be read"),
        }
    }
}

/// The same without a key of Stripe's: deciding needs none.
pub async fn resolve(
    store: &SharedStore,
    (livemode, id): (bool, &str),
    decided: Happening,
    now: Timestamp,
) -> Result<Operation, RequestError> {
    loop {
        let operation = store.operation(livemode, id).await?;
        let operation = operation.ok_or_else(|| RequestError::NoSuchOperation(id.to_owned()))?;
        let Some(next) = operation.after(decided.clone(), now) else {
            let (id, state) = (operation.id, operation.state);
            return Err(RequestError::NotUnknown { id, state });
        };
        match store.advance(next, operation.version).await? {
            Advanced::Recorded(operation) => return Ok(operation),
            Advanced::Overtaken(_) => {}
        }
    }
}

impl Inner {
    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs until it is done, whoever goes away meanwhile, or until everything ends.
    fn run_task(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(work, &self.runtime);
    }

    /// The same, for who waits for what it brings; nothing when everything ends first.
    async fn run_to_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        self.run_task(async move {
            // Who no longer waits has lost nothing.
            done.send(work.await).ok();
        });
        result.await.ok()
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn stepped(&self) {
        self.steps.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn driven(&self) -> MutexGuard<'_, HashSet<String>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of what is open, the oldest first.
    async fn open(&self, from: Option<u64>) -> Result<crate::store::Page<Operation>, StoreError> {
        let filter =
            OperationFilter { open: true, oldest_first: true, ..OperationFilter::default() };
        self.store.operations(self.access.livemode, filter, Slice { from, limit: PAGE }).await
    }
}
