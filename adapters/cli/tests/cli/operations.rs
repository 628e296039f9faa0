//! What somebody needs who runs `bowline serve`: several listeners, metrics, a log, a clean stop.

use crate::support::{Server, bowline, run};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

/// The answer to a request over HTTP.
fn http(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_can_be_fetched() {
    let server = Server::start(&["--metrics", "127.0.0.1:0"]);
    let line = server.greeting.iter().find_map(|line| line.strip_prefix("metrics on http://")).unwrap();
    let address = line.strip_suffix("/metrics").unwrap().to_owned();
    run(&["call", &server.url("/demo"), "add", r#"{"a":1,"b":2}"#]).expect_code(0);
    run(&["call", &server.url("/demo"), "made-up"]).expect_code(1);

    let answer = http(&address, "GET /metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/plain; version=0.0.4"), "{head}");
    for line in [
        r#"bowline_requests_total{label="/demo",method="add",outcome="ok"} 1"#,
        r#"bowline_requests_total{label="/demo",method="other",outcome="error"} 1"#,
        r#"bowline_request_duration_seconds_bucket{label="/demo",method="add",le="+Inf"} 1"#,
        r#"bowline_sessions_opened_total{label="/demo"} 2"#,
        "# TYPE bowline_connections gauge",
    ] {
        assert!(body.lines().any(|other| other == line), "{line} is not in:\n{body}");
    }
    assert!(http(&address, "GET /").starts_with("HTTP/1.1 404 "));
    assert!(http(&address, "POST /metrics").starts_with("HTTP/1.1 405 "));
    server.stop("TERM").expect_code(0);
}

#[test]
fn metrics_that_cannot_be_served_are_an_error() {
    let server = Server::start(&[]);
    let second = run(&["serve", "--listen", "127.0.0.1:0", "--metrics", server.host()]).expect_code(1);
    assert!(second.stderr.contains("--metrics") && second.stderr.contains(server.host()), "{second:?}");
}

#[test]
fn several_listeners_have_the_same_sessions() {
    let server = Server::start(&["--listen", "ws://127.0.0.1:0"]);
    let urls: Vec<_> = server.greeting.iter().filter_map(|line| line.strip_prefix("listening on ")).collect();
    assert_eq!(urls.len(), 2, "{:?}", server.greeting);
    let first = run(&["call", "--print-session", &format!("{}/demo", urls[0]), "count"]).expect_code(0);
    let id = first.stderr.trim().strip_prefix("session ").unwrap();
    let second = run(&["call", "--session", id, &format!("{}/demo", urls[1]), "count"]).expect_code(0);
    assert_eq!(second.json()["count"], 2);
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_one_of_them_and_goes_away_again() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("operations.sock");
    let address = format!("unix:{}", path.display());
    let server = Server::start(&["--listen", &address]);
    assert!(server.greeting.contains(&format!("listening on {address}")), "{:?}", server.greeting);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    server.stop("TERM").expect_code(0);
    assert!(!path.exists());
}

#[test]
fn sockjs_is_told_and_served_where_it_is_asked_for() {
    let script = "http://localhost/sockjs.min.js";
    let with_page = Server::start(&["--sockjs", "--allow-origin", "*", "--sockjs-client", script]);
    let url = format!("http://{}/echo", with_page.host());
    assert!(with_page.greeting.iter().any(|line| line.ends_with(&format!("new SockJS('{url}')"))), "{:?}", with_page.greeting);
    let get = |server: &Server, path: &str| {
        let mut stream = TcpStream::connect(server.host()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(get(&with_page, "/echo/info").starts_with("HTTP/1.1 200 "));
    assert!(get(&with_page, "/echo/iframe.html").contains(script));

    let without = Server::start(&["--allow-origin", "*"]);
    assert!(without.greeting.iter().all(|line| !line.contains("SockJS")), "{:?}", without.greeting);
    assert!(get(&without, "/echo/info").starts_with("HTTP/1.1 404 "));
    for flags in [&["--sockjs"][..], &["--allow-origin", "*"], &["--sockjs", "--allow-origin", "http://localhost"]] {
        let ended = run(&[&["serve", "--sockjs-client", script], flags].concat()).expect_code(2);
        assert!(ended.stderr.contains("--sockjs and --allow-origin '*'"), "{ended:?}");
    }
}

#[test]
fn the_log_shows_what_it_is_asked_for() {
    let server = Server::start(&["--log", "bowline::session=debug,bowline::request=debug", "--log-format", "json"]);
    run(&["call", &server.url("/demo"), "add", r#"{"a":1,"b":2}"#]).expect_code(0);
    let log = server.stop("TERM").expect_code(0).stderr;
    let line = log.lines().find(|line| line.contains("\"method\"")).unwrap_or_else(|| panic!("no request in:\n{log}"));
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["fields"]["method"], &line["fields"]["outcome"]), (&"add".into(), &"ok".into()), "{line}");
    assert_eq!((&line["span"]["label"], &line["level"]), (&"/demo".into(), &"DEBUG".into()), "{line}");

    let silent = Server::start(&["--log", "off"]);
    run(&["call", &silent.url("/demo"), "panic"]).expect_code(1);
    assert!(!silent.stop("TERM").expect_code(0).stderr.contains("ERROR"));
}

#[test]
fn the_limits_hold() {
    let impatient = Server::start(&["--handshake-timeout", "20ms"]);
    let mut slow = TcpStream::connect(impatient.host()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    let server = Server::start(&["--max-connections", "1", "--failed-connects", "1"]);
    let mut first = bowline().args(["connect", "--no-history", &server.url("/demo")]).stdin(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(first.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("connected"), "{said}");
    run(&["call", "--connect-timeout", "1s", &server.url("/demo"), "count"]).expect_code(3);
    first.kill().unwrap();
    first.wait().unwrap();
    run(&["serve", "--max-connections", "0"]).expect_code(2);
}

#[test]
fn a_stop_says_what_it_left() {
    let server = Server::start(&["--shutdown-timeout", "50ms"]);
    let mut client = bowline().args(["connect", "--no-history", &server.url("/demo")]).stdin(Stdio::piped()).spawn().unwrap();
    // The second answer says that the first request is running.
    client.stdin.as_mut().unwrap().write_all(b"sleep {\"ms\":600000}\ncount\n").unwrap();
    let mut said = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("#2 count"), "{said}");

    let stopped = server.stop("TERM").expect_code(0);
    assert!(stopped.stderr.contains("sessions closed: 1, requests finished: 0, requests given up: 1"), "{stopped:?}");
    client.kill().unwrap();
    client.wait().unwrap();
}
