//! How a server stops.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use async_channel::{Receiver, unbounded};
use bowline::{Context, ErrorObject, HandlerError, Limits, PathOptions, Router, Runtime, Server, ServerHandle, Session, ShutdownReport};
use bowline_tests::sockets::{Peer, Rig, Watched, soon, until};
use futures_util::future::join;
use serde_json::json;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Bytes that no system takes on its own.
const LONG: usize = 32 * 1024 * 1024;

type Stopping = Pin<Box<dyn Future<Output = ShutdownReport> + Send>>;

/// A server of `echo`, and of `wait` and `long`, which are answered when the gate opens.
struct Rest {
    gate: Arc<Watched<bool>>,
    address: SocketAddr,
    handle: ServerHandle,
    opened: Receiver<Session>,
}

impl Rest {
    async fn start<R: Runtime>(runtime: &R) -> Self {
        let gate = Arc::new(Watched::new(false));
        let waiting = Arc::clone(&gate);
        let (open, opened) = unbounded();
        let router = Router::new().method("echo", async |text: String| Ok::<_, ErrorObject>(text)).method("wait", move |(): ()| {
            let gate = Arc::clone(&waiting);
            async move {
                gate.wait_for(|open| *open).await;
                Ok::<_, ErrorObject>("waited")
            }
        });
        let opens = Arc::clone(&gate);
        let router = router.method("long", move |(): ()| {
            let gate = Arc::clone(&opens);
            async move {
                gate.wait_for(|open| *open).await;
                Ok::<_, ErrorObject>("x".repeat(LONG))
            }
        });
        let router = router.on_open(move |session| drop(open.try_send(session.clone())));
        let server: Server<R> = runtime.server().path("/", router);
        let (address, handle) = runtime.serve(server.bind("127.0.0.1:0").await.unwrap());
        Self { gate, address, handle, opened }
    }

    /// Begins to stop: when this returns, every session has been told.
    async fn stop(&self, grace: Duration) -> Stopping {
        let handle = self.handle.clone();
        let mut stopping: Stopping = Box::pin(async move { handle.shutdown(grace).await });
        poll_fn(|cx| {
            assert!(stopping.as_mut().poll(cx).is_pending(), "something is in flight");
            Poll::Ready(())
        })
        .await;
        stopping
    }

    /// A peer with a session, whose request the handler has.
    fn busy(&self) -> (Peer, u64) {
        let mut peer = Peer::connect(self.address, "/");
        peer.greet();
        let waits = peer.request("wait", &json!(null));
        // It is answered at once: what came before it has been read.
        peer.call("ping", &json!({}));
        (peer, waits)
    }
}

async fn what_is_in_flight_is_finished_and_nothing_new_is_begun(runtime: impl Runtime) {
    let rest = Rest::start(&runtime).await;
    let (mut peer, waits) = rest.busy();
    let queued = peer.request("echo", &json!({ "value": "queued" }));
    peer.call("ping", &json!({}));
    let mut idle = Peer::connect(rest.address, "/");
    idle.greet();

    let stopping = rest.stop(Duration::MAX).await;
    assert_eq!(idle.closed(), Some((1001, "Server is shutting down".into())), "it does not wait for the others");
    let late = peer.request("echo", &json!({ "value": "late" }));
    peer.call("ping", &json!({}));
    rest.gate.update(|open| *open = true);
    let answers: BTreeMap<u64, _> = (0..3).map(|_| peer.read()).map(|answer| (answer["id"].as_u64().unwrap(), answer)).collect();
    assert_eq!(answers[&waits]["result"]["value"], "waited");
    assert_eq!(answers[&queued]["result"]["value"], "queued");
    assert_eq!(answers[&late]["error"]["code"], ErrorObject::SHUTTING_DOWN);
    assert_eq!(peer.closed(), Some((1001, "Server is shutting down".into())));
    drop((peer, idle));

    let report = soon(stopping).await;
    assert_eq!((report.sessions_closed, report.requests_finished, report.requests_abandoned), (2, 2, 0), "{report:?}");
    assert_eq!((report.tasks_left, report.connections_left, rest.handle.session_count()), (0, 0, 0), "{report:?}");
    assert!(std::net::TcpStream::connect(rest.address).is_err());
}

async fn what_takes_too_long_is_given_up(runtime: impl Runtime) {
    let rest = Rest::start(&runtime).await;
    let (mut peer, _) = rest.busy();
    let handle = rest.handle.clone();
    let stopping = runtime.start(async move { handle.shutdown(Duration::from_millis(1)).await });
    assert_eq!(peer.closed(), Some((1001, "Server is shutting down".into())));
    drop(peer);
    let report = soon(stopping).await;
    assert_eq!((report.sessions_closed, report.requests_finished, report.requests_abandoned, report.tasks_left), (1, 0, 1, 0));
}

async fn asked_again_it_hurries(runtime: impl Runtime) {
    let rest = Rest::start(&runtime).await;
    let (mut peer, _) = rest.busy();
    let patient = rest.stop(Duration::MAX).await;
    let handle = rest.handle.clone();
    let hurried = runtime.start(async move { handle.shutdown(Duration::ZERO).await });
    assert_eq!(peer.closed(), Some((1001, "Server is shutting down".into())));
    drop(peer);
    assert_eq!(soon(hurried).await, soon(patient).await);
}

/// Nobody is there to take the answer: it is waited for until the grace is over, and the session told why it ends.
async fn a_session_whose_peer_is_away_is_waited_for_no_longer_than_the_grace(runtime: impl Runtime) {
    let rest = Rest::start(&runtime).await;
    let (peer, _) = rest.busy();
    drop(peer);
    let session = soon(rest.opened.recv()).await.unwrap();
    until(|| !session.is_attached()).await;
    let stopping = rest.stop(Duration::MAX).await;
    assert!(!session.is_closed(), "its request is in flight");
    let report = soon(rest.handle.shutdown(Duration::ZERO)).await;
    assert_eq!((report.sessions_closed, report.requests_finished, report.requests_abandoned), (1, 0, 1), "{report:?}");
    assert_eq!((report.tasks_left, report.connections_left, rest.handle.session_count()), (0, 0, 0), "{report:?}");
    assert!(session.is_closed());
    assert_eq!(soon(stopping).await, report);
}

/// The peer takes its answer slowly: it is not cut off once the handler is done with it.
async fn an_answer_is_written_to_its_end_within_the_grace(runtime: impl Runtime) {
    let rest = Rest::start(&runtime).await;
    let mut peer = Peer::connect(rest.address, "/");
    peer.greet();
    let asked = peer.request("long", &json!(null));
    peer.call("ping", &json!({}));
    let stopping = rest.stop(Duration::MAX).await;
    rest.gate.update(|open| *open = true);
    // Longer than a connection that is closed may take to go.
    runtime.sleep(Duration::from_millis(2500)).await;
    let answer = peer.read();
    assert_eq!((answer["id"].as_u64(), answer["result"]["value"].as_str().map(str::len)), (Some(asked), Some(LONG)));
    assert_eq!(peer.closed(), Some((1001, "Server is shutting down".into())));
    drop(peer);
    let report = soon(stopping).await;
    assert_eq!((report.requests_finished, report.requests_abandoned, report.tasks_left), (1, 0, 0), "{report:?}");
}

/// The peer takes nothing, and nobody waits for it until the grace is over, which may be long.
async fn a_peer_that_takes_nothing_is_not_waited_for<R: Runtime>(runtime: R) {
    // It takes ten seconds, both at once.
    let (reading, acknowledging) = join(soon(a_peer_that_reads_nothing(&runtime)), soon(a_peer_that_acknowledges_nothing(&runtime))).await;
    assert_eq!((reading.requests_finished, reading.requests_abandoned, reading.tasks_left), (2, 1, 0), "{reading:?}");
    assert_eq!((acknowledging.requests_abandoned, acknowledging.tasks_left), (1, 0), "{acknowledging:?}");
}

async fn a_peer_that_reads_nothing<R: Runtime>(runtime: &R) -> ShutdownReport {
    let rest = Rest::start(runtime).await;
    let mut peer = Peer::connect(rest.address, "/");
    peer.greet();
    // One fills what the system takes, the other what the session keeps.
    peer.request("long", &json!(null));
    peer.request("long", &json!(null));
    peer.call("ping", &json!({}));
    let stopping = rest.stop(Duration::MAX).await;
    rest.gate.update(|open| *open = true);
    // There is no room for its answer.
    peer.request("echo", &json!({ "value": "late" }));
    stopping.await
}

/// There is no room for what its request's handler has said, nor for the answer behind that.
async fn a_peer_that_acknowledges_nothing<R: Runtime>(runtime: &R) -> ShutdownReport {
    let noisy = async |(): (), context: Context| {
        (0..3).try_for_each(|_| context.session().try_notify("news", ()))?;
        Ok::<_, HandlerError>(())
    };
    let limits = Limits { outbox_messages: 1, ..Limits::default() };
    let server = runtime.server().path_with("/", PathOptions::new().limits(limits), Router::new().method_with("noisy", noisy));
    let (address, handle) = runtime.serve(server.bind("127.0.0.1:0").await.unwrap());
    let mut peer = Peer::connect(address, "/");
    peer.call("connect", &json!({ "resume": { "received": 0 } }));
    peer.request("noisy", &json!(null));
    peer.call("ping", &json!({}));
    handle.shutdown(Duration::MAX).await
}

/// From a thread that no runtime knows of.
async fn it_is_stopped_from_anywhere<R: Runtime>(runtime: R) {
    let rest = Rest::start(&runtime).await;
    let _peer = Peer::connect(rest.address, "/");
    let handle = rest.handle.clone();
    let (told, report) = unbounded();
    let stopping = std::thread::spawn(move || {
        let report = futures_executor::block_on(handle.shutdown(Duration::ZERO));
        told.try_send(report).unwrap();
    });
    soon(report.recv()).await.unwrap();
    stopping.join().unwrap();
}

bowline_tests::both![
    it_is_stopped_from_anywhere,
    an_answer_is_written_to_its_end_within_the_grace,
    a_peer_that_takes_nothing_is_not_waited_for,
    what_is_in_flight_is_finished_and_nothing_new_is_begun,
    what_takes_too_long_is_given_up,
    asked_again_it_hurries,
    a_session_whose_peer_is_away_is_waited_for_no_longer_than_the_grace,
];
