//! The reference model: what was sent, and what may arrive.

use std::collections::{BTreeSet, VecDeque};
use std::ops::AddAssign;

/// What went wrong, and how much was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Schedules run.
    pub schedules: u64,
    /// Messages of the applications that arrived.
    pub messages: u64,
    /// Connections cut.
    pub cuts: u64,
    /// Sessions that ended before their client was done: its time ran out, or the server restarted.
    pub sessions_lost: u64,
    /// Messages that did not arrive although their session lived.
    pub lost: u64,
    /// Messages that arrived again.
    pub repeated: u64,
    /// Messages that arrived before an older one.
    pub reordered: u64,
    /// Calls that never ended, timers that did not move on, bounds that were passed.
    pub stuck: u64,
}

impl Tally {
    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost + self.repeated + self.reordered + self.stuck == 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.messages += other.messages;
        self.cuts += other.cuts;
        self.sessions_lost += other.sessions_lost;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.reordered += other.reordered;
        self.stuck += other.stuck;
    }
}

/// One direction of one client's (or one session's) messages, numbered by the application from 0.
#[derive(Debug, Default)]
pub struct Stream {
    sent: u64,
    arrived: u64,
    /// Numbers that were passed over: they may still turn up late.
    missing: BTreeSet<u64>,
    /// Numbers that their sender took back before they were sent.
    withdrawn: BTreeSet<u64>,
    session: Option<u64>,
}

/// The answers that one side of a session gives to the calls of the other.
#[derive(Debug, Default)]
pub struct Answers {
    given: VecDeque<u64>,
    given_up: BTreeSet<u64>,
}

impl Stream {
    /// The number of the message that is sent now.
    pub fn send(&mut self) -> u64 {
        self.sent += 1;
        self.sent - 1
    }

    /// The last message was not taken by the endpoint.
    pub fn unsend(&mut self) {
        self.sent -= 1;
    }

    /// The call `number` timed out: it may never have been sent.
    pub fn withdraw(&mut self, number: u64) {
        if number >= self.arrived {
            self.withdrawn.insert(number);
        }
    }

    /// The message `number` arrived in `session`.
    pub fn arrive(&mut self, number: u64, session: u64, tally: &mut Tally) {
        tally.messages += 1;
        let same = self.session.replace(session) == Some(session);
        if number < self.arrived {
            if self.missing.remove(&number) {
                tally.reordered += 1
            } else {
                tally.repeated += 1
            }
            return;
        }
        for passed in self.arrived..number {
            // What was under way when a session died died with it.
            if same && !self.withdrawn.contains(&passed) {
                tally.lost += 1;
            }
            self.missing.insert(passed);
        }
        self.arrived = number + 1;
    }

    /// What is sent now and has not arrived, when all is said and done.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        (self.arrived..self.sent).filter(|number| !self.withdrawn.contains(number)).count() as u64
    }
}

impl Answers {
    /// The call `number` is answered now.
    pub fn give(&mut self, number: u64) {
        if !self.given_up.contains(&number) {
            self.given.push_back(number);
        }
    }

    /// The answer to `number` arrived.
    pub fn arrive(&mut self, number: u64, tally: &mut Tally) {
        match self.given.iter().position(|given| *given == number) {
            Some(0) => {
                self.given.pop_front();
            }
            Some(_) => tally.reordered += 1,
            None => tally.repeated += 1,
        }
    }

    /// Nobody waits for the answer to `number` any more: it is not out of order when it is passed over.
    pub fn give_up(&mut self, number: u64) {
        self.given_up.insert(number);
        self.given.retain(|given| *given != number);
    }
}
