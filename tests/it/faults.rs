//! A full disk, a broken one and a slow one, under the real server: never a 2xx for what is not
//! stored, and what can heal heals without a new start.
//!
//! The disk is `tests/shim/disk.c`. `scripts/torture` goes round more often.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::load::{Load, Told, lock, whole};
use crate::process::{
    Answer, Connection, Ended, LIMIT, Place, Server, TAKES_LARGE, large_payout, padded_payout,
    payout, run, text,
};
use crate::shim::Shim;
use crate::torture;

/// Nothing can be written, and the disk says so when it is asked.
const FULL: &[&str] = &["f * 1 0 ENOSPC", "cwram * 1 0 ENOSPC"];

/// How often each fault is met in the suite.
const ROUNDS: usize = 1;

/// A store on a disk that can fail.
struct Faulty {
    place: Place,
    shim: Shim,
    told: Mutex<Told>,
    sent: AtomicUsize,
}

impl Faulty {
    /// With some events in it, all written.
    fn new() -> Self {
        let place = Place::new();
        let shim = Shim::over(&place.path(""));
        let faulty = Self { place, shim, told: Mutex::default(), sent: AtomicUsize::new(0) };
        let server = faulty.serve();
        faulty.load(&server, 4, 5);
        server.stop();
        faulty
    }

    fn serve(&self) -> Server {
        self.try_serve().unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
    }

    fn try_serve(&self) -> Result<Server, Ended> {
        let mut command = self.place.command(&["serve"]);
        command.envs([TAKES_LARGE]);
        self.place.try_serve_by(self.shim.under(command))
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        run(self.shim.under(self.place.command(arguments)))
    }

    fn load(&self, server: &Server, clients: usize, each: usize) {
        let name = format!("f{}", self.sent.fetch_add(1, Ordering::Relaxed));
        let load = Load { name, clients, each, body: &payout, on_acknowledged: &|_| {} };
        load.deliver(server.address, &self.told);
    }

    /// Delivers a new event, and takes note when it is acknowledged.
    fn deliver(&self, to: SocketAddr, body: impl Fn(&str) -> Vec<u8>) -> Answer {
        let name = format!("d{}", self.sent.fetch_add(1, Ordering::Relaxed));
        let body = body(&name);
        let mut connection = Connection::to(to).expect("a connection");
        let answer = connection.deliver(&body).expect("an answer");
        if answer.status == 200 {
            lock(&self.told).acknowledged.insert(name);
        }
        answer
    }

    #[track_caller]
    fn refuses(&self, server: &Server) {
        let answer = self.deliver(server.address, payout);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.json()["code"], "store_unavailable");
    }

    #[track_caller]
    fn takes(&self, server: &Server) {
        let answer = self.deliver(server.address, payout);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// On a sound disk again: whether what was acknowledged is there, once. Answers how many.
    #[track_caller]
    fn restarted(self) -> usize {
        self.shim.rules(&[]);
        let server = self.serve();
        let told = lock(&self.told);
        whole(&server, &told.acknowledged).unwrap_or_else(|why| panic!("{why}"));
        server.stop();
        self.run(&["verify"]).expect(0).says(&["no faults"]);
        told.acknowledged.len()
    }
}

/// Does the same in new stores, and tells how often and what came of it.
fn rounds(name: &str, round: impl Fn() -> usize) {
    let rounds = torture::asked("FAULTS", ROUNDS);
    let acknowledged = (0..rounds).map(|_| round()).sum();
    torture::row(name, rounds, acknowledged, 0);
}

#[track_caller]
fn still_reads(server: &Server) {
    assert!(!server.events().is_empty());
    assert!(server.read("/v1/summary")["payouts"]["pending"].as_u64().unwrap() > 0);
}

#[test]
fn a_full_disk_is_answered_with_503_and_heals_without_a_new_start() {
    rounds("the disk is full, and has room again", || {
        let faulty = Faulty::new();
        for _ in 0..2 {
            let server = faulty.serve();
            faulty.shim.rules(FULL);
            faulty.refuses(&server);
            assert_eq!(server.get("/readyz", "").status, 503);
            still_reads(&server);
            faulty.shim.rules(&[]);
            assert_eq!(server.get("/readyz", "").status, 200);
            faulty.load(&server, 8, 8);
            // What was just taken is still to be written, so the reserve must be there.
            faulty.shim.rules(&["f * 1 0 ENOSPC"]);
            faulty.refuses(&server);
            still_reads(&server);
            faulty.shim.rules(&[]);
            faulty.takes(&server);
            // In order, so that the next server has nothing left to write when the disk is full.
            server.stop();
        }
        faulty.restarted()
    });
}

#[test]
fn a_journal_that_cannot_be_appended_to_is_answered_with_503_and_heals() {
    let failures: [&[&str]; 4] = [
        &["w store/journal/* 1 1 ENOSPC"],
        &["w store/journal/* 1 1 EIO"],
        &["w store/journal/* 1 1 short", "w store/journal/* 2 1 ENOSPC"],
        // Clearing up fails as well, and must come before the next batch.
        &["w store/journal/* 1 1 short", "w store/journal/* 2 0 EIO"],
    ];
    rounds("appending to the journal fails: ENOSPC, EIO, a short write", || {
        let faulty = Faulty::new();
        let server = faulty.serve();
        for rules in failures {
            faulty.shim.rules(rules);
            faulty.refuses(&server);
            still_reads(&server);
            faulty.shim.rules(&[]);
            faulty.takes(&server);
            faulty.load(&server, 4, 4);
        }
        // The process dies with half a batch that nobody could clear away.
        faulty.shim.rules(failures[3]);
        faulty.refuses(&server);
        server.kill_nine().expect(-9);
        faulty.restarted()
    });
}

#[test]
fn a_journal_that_gets_no_new_file_is_answered_with_503_and_heals() {
    rounds("no room for the journal's next file", || {
        let faulty = Faulty::new();
        let server = faulty.serve();
        faulty.shim.rules(&["a store/journal/* 1 0 ENOSPC"]);
        while faulty.deliver(server.address, large_payout).status == 200 {}
        // Only what does not fit into the rest of the file is refused.
        faulty.takes(&server);
        assert_eq!(faulty.deliver(server.address, large_payout).status, 503);
        faulty.shim.rules(&[]);
        assert_eq!(faulty.deliver(server.address, large_payout).status, 200);
        server.kill_nine().expect(-9);
        faulty.restarted()
    });
}

#[test]
fn a_sync_that_fails_ends_the_process_and_nothing_unsynced_is_acknowledged() {
    rounds("syncing the journal fails: EIO", || {
        let faulty = Faulty::new();
        for turn in [1, 2, 5] {
            let server = faulty.serve();
            faulty.shim.rules(&[&format!("s store/journal/*.journal {turn} 0 EIO")]);
            faulty.load(&server, 6, 8);
            server.process.end().expect(1).says(&["the disk did not confirm a write"]);
            faulty.shim.rules(&[]);
        }
        faulty.restarted()
    });
}

#[test]
fn a_sled_that_cannot_write_ends_the_process_and_a_new_start_helps() {
    rounds("writing derived records fails: ENOSPC, EIO", || {
        let faulty = Faulty::new();
        for rule in ["w store/views/* 1 0 ENOSPC", "w store/views/db 1 0 EIO"] {
            let server = faulty.serve();
            faulty.shim.rules(&[rule]);
            faulty.load(&server, 2, usize::MAX);
            server.process.end().expect(1).says(&["derived records cannot be written"]);
            faulty.shim.rules(&[]);
        }
        // While the disk is full no start works, and none does harm.
        faulty.shim.rules(FULL);
        let ended = faulty.try_serve().err().expect("no start");
        ended.expect(1).says(&["No space left on device"]);
        faulty.restarted()
    });
}

#[test]
fn commands_without_room_fail_and_leave_the_store_as_it_was() {
    rounds("no room for a rebuild or an import", || {
        let (faulty, other) = (Faulty::new(), Faulty::new());
        for rule in ["m store/views.new 1 0 ENOSPC", "w store/views.new/* 3 0 ENOSPC"] {
            faulty.shim.rules(&[rule]);
            faulty.run(&["rebuild"]).expect(1).says(&["No space left on device"]);
        }
        faulty.shim.rules(&[]);
        let file = faulty.place.path("events.jsonl");
        other.run(&["export", text(&file)]).expect(0);
        faulty.shim.rules(&["f store* 1 0 ENOSPC"]);
        faulty.run(&["import", text(&file)]).expect(1).says(&["the disk is full"]);
        faulty.restarted()
    });
}

/// Bytes of an event of which some dozens fill the queue, and deliveries that are more than fit.
const STALLED_BYTES: usize = 1 << 20;
const STALLED: usize = 120;
/// What there is room for.
const FIT: usize = 64;
/// Deliveries that come when the queue is full already.
const LATER: usize = 60;
/// What those may add to the memory in use: less than their bodies, were they kept.
const LATER_BYTES: usize = 32 << 20;

#[test]
fn a_disk_that_does_not_answer_fills_the_queue_and_no_more_and_reads_go_on() {
    rounds("the disk does not answer a sync of the journal", || {
        let faulty = Faulty::new();
        let server = faulty.serve();
        faulty.shim.rules(&["s store/journal/*.journal 1 0 hold"]);
        let (address, answers) = (server.address, Answers::default());
        std::thread::scope(|threads| {
            let deliver = |count: usize| {
                for _ in 0..count {
                    threads.spawn(|| answers.count(&faulty.deliver(address, stalled_payout)));
                }
            };
            deliver(STALLED);
            until(|| answers.refused() >= STALLED - FIT);
            still_reads(&server);
            let before = server.process.resident_bytes();
            deliver(LATER);
            until(|| answers.refused() >= STALLED + LATER - FIT);
            let more = server.process.resident_bytes().saturating_sub(before);
            assert!(more < LATER_BYTES, "{more} bytes more, while nothing was taken");
            assert_eq!(answers.taken(), 0, "nothing is acknowledged meanwhile");
            faulty.shim.rules(&[]);
        });
        assert_eq!(answers.taken() + answers.refused(), STALLED + LATER);
        assert!(answers.taken() > 0, "what was in the queue is stored in the end");
        faulty.takes(&server);
        server.kill_nine().expect(-9);
        faulty.restarted()
    });
}

fn stalled_payout(name: &str) -> Vec<u8> {
    padded_payout(name, STALLED_BYTES)
}

/// How often the answer was a 200, and how often it was that the queue is full.
#[derive(Default)]
struct Answers {
    taken: AtomicUsize,
    refused: AtomicUsize,
}

impl Answers {
    #[track_caller]
    fn count(&self, answer: &Answer) {
        if answer.status == 200 {
            self.taken.fetch_add(1, Ordering::SeqCst);
            return;
        }
        assert_eq!(answer.json()["code"], "overloaded");
        assert_eq!(answer.header("retry-after"), Some("1"));
        self.refused.fetch_add(1, Ordering::SeqCst);
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

#[test]
fn deliveries_and_reads_do_not_wait_for_a_disk_that_does_not_answer_sled() {
    rounds("the disk does not answer writes of derived records", || {
        let faulty = Faulty::new();
        let server = faulty.serve();
        faulty.shim.rules(&["wsrc store/views/* 1 0 hold"]);
        faulty.load(&server, 8, 10);
        still_reads(&server);
        let told = lock(&faulty.told).acknowledged.len();
        assert_eq!(server.events().len(), told, "each is shown at once");
        server.kill_nine().expect(-9);
        faulty.restarted()
    });
}

#[track_caller]
fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "it never comes to that");
        std::thread::yield_now();
    }
}
