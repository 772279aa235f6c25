//! The service, put together: who calls owns the socket, the store and the stop signal.

use std::net::TcpListener;

use actix_web::web::Data;
use tokio::sync::{Semaphore, watch};

use crate::http::auth::Refusals;
pub use crate::http::{Capacity, Patience, SPARE_CONNECTIONS};
use crate::http::{Handles, server};
use crate::pipeline::commit::{Committer, Limits};
use crate::pipeline::receive::Receiver;
use crate::pipeline::replay::Replayer;
use crate::store::{SharedStore, StoreError};
use crate::stripe::signature::Verifier;
use crate::token::Tokens;

/// What a running service needs to know.
pub struct Parts {
    pub verifier: Verifier,
    pub tokens: Tokens,
    pub insecure_no_auth: bool,
    pub livemode: bool,
    pub capacity: Capacity,
    pub limits: Limits,
    pub patience: Patience,
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
    let handles = Data::new(Handles {
        receiver: Receiver::new(parts.verifier, committer.clone(), parts.livemode),
        replayer: Replayer::new(store.clone(), committer, parts.livemode),
        store: store.clone(),
        tokens: parts.tokens,
        refusals: Refusals::default(),
        insecure_no_auth: parts.insecure_no_auth,
        livemode: parts.livemode,
        capacity: parts.capacity,
        body_room: Semaphore::new(parts.capacity.total_body_bytes),
        patience: parts.patience,
        draining: watch::Sender::new(false),
    });
    let server = server(listener, handles.clone())?;
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
            control.stop(true).await;
            // With the server goes the last hold on the committer, which then ends.
            serving.await.map_err(std::io::Error::other)??;
        }
        error = failed => return Err(error.into()),
        ended = &mut serving => ended.map_err(std::io::Error::other)??,
    }
    drop(handles);
    committing.await.ok();
    store.close().await?;
    Ok(())
}
