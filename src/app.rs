//! The service, put together: who calls owns the socket, the store and the stop signal.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use tokio::sync::{Semaphore, watch};

use crate::clock;
use crate::current::Current;
use crate::domain::region::RegionRule;
pub use crate::domain::warning::Limits as Vigilance;
use crate::http::attempts::Attempts;
use crate::http::auth::Refusals;
pub use crate::http::openapi::described;
pub use crate::http::{Capacity, Networks, Patience, SPARE_CONNECTIONS};
use crate::http::{DRAIN_SECONDS, Fetching, Handles, server};
use crate::meters::{Calls, Requests};
use crate::pipeline::backfill::{Backfills, Works};
use crate::pipeline::commit::{Committer, Limits};
use crate::pipeline::operations::{Means, Operations, tell_of_abandoned};
use crate::pipeline::pace::Pace;
use crate::pipeline::receive::Receiver;
use crate::pipeline::refetch::Refetcher;
use crate::pipeline::refetch::ambiguous::Watch;
use crate::pipeline::replay::Replayer;
use crate::pipeline::retention::Retention;
use crate::pipeline::vigil::{self, Vigil};
use crate::store::{SharedStore, StoreError};
use crate::stripe::client::{Access, Metered};
use crate::stripe::outgoing::ReturnUrls;
use crate::stripe::signature::Verifier;
use crate::tls::Certificate;
use crate::token::Tokens;

/// What a running service needs to know.
pub struct Parts {
    pub verifier: Current<Verifier>,
    pub tokens: Current<Tokens>,
    /// Wrong tokens a minute that are borne with from one address; zero: any number.
    pub auth_failures: u32,
    pub insecure_no_auth: bool,
    pub livemode: bool,
    pub capacity: Capacity,
    pub limits: Limits,
    pub patience: Patience,
    /// From when on something is worth a warning.
    pub vigilance: Vigilance,
    /// TLS is served where there is one; who holds it too can reload it.
    pub certificate: Option<Arc<Certificate>>,
    pub networks: Networks,
    pub outbound: Option<Outbound>,
    /// How long bodies are kept whole; for ever when it does not say.
    pub retention: Option<Retention>,
    /// Where people go who come back from onboarding, unless a request says otherwise.
    pub onboarding: ReturnUrls,
}

/// What is done by calling Stripe, which needs a key.
pub struct Outbound {
    pub access: Access,
    /// How often missed events are fetched; zero is never, unless someone asks for it.
    pub backfill_every: Duration,
    pub pace: Pace,
    pub region: RegionRule,
}

impl Outbound {
    /// With all its calls counted.
    fn metered(mut self, calls: &Arc<Calls>) -> Self {
        self.access.stripe = Arc::new(Metered::new(self.access.stripe, Arc::clone(calls)));
        self
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the HTTP server failed: {0}")]
    Http(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Serves until `stop` is ready, then answers what is under way and closes the store. Ends at
/// once, with the store left as it is, when the disk no longer confirms writes.
pub async fn run(
    listener: TcpListener,
    store: SharedStore,
    parts: Parts,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let (committer, committing, mut failure) = Committer::start(store.clone(), parts.limits);
    let calls = Arc::new(Calls::default());
    let outbound = parts.outbound.map(|outbound| outbound.metered(&calls));
    let key_livemode = outbound.as_ref().map(|outbound| outbound.access.livemode);
    tell_of_abandoned(&store, key_livemode).await;
    let operations = outbound.as_ref().map(|outbound| operations(outbound, &store, &committer));
    let (fetching, background) = fetching(outbound, &store, &committer);
    let retaining = retaining(parts.retention, store.clone());
    let handles = Data::new(Handles {
        receiver: Receiver::new(parts.verifier, committer.clone(), parts.livemode)
            .nested_at_most(parts.capacity.json_depth),
        replayer: Replayer::new(store.clone(), committer, parts.livemode)
            .nested_at_most(parts.capacity.json_depth),
        store: store.clone(),
        requests: Requests::default(),
        calls,
        vigil: Vigil::new(parts.vigilance, parts.livemode),
        tokens: parts.tokens,
        attempts: Attempts::new(parts.auth_failures),
        refusals: Refusals::default(),
        insecure_no_auth: parts.insecure_no_auth,
        livemode: parts.livemode,
        capacity: parts.capacity,
        body_room: Semaphore::new(parts.capacity.total_body_bytes),
        streams: Arc::new(Semaphore::new(parts.capacity.streams)),
        networks: parts.networks,
        patience: parts.patience,
        draining: watch::Sender::new(false),
        fetching,
        operations: operations.clone(),
        onboarding: parts.onboarding,
    });
    let (driving, watching) = (driving(operations.clone()), watch_over(handles.clone()));
    let background = Box::pin(async { tokio::join!(background, retaining, driving, watching) });
    let server = server(listener, handles.clone(), parts.certificate.as_ref())?;
    let control = server.handle();
    let mut serving = tokio::spawn(server);
    let failed = async {
        // The sender lives in the committer; when that ends there is nothing to wait for.
        match failure.wait_for(Option::is_some).await.map(|failure| failure.clone()) {
            Ok(Some(error)) => error,
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop => {
            handles.draining.send_replace(true);
            // While the last requests are answered, the last calls end.
            let stop_operations = async {
                if let Some(operations) = &operations {
                    operations.stop(Duration::from_secs(DRAIN_SECONDS)).await;
                }
            };
            tokio::join!(control.stop(true), stop_operations);
            // With the server and the operations goes the last hold on the committer, which then
            // ends.
            serving.await.map_err(std::io::Error::other)??;
        }
        error = failed => return Err(error.into()),
        ended = &mut serving => ended.map_err(std::io::Error::other)??,
        // Ends with the others, wherever it is: what was fetched is stored, and the next start goes
        // on with the rest.
        _ = background => {}
    }
    drop((handles, operations));
    committing.await.ok();
    store.close().await?;
    Ok(())
}

/// What drives the calls that change something at Stripe; never ends.
async fn driving(operations: Option<Operations>) {
    match operations {
        Some(operations) => operations.run().await,
        None => std::future::pending().await,
    }
}

/// Looks for what is worth a warning, also when nobody asks; never ends.
async fn watch_over(handles: Data<Handles>) {
    loop {
        if let Err(error) = handles.warnings().await {
            tracing::warn!(%error, "what was heard cannot be looked at");
        }
        tokio::time::sleep(vigil::EVERY).await;
    }
}

/// What changes something at Stripe.
fn operations(outbound: &Outbound, store: &SharedStore, committer: &Committer) -> Operations {
    let Outbound { access, pace, region, .. } = outbound;
    let refetcher = Refetcher::new(access.clone(), committer.clone(), clock::now);
    let (store, access, region) = (store.clone(), access.clone(), region.clone());
    Operations::new(Means { store, access, refetcher, region, pace: *pace, clock: clock::now })
}

/// What drops old bodies; never ends.
async fn retaining(retention: Option<Retention>, store: SharedStore) {
    match retention {
        Some(retention) => retention.run(store, clock::now).await,
        None => std::future::pending().await,
    }
}

/// What fetches from Stripe, and the work that goes on in the background, which never ends.
fn fetching(
    outbound: Option<Outbound>,
    store: &SharedStore,
    committer: &Committer,
) -> (Option<Fetching>, impl Future<Output = ()> + use<>) {
    let works = outbound.map(|Outbound { access, backfill_every, pace, region: _ }| {
        let refetcher = Refetcher::new(access.clone(), committer.clone(), clock::now);
        let (store, committer, clock) = (store.clone(), committer.clone(), clock::now);
        (Works { access, store, committer, refetcher, pace, clock }, backfill_every)
    });
    let fetching = works.as_ref().map(|(works, _)| Fetching {
        backfills: Backfills::default(),
        refetcher: works.refetcher.clone(),
        livemode: works.access.livemode,
    });
    let backfills = fetching.as_ref().map(|fetching| fetching.backfills.clone());
    let background = async move {
        let Some((backfills, (works, every))) = backfills.zip(works) else {
            return std::future::pending().await;
        };
        let watch = Watch::new(works.refetcher.clone(), works.store.clone(), works.pace);
        tokio::join!(backfills.serve(works, every), watch.run());
    };
    (fetching, background)
}
