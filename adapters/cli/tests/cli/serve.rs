use crate::support::{Server, bowline, finish, run};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

#[test]
fn it_says_where_it_listens_and_what_to_try() {
    let server = Server::start(&["--fake-media-server"]);
    let greeting = server.greeting.join("\n");
    for path in ["/echo", "/demo", "/strict", "/kurento"] {
        assert!(greeting.contains(path), "{greeting}");
    }

    // What it says can be typed as it is.
    let line = server.greeting.last().unwrap().strip_prefix("try:").unwrap().trim();
    assert!(line.starts_with(env!("CARGO_BIN_EXE_bowline")), "{line}");
    let shell = std::process::Command::new("sh").args(["-c", line]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(finish(shell).expect_code(0).json(), serde_json::json!({"text": "hi"}));
}

#[test]
fn the_line_to_try_fits_the_dialect() {
    let server = Server::start(&["--dialect", "strict"]);
    assert!(server.greeting.last().unwrap().contains("--dialect strict"));
    let sum = run(&["call", "--dialect", "strict", &server.url("/demo"), "add", r#"{"a":1,"b":2}"#]);
    assert_eq!(sum.expect_code(0).stdout, "3\n");
}

#[test]
fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let server = Server::start(&[]);
    let second = run(&["serve", "--listen", server.host()]).expect_code(1);
    assert!(second.stderr.contains(server.host()) && second.stderr.contains("--listen"), "{second:?}");
    assert_eq!(second.stdout, "");
}

#[test]
fn an_address_that_is_none_is_an_error() {
    for address in ["nowhere", "http://127.0.0.1:0", "ws://127.0.0.1:0/echo"] {
        let ended = run(&["serve", "--listen", address]).expect_code(2);
        for part in [address, "HOST:PORT", "ws://", "wss://", "unix:/"] {
            assert!(ended.stderr.contains(part), "{ended:?}");
        }
    }
    run(&["serve", "--reconnection-timeout", "soon"]).expect_code(2);
}

#[test]
fn signals_stop_it_cleanly_with_a_client_connected() {
    for signal in ["INT", "TERM"] {
        let server = Server::start(&[]);
        let mut client = bowline().args(["connect", "--no-history", &server.url("/demo")]).stdin(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(client.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("connected"), "{said}");

        server.stop(signal).expect_code(0);
        client.kill().unwrap();
        client.wait().unwrap();
    }
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let mut server = Server::start(&[]);
    // A client that has a session and then never reads, so that the farewell to it takes its full time.
    let mut deaf = TcpStream::connect(server.host()).unwrap();
    let head = "GET /demo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    deaf.write_all(head.as_bytes()).unwrap();
    let connect = br#"{"jsonrpc":"2.0","id":1,"method":"connect"}"#;
    // One text frame, whose mask changes nothing (RFC 6455 section 5.2).
    deaf.write_all(&[&[0x81, 0x80 | connect.len() as u8, 0, 0, 0, 0], &connect[..]].concat()).unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("sessionId") {
        let mut some = [0; 256];
        let read = deaf.read(&mut some).unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&some[..read]);
    }

    server.signal("TERM");
    assert!(server.first_word_on_stderr().contains("stopping"));
    server.stop("TERM").expect_code(1);
}

#[test]
fn only_pages_of_allowed_origins_get_in() {
    let server = Server::start(&["--allow-origin", "http://friend.example"]);
    let from = |origin: &str| run(&["call", "--header", &format!("Origin: {origin}"), &server.url("/demo"), "count"]);
    from("http://friend.example").expect_code(0);
    let stranger = from("http://stranger.example").expect_code(3);
    assert!(stranger.stderr.contains("403"), "{stranger:?}");
    // None that could never match.
    for origin in ["http://", "http://friend.example/page"] {
        let ended = run(&["serve", "--listen", "127.0.0.1:0", "--allow-origin", origin]).expect_code(2);
        assert!(ended.stderr.contains(origin) && ended.stderr.contains("SCHEME://HOST:PORT"), "{ended:?}");
    }
}

#[test]
fn an_origin_without_a_scheme_lets_pages_of_all_schemes_in() {
    let server = Server::start(&["--allow-origin", "friend"]);
    for origin in ["http://friend", "https://friend:443"] {
        run(&["call", "--header", &format!("Origin: {origin}"), &server.url("/demo"), "count"]).expect_code(0);
    }
}

#[test]
fn warnings_of_the_library_are_shown() {
    let server = Server::start(&[]);
    run(&["call", &server.url("/demo"), "panic"]).expect_code(1);
    let log = server.stop("TERM").expect_code(0).stderr;
    assert!(log.lines().any(|line| line.contains("ERROR") && line.contains("demo panic")), "{log}");
}

#[test]
fn the_log_tells_of_requests_and_keeps_their_secrets() {
    let server = Server::start(&["--log-requests"]);
    let url = server.url("/demo");
    let call = |method: &str, params: &str| run(&["call", "--print-session", &url, method, params]);
    let session = call("echo", r#"{"password":"geheim"}"#).expect_code(0).stderr;
    let session = session.trim().strip_prefix("session ").unwrap();
    call("fail", "{}").expect_code(1);
    call("add", r#"{"a":"geheim"}"#).expect_code(1);
    call("nothing", "{}").expect_code(1);
    run(&["notify", &url, "log", r#"["geheim"]"#]).expect_code(0);

    let log = server.stop("TERM").expect_code(0).stderr;
    let has = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    for words in [
        &[&session[..8], "echo", "ok"][..],
        &["fail", "error 1001"],
        &["add", "error -32602"],
        &["nothing", "error -32601"],
        &["log", "notified"],
    ] {
        assert!(has(words), "{words:?} is not in:\n{log}");
    }
    assert!(!log.contains(session) && !log.contains("geheim"), "{log}");
}
