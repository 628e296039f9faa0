//! A TCP proxy that fails as networks fail: at a byte, or on command.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What will happen to one connection by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It is cut when this many bytes have gone to the server.
    pub to_server: Option<u64>,
    /// It is cut when this many bytes have gone to the client.
    pub to_client: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Flow,
    /// Nothing goes through, and nobody is told.
    Stall,
    /// Both ends see a reset.
    Cut,
    /// This direction has ended; the other goes on.
    Half(Direction),
}

/// What decides the fate of the n-th connection, from 0.
type Fates = dyn Fn(u64) -> Fate + Send + Sync;

/// A proxy on loopback before one server.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    target: Mutex<SocketAddr>,
    fates: Box<Fates>,
    live: Mutex<Vec<watch::Sender<Mode>>>,
    opened: watch::Sender<u64>,
    cuts: AtomicU64,
}

/// The connection broke here.
struct Broken;

impl Proxy {
    /// One that breaks nothing unless told.
    ///
    /// # Errors
    ///
    /// If there is no socket to listen on.
    pub async fn new(target: SocketAddr) -> io::Result<Self> {
        Self::with_fates(target, |_| Fate::default()).await
    }

    /// One that asks `fates` what will happen to each connection, by its number from 0.
    ///
    /// # Errors
    ///
    /// If there is no socket to listen on.
    pub async fn with_fates(target: SocketAddr, fates: impl Fn(u64) -> Fate + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            fates: Box::new(fates),
            live: Mutex::default(),
            opened: watch::Sender::new(0),
            cuts: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `ws://` and its address and `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// New connections go to `target` from now on.
    pub fn retarget(&self, target: SocketAddr) {
        *lock(&self.shared.target) = target;
    }

    /// Cuts every connection. Returns how many there were.
    pub fn cut(&self) -> usize {
        self.set(Mode::Cut)
    }

    /// From now on nothing goes through the connections that exist, though they stay open. New ones are not concerned.
    pub fn stall(&self) -> usize {
        self.set(Mode::Stall)
    }

    /// Stalled connections go on with what they held back.
    pub fn wake(&self) -> usize {
        self.set(Mode::Flow)
    }

    /// Ends one direction of every connection in order; the other goes on.
    pub fn half_close(&self, direction: Direction) -> usize {
        self.set(Mode::Half(direction))
    }

    /// Connections that broke here.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// Waits until `count` connections have been opened since the beginning.
    pub async fn opened(&self, count: u64) {
        // The sender lives as long as this proxy.
        let _ = self.shared.opened.subscribe().wait_for(|opened| *opened >= count).await;
    }

    fn set(&self, mode: Mode) -> usize {
        let mut live = lock(&self.shared.live);
        live.retain(|connection| connection.send(mode).is_ok());
        live.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Mode::Cut);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    for number in 0.. {
        let Ok((client, _)) = listener.accept().await else { return };
        let (mode, watched) = watch::channel(Mode::Flow);
        lock(&shared.live).push(mode);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let target = *lock(&shared.target);
            // A server that is away is a connection that ends at once.
            let Ok(server) = TcpStream::connect(target).await else { return };
            shared.opened.send_modify(|opened| *opened += 1);
            if carry(client, server, watched, (shared.fates)(number)).await.is_err() {
                shared.cuts.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// Carries one connection to its end.
async fn carry(client: TcpStream, server: TcpStream, mode: watch::Receiver<Mode>, fate: Fate) -> Result<(), Broken> {
    for stream in [&client, &server] {
        // What is dropped without a shutdown is reset, whether it was read or not.
        let _ = stream.set_zero_linger();
        let _ = stream.set_nodelay(true);
    }
    let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
    let up = pump(Direction::ToServer, client_in, server_out, mode.clone(), fate.to_server);
    let down = pump(Direction::ToClient, server_in, client_out, mode.clone(), fate.to_client);
    tokio::select! {
        done = async { tokio::try_join!(up, down) } => done.map(|_| ()),
        broken = cut(mode) => Err(broken),
    }
}

async fn cut(mut mode: watch::Receiver<Mode>) -> Broken {
    if mode.wait_for(|mode| *mode == Mode::Cut).await.is_err() {
        // Nobody can cut it any more.
        pending::<()>().await;
    }
    Broken
}

async fn pump(
    direction: Direction,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    mut left: Option<u64>,
) -> Result<(OwnedReadHalf, OwnedWriteHalf), Broken> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.map_err(|_| Broken)?,
            () = halved(&mut mode, direction) => 0,
        };
        let flows = mode.wait_for(|mode| *mode != Mode::Stall).await.is_ok();
        if !flows {
            return Err(Broken);
        }
        if read == 0 {
            let _ = to.shutdown().await;
            // Both halves live until the other direction has ended too: dropping one would reset it.
            return Ok((from, to));
        }
        let allowed = left.map_or(read, |left| read.min(usize::try_from(left).unwrap_or(read)));
        to.write_all(&buffer[..allowed]).await.map_err(|_| Broken)?;
        left = left.map(|left| left - allowed as u64);
        if left == Some(0) {
            return Err(Broken);
        }
    }
}

async fn halved(mode: &mut watch::Receiver<Mode>, direction: Direction) {
    if mode.wait_for(|mode| *mode == Mode::Half(direction)).await.is_err() {
        pending::<()>().await;
    }
}
