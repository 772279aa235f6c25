//! How far our clock is from that of whoever signs.
//!
//! Every attempt of Stripe's to deliver is signed anew, so a late event does not look like a clock
//! that is wrong. A delivery that someone has kept and sends again does; it counts once.

use std::collections::VecDeque;

/// Signatures that are remembered.
const REMEMBERED: usize = 15;
/// Fewer say nothing yet.
const FEWEST: usize = 3;

/// What the remembered signatures say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    /// Our time less theirs: the median.
    pub seconds: i64,
    pub signatures: usize,
}

/// Recent genuine signatures, each of another second.
#[derive(Clone, Debug, Default)]
pub struct Skews(VecDeque<Signed>);

#[derive(Clone, Copy, Debug)]
struct Signed {
    at: i64,
    skew: i64,
}

impl Skews {
    /// A genuine signature, and our time when it came; Unix seconds.
    pub fn note(&mut self, signed_at: i64, now: i64) {
        if self.0.iter().rev().any(|known| known.at == signed_at) {
            return;
        }
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Signed { at: signed_at, skew: now.saturating_sub(signed_at) });
    }

    /// Of the last signature.
    pub fn last(&self) -> Option<i64> {
        self.0.back().map(|signed| signed.skew)
    }

    /// `None` while there are too few.
    pub fn median(&self) -> Option<Skew> {
        let mut skews: Vec<i64> = self.0.iter().map(|signed| signed.skew).collect();
        skews.sort_unstable();
        let signatures = skews.len();
        let seconds = skews.get(signatures / 2).copied().filter(|_| signatures >= FEWEST)?;
        Some(Skew { seconds, signatures })
    }
}
