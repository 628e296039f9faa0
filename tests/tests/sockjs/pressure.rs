//! Clients that ask for much, take little, or guess, and the longest messages.

use super::{Polling, SHORT, list, messages, options, polling, request, router, served};
use bowline::{ErrorObject, PathOptions, ServerLimits, SockJsOptions, StatusCode};
use bowline_tests::sockets::{Http, Peer, Rig, Wire, masked_frame, soon};
use futures_util::{AsyncRead, AsyncWrite};
use serde_json::{Value, json};
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{iter, thread};
use tungstenite::Message;

/// As sockjs-client writes a message: what is beyond the first plane as two escapes.
fn quoted_by_the_client(text: &str) -> String {
    let quoted = json!(text).to_string();
    let units = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    quoted.chars().map(|c| if c > '\u{ffff}' { units(c) } else { c.to_string() }).collect()
}

async fn a_message_that_is_not_too_long_comes_however_it_is_written(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options().allowed_origin("*")).await;
    let message = request(1, "echo", json!({ "value": "\u{1f600}".repeat(250_000) }));
    let payload = format!("[{}]", quoted_by_the_client(&message));
    assert!(message.len() > 1_000_000 && message.len() <= 1024 * 1024 && payload.len() > 2_900_000);
    assert_eq!(polling(address, "post").post(&payload).status, 204);
    let mut carried = runtime.opener().connect(address, "/rpc/0/0/websocket");
    assert_eq!(carried.message_in(), Message::text("o"));
    carried.text(&payload);
    let Message::Text(frame) = carried.message_in() else { panic!("it is answered") };
    assert_eq!(messages(&frame)[0]["id"], 1);
    let _form = polling(address, "form");
    let form = format!("d={}", payload.replace('%', "%25").replace('\\', "%5C").replace('"', "%22").replace('&', "%26"));
    let mut send = Http::connect(address).with("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(send.ask("POST", "/rpc/0/form/jsonp_send", &form).status, 200);

    // All that a client had to say meanwhile comes at once.
    let long: Vec<_> = (0..4).map(|id| request(id, "echo", json!({ "value": "x".repeat(900_000) }))).collect();
    assert_eq!(polling(address, "many").post(&list(&long)).status, 413);
    let (address, _server) = served(&runtime, PathOptions::new().sockjs(SockJsOptions::new().max_post(4_000_000))).await;
    let mut client = polling(address, "many");
    assert_eq!(client.post(&list(&long)).status, 204);
    for id in 0..4 {
        assert_eq!(client.next()["id"], id);
    }
}

async fn who_guesses_is_slowed_down(runtime: impl Wire) {
    let mut limits = ServerLimits::new();
    (limits.failed_connects, limits.failed_connects_per_second) = (10, 1);
    let server = runtime.server().path_with("/rpc", options(), router()).limits(limits);
    let server = server.intercept(|head, _| if head.header("x-refuse").is_some() { Err(StatusCode::UNAUTHORIZED) } else { Ok(()) });
    let (address, _server) = runtime.serve(runtime.listen(server, "127.0.0.1:0").await.unwrap());
    let mut client = polling(address, "mine");
    let mut statuses = Vec::new();
    // With messages and without, and where it would begin a session, but may not.
    for (url, body) in iter::repeat_n([("xhr_send", "[]"), ("xhr_send", ""), ("xhr", "")], 20).flatten() {
        let mut http = Http::connect(address).with("X-Refuse", "1");
        let answer = http.ask("POST", &format!("/rpc/0/guess/{url}"), body);
        assert_eq!(answer.header("connection"), Some("close"), "each costs a connection");
        statuses.push(answer.status);
    }
    assert_eq!(statuses[..6], [404, 404, 401, 404, 404, 401]);
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(client.call("echo", json!({ "value": "still here" }))["result"]["value"], "still here");
}

async fn a_carried_session_that_is_cut_off_does_not_end_as_if_that_was_all(runtime: impl Wire) {
    let sockjs = SockJsOptions::new().disconnect_delay(SHORT);
    let (address, _server) = served(&runtime, PathOptions::new().max_message_size(20_000_000).sockjs(sockjs)).await;
    let mut peer = runtime.opener().connect(address, "/rpc/0/cut/websocket");
    assert_eq!(peer.message_in(), Message::text("o"));
    peer.text(&list(&[request(1, "echo", json!({ "value": "x".repeat(15_000_000) }))]));
    runtime.sleep(SHORT * 2).await;
    peer.text(&list(&[request(2, "closeSession", json!({}))]));
    runtime.sleep(SHORT * 3).await;
    let Message::Text(text) = peer.message_in() else { panic!("no text") };
    assert_eq!(messages(&text)[0]["id"], 1);
    let last = peer.message_in();
    if let Message::Text(text) = last {
        // On a slow machine it was not too late yet.
        assert_eq!(messages(&text)[0]["result"], "bye");
    } else {
        let Message::Close(Some(frame)) = last else { panic!("{last:?}") };
        assert_ne!(u16::from(frame.code), 1000, "the answer to 2 and the close frame are missing");
    }
}

/// A connection over which the same request comes again and again, at once.
struct Asking(usize);

impl AsyncRead for Asking {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        const REQUEST: &[u8] = b"GET /rpc HTTP/1.1\r\nHost: h\r\n\r\n";
        for byte in &mut *buf {
            *byte = REQUEST[self.0 % REQUEST.len()];
            self.0 += 1;
        }
        Poll::Ready(Ok(buf.len()))
    }
}

impl AsyncWrite for Asking {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

async fn who_asks_without_end_lets_others_ask(runtime: impl Wire) {
    let acceptor = runtime.server().path_with("/rpc", options(), router()).build().unwrap();
    let polled = runtime.start(async move {
        let mut serving = pin!(acceptor.serve_stream(Box::new(Asking(0)), None));
        poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx).is_pending())).await
    });
    assert!(soon(polled).await, "it is polled once");
}

/// Reads so many bytes, no more than 2.5 MB a second.
fn slowly(stream: &mut impl Read, length: usize) -> Vec<u8> {
    let (mut bytes, begun) = (Vec::new(), Instant::now());
    while bytes.len() < length {
        let mut chunk = vec![0; 50_000.min(length - bytes.len())];
        stream.read_exact(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk);
        let due = begun + Duration::from_millis(bytes.len() as u64 / 2500);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    bytes
}

/// More than the system takes for a client that does not read.
const LONG: usize = 15_000_000;

fn watched() -> PathOptions {
    PathOptions::new().max_message_size(20_000_000).sockjs(SockJsOptions::new()).ping_watchdog()
}

/// Has the watchdog judge after three of these.
fn ping() -> String {
    request(1, "ping", json!({ "interval": 1000 }))
}

fn long() -> String {
    request(7, "echo", json!({ "value": "x".repeat(LONG) }))
}

async fn a_watchdog_lets_a_carried_client_take_a_long_message(runtime: impl Wire) {
    let (address, _server) = served(&runtime, watched()).await;
    let (head, mut stream) = Peer::handshake(address, "/rpc/0/0/websocket", &[]).unwrap();
    assert_eq!(head.status, 101);
    for text in [ping(), long()] {
        stream.write_all(&masked_frame(0x81, list(&[text]).as_bytes())).unwrap();
    }
    slowly(&mut stream, LONG);
    stream.write_all(&masked_frame(0x8a, b"")).unwrap();
    stream.write_all(&masked_frame(0x81, list(&[request(8, "echo", json!({ "value": "here" }))]).as_bytes())).unwrap();
    let (mut rest, mut chunk) = (String::new(), [0; 4096]);
    while !rest.contains("here") {
        assert!(!rest.contains("Close for"), "{rest:?}");
        let n = stream.read(&mut chunk).unwrap();
        assert_ne!(n, 0, "it has ended: {rest:?}");
        rest.push_str(&String::from_utf8_lossy(&chunk[..n]));
    }
}

async fn a_watchdog_lets_a_client_that_polls_take_a_long_message(runtime: impl Wire) {
    let (address, _server) = served(&runtime, watched()).await;
    let mut client = polling(address, "slow");
    assert_eq!(client.post(&list(&[ping()])).status, 204);
    assert_eq!(messages(&client.poll())[0]["id"], 1);
    let xhr = format!("{}/xhr", client.url);
    client.receive.send("POST", &xhr, "");
    assert_eq!(client.post(&list(&[long()])).status, 204);
    let mut length = client.receive.length();
    while length == 2 {
        assert_eq!(client.receive.take(2), "h\n");
        client.receive.send("POST", &xhr, "");
        length = client.receive.length();
    }
    slowly(&mut client.receive.stream, length);
    assert_eq!(client.poll(), "h\n");
}

async fn what_was_taken_is_not_answered_with_404(runtime: impl Wire) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let router = router().method("count", move |_: Value| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, ErrorObject>(1) }
    });
    let server = runtime.server().path_with("/rpc", options(), router);
    let (address, _server) = runtime.serve(runtime.listen(server, "127.0.0.1:0").await.unwrap());
    // The session ends while the list comes; which of the two is first is the system's affair.
    for n in 0..5 {
        count.store(0, Ordering::SeqCst);
        let mut client = polling(address, &format!("taken{n}"));
        client.call("echo", json!({ "value": "a" }));
        client.receive.send("POST", &format!("{}/xhr", client.url), "");
        runtime.sleep(SHORT / 4).await;
        let all: Vec<String> = (10..910).map(|id| request(id, "count", json!({ "value": 1 }))).collect();
        client.send.send("POST", &format!("{}/xhr_send", client.url), &list(&all));
        let Polling { receive, mut send, .. } = client;
        drop(receive);
        let status = send.answer().status;
        runtime.sleep(SHORT).await;
        let seen = count.load(Ordering::SeqCst);
        assert!(status == 204 || seen == 0, "{status} {seen}");
    }
}

async fn connections_that_linger_are_bounded(runtime: impl Wire) {
    let mut limits = ServerLimits::new();
    limits.max_handshakes = 4;
    let server = runtime.server().path_with("/rpc", options(), router()).limits(limits);
    let (address, _server) = runtime.serve(runtime.listen(server, "127.0.0.1:0").await.unwrap());
    let mut kept = Vec::new();
    let served = (0..50).filter(|_| {
        let mut http = Http::connect(address).with("Connection", "close");
        http.send("GET", "/rpc", "");
        let is_served = http.answer().status == 200;
        kept.push(http);
        is_served
    });
    assert!(served.count() < 50, "four may be there at once");
}

bowline_tests::both![
    a_message_that_is_not_too_long_comes_however_it_is_written,
    who_guesses_is_slowed_down,
    a_carried_session_that_is_cut_off_does_not_end_as_if_that_was_all,
    who_asks_without_end_lets_others_ask,
    a_watchdog_lets_a_carried_client_take_a_long_message,
    a_watchdog_lets_a_client_that_polls_take_a_long_message,
    what_was_taken_is_not_answered_with_404,
    connections_that_linger_are_bounded,
];
