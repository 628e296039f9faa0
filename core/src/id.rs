use crate::scan::Kind;
use crate::{Dialect, scan};
use alloc::boxed::Box;

/// The longest request id that is accepted, in bytes of its JSON text.
pub(crate) const MAX_ID_BYTES: usize = 256;

/// A request id as a peer sent it, JSON-RPC 2.0 section 4.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Id {
    Null,
    /// A number that `i64` writes back exactly as it was read.
    Int(i64),
    /// Any other number, as it was written: `1.0`, `1e3`, `-0`.
    Number(Box<str>),
    /// A string, decoded.
    Text(Box<str>),
}

impl Id {
    /// Reads an id from the JSON value `raw`; `None` if it is of a wrong type or too long.
    pub(crate) fn parse(raw: &str) -> Option<Self> {
        if raw.len() > MAX_ID_BYTES {
            return None;
        }
        match scan::kind_of(raw) {
            Kind::Null => Some(Self::Null),
            Kind::String => Some(Self::Text(scan::decode_string(raw)?.into())),
            Kind::Number => Some(Self::number(raw)),
            Kind::Object | Kind::Array | Kind::Bool => None,
        }
    }

    fn number(raw: &str) -> Self {
        match raw.parse::<i64>() {
            Ok(n) if !(n == 0 && raw.starts_with('-')) => Self::Int(n),
            Ok(_) | Err(_) => Self::Number(raw.into()),
        }
    }

    /// The id under which two requests are the same one: in the Kurento dialect `1` and `"1"` are (PROTOCOL 2).
    pub(crate) fn key(&self, dialect: Dialect) -> Self {
        match (dialect, self) {
            (Dialect::Kurento, Self::Text(text)) if is_number(text) => Self::number(text),
            (Dialect::Kurento | Dialect::Strict, id) => id.clone(),
        }
    }

    /// Bytes of it as JSON, if nothing in it is to be escaped.
    pub(crate) fn text_len(&self) -> usize {
        match self {
            Self::Null => 4,
            Self::Int(n) => usize::from(*n < 0) + n.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1,
            Self::Number(text) => text.len(),
            Self::Text(text) => text.len() + 2,
        }
    }
}

/// Whether a sender that counts upwards gave `id` before `other`. Our own ids go from 2^31 - 1 on to 1 (PROTOCOL 1): around there small ones are the later ones.
pub(crate) fn is_behind(id: i64, other: i64) -> bool {
    const ROUND: i64 = 1 << 31;
    const NEAR: i64 = 1 << 24;
    let ends = |id| (ROUND - NEAR..ROUND).contains(&id);
    match (ends(id), ends(other)) {
        (false, false) | (true, true) => id <= other,
        (false, true) => false,
        (true, false) => (0..NEAR).contains(&other),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && scan::check(text).is_ok() && scan::kind_of(text) == Kind::Number && text.trim() == text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Json, write};
    use std::vec::Vec;

    fn parsed(raw: &str) -> Id {
        Id::parse(raw).unwrap()
    }

    #[test]
    fn a_number_that_is_written_back_as_it_was_is_counted_with() {
        for (raw, number) in [("0", 0), ("7", 7), ("-5", -5), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)] {
            assert_eq!(parsed(raw), Id::Int(number));
        }
        for raw in ["-0", "1.0", "1e3", "9223372036854775808"] {
            assert_eq!(parsed(raw), Id::Number(raw.into()));
        }
    }

    #[test]
    fn text_is_the_number_that_it_spells_to_kurento_only() {
        for (text, key) in [("7", Id::Int(7)), ("-5", Id::Int(-5)), ("1.0", Id::Number("1.0".into()))] {
            assert_eq!(Id::Text(text.into()).key(Dialect::Kurento), key);
            assert_eq!(Id::Text(text.into()).key(Dialect::Strict), Id::Text(text.into()));
        }
        for text in ["", "a", "1x", "1 ", " 1", "true", "null", "\"1\"", "[1]"] {
            assert_eq!(Id::Text(text.into()).key(Dialect::Kurento), Id::Text(text.into()));
        }
        assert_eq!(parsed("7").key(Dialect::Kurento), Id::Int(7));
    }

    #[test]
    fn its_length_is_that_of_what_is_written() {
        for raw in [
            "null",
            "0",
            "7",
            "9",
            "10",
            "99",
            "100",
            "-1",
            "-9",
            "-10",
            "9223372036854775807",
            "-9223372036854775808",
            "1.50",
            "\"\"",
            "\"id\"",
        ] {
            let mut written = Vec::new();
            write::result(&mut written, &parsed(raw), None, &Json::NULL);
            assert_eq!(core::str::from_utf8(&written).unwrap(), std::format!("{{\"jsonrpc\":\"2.0\",\"id\":{raw},\"result\":null}}"));
            assert_eq!(parsed(raw).text_len(), raw.len());
        }
    }
}
