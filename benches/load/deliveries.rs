//! Signed deliveries, made before they are measured.

use bursar::clock;
use bursar::stripe::signature::sign;

use crate::Error;
use crate::bodies::{Account, Bodies};
use crate::servers::{READER_TOKEN, WEBHOOK_SECRET};

/// Makes deliveries, all of them distinct, in the order of `created`.
pub(crate) struct Source {
    bodies: Bodies,
    signed_at: i64,
    made: usize,
    body_bytes: usize,
}

impl Source {
    /// Of `events` deliveries in all.
    pub(crate) fn new(accounts: usize, events: usize) -> Self {
        let now = clock::now();
        let bodies = Bodies::new(accounts, events, now);
        Self { bodies, signed_at: now.signed_seconds(), made: 0, body_bytes: 0 }
    }

    /// The next ones, as whole HTTP requests.
    pub(crate) fn deliveries(&mut self, count: usize) -> Result<Vec<Vec<u8>>, Error> {
        (0..count).map(|_| self.delivery()).collect()
    }

    fn delivery(&mut self) -> Result<Vec<u8>, Error> {
        let body = self.bodies.next()?;
        self.made += 1;
        self.body_bytes += body.len();
        let signature = sign(WEBHOOK_SECRET, body.as_bytes(), self.signed_at);
        Ok(delivery(&body, &signature))
    }

    pub(crate) fn mean_body_bytes(&self) -> usize {
        self.body_bytes / self.made.max(1)
    }

    /// A status read of each account that the deliveries so far were about.
    pub(crate) fn reads(&self) -> Vec<Vec<u8>> {
        self.bodies.accounts.iter().take(self.made).map(read).collect()
    }
}

fn delivery(body: &str, signature: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: localhost\r\n\
         User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n\
         Accept: */*; q=0.5, application/xml\r\nContent-Type: application/json; charset=utf-8\r\n\
         Cache-Control: no-cache\r\nStripe-Signature: {signature}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn read(account: &Account) -> Vec<u8> {
    let id = &account.id;
    format!(
        "GET /v1/accounts/{id} HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {READER_TOKEN}\r\n\r\n"
    )
    .into_bytes()
}
