//! Requests that are framed badly, or so that two readers could read them in two ways: each is
//! refused and the connection ends, or it is read in one certain way. What follows on the same
//! connection is never taken for a request when it is not one.

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bursar::app::Patience;

use crate::support::events::account;
use crate::support::{TestApp, raw, signed};
use cases::{Case, Expect, PROBE, all};

/// Nothing here takes long; who waits longer waits for ever.
const LIMIT: Duration = Duration::from_secs(20);

/// The statuses of all answers that came, in their order, until the server closed.
fn answers(app: &TestApp, bytes: &[u8]) -> Result<Vec<u16>, String> {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // A server that has heard enough may close before it has read all.
    stream.write_all(bytes).ok();
    let mut answer = Vec::new();
    let is_to_head = bytes.starts_with(b"HEAD");
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
            Err(format!("left open after {:?}", statuses_after(&answer, is_to_head)))
        }
        Ok(_) | Err(_) => Ok(statuses_after(&answer, is_to_head)),
    }
}

/// Of answers that follow one another.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    statuses_after(bytes, false)
}

/// An answer to HEAD tells the length of a body that does not come.
fn statuses_after(mut bytes: &[u8], mut is_to_head: bool) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap().to_ascii_lowercase();
        let status: u16 =
            head.strip_prefix("http/1.1 ").expect("a status line")[..3].parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let is_interim = status < 200;
        let is_without_body = std::mem::take(&mut is_to_head) || is_interim;
        statuses.extend((!is_interim).then_some(status));
        bytes = &bytes[end + 4 + if is_without_body { 0 } else { length }..];
    }
    statuses
}

fn stored(app: &TestApp) -> BTreeSet<String> {
    let ids = app.column("/v1/events?limit=500", "id");
    ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// What is not as expected.
fn check(app: &TestApp, case: &Case) -> Option<String> {
    let probes = PROBE.repeat(if matches!(case.expect, Expect::Swallows(_)) { 2 } else { 1 });
    let with_probe = [case.bytes.as_slice(), &probes].concat();
    let seen = match answers(app, &with_probe) {
        Ok(seen) => seen,
        Err(why) => return Some(format!("{}: {}: {why}", case.group, case.name)),
    };
    let (expected, refused) = match case.expect {
        Expect::Refused(status) => (vec![status], true),
        Expect::Ends(status) => (vec![status], false),
        Expect::Swallows(status) | Expect::GoesOn(status) => (vec![status, 200], false),
    };
    let is_refusal = expected.first().is_some_and(|status| (400..500).contains(status));
    let is_as_expected = seen == expected && (!refused || is_refusal);
    (!is_as_expected).then(|| format!("{}: {}: {seen:?}, not {expected:?}", case.group, case.name))
}

#[test]
fn each_is_refused_or_read_in_one_certain_way_and_what_follows_is_no_request_of_its_own() {
    // Who was turned away may send for a while; here nobody has anything to send.
    let parting = Duration::from_millis(300);
    let app = TestApp::start_patient(Patience { parting, ..Patience::default() });
    let cases = all();
    let names: BTreeSet<_> = cases.iter().map(|case| (case.group, &case.name)).collect();
    assert_eq!(names.len(), cases.len(), "a case stands twice");
    let wrong: Vec<String> = cases.iter().filter_map(|case| check(&app, case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Only what was read to its end as a delivery is stored.
    let told: BTreeSet<String> = cases.into_iter().filter_map(|case| case.stores).collect();
    assert_eq!(stored(&app), told);
    assert_eq!(app.outcome(&account("acct_after")), "applied");
}

/// The same, cut in two at every place: how bytes are parted on the way must not matter.
#[test]
fn a_request_means_the_same_however_its_bytes_are_parted() {
    let app = TestApp::start();
    let wanted =
        ["content-length and transfer-encoding", "two equal lengths", "a bare CR in a value"];
    for case in all().into_iter().filter(|case| wanted.contains(&case.name.as_str())) {
        let bytes = [case.bytes.as_slice(), PROBE].concat();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        for cut in (1..end).step_by(7) {
            let mut stream = TcpStream::connect(app.address()).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(&bytes[..cut]).unwrap();
            std::thread::yield_now();
            stream.write_all(&bytes[cut..]).ok();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).ok();
            assert_eq!(statuses(&answer), [400], "{} at {cut}", case.name);
        }
    }
}

#[test]
fn the_documented_number_of_cases_is_the_number_that_is_tried() {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for case in all() {
        let is_refused = matches!(case.expect, Expect::Refused(_));
        for group in [case.group, "all"] {
            let [cases, refused] = counts.entry(group).or_default();
            *cases += 1;
            *refused += usize::from(is_refused);
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/limits.md");
    let document = std::fs::read_to_string(path).unwrap();
    let rows =
        counts.iter().map(|(group, [cases, refused])| format!("| {group} | {cases} | {refused} |"));
    let missing: Vec<String> = rows.filter(|row| !document.contains(row)).collect();
    assert!(missing.is_empty(), "docs/limits.md has no rows beginning with: {missing:?}");
    let [cases, refused] = counts["all"];
    let row = format!("| HTTP framing ([docs/limits.md](docs/limits.md)) | {cases} | {refused}: ");
    assert!(include_str!("../../SECURITY.md").contains(&row), "SECURITY.md: {row}");
}

#[test]
fn a_client_that_goes_away_at_any_byte_leaves_nothing_behind() {
    let app = TestApp::start();
    let bytes = signed(account("acct_1").to_string()).bytes();
    for cut in (0..bytes.len()).step_by(37) {
        let mut stream = TcpStream::connect(app.address()).unwrap();
        stream.write_all(&bytes[..cut]).unwrap();
        drop(stream);
    }
    assert_eq!(stored(&app), BTreeSet::new());
    assert_eq!(app.outcome(&account("acct_1")), "applied");
}

#[test]
fn of_requests_sent_in_a_row_those_after_a_bad_one_are_not_answered() {
    let app = TestApp::start();
    let good = "GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n";
    let bad = "GET /healthz HTTP/1.1\r\nHost: b\r\nHost: c\r\n\r\n";
    let row = [good, good, bad, good, good].concat();
    assert_eq!(statuses(&raw(app.address(), row.as_bytes())), [200, 200, 400]);
}
