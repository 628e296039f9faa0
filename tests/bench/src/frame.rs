//! WebSocket frames and handshakes as the load and our own servers need them: just enough, and cheap.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;

/// Where a frame's payload lies in the bytes that were read.
pub(crate) struct Found {
    pub(crate) opcode: u8,
    pub(crate) last: bool,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: Range<usize>,
}

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The longest header: two bytes, eight of length, four of mask.
pub(crate) const MAX_HEADER: usize = 14;

/// The frame at `at`, if all of it is there; `Err` with the bytes that it needs, from `at` on, if not, as far as that is known yet.
pub(crate) fn find(bytes: &[u8], at: usize) -> Result<Found, usize> {
    let rest = bytes.get(at..).unwrap_or_default();
    let (&[first, second], _) = rest.split_first_chunk::<2>().ok_or(2usize)?;
    let masked = second & 0x80 != 0;
    let (length, start) = match second & 0x7f {
        126 => (rest.get(2..4).and_then(|l| l.try_into().ok()).map(|l| u64::from(u16::from_be_bytes(l))).ok_or(4usize)?, 4),
        127 => (rest.get(2..10).and_then(|l| l.try_into().ok()).map(u64::from_be_bytes).ok_or(10usize)?, 10),
        short => (u64::from(short), 2),
    };
    let mask: Option<[u8; 4]> = match rest.get(start..start + 4) {
        Some(mask) if masked => mask.try_into().ok(),
        None if masked => return Err(start + 4),
        Some(_) | None => None,
    };
    let start = start + if masked { 4 } else { 0 };
    let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length)).ok_or(usize::MAX)?;
    if rest.len() < end {
        return Err(end);
    }
    Ok(Found { opcode: first & 0x0f, last: first & 0x80 != 0, mask, payload: at + start..at + end })
}

/// Puts the header of a whole frame behind `out`.
pub(crate) fn header(out: &mut Vec<u8>, opcode: u8, length: usize, mask: Option<[u8; 4]>) {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    out.push(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => out.push(bit | short),
        (_, Ok(middle)) => {
            out.push(bit | 126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(bit | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend(mask.into_iter().flatten());
}

/// Masks, or takes the mask off.
pub(crate) fn apply(mask: [u8; 4], payload: &mut [u8]) {
    let wide = u64::from(u32::from_ne_bytes(mask)) * 0x1_0000_0001;
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// The mask of every frame that the load sends. A server cannot know that it is always the same.
pub(crate) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A whole masked text frame.
pub(crate) fn masked(text: &str) -> Vec<u8> {
    masked_with(TEXT, text.as_bytes())
}

/// A Close frame with code 1000, as a client ends a connection.
pub(crate) fn masked_close() -> Vec<u8> {
    masked_with(CLOSE, &1000u16.to_be_bytes())
}

fn masked_with(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + MAX_HEADER);
    header(&mut frame, opcode, payload.len(), Some(MASK));
    let start = frame.len();
    frame.extend_from_slice(payload);
    apply(MASK, &mut frame[start..]);
    frame
}

/// Makes a WebSocket of a blocking connection. Nothing but the answer's status is looked at.
pub(crate) fn upgrade(stream: &mut TcpStream, path: &str) -> Result<()> {
    let host = stream.peer_addr()?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::with_capacity(512);
    let mut chunk = [0; 512];
    // No server speaks first, so nothing that is read here belongs to a frame.
    while !answer.ends_with(b"\r\n\r\n") {
        let n = stream.read(&mut chunk).context("the answer to the upgrade")?;
        if n == 0 || answer.len() > 16 * 1024 {
            bail!("no answer to the upgrade");
        }
        answer.extend_from_slice(&chunk[..n]);
    }
    if !answer.starts_with(b"HTTP/1.1 101") {
        bail!("the upgrade was refused: {}", String::from_utf8_lossy(&answer).lines().next().unwrap_or(""));
    }
    Ok(())
}

/// What a server answers to an upgrade whose whole head is `head`.
pub(crate) fn accept(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value.trim())
    })?;
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    Some(format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_all_lengths_are_found_again_and_not_before_they_are_whole() {
        for length in [0, 1, 7, 125, 126, 65_535, 65_536] {
            let text = "x".repeat(length);
            let mut bytes = masked(&text);
            let cut = &bytes[..bytes.len() - 1];
            assert!(find(cut, 0).is_err());
            let found = find(&bytes, 0).ok().unwrap();
            assert!(found.last && found.opcode == TEXT && found.payload.end == bytes.len());
            apply(found.mask.unwrap(), &mut bytes[found.payload.clone()]);
            assert_eq!(&bytes[found.payload], text.as_bytes());
        }
    }
}
