//! A steady mixed load, and whether what the server takes stays the same.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::Error;
use crate::client::{Client, Tally};
use crate::events::{Events, delivery};
use crate::server::{Server, Taken};

const DELIVERERS: u64 = 4;
const READERS: usize = 2;
const READ_EVERY: Duration = Duration::from_millis(25);
const FOLLOWERS: usize = 4;
/// Connections come and go all the time; their number at one moment is chance.
const SPARE_FILES: u64 = 16;
/// Allocators keep what was free once; this much more is no leak.
const SPARE_KIB: u64 = 16 << 10;
const SAMPLES: u32 = 20;

#[derive(Clone, clap::Args)]
pub(crate) struct Arguments {
    #[arg(default_value_t = 10)]
    minutes: u64,
    /// Deliveries a second
    #[arg(long, default_value_t = 200)]
    rate: u64,
}

/// What all threads share.
struct Load<'a> {
    server: &'a Server,
    events: Events,
    stored: AtomicU64,
    over: AtomicBool,
}

#[derive(Clone, Copy)]
struct Sample {
    taken: Taken,
    disk_bytes: u64,
    stored: u64,
}

pub(crate) fn run(arguments: &Arguments, folder: &Path) -> Result<(), Error> {
    let server = Server::start(folder)?;
    let load = Load {
        server: &server,
        events: Events::new(),
        stored: AtomicU64::new(0),
        over: AtomicBool::new(false),
    };
    let pace = Duration::from_secs(DELIVERERS) / u32::try_from(arguments.rate.max(1))?;
    let (samples, mut tally) = std::thread::scope(|scope| {
        let parts = start(scope, &load, pace);
        let samples = watch(&load, Duration::from_mins(arguments.minutes.max(1)));
        load.over.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        for part in parts {
            tally.add(part.join().map_err(|_| "a client panicked")??);
        }
        Ok::<_, Error>((samples?, tally))
    })?;
    let (p50, p99) = (tally.percentile(50), tally.percentile(99));
    println!("\nanswers {}; p50 {p50:.1} ms, p99 {p99:.1} ms", tally.words());
    judge(&samples, &tally)
}

fn start<'s, 'e: 's>(
    scope: &'s Scope<'s, 'e>,
    load: &'e Load<'_>,
    pace: Duration,
) -> Vec<ScopedJoinHandle<'s, Result<Tally, Error>>> {
    let mut parts = Vec::new();
    parts.extend((0..DELIVERERS).map(|seed| scope.spawn(move || load.deliver(seed, pace))));
    parts.extend((0..READERS).map(|_| scope.spawn(|| Ok(load.read()))));
    parts.extend((0..FOLLOWERS).map(|_| scope.spawn(|| load.follow())));
    parts.push(scope.spawn(|| load.stream()));
    parts
}

impl Load<'_> {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Of ten deliveries seven are new; one comes again, one is the last of its payout, and one is
    /// late: it was made before that.
    fn deliver(&self, seed: u64, pace: Duration) -> Result<Tally, Error> {
        let mut client = Client::new(self.server.address);
        let (mut tally, mut random) = (Tally::default(), fastrand::Rng::with_seed(seed));
        let mut newest = None;
        while !self.is_over() {
            let before = newest.map(|newest| random.u64(0..=newest));
            let body = match (random.u8(..10), before) {
                (0, Some(number)) => self.events.created(number)?,
                (1, Some(number)) => self.events.paid(number)?,
                (2, Some(number)) => self.events.late(number)?,
                _ => {
                    let (number, body) = self.events.first()?;
                    newest = Some(number);
                    body
                }
            };
            let start = Instant::now();
            let answer = client.ask(&delivery(&body));
            let is_stored = |body: &[u8]| !String::from_utf8_lossy(body).contains("duplicate");
            if answer.as_ref().is_ok_and(|(status, body)| *status == 200 && is_stored(body)) {
                self.stored.fetch_add(1, Ordering::Relaxed);
            }
            tally.note(start, &answer);
            std::thread::sleep(pace.saturating_sub(start.elapsed()));
        }
        Ok(tally)
    }

    /// Every kind of read in turn, now and then on a new connection.
    fn read(&self) -> Tally {
        let (mut client, mut tally) = (Client::new(self.server.address), Tally::default());
        for turn in 0.. {
            if self.is_over() {
                break;
            }
            let number = self.stored.load(Ordering::Relaxed) / 2;
            let owner = "?account=acct_1TQx8RGh4NwJ6pLd";
            let path = match turn % 6 {
                0 => "/v1/summary".to_owned(),
                1 => "/v1/events?limit=100".to_owned(),
                2 => "/v1/payouts?status=paid&limit=100".to_owned(),
                3 => format!("/v1/payouts/po_{number}{owner}"),
                4 => format!("/v1/payouts/po_{number}/history{owner}"),
                _ => format!("/v1/events/evt_created_{number}"),
            };
            tally.note(Instant::now(), &client.read(&path));
            if turn % 50 == 0 {
                client.hang_up();
            }
            std::thread::sleep(READ_EVERY);
        }
        tally
    }

    /// Long-polls the feed.
    fn follow(&self) -> Result<Tally, Error> {
        let (mut client, mut tally, mut after) =
            (Client::new(self.server.address), Tally::default(), 0);
        while !self.is_over() {
            let answer = client.read(&format!("/v1/changes?after={after}&limit=500&wait=5"));
            if let Ok((200, body)) = &answer {
                let page: serde_json::Value = serde_json::from_slice(body)?;
                after = page.get("next").and_then(serde_json::Value::as_u64).unwrap_or(after);
            }
            // Not noted with its time: that is how long there was nothing.
            tally.count(&answer);
            std::thread::sleep(READ_EVERY);
        }
        Ok(tally)
    }

    /// Reads the stream of changes.
    fn stream(&self) -> Result<Tally, Error> {
        crate::client::stream(self.server.address, || self.is_over())?;
        Ok(Tally::default())
    }
}

/// Looks at the server now and then, and prints what it sees.
fn watch(load: &Load<'_>, time: Duration) -> Result<Vec<Sample>, Error> {
    let mut samples: Vec<Sample> = Vec::new();
    println!(
        "{:>8}{:>10}{:>9}{:>9}{:>7}{:>9}{:>11}{:>13}",
        "seconds", "events", "RSS MiB", "most", "files", "threads", "disk MiB", "bytes/event"
    );
    let start = Instant::now();
    for number in 1..=SAMPLES {
        std::thread::sleep(
            (start + time / SAMPLES * number).saturating_duration_since(Instant::now()),
        );
        let sample = Sample {
            taken: load.server.takes()?,
            disk_bytes: load.server.disk_bytes()?,
            stored: load.stored.load(Ordering::Relaxed),
        };
        let Sample { taken, disk_bytes, stored } = sample;
        println!(
            "{:>8}{stored:>10}{:>9}{:>9}{:>7}{:>9}{:>11}{:>13}",
            start.elapsed().as_secs(),
            taken.rss_kib >> 10,
            taken.peak_kib >> 10,
            taken.files,
            taken.threads,
            disk_bytes >> 20,
            disk_bytes / stored.max(1),
        );
        samples.push(sample);
    }
    Ok(samples)
}

/// The second quarter is compared with the last: by then everything is warm.
fn judge(samples: &[Sample], tally: &Tally) -> Result<(), Error> {
    let quarter = samples.len() / 4;
    let second = samples.get(quarter..2 * quarter).unwrap_or_default();
    let last = samples.get(3 * quarter..).unwrap_or_default();
    let most = |part: &[Sample], of: fn(&Sample) -> u64| part.iter().map(of).max().unwrap_or(0);
    let mut faults = Vec::new();
    for (what, of, spare) in [
        ("memory (KiB)", (|it| it.taken.rss_kib) as fn(&Sample) -> u64, SPARE_KIB),
        ("open files", |it| it.taken.files, SPARE_FILES),
        ("threads", |it| it.taken.threads, SPARE_FILES),
        ("disk bytes an event", |it| it.disk_bytes / it.stored.max(1), 0),
    ] {
        let (before, after) = (most(second, of), most(last, of));
        let allowed = before + before / 10 + spare;
        println!("{what}: {before} in the second quarter, {after} in the last, {allowed} allowed");
        if after > allowed {
            faults.push(format!("{what} grew from {before} to {after}"));
        }
    }
    if tally.unanswered > 0 || tally.answers.keys().any(|status| ![200, 404].contains(status)) {
        faults.push(format!("there were other answers: {}", tally.words()));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ").into()) }
}
