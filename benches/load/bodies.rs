//! Events about many accounts, as Stripe would word them; the same ones in every run.

use bursar::domain::time::Timestamp;
use bursar::sandbox::fixture;

use crate::Error;

/// What happens to each account, over and over; each step shows.
const LIFE: [&str; 4] = ["submitted_pending", "complete", "restricted", "recovered"];
/// Events that share their second.
const EVENTS_PER_SECOND: usize = 16;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Events in the order of `created`: every account's first step, then every account's second, and
/// so on.
pub(crate) struct Bodies {
    pub(crate) accounts: Vec<Account>,
    random: fastrand::Rng,
    start: u64,
    made: usize,
}

impl Bodies {
    /// `events` in all end about `now`.
    pub(crate) fn new(accounts: usize, events: usize, now: Timestamp) -> Self {
        let mut random = fastrand::Rng::with_seed(7);
        let span = u64::try_from(events / EVENTS_PER_SECOND).unwrap_or(0);
        let start = now.unix_seconds().saturating_sub(span);
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

pub(crate) struct Account {
    /// The end of every id that belongs to it.
    suffix: String,
    pub(crate) id: String,
    person: String,
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
