use bowline_core::{CallOutcome, DecodeError, Dialect, ErrorObject, Json, SendError, decode_result};
use serde::de::DeserializeOwned;
use std::error::Error;
use std::fmt;

/// Why a call gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The peer answered with an error.
    Peer(ErrorObject),
    /// It was not sent: it is longer than what the peer takes, so many bytes.
    TooBig(usize),
    /// It was not sent: with what stands around its params they are nested deeper than the 127 levels that a peer reads.
    TooDeep,
    /// No answer came in time.
    TimedOut,
    /// The call was sent, then the connection or the session was lost: whether it ran is unknown.
    Interrupted,
    /// The session is closed.
    Closed,
    /// `connect`, `ping` and `closeSession` are sent by the library itself.
    ReservedMethod,
    /// The result does not fit the type that was asked for.
    Decode(DecodeError),
    /// The params cannot be written as JSON.
    Encode(String),
    /// What the peer answered is no answer.
    Malformed(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(error) => write!(f, "the peer answered with an error: {error}"),
            Self::TooBig(max) => SendError::TooBig(*max).fmt(f),
            Self::TooDeep => SendError::TooDeep.fmt(f),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Interrupted => f.write_str("the connection was lost before the answer; whether the call ran is unknown"),
            Self::Closed => f.write_str("the session is closed"),
            Self::ReservedMethod => SendError::ReservedMethod.fmt(f),
            Self::Decode(error) => write!(f, "unexpected result: {error}"),
            Self::Encode(error) => write!(f, "the params cannot be written as JSON: {error}"),
            Self::Malformed(what) => write!(f, "malformed answer: {what}"),
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Peer(error) => Some(error),
            Self::Decode(error) => Some(error),
            Self::TooBig(_)
            | Self::TooDeep
            | Self::TimedOut
            | Self::Interrupted
            | Self::Closed
            | Self::ReservedMethod
            | Self::Encode(_)
            | Self::Malformed(_) => None,
        }
    }
}

/// The result in `outcome`, as it came.
pub(super) fn raw_result(outcome: CallOutcome) -> Result<Json<'static>, CallError> {
    match outcome {
        CallOutcome::Result(result) => Ok(result),
        CallOutcome::Error(error) => Err(CallError::Peer(error)),
        CallOutcome::Malformed(what) => Err(CallError::Malformed(what)),
        CallOutcome::TooBig(max) => Err(CallError::TooBig(max)),
        CallOutcome::TooDeep => Err(CallError::TooDeep),
        CallOutcome::TimedOut => Err(CallError::TimedOut),
        CallOutcome::Interrupted => Err(CallError::Interrupted),
        CallOutcome::Closed => Err(CallError::Closed),
    }
}

pub(super) fn typed_result<T: DeserializeOwned>(result: &Json<'_>, dialect: Dialect) -> Result<T, CallError> {
    decode_result(result, dialect).map_err(CallError::Decode)
}

/// Why a notification was not taken. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotifyError {
    /// As many messages wait as may.
    Full,
    /// It is longer than what the peer takes, so many bytes; or so little shorter that the session's id might not fit.
    TooBig(usize),
    /// With what stands around them, its params are nested deeper than the 127 levels that a peer reads.
    TooDeep,
    /// The session is closed.
    Closed,
    /// `connect`, `ping` and `closeSession` are sent by the library itself.
    ReservedMethod,
    /// The params cannot be written as JSON.
    Encode(String),
}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => SendError::Full.fmt(f),
            Self::TooBig(max) => SendError::TooBig(*max).fmt(f),
            Self::TooDeep => SendError::TooDeep.fmt(f),
            Self::Closed => SendError::Closed.fmt(f),
            Self::ReservedMethod => SendError::ReservedMethod.fmt(f),
            Self::Encode(error) => write!(f, "the params cannot be written as JSON: {error}"),
        }
    }
}

impl Error for NotifyError {}
