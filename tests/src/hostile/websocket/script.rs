//! Frames out of the bytes of a fuzzer: mostly well formed and near the mark, some broken.

use super::{Frames, Input, encode};
use crate::raw_frame::{Length, RawFrame};
use arbitrary::Arbitrary;
use bowline_websocket::Role;

/// What comes, and in which pieces.
#[derive(Arbitrary, Clone, Debug)]
pub struct Script {
    to_client: bool,
    max: u16,
    key: [u8; 4],
    parts: Vec<Part>,
    cuts: Vec<u16>,
}

#[derive(Arbitrary, Clone, Debug)]
enum Part {
    /// A frame, which may have nothing to do with those around it.
    Frame { opcode: u8, fin: bool, flaw: u8, payload: Payload },
    /// A message in fragments that end at these places, with control frames between them.
    Message { text: bool, payload: Payload, ends: Vec<u8>, between: Vec<u8> },
    /// What our own encoder writes.
    Ours { kind: u8, payload: Payload },
    /// Anything.
    Raw(Vec<u8>),
}

#[derive(Arbitrary, Clone, Debug)]
enum Payload {
    Text(String),
    Bytes(Vec<u8>),
    /// Bytes at which decoders of UTF-8 go wrong.
    Utf8(Vec<u8>),
    /// A length.
    Filler(u8, u16),
    /// A code and a reason.
    Close(u8, String),
}

const OPCODES: [u8; 16] = [1, 1, 1, 1, 2, 0, 0, 0, 0, 8, 9, 9, 10, 10, 3, 11];
const BORDERS: [u8; 24] = [
    b'a', 0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xac, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf3, 0xf4, 0xf5, 0xff,
    0x82,
];
const CODES: [u16; 20] =
    [0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1014, 1015, 1016, 2999, 3000, 4999, 5000, u16::MAX];
const KINDS: [&str; 4] = ["text", "binary", "ping", "pong"];
/// No more is made of a script, so that the next one's turn comes soon.
const MOST: usize = 150_000;

impl Script {
    /// The bytes that it stands for.
    #[must_use]
    pub fn into_input(self) -> Input {
        let role = if self.to_client { Role::Client } else { Role::Server };
        let mut writer = Writer { out: Vec::new(), frames: Frames::Whole, mask: (role == Role::Server).then_some(self.key), key: self.key };
        for part in &self.parts {
            writer.part(part);
            if writer.out.len() > MOST {
                break;
            }
        }
        let cuts = self.cuts.iter().take(64).map(|cut| usize::from(*cut)).collect();
        Input { role, max: self.max.into(), bytes: writer.out, frames: writer.frames, cuts, key: self.key }
    }
}

struct Writer {
    out: Vec<u8>,
    frames: Frames,
    mask: Option<[u8; 4]>,
    key: [u8; 4],
}

impl Writer {
    fn part(&mut self, part: &Part) {
        match part {
            Part::Frame { opcode, fin, flaw, payload } => {
                let first = if *fin { 0x80 } else { 0 } | OPCODES[usize::from(opcode % 16)];
                self.flawed(first, *flaw, &payload.bytes());
            }
            Part::Message { text, payload, ends, between } => self.fragments(if *text { 1 } else { 2 }, &payload.bytes(), ends, between),
            Part::Ours { kind, payload } => {
                let payload = payload.bytes();
                let (kind, payload) = match KINDS[usize::from(kind % 4)] {
                    "text" => ("text", String::from_utf8_lossy(&payload).into_owned().into_bytes()),
                    kind => (kind, payload),
                };
                self.out.extend(encode(&[(kind, payload)], self.mask));
            }
            Part::Raw(bytes) => {
                self.frames = Frames::Torn;
                self.out.extend_from_slice(bytes);
            }
        }
    }

    /// A frame with something that is wrong, for most numbers nothing.
    fn flawed(&mut self, first: u8, flaw: u8, payload: &[u8]) {
        let Self { mask, key, .. } = *self;
        let good = RawFrame { first, mask, length: Length::Shortest, payload };
        let frame = match flaw {
            1..=3 => RawFrame { first: first | 0x10 << (flaw - 1), ..good },
            4 => RawFrame { mask: if mask.is_some() { None } else { Some(key) }, ..good },
            5 => RawFrame { length: Length::Two, ..good },
            6 => RawFrame { length: Length::Eight, ..good },
            7..=9 => {
                self.frames = Frames::Torn;
                let word = u64::from_le_bytes([key, key].concat().try_into().unwrap_or_default());
                RawFrame { length: Length::Lie([word, word >> 40, word >> 52][usize::from(flaw - 7)]), ..good }
            }
            _ => good,
        };
        frame.write(&mut self.out);
    }

    fn fragments(&mut self, opcode: u8, payload: &[u8], ends: &[u8], between: &[u8]) {
        let mut ends: Vec<usize> = ends.iter().take(16).map(|end| usize::from(*end) * payload.len() / 255).collect();
        ends.sort_unstable();
        let (mut start, mut between) = (0, between.iter());
        for (number, end) in ends.iter().copied().chain([payload.len()]).enumerate() {
            let opcode = if number == 0 { opcode } else { 0 };
            let fin = if number == ends.len() { 0x80 } else { 0 };
            self.flawed(fin | opcode, 0, &payload[start..end]);
            start = end;
            match between.next() {
                Some(len @ 0..126) => self.flawed(0x89, 0, &vec![b'p'; usize::from(*len)]),
                Some(len @ 128..254) => self.flawed(0x8a, 0, &vec![b'q'; usize::from(len - 128)]),
                Some(126 | 127 | 254..) | None => {}
            }
        }
    }
}

impl Payload {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Utf8(bytes) => bytes.iter().map(|byte| BORDERS[usize::from(byte % 24)]).collect(),
            // Up to twice what two bytes can say.
            Self::Filler(byte, len) => vec![*byte; if len % 4 == 3 { usize::from(*len) * 2 } else { usize::from(*len) % 1024 }],
            Self::Close(code, reason) => [&CODES[usize::from(code % 20)].to_be_bytes()[..], reason.as_bytes()].concat(),
        }
    }
}
