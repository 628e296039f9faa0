//! The smallest runtime there is: a thread for each task, blocking sockets, one clock.

use bowline::{BoxStream, Runtime, Timer, tune_tcp};
use futures_executor::block_on;
use futures_util::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use piper::{Reader, Writer, pipe};
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// A runtime of nothing but the standard library's threads and sockets.
///
/// It shows what a [`Runtime`] has to be, and that neither tokio nor smol is needed. A session costs half a dozen threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadRuntime;

/// How much waits between a socket and its task, each way.
const PIPE: usize = 64 * 1024;

impl Runtime for ThreadRuntime {
    type Listener = ThreadListener;
    type Timer = ThreadTimer;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        thread::spawn(move || block_on(future));
    }

    fn timer(&self, at: Instant) -> ThreadTimer {
        static LAST: AtomicU64 = AtomicU64::new(0);
        ThreadTimer { at, number: LAST.fetch_add(1, Ordering::Relaxed) }
    }

    async fn bind(&self, address: &str) -> io::Result<(ThreadListener, SocketAddr)> {
        let address = address.to_owned();
        let listener = beside(move || TcpListener::bind(address)).await?;
        let local = listener.local_addr()?;
        let (send, accepted) = async_channel::bounded(1);
        thread::spawn(move || while send.send_blocking(listener.accept()).is_ok() {});
        Ok((ThreadListener { local, accepted }, local))
    }

    async fn accept(&self, listener: &ThreadListener) -> io::Result<(BoxStream, Option<SocketAddr>)> {
        let (stream, peer) = listener.accepted.recv().await.map_err(io::Error::other)??;
        Ok((wrap(stream)?, Some(peer)))
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let host = host.to_owned();
        beside(move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect)).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<BoxStream> {
        wrap(beside(move || TcpStream::connect(address)).await?)
    }
}

/// Does what blocks in a thread of its own.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (send, done) = async_channel::bounded(1);
    thread::spawn(move || send.send_blocking(work()));
    done.recv().await.map_err(io::Error::other)?
}

/// The listening socket of [`ThreadRuntime`]: a thread accepts, so that nothing is lost when nobody waits.
#[derive(Debug)]
pub struct ThreadListener {
    local: SocketAddr,
    accepted: async_channel::Receiver<io::Result<(TcpStream, SocketAddr)>>,
}

impl Drop for ThreadListener {
    fn drop(&mut self) {
        self.accepted.close();
        // Lets the thread see that.
        let _ = TcpStream::connect(self.local);
    }
}

/// Two pipes to the threads that read and write the socket.
struct ThreadStream {
    incoming: Reader,
    outgoing: Writer,
    socket: Arc<TcpStream>,
    ended: Arc<Mutex<Ended>>,
}

#[derive(Default)]
struct Ended {
    /// All that was written has gone.
    written: bool,
    /// Nobody will read any more.
    dropped: bool,
}

fn wrap(socket: TcpStream) -> io::Result<BoxStream> {
    tune_tcp(&socket);
    let socket = Arc::new(socket);
    let ((incoming, mut to_task), (mut from_task, outgoing)) = (pipe(PIPE), pipe(PIPE));
    let stream = ThreadStream { incoming, outgoing, socket: Arc::clone(&socket), ended: Arc::default() };
    let (from_socket, ended) = (Arc::clone(&socket), Arc::clone(&stream.ended));
    thread::Builder::new().spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = (&*from_socket).read(&mut buffer) {
            if block_on(to_task.write_all(&buffer[..read])).is_err() {
                return;
            }
        }
    })?;
    thread::Builder::new().spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = block_on(from_task.read(&mut buffer)) {
            if (&*socket).write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let mut ended = lock(&ended);
        ended.written = true;
        let _ = socket.shutdown(if ended.dropped { Shutdown::Both } else { Shutdown::Write });
    })?;
    Ok(Box::new(stream))
}

impl Drop for ThreadStream {
    fn drop(&mut self) {
        let mut ended = lock(&self.ended);
        ended.dropped = true;
        if ended.written {
            let _ = self.socket.shutdown(Shutdown::Both);
        }
    }
}

impl AsyncRead for ThreadStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.incoming).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ThreadStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.outgoing).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_close(cx)
    }
}

/// The timer of [`ThreadRuntime`].
#[derive(Debug)]
pub struct ThreadTimer {
    at: Instant,
    number: u64,
}

impl Timer for ThreadTimer {
    fn set(&mut self, at: Instant) {
        lock(&CLOCK.waiting).remove(&(self.at, self.number));
        self.at = at;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        lock(&CLOCK.waiting).insert((self.at, self.number), cx.waker().clone());
        CLOCK.changed.notify_one();
        Poll::Pending
    }
}

impl Drop for ThreadTimer {
    fn drop(&mut self) {
        lock(&CLOCK.waiting).remove(&(self.at, self.number));
    }
}

/// Whom to wake when.
#[derive(Default)]
struct Clock {
    waiting: Mutex<BTreeMap<(Instant, u64), Waker>>,
    changed: Condvar,
}

static CLOCK: LazyLock<Arc<Clock>> = LazyLock::new(|| {
    let clock = Arc::<Clock>::default();
    let running = Arc::clone(&clock);
    thread::spawn(move || running.run());
    clock
});

impl Clock {
    fn run(&self) {
        let mut waiting = lock(&self.waiting);
        loop {
            let now = Instant::now();
            while let Some(due) = waiting.first_entry().filter(|first| first.key().0 <= now) {
                due.remove().wake();
            }
            let next = waiting.first_key_value().map_or(Duration::from_secs(3600), |(first, _)| first.0 - now);
            waiting = self.changed.wait_timeout(waiting, next).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
