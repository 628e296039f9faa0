use super::accept::{self, Connection};
use super::address::{Address, SocketFile, unix_path};
use super::serving::Serving;
use super::{Acceptor, ServerHandle};
use crate::runtime::{BoxStream, Runtime, give_way, sleep};
use crate::tls::ServerTls;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// The first and the longest pause after an error of `accept`.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// Connections that are taken before others get their turn: those that were taken, too.
const ACCEPTS: u32 = 64;

/// A server that listens, at one address or several.
pub struct BoundServer<R: Runtime> {
    acceptor: Acceptor<R>,
    first: Door<R>,
    more: Vec<Door<R>>,
}

/// Where connections come in.
struct Door<R: Runtime> {
    listener: R::Listener,
    address: Address,
    tls: Option<ServerTls>,
    _file: Option<SocketFile>,
}

impl<R: Runtime> BoundServer<R> {
    pub(super) async fn new(acceptor: Acceptor<R>, address: &str, tls: Option<ServerTls>) -> io::Result<Self> {
        let first = Door::open(&acceptor.serving.runtime, address, tls).await?;
        Ok(Self { acceptor, first, more: Vec::new() })
    }

    /// Listens on `address` too, for the same paths and the same sessions: one that was opened here goes on over a connection from there.
    ///
    /// # Errors
    ///
    /// As for [`Server::bind`](super::Server::bind).
    pub async fn bind(mut self, address: &str) -> io::Result<Self> {
        self.more.push(Door::open(&self.acceptor.serving.runtime, address, None).await?);
        Ok(self)
    }

    /// As [`bind`](Self::bind), with TLS: `wss://`.
    ///
    /// # Errors
    ///
    /// As for [`Server::bind`](super::Server::bind).
    #[cfg(feature = "tls")]
    pub async fn bind_tls(mut self, address: &str, tls: &ServerTls) -> io::Result<Self> {
        self.more.push(Door::open(&self.acceptor.serving.runtime, address, Some(tls.clone())).await?);
        Ok(self)
    }

    /// The first address on which it listens.
    #[must_use]
    pub fn local_addr(&self) -> &Address {
        &self.first.address
    }

    /// All addresses on which it listens, in the order in which they were bound.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.doors().map(|door| &door.address)
    }

    fn doors(&self) -> impl Iterator<Item = &Door<R>> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// What stops it.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.acceptor.handle()
    }

    /// Takes connections until [`ServerHandle::shutdown`] has ended everything. Dropped, it takes no more; the sessions go on.
    pub async fn serve(self) {
        let serving = &self.acceptor.serving;
        // Each door is asked only when something has happened there: what else wakes the task costs no call of `accept`.
        let mut doors: FuturesUnordered<_> = self.doors().map(|door| door.take_connections(serving)).collect();
        while let Some(()) = doors.next().await {}
        drop(doors);
        let Self { acceptor, first, more } = self;
        drop((first, more));
        acceptor.serving.stopped.wait().await;
    }
}

impl<R: Runtime> Door<R> {
    async fn open(runtime: &R, address: &str, tls: Option<ServerTls>) -> io::Result<Self> {
        if let Some(path) = unix_path(address) {
            return Self::open_unix(runtime, path, tls);
        }
        let (listener, address) = runtime.bind(address).await?;
        Ok(Self { listener, address: Address::Tcp(address), tls, _file: None })
    }

    #[cfg(unix)]
    fn open_unix(runtime: &R, path: &std::path::Path, tls: Option<ServerTls>) -> io::Result<Self> {
        let (listener, file) = super::address::listen(path)?;
        Ok(Self { listener: runtime.adopt_unix(listener)?, address: Address::Unix(path.to_owned()), tls, _file: Some(file) })
    }

    #[cfg(not(unix))]
    fn open_unix(_: &R, _: &std::path::Path, _: Option<ServerTls>) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets"))
    }

    /// Until no more are wanted.
    async fn take_connections(&self, serving: &Arc<Serving<R>>) {
        let mut pause = ACCEPT_PAUSE.0;
        let mut in_a_row = 0;
        while let Some(accepted) = self.next(serving).await {
            in_a_row += 1;
            if in_a_row >= ACCEPTS {
                in_a_row = 0;
                give_way().await;
            }
            match accepted {
                Ok((stream, peer)) => {
                    pause = ACCEPT_PAUSE.0;
                    let connection = Connection { stream, peer, tls: self.tls.clone() };
                    serving.runtime.spawn(accept::serve(Arc::clone(serving), connection));
                }
                // The connection was gone before it was taken.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
                Err(error) => {
                    // Most likely there is no file descriptor left: somebody has to go before anybody can come.
                    serving.metrics.accept_failed();
                    tracing::warn!(%error, address = %self.address, "cannot accept a connection");
                    sleep(serving.runtime.timer(Instant::now() + pause)).await;
                    pause = (pause * 2).min(ACCEPT_PAUSE.1);
                }
            }
        }
    }

    /// The next connection; `None` once no more are wanted.
    async fn next(&self, serving: &Serving<R>) -> Option<io::Result<(BoxStream, Option<SocketAddr>)>> {
        let mut accepting = pin!(serving.runtime.accept(&self.listener));
        poll_fn(|cx| {
            if serving.stopping.poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            accepting.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

impl<R: Runtime> fmt::Debug for BoundServer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> = self.addresses().collect();
        f.debug_struct("BoundServer").field("addresses", &addresses).finish_non_exhaustive()
    }
}
