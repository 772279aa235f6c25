//! Signed deliveries as bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use bursar::clock;
use bursar::sandbox::fixture;
use bursar::stripe::signature::sign;

use crate::Error;
use crate::server::SECRET;

const CREATED: &str = "events/payout.created/pending.json";
const PAID: &str = "events/payout.paid/paid.json";

/// Events that nobody has seen, each about a payout of its own unless said otherwise.
pub(crate) struct Events {
    made: AtomicU64,
    start: u64,
    /// For large bodies; made once, as making it takes longer than sending it.
    filler: Vec<u8>,
}

const FILLER_BYTES: usize = 2 << 20;

impl Events {
    pub(crate) fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let letter = || u8::try_from(random.alphanumeric()).unwrap_or(b'x');
        let filler = std::iter::repeat_with(letter).take(FILLER_BYTES).collect();
        Self { made: AtomicU64::new(0), start: clock::now().unix_seconds() - 86_400, filler }
    }

    /// The first report about a new payout, and its number.
    pub(crate) fn first(&self) -> Result<(u64, Vec<u8>), Error> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Ok((number, self.created(number)?))
    }

    /// The first report about this payout, always the same.
    pub(crate) fn created(&self, number: u64) -> Result<Vec<u8>, Error> {
        self.event(CREATED, "created", number, 1)
    }

    /// The last report about this payout.
    pub(crate) fn paid(&self, number: u64) -> Result<Vec<u8>, Error> {
        self.event(PAID, "paid", number, 3)
    }

    /// One that was made before the last, whenever it comes.
    pub(crate) fn late(&self, number: u64) -> Result<Vec<u8>, Error> {
        self.event(CREATED, "late", number, 2)
    }

    /// A first report of exactly so many bytes, which do not pack well.
    pub(crate) fn large(&self, length: usize) -> Result<Vec<u8>, Error> {
        let (_, mut body) = self.first()?;
        let end = body.iter().rposition(|&byte| byte == b'}').ok_or("an event is an object")?;
        body.truncate(end);
        body.extend_from_slice(b",\"filler\":\"");
        let missing = length.saturating_sub(body.len() + 2);
        body.extend_from_slice(self.filler.get(..missing).ok_or("a body is too large")?);
        body.extend_from_slice(b"\"}");
        Ok(body)
    }

    fn event(&self, path: &str, word: &str, number: u64, step: u64) -> Result<Vec<u8>, Error> {
        let fixture = fixture(path).ok_or(format!("there is no {path}"))?;
        let mut event: serde_json::Value = serde_json::from_slice(fixture)?;
        let created = self.start + number % 80_000 + step;
        let set = |event: &mut serde_json::Value, pointer: &str, value: serde_json::Value| {
            event.pointer_mut(pointer).map(|place| *place = value).ok_or("a fixture has changed")
        };
        set(&mut event, "/id", format!("evt_{word}_{number}").into())?;
        set(&mut event, "/created", created.into())?;
        set(&mut event, "/data/object/id", format!("po_{number}").into())?;
        Ok(serde_json::to_vec_pretty(&event)?)
    }
}

pub(crate) fn delivery(body: &[u8]) -> Vec<u8> {
    [head(body, body.len()).as_bytes(), body].concat()
}

/// The head of a delivery whose body is announced with this length.
pub(crate) fn head(body: &[u8], length: usize) -> String {
    let signature = sign(SECRET, body, clock::now().signed_seconds());
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json; charset=utf-8\r\nStripe-Signature: {signature}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}
