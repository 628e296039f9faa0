//! Requests that wait for the sake of what the application says by itself.
//!
//! Answers have a reserve beyond the send buffer, calls and notifications have none. A peer with more answers under way than the buffer holds would keep ours from ever having room: with each
//! acknowledgement the buffer is still full of answers. So when one of ours has waited for a while, no request starts until one has had room. The peer may wait for just the answers to these before it
//! acknowledges anything, which looks the same from here: so that is for a while only, and seldom if it was in vain.

use super::SessionTask;
use crate::runtime::Runtime;
use bowline_core::Instant;
use std::time::Duration;

/// A call or a notification waits as long for room before requests wait for it …
const WAITS: Duration = Duration::from_secs(1);
/// … which they do for as long at most …
const GIVES_WAY: Duration = Duration::from_secs(1);
/// … and then not again before this.
const RESTS: Duration = Duration::from_secs(10);

/// Whether requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivingWay {
    /// Nothing waits for room.
    No,
    /// From then on, if nothing has had room by then.
    From(Instant),
    /// Until something has had room, or then.
    Until(Instant),
}

impl GivingWay {
    /// What comes next, if something of ours `waits`, or has just been `posted`.
    fn next(self, now: Instant, waits: bool, posted: bool) -> Self {
        match self {
            _ if !waits => Self::No,
            _ if posted => Self::From(now + WAITS),
            Self::No => Self::From(now + WAITS),
            Self::From(at) if at <= now => Self::Until(now + GIVES_WAY),
            Self::Until(at) if at <= now => Self::From(now + RESTS),
            as_it_is @ (Self::From(_) | Self::Until(_)) => as_it_is,
        }
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::No => None,
            Self::From(at) | Self::Until(at) => Some(at),
        }
    }
}

impl<R: Runtime> SessionTask<R> {
    /// `posted` is whether a call or a notification has just had room.
    pub(super) fn consider_giving_way(&mut self, now: Instant, posted: bool) {
        // Where it is calls that are too many, no answer is in their way.
        let waits = self.endpoint.is_attached() && self.mailbox().has_posts() && self.endpoint.usage().calls < self.places.calls;
        self.giving_way = self.giving_way.next(now, waits, posted);
    }

    /// Whether no request starts.
    pub(super) fn gives_way(&self) -> bool {
        matches!(self.giving_way, GivingWay::Until(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_wait_for_a_second_after_a_second_and_then_not_for_ten() {
        let at = |millis| Instant::ORIGIN + Duration::from_millis(millis);
        let mut giving_way = GivingWay::No;
        let mut step = |millis, waits, posted| {
            giving_way = giving_way.next(at(millis), waits, posted);
            giving_way
        };
        assert_eq!(step(0, false, false), GivingWay::No);
        assert_eq!(step(0, true, false), GivingWay::From(at(1000)));
        assert_eq!(step(500, true, true), GivingWay::From(at(1500)));
        assert_eq!(step(1499, true, false), GivingWay::From(at(1500)));
        assert_eq!(step(1500, true, false), GivingWay::Until(at(2500)));
        assert_eq!(step(2000, true, false), GivingWay::Until(at(2500)));
        assert_eq!(step(2500, true, false), GivingWay::From(at(12_500)), "it was in vain");
        assert_eq!(step(12_500, true, false), GivingWay::Until(at(13_500)));
        assert_eq!(step(13_000, true, true), GivingWay::From(at(14_000)));
        assert_eq!(step(13_100, false, true), GivingWay::No);
    }
}
