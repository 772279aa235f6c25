//! Power loss: a server's life is written down, cut at some moment, and what the disk may then
//! hold is opened by the real binary. What was acknowledged before the cut must be there, once.
//!
//! `scripts/torture` makes more cuts. A failed run keeps what it wrote down, and says how to make
//! the same cuts again.

/// The disk that loses power.
mod disk;
/// What was written down.
mod recording;
/// What that disk keeps and loses.
mod rules;

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;

use fastrand::Rng;
use serde_json::json;

use crate::load::{Load, whole};
use crate::process::{OPERATOR, Place, Server, TAKES_LARGE, large_payout, payout, payout_of, run};
use crate::shim::Shim;
use crate::support::Request;
use crate::support::markers::Markers;
use crate::torture;
use disk::Disk;
use recording::Recording;

/// Cuts in the suite.
const CUTS_OF_MANY_EVENTS: usize = 18;
const CUTS_OF_LARGE_EVENTS: usize = 7;
const CUTS_OF_AN_ERASURE: usize = 9;
const CUTS_OF_THE_CONTROL: usize = 8;

/// One of so many cuts is followed by a second one, while the first is recovered from.
const CUT_AGAIN: usize = 3;

/// Stands in the text of every event that is erased later.
const MARKER: &str = "mk7power";
/// Stands among what was acknowledged once the erasure was.
const ERASED: &str = "!erased";

/// Cuts that are looked at at the same time.
const AT_ONCE: usize = 4;

#[test]
fn what_was_acknowledged_before_a_power_loss_is_there_after_it() {
    let cuts = ("CUTS", CUTS_OF_MANY_EVENTS);
    survives_power_loss("power loss, batches of 1 to 500 events", cuts, || life_of_many(&[]));
}

#[test]
fn what_was_acknowledged_before_a_power_loss_is_there_when_the_journal_changed_its_file() {
    let cuts = ("LARGE_CUTS", CUTS_OF_LARGE_EVENTS);
    survives_power_loss("power loss, journal changes its file", cuts, life_of_large);
}

#[test]
fn what_was_erased_before_a_power_loss_is_nowhere_after_it_and_nothing_else_is_lost() {
    let cuts = ("ERASED_CUTS", CUTS_OF_AN_ERASURE);
    survives_power_loss("power loss, accounts are erased", cuts, life_of_erased);
}

/// The control: the same cuts find what is lost when the disk does not do as it is asked.
#[test]
fn without_syncs_of_the_journal_a_power_loss_loses_what_was_acknowledged() {
    let seed = torture::seed("power loss without syncs");
    let cuts = torture::asked("CONTROL_CUTS", CUTS_OF_THE_CONTROL);
    let record = life_of_many(&["s store/journal* 1 0 swallow"]);
    let Cuts { acknowledged, losses } = cut(&record, cuts, seed);
    torture::row(
        "control: power loss, syncs of the journal do nothing",
        cuts,
        acknowledged,
        losses.len(),
    );
    assert!(!losses.is_empty(), "the disk loses nothing, so that the other tests show nothing");
}

#[track_caller]
fn survives_power_loss(name: &str, (asked, enough): (&str, usize), live: impl FnOnce() -> Vec<u8>) {
    let (cuts, seed) = (torture::asked(asked, enough), torture::seed(name));
    let earlier = std::env::var_os("BURSAR_TORTURE_RECORD").map(PathBuf::from);
    let record = earlier.map_or_else(live, |path| std::fs::read(path).expect("a record"));
    let Cuts { acknowledged, losses } = cut(&record, cuts, seed);
    torture::row(name, cuts, acknowledged, losses.len());
    if losses.is_empty() {
        return;
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("power-{seed}"));
    std::fs::write(&kept, record).expect("a copy of the record");
    panic!(
        "{losses:#?}\nthe same cuts again: BURSAR_TORTURE_SEED={seed} BURSAR_TORTURE_{asked}={cuts} \
         BURSAR_TORTURE_RECORD={} cargo test --test it -- --exact {}",
        kept.display(),
        std::thread::current().name().unwrap_or_default(),
    );
}

/// What came of some cuts.
struct Cuts {
    /// How many acknowledged events were looked for, over all cuts.
    acknowledged: usize,
    losses: Vec<String>,
}

fn cut(record: &[u8], cuts: usize, seed: u64) -> Cuts {
    let mut random = Rng::with_seed(seed);
    let recording = Recording::read(record);
    let mut disk = Disk::empty(recording.root);
    let mut told = BTreeSet::new();
    let mut done = Cuts { acknowledged: 0, losses: Vec::new() };
    let mut next = 0;
    for moments in moments(&recording, cuts, &mut random).chunks(AT_ONCE) {
        let mut left = Vec::new();
        for &moment in moments {
            for &(at, entry) in &recording.entries[next..moment] {
                disk.take(at, entry);
                told.extend(entry.acknowledged());
            }
            next = moment;
            done.acknowledged += told.len();
            left.push(Left::by(&disk, Rng::with_seed(random.u64(..)), &told));
        }
        let opened = left.into_iter().map(|left| || left.opened());
        let wrong = at_once(opened).into_iter().zip(moments);
        done.losses.extend(wrong.filter_map(|(result, moment)| {
            result.err().map(|why| format!("cut before entry {moment}: {why}"))
        }));
    }
    done
}

/// Does all of it at the same time; the processes in it wait most of their time.
fn at_once<T: Send>(work: impl Iterator<Item = impl FnOnce() -> T + Send>) -> Vec<T> {
    std::thread::scope(|threads| {
        let running: Vec<_> = work.map(|work| threads.spawn(work)).collect();
        let ended = running.into_iter().map(ScopedJoinHandle::join);
        ended.map(|done| done.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Where to cut: anywhere, or soon after a file or a name has changed, which is seldom.
fn moments(recording: &Recording<'_>, cuts: usize, random: &mut Rng) -> Vec<usize> {
    let numbered = recording.entries.iter().enumerate();
    let seldom = numbered.filter(|(_, (_, entry))| entry.is_seldom());
    let seldom: Vec<_> = seldom.map(|(index, _)| index).collect();
    let all = recording.entries.len();
    let moment = |_| {
        if random.bool() {
            random.usize(0..=all)
        } else {
            (seldom[random.usize(0..seldom.len())] + random.usize(1..5)).min(all)
        }
    };
    let mut moments: Vec<_> = (0..cuts).map(moment).collect();
    moments.sort_unstable();
    moments
}

/// What a loss of power has left.
struct Left {
    place: Place,
    random: Rng,
    /// Acknowledged before.
    told: BTreeSet<String>,
}

impl Left {
    fn by(disk: &Disk<'_>, mut random: Rng, told: &BTreeSet<String>) -> Self {
        let place = Place::new();
        disk.cut(&mut random, &place.path(""));
        Self { place, random, told: told.clone() }
    }

    /// Opens it, on a machine that was started anew; says what is wrong with it.
    fn opened(mut self) -> Result<(), String> {
        let shim = Shim::recording(&self.place.path(""));
        let again = self.random.usize(0..CUT_AGAIN) == 0;
        let disk = again.then(|| Disk::holding(shim.folder()));
        let serve = shim.under(self.place.command(&["serve"]));
        let server = self.place.try_serve_by(serve);
        let server = server.map_err(|ended| format!("no start: {ended:#?}"))?;
        whole(&server, self.told.iter().filter(|name| *name != ERASED))?;
        if let Some(disk) = disk {
            let left = self.cut_again(server, &shim, disk);
            return left.opened().map_err(|why| format!("the second cut: {why}"));
        }
        if self.random.bool() {
            server.stop();
        } else {
            server.kill_nine().expect(-9);
        }
        self.check(&shim)
    }

    /// The power goes once more: while this is recovered from, or after some new events.
    fn cut_again(mut self, server: Server, shim: &Shim, disk: Disk<'_>) -> Self {
        let new = Load {
            name: format!("again{}", self.random.u32(..)),
            clients: 4,
            each: 5,
            body: &payout,
            on_acknowledged: &|name| shim.acknowledged(name),
        };
        new.deliver(server.address, &Mutex::default());
        end_by(server, shim, &["s store/journal/*.journal 1 0 kill-before"]);
        let record = std::fs::read(shim.record()).expect("a record");
        let recording = Recording::read(&record);
        let moment = self.random.usize(0..=recording.entries.len());
        let mut disk = disk;
        for &(at, entry) in &recording.entries[..moment] {
            disk.take(at, entry);
            self.told.extend(entry.acknowledged());
        }
        Self::by(&disk, self.random, &self.told)
    }

    /// `verify` compares all that `rebuild --check` does, so one of them is enough.
    fn check(&mut self, shim: &Shim) -> Result<(), String> {
        let found = Markers::everywhere(MARKER).found_below(&self.place.store());
        if self.told.contains(ERASED) && !found.is_empty() {
            return Err(format!("it was erased, but {found:?}"));
        }
        let commands = [["verify"].as_slice(), &["verify"], &["rebuild", "--check"]];
        let command = commands[self.random.usize(0..commands.len())];
        let ended = run(shim.under(self.place.command(command)));
        if ended.code() == 0 { Ok(()) } else { Err(format!("{command:?}: {ended:#?}")) }
    }
}

/// Ends a server by a rule that its next delivery meets.
fn end_by(server: Server, shim: &Shim, rules: &[&str]) {
    shim.rules(rules);
    let mut connection = server.connect();
    let answers = (0_u64..).map(|number| connection.deliver(&payout(&format!("end{number}"))));
    let answered = answers.take_while(Result::is_ok).count();
    assert!(answered < 10_000, "the rule was never met");
    server.process.end().expect(-9);
}

/// What is done to a store while all of it is written down.
struct Life<'a> {
    place: &'a Place,
    shim: &'a Shim,
    /// What holds all the time.
    rules: &'a [&'a str],
}

impl Life<'_> {
    fn serve(&self) -> Server {
        self.shim.rules(self.rules);
        let mut command = self.place.command(&["serve"]);
        command.envs([TAKES_LARGE]);
        self.place.serve_by(self.shim.under(command))
    }

    fn load(&self, server: &Server, clients: usize, each: usize) {
        self.load_of(server, clients, each, &payout);
    }

    fn load_of(
        &self,
        server: &Server,
        clients: usize,
        each: usize,
        body: &(dyn Fn(&str) -> Vec<u8> + Sync),
    ) {
        let name = format!("l{}", fastrand::u32(..));
        let on_acknowledged = &|name: &str| self.shim.acknowledged(name);
        let told = Mutex::default();
        Load { name, clients, each, body, on_acknowledged }.deliver(server.address, &told);
    }

    fn end_by(&self, server: Server, rule: &str) {
        end_by(server, self.shim, &[self.rules, &[rule]].concat());
    }

    fn run(&self, arguments: &[&str]) {
        self.shim.rules(self.rules);
        run(self.shim.under(self.place.command(arguments))).expect(0);
    }

    /// Events that go into the store by the hundred.
    fn import(&self, count: u32) {
        let names: Vec<_> = (0..count).map(|number| format!("i{number}")).collect();
        let lines = names.iter().map(|name| {
            let body = String::from_utf8(payout(name)).expect("UTF-8");
            json!({ "id": format!("evt_{name}"), "body": body }).to_string() + "\n"
        });
        let file = self.place.write("events.jsonl", lines.collect::<String>());
        self.run(&["import", &file]);
        for name in &names {
            self.shim.acknowledged(name);
        }
    }
}

/// A store from its first start on: one delivery at a time and many, orderly ends and kills, an
/// import, a rebuild.
fn life_of_many(rules: &[&str]) -> Vec<u8> {
    let place = Place::new();
    let shim = Shim::recording(&place.path(""));
    let life = Life { place: &place, shim: &shim, rules };
    let server = life.serve();
    life.load(&server, 1, 10);
    life.load(&server, 32, 6);
    server.stop();
    let server = life.serve();
    life.load(&server, 16, 6);
    life.end_by(server, "s store/journal/*.journal 1 1 kill-before");
    let server = life.serve();
    life.load(&server, 1, 5);
    life.end_by(server, "w store/views/redo 1 1 kill-after");
    life.import(600);
    life.run(&["rebuild"]);
    let server = life.serve();
    life.load(&server, 32, 6);
    life.end_by(server, "w store/views/db 1 1 kill-after");
    std::fs::read(shim.record()).expect("a record")
}

/// A store in which an account is erased, with what comes before and after it.
fn life_of_erased() -> Vec<u8> {
    let place = Place::new();
    let shim = Shim::recording(&place.path(""));
    let life = Life { place: &place, shim: &shim, rules: &[] };
    let server = life.serve();
    let marked = |name: &str| payout_of("acct_1", name, &format!("for Jo, {MARKER} of {name}"));
    life.load_of(&server, 4, 6, &marked);
    life.load(&server, 4, 3);
    let request = Request::post("/v1/accounts/acct_1/erase", "").token(OPERATOR);
    let answer = request.send(server.address);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    shim.acknowledged(ERASED);
    life.load(&server, 4, 3);
    life.end_by(server, "s store/journal/*.journal 1 1 kill-before");
    std::fs::read(shim.record()).expect("a record")
}

/// A store whose journal goes on to its second file.
fn life_of_large() -> Vec<u8> {
    let place = Place::new();
    let shim = Shim::recording(&place.path(""));
    let life = Life { place: &place, shim: &shim, rules: &[] };
    let server = life.serve();
    life.load_of(&server, 2, 9, &large_payout);
    // Most cuts come when the second file is in use.
    life.load(&server, 8, 25);
    server.stop();
    assert!(place.store().join("journal/00000002.journal").exists());
    std::fs::read(shim.record()).expect("a record")
}
