//! Signed deliveries, made before anything is measured.

use bursar::clock;
use bursar::stripe::signature::sign;

use crate::Error;
use crate::bodies::{Account, Bodies};
use crate::servers::{READER_TOKEN, WEBHOOK_SECRET};

pub(crate) struct Deliveries {
    /// Whole HTTP requests, in the order of `created`.
    pub(crate) requests: Vec<Vec<u8>>,
    accounts: Vec<Account>,
    body_bytes: usize,
}

impl Deliveries {
    pub(crate) fn prepare(accounts: usize, events: usize) -> Result<Self, Error> {
        let now = clock::now();
        let mut bodies = Bodies::new(accounts, events, now);
        let mut body_bytes = 0;
        let mut requests = Vec::with_capacity(events);
        for _ in 0..events {
            let body = bodies.next()?;
            let signature = sign(WEBHOOK_SECRET, body.as_bytes(), now.signed_seconds());
            body_bytes += body.len();
            requests.push(delivery(&body, &signature));
        }
        Ok(Self { requests, accounts: bodies.accounts, body_bytes })
    }

    pub(crate) fn mean_body_bytes(&self) -> usize {
        self.body_bytes / self.requests.len().max(1)
    }

    /// A status read of each account that the deliveries were about.
    pub(crate) fn reads(&self) -> Vec<Vec<u8>> {
        let read = |account: &Account| {
            let id = &account.id;
            format!(
                "GET /v1/accounts/{id} HTTP/1.1\r\nHost: localhost\r\n\
                 Authorization: Bearer {READER_TOKEN}\r\n\r\n"
            )
            .into_bytes()
        };
        self.accounts.iter().take(self.requests.len()).map(read).collect()
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
