//! Writing frames straight into the buffer that goes to the socket.

use crate::header::{Control, Header, MAX_CONTROL, MAX_HEADER, Opcode};
use crate::mask;
use alloc::vec::Vec;

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text, which has to be UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// A message being written at the end of a buffer: append its payload to [`payload`](Self::payload), then [`seal`](Self::seal) it.
///
/// One that is dropped unsealed is taken back. A message of more than 512 KiB goes out in fragments of that size: there are peers that bear no long
/// frame, but any number of them (Kurento's Java client on Netty dies of a frame of more than 1,000,000 bytes).
///
/// ```
/// use bowline_websocket::{Draft, Kind};
///
/// let mut out = Vec::new();
/// let mut draft = Draft::begin(&mut out, Kind::Text, None);
/// draft.payload().extend_from_slice(b"Hello");
/// draft.seal();
/// assert_eq!(out, b"\x81\x05Hello");
/// ```
#[derive(Debug)]
#[must_use]
pub struct Draft<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    kind: Kind,
    mask: Option<[u8; 4]>,
    sealed: bool,
}

/// Room for the header of a payload of 126 bytes to 64 KiB, the commonest; other sizes move their payload.
const GUESS: usize = 4;
/// A longer message goes out in pieces of this size. A multiple of four, so that each piece begins with the mask's first byte.
const PIECE: usize = 512 * 1024;

impl<'o> Draft<'o> {
    /// Begins a message behind what is in `out`. A client gives a `mask`, another unpredictable one for each message (RFC 6455 section 5.3); a server gives none.
    pub fn begin(out: &'o mut Vec<u8>, kind: Kind, mask: Option<[u8; 4]>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; GUESS]);
        out.extend_from_slice(mask.as_ref().map_or(&[], |key| key));
        Self { out, start, kind, mask, sealed: false }
    }

    /// The buffer, to which the payload is to be appended. What was in it before must stay.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Puts the header before the payload, and masks it if there is a mask.
    pub fn seal(mut self) {
        self.sealed = true;
        let Self { start, kind, mask, .. } = self;
        let out = &mut *self.out;
        let payload = start + GUESS + mask.map_or(0, |key| key.len());
        // Whoever cut the buffer shorter has sent an empty message.
        out.resize(out.len().max(payload), 0);
        let len = out.len() - payload;
        if let Some(key) = mask {
            mask::apply(&mut out[payload..], key, 0);
        }
        let pieces = len.div_ceil(PIECE).max(1);
        let mut bytes = [0; MAX_HEADER];
        let header = |at: usize| {
            let opcode = match kind {
                _ if at > 0 => Opcode::Continuation,
                Kind::Text => Opcode::Text,
                Kind::Binary => Opcode::Binary,
            };
            let size = if at + 1 == pieces { len - at * PIECE } else { PIECE };
            (Header { opcode, fin: at + 1 == pieces, mask, len: size as u64 }, size)
        };
        let headers: usize = (0..pieces).map(|at| header(at).0.write(&mut bytes)).sum();
        let total = headers + len;
        if start + total > out.len() {
            out.resize(start + total, 0);
        }
        // From the last piece to the first: a piece moves only where nothing unmoved stands. A single short one moves towards the front.
        let mut end = start + total;
        for at in (0..pieces).rev() {
            let (header, size) = header(at);
            let from = payload + at * PIECE;
            out.copy_within(from..from + size, end - size);
            let used = header.write(&mut bytes);
            end -= size + used;
            out[end..end + used].copy_from_slice(&bytes[..used]);
        }
        out.truncate(start + total);
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.sealed {
            self.out.truncate(self.start);
        }
    }
}

/// Appends a ping with the first 125 bytes of `payload`, the most that it can carry. For `mask` see [`Draft::begin`].
pub fn ping(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    control(out, Control::Ping, &[payload], mask);
}

/// Appends a pong: the answer to a ping with the same `payload`, of which the first 125 bytes are sent. For `mask` see [`Draft::begin`].
pub fn pong(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    control(out, Control::Pong, &[payload], mask);
}

/// Appends a close frame, with a code and a reason for a person, of which the first 123 bytes or a few less are sent. Nothing may be sent behind it.
/// For `mask` see [`Draft::begin`].
pub fn close(out: &mut Vec<u8>, why: Option<(u16, &str)>, mask: Option<[u8; 4]>) {
    match why {
        Some((code, reason)) => {
            let code = code.to_be_bytes();
            let fits = (0..=reason.len().min(MAX_CONTROL - code.len())).rev().find(|at| reason.is_char_boundary(*at));
            control(out, Control::Close, &[&code, &reason.as_bytes()[..fits.unwrap_or(0)]], mask);
        }
        None => control(out, Control::Close, &[], mask),
    }
}

fn control(out: &mut Vec<u8>, kind: Control, parts: &[&[u8]], mask: Option<[u8; 4]>) {
    let len = parts.iter().map(|part| part.len()).sum::<usize>().min(MAX_CONTROL);
    let mut bytes = [0; MAX_HEADER];
    let used = Header { opcode: Opcode::Control(kind), fin: true, mask, len: len as u64 }.write(&mut bytes);
    out.extend_from_slice(&bytes[..used]);
    let start = out.len();
    out.extend(parts.iter().copied().flatten().copied().take(len));
    if let Some(key) = mask {
        mask::apply(&mut out[start..], key, 0);
    }
}
