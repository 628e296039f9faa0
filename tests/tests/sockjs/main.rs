//! SockJS over real sockets (PROTOCOL 8), on both runtimes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

mod pressure;

use bowline::{Context, ErrorObject, PathOptions, Router, ServerLimits, SockJsOptions, StatusCode, TransportKind};
use bowline_tests::sockets::{Answer, Http, PATIENCE, Rig, Wire, masked_frame, soon, until};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tungstenite::Message;

/// Long enough for what is to come at once, and short enough to be waited for.
const SHORT: Duration = Duration::from_millis(400);

fn router() -> Router {
    Router::new()
        .method("echo", async |text: String| Ok::<_, ErrorObject>(text))
        .method_with("tell", async |n: u32, cx: Context| {
            for i in 0..n {
                cx.session().notify("told", json!({ "n": i })).await.map_err(|_| ErrorObject::new(1, "gone"))?;
            }
            Ok::<_, ErrorObject>(n)
        })
        .method_with("kind", async |_: Value, cx: Context| {
            let transport = cx.session().transport();
            Ok::<_, ErrorObject>(json!([transport.map(|info| info.kind.as_str().to_owned()), cx.session().path()]))
        })
}

fn options() -> PathOptions {
    PathOptions::new().sockjs(SockJsOptions::new())
}

async fn served<R: Wire>(runtime: &R, options: PathOptions) -> (SocketAddr, bowline::ServerHandle) {
    let server = runtime.server().path_with("/rpc", options, router());
    runtime.serve(runtime.listen(server, "127.0.0.1:0").await.unwrap())
}

fn request(id: u32, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

/// A list of messages, as a client posts it.
fn list(messages: &[String]) -> String {
    json!(messages).to_string()
}

/// The messages in a frame `a[…]`.
fn messages(frame: &str) -> Vec<Value> {
    let list = frame.trim_end().strip_prefix('a').unwrap_or_else(|| panic!("no messages: {frame}"));
    let texts: Vec<String> = serde_json::from_str(list).unwrap();
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// A client that polls: one connection for each direction.
struct Polling<S> {
    url: String,
    receive: Http<S>,
    send: Http<S>,
    last_id: u32,
    /// What has come with what was looked for.
    inbox: VecDeque<Value>,
}

impl<S: std::io::Read + std::io::Write> Polling<S> {
    fn open(receive: Http<S>, send: Http<S>, id: &str) -> Self {
        let mut client = Self { url: format!("/rpc/000/{id}"), receive, send, last_id: 0, inbox: VecDeque::new() };
        assert_eq!(client.poll(), "o\n");
        client
    }

    fn poll(&mut self) -> String {
        let answer = self.receive.ask("POST", &format!("{}/xhr", self.url), "");
        assert_eq!(answer.status, 200, "{}", answer.head);
        answer.body
    }

    fn post(&mut self, body: &str) -> Answer {
        self.send.ask("POST", &format!("{}/xhr_send", self.url), body)
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let answer = self.post(&list(&[request(self.last_id, method, params)]));
        assert_eq!((answer.status, &*answer.body), (204, ""));
        let answer = self.next();
        assert_eq!(answer["id"], self.last_id, "{answer}");
        answer
    }

    /// The next message.
    fn next(&mut self) -> Value {
        while self.inbox.is_empty() {
            let frame = self.poll();
            self.inbox.extend(messages(&frame));
        }
        self.inbox.pop_front().unwrap()
    }
}

fn polling(address: SocketAddr, id: &str) -> Polling<TcpStream> {
    Polling::open(Http::connect(address), Http::connect(address), id)
}

async fn a_client_that_polls_calls_and_is_answered(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options()).await;
    let open = || Http::over(runtime.opener().open(address).unwrap());
    let mut client = Polling::open(open(), open(), "polls");
    let greeting = client.call("connect", json!({}));
    assert_eq!(greeting["result"]["value"], "OK");
    for text in ["hi", "50%41 \"</script>\u{2028}", ""] {
        assert_eq!(client.call("echo", json!({ "value": text }))["result"]["value"], text);
    }
    assert_eq!(client.call("kind", json!({}))["result"]["value"], json!(["sockjs", "/rpc"]));
    // Several at once come in their order, and an empty list is no news.
    assert_eq!(client.post("[]").status, 204);
    let two = [request(7, "echo", json!({ "value": "a" })), request(8, "echo", json!({ "value": "b" }))];
    assert_eq!(client.post(&list(&two)).status, 204);
    assert_eq!([client.next()["id"].as_u64(), client.next()["id"].as_u64()], [Some(7), Some(8)]);
}

/// The response to a request that waits, as it comes.
fn stream(address: SocketAddr, method: &str, path: &str, prelude: &str) -> Http {
    let mut http = Http::connect(address).with("Origin", "http://page");
    http.send(method, path, "");
    let head = http.head();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")), "{}", head.head);
    assert_eq!(head.header("cache-control"), Some("no-store, no-cache, no-transform, must-revalidate, max-age=0"));
    assert_eq!(head.header("access-control-allow-origin"), Some("http://page"));
    assert_eq!(http.chunk().unwrap(), prelude);
    http
}

async fn each_kind_of_stream_brings_what_is_said_when_it_is_said(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options().allowed_origin("*")).await;
    let echo = list(&[request(1, "echo", json!({ "value": "50%41</b>" }))]);
    let frame = |text: &str| {
        let answers = messages(text);
        assert_eq!((answers.len(), &answers[0]["result"]["value"]), (1, &json!("50%41</b>")));
    };

    let mut lines = stream(address, "POST", "/rpc/0/lines/xhr_streaming", &format!("{}\no\n", "h".repeat(2048)));
    assert_eq!(Http::once(address, "POST", "/rpc/1/lines/xhr_send", &echo).status, 204);
    frame(&lines.chunk().unwrap());

    let mut events = stream(address, "GET", "/rpc/0/events/eventsource", "\r\ndata: o\r\n\r\n");
    assert_eq!(Http::once(address, "POST", "/rpc/0/events/xhr_send", &echo).status, 204);
    let event = events.chunk().unwrap();
    assert!(event.contains("50%2541"), "the client undoes the escapes of URLs: {event}");
    frame(&event.strip_prefix("data: ").unwrap().replace("%25", "%"));

    let mut page = Http::connect(address);
    page.send("GET", "/rpc/0/page/htmlfile?c=cb", "");
    assert_eq!(page.head().header("content-type"), Some("text/html; charset=UTF-8"));
    let head = page.chunk().unwrap();
    assert!(head.len() > 1024 && head.contains("parent.cb;") && head.ends_with("<script>\np(\"o\");\n</script>\r\n"), "{head}");
    assert_eq!(Http::once(address, "POST", "/rpc/0/page/xhr_send", &echo).status, 204);
    let script = page.chunk().unwrap();
    let quoted = script.strip_prefix("<script>\np(").unwrap().strip_suffix(");\n</script>\r\n").unwrap();
    assert!(!quoted.contains('<'), "{quoted}");
    frame(&serde_json::from_str::<String>(quoted).unwrap());

    let jsonp = Http::once(address, "GET", "/rpc/0/jsonp/jsonp?c=cb", "");
    assert_eq!((jsonp.status, &*jsonp.body), (200, "/**/cb(\"o\");\r\n"));
    assert_eq!(jsonp.header("x-content-type-options"), Some("nosniff"));
    let form: String = form_urlencoded(&echo);
    let mut send = Http::connect(address).with("Content-Type", "application/x-www-form-urlencoded");
    let sent = send.ask("POST", "/rpc/0/jsonp/jsonp_send", &format!("d={form}"));
    assert_eq!((sent.status, &*sent.body), (200, "ok"));
    let script = Http::once(address, "GET", "/rpc/0/jsonp/jsonp?c=cb", "").body;
    let quoted = script.strip_prefix("/**/cb(").unwrap().strip_suffix(");\r\n").unwrap();
    frame(&serde_json::from_str::<String>(quoted).unwrap());
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn a_websocket_carries_it_too(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options()).await;
    let mut first = runtime.opener().connect(address, "/rpc/000/same/websocket");
    let mut second = runtime.opener().connect(address, "/rpc/000/same/websocket");
    for peer in [&mut first, &mut second] {
        assert_eq!(peer.message_in(), Message::text("o"));
        // Empty ones mean nothing, and a message may come alone.
        peer.text("");
        peer.text("[]");
    }
    first.text(&list(&[request(1, "echo", json!({ "value": "of the first" }))]));
    second.text(&json!(request(1, "echo", json!({ "value": "of the second" }))).to_string());
    for (peer, expected) in [(&mut first, "of the first"), (&mut second, "of the second")] {
        let Message::Text(text) = peer.message_in() else { panic!("no text") };
        assert_eq!(messages(&text)[0]["result"]["value"], expected);
    }
    first.text("[\"x");
    assert_eq!(first.closed().unwrap().0, 1007);
    second.text(&list(&[request(2, "closeSession", json!({}))]));
    let Message::Text(text) = second.message_in() else { panic!("no text") };
    assert_eq!(messages(&text)[0]["result"], "bye");
    assert_eq!(second.message_in(), Message::text("c[1000,\"\"]"));
    assert_eq!(second.closed().unwrap().0, 1000);

    let mut raw = runtime.opener().connect(address, "/rpc/websocket");
    assert_eq!(raw.call("kind", &json!({}))["result"]["value"], json!(["websocket", "/rpc"]));
    let mut plain = runtime.opener().connect(address, "/rpc");
    assert_eq!(plain.call("kind", &json!({}))["result"]["value"], json!(["websocket", "/rpc"]));
}

async fn a_session_goes_from_sockjs_to_a_websocket_and_back_and_loses_nothing(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options()).await;
    let mut client = polling(address, "first");
    let greeting = client.call("connect", json!({ "resume": { "received": 0 } }));
    let session = greeting["result"]["sessionId"].as_str().unwrap().to_owned();
    // A poll that breaks off: nobody knows what it has brought.
    client.post(&list(&[request(2, "tell", json!({ "value": 5 }))]));
    drop(client);

    let connect = |received: u32| json!({ "sessionId": session, "resume": { "received": received } });
    let mut peer = runtime.opener().connect(address, "/rpc");
    assert_eq!(peer.call("connect", &connect(0))["result"]["resume"]["received"], 1);
    for n in 0..5 {
        assert_eq!(peer.read()["params"]["n"], n);
    }
    assert_eq!(peer.read()["id"], 2);
    peer.request("tell", &json!({ "value": 3 }));
    assert_eq!(peer.read()["params"]["n"], 0);
    drop(peer);

    let mut back = polling(address, "second");
    back.last_id = 10;
    let answer = back.call("connect", connect(7));
    assert_eq!((&answer["result"]["sessionId"], &answer["result"]["resume"]["received"]), (&json!(session), &json!(2)));
    assert_eq!([&back.next()["params"]["n"], &back.next()["params"]["n"], &back.next()["result"]["value"]], [1, 2, 3]);
}

async fn more_than_a_client_takes_at_once_waits_for_it_in_order(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options()).await;
    const MANY: u32 = 20_000;
    let mut client = polling(address, "slow");
    client.post(&list(&[request(1, "tell", json!({ "value": MANY }))]));
    for n in 0..MANY {
        assert_eq!(client.next()["params"]["n"], n);
    }
    assert_eq!(client.next()["result"]["value"], MANY);

    // A stream that nobody reads for a while, and that ends now and then.
    client.post(&list(&[request(2, "tell", json!({ "value": MANY }))]));
    let (mut next, mut streams) = (0, 0);
    let mut http = Http::connect(address);
    while next <= MANY {
        http.send("POST", "/rpc/0/slow/xhr_streaming", "");
        streams += 1;
        http.head();
        while next <= MANY
            && let Some(chunk) = http.chunk()
        {
            for message in chunk.lines().filter(|line| line.starts_with('a')).flat_map(messages) {
                let expected = if next < MANY { &message["params"]["n"] } else { &message["result"]["value"] };
                assert_eq!(*expected, next);
                next += 1;
            }
        }
    }
    assert!(streams > 3, "a stream ends after 128 KiB: {streams}");
}

async fn who_stays_away_is_a_lost_transport_and_may_come_back(runtime: impl Wire) {
    let (address, server) = served(&runtime, PathOptions::new().sockjs(SockJsOptions::new().disconnect_delay(SHORT * 8))).await;
    let mut client = polling(address, "away");
    let session = client.call("connect", json!({}))["result"]["sessionId"].as_str().unwrap().to_owned();
    // A list without messages is no sign of life; what is answered with 404 ends the connection.
    while client.post("[]").status != 404 {}
    assert_eq!(client.poll_again(address), "o\n", "it is another SockJS session");
    assert_eq!(server.session_count(), 1);
    let back = client.call("connect", json!({ "sessionId": session }));
    assert_eq!(back["result"]["value"], "reconnection successful");
}

impl Polling<TcpStream> {
    /// A poll over new connections.
    fn poll_again(&mut self, address: SocketAddr) -> String {
        (self.receive, self.send) = (Http::connect(address), Http::connect(address));
        self.poll()
    }
}

async fn a_heartbeat_tells_who_waits_that_the_server_is_alive(runtime: impl Wire) {
    let (address, _server) = served(&runtime, PathOptions::new().sockjs(SockJsOptions::new().heartbeat(SHORT)).allowed_origin("*")).await;
    let mut client = polling(address, "beats");
    assert_eq!(client.poll(), "h\n");
    let mut events = stream(address, "GET", "/rpc/0/events/eventsource", "\r\ndata: o\r\n\r\n");
    for _ in 0..2 {
        assert_eq!(events.chunk().unwrap(), "data: h\r\n\r\n");
    }
}

async fn a_session_that_ends_says_so_to_who_waits_and_to_who_asks(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options()).await;
    let mut client = polling(address, "ends");
    client.post(&list(&[request(1, "closeSession", json!({}))]));
    assert_eq!(messages(&client.poll())[0]["result"], "bye");
    for _ in 0..2 {
        assert_eq!(client.poll(), "c[1000,\"\"]\n");
    }
    assert_eq!(client.post("[]").status, 404);
    let mut late = Http::connect(address);
    late.send("POST", "/rpc/0/ends/xhr_streaming", "");
    assert!(late.answer().body.ends_with("h\nc[1000,\"\"]\n"), "and the stream ends");
}

async fn a_request_that_breaks_off_interrupts_it(runtime: impl Wire) {
    let (address, _server) = served(&runtime, PathOptions::new().sockjs(SockJsOptions::new().heartbeat(SHORT * 5))).await;
    for (id, path) in [("poll", "xhr"), ("stream", "xhr_streaming")] {
        let mut client = polling(address, id);
        let another = "c[2010,\"Another connection still open\"]\n";
        let waiting = loop {
            let mut waiting = Http::connect(address);
            // It is served already when it asks, and something else is in between.
            waiting.ask("GET", "/rpc", "");
            waiting.send("POST", &format!("/rpc/0/{id}/{path}"), "");
            client.post("[]");
            let second = client.poll();
            if second == another {
                break waiting;
            }
            // That was the first one, and the other has been sent away.
            assert_eq!(second, "h\n");
        };
        drop(waiting);
        let mut third = client.poll();
        while third == another {
            third = client.poll();
        }
        assert_eq!(third, "c[1002,\"Connection interrupted\"]\n");
    }
}

async fn a_server_that_stops_says_so(runtime: impl Wire) {
    let (address, server) = served(&runtime, options()).await;
    let mut client = polling(address, "stops");
    client.call("connect", json!({}));
    let mut peer = runtime.opener().connect(address, "/rpc/0/socket/websocket");
    assert_eq!(peer.message_in(), Message::text("o"));
    client.receive.send("POST", "/rpc/000/stops/xhr", "");
    let stopping = runtime.start(async move { server.shutdown(Duration::from_secs(20)).await });
    assert_eq!(client.receive.answer().body, "c[1001,\"Server is shutting down\"]\n");
    assert_eq!(peer.message_in(), Message::text("c[1001,\"Server is shutting down\"]"));
    let report = soon(stopping).await;
    assert_eq!(report.connections_left, 0, "{report:?}");
}

async fn pages_are_as_the_protocol_has_them(runtime: impl Wire) {
    let options = PathOptions::new().sockjs(SockJsOptions::new().client_url("/sockjs.js?a=1&b=\"<")).allowed_origin("*");
    let (address, _server) = served(&runtime, options).await;
    let mut http = Http::connect(address).with("Origin", "http://page");
    for path in ["/rpc", "/rpc/"] {
        let greeting = http.ask("GET", path, "");
        assert_eq!((greeting.status, &*greeting.body), (200, "Welcome to SockJS!\n"));
        assert_eq!(greeting.header("content-type"), Some("text/plain; charset=UTF-8"));
    }
    let mut entropy = Vec::new();
    for _ in 0..2 {
        let info = http.ask("GET", "/rpc/info", "");
        assert_eq!(info.header("content-type"), Some("application/json; charset=UTF-8"));
        assert_eq!(info.header("access-control-allow-credentials"), Some("true"));
        let info: Value = serde_json::from_str(&info.body).unwrap();
        assert_eq!((&info["websocket"], &info["origins"], &info["cookie_needed"]), (&json!(true), &json!(["*:*"]), &json!(false)));
        entropy.push(info["entropy"].as_u64().unwrap());
    }
    assert_ne!(entropy[0], entropy[1]);

    let page = http.ask("GET", "/rpc/iframe-1.6.1.html?t=1", "");
    assert!(page.body.contains("<script src=\"/sockjs.js?a=1&amp;b=&quot;&lt;\"></script>"), "{}", page.body);
    assert_eq!(page.header("cache-control"), Some("public, max-age=31536000"));
    let tag = page.header("etag").unwrap().to_owned();
    let mut again = Http::connect(address).with("If-None-Match", &tag);
    assert_eq!(again.ask("GET", "/rpc/iframe.html", "").status, 304);
    // The connection is good for more.
    assert_eq!(again.ask("GET", "/rpc", "").status, 200);

    let mut preflight = Http::connect(address).with("Origin", "null").with("Access-Control-Request-Headers", "a, b");
    for (path, methods) in
        [("/info", "OPTIONS, GET"), ("/0/0/xhr", "OPTIONS, POST"), ("/0/0/xhr_send", "OPTIONS, POST"), ("/0/0/eventsource", "OPTIONS, GET")]
    {
        let answer = preflight.ask("OPTIONS", &format!("/rpc{path}"), "");
        assert_eq!((answer.status, answer.header("access-control-allow-methods")), (204, Some(methods)));
        assert_eq!(answer.header("access-control-allow-headers"), Some("a, b"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("null"));
        assert_eq!(answer.header("access-control-max-age"), Some("31536000"));
    }
    for (method, path, status) in [
        ("GET", "/rpc/0/0/xhr", 405),
        ("POST", "/rpc/0/0/eventsource", 405),
        ("PUT", "/rpc/info", 405),
        ("POST", "/rpc/0/0/websocket", 405),
        ("GET", "/rpc/0/0/websocket", 426),
        ("GET", "/rpc/0/0/jsonp", 500),
        ("GET", "/rpc/0/0/jsonp?c=%20", 500),
        ("GET", "/rpc/a", 404),
        ("POST", "/rpc/a./a/xhr", 404),
        ("GET", "//", 404),
    ] {
        let answer = Http::once(address, method, path, "");
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

async fn only_who_may_come_in_does(runtime: impl Wire) {
    let server = runtime.server().path_with("/rpc", options(), router()).path("/plain", router());
    let server = server.intercept(|head, attributes| {
        attributes.set("path", head.path().to_owned());
        if head.header("x-refuse").is_some() { Err(StatusCode::UNAUTHORIZED) } else { Ok(()) }
    });
    let (address, _server) = runtime.serve(runtime.listen(server, "127.0.0.1:0").await.unwrap());
    // Of the same origin, and no browser at all.
    for origin in ["http://localhost", "localhost"] {
        assert_eq!(Http::connect(address).with("Origin", origin).ask("GET", "/rpc/info", "").status, 200);
    }
    assert_eq!(Http::connect(address).with("X-Refuse", "1").ask("POST", "/rpc/0/refused/xhr", "").status, 401);
    for path in ["/rpc/info", "/rpc/0/0/xhr", "/rpc/0/0/xhr_send"] {
        assert_eq!(Http::connect(address).with("Origin", "http://evil").ask("POST", path, "[]").status, 403, "{path}");
    }
    // Where not everybody may come in, nothing is there that hides who comes.
    for path in ["/rpc/0/0/jsonp?c=x", "/rpc/0/0/htmlfile?c=x", "/rpc/iframe.html"] {
        assert_eq!(Http::once(address, "GET", path, "").status, 404, "{path}");
    }
    assert_eq!(Http::once(address, "POST", "/rpc/0/0/jsonp_send", "").status, 404);
    // A path that does not serve it knows nothing of it.
    for (path, status) in [("/plain", 426), ("/plain/info", 404), ("/plain/websocket", 404)] {
        assert_eq!(Http::once(address, "GET", path, "").status, status, "{path}");
    }
}

async fn what_is_posted_has_to_be_a_list_of_messages_and_not_too_long(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options().max_message_size(10_000)).await;
    let mut client = polling(address, "posts");
    for (body, text) in [("[\"x", "Broken JSON encoding."), ("[1]", "Broken JSON encoding."), ("", "Payload expected.")] {
        let answer = client.post(body);
        assert_eq!((answer.status, &*answer.body), (500, text));
    }
    // That was no harm. Bodies may come in chunks, and wait to be asked for.
    let echo = list(&[request(1, "echo", json!({ "value": "x".repeat(3000) }))]);
    let (one, two) = echo.split_at(100);
    let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
    let head = "POST /rpc/0/posts/xhr_send HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    client.send.bytes(head.as_bytes());
    assert_eq!(client.send.head().status, 100);
    client.send.bytes(chunks.as_bytes());
    assert_eq!(client.send.answer().status, 204);
    assert_eq!(messages(&client.poll())[0]["id"], 1);

    // A message that is too long ends its transport as a WebSocket's does.
    assert_eq!(client.post(&list(&["x".repeat(10_001)])).status, 204);
    assert_eq!(client.poll(), "c[1009,\"Message too big\"]\n");

    let mut long = polling(address, "long");
    let refused = long.post(&list(&["x".repeat(100_000)]));
    assert_eq!((refused.status, refused.header("connection")), (413, Some("close")));
    assert!(long.send.has_ended());
    assert_eq!(Http::once(address, "POST", "/rpc/0/nobody/xhr_send", "[\"x\"]").status, 404);
}

async fn requests_may_come_behind_each_other(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options()).await;
    let mut http = Http::connect(address);
    let send = list(&[request(1, "echo", json!({ "value": "a" }))]);
    let post =
        |path: &str, body: &str| format!("POST /rpc/0/piped/{path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    http.bytes(format!("{}{}{}", post("xhr", ""), post("xhr_send", &send), post("xhr", "")).as_bytes());
    assert_eq!(http.answer().body, "o\n");
    assert_eq!(http.answer().status, 204);
    assert_eq!(messages(&http.answer().body)[0]["id"], 1);
    // A connection that was polite may become a WebSocket.
    let mut last = Http::connect(address).with("Connection", "close");
    assert_eq!(last.ask("GET", "/rpc", "").header("connection"), Some("close"));
    assert!(last.has_ended());
    let head = "GET /rpc HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    http.bytes(head.as_bytes());
    assert_eq!(http.head().status, 101);
}

async fn a_watchdog_asks_a_client_that_polls_before_it_judges(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options().ping_watchdog()).await;
    let mut client = polling(address, "watched");
    // It has announced a ping each 100 ms, and sends none; but it polls.
    client.call("ping", json!({ "interval": 100 }));
    let mut asked = 0;
    while asked < 3 {
        match &*client.poll() {
            "h\n" => asked += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(client.call("echo", json!({ "value": "still here" }))["result"]["value"], "still here");
}

async fn a_response_that_is_not_taken_interrupts_it_and_keeps_nobody_waiting(runtime: impl Wire) {
    let sockjs = SockJsOptions::new().disconnect_delay(SHORT);
    let (address, _server) = served(&runtime, PathOptions::new().max_message_size(20_000_000).sockjs(sockjs)).await;
    let mut client = polling(address, "stuck");
    client.receive.send("POST", "/rpc/0/stuck/xhr", "");
    client.post(&list(&[request(1, "echo", json!({ "value": "x".repeat(15_000_000) }))]));
    client.receive.head();
    // Nobody knows yet whether the rest of it will arrive.
    let mut next = [Http::connect(address), Http::connect(address)];
    for http in &mut next {
        http.send("POST", "/rpc/0/stuck/xhr", "");
    }
    let mut answers = next.map(|mut http| http.answer().body);
    answers.sort();
    assert_eq!(
        answers,
        ["c[1002,\"Connection interrupted\"]\n", "c[2010,\"Another connection still open\"]\n"],
        "one may wait, and two not"
    );
    assert!(client.receive.rest() < 15_000_000, "the rest is not kept");
}

async fn a_heartbeat_comes_in_time_however_long_a_session_may_be_without_a_request(runtime: impl Wire) {
    let sockjs = SockJsOptions::new().heartbeat(SHORT).disconnect_delay(PATIENCE * 4);
    let (address, _server) = served(&runtime, PathOptions::new().sockjs(sockjs)).await;
    assert_eq!(polling(address, "beats").poll(), "h\n");
}

async fn a_websocket_below_it_answers_pings_however_many(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options()).await;
    let mut peer = runtime.opener().connect(address, "/rpc/0/pings/websocket");
    assert_eq!(peer.message_in(), Message::text("o"));
    assert!(peer.message(Message::Ping(b"x".to_vec().into())));
    assert_eq!(peer.message_in(), Message::Pong(b"x".to_vec().into()));
    assert!(peer.bytes(&masked_frame(0x89, b"").repeat(5000)));
    peer.text(&list(&[request(1, "echo", json!({ "value": "behind them" }))]));
    let text = loop {
        match peer.message_in() {
            Message::Text(text) => break text,
            Message::Pong(_) => {}
            other @ (Message::Binary(_) | Message::Close(_) | Message::Ping(_) | Message::Frame(_)) => panic!("{other:?}"),
        }
    };
    assert_eq!(messages(&text)[0]["result"]["value"], "behind them");
}

async fn an_answer_to_head_has_no_body(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options()).await;
    let mut http = Http::connect(address);
    for path in ["/rpc", "/rpc/info", "/rpc/0/0/xhr"] {
        http.send("HEAD", path, "");
        assert_eq!(http.head().status, 405);
        assert_eq!(http.ask("GET", "/rpc", "").body, "Welcome to SockJS!\n");
    }
}

async fn only_one_request_of_a_session_brings_messages_at_a_time(runtime: impl Wire) {
    let (address, _server) = served(&runtime, options()).await;
    let _client = polling(address, "twice");
    let mut first = Http::connect(address);
    first.bytes(b"POST /rpc/0/twice/xhr_send HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(first.head().status, 100);
    assert_eq!(Http::once(address, "POST", "/rpc/0/twice/xhr_send", "[]").status, 409);
    first.bytes(b"[]");
    assert_eq!(first.answer().status, 204);
    assert_eq!(Http::once(address, "POST", "/rpc/0/twice/xhr_send", "[]").status, 204);
}

async fn sessions_without_a_connection_take_no_place_of_those_that_have_one(runtime: impl Wire) {
    let mut limits = ServerLimits::new();
    (limits.max_connections, limits.max_sockjs_sessions) = (2, 3);
    let server = runtime.server().path_with("/rpc", options(), router()).limits(limits);
    let (address, _server) = runtime.serve(runtime.listen(server, "127.0.0.1:0").await.unwrap());
    let mut http = Http::connect(address);
    for n in 0..3 {
        assert_eq!(http.ask("POST", &format!("/rpc/0/{n}/xhr"), "").body, "o\n");
    }
    assert_eq!(http.ask("POST", "/rpc/0/3/xhr", "").status, 503);
    let mut peer = runtime.opener().connect(address, "/rpc");
    assert_eq!(peer.call("echo", &json!({ "value": "a" }))["result"]["value"], "a");
    let mut carried = runtime.opener().connect(address, "/rpc/0/0/websocket");
    assert_eq!(carried.message_in(), Message::text("o"));
    for path in ["/rpc", "/rpc/0/0/websocket"] {
        assert_eq!(runtime.opener().connect(address, path).closed().unwrap().0, 1013, "{path}");
    }
}

/// Waits until a server that is told to stop does.
async fn stops(address: SocketAddr) {
    until(|| TcpStream::connect(address).is_err()).await;
}

async fn a_stop_waits_for_clients_that_poll_to_be_told(runtime: impl Wire) {
    let (address, server) = served(&runtime, options()).await;
    let mut client = polling(address, "told");
    client.post(&list(&[request(1, "echo", json!({ "value": "a" }))]));
    let mut stopping = runtime.start(async move { server.shutdown(Duration::from_secs(20)).await });
    stops(address).await;
    assert_eq!(client.next()["id"], 1);
    assert!((&mut stopping).now_or_never().is_none(), "the client does not know");
    assert_eq!(client.poll(), "c[1001,\"Server is shutting down\"]\n");
    soon(stopping).await;
}

async fn a_handler_that_asks_back_is_answered_while_the_server_stops(runtime: impl Wire) {
    let router = router().method_with("ask", async |n: u32, cx: Context| {
        for i in 0..n {
            cx.session().call::<Value>("what", json!({ "n": i })).await.map_err(|_| ErrorObject::new(1, "gone"))?;
        }
        Ok::<_, ErrorObject>(n)
    });
    let server = runtime.server().path_with("/rpc", options(), router);
    let (address, server) = runtime.serve(runtime.listen(server, "127.0.0.1:0").await.unwrap());
    let mut client = polling(address, "asked");
    client.post(&list(&[request(1, "ask", json!({ "value": 3 }))]));
    let first = client.next();
    let _stopping = runtime.start(async move { server.shutdown(Duration::from_secs(20)).await });
    stops(address).await;
    let mut message = first;
    for n in 0..3 {
        assert_eq!(message["params"]["n"], n);
        let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }).to_string();
        assert_eq!(client.post(&list(&[answer])).status, 204);
        message = client.next();
    }
    assert_eq!(message["result"]["value"], 3);
}

/// A client whose poll has a response of which it has read the head, and that takes no more of it.
fn stuck(address: SocketAddr, id: &str) -> (Polling<TcpStream>, Answer) {
    let mut client = polling(address, id);
    client.receive.send("POST", &format!("{}/xhr", client.url), "");
    client.post(&list(&[request(1, "echo", json!({ "value": "x".repeat(15_000_000) }))]));
    let head = client.receive.head();
    (client, head)
}

async fn a_poll_whose_client_has_gone_takes_no_messages_along(runtime: impl Wire) {
    let sockjs = SockJsOptions::new().disconnect_delay(PATIENCE);
    let (address, _server) = served(&runtime, PathOptions::new().max_message_size(20_000_000).sockjs(sockjs)).await;
    let (mut client, head) = stuck(address, "dead");
    let mut next = Http::connect(address);
    next.send("POST", "/rpc/0/dead/xhr", "");
    drop(next);
    client.post(&list(&[request(2, "echo", json!({ "value": "not to be lost" }))]));
    assert_eq!(messages(&client.receive.body(head).body)[0]["id"], 1);
    let frame = client.poll();
    assert!(frame.starts_with("c[1002") || messages(&frame)[0]["id"] == 2, "{frame}");
}

async fn who_has_gone_does_not_wait_for_the_next_response(runtime: impl Wire) {
    let sockjs = SockJsOptions::new().disconnect_delay(SHORT * 3);
    let (address, _server) = served(&runtime, PathOptions::new().max_message_size(20_000_000).sockjs(sockjs)).await;
    // How long it takes until the server knows is the system's affair.
    for n in 1..=5 {
        let (_client, _) = stuck(address, &format!("gone{n}"));
        let path = format!("/rpc/0/gone{n}/xhr");
        let mut next = Http::connect(address);
        next.send("POST", &path, "");
        runtime.sleep(SHORT / 4).await;
        drop(next);
        runtime.sleep(SHORT / 4 * n).await;
        if Http::once(address, "POST", &path, "").body == "c[1002,\"Connection interrupted\"]\n" {
            return;
        }
    }
    panic!("who has gone waits still");
}

bowline_tests::over_both_wires![
    a_client_that_polls_calls_and_is_answered,
    a_websocket_carries_it_too,
    a_websocket_below_it_answers_pings_however_many,
    ; plain:
    each_kind_of_stream_brings_what_is_said_when_it_is_said,
    a_session_goes_from_sockjs_to_a_websocket_and_back_and_loses_nothing,
    more_than_a_client_takes_at_once_waits_for_it_in_order,
    who_stays_away_is_a_lost_transport_and_may_come_back,
    a_heartbeat_tells_who_waits_that_the_server_is_alive,
    a_session_that_ends_says_so_to_who_waits_and_to_who_asks,
    a_request_that_breaks_off_interrupts_it,
    a_server_that_stops_says_so,
    pages_are_as_the_protocol_has_them,
    only_who_may_come_in_does,
    what_is_posted_has_to_be_a_list_of_messages_and_not_too_long,
    requests_may_come_behind_each_other,
    a_watchdog_asks_a_client_that_polls_before_it_judges,
    a_response_that_is_not_taken_interrupts_it_and_keeps_nobody_waiting,
    a_heartbeat_comes_in_time_however_long_a_session_may_be_without_a_request,
    an_answer_to_head_has_no_body,
    only_one_request_of_a_session_brings_messages_at_a_time,
    sessions_without_a_connection_take_no_place_of_those_that_have_one,
    a_stop_waits_for_clients_that_poll_to_be_told,
    a_handler_that_asks_back_is_answered_while_the_server_stops,
    a_poll_whose_client_has_gone_takes_no_messages_along,
    who_has_gone_does_not_wait_for_the_next_response,
];

#[test]
fn a_transport_says_what_it_is() {
    assert_eq!((TransportKind::SockJs.as_str(), TransportKind::WebSocket.as_str()), ("sockjs", "websocket"));
}
