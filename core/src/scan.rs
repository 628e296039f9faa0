//! Reading JSON text in place: one validating pass, no allocation, no recursion.
//!
//! The grammar is RFC 8259's. What it does not judge is whether a value means something (a number out of every range, a lone
//! surrogate): that is found when the value is decoded.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::ops::Range;

/// How many arrays and objects may be open at once, the outermost included. `serde_json` draws the same line.
pub(crate) const MAX_DEPTH: u32 = 127;

/// Where a text stops being JSON, and what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// The kind of a value whose text is known to be JSON without surrounding space.
pub(crate) fn kind_of(raw: &str) -> Kind {
    match raw.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

/// Checks that `text` is one JSON value with nothing but space around it, and returns the value without the space.
pub(crate) fn check(text: &str) -> Result<&str, SyntaxError> {
    let mut scanner = Scanner::new(text, 0);
    let range = scanner.value()?;
    scanner.end()?;
    Ok(&text[range])
}

/// The text of a JSON string, quotes included; `None` if its escapes mean nothing (a lone surrogate).
pub(crate) fn decode_string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') { serde_json::from_str::<String>(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// One member of an object or one element of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    /// The key as it stands in the text, with its quotes; empty in an array.
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
    /// From the key's first byte to the value's last, as offsets into the scanned text.
    pub(crate) span: Range<usize>,
}

impl Item<'_> {
    /// Whether the key is `name`, however it is spelled with escapes.
    pub(crate) fn is(&self, name: &str) -> bool {
        match self.key.get(1..self.key.len().saturating_sub(1)) {
            Some(inner) if inner == name => true,
            Some(inner) if inner.contains('\\') => decode_string(self.key).as_deref() == Some(name),
            Some(_) | None => false,
        }
    }
}

/// Walks over the members of the object, or the elements of the array, that `text` is.
///
/// It ends after the closing bracket has been checked, so a walk to the end has validated the whole text.
pub(crate) struct Walk<'a> {
    scanner: Scanner<'a>,
    object: bool,
    state: WalkState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WalkState {
    First,
    Next,
    Done,
}

impl<'a> Walk<'a> {
    /// `outer` is how many containers are open around `text`; `None` if `text` starts neither an object nor an array.
    pub(crate) fn new(text: &'a str, outer: u32) -> Option<Self> {
        let mut scanner = Scanner::new(text, outer + 1);
        scanner.skip_space();
        let object = match scanner.peek() {
            Some(b'{') => true,
            Some(b'[') => false,
            Some(_) | None => return None,
        };
        scanner.pos += 1;
        Some(Self { scanner, object, state: WalkState::First })
    }

    pub(crate) fn is_object(&self) -> bool {
        self.object
    }

    pub(crate) fn next(&mut self) -> Result<Option<Item<'a>>, SyntaxError> {
        if self.state == WalkState::Done {
            return Ok(None);
        }
        let close = if self.object { b'}' } else { b']' };
        self.scanner.skip_space();
        match (self.scanner.peek(), self.state) {
            (Some(b), WalkState::First | WalkState::Next) if b == close => {
                self.scanner.pos += 1;
                self.scanner.end()?;
                self.state = WalkState::Done;
                return Ok(None);
            }
            (Some(b','), WalkState::Next) => self.scanner.pos += 1,
            (_, WalkState::First) => {}
            (_, WalkState::Next | WalkState::Done) if self.object => return self.scanner.fail("expected ',' or '}'"),
            (_, WalkState::Next | WalkState::Done) => return self.scanner.fail("expected ',' or ']'"),
        }
        self.state = WalkState::Next;
        let key = if self.object { self.scanner.key()? } else { 0..0 };
        let value = self.scanner.value()?;
        let start = if self.object { key.start } else { value.start };
        let text = self.scanner.text;
        Ok(Some(Item { key: &text[key], value: &text[value.clone()], span: start..value.end }))
    }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    outer: u32,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, outer: u32) -> Self {
        Self { text, bytes: text.as_bytes(), pos: 0, outer }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { at: self.pos, what })
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.pos += 1;
        }
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        self.skip_space();
        if self.pos == self.bytes.len() { Ok(()) } else { self.fail("expected the end of the message") }
    }

    /// Skips one whole value and returns where it stands, without the space before it.
    fn value(&mut self) -> Result<Range<usize>, SyntaxError> {
        self.skip_space();
        let start = self.pos;
        // One bit for each open container, the innermost lowest: 1 is an object.
        let mut open: u128 = 0;
        let mut depth = 0;
        loop {
            self.skip_space();
            match self.peek() {
                Some(opening @ (b'{' | b'[')) => {
                    if self.outer + depth >= MAX_DEPTH {
                        return self.fail("nested deeper than 127 levels");
                    }
                    let object = opening == b'{';
                    self.pos += 1;
                    self.skip_space();
                    if self.peek() == Some(if object { b'}' } else { b']' }) {
                        self.pos += 1;
                    } else {
                        depth += 1;
                        open = open << 1 | u128::from(object);
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal("true")?,
                Some(b'f') => self.literal("false")?,
                Some(b'n') => self.literal("null")?,
                Some(_) => return self.fail("expected a value"),
                None => return self.fail("unexpected end, expected a value"),
            }
            if self.close_finished(&mut open, &mut depth)? {
                return Ok(start..self.pos);
            }
        }
    }

    /// After a value: closes the containers that end here. True once none is open, false when another value follows.
    fn close_finished(&mut self, open: &mut u128, depth: &mut u32) -> Result<bool, SyntaxError> {
        while *depth > 0 {
            self.skip_space();
            let object = *open & 1 == 1;
            match self.peek() {
                Some(b',') => {
                    self.pos += 1;
                    if object {
                        self.key()?;
                    }
                    return Ok(false);
                }
                Some(b'}') if object => {}
                Some(b']') if !object => {}
                Some(_) | None => {
                    return self.fail(if object { "expected ',' or '}'" } else { "expected ',' or ']'" });
                }
            }
            self.pos += 1;
            *open >>= 1;
            *depth -= 1;
        }
        Ok(true)
    }

    /// Skips a key and its colon, and returns where the key stands.
    fn key(&mut self) -> Result<Range<usize>, SyntaxError> {
        self.skip_space();
        let start = self.pos;
        if self.peek() != Some(b'"') {
            return self.fail("expected a member name in quotes");
        }
        self.string()?;
        let end = self.pos;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.fail("expected ':'");
        }
        self.pos += 1;
        Ok(start..end)
    }

    fn string(&mut self) -> Result<(), SyntaxError> {
        const CHUNK: usize = 16;
        let special = |b: u8| b == b'"' || b == b'\\' || b < 0x20;
        self.pos += 1;
        loop {
            // A fold without an early exit over a fixed length is compiled to vector instructions.
            while let Some(chunk) = self.bytes.get(self.pos..self.pos + CHUNK) {
                if chunk.iter().fold(false, |any, &b| any | special(b)) {
                    break;
                }
                self.pos += CHUNK;
            }
            let rest = self.bytes.get(self.pos..).unwrap_or_default();
            match rest.iter().position(|&b| special(b)) {
                Some(n) => self.pos += n,
                None => {
                    self.pos = self.bytes.len();
                    return self.fail("unexpected end inside a string");
                }
            }
            match self.peek() {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) | None => return self.fail("control character inside a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        match self.bytes.get(self.pos + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.pos += 2,
            Some(b'u') => match self.bytes.get(self.pos + 2..self.pos + 6) {
                Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => self.pos += 6,
                Some(_) | None => return self.fail("expected four hexadecimal digits after \\u"),
            },
            Some(_) | None => return self.fail("unknown escape in a string"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        if self.peek() == Some(b'-') {
            self.pos += 1;
        }
        if self.peek() == Some(b'0') {
            self.pos += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.pos += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.pos += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.pos += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.pos;
        while let Some(b'0'..=b'9') = self.peek() {
            self.pos += 1;
        }
        if self.pos == start { self.fail("expected a digit") } else { Ok(()) }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), SyntaxError> {
        if self.bytes.get(self.pos..self.pos + word.len()) == Some(word.as_bytes()) {
            self.pos += word.len();
            Ok(())
        } else {
            self.fail("expected a value")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_serde_json_on_what_is_json() {
        let open = "[".repeat(127);
        let close = "]".repeat(127);
        let deepest = std::format!("{open}{close}");
        let too_deep = std::format!("[{open}{close}]");
        for text in [
            "0",
            "-0",
            "01",
            "-",
            "1.",
            "1.5",
            ".5",
            "1e5",
            "1E+5",
            "1e",
            "1e+",
            "true",
            "tru",
            "nul",
            "null",
            "\"\"",
            "\"",
            "\"\\",
            "\"\\u12",
            "\"\\u12ag\"",
            "\"\\x\"",
            "\"a\u{1}\"",
            "\"ü𝄞\"",
            "[]",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{}",
            "{",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1",
            "{\"a\":1]",
            "[1}",
            " { \"a\" : [ 1 , { } ] } ",
            "1 1",
            "",
            " ",
            "\u{feff}1",
            &deepest,
            &too_deep,
            "\"0123456789abcdef0123456789abcdef\"",
            "\"0123456789abcde\\\"f\"",
        ] {
            assert_eq!(check(text).is_ok(), serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_walk_yields_members_as_they_stand() {
        let mut walk = Walk::new(" {\"a\" : [1, 2],\"session\\u0049d\":\"x\"} ", 0).unwrap();
        assert!(walk.is_object());
        let a = walk.next().unwrap().unwrap();
        assert_eq!((a.value, a.is("a")), ("[1, 2]", true));
        assert!(walk.next().unwrap().unwrap().is("sessionId"));
        assert_eq!(walk.next(), Ok(None));
        assert_eq!(walk.next(), Ok(None));
    }

    #[test]
    fn an_error_says_where() {
        assert_eq!(check("[1,2").unwrap_err(), SyntaxError { at: 4, what: "expected ',' or ']'" });
    }
}
