//! One delivery on its whole way: verified, read, packed, committed with others, applied, and its
//! rows written behind the answer. All threads count; the store is a real one.
//!
//! The signature is counted out, since what callgrind counts for it is far from what it takes: a
//! real processor has instructions for SHA-256.

use std::sync::Arc;

use bursar::domain::event::Outcome;
use bursar::pipeline::commit::{Committer, Limits};
use bursar::pipeline::receive::Receiver;
use bursar::pipeline::rules::StripeRules;
use bursar::secret::Secret;
use bursar::store::SharedStore;
use bursar::store::embedded::{Embedded, Options};
use bursar::stripe::signature::{Verifier, WebhookSecret, sign};
use bursar::telemetry;
use futures_util::StreamExt;
use futures_util::stream;
use tempfile::TempDir;

use crate::Error;
use crate::bodies::Bodies;
use crate::samples::NOW;

/// Deliveries that are counted.
pub(crate) const COUNTED: usize = 3_000;
/// What threads do while they wait for each other is chance; of several runs the least counts.
pub(crate) const RUNS: usize = 3;
/// How many events share a commit, and how much is written behind, is chance too.
pub(crate) const TOLERANCE_PERCENT: f64 = 6.0;
const WARM_UP: usize = 500;
const ACCOUNTS: usize = 1_000;
/// Deliveries under way at the same time.
const TOGETHER: usize = 64;
const SECRET: &str = "whsec_bench";

pub(crate) fn receive(calls: usize) -> Result<(), Error> {
    telemetry::start("info", false);
    let deliveries = deliveries()?;
    let (warm_up, counted) = deliveries.split_at(WARM_UP);
    let (counted, others) = counted.split_at_checked(calls).ok_or("there are not so many")?;
    // Thus every run verifies as many signatures.
    let verifier = verifier();
    for Delivery { signature, body } in others {
        verifier.verify(signature.as_bytes(), body.as_bytes(), NOW.signed_seconds())?;
    }
    let folder = TempDir::new()?;
    let rules = Arc::new(StripeRules);
    let store = Embedded::open(folder.path(), Options::default(), rules, &mut |_| {})?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let store: SharedStore = Arc::new(store);
        let (committer, committing, _failure) = Committer::start(store.clone(), Limits::default());
        let receiver = Receiver::new(verifier, committer, true);
        deliver(&receiver, warm_up).await?;
        deliver(&receiver, counted).await?;
        drop(receiver);
        committing.await?;
        Ok(store.close().await?)
    })
}

fn verifier() -> Verifier {
    Verifier::new(&[WebhookSecret::new("bench", Secret::new(SECRET.to_owned()))], 0)
}

struct Delivery {
    signature: String,
    body: String,
}

/// As many in every run, so that making them can be taken off.
fn deliveries() -> Result<Vec<Delivery>, Error> {
    let count = WARM_UP + COUNTED;
    let mut bodies = Bodies::new(ACCOUNTS, count, NOW);
    let delivery = |_| {
        let body = bodies.next()?;
        let signature = sign(SECRET, body.as_bytes(), NOW.signed_seconds());
        Ok(Delivery { signature, body })
    };
    (0..count).map(delivery).collect()
}

async fn deliver(receiver: &Receiver, deliveries: &[Delivery]) -> Result<(), Error> {
    let answers = stream::iter(deliveries)
        .map(|it| receiver.receive(it.signature.as_bytes(), it.body.as_bytes(), NOW));
    let mut answers = answers.buffer_unordered(TOGETHER);
    while let Some(receipt) = answers.next().await {
        if receipt?.outcome != Outcome::Applied {
            return Err("an event was not applied".into());
        }
    }
    Ok(())
}
