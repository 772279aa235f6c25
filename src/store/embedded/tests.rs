use tempfile::TempDir;

use super::open::open_journal;
use super::upkeep::rebuilt_views;
use super::*;
use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::store::journal::Draft;
use crate::store::record::RecordKind;

const SMALL: Options = Options { segment_bytes: 1 << 20 };

/// Cannot read any event.
struct Illiterate;

impl Rules for Illiterate {
    fn read(&self, _: &[u8], _: Timestamp) -> Option<Event> {
        None
    }

    fn same_content(&self, a: &[u8], b: &[u8]) -> bool {
        a == b
    }
}

fn draft() -> Draft {
    Draft {
        received_at: 0,
        recorded_at: 0,
        livemode: false,
        kind: RecordKind::Event,
        source: "test".to_owned(),
        event_id: "evt_1".to_owned(),
        body: PackedBody::pack(b"{}"),
    }
}

/// Whether the folder says that the store was closed in order.
fn is_closed(folder: &TempDir) -> bool {
    std::fs::read_to_string(folder.path().join("OPENED")).unwrap().starts_with("closed")
}

#[test]
fn a_scan_ends_before_a_commit_that_is_not_shown_yet() {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(folder.path(), SMALL, Arc::new(Illiterate), &mut |_| {}).unwrap();
    let mut writer = store.inner.writer.lock().unwrap();
    writer.journal.append(vec![draft()]).unwrap();
    assert_eq!(store.inner.scan(0, 10).unwrap(), Vec::new());

    writer.behind = true;
    store.inner.ready(&mut writer).unwrap();
    assert_eq!(store.inner.scan(0, 10).unwrap().len(), 1);
}

#[test]
fn sled_writes_into_rebuilt_views_only_after_the_store_is_noted_to_be_open() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    let journal = open_journal(&folder, SMALL, None).unwrap();
    std::fs::create_dir(folder.views()).unwrap();
    folder.note_closed().unwrap();
    std::fs::remove_dir(folder.views()).unwrap();
    assert!(is_closed(&temporary));
    let _views = rebuilt_views(&folder, &journal, &Illiterate, &mut |_| {}).unwrap();
    assert!(!is_closed(&temporary));
}

#[test]
fn a_start_that_is_refused_leaves_a_closed_store_closed() {
    let folder = TempDir::new().unwrap();
    let open = || Embedded::open(folder.path(), SMALL, Arc::new(Illiterate), &mut |_| {});
    let store = open().unwrap();
    store.inner.writer.lock().unwrap().journal.append(vec![draft()]).unwrap();
    drop(store);
    let store = open().unwrap();
    actix_web::rt::System::new().block_on(store.close()).unwrap();
    drop(store);
    let journal = folder.path().join("journal");
    let segment = std::fs::read_dir(&journal).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(segment).unwrap();
    assert!(open().is_err());
    assert!(Embedded::survey(folder.path(), &mut |_| {}).is_ok());
    assert!(is_closed(&folder), "that it was closed says what was acknowledged");
}

#[test]
fn a_probe_leaves_a_closed_store_closed() {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(folder.path(), SMALL, Arc::new(Illiterate), &mut |_| {}).unwrap();
    actix_web::rt::System::new().block_on(store.close()).unwrap();
    drop(store);
    assert!(is_closed(&folder));
    Embedded::probe(folder.path()).unwrap();
    assert!(is_closed(&folder));
}
