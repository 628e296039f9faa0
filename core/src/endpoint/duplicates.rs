//! Requests that a peer without resumption may send again (PROTOCOL 5).

use super::log::Log;
use crate::id::Id;
use crate::{Instant, Limits};

/// What each kept answer costs beside its bytes and its id's, for the bound.
const OVERHEAD: usize = 64;

#[derive(Debug)]
pub(super) struct Duplicates {
    /// The answers, oldest first.
    answers: Log<Answered>,
    /// What the ids of the answers hold outside themselves.
    id_bytes: usize,
    /// The highest number that was an id.
    highest: Option<i64>,
}

/// A request that was answered. Those that were not are among the requests that we owe.
#[derive(Debug)]
struct Answered {
    at: Instant,
    id: Id,
    /// Of the request's method and params. A peer that starts its ids again (a page that was loaded anew and kept its session) makes other
    /// requests under old ids; those are no repetitions.
    print: u64,
}

impl Duplicates {
    pub(super) const fn new() -> Self {
        Self { answers: Log::new(), id_bytes: 0, highest: None }
    }

    pub(super) fn bytes(&self) -> usize {
        self.answers.bytes() + self.answers.len() * OVERHEAD + self.id_bytes
    }

    /// Whether no request with this id has come before: a sender counts upwards, so there is hardly ever a need to look.
    pub(super) fn is_new(&self, id: &Id) -> bool {
        match id {
            Id::Int(id) => self.highest.is_none_or(|highest| *id > highest),
            Id::Null | Id::Number(_) | Id::Text(_) => false,
        }
    }

    /// The answer that this request was given.
    pub(super) fn answer(&self, id: &Id, print: u64) -> Option<&[u8]> {
        self.answers.find(|answered| answered.print == print && answered.id == *id).map(|(_, _, text)| text)
    }

    /// The session is connected to by a request with this id. A sender counts its ids upwards: one that is not above all others comes from another sender, say the
    /// next run of a program that saved its session, and what that one asks is no repetition. True if so.
    pub(super) fn connected(&mut self, id: &Id) -> bool {
        let anew = matches!((id, self.highest), (Id::Int(id), Some(highest)) if *id <= highest);
        if anew {
            self.clear();
        }
        anew
    }

    /// A request with this id is in flight. An answer that another had under it is not asked for again.
    pub(super) fn started(&mut self, id: &Id) {
        if !self.is_new(id)
            && let Some((place, ..)) = self.answers.find(|answered| answered.id == *id)
        {
            let removed = self.answers.remove(place);
            self.forgot(removed);
        }
        if let Id::Int(id) = id {
            self.highest = self.highest.max(Some(*id));
        }
    }

    /// Keeps the answer, within the bound: the oldest go first. One that is over the bound by itself is not kept.
    pub(super) fn answered(&mut self, now: Instant, id: Id, print: u64, text: &[u8], limits: &Limits) {
        let cost = text.len() + id.heap_bytes() + OVERHEAD;
        if cost > limits.duplicate_bytes {
            return;
        }
        while self.bytes() + cost > limits.duplicate_bytes {
            self.forget_oldest();
        }
        self.id_bytes += id.heap_bytes();
        self.answers.push(Answered { at: now, id, print }, text);
    }

    /// Drops what was answered `limits.duplicate_time` ago and returns when the next answer was given.
    pub(super) fn expire(&mut self, now: Instant, limits: &Limits) -> Option<Instant> {
        while let Some((Answered { at, .. }, _)) = self.answers.front() {
            if *at + limits.duplicate_time > now {
                return Some(*at);
            }
            self.forget_oldest();
        }
        None
    }

    fn forget_oldest(&mut self) {
        let removed = self.answers.pop_front();
        self.forgot(removed);
    }

    fn forgot(&mut self, removed: Option<(Answered, usize)>) {
        if let Some((answered, _)) = removed {
            self.id_bytes -= answered.id.heap_bytes();
        }
    }

    /// A number that two requests share only if they are the same, for all that a retry cares.
    pub(super) fn print(method: &str, params: Option<&str>) -> u64 {
        let mut print = part_print(0xcbf2_9ce4_8422_2325, method.as_bytes());
        if let Some(params) = params {
            print = part_print(print, params.as_bytes());
        }
        print
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Gives memory back where there is nothing to hold.
    pub(super) fn shrink(&mut self) {
        self.answers.shrink();
    }
}

/// Two words are multiplied to one of twice the length, whose halves are mixed: four such words at a time.
fn part_print(seed: u64, part: &[u8]) -> u64 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ (product >> 64) as u64
    };
    let word = |bytes: &[u8], at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk));
    let (mut left, mut right) = (seed, seed ^ part.len() as u64);
    let mut chunks = part.chunks_exact(32);
    for chunk in &mut chunks {
        left = fold(left ^ word(chunk, 0) ^ 0x9e37_79b9_7f4a_7c15, word(chunk, 8) ^ 0xd6e8_feb8_6659_fd93);
        right = fold(right ^ word(chunk, 16) ^ 0xa076_1d64_78bd_642f, word(chunk, 24) ^ 0xe703_7ed1_a0b4_28db);
    }
    let mut last = [0; 32];
    let rest = chunks.remainder();
    last[..rest.len()].copy_from_slice(rest);
    left = fold(left ^ word(&last, 0) ^ 0x9e37_79b9_7f4a_7c15, word(&last, 8) ^ 0xd6e8_feb8_6659_fd93);
    right = fold(right ^ word(&last, 16) ^ 0xa076_1d64_78bd_642f, word(&last, 24) ^ 0xe703_7ed1_a0b4_28db);
    fold(left ^ 0x5895_65a3_4ab8_2ba3, right ^ 0x2d35_8dcc_aa6c_78a5)
}
