//! A text that comes in pieces, which may end within a character.

use crate::Violation;
use alloc::string::String;
use core::str;

/// What has come of a text so far.
#[derive(Debug, Default)]
pub(crate) struct Text {
    whole: String,
    /// The first bytes of a character whose others are still to come.
    begun: [u8; 4],
    begun_len: usize,
}

impl Text {
    pub(crate) fn len(&self) -> usize {
        self.whole.len() + self.begun_len
    }

    /// Sees to it that `needed` bytes can be pushed; if there is no room for them yet, makes it for `spare` more.
    pub(crate) fn make_room(&mut self, needed: usize, spare: usize) {
        let needed = self.begun_len + needed;
        if self.whole.capacity() - self.whole.len() < needed {
            self.whole.reserve_exact(needed + spare);
        }
    }

    /// Appends a piece, if it can still become UTF-8. Each byte is validated once.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), Violation> {
        while self.begun_len > 0 {
            let Some((&next, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            // A character that four bytes do not complete was found to be none before.
            self.begun[self.begun_len] = next;
            self.begun_len += 1;
            match str::from_utf8(&self.begun[..self.begun_len]) {
                Ok(character) => {
                    self.whole.push_str(character);
                    self.begun_len = 0;
                }
                Err(error) if error.error_len().is_some() => return Err(Violation::NotUtf8),
                Err(_) => {}
            }
        }
        let (whole, begun) = piece.split_at(piece.len() - unfinished(piece));
        self.whole.push_str(str::from_utf8(whole).map_err(|_| Violation::NotUtf8)?);
        if !begun.is_empty() {
            match str::from_utf8(begun) {
                Err(error) if error.error_len().is_none() => {}
                Ok(_) | Err(_) => return Err(Violation::NotUtf8),
            }
            self.begun[..begun.len()].copy_from_slice(begun);
            self.begun_len = begun.len();
        }
        Ok(())
    }

    /// The text, if it is complete.
    pub(crate) fn finish(self) -> Result<String, Violation> {
        if self.begun_len == 0 { Ok(self.whole) } else { Err(Violation::NotUtf8) }
    }
}

/// How many bytes at the end of `piece` begin a character that they do not complete, judged by its first byte alone.
fn unfinished(piece: &[u8]) -> usize {
    for (back, byte) in (1..=3).zip(piece.iter().rev()) {
        let needs = match byte {
            0x80..=0xbf => continue,
            0xf0.. => 4,
            0xe0.. => 3,
            0xc0.. => 2,
            _ => 1,
        };
        return if needs > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// After how many bytes `bytes` is seen to be no UTF-8, if it comes byte by byte.
    fn fails_at(bytes: &[u8]) -> Option<usize> {
        let mut text = Text::default();
        bytes.iter().position(|byte| text.push(&[*byte]).is_err())
    }

    #[test]
    fn a_text_may_be_cut_anywhere() {
        let whole = "aé€😀 κόσμε \u{10ffff}\u{0}z";
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let mut text = Text::default();
                for piece in [&whole.as_bytes()[..first], &whole.as_bytes()[first..second], &whole.as_bytes()[second..]] {
                    text.push(piece).unwrap();
                }
                assert_eq!(text.len(), whole.len());
                assert_eq!(text.finish().unwrap(), whole);
            }
        }
    }

    #[test]
    fn what_cannot_become_utf8_fails_with_the_byte_that_makes_it_so() {
        for (bytes, at) in [
            (&b"a\xff"[..], 1),
            (b"\xc0\x80", 0),
            (b"\xe0\x80\x80", 1),
            (b"\xed\xa0\x80", 1),
            (b"\xf4\x90\x80\x80", 1),
            (b"\xf5\x80\x80\x80", 0),
            (b"\xe2\x82a", 2),
            (b"\x80", 0),
        ] {
            assert_eq!(fails_at(bytes), Some(at), "{bytes:x?}");
            for cut in 0..bytes.len() {
                let mut text = Text::default();
                assert!(text.push(&bytes[..cut]).and_then(|()| text.push(&bytes[cut..])).is_err(), "{bytes:x?} cut at {cut}");
            }
        }
        let mut text = Text::default();
        text.push(b"ok \xf0\x9f\x98").unwrap();
        assert_eq!(text.finish(), Err(Violation::NotUtf8));
    }

    #[test]
    fn all_pairs_and_triples_of_bytes_are_judged_like_the_whole() {
        let bytes: Vec<u8> =
            [0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xec, 0xed, 0xef, 0xf0, 0xf3, 0xf4, 0xf5, 0xff].into();
        for a in &bytes {
            for b in &bytes {
                for c in &bytes {
                    for d in &bytes {
                        let all = [*a, *b, *c, *d];
                        let mut text = Text::default();
                        let apart = all.iter().try_for_each(|byte| text.push(&[*byte])).and_then(|()| text.finish());
                        assert_eq!(apart.is_ok(), str::from_utf8(&all).is_ok(), "{all:x?}");
                        let mut text = Text::default();
                        let halves = text.push(&all[..2]).and_then(|()| text.push(&all[2..])).and_then(|()| text.finish());
                        assert_eq!(halves.is_ok(), str::from_utf8(&all).is_ok(), "{all:x?}");
                    }
                }
            }
        }
    }
}
