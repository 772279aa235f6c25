use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::*;
use crate::domain::account::Previous;
use crate::domain::examples::{complete, profile};

/// Facts told apart by a number.
fn facts(number: i64) -> Facts {
    Facts { current_deadline: Some(number), ..complete() }
}

/// A report: its event id, the facts it found, if it says so, and the facts it left.
#[derive(Clone, Copy, Debug)]
struct Told {
    id: &'static str,
    from: Option<i64>,
    to: i64,
}

fn told(id: &'static str, from: i64, to: i64) -> Told {
    Told { id, from: Some(from), to }
}

/// A report without `previous_attributes`.
fn silent(id: &'static str, to: i64) -> Told {
    Told { id, from: None, to }
}

fn snapshot(told: Told) -> Snapshot {
    let previous = told
        .from
        .map(|from| Previous { current_deadline: Some(Some(from)), ..Previous::default() });
    Snapshot { profile: profile(facts(told.to)).into(), previous }
}

fn order_of(reports: &[Told], before: &[i64]) -> Chain {
    let snapshots: Vec<Snapshot> = reports.iter().map(|&told| snapshot(told)).collect();
    let reports: Vec<(&str, &Snapshot)> =
        reports.iter().map(|told| told.id).zip(&snapshots).collect();
    let before: Vec<Facts> = before.iter().map(|&number| facts(number)).collect();
    order(&reports, &before)
}

fn ids(reports: &[Told], indexes: &[usize]) -> Vec<&'static str> {
    indexes.iter().map(|&index| reports[index].id).collect()
}

/// Checks the order of one second's reports and the reports it can end in, in whatever order
/// they are handed over (a few of them).
#[track_caller]
fn check(before: &[i64], reports: &[Told], sequence: &str, ends: &str) {
    let mut reports = reports.to_vec();
    for _ in 0..reports.len() {
        reports.rotate_left(1);
        for reports in [reports.clone(), reports.iter().rev().copied().collect()] {
            let chain = order_of(&reports, before);
            assert_eq!(ids(&reports, &chain.order.sequence).join(" "), sequence, "{reports:?}");
            let found: BTreeSet<_> = ids(&reports, &chain.order.ends).into_iter().collect();
            assert_eq!(found, ends.split(' ').collect(), "ends of {reports:?}");
        }
    }
}

#[test]
fn a_report_alone_is_its_own_order() {
    check(&[], &[told("a", 1, 2)], "a", "a");
    check(&[1], &[told("a", 1, 2)], "a", "a");
    check(&[9], &[silent("a", 2)], "a", "a");
}

#[test]
fn each_report_follows_the_one_whose_facts_it_found() {
    check(&[1], &[told("b", 1, 2), told("a", 2, 3)], "b a", "a");
    check(&[1], &[told("c", 1, 2), told("b", 2, 3), told("a", 3, 4)], "c b a", "a");
    // Also when nothing is known of the time before.
    check(&[], &[told("c", 1, 2), told("b", 2, 3), told("a", 3, 4)], "c b a", "a");
}

#[test]
fn what_was_before_the_second_decides_a_circle() {
    let circle = [told("a", 1, 2), told("b", 2, 1)];
    check(&[1], &circle, "a b", "b");
    check(&[2], &circle, "b a", "a");
    check(&[], &circle, "a b", "a b");
    check(&[3], &circle, "a b", "a b");
    check(&[1, 2], &circle, "a b", "a b");
}

#[test]
fn facts_may_flip_back_and_forth_within_one_second() {
    // 1 to 2, back, and to 2 again: which of the two equal moves came first is open, where it
    // ended is not.
    let flips = [told("a", 1, 2), told("b", 2, 1), told("c", 1, 2)];
    check(&[1], &flips, "a b c", "a c");
    let further = [told("d", 1, 2), told("c", 2, 1), told("b", 1, 2), told("a", 2, 1)];
    check(&[1], &further, "b a d c", "a c");
    check(&[2], &further, "a b c d", "b d");
}

#[test]
fn reports_that_do_not_say_what_was_before_are_in_the_order_of_their_ids() {
    check(&[1], &[silent("b", 2), silent("a", 3)], "a b", "a b");
    check(&[1], &[silent("c", 2), silent("b", 2), silent("a", 3)], "a b c", "a b c");
}

#[test]
fn one_report_that_says_what_was_before_places_one_that_does_not() {
    check(&[1], &[silent("b", 2), told("a", 2, 3)], "b a", "a");
    check(&[1], &[silent("b", 3), told("a", 1, 2)], "a b", "b");
    check(&[1], &[silent("a", 3), told("b", 1, 2)], "b a", "a");
}

#[test]
fn a_missing_report_leaves_the_rest_of_the_chain_together() {
    // Of 1-2, 2-3, 3-4, 4-5 the second is missing: the most links have 1-2 at the start.
    check(&[1], &[told("z", 1, 2), told("b", 3, 4), told("a", 4, 5)], "z b a", "a");
    // The first is missing: the two that link stay together.
    check(&[1], &[told("b", 2, 3), told("a", 3, 4)], "b a", "a");
    // Both ends of the chain are there, the middle is not, and nothing is known before.
    check(&[], &[told("b", 1, 2), told("a", 3, 4)], "a b", "a b");
}

#[test]
fn of_two_stories_that_cannot_both_be_true_both_ends_are_possible() {
    check(&[1], &[told("a", 1, 2), told("b", 1, 3)], "a b", "a b");
    check(&[1], &[told("a", 1, 2), told("b", 1, 3), told("c", 2, 4)], "a c b", "b c");
}

#[test]
fn where_nothing_is_known_before_the_first_report_links_if_it_says_what_was_before() {
    // `b` first has no link missing; behind `a`, it would have found 2.
    check(&[], &[silent("a", 2), told("b", 1, 3)], "b a", "a");
    // `b` links to `a`, or to what nobody knows.
    check(&[], &[silent("a", 1), told("b", 1, 2)], "a b", "a b");
    // Once something is known, it must fit.
    check(&[9], &[silent("a", 2), told("b", 1, 3)], "a b", "a b");
}

#[test]
fn any_end_of_the_second_before_is_a_place_to_start() {
    let reports = [told("b", 7, 8), told("a", 8, 9)];
    for before in [&[7][..], &[6, 7], &[7, 6]] {
        check(before, &reports, "b a", "a");
    }
}

#[test]
fn facts_that_no_rule_reads_break_no_link() {
    let mut drifted = snapshot(told("b", 1, 2));
    let profile = Arc::make_mut(&mut drifted.profile);
    profile.country = Some("US".to_owned());
    profile.charges_enabled = Some(true);
    let next = snapshot(told("a", 2, 3));
    let chain = order(&[("a", &next), ("b", &drifted)], &[facts(1)]);
    assert_eq!(chain.order, Order { sequence: vec![1, 0], ends: vec![0] });
    assert!(chain.precedes(1, 0) && !chain.precedes(0, 1));
}

#[test]
fn the_rules_put_a_report_before_another_when_every_candidate_does() {
    let reports = [told("a", 1, 2), told("b", 1, 3), told("c", 2, 4)];
    let chain = order_of(&reports, &[1]);
    assert!(chain.precedes(0, 2), "a before c in both");
    assert!(!chain.precedes(0, 1) && !chain.precedes(1, 0), "b is first or last");
    assert!(!chain.precedes(0, 0), "nothing precedes itself");
}

#[test]
fn the_order_of_no_report_is_empty() {
    assert_eq!(order(&[], &[facts(1)]).order, Order { sequence: vec![], ends: vec![] });
}

const IDS: [&str; 16] =
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];

/// A chain from 0 on, of which the ids run against the order.
fn long_chain(count: usize) -> Vec<Told> {
    let step = |(id, from): (&&'static str, i64)| told(id, from, from + 1);
    IDS[..count].iter().rev().zip(0..).map(step).collect()
}

#[test]
fn a_long_chain_without_a_gap_is_as_sure_as_a_short_one() {
    for count in [EXHAUSTIVE, EXHAUSTIVE + 1, 16] {
        let reports = long_chain(count);
        let expected = reports.iter().map(|told| told.id).collect::<Vec<_>>().join(" ");
        check(&[0], &reports, &expected, "a");
        let chain = order_of(&reports, &[0]);
        for early in 0..count {
            for late in 0..count {
                assert_eq!(chain.precedes(early, late), early < late, "{early} {late} of {count}");
            }
        }
    }
}

#[test]
fn a_long_chain_with_a_gap_is_left_open() {
    for gap in 0..EXHAUSTIVE + 2 {
        let mut reports = long_chain(EXHAUSTIVE + 2);
        reports.remove(gap);
        let chain = order_of(&reports, &[0]);
        // Only the loss of the last report leaves a chain without a gap.
        if gap == EXHAUSTIVE + 1 {
            assert_eq!(ids(&reports, &chain.order.ends), ["b"]);
            continue;
        }
        assert_eq!(chain.order.ends.len(), reports.len(), "without {gap}");
        let precedes = |a: usize| (0..reports.len()).any(|b| chain.precedes(a, b));
        assert!(!(0..reports.len()).any(precedes), "without {gap}");
    }
}

#[test]
fn a_long_second_takes_the_smallest_id_that_links_and_else_the_smallest_id() {
    // 0-1 links to the time before and 1-2 to it; then nothing links, so `a` is next, and 4-5
    // links to that; `c` to `g` are left in the order of their ids.
    let mut reports = vec![told("i", 0, 1), told("h", 1, 2), told("a", 3, 4), told("b", 4, 5)];
    for (id, number) in ["c", "d", "e", "f", "g"].into_iter().zip((10..).step_by(10)) {
        reports.push(told(id, number, number + 1));
    }
    check(&[0], &reports, "i h a b c d e f g", "a b c d e f g h i");

    // Of two that link, the smaller id.
    let mut reports = long_chain(EXHAUSTIVE + 1);
    reports[0] = told("z", 0, 1);
    reports.push(told("y", 0, 1));
    assert!(ids(&reports, &order_of(&reports, &[0]).order.sequence).starts_with(&["y", "h"]));
}

#[test]
fn a_long_second_that_links_to_nothing_before_is_left_open() {
    let reports = long_chain(EXHAUSTIVE + 1);
    assert_eq!(order_of(&reports, &[]).order.ends.len(), reports.len());
    assert_eq!(order_of(&reports, &[77]).order.ends.len(), reports.len());
}

#[test]
fn a_long_circle_is_left_open_when_it_could_have_begun_in_two_places() {
    let mut reports = Vec::new();
    for pair in IDS[..EXHAUSTIVE + 2].chunks(2) {
        reports.extend([told(pair[0], 1, 2), told(pair[1], 2, 1)]);
    }
    let ends = |before: &[i64]| order_of(&reports, before).order.ends.len();
    assert_eq!((ends(&[1]), ends(&[2])), (1, 1));
    assert_eq!(ends(&[1, 2]), reports.len());
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in permutations(last) {
        for place in 0..count {
            let mut longer = shorter.clone();
            longer.insert(place, last);
            all.push(longer);
        }
    }
    all
}

/// The rule, as it is written: of all orders, those with the most links.
fn candidates(reports: &[Told], before: &[i64]) -> Vec<Vec<usize>> {
    let fits_before =
        |told: Told| told.from.is_some_and(|n| before.is_empty() || before.contains(&n));
    let links = |order: &[usize]| {
        let to_before = order.first().is_some_and(|&first| fits_before(reports[first]));
        let linked = |pair: &&[usize]| reports[pair[1]].from == Some(reports[pair[0]].to);
        usize::from(to_before) + order.windows(2).filter(linked).count()
    };
    let orders = permutations(reports.len());
    let most = orders.iter().map(|order| links(order)).max().unwrap();
    orders.into_iter().filter(|order| links(order) == most).collect()
}

fn place(order: &[usize], report: usize) -> usize {
    order.iter().position(|&other| other == report).unwrap()
}

fn second() -> impl Strategy<Value = (Vec<Told>, Vec<i64>)> {
    let ids = Just(IDS[..6].to_vec()).prop_shuffle();
    let said = vec((weighted(0.75, 0_i64..4), 0_i64..4), 1..=6);
    let before = vec(0_i64..4, 0..3);
    (ids, said, before).prop_map(|(ids, said, before)| {
        let told = |(id, (from, to))| Told { id, from, to };
        (ids.into_iter().zip(said).map(told).collect(), before)
    })
}

proptest! {
    #[test]
    fn the_candidates_are_those_of_weighing_every_order((reports, before) in second()) {
        let chain = order_of(&reports, &before);
        let candidates = candidates(&reports, &before);

        let ends: BTreeSet<usize> = candidates.iter().filter_map(|o| o.last().copied()).collect();
        prop_assert_eq!(chain.order.ends.iter().copied().collect::<BTreeSet<_>>(), ends.clone());
        prop_assert_eq!(chain.order.ends.len(), ends.len(), "each end is named once");

        let smallest = candidates.iter().map(|order| ids(&reports, order)).min().unwrap();
        prop_assert_eq!(ids(&reports, &chain.order.sequence), smallest);

        for a in 0..reports.len() {
            for b in (0..reports.len()).filter(|&b| b != a) {
                let always = candidates.iter().all(|order| place(order, a) < place(order, b));
                prop_assert_eq!(chain.precedes(a, b), always, "{} before {}", a, b);
            }
        }
    }

    #[test]
    fn a_long_second_is_a_permutation_and_does_not_depend_on_how_it_is_handed_over(
        said in vec((weighted(0.8, 0_i64..6), 0_i64..6), 9..=16),
        before in vec(0_i64..6, 0..2),
        turn in 0_usize..16,
    ) {
        let told = |(&id, (from, to))| Told { id, from, to };
        let reports: Vec<Told> = IDS.iter().zip(said).map(told).collect();
        let chain = order_of(&reports, &before);
        let mut places = chain.order.sequence.clone();
        places.sort_unstable();
        prop_assert!(places.into_iter().eq(0..reports.len()));

        let mut turned = reports.clone();
        turned.rotate_left(turn % reports.len());
        let other = order_of(&turned, &before);
        prop_assert_eq!(ids(&reports, &chain.order.sequence), ids(&turned, &other.order.sequence));
        let ends: BTreeSet<_> = ids(&reports, &chain.order.ends).into_iter().collect();
        prop_assert_eq!(ends, ids(&turned, &other.order.ends).into_iter().collect());
    }
}
