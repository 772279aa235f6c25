//! Calls to Stripe that change something: recorded, made at most once, and followed until their
//! outcome is known.
//!
//! A request is checked (`checks`), recorded by the store, and then driven (`drive`) by a task
//! of its own, which outlives the request that asked for it. What one run of the process leaves
//! open the next one goes on with. Deliveries never wait for any of it.
//!
//! Read [`wanted`] first: what can be asked for. `funds` holds transfers until their money is
//! there, [`links`] sends people to onboarding, `lookup` asks Stripe what there is when it is too
//! late to send something again.
//!
//! **Never in here:** status codes, our JSON, or a reading of the clock. The address of a link is
//! in no record, no log and no `Debug`.

mod checks;
mod drive;
mod error;
mod funds;
pub mod links;
mod lookup;
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
use tokio::time::Instant;

use crate::domain::operation::{Happening, Operation, OperationState};
use crate::domain::region::RegionRule;
use crate::domain::time::Timestamp;
use crate::pipeline::pace::Pace;
use crate::pipeline::refetch::Refetcher;
use crate::store::{
    Advanced, Begun, OperationFilter, OperationName, SharedStore, Slice, StoreError,
};
use crate::stripe::client::Access;
pub use error::RequestError;
use spending::Spending;
use sweep::Schedule;
pub use sweep::SweepRisk;
use turns::Turns;
use wanted::{Asked, Wanted};

/// Calls that are under way at the same time; Stripe bounds them too.
const AT_ONCE: usize = 16;
/// Open operations that are read at a time.
const PAGE: usize = 200;
/// How long who asked waits before being told to come back.
const PATIENCE: Duration = Duration::from_secs(25);

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
    turns: Turns,
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

    /// What became of the same request before.
    async fn known(
        &self,
        wanted: &Wanted,
        asked: &Asked,
    ) -> Result<Option<Operation>, RequestError> {
        let name = OperationName::Key(asked.client_key.clone());
        let known = self.store.operation_named(self.access.livemode, name).await?;
        known.map(|known| self.same(wanted, known)).transpose()
    }

    /// The operation that has the key, when it is of the same request.
    #[expect(clippy::unused_self, reason = "reads as what is known here")]
    fn same(&self, wanted: &Wanted, known: Operation) -> Result<Operation, RequestError> {
        if wanted.is_of(&known) { Ok(known) } else { Err(RequestError::KeyReused(known.id)) }
    }

    /// The recorded operation of a request, which somebody drives from now on.
    async fn taken_up(
        self: &Arc<Self>,
        wanted: &Wanted,
        asked: &Asked,
    ) -> Result<Operation, RequestError> {
        // Of one key, one at a time: who comes second finds what the first has recorded, and is
        // not turned down for what that one spends.
        let _turn = self.turns.of(&format!("key {}", asked.client_key)).await;
        if let Some(known) = self.known(wanted, asked).await? {
            if known.state.is_open() {
                self.take_up(&known);
            }
            return Ok(known);
        }
        let warnings = self.check(wanted).await?;
        let request = wanted.request(asked, self.access.livemode, warnings);
        match self.store.begin(Operation::new(request, self.now())).await? {
            Begun::New(operation) => {
                tracing::info!(
                    operation.id = %operation.id,
                    action = operation.action.word(),
                    by = %operation.by,
                    "an operation was asked for"
                );
                self.take_up(&operation);
                Ok(operation)
            }
            Begun::Known(known) => self.same(wanted, known),
            Begun::Taken(other) => Err(RequestError::ReferenceTaken(Box::new(other))),
        }
    }

    fn take_up(self: &Arc<Self>, operation: &Operation) {
        if operation.state == OperationState::WaitingForFunds {
            self.waiting.send_modify(|count| *count = count.wrapping_add(1));
        } else {
            self.spawn(operation);
        }
    }

    /// Waits until there is something to tell: the outcome, or that it takes longer.
    async fn told(&self, mut operation: Operation) -> Result<Operation, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        let (mut steps, mut stopping) = (self.steps.subscribe(), self.stopping.subscribe());
        loop {
            steps.borrow_and_update();
            let held = self.store.operation(operation.livemode, &operation.id).await?;
            operation = held.unwrap_or(operation);
            match operation.state {
                OperationState::Requested | OperationState::Sent => {}
                OperationState::WaitingForFunds
                | OperationState::Succeeded
                | OperationState::Refused
                | OperationState::Unknown => return Ok(operation),
            }
            let waited = async {
                tokio::select! {
                    _ = steps.changed() => true,
                    _ = stopping.wait_for(|stopping| *stopping) => false,
                }
            };
            if !tokio::time::timeout_at(deadline, waited).await.unwrap_or(false) {
                return Ok(operation);
            }
        }
    }
}
