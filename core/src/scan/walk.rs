//! The members of an object and the elements of an array, one after the other.

use super::{Name, Scanner, Stop, SyntaxError, decode_string};
use crate::raw::Raw;
use alloc::borrow::Cow;
use core::ops::Range;

/// One member of an object or one element of an array.
pub(crate) struct Item<'a> {
    key: Key<'a>,
    pub(crate) value: Raw<'a>,
    /// From the key's first byte to the value's last, as offsets into the scanned text.
    pub(crate) span: Range<usize>,
}

enum Key<'a> {
    /// As it stands between the quotes; empty in an array.
    Plain(&'a str),
    /// With its quotes.
    Escaped(&'a str),
}

impl<'a> Key<'a> {
    /// The key that stands there in `text`, with its quotes.
    fn new(text: &'a str, at: Range<usize>, escaped: bool) -> Self {
        if escaped { Self::Escaped(&text[at]) } else { Self::Plain(text.get(at.start + 1..at.end.saturating_sub(1)).unwrap_or_default()) }
    }

    /// The name, however it is spelled. A spelling that means nothing is no name, so it is empty.
    fn name(&self) -> Cow<'a, str> {
        match *self {
            Self::Plain(name) => Cow::Borrowed(name),
            Self::Escaped(raw) => decode_string(raw).unwrap_or_default(),
        }
    }
}

impl Item<'_> {
    /// Whether the key is `name`, however it is spelled with escapes.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.key.name() == name
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
        self.item().map_err(|Stop| self.scanner.error())
    }

    /// The value of an object's next member, if it is called `name`. If it is not, the walk stays before its value.
    pub(crate) fn next_named(&mut self, name: &str) -> Result<Option<&'a str>, SyntaxError> {
        self.named(name).map_err(|Stop| self.scanner.error())
    }

    fn named(&mut self, name: &str) -> Result<Option<&'a str>, Stop> {
        if !self.advance()? {
            return Ok(None);
        }
        let (key, escaped) = self.scanner.key()?;
        if Key::new(self.scanner.text, key, escaped).name() != name {
            return Ok(None);
        }
        let start = self.scanner.value()?;
        Ok(Some(self.scanner.raw(start).text))
    }

    fn item(&mut self) -> Result<Option<Item<'a>>, Stop> {
        if !self.advance()? {
            return Ok(None);
        }
        let (key, escaped) = if self.object { self.scanner.key()? } else { (0..0, false) };
        let start = self.scanner.value()?;
        let end = self.scanner.pos;
        let span = if self.object { key.start } else { start }..end;
        Ok(Some(Item { key: Key::new(self.scanner.text, key, escaped), value: self.scanner.raw(start), span }))
    }

    /// The members of the object that a message is, each of JSON-RPC's with its last value.
    pub(crate) fn members(mut self) -> Result<Members<'a>, SyntaxError> {
        let mut members = Members::default();
        match self.read_members(&mut members) {
            Ok(()) => Ok(members),
            Err(Stop) => Err(self.scanner.error()),
        }
    }

    fn read_members(&mut self, members: &mut Members<'a>) -> Result<(), Stop> {
        while self.advance()? {
            if let Some(version) = self.scanner.usual_version() {
                members.version = Some(version);
                continue;
            }
            let name = match self.scanner.usual_name() {
                Some(name) => Some(name),
                None => {
                    let (key, escaped) = self.scanner.key()?;
                    Name::of(&Key::new(self.scanner.text, key, escaped).name())
                }
            };
            let start = self.scanner.value()?;
            let value = self.scanner.raw(start);
            match name {
                Some(Name::Version) => members.version = Some(value.text),
                Some(Name::Id) => members.id = Some(value.text),
                Some(Name::Method) => members.method = Some(value.text),
                Some(Name::Params) => members.params = Some(value),
                Some(Name::Result) => members.result = Some(value),
                Some(Name::Error) => members.error = Some(value.text),
                None => {}
            }
        }
        Ok(())
    }

    /// Moves to the next member or element. False if there is none, and then the whole text has been checked.
    #[inline]
    fn advance(&mut self) -> Result<bool, Stop> {
        if self.state == WalkState::Done {
            return Ok(false);
        }
        let close = if self.object { b'}' } else { b']' };
        self.scanner.skip_space();
        match (self.scanner.peek(), self.state) {
            (Some(b), WalkState::First | WalkState::Next) if b == close => {
                self.scanner.pos += 1;
                self.scanner.end()?;
                self.state = WalkState::Done;
                return Ok(false);
            }
            (Some(b','), WalkState::Next) => {
                self.scanner.pos += 1;
                self.scanner.skip_space();
            }
            (_, WalkState::First) => {}
            (_, WalkState::Next | WalkState::Done) if self.object => return self.scanner.fail("expected ',' or '}'"),
            (_, WalkState::Next | WalkState::Done) => return self.scanner.fail("expected ',' or ']'"),
        }
        self.state = WalkState::Next;
        Ok(true)
    }
}

/// What a message consists of, as it stands in it.
#[derive(Default)]
pub(crate) struct Members<'a> {
    pub(crate) version: Option<&'a str>,
    pub(crate) id: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) params: Option<Raw<'a>>,
    pub(crate) result: Option<Raw<'a>>,
    pub(crate) error: Option<&'a str>,
}
