//! The simulated disk keeps what an honest one must, and loses what an honest one may.

use std::collections::BTreeSet;
use std::path::Path;

use fastrand::Rng;

use super::disk::Disk;
use super::recording::Entry;

const ROOT: u64 = 1;
const FILE: u64 = 2;
const OTHER: u64 = 3;

/// The contents of `/r/name` (`None`: it is not there) after many cuts at the end of these entries.
fn after_cuts(entries: &[Entry<'_>], name: &str) -> BTreeSet<Option<Vec<u8>>> {
    let mut disk = Disk::empty("/r");
    for (at, entry) in entries.iter().enumerate() {
        disk.take(at, *entry);
    }
    let left = (0..60).map(|seed| {
        let folder = tempfile::tempdir().expect("a folder");
        disk.cut(&mut Rng::with_seed(seed), folder.path());
        std::fs::read(Path::join(folder.path(), name)).ok()
    });
    left.collect()
}

fn write(inode: u64, bytes: &[u8]) -> Entry<'_> {
    Entry::Write { inode, offset: 0, bytes }
}

/// Covers all entries before the one at this place.
fn sync(inode: u64, begun: usize) -> Entry<'static> {
    Entry::Sync { inode, begun }
}

const CREATE: Entry<'static> = Entry::Create { inode: FILE, path: "/r/file" };

#[test]
fn a_file_needs_its_own_sync_and_its_folders() {
    let whole = Some(b"whole".to_vec());
    let synced = [CREATE, write(FILE, b"whole"), sync(FILE, 2), sync(ROOT, 3)];
    assert_eq!(after_cuts(&synced, "file"), BTreeSet::from([whole.clone()]));
    // Each of the two alone leaves it to chance.
    let nameless = after_cuts(&synced[..3], "file");
    assert_eq!(nameless, BTreeSet::from([None, whole]));
    let named = after_cuts(&[CREATE, write(FILE, b"whole"), sync(ROOT, 2)], "file");
    assert!(named.contains(&Some(Vec::new())) && !named.contains(&None), "{named:?}");
}

#[test]
fn a_sync_covers_only_what_was_written_before_it_began() {
    let entries = [CREATE, sync(ROOT, 1), write(FILE, b"1"), write(FILE, b"2"), sync(FILE, 3)];
    let seen = after_cuts(&entries, "file");
    assert_eq!(seen, BTreeSet::from([Some(b"1".to_vec()), Some(b"2".to_vec())]));
}

#[test]
fn pages_reach_the_disk_each_on_its_own() {
    let (old, new) = ([b'a'; 8192], [b'b'; 8192]);
    let entries = [CREATE, sync(ROOT, 1), write(FILE, &old), sync(FILE, 3), write(FILE, &new)];
    let seen = after_cuts(&entries, "file");
    let halves = |file: &Option<Vec<u8>>| file.as_ref().map(|bytes| (bytes[0], bytes[4096]));
    let seen: BTreeSet<_> = seen.iter().filter_map(halves).collect();
    let all = [(b'a', b'a'), (b'a', b'b'), (b'b', b'a'), (b'b', b'b')];
    assert_eq!(seen, BTreeSet::from(all));
}

#[test]
fn a_rename_is_done_or_not_and_never_half() {
    let entries = [
        CREATE,
        write(FILE, b"old"),
        sync(FILE, 2),
        Entry::Create { inode: OTHER, path: "/r/file.new" },
        write(OTHER, b"new"),
        sync(OTHER, 5),
        sync(ROOT, 6),
        Entry::Rename { from: "/r/file.new", to: "/r/file" },
    ];
    let (old, new) = (Some(b"old".to_vec()), Some(b"new".to_vec()));
    assert_eq!(after_cuts(&entries, "file"), BTreeSet::from([old, new.clone()]));
    assert_eq!(after_cuts(&entries, "file.new"), BTreeSet::from([None, new]));
}
