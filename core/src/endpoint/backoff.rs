use core::time::Duration;

/// The waits between attempts to connect: the first attempt at once, then full jitter (PROTOCOL 7).
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self { failures: 0, random: seed }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Which attempt comes next, from 1.
    pub(super) fn attempt(&self) -> u32 {
        self.failures.saturating_add(1)
    }

    /// The wait before the next attempt after a failure: drawn from zero to `base` doubled for each failure from the third on.
    pub(super) fn after_failure(&mut self, base: Duration, max: Duration) -> Duration {
        // The first retry after a loss comes at once and counts as a failure already.
        let doublings = self.failures.saturating_sub(1).min(31);
        self.failures = self.failures.saturating_add(1);
        let bound = base.saturating_mul(1 << doublings).min(max);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.draw() % nanos.saturating_add(1).max(1))
    }

    /// splitmix64: even enough for jitter, and the same on every machine.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_draws_what_splitmix64_draws() {
        let mut backoff = Backoff::new(0);
        assert_eq!([(); 3].map(|()| backoff.draw()), [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn waits_grow_to_the_bound_and_never_past_it() {
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(30));
        let mut backoff = Backoff::new(7);
        let waits: std::vec::Vec<_> = (0..40).map(|_| backoff.after_failure(base, max)).collect();
        assert!(waits[0] <= base && waits[1] <= base * 2);
        assert!(waits.iter().all(|wait| *wait <= max) && waits.iter().any(|wait| *wait > max / 2));
        assert_eq!(backoff.attempt(), 41);
        backoff.reset();
        assert_eq!(backoff.attempt(), 1);
    }
}
