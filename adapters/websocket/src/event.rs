use crate::Violation;
use alloc::borrow::Cow;
use alloc::string::String;

/// What the peer has sent: the value of [`Decoder::decode`](crate::Decoder::decode).
///
/// Borrowed if it lay in one piece, owned if it had to be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A text message, whole and valid.
    Text(Cow<'a, str>),
    /// A binary message, whole.
    Binary(Cow<'a, [u8]>),
    /// A ping, to be answered by [`pong`](crate::pong) with the same bytes.
    Ping(Cow<'a, [u8]>),
    /// A pong, asked for or not.
    Pong(Cow<'a, [u8]>),
    /// The peer sends nothing more; what else comes is not looked at. To be answered by [`close`](crate::close), unless that was sent before.
    Close(Option<CloseFrame<'a>>),
}

/// What a close frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// The code, one of those that may be sent (RFC 6455 section 7.4 and its registry).
    pub code: u16,
    /// The reason, for a person. Often empty.
    pub reason: Cow<'a, str>,
}

/// Reads the payload of a close frame (section 5.5.1).
pub(crate) fn close_frame(payload: Cow<'_, [u8]>) -> Result<Option<CloseFrame<'_>>, Violation> {
    if payload.is_empty() {
        return Ok(None);
    }
    let Some(code) = payload.first_chunk() else { return Err(Violation::ShortClose) };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Violation::CloseCode(code));
    }
    let reason = match payload {
        Cow::Borrowed(payload) => core::str::from_utf8(&payload[2..]).map(Cow::Borrowed).map_err(drop),
        Cow::Owned(mut payload) => {
            payload.drain(..2);
            String::from_utf8(payload).map(Cow::Owned).map_err(drop)
        }
    };
    reason.map(|reason| Some(CloseFrame { code, reason })).map_err(|()| Violation::NotUtf8)
}

/// The codes of section 7.4.1 but those that stand for the absence of one, what has been registered since, and the ranges of section 7.4.2.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_has_a_code_and_a_reason_or_nothing() {
        assert_eq!(close_frame(Cow::Borrowed(b"")), Ok(None));
        for payload in [Cow::Borrowed(&b"\x03\xe8bye"[..]), Cow::Owned(b"\x03\xe8bye".to_vec())] {
            assert_eq!(close_frame(payload), Ok(Some(CloseFrame { code: 1000, reason: "bye".into() })));
        }
        assert_eq!(close_frame(Cow::Borrowed(b"\x03")), Err(Violation::ShortClose));
        assert_eq!(close_frame(Cow::Borrowed(b"\x03\xe8\xff")), Err(Violation::NotUtf8));
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535_u16] {
            assert_eq!(close_frame(Cow::Owned(code.to_be_bytes().to_vec())), Err(Violation::CloseCode(code)));
        }
    }
}
