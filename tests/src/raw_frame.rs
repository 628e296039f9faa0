//! WebSocket frames as bytes, right or wrong in any of their parts.

/// A frame (RFC 6455, section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame<'a> {
    /// FIN, the reserved bits and the opcode.
    pub first: u8,
    /// The masking key of a client.
    pub mask: Option<[u8; 4]>,
    /// How the length is written.
    pub length: Length,
    /// The payload, before it is masked.
    pub payload: &'a [u8],
}

/// How the length of a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// In as few bytes as it can be.
    Shortest,
    /// In two bytes, or more if it has to be.
    Two,
    /// In eight bytes.
    Eight,
    /// As this number, whatever the payload has.
    Lie(u64),
}

impl RawFrame<'_> {
    /// Appends the frame to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self { first, mask, length, payload } = *self;
        let len = if let Length::Lie(len) = length { len } else { payload.len() as u64 };
        let masked = if mask.is_some() { 0x80 } else { 0 };
        out.push(first);
        let short = u8::try_from(len).ok().filter(|len| *len < 126 && matches!(length, Length::Shortest | Length::Lie(_)));
        let medium = u16::try_from(len).ok().filter(|_| length != Length::Eight);
        match (short, medium) {
            (Some(len), _) => out.push(masked | len),
            (None, Some(len)) => {
                out.push(masked | 126);
                out.extend_from_slice(&len.to_be_bytes());
            }
            (None, None) => {
                out.push(masked | 127);
                out.extend_from_slice(&len.to_be_bytes());
            }
        }
        let key = mask.unwrap_or_default();
        out.extend_from_slice(mask.as_ref().map_or(&[], |key| key));
        out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
}
