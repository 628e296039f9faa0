//! A runtime around another, for what a test wants to be different in it, or to know of it.

use super::{Certificate, Watched, Wire};
use bowline::{BoxStream, Runtime};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Asked before a connection is accepted.
type BeforeAccept = dyn Fn() -> io::Result<()> + Send + Sync;

/// Any runtime, and its [`Wire`]. It knows how many of its tasks have not ended.
#[derive(Clone)]
pub struct Over<R> {
    runtime: R,
    tls: bool,
    used: Arc<AtomicBool>,
    tasks: Arc<Watched<usize>>,
    before_accept: Option<Arc<BeforeAccept>>,
}

impl<R: Runtime> Over<R> {
    /// `ws://` over `runtime`.
    pub fn plain(runtime: R) -> Self {
        Self { runtime, tls: false, used: Arc::default(), tasks: Arc::default(), before_accept: None }
    }

    /// `wss://` over `runtime`.
    pub fn tls(runtime: R) -> Self {
        Self { tls: true, ..Self::plain(runtime) }
    }

    /// What `runtime` has.
    pub fn same(runtime: R) -> Self
    where
        R: Wire,
    {
        Self { tls: runtime.certificate().is_some(), ..Self::plain(runtime) }
    }

    /// Asks `hook` before each connection is accepted. Its error is what comes instead of one.
    #[must_use]
    pub fn before_accept(self, hook: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { before_accept: Some(Arc::new(hook)), ..self }
    }

    /// Whether anything has asked for the certificate: a scenario that has not runs over `ws://`.
    #[must_use]
    pub fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// How many of the tasks that were spawned by this and its clones have not ended.
    #[must_use]
    pub fn tasks(&self) -> &Watched<usize> {
        &self.tasks
    }
}

impl<R: Runtime> Wire for Over<R> {
    fn certificate(&self) -> Option<&'static Certificate> {
        self.used.store(true, Ordering::Relaxed);
        self.tls.then(Certificate::the_one)
    }
}

impl<R: Runtime> Runtime for Over<R> {
    type Listener = R::Listener;
    type Timer = R::Timer;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let alive = Alive::new(&self.tasks);
        self.runtime.spawn(async move {
            let _alive = alive;
            future.await;
        });
    }

    fn timer(&self, at: Instant) -> R::Timer {
        self.runtime.timer(at)
    }

    async fn bind(&self, address: &str) -> io::Result<(R::Listener, SocketAddr)> {
        self.runtime.bind(address).await
    }

    #[cfg(unix)]
    fn adopt_unix(&self, listener: std::os::unix::net::UnixListener) -> io::Result<R::Listener> {
        self.runtime.adopt_unix(listener)
    }

    async fn accept(&self, listener: &R::Listener) -> io::Result<(BoxStream, Option<SocketAddr>)> {
        if let Some(hook) = &self.before_accept {
            hook()?;
        }
        self.runtime.accept(listener).await
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.runtime.resolve(host, port).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<BoxStream> {
        self.runtime.connect(address).await
    }
}

impl<R: fmt::Debug> fmt::Debug for Over<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Over").field("runtime", &self.runtime).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// A task, until it has ended or was dropped.
struct Alive(Arc<Watched<usize>>);

impl Alive {
    fn new(tasks: &Arc<Watched<usize>>) -> Self {
        tasks.update(|alive| *alive += 1);
        Self(Arc::clone(tasks))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.update(|alive| *alive -= 1);
    }
}
