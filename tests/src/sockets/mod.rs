//! Tests on real loopback sockets: a network that fails on command, a peer that writes any bytes, a server that misbehaves.

mod bad_server;
mod peer;
mod proxy;
pub mod storm;

pub use bad_server::{BadServer, Conversation};
pub use peer::{Head, Peer, masked_frame};
pub use proxy::{Direction, Fate, Proxy};

use bowline_tokio::{BoundServer, ConnectionEvent, Events, ServerHandle, TokioRuntime};
use std::future::Future;
use std::time::Duration;

/// The longest that anything in a test may take; nothing waits for it to pass.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `server` beside the test.
///
/// # Panics
///
/// If it listens on no port.
#[must_use]
pub fn run(server: BoundServer<TokioRuntime>) -> (std::net::SocketAddr, ServerHandle) {
    let (address, handle) = (server.local_addr().tcp().expect("a port"), server.handle());
    tokio::spawn(server.serve());
    (address, handle)
}

/// What `future` gives.
///
/// # Panics
///
/// If it takes longer than [`PATIENCE`].
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

/// Waits for an event that fits.
///
/// # Panics
///
/// If the client closes first, or nothing fits within [`PATIENCE`].
pub async fn wait_for(events: &mut Events, fits: impl Fn(&ConnectionEvent) -> bool) -> ConnectionEvent {
    soon(async {
        loop {
            let event = events.next().await.expect("the client is not closed yet");
            if fits(&event) {
                return event;
            }
        }
    })
    .await
}
