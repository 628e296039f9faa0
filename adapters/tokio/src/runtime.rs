use bowline::{BoxStream, Runtime, Timer, tune_tcp};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep_until};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// Tokio's sockets, timers and tasks. It has to be used inside a tokio runtime with I/O and time enabled.
///
/// It remembers the runtime in which it was made: a server can be stopped from anywhere, from a thread without a runtime too.
#[derive(Clone, Debug)]
pub struct TokioRuntime(Option<Handle>);

#[expect(clippy::new_without_default, reason = "what is made depends on where it is made")]
impl TokioRuntime {
    /// The runtime in which it is used.
    #[must_use]
    pub fn new() -> Self {
        Self(Handle::try_current().ok())
    }
}

impl Runtime for TokioRuntime {
    type Listener = TokioListener;
    type Timer = TokioTimer;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        // Without any, as in the drop of a task that its runtime no longer has, there is nothing to run it on.
        if let Some(runtime) = Handle::try_current().ok().or_else(|| self.0.clone()) {
            runtime.spawn(future);
        }
    }

    fn timer(&self, at: Instant) -> TokioTimer {
        TokioTimer(Box::pin(sleep_until(at.into())))
    }

    async fn bind(&self, address: &str) -> io::Result<(TokioListener, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((TokioListener::Tcp(listener), address))
    }

    #[cfg(unix)]
    fn adopt_unix(&self, listener: std::os::unix::net::UnixListener) -> io::Result<TokioListener> {
        UnixListener::from_std(listener).map(TokioListener::Unix)
    }

    async fn accept(&self, listener: &TokioListener) -> io::Result<(BoxStream, Option<SocketAddr>)> {
        match listener {
            TokioListener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| (wrap(stream), Some(peer))),
            #[cfg(unix)]
            TokioListener::Unix(listener) => listener.accept().await.map(|(stream, _)| (Box::new(stream.compat()) as BoxStream, None)),
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        tokio::net::lookup_host((host, port)).await.map(Iterator::collect)
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<BoxStream> {
        TcpStream::connect(address).await.map(wrap)
    }
}

/// The listening socket of [`TokioRuntime`].
#[derive(Debug)]
pub enum TokioListener {
    /// On an IP address.
    Tcp(TcpListener),
    /// On a path.
    #[cfg(unix)]
    Unix(UnixListener),
}

fn wrap(stream: TcpStream) -> BoxStream {
    tune_tcp(&stream);
    Box::new(stream.compat())
}

/// The timer of [`TokioRuntime`].
#[derive(Debug)]
pub struct TokioTimer(Pin<Box<Sleep>>);

impl Timer for TokioTimer {
    fn set(&mut self, at: Instant) {
        self.0.as_mut().reset(at.into());
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Not within what the task may do at once: a timer that is put off because that is used up wakes the task, but is not set.
        pin!(unconstrained(self.0.as_mut())).poll(cx)
    }
}
