//! Texts in a row, oldest first, in one buffer: nothing is allocated for each.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A buffer of more bytes than this is given back as soon as the one text in it goes, so that the next session that needs one gets the same memory: freed
/// later, between what others hold by then, it would be of use to nobody. One that has grown with many texts is likely to be needed so again.
const KEPT: usize = 1024;

#[derive(Debug)]
pub(super) struct Log<M> {
    /// The texts, behind what was left by those that went.
    text: Vec<u8>,
    /// Where the oldest text starts.
    head: usize,
    entries: VecDeque<(M, usize)>,
}

/// A place in a log from the oldest entry on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    index: usize,
    offset: usize,
}

impl<M> Log<M> {
    pub(super) const fn new() -> Self {
        Self { text: Vec::new(), head: 0, entries: VecDeque::new() }
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all texts.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() - self.head
    }

    /// Adds the text that `write` appends, and returns it.
    pub(super) fn write(&mut self, entry: M, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        // What has gone leaves the buffer when it is more than what is there: moving a byte is paid for by one that went.
        if self.head > self.bytes() {
            self.text.drain(..self.head);
            self.head = 0;
        }
        let start = self.text.len();
        write(&mut self.text);
        self.entries.push_back((entry, self.text.len() - start));
        self.text.get(start..).unwrap_or_default()
    }

    pub(super) fn get(&self, place: Place) -> Option<(&M, &[u8])> {
        let (entry, len) = self.entries.get(place.index)?;
        let start = self.head + place.offset;
        Some((entry, self.text.get(start..start + len)?))
    }

    /// The first entry from `start` on for which `is` says so, and its text.
    pub(super) fn find(&self, start: Place, mut is: impl FnMut(&M) -> bool) -> Option<(Place, &M, &[u8])> {
        let mut offset = start.offset;
        for (index, (entry, len)) in self.entries.iter().enumerate().skip(start.index) {
            if is(entry) {
                let start = self.head + offset;
                return Some((Place { index, offset }, entry, self.text.get(start..start + len)?));
            }
            offset += len;
        }
        None
    }

    /// Removes the oldest and returns it with its text's length.
    pub(super) fn pop_front(&mut self) -> Option<(M, usize)> {
        let (entry, len) = self.entries.pop_front()?;
        let alone = self.head == 0;
        self.head += len;
        if self.entries.is_empty() {
            self.text.clear();
            self.head = 0;
            if alone && self.text.capacity() > KEPT {
                self.text = Vec::new();
            }
        }
        Some((entry, len))
    }

    #[inline]
    pub(super) fn remove(&mut self, place: Place) -> Option<(M, usize)> {
        if place.index == 0 {
            return self.pop_front();
        }
        let (entry, len) = self.entries.remove(place.index)?;
        let start = self.head + place.offset;
        self.text.drain(start..start + len);
        Some((entry, len))
    }

    /// Shows each entry.
    pub(super) fn for_each(&mut self, mut change: impl FnMut(&mut M)) {
        self.entries.iter_mut().for_each(|(entry, _)| change(entry));
    }

    /// From `start` on, keeps the entries for which `keep` says so, in their order.
    pub(super) fn retain(&mut self, start: Place, mut keep: impl FnMut(&M, &[u8]) -> bool) {
        let Self { text, head, entries } = self;
        let (mut index, mut from, mut to) = (0, *head, *head);
        entries.retain(|(entry, len)| {
            let range = from..from + len;
            let keeps = index < start.index || text.get(range.clone()).is_some_and(|text| keep(entry, text));
            if keeps {
                if to < from {
                    text.copy_within(range, to);
                }
                to += len;
            }
            (index, from) = (index + 1, from + len);
            keeps
        });
        text.truncate(to);
    }

    /// Gives memory back where there is nothing to hold.
    pub(super) fn shrink(&mut self) {
        self.text.drain(..self.head);
        self.head = 0;
        self.text.shrink_to_fit();
        self.entries.shrink_to_fit();
    }
}

impl Place {
    /// How many entries stand before it.
    pub(super) fn index(self) -> usize {
        self.index
    }

    /// Bytes of those.
    pub(super) fn offset(self) -> usize {
        self.offset
    }

    /// The place behind an entry of `len` bytes that stands here.
    pub(super) fn behind(self, len: usize) -> Self {
        Self { index: self.index + 1, offset: self.offset + len }
    }

    /// The same place after the entry at `removed`, of `len` bytes, has gone.
    pub(super) fn after_removal(self, removed: Self, len: usize) -> Self {
        if removed.index < self.index { Self { index: self.index - 1, offset: self.offset - len } } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec;

    /// A plain list that does the same.
    #[derive(Default)]
    struct Model(vec::Vec<(u32, String)>);

    #[test]
    fn it_does_what_a_list_does_and_its_buffer_stays_small() {
        let (mut log, mut model) = (Log::new(), Model::default());
        let mut seed = 7_u32;
        let mut most = 0;
        for step in 0..if cfg!(miri) { 500 } else { 20_000_u32 } {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let drawn = (seed >> 16) as usize;
            match drawn % 7 {
                0..=2 if model.0.len() < 50 => {
                    let text = std::format!("{step}{}", "x".repeat(drawn % 90));
                    assert_eq!(log.write(step, |out| out.extend_from_slice(text.as_bytes())), text.as_bytes());
                    model.0.push((step, text));
                }
                3 => {
                    let oldest = (!model.0.is_empty()).then(|| model.0.remove(0));
                    assert_eq!(log.pop_front(), oldest.map(|(entry, text)| (entry, text.len())));
                }
                4 if !model.0.is_empty() => {
                    let (entry, text) = model.0.remove(drawn % model.0.len());
                    let (place, ..) = log.find(Place::default(), |e| *e == entry).unwrap();
                    assert_eq!(log.remove(place), Some((entry, text.len())));
                }
                5 if drawn.is_multiple_of(50) => {
                    let from = drawn % (model.0.len() + 1);
                    let start = model.0[..from].iter().fold(Place::default(), |place, (_, text)| place.behind(text.len()));
                    let mut passed = vec![];
                    log.retain(start, |entry, text| {
                        passed.push((*entry, String::from_utf8(text.to_vec()).unwrap()));
                        entry.is_multiple_of(2)
                    });
                    assert_eq!(passed, model.0.split_off(from));
                    model.0.extend(passed.into_iter().filter(|(entry, _)| entry.is_multiple_of(2)));
                }
                6 if drawn.is_multiple_of(50) => {
                    log.for_each(|entry| *entry ^= 1);
                    model.0.iter_mut().for_each(|(entry, _)| *entry ^= 1);
                }
                _ => {}
            }
            let mut place = Place::default();
            for (entry, text) in &model.0 {
                assert_eq!(log.get(place), Some((entry, text.as_bytes())));
                place = place.behind(text.len());
            }
            assert_eq!((place.index(), place.offset()), (log.len(), log.bytes()));
            most = most.max(log.bytes());
            assert!(log.text.capacity() <= 4 * most.max(64), "{} for {most}", log.text.capacity());
        }
        log.retain(Place::default(), |_, _| false);
        assert_eq!((log.len(), log.bytes()), (0, 0));
        assert!(log.text.capacity() > 0);
        log.write(0, |out| out.extend_from_slice(&[b'x'; 2 * KEPT]));
        log.pop_front();
        assert_eq!(log.text.capacity(), 0);
        log.shrink();
        assert_eq!((log.text.capacity(), log.entries.capacity()), (0, 0));
    }
}
