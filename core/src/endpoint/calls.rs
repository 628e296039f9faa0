//! The calls that we made and that the peer has not answered yet.

use crate::Instant;
use alloc::collections::{BTreeMap, BTreeSet};

/// Ids stay below 2^31: Kurento's Java client holds them in an `int` (PROTOCOL 1).
const MAX_ID: u32 = i32::MAX as u32;

#[derive(Debug)]
pub(super) struct Calls<T> {
    pending: BTreeMap<u32, Pending<T>>,
    deadlines: BTreeSet<(Instant, u32)>,
    last_id: u32,
}

#[derive(Debug)]
struct Pending<T> {
    /// `None` once nobody waits for it any more.
    tag: Option<T>,
    deadline: Instant,
    /// The number of the message that made it, once it has been written.
    number: Option<u64>,
}

/// A call that has ended.
#[derive(Debug)]
pub(super) struct Ended<T> {
    pub(super) id: u32,
    pub(super) tag: Option<T>,
    pub(super) number: Option<u64>,
}

impl<T> Calls<T> {
    pub(super) fn new() -> Self {
        Self { pending: BTreeMap::new(), deadlines: BTreeSet::new(), last_id: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// An id that this session has not used: of 2^31 none comes again before all others have, and none while it is pending.
    pub(super) fn next_id(&mut self) -> u32 {
        loop {
            self.last_id = if self.last_id >= MAX_ID { 1 } else { self.last_id + 1 };
            if !self.pending.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    pub(super) fn insert(&mut self, id: u32, tag: T, deadline: Instant) {
        self.pending.insert(id, Pending { tag: Some(tag), deadline, number: None });
        self.deadlines.insert((deadline, id));
    }

    pub(super) fn mark_sent(&mut self, id: u32, number: u64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.number = Some(number);
        }
    }

    /// Whether a transport has had it: nobody can answer what nobody has heard.
    pub(super) fn is_sent(&self, id: u32) -> bool {
        self.pending.get(&id).is_some_and(|pending| pending.number.is_some())
    }

    pub(super) fn forget_tag(&mut self, id: u32) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.tag = None;
        }
    }

    pub(super) fn end(&mut self, id: u32) -> Option<Ended<T>> {
        let Pending { tag, deadline, number } = self.pending.remove(&id)?;
        self.deadlines.remove(&(deadline, id));
        Some(Ended { id, tag, number })
    }

    /// The next call whose time is up.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Ended<T>> {
        let &(deadline, id) = self.deadlines.first()?;
        if deadline <= now { self.end(id) } else { None }
    }

    /// Ends a call that was written to a transport; one after another, oldest first.
    pub(super) fn end_sent(&mut self) -> Option<Ended<T>> {
        let id = self.pending.iter().find(|(_, pending)| pending.number.is_some()).map(|(id, _)| *id)?;
        self.end(id)
    }

    /// Ends any call; one after another, oldest first.
    pub(super) fn end_any(&mut self) -> Option<Ended<T>> {
        let id = *self.pending.first_key_value()?.0;
        self.end(id)
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.deadlines.first().map_or(Instant::FAR_FUTURE, |(at, _)| *at)
    }

    /// Gives memory back where there is nothing to hold.
    pub(super) fn shrink(&mut self) {
        if self.pending.is_empty() {
            self.pending = BTreeMap::new();
            self.deadlines = BTreeSet::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_wrap_below_two_to_the_31_and_skip_what_is_pending() {
        let mut calls = Calls::new();
        calls.insert(1, (), Instant::FAR_FUTURE);
        calls.last_id = MAX_ID - 1;
        assert_eq!((calls.next_id(), calls.next_id()), (MAX_ID, 2));
    }
}
