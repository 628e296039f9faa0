//! Writing text messages (RFC 6455 sections 5.2 and 5.4) straight into the buffer that goes to the socket.

/// Where a message starts in a buffer; its payload is appended between [`begin`] and [`seal`].
pub(super) struct Begun {
    start: usize,
    mask: Option<[u8; 4]>,
}

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
/// Room for the header of a payload of 126 bytes to 64 KiB, the commonest; other sizes move their payload.
const GUESS: usize = 4;
/// A longer message goes out in pieces of this size: Kurento's Java client bears no frame of more than 1,000,000 bytes, but any number of them.
/// A multiple of four, so that each piece begins with the mask's first byte.
const PIECE: usize = 512 * 1024;
/// The longest header, with its mask.
const MAX_HEADER: usize = 14;

pub(super) fn begin(out: &mut Vec<u8>, mask: Option<[u8; 4]>) -> Begun {
    let start = out.len();
    out.extend_from_slice(&[0; GUESS]);
    out.extend_from_slice(mask.as_ref().map_or(&[], |key| key));
    Begun { start, mask }
}

/// Takes the message back.
pub(super) fn cancel(out: &mut Vec<u8>, begun: &Begun) {
    out.truncate(begun.start);
}

/// Puts the headers to the payload, and masks it if there is a mask.
pub(super) fn seal(out: &mut Vec<u8>, begun: &Begun) {
    let Begun { start, mask } = *begun;
    let payload = start + GUESS + mask.map_or(0, |key| key.len());
    let len = out.len() - payload;
    if let Some(key) = mask {
        for (at, byte) in out[payload..].iter_mut().enumerate() {
            *byte ^= key[at % 4];
        }
    }
    let pieces = len.div_ceil(PIECE).max(1);
    let mut header = [0; MAX_HEADER];
    let sizes = |at: usize| if at + 1 == pieces { len - at * PIECE } else { PIECE };
    let headers: usize = (0..pieces).map(|at| write_header(&mut header, 0, sizes(at), mask)).sum();
    let total = headers + len;
    let before = out.len() - start;
    if total > before {
        out.resize(start + total, 0);
    }
    // From the last piece to the first: a piece moves only where nothing unmoved stands. A single short one moves towards the front.
    let mut end = start + total;
    for at in (0..pieces).rev() {
        let size = sizes(at);
        let from = payload + at * PIECE;
        out.copy_within(from..from + size, end - size);
        let first = if at == 0 { TEXT } else { CONTINUATION };
        let fin = if at + 1 == pieces { FIN } else { 0 };
        let used = write_header(&mut header, fin | first, size, mask);
        end -= size + used;
        out[end..end + used].copy_from_slice(&header[..used]);
    }
    out.truncate(start + total);
}

/// Writes a frame's header and mask. Returns their length.
fn write_header(header: &mut [u8; MAX_HEADER], first: u8, len: usize, mask: Option<[u8; 4]>) -> usize {
    header[0] = first;
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let used = if let Ok(short) = u8::try_from(len)
        && short < 126
    {
        header[1] = masked | short;
        2
    } else if let Ok(medium) = u16::try_from(len) {
        header[1] = masked | 126;
        header[2..4].copy_from_slice(&medium.to_be_bytes());
        4
    } else {
        header[1] = masked | 127;
        header[2..10].copy_from_slice(&(len as u64).to_be_bytes());
        10
    };
    match mask {
        Some(key) => {
            header[used..used + 4].copy_from_slice(&key);
            used + 4
        }
        None => used,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tungstenite::protocol::{Role, WebSocket};

    #[test]
    fn frames_of_every_size_are_read_back() {
        for (role, mask) in [(Role::Client, None), (Role::Server, Some([1, 2, 3, 4]))] {
            let mut out = Vec::new();
            let sizes = [1, 2, 125, 126, 127, 65_535, 65_536, 70_000, PIECE, PIECE + 1, 2 * PIECE + 5, 3 * PIECE];
            for size in sizes {
                let begun = begin(&mut out, mask);
                out.extend((0..size).map(|at| b'a' + u8::try_from(at % 26).unwrap()));
                seal(&mut out, &begun);
                let begun = begin(&mut out, mask);
                cancel(&mut out, &begun);
            }
            let mut reader = WebSocket::from_raw_socket(std::io::Cursor::new(out), role, None);
            for size in sizes {
                let message = reader.read().unwrap();
                assert!(message.is_text());
                assert!(message.into_data().iter().enumerate().all(|(at, byte)| usize::from(byte - b'a') == at % 26), "{size}");
            }
        }
    }
}
