//! kill -9 under load: what was acknowledged is there, once, whatever the moment.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

/// Kills while an account is erased.
mod erasure;
/// Kills at named points.
mod points;

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::load::{Load, Told, lock, stored, whole};
use crate::process::{Connection, LIMIT, Place, Process, READER, Server, all_stories, payout};
use crate::torture;

/// Kills at random moments in the suite; `scripts/torture` makes more.
const KILLS: usize = 6;
const CLIENTS: usize = 6;
/// The moment of a kill lies within this time.
const LOAD: Duration = Duration::from_millis(600);

#[test]
fn nothing_acknowledged_is_lost_or_counted_twice_by_kill_nine() {
    let (kills, seed) = (torture::asked("KILLS", KILLS), torture::seed("kill -9 under load"));
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new();
    let told = Mutex::new(Told::default());
    for round in 0..kills {
        let server = place.serve();
        check(&server, &lock(&told), seed);
        let moment = LOAD.mul_f64(random.f64());
        load_and_kill(server, moment, round, &told);
        // In the other rounds the next server is the first to see what the kill has left.
        if round % 2 == 0 {
            place.run(&["verify"]).expect(0).says(&["no faults"]);
            place.run(&["rebuild", "--check"]).expect(0).says(&["no differences"]);
        }
    }
    place.run(&["verify"]).expect(0).says(&["no faults"]);
    let server = place.serve();
    let mut told = told.into_inner().unwrap();
    check(&server, &told, seed);
    // What got no answer is delivered again, as Stripe does, and then counts once.
    let mut connection = server.connect();
    for name in std::mem::take(&mut told.open) {
        let outcome = connection.deliver(&payout(&name)).unwrap().outcome();
        assert!(outcome == "applied" || outcome == "duplicate", "{name}: {outcome}, seed {seed}");
        told.acknowledged.insert(name);
    }
    check(&server, &told, seed);
    let stored = stored(&server);
    assert_eq!(stored.len(), told.acknowledged.len(), "seed {seed}");
    assert!(told.acknowledged.len() > kills, "too little was delivered to say anything");
    server.stop();
    place.run(&["verify"]).expect(0).says(&["no faults"]);
    torture::row("kill -9 at random moments", kills, told.acknowledged.len(), 0);
}

/// Delivers over kept connections until the server is killed.
fn load_and_kill(server: Server, moment: Duration, round: usize, told: &Mutex<Told>) {
    let address = server.address;
    let load = Load {
        name: format!("k{round}"),
        clients: CLIENTS,
        each: usize::MAX,
        body: &payout,
        on_acknowledged: &|_| {},
    };
    std::thread::scope(|threads| {
        threads.spawn(|| load.deliver(address, told));
        std::thread::sleep(moment);
        server.kill_nine().expect(-9);
    });
}

#[track_caller]
fn check(server: &Server, told: &Told, seed: u64) {
    let stored = whole(server, &told.acknowledged).unwrap_or_else(|why| panic!("{why}, {seed}"));
    for name in stored.keys() {
        let sent = told.acknowledged.contains(name) || told.open.contains(name);
        assert!(sent, "nobody sent {name}, seed {seed}");
    }
    let newest: Option<Value> = server.read("/v1/payouts?limit=1")["data"].get(0).cloned();
    assert_eq!(newest.is_some(), !stored.is_empty());
}

/// Opening, making a store and recovering are cut off, too.
#[test]
fn a_start_that_is_killed_at_any_moment_can_be_repeated() {
    let seed = fastrand::u64(..);
    eprintln!("kill -9 during a start: seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new();
    for round in 0..12 {
        if round == 6 {
            let server = place.serve();
            assert_eq!(server.deliver(&payout("kept")).outcome(), "applied");
            server.kill_nine();
        }
        if round > 6 && random.bool() {
            std::fs::remove_dir_all(place.store().join("views")).ok();
        }
        let process = Process::start(place.command(&["serve"]));
        std::thread::sleep(Duration::from_micros(random.u64(0..60_000)));
        process.kill_nine();
    }
    let server = place.serve();
    assert_eq!(stored(&server).len(), 1, "seed {seed}");
    server.stop();
    place.run(&["verify"]).expect(0).says(&["1 journal record, 1 event ("]);
    place.run(&["rebuild", "--check"]).expect(0);
}

/// A limit on the length of files stands for the full disk; the journal's file is long already.
#[test]
fn a_server_that_cannot_write_what_is_derived_ends_and_loses_nothing() {
    let place = Place::new();
    place.serve().stop();
    let mut command = Command::new("/bin/sh");
    let limited = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" serve";
    let given = place.command(&["serve"]);
    command.args(["-c", limited]).arg(given.get_program()).env_clear();
    command.envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = place.serve_by(command);
    let told = Mutex::new(Told::default());
    let start = Instant::now();
    for number in 0.. {
        let name = format!("f{number}");
        let Ok(mut connection) = Connection::to(server.address) else { break };
        let Ok(answer) = connection.deliver(&payout(&name)) else { break };
        let mut told = lock(&told);
        if answer.status == 200 {
            told.acknowledged.insert(name);
        } else {
            std::thread::sleep(Duration::from_millis(20));
            assert!(start.elapsed() < LIMIT, "it goes on, but stores nothing");
        }
        // Now and then nothing is to be written, and the next to touch sled is a read.
        if number % 100 == 99 {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    server.process.until_it_says("derived records cannot be written");
    server.process.end().expect(1);
    let told = told.into_inner().expect("a sound lock");
    let server = place.serve();
    let stored = stored(&server);
    for name in &told.acknowledged {
        assert_eq!(stored.get(name), Some(&1), "{name} was acknowledged");
    }
    server.stop();
    place.run(&["verify"]).expect(0).says(&["no faults"]);
}

/// Kills lie everywhere between the first new row and the end.
#[test]
fn a_rebuild_that_is_killed_leaves_what_was_read_before() {
    let seed = fastrand::u64(..);
    eprintln!("kill -9 during a rebuild: seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new();
    let server = place.serve();
    let mut connection = server.connect();
    for body in all_stories() {
        connection.deliver(&body).expect("an answer").outcome();
    }
    let before = shown(&server);
    server.stop();
    let new = place.store().join("views.new");
    let mut in_the_middle = 0;
    for _ in 0..KILLS {
        let rebuild = Process::start(place.command(&["rebuild"]));
        let start = Instant::now();
        while !new.exists() && start.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(random.u64(0..50_000)));
        rebuild.kill_nine();
        in_the_middle += u32::from(new.exists());
        let server = place.serve();
        assert!(!new.exists(), "what was begun is cleared away");
        assert_eq!(shown(&server), before, "seed {seed}");
        server.kill_nine().expect(-9);
    }
    assert!(in_the_middle > 0, "no rebuild was under way when it was killed");
    place.run(&["verify"]).expect(0).says(&["no faults"]);
    place.run(&["rebuild"]).expect(0);
    assert_eq!(shown(&place.serve()), before);
}

fn shown(server: &Server) -> (Vec<Value>, Value, Value) {
    let changes = server.read("/v1/changes?limit=500");
    let mut summary = server.read("/v1/summary");
    // When a secret was last used is told of one process alone.
    summary.as_object_mut().expect("an object").shift_remove("secrets");
    (server.events(), changes, summary)
}

/// Reads during the load show each acknowledged event at once.
#[test]
fn an_acknowledged_event_is_seen_by_the_next_read() {
    let place = Place::new();
    let server = place.serve();
    std::thread::scope(|threads| {
        for client in 0..3 {
            let (mut writer, mut reader) = (server.connect(), server.connect());
            threads.spawn(move || {
                for number in 0..40 {
                    let name = format!("w{client}_{number}");
                    writer.deliver(&payout(&name)).expect("an answer").outcome();
                    let path = format!("/v1/payouts/po_{name}?account=acct_1TQx8RGh4NwJ6pLd");
                    let answer = reader.get(&path, READER).expect("an answer");
                    assert_eq!(answer.status, 200, "{name}");
                }
            });
        }
    });
    server.stop();
}
