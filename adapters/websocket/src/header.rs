//! Frame headers (RFC 6455 section 5.2), both ways.

use crate::{Role, Violation};

pub(crate) const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
/// The most that a control frame may carry (section 5.5).
pub(crate) const MAX_CONTROL: usize = 125;
/// The longest header, with its mask.
pub(crate) const MAX_HEADER: usize = 14;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Control(Control),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Control(Control::Close),
            9 => Self::Control(Control::Ping),
            10 => Self::Control(Control::Pong),
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Control(Control::Close) => 8,
            Self::Control(Control::Ping) => 9,
            Self::Control(Control::Pong) => 10,
        }
    }

    fn is_control(self) -> bool {
        match self {
            Self::Control(_) => true,
            Self::Continuation | Self::Text | Self::Binary => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    /// Whether it is the last frame of its message.
    pub(crate) fin: bool,
    pub(crate) mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub(crate) len: u64,
}

impl Header {
    /// The header at the start of `bytes` and its length, `None` if it is not complete. What is there of it is judged at once.
    ///
    /// A length that is written longer than needed is taken: that it is wrong (section 5.2) does no harm. Not so of a control frame: there is only one way to write the length of
    /// what it may carry, and its second byte says enough.
    pub(crate) fn parse(bytes: &[u8], role: Role) -> Result<Option<(Self, usize)>, Violation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0xf).ok_or(Violation::ReservedOpcode(first & 0xf))?;
        let fin = first & FIN != 0;
        if opcode.is_control() && !fin {
            return Err(Violation::FragmentedControl);
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & MASKED != 0;
        match role {
            Role::Server if !masked => return Err(Violation::Unmasked),
            Role::Client if masked => return Err(Violation::Masked),
            Role::Server | Role::Client => {}
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL {
            return Err(Violation::LongControl);
        }
        let (len, at) = match short {
            126 => match bytes[2..].first_chunk() {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 4),
                None => return Ok(None),
            },
            127 => match bytes[2..].first_chunk() {
                Some(len) => (u64::from_be_bytes(*len), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        if len > u64::MAX >> 1 {
            return Err(Violation::Length);
        }
        if !masked {
            return Ok(Some((Self { opcode, fin, mask: None, len }, at)));
        }
        Ok(bytes[at..].first_chunk().map(|mask| (Self { opcode, fin, mask: Some(*mask), len }, at + mask.len())))
    }

    /// Writes it. Returns its length.
    pub(crate) fn write(&self, into: &mut [u8; MAX_HEADER]) -> usize {
        let Self { opcode, fin, mask, len } = *self;
        into[0] = if fin { FIN } else { 0 } | opcode.bits();
        let masked = if mask.is_some() { MASKED } else { 0 };
        let at = if let Ok(short) = u8::try_from(len)
            && short < 126
        {
            into[1] = masked | short;
            2
        } else if let Ok(medium) = u16::try_from(len) {
            into[1] = masked | 126;
            into[2..4].copy_from_slice(&medium.to_be_bytes());
            4
        } else {
            into[1] = masked | 127;
            into[2..10].copy_from_slice(&len.to_be_bytes());
            10
        };
        match mask {
            Some(key) => {
                into[at..at + key.len()].copy_from_slice(&key);
                at + key.len()
            }
            None => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_no_shorter_piece_is_complete() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, u64::MAX >> 1] {
            for (role, mask) in [(Role::Server, Some([1, 2, 3, 4])), (Role::Client, None)] {
                let header = Header { opcode: Opcode::Binary, fin: false, mask, len };
                let mut bytes = [0; MAX_HEADER];
                let used = header.write(&mut bytes);
                assert_eq!(Header::parse(&bytes[..used], role), Ok(Some((header, used))));
                for cut in 0..used {
                    assert_eq!(Header::parse(&bytes[..cut], role), Ok(None), "{cut} of {used}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_header_is_told() {
        for (bytes, role, wrong) in [
            (&[0xc1][..], Role::Server, Violation::ReservedBits),
            (&[0x91], Role::Server, Violation::ReservedBits),
            (&[0x83], Role::Server, Violation::ReservedOpcode(3)),
            (&[0x8f], Role::Client, Violation::ReservedOpcode(15)),
            (&[0x09], Role::Client, Violation::FragmentedControl),
            (&[0x89, 126], Role::Client, Violation::LongControl),
            (&[0x88, 255], Role::Server, Violation::LongControl),
            (&[0x81, 5], Role::Server, Violation::Unmasked),
            (&[0x81, 0x85], Role::Client, Violation::Masked),
            (&[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], Role::Client, Violation::Length),
        ] {
            assert_eq!(Header::parse(bytes, role), Err(wrong), "{bytes:x?}");
        }
    }
}
