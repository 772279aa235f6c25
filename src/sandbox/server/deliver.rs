//! Sends webhooks: signed like Stripe's, in order to each endpoint, and again when not taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use awc::Client;
use futures_util::future::join_all;

use crate::clock;
use crate::sandbox::server::shared::Shared;
use crate::sandbox::world::outbox::Outgoing;
use crate::stripe::signature::sign;

const TIMEOUT: Duration = Duration::from_secs(10);
/// How often time alone is looked at, in the absence of calls.
const TICK: Duration = Duration::from_millis(200);

/// A delivery with all that it takes to send it.
struct Letter {
    outgoing: Outgoing,
    url: String,
    secret: String,
    body: String,
}

pub(super) async fn deliver(shared: Arc<Shared>) {
    let client = Client::builder().timeout(TIMEOUT).disable_redirects().finish();
    loop {
        let letters = shared.with(|sandbox| sandbox.world.letters(Letter::new));
        if letters.is_empty() {
            tokio::select! {
                () = shared.work.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
            continue;
        }
        let mut by_endpoint: BTreeMap<String, Vec<Letter>> = BTreeMap::new();
        for letter in letters {
            by_endpoint.entry(letter.outgoing.endpoint.clone()).or_default().push(letter);
        }
        let sending = by_endpoint.into_values().map(|letters| send_all(&client, &shared, letters));
        join_all(sending).await;
    }
}

async fn send_all(client: &Client, shared: &Shared, letters: Vec<Letter>) {
    for letter in letters {
        let delivery = letter.outgoing.delivery;
        let outcome = letter.send(client).await;
        shared.with(|sandbox| {
            let now = sandbox.world.now();
            sandbox.world.outbox.record(delivery, outcome, now);
        });
    }
}

impl Letter {
    fn new(outgoing: Outgoing, url: String, secret: String, body: String) -> Self {
        Self { outgoing, url, secret, body }
    }

    /// The status of the answer, or why there is none. The signature has the real time: who
    /// checks it has no other.
    async fn send(&self, client: &Client) -> Result<u16, String> {
        let now = clock::now().signed_seconds();
        let signature = sign(&self.secret, self.body.as_bytes(), now);
        let request = client
            .post(&self.url)
            .insert_header(("Stripe-Signature", signature))
            .insert_header(("User-Agent", "bursar-sandbox"))
            .content_type("application/json; charset=utf-8");
        let mut response = request.send_body(self.body.clone()).await.map_err(|e| e.to_string())?;
        // So that the connection can be used again.
        response.body().await.ok();
        Ok(response.status().as_u16())
    }
}
