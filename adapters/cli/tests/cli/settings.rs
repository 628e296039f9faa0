//! Settings of `bowline serve` from flags, the environment and a file.

use crate::support::{Ended, Server, bowline, finish, run};
use std::path::{Path, PathBuf};

/// A file of a test's own.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("settings-{name}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

fn with_file(name: &str, text: &str, arguments: &[&str]) -> Ended {
    run(&[&["serve", "--config", file(name, text).to_str().unwrap()], arguments].concat())
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let text =
        "max-sessions = 1\nshutdown-timeout = \"1s\"\nthreads = 1\nping-watchdog = true\nallow-origin = [\"http://a\", \"http://b\"]\n";
    let path = file("order", text);
    let mut command = bowline();
    command
        .env("BOWLINE_MAX_SESSIONS", "2")
        .env("BOWLINE_SHUTDOWN_TIMEOUT", "2s")
        .env("BOWLINE_CONFIG", &path)
        .env("BOWLINE_LISTEN", "a:1,b:2");
    let ended =
        finish(command.args(["serve", "--max-sessions", "3", "--ping-watchdog=false", "--print-config"]).spawn().unwrap()).expect_code(0);
    for line in [
        "max-sessions = 3  # flag",
        "shutdown-timeout = \"2s\"  # environment",
        "threads = 1  # file",
        "ping-watchdog = false  # flag",
        "allow-origin = [\"http://a\", \"http://b\"]  # file",
        "listen = [\"a:1\", \"b:2\"]  # environment",
        "no-resume = false  # default",
        "# metrics is not set",
    ] {
        assert!(ended.lines().contains(&line), "{line:?} is not in:\n{}", ended.stdout);
    }
}

#[test]
fn what_is_printed_can_be_read_again() {
    let first = run(&["serve", "--print-config", "--log", "warn,bowline::request=debug", "--max-message-size", "7"]).expect_code(0).stdout;
    let again = with_file("again", &first, &["--print-config"]).expect_code(0).stdout;
    let plain = |text: &str| text.lines().map(|line| line.split("  #").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(plain(&first), plain(&again));
}

#[test]
fn a_key_that_is_no_setting_is_told_with_its_line_and_the_nearest() {
    let ended = with_file("unknown", "# mine\nthreads = 1\nlisten-on = \"127.0.0.1:0\"\n", &["--print-config"]).expect_code(2);
    for part in ["line 3", "`listen-on`", "`listen`"] {
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
    let ended = with_file("strange", "[server]\nport = 1\n", &[]).expect_code(2);
    assert!(ended.stderr.contains("line 1") && ended.stderr.contains("--print-config"), "{ended:?}");
    // What is about the settings is none.
    with_file("self", "config = \"other.toml\"\n", &[]).expect_code(2);
}

#[test]
fn a_value_that_does_not_fit_is_told_with_its_line() {
    for (name, text, parts) in [
        ("duration", "\nreconnection-timeout = \"soon\"", &["line 2", "--reconnection-timeout", "soon"][..]),
        ("choice", "dialect = \"klingon\"", &["line 1", "klingon", "kurento, strict"]),
        ("list", "metrics = [\"a\"]", &["line 1", "`metrics` takes one value"]),
        ("float", "threads = 1.5", &["line 1", "float"]),
        ("log", "log = \"loud\"", &["line 1", "off, error"]),
        ("syntax", "threads = 1\nlisten = [", &["line 2", "not TOML"]),
    ] {
        // Even where a flag overrules it.
        let ended = with_file(name, text, &["--reconnection-timeout", "1s", "--print-config"]).expect_code(2);
        assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{parts:?}: {ended:?}");
    }
    let ended = run(&["serve", "--config", "/no/such/file"]).expect_code(2);
    assert!(ended.stderr.contains("/no/such/file"), "{ended:?}");
}

#[test]
fn the_environment_is_checked_like_the_flags() {
    let ended = finish(bowline().env("BOWLINE_THREADS", "many").args(["serve"]).spawn().unwrap()).expect_code(2);
    assert!(ended.stderr.contains("--threads") && ended.stderr.contains("many"), "{ended:?}");
}

#[test]
fn what_looks_like_a_setting_in_the_environment_and_is_none_is_told_with_the_nearest() {
    let with = |command: &str, arguments: &[&str]| {
        let mut program = bowline();
        program
            .env("BOWLINE_REONNECTION_TIMEOUT", "30s")
            .env("BOWLINE_QQ", "1")
            // Of Kubernetes.
            .env("BOWLINE_SERVICE_HOST", "10.0.0.1")
            .env("BOWLINE_PORT_8888_TCP_ADDR", "10.0.0.1")
            .env("BOWLINE_THREADS", "1")
            .env("BOWLINE_PRINT_CONFIG", "true");
        finish(program.arg(command).args(arguments).spawn().unwrap())
    };
    let ended = with("serve", &[]).expect_code(0);
    let told = [
        "warning: BOWLINE_QQ in the environment is no setting",
        "warning: BOWLINE_REONNECTION_TIMEOUT in the environment is no setting; did you mean BOWLINE_RECONNECTION_TIMEOUT?",
    ];
    assert_eq!(ended.stderr.lines().collect::<Vec<_>>(), told);
    assert!(ended.lines().contains(&"reconnection-timeout = \"10s\"  # default"), "{ended:?}");
    // The other commands have no settings, and may run in the environment of a server.
    let ended = with("call", &["ws://127.0.0.1:1/", "count", "{"]).expect_code(2);
    assert!(!ended.stderr.contains("warning"), "{ended:?}");
}

#[test]
fn a_server_does_as_its_file_says() {
    let path = file("server", "listen = \"127.0.0.1:0\"\ndialect = \"strict\"\nlog-requests = true\n");
    let server = Server::run(bowline().args(["serve", "--config", path.to_str().unwrap()]));
    let sum = run(&["call", "--dialect", "strict", &server.url("/demo"), "add", r#"{"a":1,"b":2}"#]);
    assert_eq!(sum.expect_code(0).stdout, "3\n");
    assert!(server.stop("TERM").expect_code(0).stderr.contains("add ok"));
}
