use bowline_core::ErrorObject;
use http::StatusCode;
use std::error::Error;
use std::fmt;
use std::io;
use std::mem::discriminant;
use std::sync::Arc;

/// Why a client could not connect.
///
/// It is what [`ClientBuilder::connect`](crate::ClientBuilder::connect) gives, and what [`ConnectionEvent::ConnectionFailed`](crate::ConnectionEvent::ConnectionFailed) tells of each attempt. Two are
/// equal if they are of the same kind and say the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is none that can be connected to.
    InvalidUrl(String),
    /// This bound is zero: no session could do anything.
    InvalidLimit(&'static str),
    /// The headers that [`ClientBuilder::headers_with`](crate::ClientBuilder::headers_with) was to give are not to be had: what its function said.
    Headers(Arc<dyn Error + Send + Sync>),
    /// The host's name does not resolve, or nobody answers there.
    Unreachable(Arc<io::Error>),
    /// There is no trust between the two sides, or one does not speak TLS: what is wrong, and what helps.
    Tls(String),
    /// The server answered the handshake with this status.
    Status(StatusCode),
    /// What the server answered is no WebSocket handshake.
    Handshake(String),
    /// It took too long.
    TimedOut,
    /// The server answered `connect` with an error.
    Refused(ErrorObject),
    /// The server closed the connection before it had answered `connect`: with this code, and the reason that it gave.
    ClosedByServer {
        /// The Close frame's code (RFC 6455 section 7.4).
        code: u16,
        /// The Close frame's text, which may be empty.
        reason: String,
    },
    /// Instead of an answer to `connect` came something that the protocol does not know.
    Violation(&'static str),
    /// The connection was lost before `connect` was answered.
    Lost,
    /// The client was closed meanwhile.
    Closed,
}

impl ConnectError {
    /// The HTTP status with which the server refused the handshake, if that is what happened: 401 where credentials are wrong or too old.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(status) => Some(*status),
            Self::InvalidUrl(_)
            | Self::InvalidLimit(_)
            | Self::Headers(_)
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Handshake(_)
            | Self::TimedOut
            | Self::Refused(_)
            | Self::ClosedByServer { .. }
            | Self::Violation(_)
            | Self::Lost
            | Self::Closed => None,
        }
    }

    pub(crate) fn unreachable(error: io::Error) -> Self {
        Self::Unreachable(Arc::new(error))
    }
}

impl PartialEq for ConnectError {
    fn eq(&self, other: &Self) -> bool {
        // The operating system's errors can be compared by what they say only.
        discriminant(self) == discriminant(other) && self.to_string() == other.to_string()
    }
}

impl Eq for ConnectError {}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl(why) => write!(f, "invalid address: {why}"),
            Self::InvalidLimit(name) => write!(f, "the limit `{name}` is zero: no session could do anything"),
            Self::Headers(error) => write!(f, "no headers for the handshake: {error}"),
            Self::Unreachable(error) => write!(f, "cannot reach the server: {error}"),
            Self::Tls(why) => write!(f, "no secure connection: {why}"),
            Self::Status(status) => write!(f, "the server answered the handshake with HTTP status {status}"),
            Self::Handshake(why) => write!(f, "no WebSocket handshake: {why}"),
            Self::TimedOut => f.write_str("connecting took too long"),
            Self::Refused(error) => write!(f, "the server refused the session: {error}"),
            Self::ClosedByServer { code, reason } => {
                write!(f, "the server closed the connection before it gave a session: {code} {reason}")
            }
            Self::Violation(what) => write!(f, "no Bowline or Kurento server: {what}"),
            Self::Lost => f.write_str("the connection was lost before the server gave a session"),
            Self::Closed => f.write_str("the client was closed"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Headers(error) => Some(&**error),
            Self::Unreachable(error) => Some(&**error),
            Self::Refused(error) => Some(error),
            Self::InvalidUrl(_)
            | Self::InvalidLimit(_)
            | Self::Tls(_)
            | Self::Status(_)
            | Self::Handshake(_)
            | Self::TimedOut
            | Self::ClosedByServer { .. }
            | Self::Violation(_)
            | Self::Lost
            | Self::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_apart_from_what_else_may_fail() {
        let refused = ConnectError::Status(StatusCode::UNAUTHORIZED);
        assert_eq!(refused.status(), Some(StatusCode::UNAUTHORIZED));
        assert_eq!(refused.to_string(), "the server answered the handshake with HTTP status 401 Unauthorized");
        assert_eq!(ConnectError::Lost.status(), None);
    }

    #[test]
    fn errors_are_equal_if_they_are_of_one_kind_and_say_the_same() {
        let away = || ConnectError::unreachable(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(away(), away().clone());
        assert_ne!(away(), ConnectError::unreachable(io::ErrorKind::NotFound.into()));
        assert_ne!(ConnectError::Status(StatusCode::FORBIDDEN), ConnectError::Status(StatusCode::NOT_FOUND));
        assert_ne!(ConnectError::Lost, ConnectError::Closed);
    }
}
