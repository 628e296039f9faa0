use super::addresses::connect;
use super::handle::{Client, Guard};
use super::handshake::{is_own, shake_hands};
use super::headers::Headers;
use super::target::Target;
use crate::connection::{ConnectError, ConnectionEvent, Dial, EventHook, Hub};
use crate::handler::{Dispatch, IntoDispatch, Router, Service};
use crate::limits::{Gate, zero_limit};
use crate::registry::Errors;
use crate::runtime::Runtime;
use crate::session::{Attributes, Place, Session, Shared};
use crate::task::{ClientParts, SessionTask};
use crate::tls::{ClientTls, Connector, blame};
use crate::transport::{Side, TransportInfo, TransportKind, WebSocket};
use bowline_core::{ClientConfig, Dialect, FirstConnect, InFlight, Limits, Reconnect, SessionId};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

/// A client before it connects. Kurento: `JsonRpcClientNettyWebSocket`.
///
/// Its defaults are those of PROTOCOL 7: connect timeout 5 s, request timeout 60 s, idle timeout 300 s, no heartbeat, retries for ever with
/// back-off, but an error if the very first connection fails.
#[must_use]
pub struct ClientBuilder<R> {
    runtime: R,
    url: String,
    label: Option<Box<str>>,
    headers: Headers,
    dispatch: Arc<dyn Dispatch>,
    hook: Option<EventHook>,
    tls: ClientTls,
    config: ClientConfig,
}

impl<R: Runtime> ClientBuilder<R> {
    /// One for `url`: `ws://host[:port][/path]`, or `wss://` with TLS.
    pub fn new(runtime: R, url: &str) -> Self {
        Self {
            runtime,
            url: url.to_owned(),
            label: None,
            headers: Headers::default(),
            dispatch: Router::new().into_dispatch(),
            hook: None,
            tls: ClientTls::default(),
            config: ClientConfig::default(),
        }
    }

    /// What the log calls it; its address unless set. Kurento: `setLabel`.
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The dialect of the server's path (PROTOCOL 2).
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.config.dialect = dialect;
        self
    }

    /// A session to come back to, saved from an earlier run. What was in the air then is not known any more.
    pub fn session(mut self, id: SessionId) -> Self {
        self.config.session = Some(id);
        self
    }

    /// Offers no resumption (PROTOCOL 6).
    pub fn without_resumption(mut self) -> Self {
        self.config.resume = false;
        self
    }

    /// What becomes of calls that were sent when the connection broke, if the server does not know resumption.
    pub fn in_flight(mut self, in_flight: InFlight) -> Self {
        self.config.in_flight = in_flight;
        self
    }

    /// From the dial to the answer of `connect`; 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// From a call to its answer; 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.config.request_timeout = timeout;
        self
    }

    /// Without a frame in either direction for this long the client reconnects; 300 s. `None`: never.
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// Pings the server at this interval (PROTOCOL 4), and connects again when a ping stays unanswered for as long: a connection that is gone without a word is noticed after two intervals at most.
    /// Kurento: `enableHeartbeat`.
    ///
    /// Without it nobody asks. Then such a connection is noticed when the system does so, after some two to four minutes by TCP's keepalive, and up to a quarter of an hour while something is on its way;
    /// or after the [`idle_timeout`](Self::idle_timeout), which what the client sends itself puts off. A server that notices it earlier waits for the client for its
    /// [reconnection timeout](crate::PathOptions::reconnection_timeout), 10 s, and no longer. So take an interval of less than half of that, 3 s say, to be back in time.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.config.heartbeat = Some(interval);
        self
    }

    /// How long to go on after a lost connection; for ever. Kurento: `setTryReconnectingForever`, `setTryReconnectingMaxTime`.
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.config.reconnect = reconnect;
        self
    }

    /// The waits between attempts to connect: each is drawn from zero to `first`, which doubles from one to the next, up to `longest`; 100 ms
    /// and 30 s. While the server may still have the session a wait is no longer than a fifth of its
    /// [reconnection timeout](crate::PathOptions::reconnection_timeout), whatever `longest` says (PROTOCOL 7).
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.config.backoff_base = first;
        self.config.backoff_max = longest;
        self
    }

    /// What to do when the very first connection fails: by default, give up.
    pub fn first_connect(mut self, first: FirstConnect) -> Self {
        self.config.first_connect = first;
        self
    }

    /// Whether [`Client::close`] tells the server (`closeSession`), so that the session ends there at once; off. Kurento: `setSendCloseMessage`.
    ///
    /// Without it the server keeps the session for its reconnection timeout: for a client that [comes back](Self::session), and to finish what it was asked, but others see somebody who has gone. With it the server drops
    /// what it has not finished yet, a notification that was sent right before among it: make calls, and wait for their answers, where that matters.
    pub fn close_message(mut self, send: bool) -> Self {
        self.config.close_message = send;
        self
    }

    /// Requests of the server that may run at once; 1.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.config.concurrency = requests;
        self
    }

    /// Sends the header `name` with the handshake. `Host` takes the place of the address's; those that only the handshake itself may say are left out
    /// ([`takes_header`](Self::takes_header)).
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.add(name, value);
        self
    }

    /// Asks `f` for headers before each attempt to connect, the first one and those after a lost connection: for credentials that grow old. They are sent beside those of
    /// [`header`](Self::header), by the same rules, and in the place of those that have the same name. A second function replaces the first.
    ///
    /// The time that `f` takes counts for [`connect_timeout`](Self::connect_timeout); when that is over its future is dropped. Its error, or its panic, is an attempt that has failed with
    /// [`ConnectError::Headers`], and is followed by another one like any other. Whether the server has refused the last ones, [`on_event`](Self::on_event) tells
    /// ([`ConnectError::status`]).
    ///
    /// ```
    /// use bowline::{ClientBuilder, HeaderMap, Runtime};
    /// use std::error::Error;
    /// use std::sync::Arc;
    ///
    /// struct Tokens;
    ///
    /// impl Tokens {
    ///     /// One that is valid for a while yet.
    ///     async fn current(&self) -> std::io::Result<String> {
    ///         Ok("secret".into())
    ///     }
    /// }
    ///
    /// fn with_tokens<R: Runtime>(builder: ClientBuilder<R>, tokens: Arc<Tokens>) -> ClientBuilder<R> {
    ///     builder.headers_with(move || {
    ///         let tokens = Arc::clone(&tokens);
    ///         async move {
    ///             let mut headers = HeaderMap::new();
    ///             headers.insert("authorization", format!("Bearer {}", tokens.current().await?).parse()?);
    ///             Ok::<_, Box<dyn Error + Send + Sync>>(headers)
    ///         }
    ///     })
    /// }
    /// ```
    pub fn headers_with<E, Fut>(mut self, f: impl Fn() -> Fut + Send + Sync + 'static) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
        Fut: Future<Output = Result<HeaderMap, E>> + Send + 'static,
    {
        self.headers.ask(f);
        self
    }

    /// Whether [`header`](Self::header) takes a header of this name: not `Upgrade`, `Connection`, `Content-Length`, `Transfer-Encoding` and what begins with
    /// `Sec-WebSocket-` (RFC 6455 section 4.1).
    pub fn takes_header(name: &HeaderName) -> bool {
        !is_own(name)
    }

    /// How TLS is done, for a `wss://` address. Without it the server needs a certificate that the system trusts.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = tls;
        self
    }

    /// What serves the server's requests and notifications; without it they are answered with -32601. Kurento: `setServerRequestHandler`.
    pub fn service(mut self, service: impl Service) -> Self {
        self.dispatch = service.into_dispatch();
        self
    }

    /// Called with every event, those before the first connection too, by the client's task: it must not block.
    pub fn on_event(mut self, hook: impl Fn(&ConnectionEvent) + Send + Sync + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Bytes of one message of the server's; 1 MiB. A larger one costs the connection. It is also what the server is told, whatever
    /// [`Limits::message_bytes`] says.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config.limits.message_bytes = bytes;
        self
    }

    /// The bounds of the session; but [`Limits::message_bytes`] is what [`max_message_size`](Self::max_message_size) says.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = Limits { message_bytes: self.config.limits.message_bytes, ..limits };
        self
    }

    /// Connects, and returns when the session is there. With [`FirstConnect::Retry`] that may take as long as it takes; dropping the future ends it.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let Self { runtime, url, label, headers, dispatch, hook, tls, config } = self;
        if let Some(name) = zero_limit(&config.limits) {
            return Err(ConnectError::InvalidLimit(name));
        }
        let max_message = config.limits.message_bytes;
        let target = Target::parse(&url)?;
        let connector = target.secure.then(|| tls.connector(&target.host)).transpose()?;
        let path = Arc::from(target.path.split('?').next().unwrap_or("/"));
        // What follows a `?` may be a secret, and the label is for logs.
        let label = label.unwrap_or_else(|| url.split('?').next().unwrap_or_default().into());
        let place = Place { label, dialect: config.dialect, request_timeout: config.request_timeout };
        let shared = Arc::new(Shared::new(Arc::new(place), path, Attributes::default()));
        shared.set_id(config.session.as_ref());
        let hub = Arc::new(Hub::new(hook));
        let transports = Gate::new(usize::MAX);
        let dial = dialler(runtime.clone(), Arc::new(Destination { target, connector, headers, max_message }), Arc::clone(&transports));
        let parts = ClientParts { config: Arc::new(config), dial, hub: Arc::clone(&hub), dispatch, errors: Errors::Hidden };
        let session = Session::new(shared);
        // From here on a future that is dropped closes the session.
        let client = Client::new(Guard { session: session.clone(), hub: Arc::clone(&hub), transports });
        runtime.clone().spawn(SessionTask::client(runtime, session, parts));
        poll_fn(|cx| hub.poll_first(cx)).await?;
        Ok(client)
    }
}

struct Destination {
    target: Target,
    /// For TLS.
    connector: Option<Connector>,
    headers: Headers,
    max_message: usize,
}

/// What opens the client's transports.
fn dialler<R: Runtime>(runtime: R, to: Arc<Destination>, transports: Arc<Gate>) -> Dial {
    Box::new(move || {
        let (runtime, to, permit) = (runtime.clone(), Arc::clone(&to), transports.enter());
        Box::pin(async move {
            let headers = to.headers.of_attempt().await?;
            let mut stream = connect(&runtime, &to.target.host, to.target.port).await.map_err(ConnectError::unreachable)?;
            if let Some(connector) = &to.connector {
                stream = connector.connect(stream).await?;
            }
            let unread = shake_hands(&mut stream, &to.target, &headers).await.map_err(blame)?;
            let info = TransportInfo::new(TransportKind::WebSocket, None, HeaderMap::new());
            Ok(WebSocket::new(stream, unread, Side::Client, to.max_message, info, permit))
        })
    })
}

impl<R> fmt::Debug for ClientBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("url", &self.url).field("config", &self.config).finish_non_exhaustive()
    }
}
