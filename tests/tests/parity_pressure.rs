//! What happens when buffers are full, and when connections come late or not at all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use async_channel::{Receiver, Sender, unbounded};
use bowline::{
    Acceptor, BoxStream, CallError, Client, ClientBuilder, ConnectionEvent, Context, Dialect, ErrorObject, Handler, HandlerError, Limits,
    NotifyError, PathOptions, Router, Runtime, Session, SessionKept, Transaction,
};
use bowline_tests::sockets::{Rig, Watched, soon, wait_for};
use futures_util::future::join;
use futures_util::join;
use futures_util::{AsyncRead, AsyncWrite};
use piper::{Reader, Writer, pipe};
use serde_json::{Value, json};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

/// Lets through as many as it was opened for.
#[derive(Clone)]
struct Gate(Sender<()>, Receiver<()>);

impl Gate {
    fn new() -> Self {
        let (open, pass) = unbounded();
        Self(open, pass)
    }

    fn open(&self, times: usize) {
        (0..times).for_each(|_| self.0.try_send(()).unwrap());
    }

    async fn pass(&self) {
        self.1.recv().await.unwrap();
    }
}

/// Both ends of two pipes.
struct Duplex(Reader, Writer);

impl AsyncRead for Duplex {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.1).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.1).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.1).poll_close(cx)
    }
}

/// Connects its clients to a server in the same process, when it is let.
#[derive(Clone)]
struct Piped<R> {
    runtime: R,
    acceptor: Acceptor<R>,
    /// One permit lets one connection be opened.
    gate: Gate,
}

impl<R: Runtime> Piped<R> {
    fn new(runtime: &R, options: PathOptions, service: impl bowline::Service) -> Self {
        let acceptor = runtime.server().path_with("/demo", options, service).build().unwrap();
        let gate = Gate::new();
        gate.open(1);
        Self { runtime: runtime.clone(), acceptor, gate }
    }

    fn client(&self) -> ClientBuilder<Self> {
        ClientBuilder::new(self.clone(), "ws://piped/demo")
    }
}

impl<R: Runtime> Runtime for Piped<R> {
    type Listener = ();
    type Timer = R::Timer;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(future);
    }

    fn timer(&self, at: Instant) -> Self::Timer {
        self.runtime.timer(at)
    }

    async fn bind(&self, _: &str) -> io::Result<((), SocketAddr)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn accept(&self, (): &()) -> io::Result<(BoxStream, Option<SocketAddr>)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<BoxStream> {
        self.gate.pass().await;
        let ((near_in, far_out), (far_in, near_out)) = (pipe(16 * 1024), pipe(16 * 1024));
        let acceptor = self.acceptor.clone();
        self.runtime.spawn(async move { acceptor.serve_stream(Box::new(Duplex(far_in, far_out)), None).await });
        Ok(Box::new(Duplex(near_in, near_out)))
    }
}

/// Counts notifications, and tells when one is called `last`.
fn counter(count: &Arc<AtomicUsize>, last: &Arc<Watched<bool>>) -> Router {
    let (count, last) = (Arc::clone(count), Arc::clone(last));
    Router::new()
        .method("push", move |_: String| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, ErrorObject>(()) }
        })
        .method("last", move |(): ()| {
            last.update(|come| *come = true);
            async { Ok::<_, ErrorObject>(()) }
        })
}

async fn what_waits_behind_a_full_buffer_is_sent_before_the_close(runtime: impl Runtime) {
    let (count, last) = (Arc::default(), Arc::default());
    let piped = Piped::new(&runtime, PathOptions::new().without_resumption(), counter(&count, &last));
    let limits = Limits { outbox_messages: 4, ..Limits::default() };
    let client = piped.client().without_resumption().limits(limits).connect().await.unwrap();
    for _ in 0..500 {
        client.notify("push", "x").await.unwrap();
    }
    client.notify("last", ()).await.unwrap();
    soon(client.close()).await;
    soon(last.wait_for(|come| *come)).await;
    assert_eq!(count.load(Ordering::SeqCst), 500);
}

// In one thread: both sides have everything to send before either runs.
async fn two_sides_that_push_do_not_wait_for_each_other(runtime: impl Runtime) {
    const PUSHED: usize = 50;
    let (sessions, opened) = unbounded::<Session>();
    let (at_server, at_client, last) = (Arc::default(), Arc::default(), [Arc::default(), Arc::default()]);
    let service = counter(&at_server, &last[0]).on_open(move |session| sessions.try_send(session.clone()).unwrap());
    let piped = Piped::new(&runtime, PathOptions::new(), service);
    let client = piped.client().service(counter(&at_client, &last[1])).connect().await.unwrap();
    let server = soon(opened.recv()).await.unwrap();
    // One of them alone is more than a side writes before the other has to read.
    let text = "x".repeat(60_000);
    let push = async |session: &Session| {
        for _ in 0..PUSHED {
            session.notify("push", &text).await.unwrap();
        }
        session.notify("last", ()).await.unwrap();
    };
    let come = |last: &Arc<Watched<bool>>| {
        let last = Arc::clone(last);
        async move { last.wait_for(|come| *come).await }
    };
    soon(async { join!(push(&server), push(client.session()), come(&last[0]), come(&last[1])) }).await;
    assert_eq!((at_server.load(Ordering::SeqCst), at_client.load(Ordering::SeqCst)), (PUSHED, PUSHED));
}

async fn a_cut_while_a_connection_is_being_opened_leaves_none_behind(runtime: impl Runtime) {
    let cut = Router::new().method_with("cut", async |(): (), cx: Context| {
        cx.session().disconnect();
        Ok::<_, ErrorObject>(())
    });
    let piped = Piped::new(&runtime, PathOptions::new(), cut);
    let never = Duration::from_secs(3600);
    let client = piped.client().backoff(never, never).connect().await.unwrap();
    let mut events = client.events();
    client.notify("cut", ()).await.unwrap();
    // The first attempt comes at once, and waits at the gate.
    wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnecting { .. })).await;
    client.session().disconnect();
    wait_for(&mut events, |event| matches!(event, ConnectionEvent::ConnectionFailed { .. })).await;
    piped.gate.open(1);
    assert_eq!(piped.gate.1.len(), 1, "nobody waits at the gate any more");
    client.reconnect();
    wait_for(&mut events, |event| *event == ConnectionEvent::Reconnected(SessionKept::Same)).await;
    soon(client.close()).await;
}

/// Answers at once, then asks the client whether it may end.
struct Lingering(Arc<Mutex<Vec<&'static str>>>);

impl Handler for Lingering {
    async fn handle(self: Arc<Self>, tx: Transaction) -> Result<(), HandlerError> {
        self.0.lock().unwrap().push("starts");
        tx.respond(&1)?;
        tx.session().call::<()>("may-end", ()).await?;
        self.0.lock().unwrap().push("ends");
        Ok(())
    }
}

async fn a_handler_that_has_answered_keeps_its_place_until_it_returns(runtime: impl Runtime) {
    let log = Arc::default();
    let piped = Piped::new(&runtime, PathOptions::new().dialect(Dialect::Strict), Lingering(Arc::clone(&log)));
    let may_end = Gate::new();
    let gate = may_end.clone();
    let service = Router::new().method("may-end", move |(): ()| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Ok::<_, ErrorObject>(())
        }
    });
    let client = piped.client().dialect(Dialect::Strict).service(service).connect().await.unwrap();
    assert_eq!(soon(client.call::<u32>("m", ())).await, Ok(1));
    // The next request is with the server before the first handler is let go.
    let second = client.call::<u32>("m", ());
    let (second, ()) = soon(join(second, async { may_end.open(2) })).await;
    assert_eq!(second, Ok(1));
    // Its turn comes when the second handler has ended.
    assert_eq!(soon(join(client.call::<u32>("m", ()), async { may_end.open(1) })).await.0, Ok(1));
    assert_eq!(log.lock().unwrap()[..5], ["starts", "ends", "starts", "ends", "starts"]);
}

async fn a_notification_that_the_peer_would_not_take_is_refused(runtime: impl Runtime) {
    let piped = Piped::new(&runtime, PathOptions::new().max_message_size(2000), Router::new());
    let client = piped.client().connect().await.unwrap();
    assert_eq!(client.notify("push", "x".repeat(2000)).await, Err(NotifyError::TooBig(2000)));
    assert_eq!(client.try_notify("push", "x".repeat(2000)), Err(NotifyError::TooBig(2000)));
    assert_eq!(client.notify("push", "x".repeat(1000)).await, Ok(()));
    let deep = (0..200).fold(Value::Null, |inner, _| json!([inner]));
    assert_eq!(client.notify("push", &deep).await, Err(NotifyError::TooDeep));
    assert_eq!(client.call::<()>("push", &deep).await, Err(CallError::TooDeep));
}

async fn a_shutdown_that_nobody_waits_for_goes_on_and_its_grace_may_be_endless(runtime: impl Runtime) {
    let server = runtime.server().path("/demo", Router::new()).bind("127.0.0.1:0").await.unwrap();
    let handle = server.handle();
    let url = format!("ws://{}/demo", server.local_addr());
    let serving = runtime.start(server.serve());
    let client: Client = runtime.client(&url).connect().await.unwrap();
    let mut shutdown = Box::pin(handle.shutdown(Duration::MAX));
    poll_fn(|cx| Poll::Ready(shutdown.as_mut().poll(cx).is_ready())).await;
    drop(shutdown);
    soon(serving).await;
    assert_eq!(handle.session_count(), 0);
    drop(client);
}

/// Asks for its session when it is dropped.
struct Asking(Session, Sender<bool>);

impl Drop for Asking {
    fn drop(&mut self) {
        let _ = self.1.try_send(self.0.id().is_some());
    }
}

async fn attributes_end_with_their_session_and_may_ask_for_it(runtime: impl Runtime) {
    let piped = Piped::new(&runtime, PathOptions::new(), Router::new());
    let client = piped.client().connect().await.unwrap();
    let session = client.session().clone();
    let (sender, dropped) = unbounded();
    let set = || session.set_attribute("asking", Asking(session.clone(), sender.clone()));
    set();
    set();
    assert_eq!(dropped.try_recv(), Ok(true), "replaced");
    session.update_attribute("asking", |_: Option<u32>| Some(1));
    assert_eq!(dropped.try_recv(), Ok(true), "replaced by something else");
    set();
    assert!(session.remove_attribute("asking"));
    assert_eq!(dropped.try_recv(), Ok(true), "removed");
    set();
    soon(client.close()).await;
    assert!(dropped.try_recv().is_ok(), "the session has ended");
    set();
    assert!(dropped.try_recv().is_ok(), "and keeps nothing any more");
}

bowline_tests::both![
    what_waits_behind_a_full_buffer_is_sent_before_the_close,
    a_cut_while_a_connection_is_being_opened_leaves_none_behind,
    a_handler_that_has_answered_keeps_its_place_until_it_returns,
    a_notification_that_the_peer_would_not_take_is_refused,
    a_shutdown_that_nobody_waits_for_goes_on_and_its_grace_may_be_endless,
    attributes_end_with_their_session_and_may_ask_for_it,
];

#[test]
fn two_sides_that_push_do_not_wait_for_each_other_on_tokio() {
    bowline_tests::sockets::on_tokio_in_one_thread(two_sides_that_push_do_not_wait_for_each_other);
}

#[test]
fn two_sides_that_push_do_not_wait_for_each_other_on_smol() {
    bowline_tests::sockets::on_smol_in_one_thread(two_sides_that_push_do_not_wait_for_each_other);
}
