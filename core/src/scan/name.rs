/// The members that mean something in a message (JSON-RPC 2.0 sections 4 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Version,
    Id,
    Method,
    Params,
    Result,
    Error,
}

impl Name {
    /// Which one `bytes` start with, and what of them it and its colon are, if they stand there without escapes and spaces.
    #[inline]
    pub(super) fn usual(bytes: &[u8]) -> Option<(Self, usize)> {
        // Each is compared with a constant, which takes one or two instructions.
        match bytes.get(1)? {
            b'i' if bytes.starts_with(b"\"id\":") => Some((Self::Id, 5)),
            b'm' if bytes.starts_with(b"\"method\":") => Some((Self::Method, 9)),
            b'p' if bytes.starts_with(b"\"params\":") => Some((Self::Params, 9)),
            b'r' if bytes.starts_with(b"\"result\":") => Some((Self::Result, 9)),
            b'e' if bytes.starts_with(b"\"error\":") => Some((Self::Error, 8)),
            _ => None,
        }
    }

    pub(super) fn of(text: &str) -> Option<Self> {
        Some(match text {
            "jsonrpc" => Self::Version,
            "id" => Self::Id,
            "method" => Self::Method,
            "params" => Self::Params,
            "result" => Self::Result,
            "error" => Self::Error,
            _ => return None,
        })
    }
}
