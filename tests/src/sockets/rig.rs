//! What a test needs of the runtime on which it runs.

use bowline::{BoundServer, ClientBuilder, Runtime, Server, ServerHandle, Timer};
use futures_util::FutureExt;
use futures_util::future::RemoteHandle;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Every [`Runtime`], as tests use it.
pub trait Rig: Runtime {
    /// A client for `url`, before it connects.
    fn client(&self, url: &str) -> ClientBuilder<Self> {
        ClientBuilder::new(self.clone(), url)
    }

    /// A server that serves nothing yet.
    fn server(&self) -> Server<Self> {
        Server::new(self.clone())
    }

    /// Runs `server` beside the test.
    ///
    /// # Panics
    ///
    /// If it listens on no port.
    fn serve(&self, server: BoundServer<Self>) -> (SocketAddr, ServerHandle) {
        let (address, handle) = (server.local_addr().tcp().expect("a port"), server.handle());
        self.spawn(server.serve());
        (address, handle)
    }

    /// Runs `future` as a task. What it gives, its panic too, comes out of the handle; dropping that ends it.
    fn start<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> RemoteHandle<T> {
        let (task, handle) = future.remote_handle();
        self.spawn(task);
        handle
    }

    /// Waits, by the runtime's own timer.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<Self> {
        let mut timer = self.timer(Instant::now() + time);
        async move { poll_fn(|cx| timer.poll(cx)).await }
    }
}

impl<R: Runtime> Rig for R {}
