#![expect(clippy::arithmetic_side_effects, reason = "a panic is how a test fails")]

use super::Code::{
    ClockOff, OnlyConnectEvents, OnlyLiveEvents, OnlyPlatformEvents, OnlyTestEvents, SourceSilent,
};
use super::*;

const HOUR: i64 = 3600;
const NOW: i64 = 1_900_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

/// This many deliveries, the first of them so long ago.
fn heard(count: u64, first_hours_ago: i64) -> Heard {
    let first = at(NOW - first_hours_ago * HOUR);
    Heard { count, first: Some(first), last: Some(first) }
}

/// A live deployment that hears everything it should.
fn well() -> Seen {
    Seen {
        sources: BTreeMap::from([("platform".to_owned(), Some(at(NOW - 60)))]),
        livemode: true,
        platform: heard(10, 500),
        connect: heard(10, 500),
        elsewhere: heard(3, 600),
        skew: Some(Skew { seconds: 1, signatures: 15 }),
    }
}

#[track_caller]
fn check(case: &str, seen: &Seen, expected: &[Code]) {
    let found = warnings(seen, at(NOW), &Limits::default());
    let codes: Vec<Code> = found.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, expected, "{case}: {found:?}");
}

#[test]
fn who_hears_everything_is_not_warned() {
    check("well", &well(), &[]);
    check("nothing came yet", &Seen { livemode: true, ..Seen::default() }, &[]);
}

#[test]
fn a_source_that_spoke_may_be_silent_for_a_weekend() {
    let silent_for = |seconds: Option<i64>| {
        let heard = seconds.map(|seconds| at(NOW - seconds));
        Seen { sources: BTreeMap::from([("connect".to_owned(), heard)]), ..well() }
    };
    for (seconds, expected) in [
        (Some(0), [].as_slice()),
        (Some(72 * HOUR - 1), &[]),
        (Some(72 * HOUR), &[SourceSilent]),
        (Some(9000 * HOUR), &[SourceSilent]),
        // By a clock that was set back meanwhile.
        (Some(-100 * HOUR), &[]),
        // One that never spoke may be for later.
        (None, &[]),
    ] {
        check(&format!("{seconds:?}"), &silent_for(seconds), expected);
    }
    let limits = Limits { silence_hours: None, ..Limits::default() };
    assert_eq!(warnings(&silent_for(Some(9000 * HOUR)), at(NOW), &limits), []);
    let [warning] = &warnings(&silent_for(Some(80 * HOUR)), at(NOW), &Limits::default())[..] else {
        panic!("one warning");
    };
    assert_eq!(warning.source.as_deref(), Some("connect"));
    assert_eq!(warning.since, Some(at(NOW - 8 * HOUR)), "since the time was over");
}

#[test]
fn every_silent_source_is_named() {
    let sources = ["a", "b", "c"].map(|name| {
        let hours_ago = if name == "b" { 1 } else { 100 };
        (name.to_owned(), Some(at(NOW - hours_ago * HOUR)))
    });
    let seen = Seen { sources: BTreeMap::from(sources), ..well() };
    let found = warnings(&seen, at(NOW), &Limits::default());
    let named: Vec<_> = found.iter().filter_map(|warning| warning.source.as_deref()).collect();
    assert_eq!(named, ["a", "c"]);
}

#[test]
fn a_forgotten_endpoint_is_told_once_it_had_time() {
    let none = Heard::default();
    for (case, platform, connect, expected) in [
        ("both", heard(1, 2), heard(1, 2), [].as_slice()),
        ("platform only, just now", heard(50, 0), none, &[]),
        ("platform only", heard(1, 1), none, &[OnlyPlatformEvents]),
        ("connect only, just now", none, heard(50, 0), &[]),
        ("connect only", none, heard(1, 1), &[OnlyConnectEvents]),
    ] {
        check(case, &Seen { platform, connect, ..well() }, expected);
    }
}

#[test]
fn events_of_the_other_mode_alone_are_told() {
    let none = Heard::default();
    let of =
        |livemode, elsewhere| Seen { livemode, platform: none, connect: none, elsewhere, ..well() };
    check("test events, live", &of(true, heard(1, 1)), &[OnlyTestEvents]);
    check("live events, test", &of(false, heard(1, 1)), &[OnlyLiveEvents]);
    check("just now", &of(true, heard(9, 0)), &[]);
    check("nothing", &of(true, none), &[]);
    check("test events too", &Seen { elsewhere: heard(1000, 1000), ..well() }, &[]);
}

#[test]
fn clocks_may_differ_by_half_a_minute() {
    for (seconds, expected) in [
        (0, [].as_slice()),
        (30, &[]),
        (-30, &[]),
        (31, &[ClockOff]),
        (-31, &[ClockOff]),
        (i64::MIN, &[ClockOff]),
    ] {
        let skew = Some(Skew { seconds, signatures: 5 });
        check(&format!("{seconds} s"), &Seen { skew, ..well() }, expected);
    }
    let behind = Seen { skew: Some(Skew { seconds: -45, signatures: 5 }), ..well() };
    let found = warnings(&behind, at(NOW), &Limits::default());
    assert!(found[0].message.contains("45 s behind Stripe's"), "{}", found[0].message);
}

#[test]
fn several_things_can_be_wrong() {
    let seen = Seen {
        sources: BTreeMap::from([("platform".to_owned(), Some(at(NOW - 100 * HOUR)))]),
        connect: Heard::default(),
        skew: Some(Skew { seconds: 400, signatures: 3 }),
        ..well()
    };
    check("all", &seen, &[SourceSilent, OnlyPlatformEvents, ClockOff]);
}

#[test]
fn the_median_of_recent_signatures_counts() {
    let of = |signatures: &[(i64, i64)]| {
        let mut skews = Skews::default();
        for &(signed_at, now) in signatures {
            skews.note(signed_at, now);
        }
        skews
    };
    assert_eq!(of(&[]).median(), None);
    assert_eq!(of(&[(1, 100), (2, 100)]).median(), None, "two are too few");
    let three = of(&[(100, 140), (200, 241), (300, 9300)]);
    assert_eq!(three.median(), Some(Skew { seconds: 41, signatures: 3 }), "one may be odd");
    assert_eq!(three.last(), Some(9000));
    let repeated: Vec<_> = (0..1000).map(|now| (100, 5000 + now)).collect();
    assert_eq!(of(&repeated).median(), None, "one that was kept counts once");
    // A clock that was set is believed before long.
    let before = (0..100).map(|at| (at, at + 60));
    let then: Vec<_> = before.chain((100..108).map(|at| (at, at))).collect();
    assert_eq!(of(&then).median(), Some(Skew { seconds: 0, signatures: 15 }));
}

#[test]
fn what_was_heard_does_not_depend_on_the_order() {
    let moments = [5, 1, 9, 3].map(at);
    let mut one = Heard::default();
    for moment in moments {
        one.note(moment);
    }
    let mut other = Heard::default();
    for moment in moments.into_iter().rev() {
        other.note(moment);
    }
    assert_eq!(one, other);
    assert_eq!(one, Heard { count: 4, first: Some(at(1)), last: Some(at(9)) });
    assert_eq!(one.and(Heard::default()), one);
    assert_eq!(one.and(other).count, 8);
}
