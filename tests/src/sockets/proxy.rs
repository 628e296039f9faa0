//! A TCP proxy that fails as networks fail: at a byte, or on command. It has a thread of its own, whatever runtime is tested through it.

use super::Watched;
use smol::future::{or, try_zip};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, LocalExecutor};
use socket2::SockRef;
use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

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
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    target: Mutex<SocketAddr>,
    fates: Box<Fates>,
    /// The connections that exist, by their numbers.
    live: Mutex<BTreeMap<u64, Arc<Watched<Mode>>>>,
    cuts: AtomicU64,
    stopping: Watched<bool>,
}

/// The connection broke here.
struct Broken;

impl Proxy {
    /// One that breaks nothing unless told.
    ///
    /// # Errors
    ///
    /// If there is no socket to listen on.
    pub fn new(target: SocketAddr) -> io::Result<Self> {
        Self::with_fates(target, |_| Fate::default())
    }

    /// One that asks `fates` what will happen to each connection, by its number from 0.
    ///
    /// # Errors
    ///
    /// If there is no socket to listen on.
    pub fn with_fates(target: SocketAddr, fates: impl Fn(u64) -> Fate + Send + Sync + 'static) -> io::Result<Self> {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
        let address = listener.get_ref().local_addr()?;
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            fates: Box::new(fates),
            live: Mutex::default(),
            cuts: AtomicU64::new(0),
            stopping: Watched::new(false),
        });
        let serving = Arc::clone(&shared);
        // What it still carries when it stops is dropped with the executor, and so reset.
        let thread = thread::spawn(move || {
            let executor = LocalExecutor::new();
            smol::block_on(executor.run(or(accept(&executor, &listener, &serving), serving.stopping.wait_for(|stopping| *stopping))));
        });
        Ok(Self { address, shared, thread: Some(thread) })
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

    fn set(&self, mode: Mode) -> usize {
        let live: Vec<Arc<Watched<Mode>>> = lock(&self.shared.live).values().cloned().collect();
        live.iter().for_each(|connection| connection.update(|now| *now = mode));
        live.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.update(|stopping| *stopping = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(executor: &LocalExecutor<'_>, listener: &Async<TcpListener>, shared: &Arc<Shared>) {
    for number in 0.. {
        let Ok((client, _)) = listener.accept().await else { return };
        let mode = Arc::new(Watched::new(Mode::Flow));
        lock(&shared.live).insert(number, Arc::clone(&mode));
        let shared = Arc::clone(shared);
        let carrying = async move {
            let target = *lock(&shared.target);
            // A server that is away is a connection that ends at once.
            if let Ok(server) = Async::<TcpStream>::connect(target).await
                && carry(&client, &server, &mode, (shared.fates)(number)).await.is_err()
            {
                shared.cuts.fetch_add(1, Ordering::Relaxed);
            }
            lock(&shared.live).remove(&number);
        };
        executor.spawn(carrying).detach();
    }
}

/// Carries one connection to its end.
async fn carry(client: &Async<TcpStream>, server: &Async<TcpStream>, mode: &Watched<Mode>, fate: Fate) -> Result<(), Broken> {
    for stream in [client, server] {
        // What is dropped without a shutdown is reset, whether it was read or not.
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        let _ = stream.get_ref().set_nodelay(true);
    }
    let up = pump(Direction::ToServer, client, server, mode, fate.to_server);
    let down = pump(Direction::ToClient, server, client, mode, fate.to_client);
    let cut = async {
        mode.wait_for(|mode| *mode == Mode::Cut).await;
        Err(Broken)
    };
    or(async { try_zip(up, down).await.map(drop) }, cut).await
}

async fn pump(
    direction: Direction,
    mut from: &Async<TcpStream>,
    mut to: &Async<TcpStream>,
    mode: &Watched<Mode>,
    mut left: Option<u64>,
) -> Result<(), Broken> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let halved = async {
            mode.wait_for(|mode| *mode == Mode::Half(direction)).await;
            Ok(0)
        };
        let read = or(from.read(&mut buffer), halved).await.map_err(|_| Broken)?;
        mode.wait_for(|mode| *mode != Mode::Stall).await;
        if read == 0 {
            let _ = to.get_ref().shutdown(Shutdown::Write);
            return Ok(());
        }
        let allowed = left.map_or(read, |left| read.min(usize::try_from(left).unwrap_or(read)));
        to.write_all(&buffer[..allowed]).await.map_err(|_| Broken)?;
        left = left.map(|left| left - allowed as u64);
        if left == Some(0) {
            return Err(Broken);
        }
    }
}
