//! A peer that is busy and far away: what a side says by itself has its turn beside the answers that are under way.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use async_channel::unbounded;
use bowline::{Client, Context, ErrorObject, Router};
use bowline_tests::sockets::{PATIENCE, Rig, Watched, soon};
use futures_util::future::RemoteHandle;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// How long everything is under way, each way.
const DELAY: Duration = Duration::from_millis(50);
/// So many calls are out at any time, with answers of 2 KB: 600 KB are never acknowledged, and a buffer has 256 KiB.
const CALLS: usize = 300;

/// A network on which everything is under way for a while.
fn far(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(to).unwrap());
            near.set_nodelay(true).unwrap();
            far.set_nodelay(true).unwrap();
            for (from, into) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                carry(from, into);
            }
        }
    });
    address
}

fn carry(mut from: TcpStream, mut into: TcpStream) {
    let (send, receive) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let _ = send.send((Instant::now() + DELAY, buffer[..n].to_vec()));
        }
    });
    thread::spawn(move || {
        for (at, bytes) in receive {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if into.write_all(&bytes).is_err() {
                break;
            }
        }
    });
}

fn texts() -> Router {
    Router::new().method("text", async |(): ()| Ok::<_, ErrorObject>("x".repeat(2000)))
}

/// Calls without end, and waits until all are well under way.
async fn busy<R: Rig>(runtime: &R, client: &Client) -> Vec<RemoteHandle<()>> {
    let answered = Arc::new(Watched::new(0_usize));
    let calling = (0..CALLS).map(|_| {
        let (client, answered) = (client.clone(), Arc::clone(&answered));
        runtime.start(async move {
            while client.call::<String>("text", ()).await.is_ok() {
                answered.update(|answered| *answered += 1);
            }
        })
    });
    let calling = calling.collect();
    soon(answered.wait_for(|answered| *answered >= 5 * CALLS)).await;
    calling
}

async fn notifications_come_beside_the_answers<R: Rig>(runtime: R) {
    let come = Arc::new(Watched::new(0_u32));
    let count = Arc::clone(&come);
    let news = Router::new().method("news", move |(): ()| {
        count.update(|come| *come += 1);
        async { Ok::<_, ErrorObject>(()) }
    });
    let (open, opened) = unbounded();
    let router = texts().on_open(move |session| drop(open.try_send(session.clone())));
    let (address, _server) = runtime.serve(runtime.server().path("/", router).bind("127.0.0.1:0").await.unwrap());
    let client = runtime.client(&format!("ws://{}/", far(address))).service(news).connect().await.unwrap();
    let session = opened.recv().await.unwrap();
    let _calling = busy(&runtime, &client).await;
    let _notifying = runtime.start(async move { while session.notify("news", ()).await.is_ok() {} });
    soon(come.wait_for(|come| *come >= 10)).await;
}

async fn a_handlers_call_is_made_beside_the_answers<R: Rig>(runtime: R) {
    let back = Router::new().method("back", async |(): ()| Ok::<_, ErrorObject>(1_u32));
    let router = texts().method_with("asks", async |(): (), context: Context| {
        context.start_async();
        let answer = context.session().call_with_timeout::<u32>("back", (), PATIENCE).await;
        answer.map_err(|error| ErrorObject::new(1, error.to_string()))
    });
    let (address, _server) = runtime.serve(runtime.server().path("/", router).bind("127.0.0.1:0").await.unwrap());
    let client = runtime.client(&format!("ws://{}/", far(address))).service(back).connect().await.unwrap();
    let _calling = busy(&runtime, &client).await;
    assert_eq!(client.call::<u32>("asks", ()).await, Ok(1));
}

bowline_tests::both![notifications_come_beside_the_answers, a_handlers_call_is_made_beside_the_answers];
