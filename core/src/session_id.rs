use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use uuid::Uuid;

/// The longest session id that is accepted from a peer, in bytes.
///
/// Our own are 36 bytes, those of Kurento's Java server 26.
pub const MAX_SESSION_ID_BYTES: usize = 128;

/// The name of a session, and the secret that lets a client come back to it.
///
/// A server makes them from 16 bytes of a cryptographic source ([`SessionId::from_random`]). A client takes what its
/// server gives, which need not be a UUID. As it is a bearer secret (PROTOCOL 3), `Debug` shows a prefix only; the whole text is behind
/// [`SessionId::reveal`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Repr);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    /// A UUID in its canonical lower-case text; any other spelling is `Text`, so equality is equality of texts.
    Uuid(Uuid),
    Text(Box<str>),
}

impl SessionId {
    /// A version-4 UUID from 16 bytes, which must come from a cryptographic source.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(Repr::Uuid(uuid::Builder::from_random_bytes(bytes).into_uuid()))
    }

    /// The id that a peer named, or `None` if the text is empty or longer than [`MAX_SESSION_ID_BYTES`].
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_SESSION_ID_BYTES {
            return None;
        }
        if let Ok(uuid) = Uuid::try_parse(text) {
            let mut canonical = Uuid::encode_buffer();
            if *uuid.hyphenated().encode_lower(&mut canonical) == *text {
                return Some(Self(Repr::Uuid(uuid)));
            }
        }
        Some(Self(Repr::Text(text.into())))
    }

    /// The whole id, for saving it so as to resume after a restart. Keep it out of logs.
    #[must_use]
    pub fn reveal(&self) -> String {
        let mut text = String::with_capacity(36);
        self.with_text(|s| text.push_str(s));
        text
    }

    /// Whether there is nothing in its text that a JSON string would escape.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.0, Repr::Uuid(_))
    }

    /// Bytes of its text.
    pub(crate) fn text_len(&self) -> usize {
        match &self.0 {
            Repr::Uuid(_) => uuid::fmt::Hyphenated::LENGTH,
            Repr::Text(text) => text.len(),
        }
    }

    /// Calls `f` with the whole text, without an allocation.
    pub(crate) fn with_text<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        match &self.0 {
            Repr::Uuid(uuid) => f(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
            Repr::Text(text) => f(text),
        }
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| {
            // Half of a short id, eight characters of a long one: enough to tell two apart in a log.
            let shown = text.chars().take((text.len() / 2).min(8));
            for c in shown {
                fmt::Write::write_char(f, c)?;
            }
            f.write_str("…")
        })
    }
}
