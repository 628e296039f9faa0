//! In what order the sessions of a thread read and write.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline::{Context as Cx, ErrorObject, Json, Router};
use bowline_tests::raw_frame::{Length, RawFrame};
use bowline_tests::sockets::Rig;
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{AsyncRead, AsyncWrite};
use serde_json::Value;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// Which connection has read, and which has written.
type Log = Arc<Mutex<Vec<(&'static str, usize)>>>;

/// Bytes on their way to one end.
#[derive(Default)]
struct Way {
    bytes: Vec<u8>,
    waiting: Option<Waker>,
}

/// The server's end of a connection, which notes what goes through it.
#[derive(Clone)]
struct Noted {
    number: usize,
    there: Arc<Mutex<Way>>,
    here: Arc<Mutex<Way>>,
    log: Log,
}

impl AsyncRead for Noted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut way = self.there.lock().unwrap();
        if way.bytes.is_empty() {
            way.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.log.lock().unwrap().push(("read", self.number));
        let n = buffer.len().min(way.bytes.len());
        buffer[..n].copy_from_slice(&way.bytes[..n]);
        way.bytes.drain(..n);
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Noted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.log.lock().unwrap().push(("write", self.number));
        self.here.lock().unwrap().bytes.extend_from_slice(buffer);
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A few connections of one thread, which runs them only when it is told to.
struct Thread {
    serving: FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>>,
    connections: Vec<Noted>,
    log: Log,
}

impl Thread {
    async fn new(runtime: &impl Rig, connections: usize) -> Self {
        let router = Router::new().raw("echo", async |params: Option<Json<'static>>, _: Cx| Ok::<_, ErrorObject>(params));
        let acceptor = Arc::new(runtime.server().path("/", router).build().unwrap());
        let mut thread = Self { serving: FuturesUnordered::new(), connections: Vec::new(), log: Log::default() };
        for number in 0..connections {
            let noted = Noted { number, there: Arc::default(), here: Arc::default(), log: Arc::clone(&thread.log) };
            thread.connections.push(noted.clone());
            let acceptor = Arc::clone(&acceptor);
            thread.serving.push(Box::pin(async move { acceptor.serve_stream(Box::new(noted), None).await }));
        }
        let hello = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        for number in 0..connections {
            thread.send(number, hello);
        }
        thread.run().await;
        for number in 0..connections {
            assert!(thread.received(number).starts_with(b"HTTP/1.1 101"));
            thread.text(number, r#"{"jsonrpc":"2.0","id":1,"method":"connect"}"#);
        }
        thread.run().await;
        (0..connections).for_each(|number| assert!(!thread.received(number).is_empty()));
        thread.noted();
        thread
    }

    fn send(&self, number: usize, bytes: &[u8]) {
        let mut way = self.connections[number].there.lock().unwrap();
        way.bytes.extend_from_slice(bytes);
        if let Some(waker) = way.waiting.take() {
            waker.wake();
        }
    }

    fn text(&self, number: usize, text: &str) {
        let mut frame = Vec::new();
        RawFrame { first: 0x81, mask: Some([1, 2, 3, 4]), length: Length::Shortest, payload: text.as_bytes() }.write(&mut frame);
        self.send(number, &frame);
    }

    /// Asks for an echo of so many bytes.
    fn ask(&self, number: usize, id: u32, bytes: usize) {
        self.text(number, &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"echo","params":["{}"]}}"#, "x".repeat(bytes)));
    }

    /// Lets all run until nobody has anything to do.
    async fn run(&mut self) {
        poll_fn(|cx| {
            // It leaves off in between, and says so to whoever runs it.
            (0..100).for_each(|_| assert!(self.serving.poll_next_unpin(cx).is_pending()));
            Poll::Ready(())
        })
        .await;
    }

    /// What has come to the client.
    fn received(&self, number: usize) -> Vec<u8> {
        std::mem::take(&mut self.connections[number].here.lock().unwrap().bytes)
    }

    /// What has happened since the last time.
    fn noted(&self) -> Vec<(&'static str, usize)> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

async fn sessions_that_are_woken_together_read_first_and_then_write(runtime: impl Rig) {
    let mut thread = Thread::new(&runtime, 3).await;
    for id in 2..100 {
        (0..3).for_each(|number| thread.ask(number, id, 100));
        thread.run().await;
        let noted = thread.noted();
        let (reads, writes) = noted.split_at(3);
        assert!(reads.iter().all(|(what, _)| *what == "read") && writes.iter().all(|(what, _)| *what == "write"), "{noted:?}");
        for number in 0..3 {
            let answer = thread.received(number);
            let answer: Value = serde_json::from_slice(&answer[answer.iter().position(|byte| *byte == b'{').unwrap()..]).unwrap();
            assert_eq!(answer["id"], id);
        }
    }
}

async fn a_long_answer_waits_for_nobody(runtime: impl Rig) {
    let mut thread = Thread::new(&runtime, 3).await;
    for id in 2..20 {
        (0..3).for_each(|number| thread.ask(number, id, 10_000));
        thread.run().await;
        let noted = thread.noted();
        assert_eq!(noted.len(), 6);
        assert!(noted.chunks(2).all(|pair| pair[0].0 == "read" && pair[1] == ("write", pair[0].1)), "{noted:?}");
        (0..3).for_each(|number| drop(thread.received(number)));
    }
}

async fn a_session_alone_is_answered_each_time(runtime: impl Rig) {
    let mut thread = Thread::new(&runtime, 2).await;
    for id in 2..300 {
        thread.ask(0, id, 100);
        thread.run().await;
        assert_eq!(thread.noted(), [("read", 0), ("write", 0)]);
        assert!(!thread.received(0).is_empty());
    }
}

bowline_tests::both![
    sessions_that_are_woken_together_read_first_and_then_write,
    a_long_answer_waits_for_nobody,
    a_session_alone_is_answered_each_time,
];
