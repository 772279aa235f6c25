//! Damage to stored files: every kind of file, every kind of damage.
//!
//! A damaged journal is never passed over: the start is refused, and `verify` and `repair` say
//! where it is and what is lost. Damaged derived records are recomputed, and never believed.

/// Random bit flips over the whole folder; longer runs by `scripts/damage`.
mod flips;
/// The small files beside journal and derived records.
mod notes;
/// What a repair keeps, and what it says to others.
mod repair;
/// Whole files of the journal and of the derived records.
mod whole_files;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bursar::clock;
use bursar::pipeline::receive::incoming;
use bursar::pipeline::rules::StripeRules;
use bursar::store::embedded::{Embedded, Options};
use bursar::store::{Rules, Store};
use serde_json::Value;

use crate::process::{Place, all_stories, id_of};

/// So small that the stories fill several segments.
const SEGMENT_BYTES: u32 = 16 << 10;
const EVENTS_PER_BATCH: usize = 7;

/// A folder with a store of several segments, closed in order.
struct Stored {
    place: Place,
    /// The ids that are stored, in the order of arrival.
    ids: Vec<String>,
}

impl Stored {
    fn new() -> Self {
        let stored = Self { place: Place::new(), ids: Vec::new() };
        stored.filled(&all_stories())
    }

    fn filled(mut self, bodies: &[Vec<u8>]) -> Self {
        bursar_runtime().block_on(async {
            let store = self.open();
            for bodies in bodies.chunks(EVENTS_PER_BATCH) {
                let batch = bodies.iter().map(|body| {
                    let now = clock::now();
                    let read = StripeRules.read(body, now).expect("an event");
                    incoming(read, body, "platform", now, false)
                });
                store.commit(batch.collect()).await.expect("a commit");
            }
            store.close().await.expect("an orderly end");
        });
        for body in bodies {
            let id = id_of(body);
            if !self.ids.contains(&id) {
                self.ids.push(id);
            }
        }
        self
    }

    fn open(&self) -> Embedded {
        let options = Options { segment_bytes: SEGMENT_BYTES };
        Embedded::open(&self.place.store(), options, Arc::new(StripeRules), &mut |_| {})
            .expect("a store")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.store().join(name)
    }

    fn segment(&self, number: usize) -> PathBuf {
        self.path(&format!("journal/{number:08}.journal"))
    }

    /// The ids that an export gives, in their order.
    fn exported(&self) -> Vec<String> {
        let export = self.place.run(&["export"]).expect(0).stdout;
        let id = |line: &str| {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            line["id"].as_str().expect("an id").to_owned()
        };
        export.lines().map(id).collect()
    }

    /// The commands that read all of the store refuse it, say this, and change nothing of it.
    #[track_caller]
    fn check_refused(&self, says: &[&str]) {
        let before = files(&self.path("journal"));
        for command in [&["serve"][..], &["verify"], &["rebuild"], &["export"]] {
            let ended = self.place.run(command).expect(1);
            ended.says(says);
            ended.hides(&["panicked"]);
        }
        assert!(files(&self.path("journal")) == before, "a damaged journal is left as it is");
    }

    /// A store that can be used, with these events in it.
    #[track_caller]
    fn check_sound(&self, ids: &[String]) {
        self.place.run(&["verify"]).expect(0).says(&["no faults"]);
        assert_eq!(self.exported(), ids);
    }

    fn segments(&self) -> usize {
        files(&self.path("journal")).len()
    }

    /// As after kill -9: the derived records are believed without a look at their checksum.
    fn as_killed(&self) {
        self.place.serve().kill_nine();
    }
}

fn bursar_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

/// The files below a folder, by path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let content = std::fs::read(&path).expect("a readable file");
            found.insert(path, content);
        }
    }
    found
}

fn put_back(folder: &Path, content: &BTreeMap<PathBuf, Vec<u8>>) {
    std::fs::remove_dir_all(folder).ok();
    for (path, content) in content {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, content).expect("room");
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("a file");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("room");
}

/// Changes one bit, without touching the rest of the file.
fn flip(path: &Path, at: u64, bit: u32) {
    let file = std::fs::File::options().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&byte.map(|byte| byte ^ 1 << bit), at).expect("a written byte");
}

/// A record of a segment: where it lies, and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Stands {
    pub(crate) from: usize,
    to: usize,
    pub(crate) kind: u8,
    pub(crate) encoding: u8,
    sequence: u64,
    id: String,
}

/// The records of a segment.
pub(crate) fn records(segment: &Path) -> Vec<Stands> {
    let bytes = std::fs::read(segment).expect("a segment");
    let number = |at: usize, count: usize| {
        let mut number = [0; 8];
        number[..count].copy_from_slice(&bytes[at..at + count]);
        u64::from_le_bytes(number)
    };
    let (mut found, mut from) = (Vec::new(), 64);
    while from + 8 < bytes.len() && number(from, 4) != 0 {
        let length = usize::try_from(number(from, 4)).expect("a length");
        let to = from + (8 + length).next_multiple_of(8);
        let source = usize::try_from(number(from + 48, 2)).expect("a length");
        let at = from + 50 + source;
        let id_length = usize::try_from(number(at, 4)).expect("a length");
        let id = String::from_utf8_lossy(&bytes[at + 4..at + 4 + id_length]).into_owned();
        let (kind, encoding) = (bytes[from + 9], bytes[from + 11]);
        found.push(Stands { from, to, kind, encoding, sequence: number(from + 12, 8), id });
        from = to;
    }
    found
}

/// What a reader sees, apart from what tells of arrival.
fn statuses(place: &Place) -> BTreeMap<String, Value> {
    let server = place.serve();
    let mut seen = BTreeMap::new();
    for livemode in [false, true] {
        for kind in ["accounts", "topups", "transfers", "payouts"] {
            let page = server.read(&format!("/v1/{kind}?limit=500&livemode={livemode}"));
            for object in page["data"].as_array().expect("a list") {
                let name = format!("{livemode} {kind} {} {}", object["account"], object["id"]);
                let fields = ["status", "payable", "ambiguous", "amount_reversed"];
                let fields = fields.map(|field| object[field].clone());
                seen.insert(name, Value::from(fields.to_vec()));
            }
        }
        let summary = server.read(&format!("/v1/summary?livemode={livemode}"));
        for part in ["accounts", "topups", "transfers", "payouts"] {
            seen.insert(format!("{livemode} {part}"), summary[part].clone());
        }
    }
    server.stop();
    seen
}
