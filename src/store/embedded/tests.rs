use tempfile::TempDir;

use super::open::open_journal;
use super::upkeep::rebuilt_views;
use super::*;
use crate::domain::event::{Event, Reading};
use crate::domain::time::Timestamp;
use crate::store::erasure::Erased;
use crate::store::journal::{Draft, Found, salvage};
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

    fn reduce(&self, body: &[u8]) -> Option<Vec<u8>> {
        Some(body.to_vec())
    }

    fn mentions(&self, _: &[u8], _: &str) -> bool {
        false
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

/// Reads the same of every body, and leaves more of one than there was.
struct Wordy;

const LEFT: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,;.:-_#+*~!?=&%$";

fn event(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        event_type: "person.updated".to_owned(),
        created: Some(5),
        livemode: Some(false),
        account: Some("acct_1".to_owned()),
        api_version: None,
        object_id: None,
        evidence: Vec::new(),
        reading: Reading::Ignored,
    }
}

impl Rules for Wordy {
    fn read(&self, body: &[u8], _: Timestamp) -> Option<Event> {
        Some(event(if body.starts_with(b"{}") { "evt_1" } else { "evt_2" }))
    }

    fn same_content(&self, a: &[u8], b: &[u8]) -> bool {
        a == b
    }

    fn reduce(&self, body: &[u8]) -> Option<Vec<u8>> {
        Some(if body.starts_with(b"{}") {
            [b"{}", LEFT.as_bytes()].concat()
        } else {
            body.to_vec()
        })
    }

    fn mentions(&self, _: &[u8], _: &str) -> bool {
        true
    }
}

#[test]
fn what_is_left_of_a_body_and_does_not_fit_lies_elsewhere_and_is_found_by_all_who_read() {
    let folder = TempDir::new().unwrap();
    let rules = || Arc::new(Wordy) as Arc<dyn Rules>;
    let incoming = |id: &str, body: &[u8]| Incoming {
        event: event(id),
        livemode: false,
        received_at: Timestamp(7),
        source: "test".to_owned(),
        body: PackedBody::pack(body),
        conflicting_redelivery: false,
    };
    let store = Embedded::open(folder.path(), SMALL, rules(), &mut |_| {}).unwrap();
    let batch = vec![incoming("evt_1", b"{} is what jo has said"), incoming("evt_2", b"whole")];
    store.inner.commit(batch).unwrap();
    let left = [b"{}", LEFT.as_bytes()].concat();
    let erased = Erased { events: 1, steps: 0, already: 0 };
    assert_eq!(store.inner.erase(false, "acct_1").unwrap(), Erasure::Done(erased));
    let check = |store: &Embedded| {
        assert_eq!(store.inner.body(false, "evt_1").unwrap().as_ref(), Some(&left));
        assert_eq!(store.inner.body(false, "evt_2").unwrap(), Some(b"whole".to_vec()));
        assert_eq!(store.inner.scan(0, 10).unwrap()[0].1, left);
        assert_eq!(store.verify(10, &mut |_| {}).unwrap().faults, Vec::<String>::new());
    };
    check(&store);
    let nothing = Erased { events: 0, steps: 0, already: 1 };
    assert_eq!(store.inner.erase(false, "acct_1").unwrap(), Erasure::Done(nothing));
    drop(store);
    check(&Embedded::open(folder.path(), SMALL, rules(), &mut |_| {}).unwrap());

    // Also by a repair, which gives records other places.
    let mut bodies = Vec::new();
    salvage(&folder.path().join("journal"), 0, &mut |found| {
        if let Found::Record(record) = found
            && record.kind.is_event()
        {
            bodies.push(unpack(&record.body)?);
        }
        Ok::<_, StoreError>(())
    })
    .unwrap();
    assert_eq!(bodies, [left.clone(), b"whole".to_vec()]);
}
