//! One strain after the other, each on a fresh server, with good clients beside it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, ScopedJoinHandle};
use std::time::{Duration, Instant};

use comfy_table::{Table, presets};

use crate::Error;
use crate::client::{Client, Tally, get};
use crate::crowd::{Crowd, Manners};
use crate::events::{Events, delivery, head};
use crate::server::{Server, Taken};

/// A body of exactly what is taken by default.
const LARGEST_BODY: usize = 1 << 20;
/// Large bodies that are sent in all: they stay on the disk.
const LARGE_BODIES: usize = 1_500;
const LARGE_CONNECTIONS: usize = 200;
/// Clients of good will; two keep their connection, two open one for each delivery.
const GOOD_CLIENTS: usize = 4;
/// Each sends so often at most, as Stripe would rather than a benchmark.
const GOOD_EVERY: Duration = Duration::from_millis(20);
const DRIP_EVERY: Duration = Duration::from_secs(1);
const DEAF_REQUESTS: usize = 500;
const STACK_BYTES: usize = 256 << 10;

#[derive(Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Seconds of each strain; more than 30 shows that slow bodies are dropped
    #[arg(long, default_value_t = 35)]
    seconds: u64,
    /// Connections of each crowd
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Events of the burst
    #[arg(long, default_value_t = 50_000)]
    burst: usize,
    /// Only strains whose name contains this
    #[arg(long)]
    only: Option<String>,
}

enum Strain {
    None,
    Crowd(usize, Manners),
    Large,
    Burst,
}

pub(crate) fn run(arguments: &Arguments, folder: &Path) -> Result<(), Error> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "strain",
        "good deliveries",
        "p50 ms",
        "p99 ms",
        "slowest ms",
        "strain was answered",
        "files",
        "RSS MiB",
        "most MiB",
    ]);
    let only = arguments.only.as_deref().unwrap_or_default();
    for (name, strain) in strains(arguments).into_iter().filter(|(name, _)| name.contains(only)) {
        println!("{name} ...");
        let server = Server::start(folder)?;
        let Outcome { mut good, strained, taken } = strained(arguments, &server, &strain)?;
        let (p50, p99) = (good.percentile(50), good.percentile(99));
        let mut row = vec![name, good.words()];
        row.extend([p50, p99, good.percentile(100)].map(|number| format!("{number:.1}")));
        row.extend([strained.words(), taken.files.to_string()]);
        row.extend([taken.rss_kib, server.takes()?.peak_kib].map(|kib| (kib >> 10).to_string()));
        table.add_row(row);
    }
    println!("\n{table}");
    Ok(())
}

fn strains(arguments: &Arguments) -> Vec<(String, Strain)> {
    let many = arguments.connections;
    let crowd = |opening: String, drip: &[u8]| {
        Strain::Crowd(
            many,
            Manners { opening: opening.into_bytes(), drip: drip.to_vec(), listens: true },
        )
    };
    let announced = head(b"", LARGEST_BODY);
    let most_of_it = announced.clone() + &" ".repeat(LARGEST_BODY * 9 / 10);
    let unsigned =
        "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let deaf = Manners {
        opening: Vec::new(),
        drip: get("/v1/summary").repeat(DEAF_REQUESTS),
        listens: false,
    };
    let idle = Manners { opening: Vec::new(), drip: Vec::new(), listens: true };
    vec![
        ("nothing".to_owned(), Strain::None),
        (format!("{many} that say nothing"), crowd(String::new(), b"")),
        (
            format!("{many} heads, a byte a second"),
            crowd("POST /webhooks/stripe HTTP/1.1\r\nX: ".to_owned(), b"x"),
        ),
        (
            format!("{many} endless heads, 100 KB at once"),
            crowd("GET /healthz HTTP/1.1\r\nX: ".to_owned() + &"x".repeat(100_000), b"x"),
        ),
        (format!("{many} bodies, a byte a second"), crowd(announced, b" ")),
        (format!("{many} bodies, the last tenth a byte a second"), crowd(most_of_it, b" ")),
        (
            format!("{many} unsigned chunked bodies, a byte a second"),
            crowd(unsigned.to_owned(), b"1\r\n \r\n"),
        ),
        (
            format!("{LARGE_CONNECTIONS} senders of 1 MiB bodies, {LARGE_BODIES} in all"),
            Strain::Large,
        ),
        (format!("{many} that never read their answers"), Strain::Crowd(many, deaf)),
        (format!("{} events at once over {many}", arguments.burst), Strain::Burst),
        (format!("{} that say nothing", 3 * many), Strain::Crowd(3 * many, idle)),
    ]
}

struct Outcome {
    good: Tally,
    strained: Tally,
    /// At the end, with all connections that still hold.
    taken: Taken,
}

fn strained(arguments: &Arguments, server: &Server, strain: &Strain) -> Result<Outcome, Error> {
    let (events, over) = (Events::new(), AtomicBool::new(false));
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    std::thread::scope(|scope| {
        let good: Vec<_> = (0..GOOD_CLIENTS)
            .map(|number| {
                let (events, over) = (&events, &over);
                scope.spawn(move || deliver(server, events, over, number % 2 == 0))
            })
            .collect();
        let exerted = exert(arguments, server, &events, strain, end);
        over.store(true, Ordering::Relaxed);
        let good = joined(good)?;
        let (strained, taken) = exerted?;
        Ok(Outcome { good, strained, taken })
    })
}

fn exert(
    arguments: &Arguments,
    server: &Server,
    events: &Events,
    strain: &Strain,
    end: Instant,
) -> Result<(Tally, Taken), Error> {
    let heard = match strain {
        Strain::None => Tally::default(),
        Strain::Crowd(count, manners) => {
            let mut crowd = Crowd::new(server.address, *count, manners);
            while Instant::now() < end {
                let turn = Instant::now();
                crowd.turn();
                std::thread::sleep(DRIP_EVERY.saturating_sub(turn.elapsed()));
            }
            println!("  {} connected at the end", crowd.connected());
            let taken = server.takes()?;
            return Ok((crowd.heard, taken));
        }
        Strain::Large => {
            let large = || Ok(delivery(&events.large(LARGEST_BODY)?));
            send(server, LARGE_CONNECTIONS, LARGE_BODIES, end, &large)?
        }
        Strain::Burst => {
            let start = Instant::now();
            let small = || Ok(delivery(&events.first()?.1));
            let heard = send(server, arguments.connections, arguments.burst, end, &small)?;
            println!("  took {:.1} s", start.elapsed().as_secs_f64());
            heard
        }
    };
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    Ok((heard, server.takes()?))
}

/// Good deliveries at an easy pace until it is over.
fn deliver(
    server: &Server,
    events: &Events,
    over: &AtomicBool,
    keeps: bool,
) -> Result<Tally, Error> {
    let (mut client, mut tally) = (Client::new(server.address), Tally::default());
    while !over.load(Ordering::Relaxed) {
        let request = delivery(&events.first()?.1);
        let start = Instant::now();
        tally.note(start, &client.ask(&request));
        if !keeps {
            client.hang_up();
        }
        std::thread::sleep(GOOD_EVERY.saturating_sub(start.elapsed()));
    }
    Ok(tally)
}

/// So many requests over so many connections, each sending the next when the last was answered.
fn send(
    server: &Server,
    connections: usize,
    count: usize,
    end: Instant,
    request: &(impl Fn() -> Result<Vec<u8>, Error> + Sync),
) -> Result<Tally, Error> {
    let sent = AtomicUsize::new(0);
    let one = || {
        let (mut client, mut tally) = (Client::new(server.address), Tally::default());
        while Instant::now() < end && sent.fetch_add(1, Ordering::Relaxed) < count {
            let request = request()?;
            tally.note(Instant::now(), &client.ask(&request));
        }
        Ok(tally)
    };
    std::thread::scope(|scope| {
        let spawn = |_| Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, one);
        joined((0..connections).map(spawn).collect::<Result<_, _>>()?)
    })
}

fn joined(parts: Vec<ScopedJoinHandle<'_, Result<Tally, Error>>>) -> Result<Tally, Error> {
    let mut all = Tally::default();
    for part in parts {
        all.add(part.join().map_err(|_| "a client panicked")??);
    }
    Ok(all)
}
