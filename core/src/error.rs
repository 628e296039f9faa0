use crate::Json;
use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// The error of a JSON-RPC answer: JSON-RPC 2.0 section 5.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    /// What kind of error; the constants of this type are the ones that the library itself sends.
    pub code: i64,
    /// One sentence for a person.
    pub message: Cow<'static, str>,
    /// More for a program, any JSON.
    pub data: Option<Json<'static>>,
}

impl ErrorObject {
    /// Bad JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// JSON that is no JSON-RPC 2.0 request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No handler for the method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// Params that the method cannot take.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The handler failed.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// `connect` named a session that is unknown or closed (PROTOCOL 3).
    pub const UNKNOWN_SESSION: i64 = 40007;
    /// More requests in flight than the session may have (PROTOCOL 9).
    pub const TOO_MANY_REQUESTS: i64 = -32000;
    /// The server stops, and has not begun the request (PROTOCOL 9).
    pub const SHUTTING_DOWN: i64 = -32001;

    /// An error with a code and a message, without data.
    #[must_use]
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same error with `data`.
    #[must_use]
    pub fn with_data(mut self, data: Json<'static>) -> Self {
        self.data = Some(data);
        self
    }

    /// -32600, and what is wrong with the request.
    #[must_use]
    pub fn invalid_request(why: &str) -> Self {
        Self::new(Self::INVALID_REQUEST, joined("Invalid Request: ", why))
    }

    /// -32601 for `method`.
    #[must_use]
    pub fn method_not_found(method: &str) -> Self {
        // A method may be as long as a message; its answer need not be.
        let shown: String = method.chars().take(64).collect();
        Self::new(Self::METHOD_NOT_FOUND, joined("Method not found: ", &shown))
    }

    /// -32602, and what is wrong with the params.
    #[must_use]
    pub fn invalid_params(why: &str) -> Self {
        Self::new(Self::INVALID_PARAMS, joined("Invalid params: ", why))
    }

    /// -32603 without a word about what went wrong inside.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Self::INTERNAL_ERROR, "Internal error")
    }
}

fn joined(head: &str, tail: &str) -> String {
    let mut text = String::with_capacity(head.len() + tail.len());
    text.push_str(head);
    text.push_str(tail);
    text
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

impl core::error::Error for ErrorObject {}

/// Why the endpoint did not take a command. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The buffer of unsent and unacknowledged messages is full: wait for room ([`Endpoint::has_room`](crate::Endpoint::has_room)).
    Full,
    /// The session is closed.
    Closed,
    /// `connect`, `ping` and `closeSession` belong to the library (PROTOCOL 3).
    ReservedMethod,
    /// The message is longer than what the peer takes, so many bytes.
    TooBig(usize),
    /// With what stands around them, its params are nested deeper than the 127 levels that a peer reads.
    TooDeep,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the session's send buffer is full"),
            Self::Closed => f.write_str("the session is closed"),
            Self::ReservedMethod => f.write_str("connect, ping and closeSession are sent by the library itself"),
            Self::TooBig(max) => write!(f, "the message is longer than the {max} bytes that the peer takes"),
            Self::TooDeep => f.write_str("the message is nested deeper than the 127 levels that a peer reads"),
        }
    }
}

impl core::error::Error for SendError {}
