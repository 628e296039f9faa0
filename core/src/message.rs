//! One text frame, taken apart in place (PROTOCOL 1; JSON-RPC 2.0 sections 4 to 6).

use crate::id::Id;
use crate::raw::Raw;
use crate::scan::{self, Members, SyntaxError, Walk};
use crate::{Dialect, ErrorObject, Json};
use alloc::borrow::Cow;

/// A frame: one message, or a batch of them.
pub(crate) enum Frame<'a> {
    Single(Message<'a>),
    Batch(Batch<'a>),
}

#[derive(Debug)]
pub(crate) enum Message<'a> {
    Request(Call<'a>),
    Response(Reply<'a>),
    /// JSON, but no message. The id is null where the message has none that could be read.
    Invalid {
        id: Id,
        why: &'static str,
    },
}

/// A request, or a notification if it has no id.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) id: Option<Id>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) params: Option<Raw<'a>>,
}

#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) id: Id,
    pub(crate) body: Body<'a>,
}

#[derive(Debug)]
pub(crate) enum Body<'a> {
    Result(Raw<'a>),
    Error(&'a str),
    /// Both members, even if one is null.
    Both,
}

impl<'a> Frame<'a> {
    pub(crate) fn parse(text: &'a str, dialect: Dialect) -> Result<Self, SyntaxError> {
        match Walk::new(text, 0) {
            Some(walk) if walk.is_object() => envelope(walk, dialect).map(Self::Single),
            Some(_) => {
                let whole = scan::check(text)?;
                Ok(Self::Batch(Batch { walk: Walk::new(whole.text, 0), dialect }))
            }
            None => {
                scan::check(text)?;
                Ok(Self::Single(Message::Invalid { id: Id::Null, why: "expected an object or an array" }))
            }
        }
    }
}

/// The members of a batch whose text has been validated as a whole.
pub(crate) struct Batch<'a> {
    walk: Option<Walk<'a>>,
    dialect: Dialect,
}

impl<'a> Iterator for Batch<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let item = self.walk.as_mut()?.next().ok()??;
        let message = Walk::new(item.value.text, 1).filter(Walk::is_object).and_then(|walk| envelope(walk, self.dialect).ok());
        Some(message.unwrap_or(Message::Invalid { id: Id::Null, why: "expected an object" }))
    }
}

fn envelope(walk: Walk<'_>, dialect: Dialect) -> Result<Message<'_>, SyntaxError> {
    let Members { version, id, method, params, result, error } = walk.members()?;
    let read_id = id.map(Id::parse);
    let id = match read_id {
        Some(Some(id)) => Some(id),
        Some(None) => return Ok(Message::Invalid { id: Id::Null, why: "id must be a string, a number or null, of at most 256 bytes" }),
        None => None,
    };
    let invalid = |id: Option<Id>, why| Ok(Message::Invalid { id: id.unwrap_or(Id::Null), why });
    let is_version_2 = match version {
        // With or without escapes.
        Some(raw) => raw == "\"2.0\"" || scan::decode_string(raw).as_deref() == Some("2.0"),
        None => dialect == Dialect::Kurento,
    };
    if !is_version_2 {
        return invalid(id, "jsonrpc must be \"2.0\"");
    }
    if let Some(method) = method {
        let Some(method) = scan::decode_string(method) else {
            return invalid(id, "method must be a string");
        };
        return Ok(Message::Request(Call { id, method, params: params.filter(|raw| raw.text != "null") }));
    }
    let body = match (result, error) {
        (Some(raw), None) => Body::Result(raw),
        (None, Some(raw)) => Body::Error(raw),
        (Some(_), Some(_)) => Body::Both,
        (None, None) => return invalid(id, "neither method, result nor error"),
    };
    Ok(Message::Response(Reply { id: id.unwrap_or(Id::Null), body }))
}

/// The error of an answer, or what is wrong with it.
pub(crate) fn error_object(raw: &str) -> Result<ErrorObject, &'static str> {
    let mut walk = Walk::new(raw, 1).filter(Walk::is_object).ok_or("error must be an object")?;
    let (mut code, mut message, mut data) = (None, None, None);
    while let Ok(Some(item)) = walk.next() {
        if item.is("code") {
            code = item.value.text.parse::<i64>().ok();
        } else if item.is("message") {
            message = scan::decode_string(item.value.text);
        } else if item.is("data") && item.value.text != "null" {
            data = Some(item.value.text);
        }
    }
    let code = code.ok_or("error.code must be an integer")?;
    let message = message.unwrap_or_default().into_owned();
    Ok(ErrorObject { code, message: message.into(), data: data.map(|raw| Json::trusted(raw).into_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(text: &str, dialect: Dialect) -> Message<'_> {
        match Frame::parse(text, dialect) {
            Ok(Frame::Single(message)) => message,
            Ok(Frame::Batch(_)) => panic!("a batch"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_request_is_taken_apart_in_place() {
        let text = r#" {"params":{"a":[1]},"method":"m","id":7,"jsonrpc":"2.0","extra":{}} "#;
        let Message::Request(call) = single(text, Dialect::Strict) else { panic!() };
        assert_eq!((call.id, &*call.method, call.params.map(|raw| raw.text)), (Some(Id::Int(7)), "m", Some("{\"a\":[1]}")));
        assert!(matches!(call.method, Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_no_message_says_why() {
        for (text, want) in [
            ("5", "expected an object or an array"),
            ("{}", "jsonrpc must be \"2.0\""),
            (r#"{"jsonrpc":"1.0","method":"m"}"#, "jsonrpc must be \"2.0\""),
            (r#"{"jsonrpc":"2.0","method":5}"#, "method must be a string"),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, "id must be a string, a number or null, of at most 256 bytes"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "neither method, result nor error"),
        ] {
            let Message::Invalid { why, .. } = single(text, Dialect::Strict) else { panic!("{text}") };
            assert_eq!(why, want, "{text}");
        }
    }

    #[test]
    fn kurento_peers_may_leave_the_version_out() {
        assert!(matches!(single(r#"{"method":"m"}"#, Dialect::Kurento), Message::Request(_)));
        assert!(matches!(single(r#"{"method":"m","jsonrpc":"1"}"#, Dialect::Kurento), Message::Invalid { .. }));
    }

    #[test]
    fn a_null_beside_the_other_counts_as_there() {
        let Message::Response(reply) = single(r#"{"jsonrpc":"2.0","id":1,"result":1,"error":null}"#, Dialect::Strict) else { panic!() };
        assert!(matches!(reply.body, Body::Both));
    }
}
