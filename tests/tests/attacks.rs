//! The attacks of `--bin attack`, short: the server's memory stays within its bounds, and the others are served.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_tests::attacks::{ALL, Scale, run};
use std::path::Path;

fn is_withstood(name: &str) {
    rlimit::increase_nofile_limit(8192).unwrap();
    let attack = ALL.iter().find(|attack| attack.name == name).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = runtime.block_on(run(attack, Scale::Short, Path::new(env!("CARGO_BIN_EXE_attack")))).unwrap();
    println!("{report}");
    assert!(report.is_good(), "{report}");
}

macro_rules! withstood {
    ($($test:ident: $name:literal),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                is_withstood($name);
            }
        )+

        #[test]
        fn none_is_left_out() {
            assert_eq!(ALL.map(|attack| attack.name), [$($name),+]);
        }
    };
}

withstood![
    slow_handshakes: "slow-handshakes",
    half_open_connections: "half-open",
    guessed_session_ids: "session-ids",
    compression_that_is_offered: "compression",
    readers_that_stop: "stopped-reader",
    acknowledgers_that_never_acknowledge: "never-acknowledges",
    pings: "pings",
    batches: "batches",
    repetitions_of_what_is_in_flight: "repetitions",
    deep_json: "deep-json",
    wide_json: "wide-json",
    sockjs_sessions_without_a_connection: "sockjs-sessions",
    sockjs_bodies_without_an_end: "sockjs-bodies",
];
