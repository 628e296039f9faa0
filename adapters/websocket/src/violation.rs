use core::error::Error;
use core::fmt;

/// What is wrong with what the peer has sent. The connection has to be closed, with [`close_code`](Self::close_code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// A reserved bit is set, and no extension was agreed upon (RFC 6455 section 5.2).
    ReservedBits,
    /// A frame of a kind that does not exist (section 5.2).
    ReservedOpcode(u8),
    /// A control frame in fragments (section 5.5).
    FragmentedControl,
    /// A control frame with more than 125 bytes (section 5.5).
    LongControl,
    /// A client's frame without a mask (section 5.1).
    Unmasked,
    /// A server's frame with a mask (section 5.1).
    Masked,
    /// A length of 2^63 bytes or more (section 5.2).
    Length,
    /// A new message before the last fragment of another (section 5.4).
    Interleaved,
    /// A fragment of no message (section 5.4).
    NothingToContinue,
    /// A text that is not UTF-8 (section 8.1).
    NotUtf8,
    /// A message of more bytes than this, which is what was given to [`Decoder::new`](crate::Decoder::new).
    TooBig(usize),
    /// A close frame with half a code (section 5.5.1).
    ShortClose,
    /// A close frame with a code that may not be sent (section 7.4).
    CloseCode(u16),
}

impl Violation {
    /// The code with which to close the connection (section 7.4.1): 1002, 1007 or 1009.
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::NotUtf8 => 1007,
            Self::TooBig(_) => 1009,
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl
            | Self::LongControl
            | Self::Unmasked
            | Self::Masked
            | Self::Length
            | Self::Interleaved
            | Self::NothingToContinue
            | Self::ShortClose
            | Self::CloseCode(_) => 1002,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => f.write_str("a reserved bit is set"),
            Self::ReservedOpcode(opcode) => write!(f, "opcode {opcode} is reserved"),
            Self::FragmentedControl => f.write_str("a control frame is fragmented"),
            Self::LongControl => f.write_str("a control frame has more than 125 bytes"),
            Self::Unmasked => f.write_str("a client's frame is not masked"),
            Self::Masked => f.write_str("a server's frame is masked"),
            Self::Length => f.write_str("the length of a frame has its highest bit set"),
            Self::Interleaved => f.write_str("a message begins within another"),
            Self::NothingToContinue => f.write_str("a fragment belongs to no message"),
            Self::NotUtf8 => f.write_str("a text is not UTF-8"),
            Self::TooBig(limit) => write!(f, "a message has more than {limit} bytes"),
            Self::ShortClose => f.write_str("a close frame has a payload of one byte"),
            Self::CloseCode(code) => write!(f, "close code {code} may not be sent"),
        }
    }
}

impl Error for Violation {}
