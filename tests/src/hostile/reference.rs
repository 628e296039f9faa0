//! The reference: what a frame means, read by `serde_json` and told in the words of docs/protocol.md, sections 1 and 2. Slow and plain.

use bowline_core::Dialect;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// A frame.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// No JSON, or too deep.
    ParseError,
    /// One message.
    Single(Message<'a>),
    /// A batch.
    Batch(Vec<Message<'a>>),
}

/// A message.
#[derive(Debug)]
pub enum Message<'a> {
    /// A request, or a notification if it has no id.
    Request {
        /// The id.
        id: Option<Id<'a>>,
        /// The method, decoded.
        method: String,
        /// The params, as they stand in the frame.
        params: Option<&'a str>,
    },
    /// An answer.
    Answer {
        /// The id.
        id: Id<'a>,
        /// The members `result` and `error`, as they stand in the frame.
        result: Option<&'a str>,
        /// See `result`.
        error: Option<&'a str>,
    },
    /// JSON, but no message.
    Invalid(Id<'a>),
}

/// An id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id<'a> {
    /// `null`, or none that could be read.
    Null,
    /// A number, as it was written.
    Number(&'a str),
    /// A text, decoded.
    Text(String),
}

impl<'a> Id<'a> {
    /// Reads an id as it stands in a frame.
    #[must_use]
    pub fn read(raw: &'a str) -> Option<Self> {
        match raw.as_bytes().first()? {
            _ if raw.len() > 256 => None,
            b'n' => Some(Self::Null),
            b'"' => Some(Self::Text(text(raw)?)),
            b'-' | b'0'..=b'9' => Some(Self::Number(raw)),
            _ => None,
        }
    }

    /// The text under which two requests are the same one.
    #[must_use]
    pub fn key(&self, dialect: Dialect) -> Option<String> {
        let number = |raw: &str| match raw.parse::<i64>() {
            Ok(n) if raw != "-0" => n.to_string(),
            Ok(_) | Err(_) => raw.to_owned(),
        };
        match self {
            Self::Null => None,
            Self::Number(raw) => Some(number(raw)),
            Self::Text(text) if dialect == Dialect::Kurento && is_number(text) => Some(number(text)),
            Self::Text(text) => Some(format!("\"{text}")),
        }
    }
}

fn is_number(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b'-' | b'0'..=b'9')) && valid(text).is_some_and(|value| value.len() == text.len())
}

/// The one JSON value in `text`, without the space around it; `None` if there is none or it is nested deeper than 127 levels.
#[must_use]
pub fn valid(text: &str) -> Option<&str> {
    let raw = serde_json::from_str::<&RawValue>(text).ok()?.get();
    (depth(raw) <= 127).then_some(raw)
}

/// How many arrays and objects are open at once in `raw`, which is JSON.
#[must_use]
pub fn depth(raw: &str) -> usize {
    let (mut open, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' if !in_text => open -= 1,
            _ => {}
        }
    }
    deepest
}

/// A JSON string, decoded; `None` if it is none or means nothing.
#[must_use]
pub fn text(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// The members of an object in their order, keys decoded (`None`: it means nothing), values as they stand. `None` if it is no object.
#[must_use]
pub fn members(raw: &str) -> Option<Vec<(Option<String>, &str)>> {
    let Members(members) = serde_json::from_str(raw).ok()?;
    Some(members.into_iter().map(|(key, value)| (text(key.get()), value.get())).collect())
}

/// The last member of this name.
#[must_use]
pub fn member<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    members(raw)?.into_iter().rev().find(|(key, _)| key.as_deref() == Some(name)).map(|(_, value)| value)
}

struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Visit)
    }
}

/// What a frame is.
#[must_use]
pub fn judge(frame: &[u8], dialect: Dialect) -> Verdict<'_> {
    let Some(raw) = std::str::from_utf8(frame).ok().and_then(valid) else { return Verdict::ParseError };
    match raw.as_bytes().first() {
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(raw).unwrap_or_default();
            Verdict::Batch(elements.into_iter().map(|element| message(element.get(), dialect)).collect())
        }
        _ => Verdict::Single(message(raw, dialect)),
    }
}

fn message(raw: &str, dialect: Dialect) -> Message<'_> {
    let Some(members) = members(raw) else { return Message::Invalid(Id::Null) };
    let member = |name: &str| members.iter().rev().find(|(key, _)| key.as_deref() == Some(name)).map(|(_, value)| *value);
    let id = match member("id").map(Id::read) {
        Some(None) => return Message::Invalid(Id::Null),
        Some(Some(id)) => Some(id),
        None => None,
    };
    let version = member("jsonrpc").map(text);
    let right = match version {
        Some(version) => version.as_deref() == Some("2.0"),
        None => dialect == Dialect::Kurento,
    };
    if !right {
        return Message::Invalid(id.unwrap_or(Id::Null));
    }
    if let Some(method) = member("method") {
        return match text(method) {
            Some(method) => Message::Request { id, method, params: member("params").filter(|raw| *raw != "null") },
            None => Message::Invalid(id.unwrap_or(Id::Null)),
        };
    }
    match (member("result"), member("error")) {
        (None, None) => Message::Invalid(id.unwrap_or(Id::Null)),
        (result, error) => Message::Answer { id: id.unwrap_or(Id::Null), result, error },
    }
}

/// Params or a result as the application gets them: its members, without `sessionId` in the Kurento dialect.
#[must_use]
pub fn without_session(raw: &str) -> Option<Vec<(Option<String>, &str)>> {
    Some(members(raw)?.into_iter().filter(|(key, _)| key.as_deref() != Some("sessionId")).collect())
}

/// The session that params name.
#[must_use]
pub fn named_session(params: &str) -> Option<String> {
    text(member(params, "sessionId")?).filter(|text| !text.is_empty() && text.len() <= bowline_core::MAX_SESSION_ID_BYTES)
}
