//! How often peers may name sessions that do not exist, all connections of one address together.

use bowline_core::Instant;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Addresses that are remembered. Beyond that, those that are closest to being forgiven are forgotten.
const ADDRESSES: usize = 4096;

/// A bucket of tokens for each address. A full one is not kept.
pub(crate) struct Guesses {
    /// What one guess costs.
    cost: Duration,
    /// What a bucket holds.
    burst: Duration,
    /// When the bucket of each address will be full again.
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Guesses {
    /// So many at once, and so many more in each second.
    pub(crate) fn new(burst: u32, per_second: u32) -> Self {
        let cost = Duration::from_secs(1) / per_second.max(1);
        Self { cost, burst: cost.saturating_mul(burst), full_at: Mutex::default() }
    }

    /// Counts a guess. Returns whether it is one too many.
    pub(crate) fn is_one_too_many(&self, now: Instant, peer: SocketAddr) -> bool {
        let address = whose(peer.ip());
        let mut table = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = table.get(&address).copied().unwrap_or(now).max(now) + self.cost;
        if full_at > now + self.burst {
            return true;
        }
        if table.len() >= ADDRESSES && !table.contains_key(&address) {
            table.retain(|_, full_at| *full_at > now);
        }
        if table.len() >= ADDRESSES
            && !table.contains_key(&address)
            && let Some(first) = table.iter().min_by_key(|(_, full_at)| **full_at).map(|(address, _)| *address)
        {
            table.remove(&first);
        }
        table.insert(address, full_at);
        false
    }
}

/// Who has an IPv6 address has the 2^64 beside it, too.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 1)
    }

    #[test]
    fn a_bucket_runs_dry_and_fills_again_and_is_of_one_address() {
        let guesses = Guesses::new(3, 2);
        let now = Instant::ORIGIN + Duration::from_secs(100);
        for address in ["10.0.0.1", "10.0.0.2", "2001:db8::1"] {
            for _ in 0..3 {
                assert!(!guesses.is_one_too_many(now, peer(address)));
            }
            assert!(guesses.is_one_too_many(now, peer(address)));
        }
        assert!(guesses.is_one_too_many(now, peer("2001:db8::ffff:2")), "the same network");
        assert!(guesses.is_one_too_many(now, peer("::ffff:10.0.0.1")), "the same address");
        let later = now + Duration::from_secs(1);
        let taken = (0..5).filter(|_| !guesses.is_one_too_many(later, peer("10.0.0.1"))).count();
        assert_eq!(taken, 2);
    }

    #[test]
    fn the_table_is_bounded() {
        let guesses = Guesses::new(2, 1);
        let worst = peer("192.0.2.1");
        while !guesses.is_one_too_many(Instant::ORIGIN, worst) {}
        for n in 0..6000_u32 {
            assert!(!guesses.is_one_too_many(Instant::ORIGIN, SocketAddr::new(IpAddr::V4(n.into()), 1)));
        }
        assert_eq!(guesses.full_at.lock().unwrap().len(), ADDRESSES);
        assert!(guesses.is_one_too_many(Instant::ORIGIN, worst), "the worst is not the one that is forgotten");
    }
}
