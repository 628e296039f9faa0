use bowline::{BoxStream, Runtime, Timer};
use socket2::{SockRef, TcpKeepalive};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep_until};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// Tokio's sockets, timers and tasks. It has to be used inside a tokio runtime with I/O and time enabled.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioRuntime(());

impl TokioRuntime {
    /// The runtime in which it is used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Runtime for TokioRuntime {
    type Listener = TcpListener;
    type Timer = TokioTimer;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        // Outside of a runtime, as in the drop of a task that its runtime no longer has, there is nothing to run it on.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(future);
        }
    }

    fn timer(&self, at: Instant) -> TokioTimer {
        TokioTimer(Box::pin(sleep_until(at.into())))
    }

    async fn bind(&self, address: &str) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(BoxStream, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        Ok((wrap(stream), peer))
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<BoxStream> {
        TcpStream::connect((host, port)).await.map(wrap)
    }
}

/// After this long without a byte the kernel asks whether the peer is still there, and then this often; three to ten times, as the system has it.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));

fn wrap(stream: TcpStream) -> BoxStream {
    // Answers are small and awaited. A socket that refuses is slower, not wrong.
    let _ = stream.set_nodelay(true);
    // A peer that is gone without a word would keep an idle connection for ever. A socket that refuses this is no worse than before.
    let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1));
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
        self.0.as_mut().poll(cx)
    }
}
