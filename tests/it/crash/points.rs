//! kill -9 at named points: before, in and after the calls that change the store's files.
//!
//! A point is a rule of `tests/shim/disk.c`. The suite meets each kind of point; `scripts/torture`
//! goes round as often as it is asked to, and meets them at other turns, too.

use std::sync::Mutex;

use fastrand::Rng;

use super::shown;
use crate::load::{Load, Told, lock, whole};
use crate::process::{
    Ended, Place, Server, TAKES_LARGE, all_stories, large_payout, payout, run, text,
};
use crate::shim::Shim;
use crate::torture;

/// Calls and paths, the last turn at which the point is met, and what happens there.
pub(super) type Point = (&'static str, &'static str, usize, &'static str);

/// Met by a server under load, while it starts, or while it ends in order.
const UNDER_LOAD: &[Point] = &[
    // A batch is appended, synced, and then answered.
    ("w", "store/journal/*", 12, "kill-before"),
    ("w", "store/journal/*", 12, "kill-halfway"),
    ("w", "store/journal/*", 12, "kill-after"),
    ("s", "store/journal/*.journal", 12, "kill-before"),
    ("s", "store/journal/*.journal", 12, "kill-after"),
    // What is derived goes to the redo file, then to sled.
    ("w", "store/views/redo", 2, "kill-before"),
    ("w", "store/views/redo", 2, "kill-halfway"),
    ("w", "store/views/redo", 2, "kill-after"),
    ("w", "store/views/db", 2, "kill-before"),
    ("w", "store/views/db", 2, "kill-halfway"),
    ("w", "store/views/db", 2, "kill-after"),
    ("s", "store/views/db", 3, "kill-before"),
    ("s", "store/views/db", 3, "kill-after"),
    // sled is flushed, and the redo file emptied.
    ("r", "store/views/redo", 2, "kill-before"),
    ("r", "store/views/redo", 2, "kill-after"),
    // A start, and an end.
    ("*", "store/OPENED*", 6, "kill-before"),
    ("*", "store/OPENED*", 6, "kill-after"),
];

/// Met by a server whose journal goes on to its next file, in the order of the calls.
const NEXT_SEGMENT: &[Point] = &[
    ("c", "store/journal/*", 1, "kill-before"),
    ("c", "store/journal/*", 1, "kill-after"),
    ("a", "store/journal/*", 1, "kill-before"),
    ("a", "store/journal/*", 1, "kill-after"),
    ("s", "store/journal", 1, "kill-before"),
    ("s", "store/journal", 1, "kill-after"),
];

/// Met by `bursar rebuild`.
const REBUILD: &[Point] = &[
    ("m", "store/views.new", 1, "kill-after"),
    ("w", "store/views.new/db", 2, "kill-halfway"),
    ("w", "store/views.new/redo", 1, "kill-after"),
    ("n", "store/views.old", 1, "kill-before"),
    ("n", "store/views.old", 1, "kill-after"),
    ("n", "store/views", 1, "kill-after"),
    ("*", "store/views/snap.*", 3, "kill-before"),
    ("*", "store/views/snap.*", 3, "kill-after"),
    ("u", "store/views.old/*", 3, "kill-after"),
    ("u", "store/views.old", 1, "kill-before"),
    ("*", "store/OPENED*", 4, "kill-after"),
];

/// Met by `bursar import`.
const IMPORT: &[Point] = &[
    ("w", "store/journal/*.journal", 2, "kill-halfway"),
    ("s", "store/journal/*.journal", 2, "kill-before"),
    ("s", "store/journal/*.journal", 2, "kill-after"),
    ("w", "store/views/redo", 1, "kill-after"),
    ("w", "store/views/db", 2, "kill-after"),
];

/// Kills in the suite.
const NEXT_SEGMENT_KILLS: usize = 2;
const REBUILD_KILLS: usize = 4;
const IMPORT_KILLS: usize = 2;
const FIRST_START_KILLS: usize = 4;

/// Changes of files that a first start makes, at least.
const FIRST_START_CALLS: usize = 56;

/// The points of some kills, each as a rule: round and round, every time at another turn.
fn rules(points: &'static [Point], kills: usize, random: &mut Rng) -> Vec<String> {
    let points = points.iter().cycle().take(kills);
    points
        .map(|(calls, path, last, what)| {
            format!("{calls} {path} {} 1 {what}", random.usize(1..=*last))
        })
        .collect()
}

/// The same in another order: the suite does not meet all of them.
pub(super) fn shuffled(points: &'static [Point], kills: usize, random: &mut Rng) -> Vec<String> {
    let mut rules = rules(points, kills.next_multiple_of(points.len()), random);
    random.shuffle(&mut rules);
    rules.truncate(kills);
    rules
}

/// A store that lives through kills, and what the clients know of it.
pub(super) struct Killed {
    pub(super) place: Place,
    pub(super) shim: Shim,
    pub(super) told: Mutex<Told>,
}

impl Killed {
    pub(super) fn new() -> Self {
        let place = Place::new();
        let shim = Shim::over(&place.path(""));
        Self { place, shim, told: Mutex::default() }
    }

    pub(super) fn serve(&self) -> Result<Server, Ended> {
        let mut command = self.place.command(&["serve"]);
        command.envs([TAKES_LARGE]);
        self.place.try_serve_by(self.shim.under(command))
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        run(self.shim.under(self.place.command(arguments)))
    }

    /// Delivers to a server until a rule has ended it. Ends it in order otherwise, which has
    /// points of its own.
    fn load(&self, server: Server, load: &Load<'_>) -> Ended {
        load.deliver(server.address, &self.told);
        server.process.signal("TERM");
        server.process.end()
    }

    /// Looks at what a kill has left, first by a server or first by `verify`.
    #[track_caller]
    pub(super) fn check(&self, context: &str, served_first: bool) {
        self.shim.rules(&[]);
        if !served_first {
            self.run(&["verify"]).expect(0).says(&["no faults"]);
        }
        let server = self.serve().unwrap_or_else(|ended| panic!("{context}: {ended:#?}"));
        let told = lock(&self.told);
        whole(&server, &told.acknowledged).unwrap_or_else(|why| panic!("{context}: {why}"));
        server.kill_nine().expect(-9);
        if served_first {
            self.run(&["rebuild", "--check"]).expect(0).says(&["no differences"]);
        }
    }

    fn acknowledged(self) -> usize {
        self.told.into_inner().expect("a sound lock").acknowledged.len()
    }
}

fn load(name: String, clients: usize, each: usize) -> Load<'static> {
    Load { name, clients, each, body: &payout, on_acknowledged: &|_| {} }
}

#[test]
fn a_kill_at_any_named_point_under_load_loses_nothing() {
    let seed = torture::seed("kill -9 at named points");
    let mut random = Rng::with_seed(seed);
    let killed = Killed::new();
    killed.serve().expect("a first start").stop();
    let kills = torture::asked("POINTS", UNDER_LOAD.len());
    for (round, rule) in rules(UNDER_LOAD, kills, &mut random).iter().enumerate() {
        killed.shim.rules(&[rule]);
        let ended = match killed.serve() {
            Ok(server) => killed.load(server, &load(format!("p{round}"), 6, 12)),
            Err(ended) => ended,
        };
        assert_eq!(ended.code(), -9, "{rule} was not met, seed {seed}: {ended:#?}");
        killed.check(&format!("{rule}, seed {seed}"), random.bool());
    }
    torture::row("kill -9 at named points under load", kills, killed.acknowledged(), 0);
}

#[test]
fn a_kill_while_the_journal_goes_on_to_its_next_file_loses_nothing() {
    let seed = torture::seed("kill -9 while the journal changes its file");
    let mut random = Rng::with_seed(seed);
    let kills = torture::asked("SEGMENT_POINTS", NEXT_SEGMENT_KILLS);
    // After the last of them a whole new file must be filled to meet the next.
    let from = random.usize(0..NEXT_SEGMENT.len() - NEXT_SEGMENT_KILLS);
    let killed = Killed::new();
    for (round, rule) in
        rules(NEXT_SEGMENT, from + kills, &mut random).iter().enumerate().skip(from)
    {
        let server = killed.serve().expect("a start");
        killed.shim.rules(&[rule]);
        let large = Load { body: &large_payout, ..load(format!("g{round}"), 2, 12) };
        killed.load(server, &large).expect(-9);
        killed.check(&format!("{rule}, seed {seed}"), random.bool());
    }
    torture::row("kill -9 while the journal changes its file", kills, killed.acknowledged(), 0);
}

#[test]
fn a_rebuild_that_is_killed_at_a_named_point_leaves_what_was_read_before() {
    let seed = torture::seed("kill -9 in a rebuild");
    let mut random = Rng::with_seed(seed);
    let kills = torture::asked("REBUILD_POINTS", REBUILD_KILLS);
    let killed = Killed::new();
    let server = killed.serve().expect("a start");
    let mut connection = server.connect();
    for body in all_stories() {
        connection.deliver(&body).expect("an answer").outcome();
    }
    let before = shown(&server);
    server.stop();
    for rule in shuffled(REBUILD, kills, &mut random) {
        killed.shim.rules(&[&rule]);
        killed.run(&["rebuild"]).expect(-9);
        killed.shim.rules(&[]);
        let server = killed.serve().expect("a start");
        assert_eq!(shown(&server), before, "{rule}, seed {seed}");
        server.kill_nine().expect(-9);
        killed.run(&["verify"]).expect(0).says(&["no faults"]);
    }
    torture::row("kill -9 in a rebuild", kills, before.0.len(), 0);
}

#[test]
fn an_import_that_is_killed_can_be_repeated_and_counts_nothing_twice() {
    let seed = torture::seed("kill -9 in an import");
    let mut random = Rng::with_seed(seed);
    let kills = torture::asked("IMPORT_POINTS", IMPORT_KILLS);
    let source = Killed::new();
    let server = source.serve().expect("a start");
    load("e".to_owned(), 24, 25).deliver(server.address, &source.told);
    server.stop();
    let file = source.place.path("events.jsonl");
    source.run(&["export", text(&file)]).expect(0);
    for rule in shuffled(IMPORT, kills, &mut random) {
        let killed = Killed::new();
        killed.serve().expect("a first start").stop();
        killed.shim.rules(&[&rule]);
        killed.run(&["import", text(&file)]).expect(-9);
        killed.check(&format!("{rule}, seed {seed}"), random.bool());
        killed.run(&["import", text(&file)]).expect(0);
        let server = killed.serve().expect("a start");
        let acknowledged = &lock(&source.told).acknowledged;
        let stored = whole(&server, acknowledged).unwrap_or_else(|why| panic!("{rule}: {why}"));
        assert_eq!(stored.len(), acknowledged.len(), "{rule}, seed {seed}");
    }
    torture::row("kill -9 in an import", kills, source.acknowledged(), 0);
}

#[test]
fn a_first_start_that_is_killed_at_any_call_can_be_repeated() {
    let seed = torture::seed("kill -9 in a first start");
    let mut random = Rng::with_seed(seed);
    let kills = torture::asked("START_POINTS", FIRST_START_KILLS);
    for round in 0..kills {
        // In a long run each call has its turn.
        let turn = if kills < FIRST_START_CALLS {
            random.usize(1..=FIRST_START_CALLS)
        } else {
            round % FIRST_START_CALLS + 1
        };
        let rule =
            format!("* * {turn} 1 {}", random.choice(["kill-before", "kill-after"]).unwrap());
        let killed = Killed::new();
        killed.shim.rules(&[&rule]);
        let ended = killed.serve().err().unwrap_or_else(|| panic!("{rule} was not met"));
        assert_eq!(ended.code(), -9, "{rule}: {ended:#?}");
        killed.shim.rules(&[]);
        let server = killed.serve().unwrap_or_else(|ended| panic!("{rule}: {ended:#?}"));
        load(format!("s{round}"), 1, 1).deliver(server.address, &killed.told);
        server.kill_nine().expect(-9);
        killed.check(&format!("{rule}, seed {seed}"), random.bool());
    }
    torture::row("kill -9 in a first start", kills, kills, 0);
}
