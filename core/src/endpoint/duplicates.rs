//! Requests that a peer without resumption may send again (PROTOCOL 5).

use crate::id::Id;
use crate::{Instant, Limits};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::num::NonZeroU64;

/// What each kept answer costs beside its bytes, for the bound.
const OVERHEAD: usize = 64;

#[derive(Debug)]
pub(super) struct Duplicates {
    /// Oldest first.
    answered: VecDeque<Answered>,
    /// The answers in the same order, one after the other, in a ring: a session that is busy has always as many as may be, and none is moved when others go.
    texts: VecDeque<u8>,
    /// The highest number that was an id.
    highest: Option<i64>,
}

/// A request that was answered. Those that were not are among the requests that we owe.
#[derive(Debug)]
struct Answered {
    at: Instant,
    print: Print,
    /// Bytes of the answer.
    len: usize,
}

/// What a request is known again by: numbers that two requests share only if they are the same, for all that a retry cares. Comparing ids themselves among a thousand
/// would be work out of all proportion to the few bytes that ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    /// Of its id.
    id: u64,
    /// Of its id, method and params. A peer that starts its ids again (a page that was loaded anew and kept its session) makes other requests under old ids; those
    /// are no repetitions.
    whole: NonZeroU64,
}

impl Print {
    /// Of a request with this id, by [`Id::key`].
    pub(super) fn new(id: &Id, method: &str, params: Option<&str>) -> Self {
        let id = match id {
            Id::Null => 0,
            Id::Int(id) => fold(*id as u64 ^ 0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93),
            Id::Number(text) => part_print(1, text.as_bytes()),
            Id::Text(text) => part_print(2, text.as_bytes()),
        };
        let mut whole = part_print(id, method.as_bytes());
        if let Some(params) = params {
            whole = part_print(whole, params.as_bytes());
        }
        Self { id, whole: NonZeroU64::new(whole).unwrap_or(NonZeroU64::MIN) }
    }

    /// Whether both have the same id.
    pub(super) fn is_of_same_id(self, other: Self) -> bool {
        self.id == other.id
    }
}

impl Duplicates {
    pub(super) const fn new() -> Self {
        Self { answered: VecDeque::new(), texts: VecDeque::new(), highest: None }
    }

    pub(super) fn bytes(&self) -> usize {
        self.texts.len() + self.answered.len() * OVERHEAD
    }

    /// Whether no request with this id has come before: a sender counts upwards, so there is hardly ever a need to look.
    pub(super) fn is_new(&self, id: &Id) -> bool {
        match id {
            Id::Int(id) => self.highest.is_none_or(|highest| *id > highest),
            Id::Null | Id::Number(_) | Id::Text(_) => false,
        }
    }

    /// The answer that this request was given.
    pub(super) fn answer(&self, print: Print) -> Option<Vec<u8>> {
        let (_, start, len) = self.find(|known| known == print)?;
        Some(self.texts.range(start..start + len).copied().collect())
    }

    /// The first request of which `is` says so: its index, where its answer starts, and how long that is.
    fn find(&self, is: impl Fn(Print) -> bool) -> Option<(usize, usize, usize)> {
        let mut start = 0;
        for (index, &Answered { print, len, .. }) in self.answered.iter().enumerate() {
            if is(print) {
                return Some((index, start, len));
            }
            start += len;
        }
        None
    }

    /// The highest number that was an id of its sender.
    pub(super) fn highest(&self) -> Option<i64> {
        self.highest
    }

    /// A request with this id is in flight. An answer that another had under it is not asked for again.
    pub(super) fn started(&mut self, id: &Id, print: Print) {
        if !self.is_new(id)
            && let Some((index, start, len)) = self.find(|known| known.is_of_same_id(print))
        {
            self.answered.remove(index);
            self.texts.drain(start..start + len);
        }
        if let Id::Int(id) = id {
            self.highest = self.highest.max(Some(*id));
        }
    }

    /// Keeps the answer, within the bound: the oldest go first. One that is over the bound by itself is not kept.
    pub(super) fn answered(&mut self, now: Instant, print: Print, text: &[u8], limits: &Limits) {
        let cost = text.len() + OVERHEAD;
        if cost > limits.duplicate_bytes {
            return;
        }
        while self.bytes() + cost > limits.duplicate_bytes {
            self.forget_oldest();
        }
        self.answered.push_back(Answered { at: now, print, len: text.len() });
        self.texts.extend(text);
    }

    fn forget_oldest(&mut self) {
        if let Some(Answered { len, .. }) = self.answered.pop_front() {
            self.texts.drain(..len);
        }
    }

    /// Drops what was answered `limits.duplicate_time` ago and returns when the next answer was given.
    pub(super) fn expire(&mut self, now: Instant, limits: &Limits) -> Option<Instant> {
        while let Some(&Answered { at, .. }) = self.answered.front() {
            if at + limits.duplicate_time > now {
                return Some(at);
            }
            self.forget_oldest();
        }
        // Who has asked nothing for that long may not ask for a long time more.
        self.shrink();
        None
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Gives memory back where there is nothing to hold.
    pub(super) fn shrink(&mut self) {
        self.answered.shrink_to_fit();
        self.texts.shrink_to_fit();
    }
}

/// Two words are multiplied to one of twice the length, whose halves are mixed.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// Sixteen bytes are folded into what was before them; of a long part four times as many at a time, since a multiplication need not wait for another's product then.
fn part_print(seed: u64, part: &[u8]) -> u64 {
    const KEYS: [u64; 4] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93, 0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];
    let fold_in = |lane: u64, key: u64, words: &[u8; 16]| {
        let words = u128::from_le_bytes(*words);
        fold(lane ^ words as u64, key ^ (words >> 64) as u64)
    };
    let (chunks, rest) = part.as_chunks::<16>();
    let (blocks, chunks) = chunks.as_chunks::<4>();
    let mut print = seed ^ part.len() as u64;
    if !blocks.is_empty() {
        let [mut a, mut b, mut c, mut d] = KEYS.map(|key| print ^ key);
        for block in blocks {
            a = fold_in(a, KEYS[0], &block[0]);
            b = fold_in(b, KEYS[1], &block[1]);
            c = fold_in(c, KEYS[2], &block[2]);
            d = fold_in(d, KEYS[3], &block[3]);
        }
        print = fold(a ^ c, b ^ d.rotate_left(32));
    }
    for chunk in chunks {
        print = fold_in(print, KEYS[0], chunk);
    }
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    fold(fold_in(print, KEYS[1], &last) ^ 0x5895_65a3_4ab8_2ba3, 0x2d35_8dcc_aa6c_78a5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::string::String;
    use std::vec::Vec;

    fn print(id: i64, params: &str) -> Print {
        Print::new(&Id::Int(id), "method", Some(params))
    }

    #[test]
    fn one_bit_of_a_request_changes_half_of_the_bits_of_its_print() {
        let mut flips = [0; 64];
        let mut tried = 0;
        for len in 1..if cfg!(miri) { 60 } else { 200_usize } {
            let text: Vec<u8> = (0..len).map(|n| b'a' + ((n * 7 + len) % 26) as u8).collect();
            for at in 0..len {
                let mut other = text.clone();
                // It stays text.
                other[at] ^= 1 << (at % 5);
                let (a, b) = (print(1, core::str::from_utf8(&text).unwrap()), print(1, core::str::from_utf8(&other).unwrap()));
                assert!(a.is_of_same_id(b));
                let differing = a.whole.get() ^ b.whole.get();
                assert_ne!(differing, 0);
                flips.iter_mut().enumerate().for_each(|(bit, flips)| *flips += differing >> bit & 1);
                tried += 1;
            }
        }
        assert!(flips.iter().all(|flips| (45 * tried..55 * tried).contains(&(100 * flips))), "{tried}: {flips:?}");
    }

    #[test]
    fn each_answer_is_found_whole_until_there_is_no_room_or_time_for_it() {
        let limits = Limits { duplicate_bytes: 5_000, ..Limits::default() };
        let (mut duplicates, mut model) = (Duplicates::new(), Vec::new());
        let at = |step| Instant::ORIGIN + limits.duplicate_time / 40 * step;
        // Miri is a thousand times slower.
        let steps: u32 = if cfg!(miri) { 60 } else { 2_000 };
        for step in 0..steps {
            let (id, print) = (Id::Int(step.into()), print(step.into(), ""));
            let len = step as usize * 131 % 700;
            let text: Vec<u8> = (0..len).map(|n| (n as u32 + step) as u8).collect();
            model.retain(|(known, _, _)| known + 40 > step);
            assert_eq!(duplicates.expire(at(step), &limits), model.first().map(|(known, _, _)| at(*known)));
            duplicates.started(&id, print);
            duplicates.answered(at(step), print, &text, &limits);
            model.push((step, print, text));
            while model.iter().map(|(_, _, text)| text.len() + OVERHEAD).sum::<usize>() > limits.duplicate_bytes {
                model.remove(0);
            }
            if step % 3 == 0 {
                // Another sender takes an id.
                let (known, old, _) = model.remove(step as usize % model.len());
                duplicates.started(&Id::Int(known.into()), Print { whole: NonZeroU64::MAX, ..old });
                assert_eq!(duplicates.answer(old), None);
            }
            for (_, print, text) in &model {
                assert_eq!(duplicates.answer(*print).as_ref(), Some(text));
            }
            assert_eq!(duplicates.answered.len(), model.len());
            assert!(duplicates.texts.capacity() <= 2 * limits.duplicate_bytes);
        }
        assert_eq!(duplicates.expire(at(steps) + limits.duplicate_time, &limits), None);
        assert_eq!((duplicates.bytes(), duplicates.texts.capacity(), duplicates.answered.capacity()), (0, 0, 0));
    }

    #[test]
    fn requests_that_differ_have_different_prints() {
        let mut seen = BTreeSet::new();
        for id in 0..200 {
            // What ends a part stands not for less than the end.
            for len in 0..70 {
                assert!(seen.insert(print(id, &"\0".repeat(len)).whole));
            }
        }
        let ids: BTreeSet<_> = (-500..500).map(|id| print(id, "").id).collect();
        assert_eq!(ids.len(), 1000);
        let texts = ["", "1", "1.0"].map(String::from);
        let by_text: BTreeSet<_> = texts
            .iter()
            .flat_map(|text| [Id::Text(text.as_str().into()), Id::Number(text.as_str().into())])
            .map(|id| Print::new(&id, "", None).id)
            .collect();
        assert_eq!(by_text.len(), 6);
    }
}
