//! Tests on real loopback sockets: a network that fails on command, a peer that writes any bytes, a server that misbehaves.
//!
//! Nothing here belongs to the runtime under test: the network, the peers and the clock by which a test loses its patience have threads of
//! their own. What a test needs of its runtime it takes from [`Rig`], and from [`Wire`] if it
//! runs over TLS as well.

mod apart;
mod bad_server;
mod both;
mod http;
mod memory;
mod over;
mod peer;
mod proxy;
mod rig;
pub mod storm;
mod watched;
mod wire;

pub use apart::{Apart, SERVE, stay};
pub use bad_server::{BadServer, Conversation};
pub use both::{on_smol, on_smol_in_one_thread, on_smol_tls, on_tokio, on_tokio_in_one_thread, on_tokio_tls};
pub use http::{Answer, Http};
pub use memory::{own_memory, own_time};
pub use over::Over;
pub use peer::{Head, Peer, masked_frame};
pub use proxy::{Direction, Fate, Proxy};
pub use rig::Rig;
pub use watched::Watched;
pub use wire::{Certificate, Connection, Opener, Wire};

use bowline::{BoundServer, ConnectionEvent, Events, ServerHandle};
use bowline_tokio::TokioRuntime;
use futures_timer::Delay;
use futures_util::future::{Either, select};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

/// The longest that anything in a test may take; nothing waits for it to pass.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `server`, which is on tokio, beside the test.
///
/// # Panics
///
/// If it listens on no port.
#[must_use]
pub fn run(server: BoundServer<TokioRuntime>) -> (SocketAddr, ServerHandle) {
    TokioRuntime::new().serve(server)
}

/// What `future` gives.
///
/// # Panics
///
/// If it takes longer than [`PATIENCE`].
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    within(PATIENCE, future).await.expect("it happens in time")
}

/// What `future` gives, or `None` if it takes longer than `time`, by a clock that is not the runtime's.
pub async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), Delay::new(time)).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(((), _)) => None,
    }
}

/// Waits until `condition` holds, where nothing tells when it begins to.
///
/// # Panics
///
/// If it does not within [`PATIENCE`].
pub async fn until(condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            Delay::new(Duration::from_millis(1)).await;
        }
    })
    .await;
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
