use super::head::RequestHead;
use super::options::{ServerLimits, SockJsOptions};
use super::paths::Pattern;
use super::signal::Signal;
use crate::clock;
use crate::limits::Gate;
use crate::metrics::ServerMetrics;
use crate::registry::{Home, Registry, ShutdownReport};
use crate::runtime::{Runtime, timeout};
use crate::session::Attributes;
use crate::transport::sockjs::Table;
use http::{HeaderName, StatusCode};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

/// After the grace of a shutdown, what is left is closed; this long that may take. A peer that answers no Close frame takes two seconds.
const CLOSING: Duration = Duration::from_secs(3);
/// After that it is ended; this long it may take to see that.
const AFTER_KILL: Duration = Duration::from_secs(1);

pub(super) type Interceptor = dyn Fn(&RequestHead, &mut Attributes) -> Result<(), StatusCode> + Send + Sync;

/// A server at work.
pub(super) struct Serving<R> {
    pub(super) runtime: R,
    pub(super) paths: Vec<(Pattern, Arc<ServedPath>)>,
    pub(super) interceptors: Vec<Box<Interceptor>>,
    pub(super) limits: ServerLimits,
    pub(super) registry: Arc<Registry>,
    pub(super) connections: Arc<Gate>,
    pub(super) handshakes: Arc<Gate>,
    pub(super) sockjs: Table,
    pub(super) metrics: ServerMetrics,
    /// No more connections are wanted.
    pub(super) stopping: Signal,
    /// Everything has ended.
    pub(super) stopped: Signal,
}

/// One path of it.
pub(super) struct ServedPath {
    pub(super) name: Arc<str>,
    pub(super) origins: Vec<Box<str>>,
    pub(super) kept_headers: Vec<HeaderName>,
    pub(super) sockjs: Option<SockJsOptions>,
    pub(super) home: Arc<Home>,
}

/// What a handle can do, whatever the runtime.
pub(super) trait Control: Send + Sync {
    fn session_count(&self) -> usize;
    fn shutdown(self: Arc<Self>, grace: Duration) -> Pin<Box<dyn Future<Output = ShutdownReport> + Send>>;
}

impl<R: Runtime> Control for Serving<R> {
    fn session_count(&self) -> usize {
        self.registry.session_count()
    }

    fn shutdown(self: Arc<Self>, grace: Duration) -> Pin<Box<dyn Future<Output = ShutdownReport> + Send>> {
        Box::pin(async move {
            self.stopping.give();
            self.registry.stop();
            // A task of its own, so that it goes on when nobody waits for it any more.
            let serving = Arc::clone(&self);
            self.runtime.spawn(async move { serving.finish(grace).await });
            self.stopped.wait().await;
            self.registry.report(self.connections.inside())
        })
    }
}

impl<R: Runtime> Serving<R> {
    /// Gives the sessions time to finish what is in flight, then closes them, then ends them.
    async fn finish(&self, grace: Duration) {
        if self.all_ended(grace).await.is_none() {
            self.registry.close_all();
            if self.all_ended(CLOSING).await.is_none() {
                self.registry.kill();
                // A handler that blocks its thread cannot be ended; nobody waits for it.
                let _ = self.all_ended(AFTER_KILL).await;
            }
        }
        self.stopped.give();
    }

    async fn all_ended(&self, within: Duration) -> Option<()> {
        let timer = self.runtime.timer(clock::std_after(within));
        let ended = poll_fn(|cx| {
            ready!(self.registry.poll_empty(cx));
            ready!(self.sockjs.poll_told(cx));
            self.connections.poll_empty(cx)
        });
        timeout(timer, ended).await
    }
}
