use crate::{ErrorObject, Json, SessionId};
use alloc::borrow::Cow;
use alloc::string::String;
use core::time::Duration;

/// What became of a frame: the value of [`Endpoint::handle_frame`](crate::Endpoint::handle_frame).
#[derive(Debug)]
#[must_use]
pub enum Received<'f> {
    /// The endpoint has dealt with it.
    Handled,
    /// Serve this request now, after the actions that are waiting, and answer it with [`Endpoint::respond`](crate::Endpoint::respond).
    Request(Request<'f>),
    /// The frame belongs to another session: look it up. If it lives, give its endpoint this transport
    /// ([`handle_attached`](crate::Endpoint::handle_attached), and [`set_watch`](crate::Endpoint::set_watch) where there is a watchdog) and this very frame; if not, give this endpoint the frame again by
    /// [`handle_unknown_session`](crate::Endpoint::handle_unknown_session).
    HandOver(SessionId),
}

/// What the driver has to do: the value of [`Endpoint::poll_action`](crate::Endpoint::poll_action).
///
/// `T` is the tag that the caller gave with each call.
#[derive(Debug)]
pub enum Action<T> {
    /// Serve this request, whose turn has come.
    Serve(Request<'static>),
    /// A call of ours has ended. Each call ends exactly once.
    Settled {
        /// The tag that was given to [`Endpoint::call`](crate::Endpoint::call).
        tag: T,
        /// How it ended.
        outcome: CallOutcome,
    },
    /// The session exists: on a server it was created, on a client it was connected for the first time.
    Opened,
    /// The session goes on over a new transport.
    Resumed,
    /// Client: the server did not know the session any more and made a new one. Calls in flight have ended as [`CallOutcome::Interrupted`].
    Renewed,
    /// The transport is lost; the session waits for another.
    Lost,
    /// Client: open a transport, then report [`handle_attached`](crate::Endpoint::handle_attached) or
    /// [`handle_dial_failed`](crate::Endpoint::handle_dial_failed).
    Dial {
        /// Which attempt this is since the last connection, from 1.
        attempt: u32,
    },
    /// Client: an attempt to connect has failed, by the dial or by the server's answer to `connect`.
    ConnectFailed {
        /// The error with which the server answered `connect`, if it was that.
        error: Option<ErrorObject>,
        /// The time to the next attempt; `None` if there will be none.
        retry_in: Option<Duration>,
    },
    /// Write what [`poll_transmit`](crate::Endpoint::poll_transmit) still has, close the transport (or give up a dial under way) and
    /// report [`handle_detached`](crate::Endpoint::handle_detached). Do not wait for the peer's Close frame for ever: Kurento's Java client sends none.
    HangUp(Close),
    /// A message that waited is not sent: it has more bytes than the peer takes, as it says now that the session is connected (PROTOCOL 6). A call ends as
    /// [`CallOutcome::TooBig`] instead, and an answer becomes an error; this was a notification, or an answer that even as an error would be too long.
    TooBig {
        /// Bytes of the message, with what would have been added to it.
        bytes: usize,
        /// What the peer takes.
        peer_takes: usize,
    },
    /// Send a WebSocket ping; report its pong by [`handle_pong`](crate::Endpoint::handle_pong).
    Probe,
    /// The session has ended. The endpoint does nothing more, once its last actions are taken.
    Closed(CloseReason),
}

/// With what a WebSocket is closed (RFC 6455 section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The status code.
    pub code: u16,
    /// The reason, for a person.
    pub reason: &'static str,
}

impl Close {
    /// What an old transport is closed with when its session has moved to a new one (PROTOCOL 3).
    pub const MOVED: Self = Self { code: 4104, reason: "Connection closed for reconnection" };
    /// A normal end.
    pub const NORMAL: Self = Self { code: 1000, reason: "" };
    /// The server stops.
    pub const GOING_AWAY: Self = Self { code: 1001, reason: "Server is shutting down" };
    /// Binary frames are refused (PROTOCOL 1).
    pub const BINARY: Self = Self { code: 1003, reason: "Binary frames are not accepted" };
    /// The server has no room for what it would have to keep for this session.
    pub const NO_ROOM: Self = Self { code: 1013, reason: "Too much to replay" };
    /// The transport kept naming unknown sessions (PROTOCOL 3).
    pub const GUESSING: Self = Self { code: 1008, reason: "Too many unknown sessions" };
    /// A message over the limit (PROTOCOL 9).
    pub const TOO_BIG: Self = Self { code: 1009, reason: "Message too big" };
    /// The watchdog barked (PROTOCOL 4).
    pub const NO_PING: Self = Self { code: 1000, reason: "Close for not receive ping from client" };
    /// The server sends and sends, and does not answer `connect`.
    pub const NO_GREETING: Self = Self { code: 1008, reason: "Too many messages before the answer to connect" };
    /// A request named its session over a new transport, and there is no room for it among those that came before.
    pub const BUSY: Self = Self { code: 1013, reason: "Too many requests in flight" };
    /// The peer acknowledged what was never sent (PROTOCOL 6).
    pub const MISMATCH: Self = Self { code: 1002, reason: "Resumption mismatch" };
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client sent `closeSession`.
    ClientClosed,
    /// The client did not come back in time.
    GraceExpired,
    /// The application closed it.
    Application,
    /// The server shut down.
    Shutdown,
    /// The two sides disagree about what was received (PROTOCOL 6).
    ResumeMismatch,
    /// Server: the sessions together kept more for their peers than they may, and this one kept the most.
    TooMuchToReplay,
    /// Client: it gave up reconnecting, as its [`Reconnect`](crate::Reconnect) policy says, or its first connection failed.
    GaveUp,
    /// Server: the transport was lost or closed before it had a session, or moved to another session. Nothing was opened, so nothing closed.
    NeverOpened,
}

impl CloseReason {
    /// The text that Kurento's `afterConnectionClosed` gets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientClosed => "Client sent close message",
            Self::GraceExpired => "reconnection timeout",
            Self::Application => "Application closed the session",
            Self::Shutdown => "Server is shutting down",
            Self::ResumeMismatch => "resumption mismatch",
            Self::TooMuchToReplay => "too much to replay",
            Self::GaveUp => "reconnection given up",
            Self::NeverOpened => "no session was opened",
        }
    }
}

/// A request or notification of the peer.
#[derive(Debug)]
pub struct Request<'f> {
    /// The method's name.
    pub method: Cow<'f, str>,
    /// The params as they came, without `sessionId` in the Kurento dialect. Decode them with [`decode_params`](crate::decode_params).
    pub params: Option<Json<'f>>,
    /// Whether this is the first application request of the session. Kurento: `Session.isNew`.
    pub is_first: bool,
    /// What answers it.
    pub responder: Responder,
}

impl Request<'_> {
    /// The same request, independent of the frame that it came in.
    #[must_use]
    pub fn into_owned(self) -> Request<'static> {
        Request {
            method: Cow::Owned(self.method.into_owned()),
            params: self.params.map(Json::into_owned),
            is_first: self.is_first,
            responder: self.responder,
        }
    }
}

/// The obligation to end one request: give it to [`Endpoint::respond`](crate::Endpoint::respond) exactly once, for a notification too.
///
/// It belongs to the endpoint that made it. One that is dropped holds its place among the requests in flight for ever.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Responder {
    pub(crate) key: u32,
    pub(crate) notification: bool,
}

impl Responder {
    /// Whether nobody waits for an answer.
    #[must_use]
    pub fn is_notification(&self) -> bool {
        self.notification
    }
}

/// What a handler gives back.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// A result, any JSON.
    Result(Json<'a>),
    /// No answer was given: the peer gets the empty one of its dialect (PROTOCOL 2).
    Empty,
    /// An error.
    Error(ErrorObject),
}

/// Names a call of ours; see [`Endpoint::forget`](crate::Endpoint::forget).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(crate) u32);

/// How a call of ours ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// The peer's result, without `sessionId` in the Kurento dialect. Decode it with [`decode_result`](crate::decode_result).
    Result(Json<'static>),
    /// The peer's error.
    Error(ErrorObject),
    /// The peer answered with something that is no answer; what was wrong with it.
    Malformed(String),
    /// It was not sent: it is longer than what the peer takes, so many bytes.
    TooBig(usize),
    /// It was not sent: with what stands around its params they are nested deeper than the 127 levels that a peer reads.
    TooDeep,
    /// No answer in time.
    TimedOut,
    /// The call was sent, then the connection or the session was lost: whether it ran is unknown.
    Interrupted,
    /// The session was closed before an answer came.
    Closed,
}
