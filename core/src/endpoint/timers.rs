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
    pub(super) const ALL: [Self; 11] = [
        Self::Grace,
        Self::Watchdog,
        Self::Probe,
        Self::Duplicates,
        Self::Connect,
        Self::Retry,
        Self::GiveUp,
        Self::Idle,
        Self::Ping,
        Self::Pong,
        Self::Closing,
    ];
    /// Those that belong to a transport and die with it.
    pub(super) const OF_TRANSPORT: [Self; 6] = [Self::Watchdog, Self::Probe, Self::Connect, Self::Idle, Self::Ping, Self::Pong];
}

/// One deadline for each [`Timer`].
#[derive(Debug)]
pub(super) struct Timers([Instant; Timer::ALL.len()]);

impl Default for Timers {
    fn default() -> Self {
        Self([Instant::FAR_FUTURE; Timer::ALL.len()])
    }
}

impl Timers {
    /// Sets `timer` to `delay` from now, at least a millisecond: a deadline that is due the moment it is set would spin.
    pub(super) fn set(&mut self, timer: Timer, now: Instant, delay: Duration) {
        self.0[timer as usize] = now + delay.max(Duration::from_millis(1));
    }

    /// Sets `timer` as [`set`](Self::set) does, unless it comes earlier already.
    pub(super) fn set_earlier(&mut self, timer: Timer, now: Instant, delay: Duration) {
        let before = self.0[timer as usize];
        self.set(timer, now, delay);
        self.0[timer as usize] = self.0[timer as usize].min(before);
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = Instant::FAR_FUTURE;
    }

    pub(super) fn clear_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Instant::FAR_FUTURE
    }

    /// Whether `timer` is due; if so it is cleared.
    pub(super) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.is_set(timer) && self.0[timer as usize] <= now;
        if due {
            self.clear(timer);
        }
        due
    }

    pub(super) fn next(&self) -> Instant {
        self.0.iter().copied().min().unwrap_or(Instant::FAR_FUTURE)
    }
}
