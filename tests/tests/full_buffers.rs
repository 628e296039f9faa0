//! Two sides whose buffers are full, over real sockets: an answer finds its way, and nobody waits for longer than it takes.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use async_channel::{Sender, unbounded};
use bowline::{Context, ErrorObject, Handler, HandlerError, Limits, PathOptions, Router, Session, Transaction};
use bowline_tests::sockets::{Peer, Rig, Watched, soon};
use futures_util::FutureExt;
use futures_util::future::{join_all, pending};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How often a handler has to be done.
const TIMES: usize = 3000;

/// The service of the side that is flooded, whose handlers ask back, with how many are done.
fn asking() -> (Router, Arc<Watched<usize>>) {
    let done = Arc::new(Watched::new(0));
    let count = Arc::clone(&done);
    let router = Router::new().method_with("flood", move |_: u32, context: Context| {
        let count = Arc::clone(&count);
        async move {
            context.session().call::<u32>("back", ()).await.map_err(|error| ErrorObject::new(1, error.to_string()))?;
            count.update(|done| *done += 1);
            Ok::<_, ErrorObject>(())
        }
    });
    (router, done)
}

fn asked() -> Router {
    Router::new().method("back", async |(): ()| Ok::<_, ErrorObject>(1))
}

/// Notifies without end, until told to stop.
async fn flood(session: Session, stop: Arc<AtomicBool>) {
    let mut n = 0_u32;
    while !stop.load(Ordering::Relaxed) && session.notify("flood", n).await.is_ok() {
        n += 1;
    }
}

async fn a_server_that_floods_a_client_whose_handlers_ask_back<R: Rig>(runtime: R) {
    let (open, opened) = unbounded();
    let noisy = async |(): (), context: Context| {
        // With or without room.
        let _ = context.session().try_notify("news", ());
        Ok::<_, ErrorObject>(())
    };
    let router = asked().method_with("noisy", noisy).on_open(move |session| drop(open.try_send(session.clone())));
    let (address, _server) = runtime.serve(runtime.server().path("/", router).bind("127.0.0.1:0").await.unwrap());
    let (service, done) = asking();
    let client = runtime.client(&format!("ws://{address}/")).service(service).connect().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    // What another handler has said before its answer keeps that, and none behind it.
    let asks = client.clone();
    runtime.spawn(async move { while asks.call::<()>("noisy", ()).await.is_ok() {} });
    let flooding = runtime.start(flood(opened.recv().await.unwrap(), Arc::clone(&stop)));
    soon(done.wait_for(|done| *done >= TIMES)).await;
    stop.store(true, Ordering::Relaxed);
    soon(flooding).await;
    client.close().await;
}

async fn a_client_that_floods_a_server_whose_handlers_ask_back<R: Rig>(runtime: R) {
    let (service, done) = asking();
    let (address, _server) = runtime.serve(runtime.server().path("/", service).bind("127.0.0.1:0").await.unwrap());
    let client = runtime.client(&format!("ws://{address}/")).service(asked()).connect().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = runtime.start(flood(client.session().clone(), Arc::clone(&stop)));
    soon(done.wait_for(|done| *done >= TIMES)).await;
    stop.store(true, Ordering::Relaxed);
    soon(flooding).await;
    client.close().await;
}

async fn both_sides_call_at_once<R: Rig>(runtime: R) {
    for (in_flight, outbox_messages) in [(1024, 1024), (256, 1024), (64, 64), (16, 16)] {
        let limits = Limits { in_flight, outbox_messages, ..Limits::default() };
        let echo = || Router::new().method("echo", async |n: u32| Ok::<_, ErrorObject>(n));
        let (open, opened) = unbounded();
        let router = echo().on_open(move |session| drop(open.try_send(session.clone())));
        let server = runtime.server().path_with("/", PathOptions::new().limits(limits.clone()), router);
        let (address, _server) = runtime.serve(server.bind("127.0.0.1:0").await.unwrap());
        let client = runtime.client(&format!("ws://{address}/")).limits(limits).service(echo()).connect().await.unwrap();
        let mut calls = Vec::new();
        for session in [client.session().clone(), opened.recv().await.unwrap()] {
            calls.extend((0..1000).map(|n| {
                let session = session.clone();
                runtime.start(async move { session.call::<u32>("echo", n).await.unwrap() == n })
            }));
        }
        assert!(soon(join_all(calls)).await.into_iter().all(|right| right));
        client.close().await;
    }
}

async fn one_call_more_than_may_be_out<R: Rig>(runtime: R) {
    let (service, done) = asking();
    let (address, _server) = runtime.serve(runtime.server().path("/", service).bind("127.0.0.1:0").await.unwrap());
    let limits = Limits { calls: 2, ..Limits::default() };
    let client = runtime.client(&format!("ws://{address}/")).limits(limits).service(asked()).connect().await.unwrap();
    soon(join_all((0..3).map(|n| client.call::<()>("flood", n)))).await.into_iter().for_each(Result::unwrap);
    assert_eq!(done.get(), 3);
    client.close().await;
}

/// How a handler ends that has said something for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Returns,
    Answers,
    AnswersLater,
    Drops,
}

struct Noisy {
    end: End,
    opened: Sender<Session>,
    said: Arc<Watched<bool>>,
}

impl Handler for Noisy {
    async fn handle(self: Arc<Self>, tx: Transaction) -> Result<(), HandlerError> {
        if tx.method() == "noisy" {
            tx.session().try_notify("news", ())?;
            match self.end {
                End::Returns => {}
                End::Answers => tx.respond(&1)?,
                End::AnswersLater => tx.start_async().respond(&1)?,
                End::Drops => drop(tx.start_async()),
            }
            self.said.update(|said| *said = true);
        } else {
            tx.respond(&1)?;
        }
        Ok(())
    }

    fn session_opened(&self, session: &Session) {
        let _ = self.opened.try_send(session.clone());
    }
}

/// The server may have one call out, and what ends that is its answer to another request, behind one whose handler has said something.
async fn a_request_behind_one_whose_answer_has_to_wait<R: Rig>(runtime: R) {
    for end in [End::Returns, End::Answers, End::AnswersLater, End::Drops] {
        for notifies in [false, true] {
            let (open, opened) = unbounded();
            let said = Arc::new(Watched::new(false));
            let limits = Limits { calls: 1, ..Limits::default() };
            let noisy = Noisy { end, opened: open, said: Arc::clone(&said) };
            let server = runtime.server().path_with("/", PathOptions::new().limits(limits), noisy);
            let (address, _server) = runtime.serve(server.bind("127.0.0.1:0").await.unwrap());
            let service = Router::new().method_with("ask", move |(): (), context: Context| {
                let said = Arc::clone(&said);
                async move {
                    let session = context.session().clone();
                    let mut noisy = Box::pin(session.call::<Option<u32>>("noisy", ()));
                    if notifies {
                        session.notify("noisy", ()).await?;
                    } else {
                        assert_eq!((&mut noisy).now_or_never(), None);
                    }
                    said.wait_for(|said| *said).await;
                    Ok::<_, HandlerError>(session.call::<u32>("back", ()).await?)
                }
            });
            let client = runtime.client(&format!("ws://{address}/")).service(service).connect().await.unwrap();
            let session = opened.recv().await.unwrap();
            assert_eq!(soon(session.call("ask", ())).await, Ok(1), "{end:?}, {notifies}");
            client.close().await;
        }
    }
}

/// The same for a call of the handler's own, for which there was no room.
async fn a_call_that_is_given_up_keeps_no_answer<R: Rig>(runtime: R) {
    let (open, opened) = unbounded();
    let back = async |(): (), context: Context| {
        assert_eq!(context.session().call::<u32>("other", ()).now_or_never(), None);
        Ok::<_, ErrorObject>(1)
    };
    let router = Router::new().method_with("back", back).on_open(move |session| drop(open.try_send(session.clone())));
    let limits = Limits { calls: 1, ..Limits::default() };
    let server = runtime.server().path_with("/", PathOptions::new().limits(limits), router);
    let (address, _server) = runtime.serve(server.bind("127.0.0.1:0").await.unwrap());
    let service = Router::new().method_with("ask", async |(): (), context: Context| -> Result<u32, HandlerError> {
        Ok(context.session().call("back", ()).await?)
    });
    let client = runtime.client(&format!("ws://{address}/")).service(service).connect().await.unwrap();
    let session = opened.recv().await.unwrap();
    assert_eq!(soon(session.call("ask", ())).await, Ok(1));
    client.close().await;
}

async fn calls_that_are_given_up_keep_no_room<R: Rig>(runtime: R) {
    let service = Router::new().method("hang", |(): ()| pending::<Result<(), ErrorObject>>());
    let (address, _server) = runtime.serve(runtime.server().path("/", service).bind("127.0.0.1:0").await.unwrap());
    let limits = Limits { calls: 1, ..Limits::default() };
    let client = runtime.client(&format!("ws://{address}/")).limits(limits).connect().await.unwrap();
    let mut hanging = Box::pin(client.call::<()>("hang", ()));
    for _ in 0..1000 {
        assert_eq!((&mut hanging).now_or_never(), None);
        assert_eq!(client.call::<()>("other", ()).now_or_never(), None);
    }
    assert_eq!(client.try_notify("news", ()), Ok(()));
}

/// A client that acknowledges nothing lets its server keep one long answer after the other: those that wait behind what their handlers have said, too.
async fn long_answers_behind_what_their_handlers_have_said_let_no_more_start<R: Rig>(runtime: R) {
    let started = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&started);
    let noisy = move |length: usize, context: Context| {
        count.fetch_add(1, Ordering::Relaxed);
        let _ = context.session().try_notify("news", ());
        async move { Ok::<_, ErrorObject>("x".repeat(length)) }
    };
    let router = Router::new().method_with("noisy", noisy);
    let (address, _server) = runtime.serve(runtime.server().path("/", router).bind("127.0.0.1:0").await.unwrap());
    let mut peer = Peer::connect(address, "/");
    peer.call("connect", &json!({ "resume": { "received": 0 } }));
    for _ in 0..250 {
        peer.request("noisy", &json!({ "value": 500_000 }));
    }
    // What is read behind them has found them all, and has let some time pass since.
    for _ in 0..10 {
        peer.call("ping", &json!({}));
    }
    let started = started.load(Ordering::Relaxed);
    assert!(started <= 4, "{started}");
}

bowline_tests::both![
    a_request_behind_one_whose_answer_has_to_wait,
    a_call_that_is_given_up_keeps_no_answer,
    calls_that_are_given_up_keep_no_room,
    a_server_that_floods_a_client_whose_handlers_ask_back,
    a_client_that_floods_a_server_whose_handlers_ask_back,
    both_sides_call_at_once,
    one_call_more_than_may_be_out,
    long_answers_behind_what_their_handlers_have_said_let_no_more_start,
];
