//! kill -9 while an account is erased: the next start completes what was begun, and all else is as
//! it was.

use fastrand::Rng;

use super::points::{Killed, Point, shuffled};
use crate::load::Load;
use crate::process::{Connection, OPERATOR, payout_of};
use crate::support::Request;
use crate::support::markers::Markers;
use crate::torture;

const ACCOUNT: &str = "acct_of_who_goes";

/// Met once the erasure is in the journal.
const BEGUN: &[Point] = &[
    ("c", "store/journal/*.new", 1, "kill-before"),
    ("c", "store/journal/*.new", 1, "kill-after"),
    ("w", "store/journal/*.new", 1, "kill-before"),
    ("w", "store/journal/*.new", 1, "kill-halfway"),
    ("s", "store/journal/*.new", 1, "kill-before"),
    ("s", "store/journal/*.new", 1, "kill-after"),
    ("n", "store/journal/*.journal", 1, "kill-before"),
    ("n", "store/journal/*.journal", 1, "kill-after"),
    // The next file is used, the new one is in its place, the end is noted.
    ("s", "store/journal", 2, "kill-before"),
    ("s", "store/journal", 2, "kill-after"),
    ("c", "store/journal/*.journal", 1, "kill-before"),
    ("c", "store/journal/*.journal", 1, "kill-after"),
];
/// Met while it is written down; nobody can tell on which side of it.
const BEGINNING: &[Point] = &[
    ("w", "store/journal/*.journal", 3, "kill-before"),
    ("w", "store/journal/*.journal", 1, "kill-halfway"),
    ("s", "store/journal/*.journal", 3, "kill-before"),
    ("s", "store/journal/*.journal", 3, "kill-after"),
];
const KILLS: usize = 5;

#[test]
fn an_erasure_that_is_killed_is_completed_by_the_next_start_and_loses_nothing() {
    let seed = torture::seed("kill -9 in an erasure");
    let mut random = Rng::with_seed(seed);
    let markers = Markers::everywhere("mk7kill");
    let killed = Killed::new();
    let kills = torture::asked("ERASURE_POINTS", KILLS);
    let begun = shuffled(BEGUN, kills, &mut random).into_iter().map(|rule| (rule, true));
    let beginning = shuffled(BEGINNING, 2, &mut random).into_iter().map(|rule| (rule, false));
    for (round, (rule, was_begun)) in begun.chain(beginning).enumerate() {
        let context = format!("{rule}, seed {seed}");
        let server = killed.serve().expect("a start");
        let body = |name: &str| payout_of(ACCOUNT, name, &format!("for Jo, mk7kill of {name}"));
        let load = Load {
            name: format!("e{round}"),
            clients: 4,
            each: 10,
            body: &body,
            on_acknowledged: &|_| {},
        };
        load.deliver(server.address, &killed.told);
        assert!(!markers.found_below(&killed.place.store()).is_empty(), "{context}");

        killed.shim.rules(&[&rule]);
        let request = Request::post(&format!("/v1/accounts/{ACCOUNT}/erase"), "").token(OPERATOR);
        let mut connection = Connection::to(server.address).expect("a connection");
        connection.send(request.bytes()).expect("a request");
        connection.answer().expect_err(&context);
        server.process.end().expect(-9);
        killed.shim.rules(&[]);
        if !was_begun {
            let server = killed.serve().expect("a start");
            assert_eq!(request.send(server.address).status, 200, "{context}");
            server.stop();
        }
        killed.check(&context, random.bool());
        assert!(markers.found_below(&killed.place.store()).is_empty(), "{context}");
    }
    torture::row("kill -9 in an erasure", kills + 2, kills + 2, 0);
}
