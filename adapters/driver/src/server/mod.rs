mod accept;
mod address;
mod admit;
mod bound;
mod head;
mod http1;
mod options;
mod origin;
mod paths;
mod serving;
mod signal;
mod sockjs;
mod start;

use crate::guesses::Guesses;
use crate::handler::Service;
use crate::limits::Gate;
use crate::metrics::ServerMetrics;
pub use crate::registry::ShutdownReport;
use crate::registry::{Home, Registry, ResumeGuard};
use crate::runtime::{BoxStream, Runtime};
use crate::session::{Attributes, Place, Session};
use crate::transport::sockjs::Table;
pub use address::Address;
pub use bound::BoundServer;
pub use head::RequestHead;
use http::StatusCode;
pub use options::{PathOptions, ServerLimits, SockJsOptions};
use paths::Pattern;
use serving::{Control, Interceptor, ServedPath, Serving};
use signal::Signal;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a call of a server's handler waits for its answer, unless it says otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A server before it listens: its paths, its interceptors, its limits. Kurento: `JsonRpcConfigurer`.
pub struct Server<R> {
    runtime: R,
    paths: Vec<NewPath>,
    interceptors: Vec<Box<Interceptor>>,
    resume_guard: Option<Arc<ResumeGuard>>,
    limits: ServerLimits,
}

struct NewPath {
    pattern: Box<str>,
    options: PathOptions,
    dispatch: Arc<dyn crate::handler::Dispatch>,
}

impl<R: Runtime> Server<R> {
    /// One that serves nothing yet.
    #[must_use]
    pub fn new(runtime: R) -> Self {
        Self { runtime, paths: Vec::new(), interceptors: Vec::new(), resume_guard: None, limits: ServerLimits::default() }
    }

    /// Serves the path `pattern`, exact or with a trailing `/*` for everything below it, with the default options. Kurento:
    /// `JsonRpcHandlerRegistry.addHandler`.
    #[must_use]
    pub fn path(self, pattern: &str, service: impl Service) -> Self {
        self.path_with(pattern, PathOptions::default(), service)
    }

    /// As [`path`](Self::path), with options.
    #[must_use]
    pub fn path_with(mut self, pattern: &str, options: PathOptions, service: impl Service) -> Self {
        self.paths.push(NewPath { pattern: pattern.into(), options, dispatch: service.into_dispatch() });
        self
    }

    /// Asks `interceptor` about every transport before it is opened: it may refuse it with a status, or add attributes to the session
    /// that comes of it (an existing session to which it leads keeps what it has; who may go on with one, [`resume_guard`](Self::resume_guard) says). Several are asked in the order in which they were added.
    #[must_use]
    pub fn intercept(
        mut self,
        interceptor: impl Fn(&RequestHead, &mut Attributes) -> Result<(), StatusCode> + Send + Sync + 'static,
    ) -> Self {
        self.interceptors.push(Box::new(interceptor));
        self
    }

    /// Asks `guard` whether a session may go on over a new transport whose client names it, by `connect` or in any other request. Without a guard whoever knows a session's id gets it, whatever the
    /// credentials that the new transport came with.
    ///
    /// The first argument is the session that is named. The second is the one that the transport has had so far: nearly always one that is only about to begin, with the attributes that the interceptors
    /// gave it; of a client that goes from one session to another, the one that it leaves. If the answer is no, or a panic, the client gets the answer that it would get for an id
    /// that does not exist, which counts as such a guess ([`ServerLimits::failed_connects`]), and the session stays where it is. The guard is called by the session's task: it must not block. A second one
    /// replaces the first.
    ///
    /// ```
    /// use bowline::{Runtime, Server, StatusCode};
    ///
    /// fn each_to_their_own<R: Runtime>(server: Server<R>) -> Server<R> {
    ///     server
    ///         .intercept(|head, attributes| {
    ///             // Look the token up where you keep yours.
    ///             let user = head.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
    ///             attributes.set("user", user.to_owned());
    ///             Ok(())
    ///         })
    ///         .resume_guard(|session, by| session.attribute::<String>("user") == by.attribute("user"))
    /// }
    /// ```
    #[must_use]
    pub fn resume_guard(mut self, guard: impl Fn(&Session, &Session) -> bool + Send + Sync + 'static) -> Self {
        self.resume_guard = Some(Arc::new(guard));
        self
    }

    /// The bounds of the server as a whole.
    #[must_use]
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Listens on `address`: `host:port`, where port 0 takes a free one, or `unix:/path`. Connections are taken by [`BoundServer::serve`];
    /// [`BoundServer::bind`] adds more addresses.
    ///
    /// The file of a Unix socket is made with the process' umask and removed when the server stops. One that a killed server has left is replaced.
    ///
    /// # Errors
    ///
    /// `InvalidInput` as for [`build`](Self::build), `AddrInUse` if another server listens there, or what the operating system says.
    pub async fn bind(self, address: &str) -> io::Result<BoundServer<R>> {
        BoundServer::new(self.build()?, address, None).await
    }

    /// As [`bind`](Self::bind), with TLS: `wss://`.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind).
    #[cfg(feature = "tls")]
    pub async fn bind_tls(self, address: &str, tls: &crate::tls::ServerTls) -> io::Result<BoundServer<R>> {
        BoundServer::new(self.build()?, address, Some(tls.clone())).await
    }

    /// The server without a listener, for connections that somebody else accepts.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a pattern is none, or stands for two services, or if a bound is zero with which nothing could be served.
    pub fn build(self) -> io::Result<Acceptor<R>> {
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        if let Some(name) = self.limits.zero() {
            return Err(invalid(format!("the server's limit `{name}` is zero: nobody could come in")));
        }
        let guesses = Arc::new(Guesses::new(self.limits.failed_connects, self.limits.failed_connects_per_second));
        let registry = Arc::new(Registry::new(self.limits.max_sessions, self.limits.max_replay_bytes));
        let metrics = ServerMetrics::new();
        let mut paths: Vec<(Pattern, Arc<ServedPath>)> = Vec::new();
        for (scope, new) in (0..).zip(self.paths) {
            let pattern = Pattern::parse(&new.pattern)
                .ok_or_else(|| invalid(format!("`{}` is no path: it has to begin with `/` and may end in `/*`", new.pattern)))?;
            if paths.iter().any(|(other, _)| *other == pattern) {
                return Err(invalid(format!("two services for `{}`", new.pattern)));
            }
            if new.options.sockjs.is_some() && pattern.base().is_none() {
                return Err(invalid(format!(
                    "SockJS has paths of its own below its path, so `{}` would have to be an exact one",
                    new.pattern
                )));
            }
            if let Some(name) = new.options.zero() {
                return Err(invalid(format!("the limit `{name}` of `{}` is zero: no session could do anything", new.pattern)));
            }
            let common = Common {
                registry: &registry,
                guesses: &guesses,
                resume_guard: self.resume_guard.as_ref(),
                silence: self.limits.silence_timeout,
                metrics: &metrics,
            };
            paths.push((pattern, Arc::new(new.serve(scope, &common))));
        }
        let serving = Serving {
            runtime: self.runtime,
            paths,
            interceptors: self.interceptors,
            registry,
            sockjs: Table::new(self.limits.max_sockjs_sessions),
            connections: Gate::shown(self.limits.max_connections, metrics.connections()),
            handshakes: Gate::shown(self.limits.max_handshakes, metrics.handshakes()),
            metrics,
            limits: self.limits,
            stopping: Signal::default(),
            stopped: Signal::default(),
        };
        Ok(Acceptor { serving: Arc::new(serving) })
    }
}

/// What all paths have in common.
struct Common<'a> {
    registry: &'a Arc<Registry>,
    guesses: &'a Arc<Guesses>,
    resume_guard: Option<&'a Arc<ResumeGuard>>,
    silence: Duration,
    metrics: &'a ServerMetrics,
}

impl NewPath {
    fn serve(self, scope: u32, common: &Common<'_>) -> ServedPath {
        let Self { pattern, options, dispatch } = self;
        let place = Place {
            label: options.label.unwrap_or_else(|| pattern.clone()),
            dialect: options.config.dialect,
            request_timeout: REQUEST_TIMEOUT,
        };
        let metrics = common.metrics.path(&place.label, &dispatch.methods());
        let home = Home {
            registry: Arc::clone(common.registry),
            guesses: Arc::clone(common.guesses),
            scope,
            max_sessions: options.max_sessions,
            silence: common.silence,
            config: Arc::new(options.config),
            place: Arc::new(place),
            dispatch,
            errors: options.errors,
            resume_guard: common.resume_guard.cloned(),
            metrics,
        };
        ServedPath {
            name: pattern.into(),
            origins: options.origins,
            kept_headers: options.kept_headers,
            sockjs: options.sockjs,
            home: Arc::new(home),
        }
    }
}

impl<R> fmt::Debug for Server<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.paths.iter().map(|path| &path.pattern).collect();
        f.debug_struct("Server").field("paths", &paths).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A server without a listener: it takes the connections that it is given.
pub struct Acceptor<R> {
    serving: Arc<Serving<R>>,
}

impl<R: Runtime> Acceptor<R> {
    /// Serves a connection from its first byte, which may be one of TLS that has been unwrapped already.
    ///
    /// What is returned is more than the connection: it carries the session that begins here, through all the transports over which its client comes back, until that closes.
    /// So give it a task of its own, and do not end that when the connection ends, or after a time: [`Session::close`](crate::Session::close) does so in good order. A connection that is handed
    /// over to an older session ends it at once.
    pub async fn serve_stream(&self, stream: BoxStream, peer: Option<SocketAddr>) {
        accept::serve(Arc::clone(&self.serving), accept::Connection { stream, peer, tls: None }).await;
    }

    /// Answers a request that a server of somebody else's has read, so that a path can be mounted beside the other routes of an application and
    /// behind its middleware. Paths, origins, interceptors and limits are those of any other connection.
    ///
    /// Give the answer to the client. If it is 101, `upgrade` has to become the connection behind it, from its first byte on, within
    /// [`ServerLimits::handshake_timeout`]; it is served by a task of its own. The path is that of the request as the application passes it on: a router that
    /// takes a prefix away takes it from here too. Interceptors see the request's extensions too, as they are now ([`RequestHead::extensions`]): what has to be waited for, such as a look into
    /// a database for a token, a middleware does before.
    ///
    /// For hyper and axum there is `bowline_tokio::upgrade`, which needs nothing but the request.
    pub fn upgrade<B>(
        &self,
        request: &http::Request<B>,
        peer: Option<SocketAddr>,
        upgrade: impl Future<Output = io::Result<BoxStream>> + Send + 'static,
    ) -> http::Response<String> {
        accept::serve_upgrade(&self.serving, request, peer, upgrade)
    }

    /// What stops it.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { control: Arc::clone(&self.serving) as Arc<dyn Control> }
    }
}

impl<R> Clone for Acceptor<R> {
    fn clone(&self) -> Self {
        Self { serving: Arc::clone(&self.serving) }
    }
}

impl<R> fmt::Debug for Acceptor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

/// Stops a server, from anywhere.
#[derive(Clone)]
pub struct ServerHandle {
    control: Arc<dyn Control>,
}

impl ServerHandle {
    /// How many sessions there are, attached or not.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.control.session_count()
    }

    /// Stops it: takes no more connections, lets the requests in flight finish, closes every session with
    /// [`CloseReason::Shutdown`](crate::CloseReason::Shutdown) and its transport with 1001, and says what that came to.
    ///
    /// A session in which nothing is in flight is closed at once. In the others, what had arrived is served and answered; a request that comes now is
    /// answered with [`ErrorObject::SHUTTING_DOWN`](crate::ErrorObject::SHUTTING_DOWN), a notification is passed over. What is still in flight after `grace` is
    /// given up, and its session is closed; that takes a few seconds more at most, for peers that do not answer. Once it has begun it goes on, whether anybody
    /// waits for it or not. Called again with less time, the shorter time holds: [`Duration::ZERO`] gives up at once.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        Arc::clone(&self.control).shutdown(grace).await
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").field("sessions", &self.session_count()).finish_non_exhaustive()
    }
}
