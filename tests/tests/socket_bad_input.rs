//! Whatever a peer sends, it harms nobody else: real sockets, bytes that no client of ours would write.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline::{Context, Dialect, ErrorObject, HandlerError, Json, PathOptions, Router, Runtime, ServerHandle, ServerLimits};
use bowline_tests::sockets::{PATIENCE, Peer, Rig, masked_frame, until};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;
use tungstenite::Message;

#[derive(Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

struct Server {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Server {
    async fn start(runtime: &impl Runtime) -> Self {
        Self::with(runtime, PathOptions::new(), ServerLimits::new()).await
    }

    async fn with(runtime: &impl Runtime, options: PathOptions, limits: ServerLimits) -> Self {
        let router = || {
            Router::new()
                .method("add", async |p: Add| Ok::<_, ErrorObject>(p.a + p.b))
                .raw("echo", async |params: Option<Json<'static>>, _: Context| Ok::<_, ErrorObject>(params))
                .method_with("ask-me", async |(): (), cx: Context| -> Result<Value, HandlerError> {
                    Ok(json!({ "answer": cx.session().call::<Value>("question", ()).await? }))
                })
        };
        let strict = PathOptions::new().dialect(Dialect::Strict);
        let server = runtime.server().path_with("/", options, router()).path_with("/strict", strict, router()).limits(limits);
        let (address, handle) = runtime.serve(server.bind("127.0.0.1:0").await.unwrap());
        Self { address, handle }
    }

    fn connect(&self) -> Peer {
        Peer::connect(self.address, "/")
    }

    /// A session that has nothing to do with what happened before is served as if nothing had.
    fn serves_another(&self) {
        let mut other = self.connect();
        other.greet();
        works(&mut other);
    }
}

fn works(peer: &mut Peer) {
    assert_eq!(peer.call("add", &json!({ "a": 1, "b": 2 }))["result"]["value"], 3);
}

/// Each frame is answered with this code, and the session goes on.
async fn answered_with(runtime: &impl Runtime, code: i64, frames: &[(&str, Value)]) {
    let server = Server::start(runtime).await;
    let mut peer = server.connect();
    let session = peer.greet();
    for (frame, id) in frames {
        peer.text(frame);
        let answer = peer.read();
        assert_eq!((&answer["error"]["code"], &answer["id"], &answer["jsonrpc"]), (&json!(code), id, &json!("2.0")), "{frame}: {answer}");
        works(&mut peer);
    }
    assert_eq!(peer.call("connect", &json!({}))["result"]["sessionId"], json!(session));
    server.serves_another();
}

/// These bytes close the connection with this code, and the session can go on.
async fn closed_with(runtime: &impl Runtime, code: u16, bytes: &[u8]) {
    let server = Server::start(runtime).await;
    let mut peer = server.connect();
    let session = peer.greet();
    works(&mut peer);
    // The server may hang up before it has read all of them.
    peer.bytes(bytes);
    assert_eq!(peer.closed().map(|close| close.0), Some(code));
    let mut back = server.connect();
    assert_eq!(back.resume(&session)["result"]["value"], "reconnection successful");
    works(&mut back);
    server.serves_another();
}

async fn bad_json_is_a_parse_error(runtime: impl Runtime) {
    let null = Value::Null;
    answered_with(
        &runtime,
        -32700,
        &[
            ("{", null.clone()),
            ("", null.clone()),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,", null.clone()),
            ("{\"id\":01}", null),
            ("[1,", Value::Null),
        ],
    )
    .await;
}

async fn what_is_no_request_is_an_invalid_request(runtime: impl Runtime) {
    let null = Value::Null;
    answered_with(
        &runtime,
        -32600,
        &[
            ("5", null.clone()),
            ("\"connect\"", null.clone()),
            ("null", null.clone()),
            ("[]", null.clone()),
            ("{}", null.clone()),
            (r#"{"jsonrpc":"1.0","id":7,"method":"echo"}"#, json!(7)),
            (r#"{"jsonrpc":2.0,"id":7,"method":"echo"}"#, json!(7)),
            (r#"{"jsonrpc":"2.0","id":8,"method":5}"#, json!(8)),
            (r#"{"jsonrpc":"2.0","id":{},"method":"echo"}"#, null.clone()),
            (r#"{"jsonrpc":"2.0","id":[1],"method":"echo"}"#, null.clone()),
            (r#"{"jsonrpc":"2.0","id":true,"method":"echo"}"#, null),
        ],
    )
    .await;
}

async fn params_of_the_wrong_type_name_the_field(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    for path in ["/", "/strict"] {
        let mut peer = Peer::connect(server.address, path);
        for (params, field) in [(json!({ "a": "x", "b": 2 }), "`a`"), (json!({ "a": 1, "b": [] }), "`b`"), (json!({ "a": 1 }), "`b`")] {
            let error = peer.call("add", &params)["error"].clone();
            assert_eq!(error["code"], -32602, "{error}");
            assert!(error["message"].as_str().unwrap().contains(field), "{error}");
        }
    }
    server.serves_another();
}

async fn an_unknown_method_is_not_found(runtime: impl Runtime) {
    let long = "x".repeat(100_000);
    let frame = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"{long}"}}"#);
    answered_with(&runtime, -32601, &[(r#"{"jsonrpc":"2.0","id":"one","method":"nothing"}"#, json!("one")), (&frame, json!(2))]).await;
}

async fn answers_that_nobody_waits_for_are_dropped(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    let mut peer = server.connect();
    peer.greet();
    for answer in [
        r#"{"jsonrpc":"2.0","id":4711,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}"#,
    ] {
        peer.text(answer);
        works(&mut peer);
    }
    server.serves_another();
}

async fn the_second_answer_to_a_question_is_dropped(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    let mut peer = server.connect();
    peer.greet();
    let asking = peer.request("ask-me", &json!({}));
    let question = peer.read();
    assert_eq!(question["method"], "question");
    for answer in [1, 2] {
        peer.text(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "n": answer } }).to_string());
    }
    let answer = peer.read();
    assert_eq!((&answer["id"], &answer["result"]["answer"]["n"]), (&json!(asking), &json!(1)), "{answer}");
    works(&mut peer);
    server.serves_another();
}

async fn a_binary_frame_costs_the_connection_not_the_session(runtime: impl Runtime) {
    closed_with(&runtime, 1003, &masked_frame(0x82, b"{}")).await;
}

async fn two_megabytes_cost_the_connection_not_the_session(runtime: impl Runtime) {
    closed_with(&runtime, 1009, &masked_frame(0x81, &vec![b' '; 2 << 20])).await;
}

async fn two_megabytes_in_fragments_cost_the_connection_too(runtime: impl Runtime) {
    let mut bytes = masked_frame(0x01, &vec![b' '; 1 << 19]);
    for _ in 0..3 {
        bytes.extend(masked_frame(0x00, &vec![b' '; 1 << 19]));
    }
    closed_with(&runtime, 1009, &bytes).await;
}

async fn a_length_that_nobody_can_send_is_refused_before_it_comes(runtime: impl Runtime) {
    let mut head = vec![0x81, 0x80 | 127];
    head.extend_from_slice(&(1_u64 << 62).to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    closed_with(&runtime, 1009, &head).await;
}

async fn an_unmasked_frame_is_a_protocol_error(runtime: impl Runtime) {
    closed_with(&runtime, 1002, b"\x81\x02{}").await;
}

async fn reserved_opcodes_and_bits_are_protocol_errors(runtime: impl Runtime) {
    for first in [0x83, 0x8b, 0xc1, 0xa1, 0x91] {
        closed_with(&runtime, 1002, &masked_frame(first, b"{}")).await;
    }
}

async fn frames_out_of_their_order_are_protocol_errors(runtime: impl Runtime) {
    // A continuation of nothing, a new message inside another, a ping in fragments.
    closed_with(&runtime, 1002, &masked_frame(0x80, b"{}")).await;
    closed_with(&runtime, 1002, &[masked_frame(0x01, b"{"), masked_frame(0x81, b"{}")].concat()).await;
    closed_with(&runtime, 1002, &masked_frame(0x09, b"x")).await;
}

async fn text_that_is_no_utf_8_is_refused(runtime: impl Runtime) {
    closed_with(&runtime, 1007, &masked_frame(0x81, b"{\"jsonrpc\":\"\xff\"}")).await;
    // A character that is cut off, in the last fragment.
    closed_with(&runtime, 1007, &[masked_frame(0x01, b"{\"x\":\""), masked_frame(0x80, b"\xe2\x82")].concat()).await;
}

async fn a_close_frame_without_sense_ends_the_connection_and_nothing_else(runtime: impl Runtime) {
    for payload in [&b""[..], b"\x03", b"\x03\xe8bye", b"\x00\x00", b"\xff\xff\xff"] {
        let server = Server::start(&runtime).await;
        let mut peer = server.connect();
        let session = peer.greet();
        peer.bytes(&masked_frame(0x88, payload));
        peer.closed();
        assert_eq!(server.connect().resume(&session)["result"]["value"], "reconnection successful");
    }
}

async fn a_message_in_fragments_is_one_message(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    let mut peer = server.connect();
    peer.greet();
    let text = r#"{"jsonrpc":"2.0","id":77,"method":"echo","params":{"text":"äöü€"}}"#.as_bytes();
    let (last, rest) = text.split_last().unwrap();
    let mut bytes = masked_frame(0x01, b"");
    for byte in rest {
        bytes.extend(masked_frame(0x00, &[*byte]));
        // A ping may come between the fragments.
        bytes.extend(masked_frame(0x89, b"p"));
    }
    bytes.extend(masked_frame(0x80, &[*last]));
    assert!(peer.bytes(&bytes));
    let answer = peer.read();
    assert_eq!((&answer["id"], &answer["result"]["text"]), (&json!(77), &json!("äöü€")));
    server.serves_another();
}

async fn deep_nesting_is_answered(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let mut peer = server.connect();
        peer.greet();
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        for frame in [deep.clone(), format!(r#"{{"jsonrpc":"2.0","id":9,"method":"add","params":{deep}}}"#)] {
            peer.text(&frame);
            let answer = peer.read();
            // A batch of one that is no request is answered by a batch.
            let error = answer.get(0).unwrap_or(&answer)["error"]["code"].as_i64().unwrap();
            assert!((-32700..=-32600).contains(&error), "{answer}");
        }
        works(&mut peer);
    }
    server.serves_another();
}

async fn an_unknown_path_is_404(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    for path in ["/other", "/strict/", "//", "/%2e", "/?x/other/../.."] {
        let (head, _) = Peer::handshake(server.address, path, &[]).unwrap();
        assert_eq!(head.status, if path.starts_with("/?") { 101 } else { 404 }, "{path}");
    }
    server.serves_another();
}

async fn origins_are_checked(runtime: impl Runtime) {
    async fn status(runtime: &impl Runtime, options: PathOptions, origin: impl Fn(SocketAddr) -> String) -> u16 {
        let server = Server::with(runtime, options, ServerLimits::new()).await;
        let (head, _) = Peer::handshake(server.address, "/", &[("Origin", &origin(server.address))]).unwrap();
        server.serves_another();
        head.status
    }
    assert_eq!(status(&runtime, PathOptions::new(), |_| "http://elsewhere.example".into()).await, 403);
    assert_eq!(status(&runtime, PathOptions::new(), |_| "null".into()).await, 403);
    assert_eq!(status(&runtime, PathOptions::new(), |address| format!("http://{address}")).await, 101);
    assert_eq!(status(&runtime, PathOptions::new(), |address| address.to_string()).await, 101);
    assert_eq!(status(&runtime, PathOptions::new().allowed_origin("*"), |_| "http://elsewhere.example".into()).await, 101);
    assert_eq!(status(&runtime, PathOptions::new().allowed_origin("https://a.example"), |_| "https://a.example".into()).await, 101);
    assert_eq!(status(&runtime, PathOptions::new().allowed_origin("https://a.example"), |_| "http://a.example".into()).await, 403);
}

async fn a_handshake_that_never_ends_is_ended(runtime: impl Runtime) {
    let limits = || {
        let mut limits = ServerLimits::new();
        limits.handshake_timeout = Duration::from_millis(150);
        limits
    };
    for bytes in [&b""[..], b"G", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"] {
        let server = Server::with(&runtime, PathOptions::new(), limits()).await;
        let mut stream = Peer::open(server.address).unwrap();
        stream.write_all(bytes).unwrap();
        assert_eq!(Peer::read_head(&mut stream).unwrap().status, 408);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        server.serves_another();
    }
}

async fn unfinished_handshakes_are_bounded(runtime: impl Runtime) {
    let mut limits = ServerLimits::new();
    limits.max_handshakes = 4;
    let server = Server::with(&runtime, PathOptions::new(), limits).await;
    let waiting: Vec<_> = (0..5).map(|_| Peer::open(server.address).unwrap()).collect();
    let (send, answers) = mpsc::channel();
    for stream in &waiting {
        let (mut stream, send) = (stream.try_clone().unwrap(), send.clone());
        std::thread::spawn(move || send.send(Peer::read_head(&mut stream).map(|head| head.status)));
    }
    // One is too many; which one, they have settled among themselves.
    assert_eq!(answers.recv_timeout(PATIENCE).unwrap().unwrap(), 503);
    for stream in waiting {
        // The thread has the other handle.
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
    // The places are free when the server has seen those connections end.
    until(|| Peer::handshake(server.address, "/", &[]).map_or(0, |(head, _)| head.status) == 101).await;
    server.serves_another();
}

async fn a_head_that_stops_is_nothing(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    for length in [0, 1, 10, 40] {
        let mut stream = Peer::open(server.address).unwrap();
        stream.write_all(&b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket"[..length]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
    }
    server.serves_another();
    assert_eq!(server.handle.session_count(), 1);
}

async fn what_is_no_handshake_is_refused_with_a_status(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    let huge = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(500));
    for (request, status) in [
        (huge.as_str(), 431),
        (&many, 431),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
    ] {
        let mut stream = Peer::open(server.address).unwrap();
        // The server may answer before it has read all.
        let _ = stream.write_all(request.as_bytes());
        assert_eq!(Peer::read_head(&mut stream).unwrap().status, status, "{request:.60}");
    }
    server.serves_another();
}

async fn a_session_that_is_not_ours_is_unknown_and_the_connection_can_be_used(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    let mut peer = server.connect();
    for session in ["3f0b1a52-6d1c-4d0e-9a57-0123456789ab", "x", "", &"y".repeat(10_000)] {
        assert_eq!(peer.resume(session)["error"]["code"], 40007, "{session:.40}");
    }
    peer.greet();
    works(&mut peer);
    server.serves_another();
}

async fn a_session_of_another_path_is_not_found(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    let session = server.connect().greet();
    assert_eq!(Peer::connect(server.address, "/strict").resume(&session)["error"]["code"], 40007);
    assert_eq!(server.connect().resume(&session)["result"]["value"], "reconnection successful");
}

async fn whoever_guesses_session_ids_is_shown_out(runtime: impl Runtime) {
    let server = Server::start(&runtime).await;
    let mut peer = server.connect();
    for number in 0..40 {
        let text = json!({ "jsonrpc": "2.0", "id": number, "method": "connect", "params": { "sessionId": format!("guess {number}") } });
        // The server hangs up under way.
        peer.message(Message::text(text.to_string()));
    }
    for number in 0..8 {
        let answer = peer.read();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(number), &json!(40007)));
    }
    assert_eq!(peer.closed().map(|close| close.0), Some(1008));
    server.serves_another();
}

bowline_tests::both![
    bad_json_is_a_parse_error,
    what_is_no_request_is_an_invalid_request,
    params_of_the_wrong_type_name_the_field,
    an_unknown_method_is_not_found,
    answers_that_nobody_waits_for_are_dropped,
    the_second_answer_to_a_question_is_dropped,
    a_binary_frame_costs_the_connection_not_the_session,
    two_megabytes_cost_the_connection_not_the_session,
    two_megabytes_in_fragments_cost_the_connection_too,
    a_length_that_nobody_can_send_is_refused_before_it_comes,
    an_unmasked_frame_is_a_protocol_error,
    reserved_opcodes_and_bits_are_protocol_errors,
    frames_out_of_their_order_are_protocol_errors,
    text_that_is_no_utf_8_is_refused,
    a_close_frame_without_sense_ends_the_connection_and_nothing_else,
    a_message_in_fragments_is_one_message,
    deep_nesting_is_answered,
    an_unknown_path_is_404,
    origins_are_checked,
    a_handshake_that_never_ends_is_ended,
    unfinished_handshakes_are_bounded,
    a_head_that_stops_is_nothing,
    what_is_no_handshake_is_refused_with_a_status,
    a_session_that_is_not_ours_is_unknown_and_the_connection_can_be_used,
    a_session_of_another_path_is_not_found,
    whoever_guesses_session_ids_is_shown_out,
];
