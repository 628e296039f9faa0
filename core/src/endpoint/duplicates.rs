//! Requests that a peer without resumption may send again (PROTOCOL 5).

use crate::id::Id;
use crate::{Instant, Limits};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

/// What each kept answer costs beside its bytes and its id's, for the bound.
const OVERHEAD: usize = 64;

#[derive(Debug)]
pub(super) struct Duplicates {
    known: BTreeMap<Id, Seen>,
    /// The ids of answered requests, oldest first.
    order: VecDeque<(Instant, Id)>,
    bytes: usize,
}

/// What became of a request that came before.
#[derive(Debug)]
pub(super) enum Seen {
    /// It is in flight under this key.
    Running(u32),
    /// It was answered with this.
    Answered(Box<[u8]>),
}

impl Duplicates {
    pub(super) fn new() -> Self {
        Self { known: BTreeMap::new(), order: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn seen(&self, id: &Id) -> Option<&Seen> {
        self.known.get(id)
    }

    pub(super) fn started(&mut self, id: Id, key: u32) {
        self.known.insert(id, Seen::Running(key));
    }

    /// Keeps the answer, within the bound: the oldest go first. One that is over the bound by itself is not kept.
    pub(super) fn answered(&mut self, now: Instant, id: Id, text: &[u8], limits: &Limits) {
        let cost = text.len() + 2 * id.heap_bytes() + OVERHEAD;
        if cost > limits.duplicate_bytes {
            self.known.remove(&id);
            return;
        }
        self.bytes += cost;
        self.order.push_back((now, id.clone()));
        self.known.insert(id, Seen::Answered(text.into()));
        while self.bytes > limits.duplicate_bytes {
            self.forget_oldest();
        }
    }

    /// Drops what was answered `limits.duplicate_time` ago and returns when the next answer was given.
    pub(super) fn expire(&mut self, now: Instant, limits: &Limits) -> Option<Instant> {
        while let Some((at, _)) = self.order.front() {
            if *at + limits.duplicate_time > now {
                return Some(*at);
            }
            self.forget_oldest();
        }
        None
    }

    fn forget_oldest(&mut self) {
        let Some((_, id)) = self.order.pop_front() else { return };
        if let Some(Seen::Answered(text)) = self.known.remove(&id) {
            self.bytes -= text.len() + 2 * id.heap_bytes() + OVERHEAD;
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Gives memory back where there is nothing to hold.
    pub(super) fn shrink(&mut self) {
        self.order.shrink_to_fit();
        if self.known.is_empty() {
            self.known = BTreeMap::new();
        }
    }
}
