use crate::support::{Ended, Server, closed_port, run};

/// The number in the row of this name.
fn number(ended: &Ended, row: &str) -> u64 {
    let line = ended.stdout.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no {row} in {ended:?}"));
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_number_of_requests_is_spread_over_the_connections() {
    let server = Server::start(&[]);
    let url = server.url("/echo");
    let ended = run(&["bench", &url, "--connections", "3", "--pipeline", "4", "--requests", "200", "--size", "100"]);
    let ended = ended.expect_code(0);
    assert_eq!((number(&ended, "requests "), number(&ended, "errors")), (200, 0));
    for column in ["p50", "p99.9", "latency", "connection", "requests/s"] {
        assert!(ended.stdout.contains(column), "{ended:?}");
    }
    assert!(!ended.stdout.contains(" 0.00"), "nothing takes no time: {ended:?}");
    // No terminal, no bar.
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_duration_ends_it() {
    let server = Server::start(&[]);
    let ended = run(&["bench", &server.url("/echo"), "--duration", "200ms", "--threads", "1"]).expect_code(0);
    assert!(number(&ended, "requests ") > 0);
}

#[test]
fn errors_are_counted_and_told() {
    let server = Server::start(&[]);
    let ended = run(&["bench", &server.url("/echo"), "--requests", "5", "--method", "fail"]).expect_code(1);
    assert_eq!((number(&ended, "requests "), number(&ended, "errors")), (5, 5));
    assert!(ended.stdout.contains("demo failure"), "{ended:?}");
}

#[test]
fn there_is_nothing_to_measure_without_a_server() {
    run(&["bench", &format!("ws://127.0.0.1:{}/echo", closed_port())]).expect_code(3);
}

#[test]
fn nothing_at_all_cannot_be_measured() {
    let nobody = format!("ws://127.0.0.1:{}/echo", closed_port());
    for [flag, value] in [["-n", "0"], ["--duration", "0s"], ["--duration", "soon"], ["--connections", "0"]] {
        let ended = run(&["bench", &nobody, flag, value]).expect_code(2);
        assert!(ended.stderr.contains(value), "{ended:?}");
    }
}
