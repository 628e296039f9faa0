use core::time::Duration;

use crate::SessionId;

/// How results, params and ids look on the wire (PROTOCOL 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dialect {
    /// As Kurento's servers and clients have it: results are objects that carry `sessionId`.
    #[default]
    Kurento,
    /// JSON-RPC 2.0 to the letter.
    Strict,
}

/// What a peer with resumption takes if it does not say (PROTOCOL 6).
pub(crate) const DEFAULT_MESSAGE_BYTES: usize = 1024 * 1024;
/// What it keeps if it does not say: messages …
pub(crate) const DEFAULT_OUTBOX_MESSAGES: usize = 1024;
/// … and bytes of them.
pub(crate) const DEFAULT_OUTBOX_BYTES: usize = 256 * 1024;

/// How long a server keeps a session without a transport, if it does not say.
pub(crate) const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// The bounds of one endpoint. Nothing in an endpoint grows past them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message that we take; 1 MiB. The transport enforces it. Here it is told to a peer with resumption, so that it does not send again and again what can never
    /// arrive (PROTOCOL 6).
    pub message_bytes: usize,
    /// Messages that may wait to be sent or acknowledged before [`SendError::Full`](crate::SendError::Full); 1,024. Answers may exceed it: by a reserve of as
    /// many again and `in_flight`, and by the requests that are in flight when that is used up.
    ///
    /// With resumption the peer is told, and acknowledges half of it at the latest, or 256 messages or 64 KiB; it reads on for as much as 1,024 messages and 256 KiB, or as its
    /// own buffer holds. More than that can make handlers that call back wait in vain while the peer is flooded (PROTOCOL 6): give both sides the same then.
    pub outbox_messages: usize,
    /// Bytes of those messages; 256 KiB. The message that crosses the line is still taken. With resumption answers may exceed it by a reserve: twice as many again,
    /// `queued_bytes`, and two messages.
    pub outbox_bytes: usize,
    /// Requests of the peer that are not answered yet, running or waiting; 1,024. No more than these begin, even if they are answered later
    /// ([`Endpoint::defer`](crate::Endpoint::defer)). At the limit the transport is not read
    /// ([`Endpoint::wants_read`](crate::Endpoint::wants_read)), with resumption not beyond what fills the peer's buffer besides. It also bounds a batch.
    pub in_flight: usize,
    /// Bytes of requests that wait for their turn, and of answers that wait for the rest of their batch; 1 MiB. At the limit the transport is not read.
    pub queued_bytes: usize,
    /// Calls of ours that are not settled yet; 65,536. One that was sent and [forgotten](crate::Endpoint::forget) counts until it is answered, or its deadline. At the limit
    /// neither calls nor notifications are taken ([`Endpoint::has_room`](crate::Endpoint::has_room)).
    pub calls: usize,
    /// Messages in one batch; 1,024. A longer one is refused whole with -32600.
    pub batch: usize,
    /// Bytes of answers that are kept for a peer that asks again (PROTOCOL 5); 64 KiB. Zero keeps none.
    pub duplicate_bytes: usize,
    /// How long they are kept; 60 s.
    pub duplicate_time: Duration,
    /// Unknown sessions that one transport may name before it is closed with 1008; 8.
    pub unknown_sessions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: DEFAULT_MESSAGE_BYTES,
            outbox_messages: DEFAULT_OUTBOX_MESSAGES,
            outbox_bytes: DEFAULT_OUTBOX_BYTES,
            in_flight: 1024,
            queued_bytes: 1024 * 1024,
            calls: 65_536,
            batch: 1024,
            duplicate_bytes: 64 * 1024,
            duplicate_time: Duration::from_secs(60),
            unknown_sessions: 8,
        }
    }
}

/// What a server's endpoints have in common; those of one path share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The dialect of the path.
    pub dialect: Dialect,
    /// The bounds of each session.
    pub limits: Limits,
    /// How long a session without a transport waits for its client; 10 s. A session can set its own.
    pub grace: Duration,
    /// Whether a client that announced pings and stays silent is closed; off. Kurento: `withPingWatchdog(true)`.
    pub watchdog: bool,
    /// Application requests of one session that may run at once; 1.
    pub concurrency: usize,
    /// Whether a client that offers resumption gets it (PROTOCOL 6); on.
    pub resume: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { dialect: Dialect::default(), limits: Limits::default(), grace: DEFAULT_GRACE, watchdog: false, concurrency: 1, resume: true }
    }
}

/// How long a client goes on trying after it lost its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reconnect {
    /// Not at all: a lost connection closes the client.
    Never,
    /// Until this much time has passed without a connection.
    For(Duration),
    /// Until it is closed.
    #[default]
    Forever,
}

/// What a client does when its very first connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FirstConnect {
    /// Close, so that a wrong address is an error and not a silence.
    #[default]
    FailFast,
    /// Go on as after a lost connection.
    Retry,
}

/// What becomes of calls that were sent when the connection broke, if the server does not know resumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum InFlight {
    /// They end as [`CallOutcome::Interrupted`](crate::CallOutcome::Interrupted): whether they ran is unknown.
    #[default]
    Interrupt,
    /// They are sent again with the same id. Safe against servers that know a request again (PROTOCOL 5): Bowline and Kurento Media Server.
    Repeat,
}

/// A client endpoint's configuration (PROTOCOL 4, 6 and 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The dialect that the server's path speaks.
    pub dialect: Dialect,
    /// The bounds of the session.
    pub limits: Limits,
    /// A session to come back to, saved from an earlier run. Its counts are gone with that run, so it is resumed without resumption.
    pub session: Option<SessionId>,
    /// Whether resumption is offered; on.
    pub resume: bool,
    /// Requests of the server that may run at once; 1.
    pub concurrency: usize,
    /// What becomes of calls in flight where there is no resumption.
    pub in_flight: InFlight,
    /// From the dial to the answer of `connect`; 5 s.
    pub connect_timeout: Duration,
    /// From a call to its answer, unless the call has its own; 60 s.
    pub request_timeout: Duration,
    /// Without a frame in either direction for this long the client reconnects; 300 s. `None`: never.
    pub idle_timeout: Option<Duration>,
    /// The time from ping to ping; off.
    pub heartbeat: Option<Duration>,
    /// How long a ping may stay unanswered; the heartbeat's interval if `None`.
    pub ping_timeout: Option<Duration>,
    /// Whether `closeSession` is sent on closing; off.
    pub close_message: bool,
    /// How long to go on after a lost connection.
    pub reconnect: Reconnect,
    /// What to do when the first connection fails.
    pub first_connect: FirstConnect,
    /// The back-off's first bound; 100 ms. A wait is drawn from zero to this, which doubles from each wait to the next ("full jitter").
    pub backoff_base: Duration,
    /// The back-off's last bound; 30 s. While the server may still have the session a wait is no longer than a fifth of the time for which it keeps it, which is [`ServerConfig::grace`] there.
    pub backoff_max: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            limits: Limits::default(),
            session: None,
            resume: true,
            concurrency: 1,
            in_flight: InFlight::default(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            idle_timeout: Some(Duration::from_secs(300)),
            heartbeat: None,
            ping_timeout: None,
            close_message: false,
            reconnect: Reconnect::default(),
            first_connect: FirstConnect::default(),
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
        }
    }
}
