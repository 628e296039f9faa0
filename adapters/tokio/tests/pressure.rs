//! What happens when buffers are full, and when connections come late or not at all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_tokio::{
    Acceptor, BoxStream, Client, ClientBuilder, ConnectionEvent, Context, Dialect, ErrorObject, Events, Handler, HandlerError, Limits,
    NotifyError, PathOptions, Router, Runtime, Session, SessionKept, TokioRuntime, Transaction,
};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// Connects its clients to a server in the same process, when it is let.
#[derive(Clone)]
struct Piped {
    acceptor: Acceptor<TokioRuntime>,
    /// One permit lets one connection be opened.
    gate: Arc<Semaphore>,
}

impl Piped {
    fn new(options: PathOptions, service: impl bowline_tokio::Service) -> Self {
        let acceptor = bowline_tokio::server().path_with("/demo", options, service).build().unwrap();
        Self { acceptor, gate: Arc::new(Semaphore::new(1)) }
    }

    fn client(&self) -> ClientBuilder<Self> {
        ClientBuilder::new(self.clone(), "ws://piped/demo")
    }
}

impl Runtime for Piped {
    type Listener = ();
    type Timer = <TokioRuntime as Runtime>::Timer;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        TokioRuntime::new().spawn(future);
    }

    fn timer(&self, at: Instant) -> Self::Timer {
        TokioRuntime::new().timer(at)
    }

    async fn bind(&self, _: &str) -> io::Result<((), SocketAddr)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn accept(&self, (): &()) -> io::Result<(BoxStream, Option<SocketAddr>)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect(&self, _: &str, _: u16) -> io::Result<BoxStream> {
        self.gate.acquire().await.unwrap().forget();
        let (near, far) = tokio::io::duplex(16 * 1024);
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move { acceptor.serve_stream(Box::new(far.compat()), None).await });
        Ok(Box::new(near.compat()))
    }
}

/// A hang is a failure, and not one that lasts for ever.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it hangs")
}

async fn expect(events: &mut Events, wanted: impl Fn(&ConnectionEvent) -> bool) {
    soon(async {
        while let Some(event) = events.next().await {
            if wanted(&event) {
                return;
            }
        }
        panic!("the client is closed");
    })
    .await;
}

/// Counts notifications, and tells when one is called `last`.
fn counter(count: &Arc<AtomicUsize>, last: &Arc<Notify>) -> Router {
    let (count, last) = (Arc::clone(count), Arc::clone(last));
    Router::new()
        .method("push", move |_: String| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, ErrorObject>(()) }
        })
        .method("last", move |(): ()| {
            last.notify_one();
            async { Ok::<_, ErrorObject>(()) }
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_full_buffer_is_sent_before_the_close() {
    let (count, last) = (Arc::default(), Arc::default());
    let piped = Piped::new(PathOptions::new().without_resumption(), counter(&count, &last));
    let limits = Limits { outbox_messages: 4, ..Limits::default() };
    let client = piped.client().without_resumption().limits(limits).connect().await.unwrap();
    for _ in 0..500 {
        client.notify("push", "x").await.unwrap();
    }
    client.notify("last", ()).await.unwrap();
    soon(client.close()).await;
    soon(last.notified()).await;
    assert_eq!(count.load(Ordering::SeqCst), 500);
}

// In one thread: both sides have everything to send before either runs.
#[tokio::test]
async fn two_sides_that_push_do_not_wait_for_each_other() {
    const PUSHED: usize = 50;
    let (sessions, mut opened) = mpsc::unbounded_channel::<Session>();
    let (at_server, at_client, last) = (Arc::default(), Arc::default(), [Arc::default(), Arc::default()]);
    let service = counter(&at_server, &last[0]).on_open(move |session| sessions.send(session.clone()).unwrap());
    let piped = Piped::new(PathOptions::new(), service);
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
    soon(async { tokio::join!(push(&server), push(client.session()), last[0].notified(), last[1].notified()) }).await;
    assert_eq!((at_server.load(Ordering::SeqCst), at_client.load(Ordering::SeqCst)), (PUSHED, PUSHED));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_while_a_connection_is_being_opened_leaves_none_behind() {
    let cut = Router::new().method_with("cut", async |(): (), cx: Context| {
        cx.session().disconnect();
        Ok::<_, ErrorObject>(())
    });
    let piped = Piped::new(PathOptions::new(), cut);
    let never = Duration::from_secs(3600);
    let client = piped.client().backoff(never, never).connect().await.unwrap();
    let mut events = client.events();
    client.notify("cut", ()).await.unwrap();
    // The first attempt comes at once, and waits at the gate.
    expect(&mut events, |event| matches!(event, ConnectionEvent::Reconnecting { .. })).await;
    client.session().disconnect();
    expect(&mut events, |event| matches!(event, ConnectionEvent::ConnectionFailed { .. })).await;
    piped.gate.add_permits(1);
    assert_eq!(piped.gate.available_permits(), 1, "nobody waits at the gate any more");
    client.reconnect();
    expect(&mut events, |event| *event == ConnectionEvent::Reconnected(SessionKept::Same)).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_has_answered_keeps_its_place_until_it_returns() {
    let log = Arc::default();
    let piped = Piped::new(PathOptions::new().dialect(Dialect::Strict), Lingering(Arc::clone(&log)));
    let may_end = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&may_end);
    let service = Router::new().method("may-end", move |(): ()| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok::<_, ErrorObject>(())
        }
    });
    let client = piped.client().dialect(Dialect::Strict).service(service).connect().await.unwrap();
    assert_eq!(soon(client.call::<u32>("m", ())).await, Ok(1));
    // The next request is with the server before the first handler is let go.
    let second = client.call::<u32>("m", ());
    let (second, ()) = soon(async { tokio::join!(biased; second, async { may_end.add_permits(2) }) }).await;
    assert_eq!(second, Ok(1));
    // Its turn comes when the second handler has ended.
    assert_eq!(soon(async { tokio::join!(biased; client.call::<u32>("m", ()), async { may_end.add_permits(1) }).0 }).await, Ok(1));
    assert_eq!(log.lock().unwrap()[..5], ["starts", "ends", "starts", "ends", "starts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_the_peer_would_not_take_is_refused() {
    let piped = Piped::new(PathOptions::new().max_message_size(2000), Router::new());
    let client = piped.client().connect().await.unwrap();
    assert_eq!(client.notify("push", "x".repeat(2000)).await, Err(NotifyError::TooBig(2000)));
    assert_eq!(client.try_notify("push", "x".repeat(2000)), Err(NotifyError::TooBig(2000)));
    assert_eq!(client.notify("push", "x".repeat(1000)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_that_nobody_waits_for_goes_on_and_its_grace_may_be_endless() {
    let server = bowline_tokio::server().path("/demo", Router::new()).bind("127.0.0.1:0").await.unwrap();
    let handle = server.handle();
    let url = format!("ws://{}/demo", server.local_addr());
    let serving = tokio::spawn(server.serve());
    let client: Client = bowline_tokio::client(&url).connect().await.unwrap();
    let mut shutdown = Box::pin(handle.shutdown(Duration::MAX));
    poll_fn(|cx| Poll::Ready(shutdown.as_mut().poll(cx).is_ready())).await;
    drop(shutdown);
    soon(serving).await.unwrap();
    assert_eq!(handle.session_count(), 0);
    drop(client);
}

/// Asks for its session when it is dropped.
struct Asking(Session, mpsc::UnboundedSender<bool>);

impl Drop for Asking {
    fn drop(&mut self) {
        let _ = self.1.send(self.0.id().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_end_with_their_session_and_may_ask_for_it() {
    let piped = Piped::new(PathOptions::new(), Router::new());
    let client = piped.client().connect().await.unwrap();
    let session = client.session().clone();
    let (sender, mut dropped) = mpsc::unbounded_channel();
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
