//! Requests that a peer without resumption may send again (PROTOCOL 5).

use crate::id::Id;
use crate::{Instant, Limits};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

/// What each kept answer costs beside its bytes and its id's, for the bound.
const OVERHEAD: usize = 64;

#[derive(Debug)]
pub(super) struct Duplicates {
    known: BTreeMap<Id, Known>,
    /// The ids of answered requests, oldest first.
    order: VecDeque<(Instant, Id)>,
    bytes: usize,
    /// The highest number that was an id.
    highest: Option<i64>,
}

#[derive(Debug)]
struct Known {
    /// Of the request's method and params. A peer that starts its ids again (a page that was loaded anew and kept its session) makes other
    /// requests under old ids; those are no repetitions.
    print: u64,
    seen: Seen,
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
        Self { known: BTreeMap::new(), order: VecDeque::new(), bytes: 0, highest: None }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn seen(&self, id: &Id, print: u64) -> Option<&Seen> {
        self.known.get(id).filter(|known| known.print == print).map(|known| &known.seen)
    }

    /// The session is connected to by a request with this id. A sender counts its ids upwards: one that is not above all others comes from another sender, say the
    /// next run of a program that saved its session, and what that one asks is no repetition.
    pub(super) fn connected(&mut self, id: &Id) {
        if let Id::Int(id) = id
            && self.highest.is_some_and(|highest| *id <= highest)
        {
            self.clear();
        }
    }

    pub(super) fn started(&mut self, id: Id, print: u64, key: u32) {
        if let Id::Int(id) = id {
            self.highest = self.highest.max(Some(id));
        }
        self.forget(&id);
        self.known.insert(id, Known { print, seen: Seen::Running(key) });
    }

    /// Whether the request in flight under `key` is the newest with its id.
    fn is_running(&self, id: &Id, key: u32) -> bool {
        matches!(self.known.get(id), Some(Known { seen: Seen::Running(newest), .. }) if *newest == key)
    }

    /// Keeps the answer, within the bound: the oldest go first. One that is over the bound by itself is not kept.
    pub(super) fn answered(&mut self, now: Instant, id: Id, key: u32, text: &[u8], limits: &Limits) {
        if !self.is_running(&id, key) {
            return;
        }
        let cost = text.len() + 2 * id.heap_bytes() + OVERHEAD;
        if cost > limits.duplicate_bytes {
            self.known.remove(&id);
            return;
        }
        if let Some(known) = self.known.get_mut(&id) {
            known.seen = Seen::Answered(text.into());
            self.bytes += cost;
            self.order.push_back((now, id));
        }
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
        if let Some((_, id)) = self.order.front() {
            let id = id.clone();
            self.forget(&id);
        }
    }

    /// Forgets the answer kept for `id`, if one is.
    fn forget(&mut self, id: &Id) {
        let Some(Known { seen: Seen::Answered(text), .. }) = self.known.get(id) else { return };
        self.bytes -= text.len() + 2 * id.heap_bytes() + OVERHEAD;
        self.known.remove(id);
        if let Some(at) = self.order.iter().position(|(_, of)| of == id) {
            self.order.remove(at);
        }
    }

    /// A number that two requests share only if they are the same, for all that a retry cares.
    pub(super) fn print(method: &str, params: Option<&str>) -> u64 {
        let mut print = 0xcbf2_9ce4_8422_2325_u64;
        for part in [method, params.unwrap_or_default()] {
            for chunk in part.as_bytes().chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                print = (print ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
            }
            print = (print ^ part.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        print
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
