//! Finding where the plain part of a JSON string ends, many bytes at a time and without unsafe code.

const WORD: usize = 8;
/// The lowest bit of every byte.
const ONES: u64 = u64::MAX / 255;
/// The highest bit of every byte.
const HIGHS: u64 = ONES << 7;

/// The same as [`special`], for strings that are likely to be short: names, ids.
#[inline]
pub(crate) fn special_soon(bytes: &[u8], from: usize) -> usize {
    let word = bytes.get(from..).and_then(|rest| rest.first_chunk::<WORD>());
    match word.map(|word| in_word(*word)) {
        Some(Some(n)) => from + n,
        Some(None) => special(bytes, from + WORD),
        None => one_by_one(bytes, from),
    }
}

/// The first byte at or after `from` that may not stand for itself in a JSON string, a quote, a backslash or a control character, or the length if there is none.
pub(crate) fn special(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let plain = memchr::memchr2(b'"', b'\\', rest).map_or(rest, |end| &rest[..end]);
    // A fold without an early exit is compiled to vector instructions; control characters are hardly ever there.
    let least = plain.iter().fold(u8::MAX, |least, &b| least.min(b));
    from + if least < 0x20 { plain.iter().position(|&b| b < 0x20).unwrap_or(plain.len()) } else { plain.len() }
}

fn is_special(b: u8) -> bool {
    b == b'"' || b == b'\\' || b < 0x20
}

/// The position of the first special byte of eight.
#[inline]
fn in_word(word: [u8; WORD]) -> Option<usize> {
    let word = u64::from_le_bytes(word);
    let (quote, backslash) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
    // Taking one from a zero byte sets its highest bit. What it borrows can mark bytes above wrongly, never below.
    let found =
        (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash) | (word.wrapping_sub(ONES * 0x20) & !word);
    match found & HIGHS {
        0 => None,
        marks => Some(marks.trailing_zeros() as usize / 8),
    }
}

fn one_by_one(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|&b| is_special(b)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn every_byte_is_found_at_every_place_and_nothing_else() {
        for length in 0..200 {
            assert_eq!(special(&vec![b'x'; length], 0), length);
            for at in 0..length {
                let mut bytes = vec![0xff; length];
                bytes[at] = b'\\';
                bytes[length - 1] = b'"';
                assert_eq!(special(&bytes, 0), at.min(length - 1), "{length} {at}");
                assert_eq!((special(&bytes, at), special_soon(&bytes, at)), (at, at));
            }
        }
        for b in 0..=u8::MAX {
            let mut bytes = [b' '; 100];
            for at in [0, 7, 8, 15, 16, 40, 80, 99] {
                bytes[at] = b;
                // A byte that looks special behind one that is must not be taken for the first.
                let want = if is_special(b) { at } else { 100 };
                assert_eq!((special(&bytes, 0), special_soon(&bytes, 0)), (want, want), "{b} at {at}");
                bytes[at] = b' ';
            }
        }
    }
}
