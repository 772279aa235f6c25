//! Signed deliveries, made before anything is measured.

use bursar::clock;
use bursar::sandbox::fixture;
use bursar::stripe::signature::sign;

use crate::Error;
use crate::servers::{READER_TOKEN, WEBHOOK_SECRET};

/// What happens to each account, over and over; each step shows.
const LIFE: [&str; 4] = ["submitted_pending", "complete", "restricted", "recovered"];
/// Events that share their second.
const EVENTS_PER_SECOND: usize = 16;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(crate) struct Deliveries {
    /// Whole HTTP requests, in the order of `created`.
    pub(crate) requests: Vec<Vec<u8>>,
    accounts: Vec<Account>,
    body_bytes: usize,
}

struct Account {
    /// The end of every id that belongs to it.
    suffix: String,
    id: String,
    person: String,
}

impl Deliveries {
    pub(crate) fn prepare(accounts: usize, events: usize) -> Result<Self, Error> {
        let now = clock::now();
        let mut bodies = Bodies::new(accounts, events);
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

/// Events in the order of `created`: every account's first step, then every account's second, and
/// so on.
pub(crate) struct Bodies {
    accounts: Vec<Account>,
    random: fastrand::Rng,
    start: u64,
    made: usize,
}

impl Bodies {
    /// `events` in all end about now.
    pub(crate) fn new(accounts: usize, events: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let span = u64::try_from(events / EVENTS_PER_SECOND).unwrap_or(0);
        let start = clock::now().unix_seconds() - span;
        let accounts =
            (0..accounts.max(1)).map(|number| Account::new(number, start, &mut random)).collect();
        Self { accounts, random, start, made: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<String, Error> {
        let (turn, place) = (self.made / self.accounts.len(), self.made % self.accounts.len());
        let step = LIFE.get(turn % LIFE.len()).ok_or("a life has steps")?;
        let account = self.accounts.get(place).ok_or("there are accounts")?;
        let created = self.start + u64::try_from(self.made / EVENTS_PER_SECOND)?;
        self.made += 1;
        event(account, step, created, &mut self.random)
    }
}

impl Account {
    fn new(number: usize, created: u64, random: &mut fastrand::Rng) -> Self {
        let suffix = letters(10, random);
        let id = format!("acct_{}{suffix}", base62(created));
        Self { person: format!("Writer{number} {}", letters(8, random)), suffix, id }
    }
}

fn event(
    account: &Account,
    step: &str,
    created: u64,
    random: &mut fastrand::Rng,
) -> Result<String, Error> {
    let path = format!("events/account.updated/{step}.json");
    let text = std::str::from_utf8(fixture(&path).ok_or(format!("there is no {path}"))?)?;
    // Stripe's ids grow with time, and their middle is the account's.
    let id = format!("{}{}{}", base62(created), account.suffix, letters(8, random));
    let (id_of_fixture, created_of_fixture) = (field(text, "id")?, field(text, "created")?);
    let mail = format!("{}@example.com", account.person.to_lowercase().replace(' ', "."));
    let replacements = [
        (id_of_fixture, format!("\"evt_{id}\"")),
        (created_of_fixture, created.to_string()),
        ("acct_1TQx8RGh4NwJ6pLd", account.id.clone()),
        ("1TAkrEGh4NwJ6pLd", format!("{}{}", base62(created), account.suffix)),
        ("1TAlceGh4NwJ6pLd", format!("{}{}", base62(created), account.suffix)),
        ("nora.whitfield@example.com", mail),
        ("Nora Whitfield", account.person.clone()),
        ("w_20417", format!("w_{}", random.u32(10_000..))),
    ];
    Ok(replacements
        .iter()
        .fold(text.trim_end().to_owned(), |text, (from, to)| text.replace(*from, to)))
}

/// The text of an event's own field in a fixture.
fn field<'t>(text: &'t str, name: &str) -> Result<&'t str, Error> {
    let start = format!("\n  \"{name}\": ");
    let found = text.split_once(&start).and_then(|(_, rest)| rest.split_once(",\n"));
    found.map(|(value, _)| value).ok_or_else(|| format!("a fixture has no `{name}`").into())
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

fn letters(count: usize, random: &mut fastrand::Rng) -> String {
    (0..count).filter_map(|_| random.choice(DIGITS)).copied().map(char::from).collect()
}

fn base62(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 {
        let digit = usize::try_from(number % 62).unwrap_or(0);
        digits.extend(DIGITS.get(digit).copied().map(char::from));
        number /= 62;
    }
    digits.iter().rev().collect()
}
