use crate::support::{Server, closed_port, run_with_input};

fn connect(url: &str, lines: &[&str]) -> crate::support::Ended {
    run_with_input(&["connect", url], &(lines.join("\n") + "\n"))
}

#[test]
fn lines_are_called_in_order_and_answered_by_number() {
    let server = Server::start(&[]);
    let ended =
        connect(&server.url("/demo"), &[r#"add {"a":1,"b":2}"#, "", r#"/notify log {"n":1}"#, "logged", "count", r#"fail {"n":7}"#]);
    assert_eq!(
        ended.expect_code(0).lines(),
        [
            r#"#1 add: {"value":3}"#,
            r#"#2 logged: {"count":1,"last":{"n":1}}"#,
            r#"#3 count: {"count":1,"isNew":false}"#,
            r#"#4 fail: error 1001: demo failure, data: {"type":"DEMO_FAILURE","params":{"n":7}}"#,
        ]
    );
}

#[test]
fn the_end_of_the_input_waits_for_the_answers() {
    let server = Server::start(&[]);
    let ended = connect(&server.url("/demo"), &[r#"sleep {"ms":300}"#, r#"add {"a":1,"b":2}"#]).expect_code(0);
    assert_eq!(ended.lines(), [r#"#2 add: {"value":3}"#, r#"#1 sleep: {"slept":300}"#]);
}

#[test]
fn what_the_server_sends_is_shown() {
    let server = Server::start(&[]);
    let ended = connect(&server.url("/demo"), &[r#"notify-me {"n":2,"method":"tick"}"#]).expect_code(0);
    assert_eq!(ended.lines(), [r#"notification tick {"i":0}"#, r#"notification tick {"i":1}"#, r#"#1 notify-me: {"sent":2}"#]);
}

#[test]
fn requests_of_the_server_are_answered_as_told() {
    let server = Server::start(&[]);
    let ask = r#"ask-me {"method":"question","params":{"k":1}}"#;
    let default = connect(&server.url("/demo"), &[ask]).expect_code(0);
    assert_eq!(default.lines(), [r#"request question {"k":1}, answered {}"#, r##"#1 ask-me: {"answer":{}}"##]);
    let told = connect(&server.url("/demo"), &[r#"/answer question {"ok":true}"#, ask]).expect_code(0);
    assert_eq!(told.lines(), [r#"request question {"k":1}, answered {"ok":true}"#, r##"#1 ask-me: {"answer":{"ok":true}}"##]);
    let refused = connect(&server.url("/demo"), &["/answer off", ask]).expect_code(0);
    assert_eq!(refused.lines()[0], r#"request question {"k":1}, refused with -32601"#);
    assert!(refused.lines()[1].starts_with(r##"#1 ask-me: {"error":{"code":-32601"##), "{refused:?}");
}

#[test]
fn a_lost_connection_is_told_and_the_session_goes_on() {
    let server = Server::start(&[]);
    let ended = connect(&server.url("/demo"), &["close-transport", "count"]).expect_code(0);
    assert_eq!(ended.lines(), [r##"#1 close-transport: {"cut":true}"##, r##"#2 count: {"count":1,"isNew":false}"##]);
    assert!(ended.stderr.contains("lost") && ended.stderr.contains("reconnected"), "{ended:?}");
}

#[test]
fn the_session_is_shown_in_part_unless_asked_for() {
    let server = Server::start(&[]);
    let ended = connect(&server.url("/demo"), &["/session", "/heartbeat 1s", "/heartbeat off"]).expect_code(0);
    let id = ended.lines()[0].strip_prefix("session ").unwrap();
    assert!(ended.stderr.contains(&id[..8]) && !ended.stderr.contains(id), "{ended:?}");
}

#[test]
fn a_line_that_is_not_understood_fails_the_script() {
    let server = Server::start(&[]);
    let ended = connect(&server.url("/demo"), &["add {", "/dance", "count"]).expect_code(2);
    assert_eq!(ended.lines(), [r##"#1 count: {"count":1,"isNew":true}"##]);
    assert!(ended.stderr.contains("not JSON") && ended.stderr.contains("/help"), "{ended:?}");
}

#[test]
fn quit_ends_the_input() {
    let server = Server::start(&[]);
    let ended = connect(&server.url("/demo"), &["/help", "/quit", "count"]).expect_code(0);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("/reconnect"), "{ended:?}");
}

#[test]
fn no_connection_is_no_session() {
    let nobody = format!("ws://127.0.0.1:{}/demo", closed_port());
    connect(&nobody, &["count"]).expect_code(3);
}
