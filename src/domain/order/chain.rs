//! The chain of changes: the order of an account's reports inside one second.
//!
//! `previous_attributes` says what an event changed. A report is *linked* to the one before it
//! when putting its previous attributes back gives exactly the facts of the one before. Of all
//! orders of a second's reports, those with the most links are the candidates; the rules have
//! decided whatever all candidates agree on.
//!
//! Of an account of which nothing is known before, the first report links if it says what was
//! before, whatever that is. So as long as no report is missing, the true order has every link that
//! there can be, and is one of the candidates.
//!
//! Up to [`EXHAUSTIVE`] reports every order is weighed, by dynamic programming over the subsets
//! already placed. Beyond that the order is grown greedily, and everything that a missing link
//! leaves open counts as open.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tables of a fixed, small size, indexed by subsets and members of the same size"
)]

use std::borrow::Borrow;

use crate::domain::account::{Facts, Snapshot};
use crate::domain::order::Order;

/// Seconds with up to this many reports are weighed exhaustively.
pub const EXHAUSTIVE: usize = 8;

/// The candidates for the order of one second, summed up.
#[derive(Debug)]
pub struct Chain {
    pub order: Order,
    /// `precedes[a][b]`: every candidate puts `a` before `b`.
    precedes: Vec<Vec<bool>>,
}

impl Chain {
    pub fn precedes(&self, a: usize, b: usize) -> bool {
        self.precedes[a][b]
    }
}

/// Orders the snapshots of one second. `before` holds the facts in which the seconds before it
/// could have ended.
pub fn order(reports: &[(&str, &Snapshot)], before: &[impl Borrow<Facts>]) -> Chain {
    let mut by_id: Vec<usize> = (0..reports.len()).collect();
    by_id.sort_by_key(|&index| reports[index].0);
    let links = Links::between(&by_id, reports, before);
    let chain = if by_id.len() <= EXHAUSTIVE { exhaustive(&links) } else { greedy(&links) };
    chain.renamed(&by_id)
}

/// Which report, counted in the order of ids, links to which.
struct Links {
    count: usize,
    /// How many ends the seconds before could have had.
    starts: usize,
    /// Links to an end of the seconds before, or to what nobody knows.
    first: Vec<bool>,
    /// `after[a][b]`: `b` links to `a`.
    after: Vec<Vec<bool>>,
}

impl Links {
    fn between(
        by_id: &[usize],
        reports: &[(&str, &Snapshot)],
        before: &[impl Borrow<Facts>],
    ) -> Self {
        let snapshots: Vec<&Snapshot> = by_id.iter().map(|&index| reports[index].1).collect();
        let links_to_before = |s: &&Snapshot| {
            let unknown = before.is_empty() && s.previous.is_some();
            unknown || before.iter().any(|facts| s.follows(facts.borrow()))
        };
        let after = |a: &&Snapshot| snapshots.iter().map(|b| b.follows(&a.profile.facts)).collect();
        Self {
            count: snapshots.len(),
            starts: before.len(),
            first: snapshots.iter().map(links_to_before).collect(),
            after: snapshots.iter().map(after).collect(),
        }
    }
}

/// Weighs every order. `rest[placed][last]` is the most links that the reports outside the
/// subset `placed` can still add when `last` was placed last.
fn exhaustive(links: &Links) -> Chain {
    let count = links.count;
    let everything = (1_usize << count) - 1;
    let outside = |placed: usize| (0..count).filter(move |&next| placed & (1 << next) == 0);
    let mut rest = vec![[0_usize; EXHAUSTIVE]; everything + 1];
    for placed in (1..everything).rev() {
        for last in (0..count).filter(|&last| placed & (1 << last) != 0) {
            let gain =
                |next: usize| usize::from(links.after[last][next]) + rest[placed | 1 << next][next];
            rest[placed][last] = outside(placed).map(gain).max().unwrap_or(0);
        }
    }
    let start = |first: usize| usize::from(links.first[first]) + rest[1 << first][first];
    let most = (0..count).map(start).max().unwrap_or(0);
    let goes_on = |placed: usize, last: usize, next: usize| {
        usize::from(links.after[last][next]) + rest[placed | 1 << next][next] == rest[placed][last]
    };

    // Walk all candidates at once, and the one with the smallest ids by itself.
    let mut reached = vec![[false; EXHAUSTIVE]; everything + 1];
    let mut sequence = Vec::with_capacity(count);
    for first in (0..count).filter(|&first| start(first) == most) {
        reached[1 << first][first] = true;
        if sequence.is_empty() {
            sequence.push(first);
        }
    }
    let mut precedes = vec![vec![true; count]; count];
    for placed in 1..=everything {
        for last in 0..count {
            if !reached[placed][last] {
                continue;
            }
            for next in outside(placed).filter(|&next| goes_on(placed, last, next)) {
                reached[placed | 1 << next][next] = true;
            }
        }
        if reached[placed].iter().any(|&is| is) {
            for early in (0..count).filter(|&early| placed & (1 << early) != 0) {
                outside(placed).for_each(|late| precedes[late][early] = false);
            }
        }
    }
    (0..count).for_each(|report| precedes[report][report] = false);
    while let Some(&last) = sequence.last().filter(|_| sequence.len() < count) {
        let placed = sequence.iter().fold(0, |placed, &report| placed | 1 << report);
        sequence.extend(outside(placed).find(|&next| goes_on(placed, last, next)));
    }
    let ends = (0..count).filter(|&last| reached[everything][last]).collect();
    Chain { order: Order { sequence, ends }, precedes }
}

/// Takes again and again the report with the smallest id that links, else the smallest id.
fn greedy(links: &Links) -> Chain {
    let mut remaining: Vec<usize> = (0..links.count).collect();
    let mut sequence: Vec<usize> = Vec::with_capacity(links.count);
    // From one start, all unbroken chains end in the same facts; from several, a circle of changes
    // can end where any of them began.
    let mut unbroken = links.starts == 1;
    while !remaining.is_empty() {
        let linked = |&next: &usize| match sequence.last() {
            Some(&last) => links.after[last][next],
            None => links.first[next],
        };
        let place = remaining.iter().position(linked);
        unbroken &= place.is_some();
        sequence.push(remaining.remove(place.unwrap_or(0)));
    }
    let ends = match sequence.last() {
        Some(&last) if unbroken => vec![last],
        _ => (0..links.count).collect(),
    };
    let mut precedes = vec![vec![false; links.count]; links.count];
    if unbroken {
        for (place, &early) in sequence.iter().enumerate() {
            sequence[place + 1..].iter().for_each(|&late| precedes[early][late] = true);
        }
    }
    Chain { order: Order { sequence, ends }, precedes }
}

impl Chain {
    /// Back from the order of ids to the caller's indexes.
    fn renamed(self, by_id: &[usize]) -> Self {
        let names = |indexes: Vec<usize>| indexes.into_iter().map(|index| by_id[index]).collect();
        let mut precedes = vec![vec![false; by_id.len()]; by_id.len()];
        for (a, row) in self.precedes.iter().enumerate() {
            row.iter().enumerate().for_each(|(b, &is)| precedes[by_id[a]][by_id[b]] = is);
        }
        let order = Order { sequence: names(self.order.sequence), ends: names(self.order.ends) };
        Self { order, precedes }
    }
}

#[cfg(test)]
mod tests;
