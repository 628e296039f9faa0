//! What a server counts and measures, for whatever recorder the application has installed with the `metrics` facade.
//!
//! Every handle is made when the server is built: what happens later costs an atomic, and nothing at all when there is no recorder, or no
//! feature `metrics`. The names stand in docs/observability.md.

#[cfg(feature = "metrics")]
mod recorded;
#[cfg(not(feature = "metrics"))]
mod unrecorded;

#[cfg(feature = "metrics")]
pub(crate) use recorded::{Method, Occupancy, PathMetrics, ServerMetrics, SessionMetrics};
#[cfg(not(feature = "metrics"))]
pub(crate) use unrecorded::{Method, Occupancy, PathMetrics, ServerMetrics, SessionMetrics};

/// Whether a session has a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Attached,
    Detached,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered with a result.
    Ok,
    /// It was answered with an error.
    Error,
    /// It was a notification, and its handler has ended.
    Notified,
    /// Its session ended before its handler did.
    Dropped,
}

/// A bound that somebody ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Connections of the server.
    Connections,
    /// Sessions of the server or of a path.
    Sessions,
    /// Handshakes at once.
    Handshakes,
    /// The time for a handshake.
    HandshakeTime,
    /// Bytes of a request's head.
    HeadBytes,
    /// Bytes of one message.
    MessageBytes,
    /// The time that a transport may say nothing without a session.
    Silence,
    /// Unknown sessions that one transport may name.
    UnknownSessions,
    /// Unknown sessions that all transports of one address may name.
    FailedConnects,
    /// Bytes that all sessions together may keep.
    ReplayBytes,
    /// Requests of one session that are in flight, or bytes of those that wait for their turn.
    InFlight,
    /// What one session keeps for its peer.
    Outbox,
}

impl Outcome {
    /// Its name, in metrics and in the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Notified => "notified",
            Self::Dropped => "dropped",
        }
    }
}
