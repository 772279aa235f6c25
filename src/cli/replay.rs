//! `bursar replay`

use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::client::{Answer, Server};
use crate::cli::count::{Outcomes, counted};
use crate::cli::meter::Meter;
use crate::cli::remote::Place;
use crate::cli::settings::{Nearby, Reads, SettingFlags};
use crate::cli::{Failure, block_on, remote};
use crate::clock;
use crate::config::{Checker, NamedSecret};
use crate::stripe::signature::sign;

/// What one request to `POST /v1/replays` carries.
const EVENTS_PER_REQUEST: usize = 200;
const BYTES_PER_REQUEST: usize = 8 << 20;
/// Just under what the server takes in one replay.
const BYTES_PER_PREVIEW: usize = 31 << 20;

/// Deliver event files to a running server
///
/// A PATH is a .json file with one event or an array of events, a .jsonl file with one a line,
/// or a folder of such files, walked in name order.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bursar replay fixtures/events --token $TOKEN\n  bursar replay events.jsonl --dry-run\n  bursar replay fixtures/events --sign --shuffle 7 --duplicate 1"
)]
pub struct Arguments {
    /// Event files, and folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[arg(long, help = remote::URL_HELP)]
    url: Option<String>,
    #[arg(long, help = "Token with the role operator [env: BURSAR_TOKEN]")]
    token: Option<String>,
    #[arg(long, value_name = "FILE", help = remote::CA_HELP)]
    ca: Option<String>,
    /// Deliver through the webhook route, signed with a webhook secret
    #[arg(long, conflicts_with = "dry_run")]
    sign: bool,
    /// Name of the secret to sign with [default: the first]
    #[arg(long, value_name = "NAME", requires = "sign")]
    secret: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Deliver in an order that this number decides
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,
    /// Deliver every event this many times more
    #[arg(long, value_name = "N", default_value_t = 0)]
    duplicate: usize,
    #[command(flatten)]
    settings: SettingFlags<Read>,
}

/// Where the server is, and what to sign with.
struct Read;

impl Reads for Read {
    fn reads(setting: &str) -> bool {
        Nearby::reads(setting) || setting == "webhook_secrets"
    }
}

/// What came of a replay.
#[derive(Default)]
struct Tally {
    /// To be delivered.
    events: usize,
    outcomes: Outcomes,
    refused: Vec<String>,
    meter: Meter,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.settings.gather();
    let mut checker = Checker::new(&settings);
    let place = Place::of(arguments.url.as_ref(), arguments.ca.as_ref(), &mut checker);
    let token = arguments.token.clone().or_else(|| checker.optional("token"));
    let secrets = if arguments.sign { checker.webhook_secrets() } else { None };
    checker.finish()?;
    let place = place.ok_or(Failure::Said)?;

    let mut events = Vec::new();
    for path in &arguments.paths {
        read_path(path, &mut events)?;
    }
    if events.is_empty() {
        return Err(Failure::Usage("no event files were found there".to_owned()));
    }
    let mut tally = Tally::new(events.len() * (arguments.duplicate + 1));
    events.retain(|event| {
        // Two events in a row would be taken for two when several files travel together.
        let whole = serde_json::from_str::<&RawValue>(&event.body);
        tally.refused.extend(whole.as_ref().err().map(|error| format!("{}: {error}", event.place)));
        whole.is_ok()
    });
    let order = arguments.order(&events);
    let result = block_on(async {
        let server = place.server()?;
        match secrets {
            Some(secrets) => {
                let secret = choose(secrets, arguments.secret.as_deref())?;
                deliver(&server, &secret, &order, &mut tally).await
            }
            None => post(&server, token, arguments.dry_run, &order, &mut tally).await,
        }
    });
    result.map_err(|failure| tally.cut_off(failure))?;
    tally.report(arguments.dry_run)
}

impl Arguments {
    /// The events as they are to be delivered.
    fn order<'a>(&self, events: &'a [Event]) -> Vec<&'a Event> {
        let each = |event| std::iter::repeat_n(event, self.duplicate + 1);
        let mut order: Vec<&Event> = events.iter().flat_map(each).collect();
        if let Some(seed) = self.shuffle {
            fastrand::Rng::with_seed(seed).shuffle(&mut order);
        }
        order
    }
}

fn choose(secrets: Vec<NamedSecret>, name: Option<&str>) -> Result<NamedSecret, Failure> {
    let names: Vec<String> = secrets.iter().map(|secret| secret.name.clone()).collect();
    let wanted = |secret: &NamedSecret| name.is_none_or(|name| secret.name == name);
    secrets.into_iter().find(wanted).ok_or_else(|| {
        Failure::Usage(format!(
            "no webhook secret is named {}; there are: {}",
            name.unwrap_or_default(),
            names.join(", ")
        ))
    })
}

/// Delivers one by one, as Stripe would.
async fn deliver(
    server: &Server,
    secret: &NamedSecret,
    events: &[&Event],
    tally: &mut Tally,
) -> Result<(), Failure> {
    for event in events {
        let now = clock::now().signed_seconds();
        let signature = sign(secret.value.expose(), event.body.as_bytes(), now);
        let header = ("Stripe-Signature", signature);
        let answer = server.post("/webhooks/stripe", header, event.body.clone().into()).await?;
        if answer.is_success() {
            tally.count(answer.text("outcome"));
        } else {
            tally.refuse(event, &answer)?;
        }
    }
    Ok(())
}

/// Hands the events in through the operator's route, many at a time.
async fn post(
    server: &Server,
    token: Option<String>,
    dry_run: bool,
    events: &[&Event],
    tally: &mut Tally,
) -> Result<(), Failure> {
    let route = Route {
        server,
        path: if dry_run { "/v1/replays?dry_run=true" } else { "/v1/replays" },
        bearer: format!("Bearer {}", token.unwrap_or_default()),
    };
    // What one event would do depends on those before it: they are previewed together.
    let (most, most_bytes) = if dry_run {
        (usize::MAX, BYTES_PER_PREVIEW)
    } else {
        (EVENTS_PER_REQUEST, BYTES_PER_REQUEST)
    };
    let mut rest = events;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |event: &&&Event| {
            bytes += event.body.len() + 1;
            bytes <= most_bytes
        };
        let count = rest.iter().take(most).take_while(fits).count().max(1);
        let (chunk, later) = rest.split_at(count);
        rest = later;
        if dry_run && !rest.is_empty() && tally.outcomes.total() == 0 {
            eprintln!(
                "warning: these are too many events for one preview; each part is previewed on its own"
            );
        }
        route.hand_in(chunk, tally).await?;
    }
    Ok(())
}

/// Where events are handed in.
struct Route<'a> {
    server: &'a Server,
    path: &'static str,
    bearer: String,
}

impl Route<'_> {
    /// Hands in some events at once; when they are refused because of one, each by itself.
    async fn hand_in(&self, events: &[&Event], tally: &mut Tally) -> Result<(), Failure> {
        let answer = self.post(events).await?;
        match (answer.status, events) {
            _ if answer.is_success() => tally.count_all(&answer),
            (401 | 403, _) => {
                return Err(Failure::Failed(format!(
                    "{}; give a token with the role operator by --token or BURSAR_TOKEN",
                    answer.problem()
                )));
            }
            (400 | 413, [_, _, ..]) => {
                for event in events {
                    let answer = self.post(&[event]).await?;
                    if answer.is_success() {
                        tally.count_all(&answer);
                    } else {
                        tally.refuse(event, &answer)?;
                    }
                }
            }
            (_, [event, ..]) => tally.refuse(event, &answer)?,
            (_, []) => {}
        }
        Ok(())
    }

    async fn post(&self, events: &[&Event]) -> Result<Answer, Failure> {
        let header = ("Authorization", self.bearer.clone());
        self.server.post(self.path, header, body_of(events)).await
    }
}

fn body_of(events: &[&Event]) -> Vec<u8> {
    let bodies: Vec<&str> = events.iter().map(|event| event.body.as_str()).collect();
    format!("{{\"reason\":\"bursar replay\",\"events\":[{}]}}", bodies.join(",")).into_bytes()
}

impl Tally {
    fn new(events: usize) -> Self {
        Self { events, ..Self::default() }
    }

    fn count(&mut self, outcome: &str) {
        self.outcomes.count(outcome);
        let done = u64::try_from(self.outcomes.total()).unwrap_or(u64::MAX);
        self.meter.count("events delivered", done);
    }

    /// An event that is not taken is noted; a server that takes none ends the replay.
    fn refuse(&mut self, event: &Event, answer: &Answer) -> Result<(), Failure> {
        if answer.status >= 500 {
            return Err(Failure::Failed(answer.problem()));
        }
        self.refused.push(format!("{}: {}", event.place, answer.problem()));
        Ok(())
    }

    /// How far a replay came that could not go on.
    fn cut_off(&self, failure: Failure) -> Failure {
        let done = self.outcomes.total();
        match failure {
            Failure::Failed(why) if done > 0 => Failure::Failed(format!(
                "{why}\ndelivered {done} of {} before that; replay again, which does no harm",
                counted(self.events, "event")
            )),
            Failure::Failed(why) if why.contains("cannot be reached") => {
                Failure::Failed(format!("{why} (--url or BURSAR_URL names another server)"))
            }
            other @ (Failure::Usage(_) | Failure::Failed(_) | Failure::Said) => other,
        }
    }

    fn count_all(&mut self, answer: &Answer) {
        let results = answer.json.get("results").and_then(Value::as_array);
        for result in results.into_iter().flatten() {
            self.count(result.get("outcome").and_then(Value::as_str).unwrap_or("unknown"));
        }
    }

    fn report(mut self, dry_run: bool) -> Result<(), Failure> {
        std::mem::take(&mut self.meter).clear();
        println!("{}", self.outcomes.told(if dry_run { "would deliver" } else { "delivered" }));
        if self.outcomes.of("parked") > 0 {
            eprintln!(
                "warning: parked events were stored but could not be used; GET /v1/events?outcome=parked says why"
            );
        }
        if self.refused.is_empty() {
            return Ok(());
        }
        self.refused.iter().for_each(|refused| eprintln!("refused: {refused}"));
        Err(Failure::Failed(format!("events that were refused: {}", self.refused.len())))
    }
}

/// An event file's event, byte for byte, and where it stands.
struct Event {
    place: String,
    body: String,
}

fn read_path(path: &Path, events: &mut Vec<Event>) -> Result<(), Failure> {
    if !path.is_dir() {
        return read_file(path, events);
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(|error| unreadable(path, &error))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_events =
            path.extension().is_some_and(|ending| ending == "json" || ending == "jsonl");
        if path.is_dir() || is_events {
            read_path(&path, events)?;
        }
    }
    Ok(())
}

fn read_file(path: &Path, events: &mut Vec<Event>) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    if path.extension().is_some_and(|ending| ending == "jsonl") {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        events.extend(lines.map(|(index, line)| Event {
            place: format!("{} line {}", path.display(), index + 1),
            body: line.to_owned(),
        }));
        return Ok(());
    }
    if !text.trim_start().starts_with('[') {
        events.push(Event { place: path.display().to_string(), body: text });
        return Ok(());
    }
    let items: Vec<&RawValue> = serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!("{} is not an array of events: {error}", path.display()))
    })?;
    events.extend(items.into_iter().enumerate().map(|(index, item)| Event {
        place: format!("{} item {index}", path.display()),
        body: item.get().to_owned(),
    }));
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("{} cannot be read: {error}", path.display()))
}
