//! Wrong tokens, counted by the address that they come from.
//!
//! Only failures are counted, and only they are refused: who has a good token is let in whatever
//! others do from the same address. Memory is bounded; addresses beyond what fits share one count.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::domain::time::Timestamp;

/// Networks that are told apart.
const MOST_NETWORKS: usize = 4096;
/// µs in which as many failures as are allowed are forgotten again.
const WINDOW: i64 = 60_000_000;

/// Failed attempts of the last minute.
pub struct Attempts {
    /// Zero: no limit.
    most_a_minute: u32,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    known: HashMap<Network, Count>,
    /// Of all that do not fit.
    others: Count,
    /// When what is forgotten was last thrown out.
    swept: i64,
}

/// Who is counted together: one address, or the /64 that a client of IPv6 can choose from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    Four(u32),
    Six(u64),
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Four(address.to_bits()),
            IpAddr::V6(address) => Self::Six((address.to_bits() >> 64) as u64),
        }
    }
}

/// The moment when all failures are forgotten, µs since the Unix epoch. Each moves it on by its
/// share of the window.
#[derive(Clone, Copy, Default)]
struct Count(i64);

impl Count {
    /// Counts a failure; an error says for how many µs no other is borne with.
    fn add(&mut self, now: i64, share: i64) -> Result<(), i64> {
        // A clock that was set back must not lock anyone out for longer.
        self.0 = self.0.clamp(now, now.saturating_add(WINDOW));
        let next = self.0.saturating_add(share);
        let excess = next.saturating_sub(now).saturating_sub(WINDOW);
        if excess > 0 {
            return Err(excess);
        }
        self.0 = next;
        Ok(())
    }

    fn is_forgotten(self, now: i64) -> bool {
        self.0 <= now
    }
}

impl Attempts {
    pub fn new(most_a_minute: u32) -> Self {
        Self { most_a_minute, table: Mutex::default() }
    }

    /// Counts a failure. An error: there were too many, for so many seconds still.
    pub(super) fn failed(&self, from: Option<IpAddr>, now: Timestamp) -> Result<(), u64> {
        if self.most_a_minute == 0 {
            return Ok(());
        }
        let share = (WINDOW / i64::from(self.most_a_minute)).max(1);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let excess = table.count_of(from, now.0).add(now.0, share);
        excess.map_err(|excess| u64::try_from(excess).unwrap_or(0).div_ceil(1_000_000))
    }
}

impl Table {
    fn count_of(&mut self, from: Option<IpAddr>, now: i64) -> &mut Count {
        let Some(network) = from.map(Network::of) else { return &mut self.others };
        let is_known = self.known.contains_key(&network);
        if !is_known && self.known.len() >= MOST_NETWORKS && self.swept != now / 1_000_000 {
            self.swept = now / 1_000_000;
            self.known.retain(|_, count| !count.is_forgotten(now));
        }
        if is_known || self.known.len() < MOST_NETWORKS {
            self.known.entry(network).or_default()
        } else {
            &mut self.others
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const START: i64 = 1_790_000_000 * SECOND;

    fn at(second: i64) -> Timestamp {
        Timestamp(START + second * SECOND)
    }

    fn from(attempts: &Attempts, address: &str, second: i64) -> Result<(), u64> {
        attempts.failed(Some(address.parse().unwrap()), at(second))
    }

    #[test]
    fn so_many_a_minute_are_borne_with_and_then_one_for_each_share_of_it() {
        let attempts = Attempts::new(6);
        for _ in 0..6 {
            assert_eq!(from(&attempts, "192.0.2.1", 0), Ok(()));
        }
        assert_eq!(from(&attempts, "192.0.2.1", 0), Err(10));
        assert_eq!(from(&attempts, "192.0.2.1", 4), Err(6), "refused ones do not count");
        assert_eq!(from(&attempts, "192.0.2.1", 10), Ok(()));
        assert_eq!(from(&attempts, "192.0.2.1", 10), Err(10));
        for _ in 0..6 {
            assert_eq!(from(&attempts, "192.0.2.1", 100), Ok(()));
        }
    }

    #[test]
    fn addresses_are_counted_apart_and_a_network_of_ipv6_together() {
        for (first, second, together) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::1", "127.0.0.1", false),
        ] {
            let attempts = Attempts::new(1);
            assert_eq!(from(&attempts, first, 0), Ok(()));
            assert_eq!(from(&attempts, second, 0).is_err(), together, "{first} {second}");
        }
    }

    #[test]
    fn memory_is_bounded_and_who_does_not_fit_is_counted_with_the_others() {
        let attempts = Attempts::new(2);
        let address = |number: u32| Some(IpAddr::from(number.to_be_bytes()));
        let size = || attempts.table.lock().unwrap().known.len();
        for number in 0..10_000 {
            attempts.failed(address(number), at(0)).ok();
        }
        assert_eq!(size(), MOST_NETWORKS);
        assert!(attempts.failed(address(20_000), at(1)).is_err(), "the others had their share");
        assert_eq!(attempts.failed(address(0), at(1)), Ok(()), "it has its own");
        // What is forgotten makes room.
        assert_eq!(attempts.failed(address(30_000), at(100)), Ok(()));
        assert_eq!(size(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_longer_than_the_window() {
        let attempts = Attempts::new(1);
        assert_eq!(from(&attempts, "192.0.2.1", 100_000), Ok(()));
        assert_eq!(from(&attempts, "192.0.2.1", 0), Err(60));
        assert_eq!(from(&attempts, "192.0.2.1", 61), Ok(()));
    }

    #[test]
    fn no_limit_is_no_limit() {
        let attempts = Attempts::new(0);
        assert!((0..1000).all(|_| attempts.failed(None, at(0)).is_ok()));
    }
}
