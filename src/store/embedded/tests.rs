use tempfile::TempDir;

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
