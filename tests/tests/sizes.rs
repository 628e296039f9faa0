//! What a session costs, and what may be done with it: facts that are easy to lose without noticing.

use allocation_counter::measure;
use bowline_core::{ClientConfig, Dialect, Endpoint, Instant, Json, Outcome, Received, ServerConfig, SessionId};
use std::sync::Arc;

fn is_send<T: Send>() {}

#[test]
fn an_endpoint_can_move_to_another_thread() {
    is_send::<Endpoint<()>>();
    is_send::<Endpoint<u32>>();
}

#[test]
fn an_endpoint_is_small() {
    let size = size_of::<Endpoint<()>>();
    assert!(size <= 768, "{size} bytes");
}

fn request(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"echo","params":{{"text":"hello"}}}}"#)
}

/// The peer says that it has received the first `received` answers.
fn acknowledge(server: &mut Endpoint<()>, now: Instant, received: u32, out: &mut Vec<u8>) {
    let ping = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"ping","params":{{"received":{received}}}}}"#);
    assert!(matches!(server.handle_frame(now, ping.as_bytes()), Received::Handled));
    out.clear();
    assert!(server.poll_transmit(out).is_some());
}

/// One echo, answered and written; its text goes into `out`.
fn echo(server: &mut Endpoint<()>, now: Instant, id: u32, out: &mut Vec<u8>) {
    let frame = request(id);
    let Received::Request(request) = server.handle_frame(now, frame.as_bytes()) else { unreachable!("a request") };
    while server.poll_action().is_some() {}
    let params = request.params.unwrap_or(Json::NULL);
    server.respond(now, request.responder, Outcome::Result(params));
    out.clear();
    while server.poll_transmit(out).is_some() {}
    assert!(!out.is_empty());
}

/// Bytes on the heap that outlive `act`.
fn kept(act: impl FnOnce()) -> i64 {
    measure(act).bytes_current
}

#[test]
fn an_idle_session_after_an_echo_holds_next_to_nothing() {
    for (resume, dialect) in [(false, Dialect::Kurento), (false, Dialect::Strict), (true, Dialect::Kurento)] {
        let config = Arc::new(ServerConfig { dialect, ..ServerConfig::default() });
        let mut out = Vec::with_capacity(1024);
        let now = Instant::ORIGIN;
        let mut server = Endpoint::server(config, SessionId::from_random([7; 16]));
        assert_eq!(server.handle_attached(now), None);
        let after_echo = kept(|| {
            if resume {
                let connect = br#"{"jsonrpc":"2.0","id":0,"method":"connect","params":{"resume":{"received":0}}}"#;
                assert!(matches!(server.handle_frame(now, connect), Received::Handled));
            }
            echo(&mut server, now, 1, &mut out);
            server.shrink();
        });
        // The kept answer (60 s without resumption, until it is acknowledged with it) and its place in a table.
        assert!((0..=2048).contains(&after_echo), "{after_echo} bytes with resume: {resume}, {dialect:?}");

        let later = now + std::time::Duration::from_secs(61);
        let released = kept(|| {
            server.handle_timeout(later);
            if resume {
                let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"received":1}}"#;
                assert!(matches!(server.handle_frame(later, ping), Received::Handled));
                out.clear();
                assert!(server.poll_transmit(&mut out).is_some());
            }
            server.shrink();
        });
        let idle = after_echo + released;
        assert!((0..=64).contains(&idle), "{idle} bytes a minute later with resume: {resume}, {dialect:?}");
    }
}

#[test]
fn an_echo_allocates_nothing() {
    for (resume, dialect) in [(false, Dialect::Kurento), (true, Dialect::Kurento), (true, Dialect::Strict)] {
        let config = Arc::new(ServerConfig { dialect, ..ServerConfig::default() });
        let mut server = Endpoint::server(config, SessionId::from_random([7; 16]));
        let (mut out, now) = (Vec::with_capacity(1024), Instant::ORIGIN);
        assert_eq!(server.handle_attached(now), None);
        if resume {
            let connect = br#"{"jsonrpc":"2.0","id":0,"method":"connect","params":{"resume":{"received":0}}}"#;
            assert!(matches!(server.handle_frame(now, connect), Received::Handled));
        }
        let mut echoes = |from: u32, to: u32| {
            for id in from..to {
                echo(&mut server, now, id, &mut out);
                if resume && id % 128 == 0 {
                    acknowledge(&mut server, now, id, &mut out);
                }
            }
        };
        // By then every table has its size.
        echoes(1, 1025);
        let one = measure(|| drop(request(7))).count_total;
        let all = measure(|| echoes(1025, 2025));
        // A ping's answer is built of a few strings.
        let pings = if resume { 8 * 16 } else { 0 };
        let allocated = all.count_total - 1000 * one;
        assert!(allocated <= pings, "{allocated} allocations for a thousand echoes with resume: {resume}, {dialect:?}");
        assert_eq!(all.bytes_current, 0);
    }
}

#[test]
fn a_client_is_not_much_larger() {
    let mut client: Option<Endpoint<()>> = None;
    let held = kept(|| client = Some(Endpoint::client(Arc::new(ClientConfig::default()), 7)));
    assert!(client.is_some());
    assert!((0..=1024).contains(&held), "{held} bytes");
}
