use crate::Instant;
use core::time::Duration;

/// Everything that an endpoint waits for, apart from the answers to its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Server: a session without a transport ends.
    Grace,
    /// Server: a client that pings has been silent.
    Watchdog,
    /// Server: the probe of a silent client was not answered.
    Probe,
    /// Server: the first request of what may be another sender does not come.
    Doubt,
    /// Both: answers kept for a peer that asks again are dropped.
    Duplicates,
    /// Client: dial and `connect` took too long.
    Connect,
    /// Client: the back-off is over.
    Retry,
    /// Client: the time for reconnecting is used up.
    GiveUp,
    /// Client: no frame in either direction.
    Idle,
    /// Client: the next ping.
    Ping,
    /// Client: the ping was not answered.
    Pong,
    /// Client: `closeSession` was not answered.
    Closing,
}

impl Timer {
    pub(super) const OF_SERVER: [Self; 5] = [Self::Grace, Self::Watchdog, Self::Probe, Self::Doubt, Self::Duplicates];
    pub(super) const OF_CLIENT: [Self; 8] =
        [Self::Duplicates, Self::Connect, Self::Retry, Self::GiveUp, Self::Idle, Self::Ping, Self::Pong, Self::Closing];

    /// Whether it belongs to a transport, and dies with it.
    pub(super) const fn is_of_transport(self) -> bool {
        match self {
            Self::Watchdog | Self::Probe | Self::Doubt | Self::Connect | Self::Idle | Self::Ping | Self::Pong => true,
            Self::Grace | Self::Duplicates | Self::Retry | Self::GiveUp | Self::Closing => false,
        }
    }

    /// Where its deadline is. An endpoint is a server or a client, and what only the one waits for has the places of what only the other does.
    const fn place(self) -> usize {
        match self {
            Self::Duplicates => 0,
            Self::Grace | Self::Connect => 1,
            Self::Watchdog | Self::Retry => 2,
            Self::Probe | Self::GiveUp => 3,
            Self::Doubt | Self::Idle => 4,
            Self::Ping => 5,
            Self::Pong => 6,
            Self::Closing => 7,
        }
    }
}

const PLACES: usize = 8;

/// One deadline for each [`Timer`] of a role.
#[derive(Debug)]
pub(super) struct Timers([Instant; PLACES]);

impl Default for Timers {
    fn default() -> Self {
        Self([Instant::FAR_FUTURE; PLACES])
    }
}

impl Timers {
    /// Sets `timer` to `delay` from now, at least a millisecond: a deadline that is due the moment it is set would spin.
    pub(super) fn set(&mut self, timer: Timer, now: Instant, delay: Duration) {
        self.0[timer.place()] = now + delay.max(Duration::from_millis(1));
    }

    /// Sets `timer` as [`set`](Self::set) does, unless it comes earlier already.
    pub(super) fn set_earlier(&mut self, timer: Timer, now: Instant, delay: Duration) {
        let before = self.0[timer.place()];
        self.set(timer, now, delay);
        self.0[timer.place()] = self.0[timer.place()].min(before);
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.0[timer.place()] = Instant::FAR_FUTURE;
    }

    pub(super) fn clear_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer.place()] != Instant::FAR_FUTURE
    }

    /// Whether `timer` is due; if so it is cleared.
    pub(super) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.is_set(timer) && self.0[timer.place()] <= now;
        if due {
            self.clear(timer);
        }
        due
    }

    pub(super) fn next(&self) -> Instant {
        self.0.iter().copied().min().unwrap_or(Instant::FAR_FUTURE)
    }
}
