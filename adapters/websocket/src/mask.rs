/// Masks `bytes`, or unmasks them, which is the same (RFC 6455 section 5.3). `at` is how many bytes of the frame's payload stand before them.
pub(crate) fn apply(bytes: &mut [u8], mask: [u8; 4], at: usize) {
    let mut key = mask;
    key.rotate_left(at % 4);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_length_and_offset_is_masked_as_byte_by_byte() {
        let mask = [0x12, 0xff, 0x00, 0x9b];
        for len in 0..40_u8 {
            for at in 0..9 {
                let mut bytes: Vec<u8> = (0..len).collect();
                apply(&mut bytes, mask, at);
                let wanted: Vec<u8> = (0..len).map(|n| n ^ mask[(at + usize::from(n)) % 4]).collect();
                assert_eq!(bytes, wanted, "{len} bytes at {at}");
            }
        }
    }
}
