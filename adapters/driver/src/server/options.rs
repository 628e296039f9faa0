use crate::limits::zero_limit;
use crate::registry::Errors;
use bowline_core::{Dialect, Limits, ServerConfig};
use bowline_sockjs::Settings;
use http::HeaderName;
use std::time::Duration;

/// How a path is served. Kurento: `JsonRpcHandlerRegistration`.
///
/// ```
/// use bowline::{Dialect, PathOptions};
/// use std::time::Duration;
///
/// let options = PathOptions::new().dialect(Dialect::Strict).ping_watchdog().reconnection_timeout(Duration::from_secs(30));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PathOptions {
    pub(super) label: Option<Box<str>>,
    pub(super) origins: Vec<Box<str>>,
    pub(super) max_sessions: usize,
    pub(super) kept_headers: Vec<HeaderName>,
    pub(super) errors: Errors,
    pub(super) sockjs: Option<SockJsOptions>,
    pub(super) config: ServerConfig,
}

impl Default for PathOptions {
    fn default() -> Self {
        Self {
            label: None,
            origins: Vec::new(),
            max_sessions: usize::MAX,
            kept_headers: Vec::new(),
            errors: Errors::Hidden,
            sockjs: None,
            config: ServerConfig::default(),
        }
    }
}

impl PathOptions {
    /// The defaults: Kurento's dialect, no watchdog, 10 s reconnection timeout, resumption, pages of the same origin only.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the log calls its sessions; its path unless set. Kurento: `withLabel`.
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.into());
        self
    }

    /// How its messages look on the wire (PROTOCOL 2).
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.config.dialect = dialect;
        self
    }

    /// Closes the transport of a client that announced pings and stays silent (PROTOCOL 4). Kurento: `withPingWatchdog(true)`.
    pub fn ping_watchdog(mut self) -> Self {
        self.config.watchdog = true;
        self
    }

    /// Allows the web pages of `origin`: `https://example.org`, `example.org:8443`, or `*` for all. Once one is set, no other may connect, those of
    /// the same host neither (PROTOCOL 9). Kurento: `withAllowedOrigins`.
    pub fn allowed_origin(mut self, origin: &str) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Sessions that may exist at once on this path, attached or not; as many as the server has room for, unless set. One more is closed
    /// with 1013.
    pub fn max_sessions(mut self, max: usize) -> Self {
        self.max_sessions = max;
        self
    }

    /// Requests of one session that may run at once; 1, as in Kurento.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.config.concurrency = requests;
        self
    }

    /// How long a session without a transport waits for its client; 10 s. A session can set its own.
    pub fn reconnection_timeout(mut self, timeout: Duration) -> Self {
        self.config.grace = timeout;
        self
    }

    /// Grants resumption to nobody (PROTOCOL 6).
    pub fn without_resumption(mut self) -> Self {
        self.config.resume = false;
        self
    }

    /// Bytes of one message of the peer's; 1 MiB. A larger one closes the transport with 1009. It is also what the peer is told, whatever
    /// [`Limits::message_bytes`] says.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config.limits.message_bytes = bytes;
        self
    }

    /// Keeps the request's header `name` in the session's [`TransportInfo`](crate::TransportInfo). A name that no header can have is ignored.
    pub fn keep_header(mut self, name: &str) -> Self {
        self.kept_headers.extend(HeaderName::from_bytes(name.as_bytes()));
        self
    }

    /// Puts the text of errors that are no answers into `data`, for debugging. Off: it may say what is nobody's business.
    pub fn expose_errors(mut self) -> Self {
        self.errors = Errors::Exposed;
        self
    }

    /// Serves SockJS too, at this path and below it, for clients that cannot open a WebSocket or cannot rely on one (PROTOCOL 8). The path must be an exact one. Kurento: `JsonRpcHandler.isSockJSEnabled`.
    ///
    /// The transports `htmlfile` and `jsonp` and the page `iframe.html` work without the browser telling the page's origin, so they are there only where
    /// [all origins are allowed](Self::allowed_origin).
    pub fn sockjs(mut self, options: SockJsOptions) -> Self {
        self.sockjs = Some(options);
        self
    }

    /// The bounds of each session; but [`Limits::message_bytes`] is what [`max_message_size`](Self::max_message_size) says.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = Limits { message_bytes: self.config.limits.message_bytes, ..limits };
        self
    }

    /// The name of a bound with which no session could do anything.
    pub(super) fn zero(&self) -> Option<&'static str> {
        if self.max_sessions == 0 {
            return Some("max_sessions");
        }
        let settings = self.sockjs.as_ref().map(|options| options.settings);
        let zero = settings.and_then(|settings| {
            let all = [(settings.heartbeat.is_zero(), "heartbeat"), (settings.disconnect.is_zero(), "disconnect_delay")];
            all.into_iter().find_map(|(zero, name)| zero.then_some(name))
        });
        zero.or_else(|| zero_limit(&self.config.limits))
    }
}

/// How a path serves SockJS.
///
/// ```
/// use bowline::{PathOptions, SockJsOptions};
///
/// let options = PathOptions::new().sockjs(SockJsOptions::new()).allowed_origin("https://example.org");
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SockJsOptions {
    pub(super) settings: Settings,
    pub(super) client_url: Option<Box<str>>,
    pub(super) max_post: Option<usize>,
}

impl SockJsOptions {
    /// The defaults: a heartbeat of 25 s, 5 s without a request, streams of 128 KiB, no page for an `iframe`.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a response may say nothing before it says that it is alive; 25 s. What stands between client and server should wait longer.
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.settings.heartbeat = heartbeat;
        self
    }

    /// How long a SockJS session lives while no request of its client's waits for messages; 5 s. Then that is a lost transport: the session of which it was one has its
    /// [reconnection timeout](PathOptions::reconnection_timeout) besides.
    pub fn disconnect_delay(mut self, delay: Duration) -> Self {
        self.settings.disconnect = delay;
        self
    }

    /// Bytes after which a streamed response is ended and the client asks for another one, so that its browser can forget the first; 128 KiB.
    pub fn response_limit(mut self, bytes: usize) -> Self {
        self.settings.response_limit = bytes;
        self
    }

    /// Bytes that a client sends at once, in one request or one frame: unless set, three times [`PathOptions::max_message_size`] and 64 KiB, which is enough for any message, however its client
    /// writes it; more is refused with 413. But all that a client has had to say while a request was under way comes in the next one: give room where that may be more.
    /// Forms (`jsonp`) may have twice as many.
    pub fn max_post(mut self, bytes: usize) -> Self {
        self.max_post = Some(bytes);
        self
    }

    /// Where the page `iframe.html` gets the SockJS client from. Without it there is no such page.
    pub fn client_url(mut self, url: &str) -> Self {
        self.client_url = Some(url.into());
        self
    }
}

/// The bounds of a server as a whole.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Transports at once, beside those in their handshake; 65,536. One more is closed with 1013, and counts among those in their handshake until
    /// it is gone.
    pub max_connections: usize,
    /// SockJS sessions at once that poll or stream, which count nowhere else; 16,384. One more is answered with 503. A client makes one by a single request, and it lives for a
    /// [few seconds](SockJsOptions::disconnect_delay) without another.
    pub max_sockjs_sessions: usize,
    /// Sessions at once on all paths, attached or not; 65,536.
    pub max_sessions: usize,
    /// Connections at once that have not finished their handshake, or that bring SockJS requests and wait for none; 1,024. One more is answered with 503.
    pub max_handshakes: usize,
    /// How long a handshake may take, and the next request on a connection that has brought one of SockJS; 10 s.
    pub handshake_timeout: Duration,
    /// How long a transport without a session may say nothing before it is closed with 1008; 60 s. A session has its own times.
    pub silence_timeout: Duration,
    /// Bytes of a request's head; 16 KiB. A larger one is answered with 431.
    pub max_head_bytes: usize,
    /// Bytes of messages that wait to be sent or acknowledged, in all sessions together; 512 MiB. Above it, the sessions that keep the most are closed, those without
    /// a transport first. It should be well above what one session may keep, [`Limits::outbox_bytes`].
    pub max_replay_bytes: usize,
    /// Unknown sessions that all transports of one address may name at once; 1,024. One more closes its transport with 1008. Peers without an address are not counted.
    pub failed_connects: u32,
    /// How many more in each second; 16.
    pub failed_connects_per_second: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 65_536,
            max_sockjs_sessions: 16_384,
            max_sessions: 65_536,
            max_handshakes: 1024,
            handshake_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(60),
            max_head_bytes: 16 * 1024,
            max_replay_bytes: 512 * 1024 * 1024,
            failed_connects: 1024,
            failed_connects_per_second: 16,
        }
    }
}

impl ServerLimits {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of a bound that would keep everybody out.
    pub(super) fn zero(&self) -> Option<&'static str> {
        let Self {
            max_connections,
            max_sockjs_sessions,
            max_sessions,
            max_handshakes,
            handshake_timeout,
            silence_timeout,
            max_head_bytes,
            max_replay_bytes,
            failed_connects,
            failed_connects_per_second,
        } = self;
        let all = [
            (*max_connections == 0, "max_connections"),
            (*max_sockjs_sessions == 0, "max_sockjs_sessions"),
            (*max_sessions == 0, "max_sessions"),
            (*max_handshakes == 0, "max_handshakes"),
            (handshake_timeout.is_zero(), "handshake_timeout"),
            (silence_timeout.is_zero(), "silence_timeout"),
            (*max_head_bytes == 0, "max_head_bytes"),
            (*max_replay_bytes == 0, "max_replay_bytes"),
            (*failed_connects == 0, "failed_connects"),
            (*failed_connects_per_second == 0, "failed_connects_per_second"),
        ];
        all.into_iter().find_map(|(zero, name)| zero.then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_message_is_its_own_setting_whatever_the_other_bounds_are() {
        let other = Limits { message_bytes: 7, in_flight: 3, ..Limits::default() };
        for options in
            [PathOptions::new().max_message_size(500).limits(other.clone()), PathOptions::new().limits(other).max_message_size(500)]
        {
            assert_eq!((options.config.limits.message_bytes, options.config.limits.in_flight), (500, 3));
        }
    }
}
