use bowline::{BoxStream, ReadinessStream, Runtime, Stream, Timer, tune_tcp};
#[cfg(unix)]
use smol::net::unix::UnixListener;
use smol::net::{TcpListener, TcpStream};
use smol::{Async, Executor};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// Smol's sockets, timers and tasks. It can be used anywhere: smol's reactor has a thread of its own.
#[derive(Clone, Debug, Default)]
pub struct SmolRuntime {
    executor: Option<Arc<Executor<'static>>>,
}

impl SmolRuntime {
    /// Tasks run on smol's global executor, as those of [`smol::spawn`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tasks run on `executor`, as long as somebody runs that.
    ///
    /// ```
    /// use bowline_smol::{ErrorObject, Router, Server, SmolRuntime};
    /// use std::sync::Arc;
    ///
    /// let executor = Arc::new(smol::Executor::new());
    /// let runtime = SmolRuntime::on(Arc::clone(&executor));
    /// smol::block_on(executor.run(async {
    ///     let router = Router::new().method("ready", async |(): ()| Ok::<_, ErrorObject>(true));
    ///     let server = Server::new(runtime).path("/", router).bind("127.0.0.1:0").await?;
    ///     server.handle().shutdown(std::time::Duration::ZERO).await;
    ///     Ok::<_, std::io::Error>(())
    /// })).unwrap();
    /// ```
    #[must_use]
    pub fn on(executor: Arc<Executor<'static>>) -> Self {
        Self { executor: Some(executor) }
    }
}

impl Runtime for SmolRuntime {
    type Listener = SmolListener;
    type Timer = SmolTimer;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        match &self.executor {
            None => smol::spawn(future),
            Some(executor) => executor.spawn(future),
        }
        .detach();
    }

    fn timer(&self, at: Instant) -> SmolTimer {
        SmolTimer { timer: smol::Timer::at(at), fired: false }
    }

    async fn bind(&self, address: &str) -> io::Result<(SmolListener, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        listener.local_addr().map(|address| (SmolListener::Tcp(listener), address))
    }

    #[cfg(unix)]
    fn adopt_unix(&self, listener: std::os::unix::net::UnixListener) -> io::Result<SmolListener> {
        Async::new(listener).map(|listener| SmolListener::Unix(listener.into()))
    }

    async fn accept(&self, listener: &SmolListener) -> io::Result<(BoxStream, Option<SocketAddr>)> {
        match listener {
            SmolListener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| (wrap(stream), Some(peer))),
            #[cfg(unix)]
            SmolListener::Unix(listener) => listener.accept().await.map(|(stream, _)| (wait_first(stream), None)),
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        smol::net::resolve((host, port)).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<BoxStream> {
        TcpStream::connect(address).await.map(wrap)
    }
}

/// The listening socket of [`SmolRuntime`].
#[derive(Debug)]
pub enum SmolListener {
    /// On an IP address.
    Tcp(TcpListener),
    /// On a path.
    #[cfg(unix)]
    Unix(UnixListener),
}

fn wrap(stream: TcpStream) -> BoxStream {
    tune_tcp(&stream);
    wait_first(stream)
}

fn wait_first<I: Send + Sync + 'static>(stream: impl Stream + Clone + Into<Arc<Async<I>>>) -> BoxStream {
    let socket = stream.clone().into();
    Box::new(ReadinessStream::new(stream, move |cx| socket.poll_readable(cx)))
}

/// The timer of [`SmolRuntime`].
#[derive(Debug)]
pub struct SmolTimer {
    timer: smol::Timer,
    /// Smol's own waits for its next time once it has fired.
    fired: bool,
}

impl Timer for SmolTimer {
    fn set(&mut self, at: Instant) {
        self.fired = false;
        self.timer.set_at(at);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.fired {
            ready!(Pin::new(&mut self.timer).poll(cx));
            self.fired = true;
        }
        Poll::Ready(())
    }
}
