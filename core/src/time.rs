use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A point in time: nanoseconds since an origin that the caller chose.
///
/// The core has no clock. A driver takes the origin when it starts and passes "now" into every input; a
/// simulation counts its own. All values given to one [`Endpoint`](crate::Endpoint) must share an origin and should
/// never go backwards; a value that does is taken as it is and only makes timers late.
///
/// Arithmetic saturates: 584 years after the origin is as far as it goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin itself.
    pub const ORIGIN: Self = Self(0);
    /// Later than every deadline.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The instant `elapsed` after the origin.
    #[must_use]
    pub fn after_origin(elapsed: Duration) -> Self {
        Self::ORIGIN + elapsed
    }

    /// The time since the origin.
    #[must_use]
    pub fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, rhs: Self) -> Duration {
        self.saturating_since(rhs)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{:?}", self.since_origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_counted_from_the_origin_and_stops_at_the_end() {
        let mut at = Instant::ORIGIN + Duration::from_millis(5);
        at += Duration::from_millis(7);
        assert_eq!((at - Instant::ORIGIN, Instant::ORIGIN - at), (Duration::from_millis(12), Duration::ZERO));
        assert_eq!(at, Instant::after_origin(at.since_origin()));
        at += Duration::MAX;
        assert_eq!(at, Instant::FAR_FUTURE);
    }
}
