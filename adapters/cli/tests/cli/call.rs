use crate::support::{Server, bowline, closed_port, finish, run, run_with_input};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

#[test]
fn a_result_is_printed_as_it_came() {
    let server = Server::start(&[]);
    let params = r#"{"z":1.50,"a":[123456789012345678901234567890,{}]}"#;
    let ended = run(&["call", &server.url("/echo"), "echo", params]).expect_code(0);
    assert_eq!(ended.stdout, "{\n  \"z\": 1.50,\n  \"a\": [\n    123456789012345678901234567890,\n    {}\n  ]\n}\n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn params_come_from_a_file_or_from_stdin() {
    let server = Server::start(&[]);
    let url = server.url("/demo");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("params.json");
    std::fs::write(&file, "{\"a\": 1,\n \"b\": 2}\n").unwrap();
    let from_file = run(&["call", &url, "add", &format!("@{}", file.display())]);
    assert_eq!(from_file.expect_code(0).json(), json!({"value": 3}));
    let from_stdin = run_with_input(&["call", &url, "add", "-"], "{\"a\":20,\"b\":22}");
    assert_eq!(from_stdin.expect_code(0).json(), json!({"value": 42}));
}

#[test]
fn the_scheme_of_an_address_may_be_in_capitals() {
    let server = Server::start(&[]);
    run(&["call", &server.url("/demo").replacen("ws://", "WS://", 1), "count"]).expect_code(0);
    let tls = Server::start(&["--tls-self-signed"]);
    run(&["call", "--insecure", &tls.url("/demo").replacen("wss://", "Wss://", 1), "count"]).expect_code(0);
}

#[test]
fn an_error_of_the_server_is_shown_with_everything_in_it() {
    let server = Server::start(&[]);
    let ended = run(&["call", &server.url("/demo"), "fail", r#"{"why":1}"#]).expect_code(1);
    for part in ["1001", "demo failure", "DEMO_FAILURE", "\"why\": 1"] {
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
    assert_eq!(ended.stdout, "");
    let ended = run(&["call", &server.url("/demo"), "no-such-method"]).expect_code(1);
    assert!(ended.stderr.contains("-32601"), "{ended:?}");
}

#[test]
fn wrong_usage_is_told_before_anything_is_sent() {
    let nobody = format!("ws://127.0.0.1:{}/demo", closed_port());
    let ended = run(&["call", &nobody, "add", r#"{"a":1 "b":2}"#]).expect_code(2);
    assert!(ended.stderr.contains("line 1 column 8") && ended.stderr.contains('^'), "{ended:?}");
    run(&["call", &nobody, "add", "@/no/such/file"]).expect_code(2);
    run(&["call", "http://127.0.0.1/demo", "add"]).expect_code(2);
    run(&["call", &nobody]).expect_code(2);
    run(&["call", "--timeout", "soon", &nobody, "add"]).expect_code(2);
    run(&["notify", &nobody, "log", "{"]).expect_code(2);
    let ended = run(&["call", "--header", "Upgrade: h2c", &nobody, "count"]).expect_code(2);
    assert!(ended.stderr.contains("upgrade is for the WebSocket handshake itself"), "{ended:?}");
}

#[test]
fn a_server_that_is_not_there_or_has_no_such_path_is_no_connection() {
    let nobody = format!("ws://127.0.0.1:{}/demo", closed_port());
    for command in ["call", "notify"] {
        let ended = run(&[command, &nobody, "count"]).expect_code(3);
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    }
    let server = Server::start(&[]);
    for command in ["call", "notify"] {
        let ended = run(&[command, &server.url("/nothing?token=geheim"), "count"]).expect_code(3);
        assert!(ended.stderr.contains("404") && ended.stderr.ends_with("the path may be wrong: /nothing was asked for\n"), "{ended:?}");
    }
}

#[test]
fn an_answer_that_does_not_come_is_a_timeout() {
    let server = Server::start(&[]);
    run(&["call", "--timeout", "200ms", &server.url("/demo"), "sleep", r#"{"ms":60000}"#]).expect_code(4);
}

#[test]
fn a_call_outlives_the_connection_on_which_it_was_made() {
    let server = Server::start(&[]);
    let ended = run(&["call", &server.url("/demo"), "close-transport"]).expect_code(0);
    assert_eq!(ended.json(), json!({"cut": true}));
    assert_eq!(ended.stderr, "* the connection is lost; reconnecting\n* reconnected, the session goes on\n");
}

#[test]
fn what_becomes_of_the_connection_after_the_answer_is_not_told() {
    let server = Server::start(&[]);
    let ended = run(&["call", &server.url("/demo"), "close-me"]).expect_code(0);
    assert_eq!(ended.stderr, "");
}

#[test]
fn without_an_answer_and_without_a_connection_the_outcome_is_unknown() {
    let server = Server::start(&[]);
    let arguments = ["call", "--timeout", "2s", "--print-session", &server.url("/demo"), "sleep", r#"{"ms":60000}"#];
    let mut call = bowline().args(arguments).spawn().unwrap();
    let mut stderr = BufReader::new(call.stderr.take().unwrap());
    let mut said = String::new();
    stderr.read_line(&mut said).unwrap();
    assert!(said.starts_with("session "), "{said}");
    drop(server);
    let ended = finish(call).expect_code(5);
    stderr.read_to_string(&mut said).unwrap();
    let lost = "* the connection is lost; reconnecting\n\
                error: the connection was lost and did not come back in time; whether the call ran is unknown\n\
                the last attempt to reconnect: cannot reach the server: ";
    assert!(said.contains(lost), "{said}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn without_resumption_the_outcome_is_unknown_and_said_to_be() {
    let server = Server::start(&[]);
    let ended = run(&["call", "--no-resume", &server.url("/demo"), "close-transport"]).expect_code(5);
    assert!(ended.stderr.contains("unknown"), "{ended:?}");
}

#[test]
fn a_session_can_be_left_and_taken_up_again() {
    let server = Server::start(&[]);
    let url = server.url("/demo");
    let first = run(&["call", "--print-session", &url, "count"]).expect_code(0);
    let id = first.stderr.trim().strip_prefix("session ").unwrap();
    assert_eq!(id.len(), 36);

    run(&["notify", "--session", id, &url, "log", r#"{"n":7}"#]).expect_code(0);
    let logged = run(&["call", "--session", id, &url, "logged"]).expect_code(0);
    assert_eq!(logged.json(), json!({"count": 1, "last": {"n": 7}}));
    let count = run(&["call", "--session", id, &url, "count"]).expect_code(0);
    assert_eq!(count.json(), json!({"count": 2, "isNew": false}));
}

#[test]
fn who_comes_back_to_a_session_that_has_ended_is_told() {
    let server = Server::start(&[]);
    let ended = run(&["call", "--session", "00000000-0000-4000-8000-000000000001", &server.url("/demo"), "count"]).expect_code(0);
    assert_eq!(ended.stderr.trim(), "note: there is no session 00000000… (it has ended, or never was); this is a new one");
}

#[test]
fn a_notification_is_silent() {
    let server = Server::start(&[]);
    let ended = run(&["notify", &server.url("/demo"), "no-such-method"]).expect_code(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
}

#[test]
fn a_big_result_is_no_matter() {
    let server = Server::start(&[]);
    let ended = run(&["call", &server.url("/demo"), "big", r#"{"bytes":3000000}"#]).expect_code(0);
    assert!(ended.stdout.len() > 3_000_000);
}

#[test]
fn the_dialect_shows_in_the_result() {
    let server = Server::start(&[]);
    let params = r#"{"a":1,"b":2}"#;
    assert_eq!(run(&["call", &server.url("/demo"), "add", params]).expect_code(0).json(), json!({"value": 3}));
    let strict = run(&["call", "--dialect", "strict", &server.url("/strict"), "add", params]);
    assert_eq!(strict.expect_code(0).json(), json!(3));
}

#[test]
fn the_methods_of_the_library_cannot_be_called() {
    let server = Server::start(&[]);
    run(&["call", &server.url("/demo"), "ping"]).expect_code(2);
}

#[test]
fn what_is_told_in_a_notification_is_not_dropped_with_its_session() {
    let server = Server::start(&[]);
    run(&["notify", &server.url("/demo"), "log", r#"{"line":1}"#]).expect_code(0);
    run(&["call", &server.url("/demo"), "count"]).expect_code(0);
    // A session that is closed drops what it has not served; that of a call has nothing left.
    let stopped = server.stop("TERM").expect_code(0);
    assert!(stopped.stderr.contains("sessions closed: 1,"), "{stopped:?}");
}
