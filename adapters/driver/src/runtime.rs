use futures_io::{AsyncRead, AsyncWrite};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// A connection's bytes, both ways: a TCP stream, a TLS stream over one, or a test's pipe.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// A [`Stream`] of whatever kind.
pub type BoxStream = Box<dyn Stream>;

/// What Bowline needs of an async runtime: tasks, timers and sockets.
///
/// `bowline-tokio` and `bowline-smol` implement it; another runtime takes a hundred lines. An implementation decides
/// nothing about the protocol.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A listening socket.
    type Listener: Send + Sync + 'static;
    /// A timer that can be set again.
    type Timer: Timer;

    /// Runs `future` as a task of its own, which nobody waits for.
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static);

    /// A timer for `at`.
    fn timer(&self, at: Instant) -> Self::Timer;

    /// Listens on `address`, `host:port`; port 0 takes a free one. Says which address that really is.
    fn bind(&self, address: &str) -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;

    /// Takes over a Unix socket that listens and does not block. A runtime without them leaves this out.
    ///
    /// # Errors
    ///
    /// What the operating system says; `Unsupported` if it is left out.
    #[cfg(unix)]
    fn adopt_unix(&self, listener: std::os::unix::net::UnixListener) -> io::Result<Self::Listener> {
        drop(listener);
        Err(io::Error::new(io::ErrorKind::Unsupported, "this runtime takes no Unix sockets"))
    }

    /// Waits for the next connection, and says where it comes from, if that has an address. It must lose none when it is dropped before it is ready.
    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = io::Result<(BoxStream, Option<SocketAddr>)>> + Send;

    /// The addresses of `host`, a name or an address (an IPv6 address without brackets), each with `port`, the preferred one first.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to `address`. Several attempts may be under way at once; one that is dropped is given up.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<BoxStream>> + Send;
}

/// A timer of a [`Runtime`].
pub trait Timer: Unpin + Send + 'static {
    /// Sets it anew, whether it has fired or not.
    fn set(&mut self, at: Instant);

    /// Ready once its time has come, and until it is set again. Pending means that it will wake `cx` when that is: it is not polled again before.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// What `future` gives before `timer` fires, or `None`.
pub(crate) async fn timeout<T>(mut timer: impl Timer, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        timer.poll(cx).map(|()| None)
    })
    .await
}

/// Lets others have their turn.
pub(crate) async fn give_way() {
    let mut given = false;
    poll_fn(|cx| {
        if given {
            return Poll::Ready(());
        }
        given = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits for `timer`.
pub(crate) async fn sleep(mut timer: impl Timer) {
    poll_fn(|cx| timer.poll(cx)).await;
}
