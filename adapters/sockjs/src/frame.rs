use alloc::string::String;
use alloc::vec::Vec;

pub(crate) const OPEN: &[u8] = b"o";
pub(crate) const HEARTBEAT: &[u8] = b"h";

/// With what a session is closed: the code and the reason that the client's `close` event has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// As a WebSocket's (RFC 6455 section 7.4).
    pub code: u16,
    /// For a person.
    pub reason: String,
}

impl Close {
    const ANOTHER_RECEIVER: (u16, &'static str) = (2010, "Another connection still open");
    /// A request broke off, and nobody knows what of its response has arrived.
    pub(crate) const INTERRUPTED: (u16, &'static str) = (1002, "Connection interrupted");

    /// For who wants to wait for frames while another request of the session does.
    #[must_use]
    pub fn another_receiver() -> Self {
        Self::of(Self::ANOTHER_RECEIVER)
    }

    pub(crate) fn of((code, reason): (u16, &str)) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// Appends a close frame, `c[code,"reason"]`.
pub fn close(out: &mut Vec<u8>, close: &Close) {
    out.extend_from_slice(b"c[");
    let mut digits = [0; 5];
    out.extend_from_slice(decimal(close.code, &mut digits));
    out.push(b',');
    quote(out, &close.reason);
    out.push(b']');
}

fn decimal(mut n: u16, digits: &mut [u8; 5]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return &digits[at..];
        }
    }
}

/// Appends `text` as a string of JSON. What browsers mangle on its way (control and format characters, and the end of the plane) is escaped.
pub(crate) fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut from = 0;
    for (at, c) in text.char_indices() {
        if c != '"' && c != '\\' && !is_mangled(c) {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[from..at]);
        from = at + c.len_utf8();
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // None of them is above the first plane.
            c => escape(out, u32::from(c) as u16),
        }
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
    out.push(b'"');
}

/// What a server has to escape, by the protocol's own test.
fn is_mangled(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\u{200c}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{fff0}'..='\u{ffff}')
}

/// Appends `\u` and four digits.
pub(crate) fn escape(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(b"0123456789abcdef"[usize::from(unit >> shift & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_has_its_code_and_its_reason() {
        for (code, expected) in [(0, "c[0,\"\\\"\"]"), (10, "c[10,\"\\\"\"]"), (3000, "c[3000,\"\\\"\"]"), (u16::MAX, "c[65535,\"\\\"\"]")]
        {
            let mut out = Vec::new();
            close(&mut out, &Close { code, reason: "\"".into() });
            assert_eq!(core::str::from_utf8(&out), Ok(expected));
        }
    }

    #[test]
    fn what_browsers_mangle_is_escaped_and_nothing_else() {
        for (text, expected) in [
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("\"\\/", "\"\\\"\\\\/\""),
            ("\n\r\t\0\x1f\x7f", "\"\\n\\r\\t\\u0000\\u001f\x7f\""),
            ("\u{200b}\u{200c}\u{200f}\u{2010}", "\"\u{200b}\\u200c\\u200f\u{2010}\""),
            ("\u{2027}\u{2028}\u{202f}\u{2030}", "\"\u{2027}\\u2028\\u202f\u{2030}\""),
            ("\u{205f}\u{2060}\u{206f}\u{2070}", "\"\u{205f}\\u2060\\u206f\u{2070}\""),
            ("\u{ffef}\u{fff0}\u{ffff}\u{10000}", "\"\u{ffef}\\ufff0\\uffff\u{10000}\""),
            ("é😀é", "\"é😀é\""),
        ] {
            let mut out = Vec::new();
            quote(&mut out, text);
            assert_eq!(core::str::from_utf8(&out), Ok(expected), "{text:?}");
        }
    }
}
