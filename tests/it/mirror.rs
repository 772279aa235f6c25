//! A reader that only follows the change feed, while the server is killed again and again, ends
//! with a mirror of all that the server shows.
//!
//! `scripts/mirror` runs it for longer: `BURSAR_MIRROR_EVENTS` says how many events.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{Connection, Place, READER, Server};
use crate::support::events::{account, of, payout, restricted, topup, transfer};
use crate::support::{EventStream, Told, now, with};

/// Events of a run that nobody asked to be longer.
const EVENTS: usize = 3_000;
const EVENTS_PER_KILL: usize = 500;
const DELIVERERS: usize = 16;
/// The events lie within so many seconds: many share one, and most come late.
const SECONDS: i64 = 5_000;
/// How long a reader listens to a stream that tells nothing.
const SILENCE: Duration = Duration::from_millis(100);

#[test]
fn a_mirror_of_the_feed_equals_the_reads_after_many_kills() {
    let events = std::env::var_os("BURSAR_MIRROR_EVENTS")
        .map_or(EVENTS, |text| text.to_str().and_then(|text| text.parse().ok()).unwrap());
    let seed = fastrand::u64(..);
    eprintln!("a mirror of {events} events: seed {seed}");
    let (place, start) = (Place::new(), Instant::now());
    let run = Run::new(events, seed);
    let (mirror, server) = run.through_kills(&place);

    assert_eq!(mirror.objects, shown(&server), "seed {seed}");
    assert_eq!(mirror.sequences, feed(&server), "seed {seed}");
    assert!(mirror.objects.len() > events / 50 && mirror.sequences.len() > events / 5);
    server.stop();
    place.run(&["rebuild", "--check"]).expect(0).says(&["no differences"]);
    place.run(&["rebuild"]).expect(0);
    let server = place.serve();
    assert_eq!(mirror.sequences, feed(&server), "after a rebuild, seed {seed}");
    server.stop();
    eprintln!(
        "{events} events, {} killed servers, {} entries about {} objects: {} polls, {} waits, \
         {} streams, {} of them cut off, {:.0} s",
        run.kills(),
        mirror.sequences.len(),
        mirror.objects.len(),
        mirror.polls,
        mirror.waits,
        mirror.streams,
        mirror.cut_off,
        start.elapsed().as_secs_f32(),
    );
}

/// What all threads share.
struct Run {
    events: usize,
    seed: u64,
    state: Mutex<State>,
    changed: Condvar,
    next_event: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Where the server is, while there is one.
    address: Option<SocketAddr>,
    acknowledged: usize,
    /// A thread has failed: no other needs to go on.
    failed: bool,
}

/// Tells the other threads of the failure of this one.
struct Alarm<'a>(&'a Run);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.change(|state| state.failed = true);
        }
    }
}

impl Run {
    fn new(events: usize, seed: u64) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { events, seed, state, changed, next_event: AtomicUsize::new(0) }
    }

    fn kills(&self) -> usize {
        self.events / EVENTS_PER_KILL
    }

    /// Delivers everything to one server after the other; answers the mirror and the last server.
    fn through_kills(&self, place: &Place) -> (Mirror, Server) {
        std::thread::scope(|threads| {
            let _alarm = Alarm(self);
            let following = threads.spawn(|| Mirror::follow(self));
            for _ in 0..DELIVERERS {
                threads.spawn(|| self.deliver());
            }
            let mut random = fastrand::Rng::with_seed(self.seed);
            let mut moments: Vec<usize> =
                (0..self.kills()).map(|_| random.usize(0..self.events)).collect();
            moments.sort_unstable();
            let mut server = self.serve(place);
            for moment in moments {
                self.until(|state| (state.acknowledged >= moment).then_some(()));
                self.change(|state| state.address = None);
                server.kill_nine().expect(-9);
                server = self.serve(place);
            }
            (following.join().unwrap(), server)
        })
    }

    fn serve(&self, place: &Place) -> Server {
        let server = place.serve();
        self.change(|state| state.address = Some(server.address));
        server
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn until<T>(&self, ready: impl Fn(&State) -> Option<T>) -> T {
        let mut state = self.state.lock().unwrap();
        loop {
            match ready(&state) {
                Some(is) => return is,
                None if state.failed => break,
                None => state = self.changed.wait(state).unwrap(),
            }
        }
        // Not under the lock, which the others need.
        drop(state);
        panic!("another thread has failed")
    }

    fn address(&self) -> SocketAddr {
        self.until(|state| state.address.filter(|_| !state.failed))
    }

    fn is_all_delivered(&self) -> bool {
        self.state.lock().unwrap().acknowledged == self.events
    }

    /// Delivers events until none is left, each until it is acknowledged.
    fn deliver(&self) {
        let _alarm = Alarm(self);
        let mut connection = None;
        loop {
            let number = self.next_event.fetch_add(1, Ordering::Relaxed);
            if number >= self.events {
                return;
            }
            let body = event(self.seed, number).to_string();
            loop {
                let kept = connection.take().map_or_else(|| Connection::to(self.address()), Ok);
                let delivered = kept.and_then(|mut kept| {
                    let answer = kept.deliver(body.as_bytes())?;
                    Ok((kept, answer))
                });
                if let Ok((kept, answer)) = delivered {
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    connection = Some(kept);
                    break;
                }
            }
            self.change(|state| state.acknowledged += 1);
        }
    }
}

/// Some report about some object, at some time.
fn event(seed: u64, number: usize) -> Value {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
    let object = random.u32(0..200) + u32::try_from(number / 5_000).unwrap() * 200;
    let report = match random.u8(0..5) {
        0 => account(&format!("acct_{object}")),
        1 => restricted(&format!("acct_{object}")),
        2 => {
            let status = ["pending", "succeeded", "failed", "reversed"][random.usize(0..4)];
            topup(&format!("tu_{object}"), "succeeded", status)
        }
        3 => transfer(&format!("tr_{object}"), "reversed", random.i64(0..=10) * 100),
        _ => {
            let status = ["pending", "in_transit", "paid", "failed"][random.usize(0..4)];
            let report = payout(&format!("po_{object}"), "updated", status);
            if random.bool() { of(&format!("acct_{object}"), report) } else { report }
        }
    };
    let created = now() - random.i64(0..SECONDS);
    with(with(report, "id", json!(format!("evt_m{number}"))), "created", json!(created))
}

type Name = (String, Option<String>, String);

/// All that a follower knows of an object.
#[derive(Debug, PartialEq)]
struct Known {
    status: Value,
    payable: Value,
    ambiguous: bool,
    amount_reversed: Value,
    failed_after_paid: Value,
}

/// What a follower has made of the feed. It remembers only `place` (and `epoch`) of where it was.
#[derive(Default)]
struct Mirror {
    place: u64,
    epoch: Option<String>,
    objects: BTreeMap<Name, Known>,
    sequences: Vec<u64>,
    polls: usize,
    waits: usize,
    streams: usize,
    cut_off: usize,
}

impl Mirror {
    /// Follows in ever other ways until everything is delivered and seen.
    fn follow(run: &Run) -> Self {
        let _alarm = Alarm(run);
        let mut mirror = Self::default();
        let mut random = fastrand::Rng::with_seed(run.seed ^ 1);
        loop {
            let (is_last, address) = (run.is_all_delivered(), run.address());
            let before = mirror.place;
            let followed = match if is_last { 0 } else { random.u8(0..4) } {
                0 => mirror.poll(address, random.usize(1..=60), 0),
                1 => mirror.poll(address, random.usize(1..=60), random.u8(1..=2)),
                2 => mirror.stream(address, random.usize(1..60)),
                _ => mirror.hang_up(address),
            };
            mirror.cut_off += usize::from(followed.is_err());
            if is_last && followed.is_ok() && mirror.place == before {
                return mirror;
            }
        }
    }

    fn poll(&mut self, address: SocketAddr, limit: usize, wait: u8) -> std::io::Result<()> {
        self.polls += usize::from(wait == 0);
        self.waits += usize::from(wait > 0);
        let path = format!("/v1/changes?after={}&limit={limit}&wait={wait}", self.place);
        let answer = Connection::to(address)?.get(&(path + &self.epoch_known()), READER)?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = answer.json();
        self.same_epoch(&page);
        for entry in page["data"].as_array().unwrap() {
            self.take(entry);
        }
        let next = page["next"].as_u64().unwrap();
        assert!(next >= self.place, "{next} after {}", self.place);
        self.place = next;
        Ok(())
    }

    /// Listens until so many events were told, or none for a moment; then goes without a word.
    fn stream(&mut self, address: SocketAddr, events: usize) -> std::io::Result<()> {
        self.streams += 1;
        let path = "/v1/changes/stream?after=0".to_owned() + &self.epoch_known();
        let last = format!("Last-Event-ID: {}\r\n", self.place);
        let mut stream = EventStream::open(address, &path, READER, &last)?;
        stream.wait_at_most(SILENCE)?;
        for _ in 0..events {
            if let Some(Told::Change { id, change }) = stream.told()? {
                self.same_epoch(&change);
                self.take(&change);
                assert_eq!(id, self.place);
            }
        }
        Ok(())
    }

    /// Asks, and is gone before the answer comes.
    fn hang_up(&mut self, address: SocketAddr) -> std::io::Result<()> {
        let path = format!("/v1/changes?after={}&wait=5", self.place);
        Connection::to(address)?.send(format!(
            "GET {path} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {READER}\r\n\r\n"
        ))
    }

    fn epoch_known(&self) -> String {
        self.epoch.as_ref().map_or(String::new(), |epoch| format!("&epoch={epoch}"))
    }

    fn same_epoch(&mut self, answer: &Value) {
        let epoch = answer["epoch"].as_str().unwrap();
        assert_eq!(self.epoch.get_or_insert_with(|| epoch.to_owned()), epoch);
    }

    /// Nothing was missed: the entry fits what is known of the object.
    #[track_caller]
    fn take(&mut self, entry: &Value) {
        let sequence = entry["sequence"].as_u64().unwrap();
        assert!(sequence > self.place, "{entry} after {}", self.place);
        self.place = sequence;
        self.sequences.push(sequence);
        let name = name(entry["kind"].as_str().unwrap(), entry);
        let known = self.objects.get(&name);
        let before = known.map_or((&Value::Null, &Value::Null), |it| (&it.status, &it.payable));
        assert_eq!((&entry["status_before"], &entry["payable_before"]), before, "{entry}");
        let known = Known {
            status: entry["status_after"].clone(),
            payable: entry["payable_after"].clone(),
            ambiguous: entry["ambiguous"].as_bool().unwrap(),
            amount_reversed: entry["amount_reversed"].clone(),
            failed_after_paid: entry["failed_after_paid"].clone(),
        };
        self.objects.insert(name, known);
    }
}

/// The account an object belongs to is a part of a payout's name only.
fn name(kind: &str, of: &Value) -> Name {
    let owner = of["account"].as_str().filter(|_| kind == "payout");
    (kind.to_owned(), owner.map(str::to_owned), of["id"].as_str().unwrap().to_owned())
}

/// What the server's own reads show of all objects.
fn shown(server: &Server) -> BTreeMap<Name, Known> {
    let mut shown = BTreeMap::new();
    for kind in ["account", "topup", "transfer", "payout"] {
        let mut query = String::new();
        loop {
            let page = server.read(&format!("/v1/{kind}s?limit=500{query}"));
            for object in page["data"].as_array().unwrap() {
                let known = Known {
                    status: object["status"].clone(),
                    payable: object["payable"].clone(),
                    ambiguous: object["ambiguous"].as_bool().unwrap_or(false),
                    amount_reversed: object["amount_reversed"].clone(),
                    failed_after_paid: object["failed_after_paid"].clone(),
                };
                shown.insert(name(kind, object), known);
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => query = format!("&cursor={cursor}"),
                None => break,
            }
        }
    }
    shown
}

/// The sequences of the whole feed.
fn feed(server: &Server) -> Vec<u64> {
    let (mut after, mut sequences) = (0, Vec::new());
    loop {
        let page = server.read(&format!("/v1/changes?limit=500&after={after}"));
        let entries = page["data"].as_array().unwrap();
        sequences.extend(entries.iter().map(|entry| entry["sequence"].as_u64().unwrap()));
        let next = page["next"].as_u64().unwrap();
        if next == after {
            return sequences;
        }
        after = next;
    }
}
