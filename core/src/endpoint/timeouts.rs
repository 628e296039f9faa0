//! What happens when time has passed.

use super::{Endpoint, Link, Role, Timer};
use crate::{CallOutcome, Close, CloseReason, Instant};

impl<T> Endpoint<T> {
    /// Time has come to [`poll_timeout`](Self::poll_timeout), or to any other moment: what is due happens.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.clock = now;
        for &timer in self.own_timers() {
            if self.timers.take_due(timer, now) {
                self.fire(timer, now);
            }
        }
        while let Some(ended) = self.calls.expire(now) {
            self.outbox.forget_call(ended.id, ended.number.is_some());
            self.settle(ended, CallOutcome::TimedOut);
        }
    }

    pub(super) fn own_timers(&self) -> &'static [Timer] {
        match self.role {
            Role::Server(_) => &Timer::OF_SERVER,
            Role::Client(_) => &Timer::OF_CLIENT,
        }
    }

    fn fire(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Grace => self.finish(Close::NORMAL, CloseReason::GraceExpired),
            Timer::Watchdog => self.watchdog_barks(now),
            Timer::Probe => self.probe_unanswered(now),
            Timer::Duplicates => self.expire_duplicates(now),
            Timer::Connect => self.hang_up(Close::NORMAL),
            Timer::Retry => self.dial(now),
            Timer::GiveUp => self.finish(Close::NORMAL, CloseReason::GaveUp),
            Timer::Idle if self.is_deaf() => self.used(now),
            Timer::Pong if self.is_deaf() => self.expect_pong(now),
            Timer::Idle | Timer::Pong => {
                self.outbox.hold();
                self.hang_up(Close::NORMAL);
            }
            Timer::Ping => self.ping_is_due(now),
            Timer::Doubt => self.outbox.withhold(false),
            Timer::Closing => self.goodbye_said(),
        }
    }

    fn expire_duplicates(&mut self, now: Instant) {
        let (keep_for, next) = {
            let Self { role, duplicates, .. } = self;
            let limits = role.limits();
            (limits.duplicate_time, duplicates.expire(now, limits))
        };
        if let Some(oldest) = next {
            self.timers.set(Timer::Duplicates, now, (oldest + keep_for).saturating_since(now));
        }
    }

    /// Whether it is we who do not read, and our application that can change it: what is waited for may lie unread.
    pub(super) fn is_deaf(&self) -> bool {
        self.link == Link::Up && !self.wants_read() && self.is_drained(1) && self.owed.len() > self.owed.queued()
    }

    /// Something came from the peer: it lives, although the answer to a ping may stand behind much else.
    pub(super) fn heard(&mut self, now: Instant) {
        self.clock = now;
        match &mut self.role {
            Role::Server(server) => {
                if let Some(silence) = server.watch
                    && self.link == Link::Up
                {
                    self.timers.set(Timer::Watchdog, now, silence);
                    self.timers.clear(Timer::Probe);
                }
            }
            Role::Client(_) => {
                self.used(now);
                self.expect_pong(now);
            }
        }
    }

    /// A frame of a client's went one way or the other.
    pub(super) fn used(&mut self, now: Instant) {
        self.clock = now;
        if let Role::Client(client) = &self.role
            && let Some(idle) = client.config.idle_timeout
            && self.link == Link::Up
        {
            self.timers.set(Timer::Idle, now, idle);
        }
    }
}
