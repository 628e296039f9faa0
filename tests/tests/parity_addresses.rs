//! A host with several addresses, some of which lead nowhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline::{BoxStream, ClientBuilder, ConnectError, ErrorObject, Router, Runtime};
use bowline_tests::sockets::{Rig, soon};
use serde_json::json;
use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Answers nothing.
const DARK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Refuses.
const SHUT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
const GOOD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A runtime for which every name has these addresses.
#[derive(Clone)]
struct Resolved<R> {
    runtime: R,
    addresses: Vec<IpAddr>,
    tried: Arc<Mutex<Vec<IpAddr>>>,
}

impl<R: Runtime> Runtime for Resolved<R> {
    type Listener = R::Listener;
    type Timer = R::Timer;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(future);
    }

    fn timer(&self, at: Instant) -> Self::Timer {
        self.runtime.timer(at)
    }

    async fn bind(&self, address: &str) -> io::Result<(Self::Listener, SocketAddr)> {
        self.runtime.bind(address).await
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<(BoxStream, Option<SocketAddr>)> {
        self.runtime.accept(listener).await
    }

    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<BoxStream> {
        self.tried.lock().unwrap().push(address.ip());
        match address.ip() {
            DARK => pending().await,
            SHUT => Err(io::ErrorKind::ConnectionRefused.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => self.runtime.connect(address).await,
        }
    }
}

/// Whether a client that finds these addresses gets a session, or why it does not, and which it has tried.
async fn connected(runtime: &impl Runtime, addresses: &[IpAddr]) -> (Result<(), ConnectError>, Vec<IpAddr>) {
    let router = Router::new().method("echo", async |text: String| Ok::<_, ErrorObject>(text));
    let (address, server) = runtime.serve(runtime.server().path("/", router).bind("127.0.0.1:0").await.unwrap());
    let resolved = Resolved { runtime: runtime.clone(), addresses: addresses.to_vec(), tried: Arc::default() };
    let client = soon(ClientBuilder::new(resolved.clone(), &format!("ws://somewhere:{}/", address.port())).connect()).await;
    let outcome = match client {
        Ok(client) => {
            assert_eq!(client.call::<String>("echo", json!({ "value": "hi" })).await.unwrap(), "hi");
            client.close().await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    server.shutdown(std::time::Duration::from_secs(5)).await;
    let tried = resolved.tried.lock().unwrap().clone();
    (outcome, tried)
}

async fn the_next_address_is_tried_beside_one_that_does_not_answer(runtime: impl Rig) {
    let (outcome, tried) = connected(&runtime, &[DARK, DARK, SHUT, GOOD]).await;
    outcome.unwrap();
    assert_eq!(tried, [DARK, DARK, SHUT, GOOD]);
}

async fn an_address_that_answers_is_the_only_one_tried(runtime: impl Rig) {
    let (outcome, tried) = connected(&runtime, &[GOOD, SHUT]).await;
    outcome.unwrap();
    assert_eq!(tried, [GOOD]);
}

async fn when_none_answers_the_last_failure_is_told(runtime: impl Rig) {
    let (outcome, tried) = connected(&runtime, &[SHUT, SHUT]).await;
    let Err(ConnectError::Unreachable(error)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(tried, [SHUT, SHUT]);
    let (outcome, _) = connected(&runtime, &[]).await;
    let Err(ConnectError::Unreachable(error)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.to_string(), "the host has no address");
}

bowline_tests::both![
    the_next_address_is_tried_beside_one_that_does_not_answer,
    an_address_that_answers_is_the_only_one_tried,
    when_none_answers_the_last_failure_is_told,
];
