//! Reading JSON text in place: one validating pass, no allocation, no recursion.
//!
//! The grammar is RFC 8259's. What it does not judge is whether a value means something (a number out of every range, a lone
//! surrogate): that is found when the value is decoded.

mod name;
mod walk;

use crate::raw::{Raw, SessionMember};
use crate::special::special_soon;
use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::ops::Range;
use name::Name;
pub(crate) use walk::{Members, Walk};

/// How many arrays and objects may be open at once, the outermost included. `serde_json` draws the same line.
pub(crate) const MAX_DEPTH: u32 = 127;

/// Where a text stops being JSON, and what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// The scanner has met what is no JSON; it knows where and why. Empty, so that the many steps that can fail return in a register.
struct Stop;

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
pub(crate) fn check(text: &str) -> Result<Raw<'_>, SyntaxError> {
    let mut scanner = Scanner::new(text, 0);
    match scanner.only_value() {
        Ok(value) => Ok(value),
        Err(Stop) => Err(scanner.error()),
    }
}

/// The text of a JSON string, quotes included; `None` if its escapes mean nothing (a lone surrogate).
pub(crate) fn decode_string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') { serde_json::from_str::<String>(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    outer: u32,
    /// What the newest [`value`](Self::value) has of `sessionId`.
    session: SessionMember,
    /// The end of that member's value is still to be noted.
    in_session: bool,
    /// How many containers the newest `value` has open at once.
    levels: u32,
    /// Why it has stopped, where it is.
    what: &'static str,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, outer: u32) -> Self {
        Self { text, bytes: text.as_bytes(), pos: 0, outer, session: SessionMember::Absent, in_session: false, levels: 0, what: "" }
    }

    fn only_value(&mut self) -> Result<Raw<'a>, Stop> {
        let start = self.value()?;
        let value = self.raw(start);
        self.end()?;
        Ok(value)
    }

    /// The value that began at `start` and has just been skipped.
    #[inline]
    fn raw(&self, start: usize) -> Raw<'a> {
        Raw { text: self.text.get(start..self.pos).unwrap_or_default(), session: self.session, levels: self.levels }
    }

    /// Skips the name of a message's member and its colon, if they stand there as usual.
    #[inline]
    fn usual_name(&mut self) -> Option<Name> {
        let rest = self.bytes.get(self.pos..)?;
        let (name, len) = Name::usual(rest)?;
        self.pos += len;
        Some(name)
    }

    /// Skips `"jsonrpc":"2.0"`, with which nearly every message starts.
    #[inline]
    fn usual_version(&mut self) -> Option<&'static str> {
        const USUAL: &[u8] = b"\"jsonrpc\":\"2.0\"";
        self.bytes.get(self.pos..)?.starts_with(USUAL).then(|| {
            self.pos += USUAL.len();
            "\"2.0\""
        })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    #[cold]
    fn fail<T>(&mut self, what: &'static str) -> Result<T, Stop> {
        self.what = what;
        Err(Stop)
    }

    /// Why it has stopped.
    fn error(&self) -> SyntaxError {
        SyntaxError { at: self.pos, what: self.what }
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.pos += 1;
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        self.skip_space();
        if self.pos == self.bytes.len() { Ok(()) } else { self.fail("expected the end of the message") }
    }

    /// Skips one whole value and returns where it starts, behind the space before it.
    #[inline(always)]
    fn value(&mut self) -> Result<usize, Stop> {
        self.skip_space();
        let start = self.pos;
        (self.session, self.in_session, self.levels) = (SessionMember::Absent, false, 0);
        if !self.scalar()? {
            self.container(start)?;
        }
        Ok(start)
    }

    /// Skips an array or an object.
    #[inline(never)]
    fn container(&mut self, start: usize) -> Result<(), Stop> {
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
                    self.levels = self.levels.max(depth + 1);
                    let object = opening == b'{';
                    self.pos += 1;
                    self.skip_space();
                    if self.peek() == Some(if object { b'}' } else { b']' }) {
                        self.pos += 1;
                    } else {
                        depth += 1;
                        open = open << 1 | u128::from(object);
                        if object {
                            self.member(start, depth)?;
                        }
                        continue;
                    }
                }
                Some(_) if self.scalar()? => {}
                Some(_) => return self.fail("expected a value"),
                None => return self.fail("unexpected end, expected a value"),
            }
            if self.close_finished(start, &mut open, &mut depth)? {
                return Ok(());
            }
        }
    }

    /// Skips a value that holds no others. False if none starts here.
    #[inline]
    fn scalar(&mut self) -> Result<bool, Stop> {
        match self.peek() {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            Some(_) | None => return Ok(false),
        }
        Ok(true)
    }

    /// After a value: closes the containers that end here. True once none is open, false when another value follows.
    fn close_finished(&mut self, start: usize, open: &mut u128, depth: &mut u32) -> Result<bool, Stop> {
        while *depth > 0 {
            if self.in_session && *depth == 1 {
                self.session_member_ends(start);
            }
            self.skip_space();
            let object = *open & 1 == 1;
            match self.peek() {
                Some(b',') => {
                    self.pos += 1;
                    if object {
                        self.member(start, *depth)?;
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

    /// Skips the name of a member of a value that began at `start`, and its colon. The value's own members are at depth 1.
    #[inline]
    fn member(&mut self, start: usize, depth: u32) -> Result<(), Stop> {
        let (key, escaped) = self.key()?;
        if depth != 1 {
            return Ok(());
        }
        if escaped {
            self.session = SessionMember::Unclear;
        } else if self.bytes.get(key.clone()) == Some(b"\"sessionId\"") {
            let found = SessionMember::One { start: key.start - start, colon: self.pos - start, end: 0 };
            self.session = if self.session == SessionMember::Absent { found } else { SessionMember::Unclear };
            self.in_session = true;
        }
        Ok(())
    }

    fn session_member_ends(&mut self, value: usize) {
        self.in_session = false;
        if let SessionMember::One { end, .. } = &mut self.session {
            *end = self.pos - value;
        }
    }

    /// Skips a key and its colon, and returns where the key stands and whether there are escapes in it.
    fn key(&mut self) -> Result<(Range<usize>, bool), Stop> {
        self.skip_space();
        let start = self.pos;
        if self.peek() != Some(b'"') {
            return self.fail("expected a member name in quotes");
        }
        let escaped = self.string()?;
        let end = self.pos;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.fail("expected ':'");
        }
        self.pos += 1;
        Ok((start..end, escaped))
    }

    /// Skips a string; true if there are escapes in it.
    #[inline]
    fn string(&mut self) -> Result<bool, Stop> {
        let mut escaped = false;
        self.pos += 1;
        loop {
            self.pos = special_soon(self.bytes, self.pos);
            match self.peek() {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    self.escape()?;
                    escaped = true;
                }
                Some(_) => return self.fail("control character inside a string"),
                None => return self.fail("unexpected end inside a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Stop> {
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

    fn number(&mut self) -> Result<(), Stop> {
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

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.pos;
        while let Some(b'0'..=b'9') = self.peek() {
            self.pos += 1;
        }
        if self.pos == start { self.fail("expected a digit") } else { Ok(()) }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), Stop> {
        if self.bytes.get(self.pos..self.pos + word.len()) == Some(word.as_bytes()) {
            self.pos += word.len();
            Ok(())
        } else {
            self.fail("expected a value")
        }
    }
}

#[cfg(test)]
mod tests;
