//! URLs, payloads and callbacks, read once more in another way.

use arbitrary::Arbitrary;
use bowline_sockjs::{BadCallback, BadPayload, Receiving, Reception, Route, Transport, form_payload, messages};
use serde_json::Value;

/// A path out of parts that are near the mark.
#[derive(Arbitrary, Clone, Debug)]
pub struct Url(Vec<Part>);

#[derive(Arbitrary, Clone, Debug)]
enum Part {
    Slash,
    Known(u8),
    Text(String),
    Filler(u8),
}

const KNOWN: [&str; 16] = [
    "info",
    "websocket",
    "iframe",
    ".html",
    "-1.6.1",
    "000",
    "xhr",
    "xhr_send",
    "xhr_streaming",
    "eventsource",
    "htmlfile",
    "jsonp",
    "jsonp_send",
    ".",
    "%20",
    "/0/abc/xhr",
];

/// JSON near the mark.
#[derive(Arbitrary, Clone, Debug)]
pub enum Payload {
    /// A list of strings, in spellings of several kinds.
    List(Vec<(String, u8)>),
    /// Pieces of JSON.
    Pieces(Vec<Piece>),
    /// Anything.
    Text(String),
}

/// A piece of JSON.
#[derive(Arbitrary, Clone, Debug)]
pub enum Piece {
    /// One that is known.
    Known(u8),
    /// A string.
    String(String),
}

const PIECES: [&str; 16] = [
    "[",
    "]",
    ",",
    " ",
    "\"",
    "\\",
    "\"a\"",
    "\"\\u0041\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "1",
    "null",
    "{}",
    "[\"a\"",
    ",\"b\"]",
    "\n",
];

impl Url {
    /// The path.
    #[must_use]
    pub fn into_text(self) -> String {
        let mut text = String::new();
        for part in self.0.into_iter().take(64) {
            match part {
                Part::Slash => text.push('/'),
                Part::Known(n) => text.push_str(KNOWN[usize::from(n) % KNOWN.len()]),
                Part::Text(part) => text.push_str(&part),
                Part::Filler(n) => text.extend(std::iter::repeat_n('x', n.into())),
            }
        }
        text
    }
}

impl Payload {
    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Pieces(pieces) => pieces.into_iter().map(Piece::into_text).collect(),
            Self::List(list) => {
                let spelled = list.into_iter().map(|(text, how)| match how % 3 {
                    0 => Value::from(text).to_string(),
                    1 => format!(" {} ", Value::from(text)),
                    _ => format!("\"{}\"", text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>()),
                });
                format!("[{}]", spelled.collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl Piece {
    fn into_text(self) -> String {
        match self {
            Self::Known(n) => PIECES[usize::from(n) % PIECES.len()].to_owned(),
            Self::String(text) => Value::from(text).to_string(),
        }
    }
}

/// A path means what its parts mean.
pub(super) fn check_url(path: &str) {
    let parts: Vec<&str> = path.split('/').collect();
    let is_id = |part: &str| !part.is_empty() && part.len() <= 128 && !part.contains('.');
    let is_iframe = |page: &str| {
        let version = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || "-._".contains(c);
        page.len() >= "iframe.html".len() && page.starts_with("iframe") && page.ends_with(".html") && page.chars().all(version)
    };
    let expected = match *parts.as_slice() {
        [""] | ["", ""] => Some(Route::Greeting),
        ["", "info"] => Some(Route::Info),
        ["", "websocket"] => Some(Route::RawWebSocket),
        ["", page] if is_iframe(page) => Some(Route::Iframe),
        ["", server, id, transport] if is_id(server) && is_id(id) => {
            transports().find(|known| known.as_str() == transport).map(|transport| Route::Session { id, transport })
        }
        _ => None,
    };
    assert_eq!(Route::parse(path), expected, "{path:?}");
}

fn transports() -> impl Iterator<Item = Transport> {
    use bowline_sockjs::Sending;
    let receiving = [Receiving::Xhr, Receiving::XhrStreaming, Receiving::EventSource, Receiving::HtmlFile, Receiving::Jsonp];
    let sending = [Sending::Xhr, Sending::Jsonp].map(Transport::Send);
    receiving.map(Transport::Receive).into_iter().chain(sending).chain([Transport::WebSocket])
}

/// A payload is what a JSON value is: a list of strings, a string, or nothing.
pub(super) fn check_payload(text: &str) {
    let mut read = Vec::new();
    let result = messages(text, |message| read.push(message.to_owned()));
    let expected = match serde_json::from_str::<Value>(text) {
        _ if text.is_empty() => Err(BadPayload::Missing),
        Ok(Value::String(message)) => Ok(vec![message]),
        Ok(Value::Array(list)) => list.into_iter().map(|item| item.as_str().map(str::to_owned).ok_or(BadPayload::Broken)).collect(),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | Err(_) => Err(BadPayload::Broken),
    };
    assert!(result.is_ok() || read.is_empty(), "some of a payload that is none: {text:?}");
    assert_eq!(result.map(|()| read), expected, "{text:?}");

    // The same as a field of a form.
    let form: String = text.bytes().map(|byte| if byte == b' ' { "+".into() } else { format!("%{byte:02x}") }).collect();
    let field = format!("c=1&d={form}&d=other");
    assert_eq!(form_payload(field.as_bytes()), if text.is_empty() { Err(BadPayload::Missing) } else { Ok(text.into()) });
}

/// What names a function is a name, and stands in the script as it is.
pub(super) fn check_callback(query: &str) {
    assert_eq!(Reception::of(Receiving::Xhr, Some(query)), Ok(Reception::Xhr));
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let is_name = query.len() <= 64 && query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    match Reception::of(Receiving::Jsonp, Some(&format!("t=1&c={encoded}"))) {
        Ok(Reception::Jsonp(_)) => assert!(is_name && !query.is_empty(), "{query:?}"),
        Ok(other) => unreachable!("{other:?}"),
        Err(BadCallback::Missing) => assert!(query.is_empty()),
        Err(BadCallback::Invalid) => assert!(!is_name, "{query:?}"),
    }
    // Anything may stand in a query.
    let _ = Reception::of(Receiving::HtmlFile, Some(query));
}
