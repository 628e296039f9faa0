//! PROTOCOL 7: how a client ends.

use bowline_core::{CallOutcome, ClientConfig, Close, CloseReason, SendError};
use bowline_tests::raw::Event;
use bowline_tests::raw_server::RawServer;
use serde_json::{Value, json};
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn plain() -> ClientConfig {
    ClientConfig { resume: false, ..ClientConfig::default() }
}

#[test]
fn closing_ends_it_in_every_state_for_good() {
    let close = |server: &mut RawServer| {
        let tag = server.call_plain("m");
        server.events();
        server.with(|client, now| client.close(now, CloseReason::Application));
        assert_eq!(server.events().last(), Some(&Event::Closed(CloseReason::Application)));
        assert_eq!(server.outcome(tag), Some(&CallOutcome::Closed));
        assert_eq!(server.call("m", &json!({}), None).unwrap_err(), SendError::Closed);
        assert!(!server.is_up() && server.client().is_closed());
        server.with(|client, now| client.reconnect(now));
        server.with(|client, now| client.open(now));
        server.with(|client, now| client.set_heartbeat(now, Some(MOMENT)));
        server.with(|client, now| client.close(now, CloseReason::Application));
        server.events();
        server.advance(seconds(3600));
        assert_eq!((server.events(), server.timeouts, server.client().poll_timeout()), (vec![], 0, None));
    };
    close(&mut RawServer::unopened(plain(), 7));
    close(&mut RawServer::new(plain()));
    let mut greeting = RawServer::new(plain());
    greeting.accept();
    close(&mut greeting);
    close(&mut RawServer::connected(plain()));
    let mut waiting = RawServer::connected(plain());
    waiting.cut();
    waiting.fail_dial();
    close(&mut waiting);
}

#[test]
fn what_is_queued_is_still_written_when_an_open_client_closes() {
    let mut server = RawServer::connected(plain());
    server.stalled = true;
    server.notify("last words", 1).unwrap();
    server.stalled = false;
    server.with(|client, now| client.close(now, CloseReason::Application));
    assert_eq!(server.one()["method"], "last words");
}

#[test]
fn the_close_message_is_off_unless_asked_for() {
    let mut server = RawServer::connected(plain());
    server.with(|client, now| client.close(now, CloseReason::Application));
    assert_eq!(server.read(), Vec::<Value>::new());
}

#[test]
fn a_client_with_a_close_message_waits_a_moment_for_bye() {
    let config = ClientConfig { close_message: true, ..plain() };
    let mut server = RawServer::connected(config.clone());
    let tag = server.call_plain("m");
    server.read();
    server.with(|client, now| client.close(now, CloseReason::Application));
    let goodbye = server.one();
    assert_eq!((&goodbye["method"], &goodbye["params"]), (&json!("closeSession"), &json!({"sessionId": "S"})));
    assert_eq!(server.outcome(tag), Some(&CallOutcome::Closed));
    assert_eq!((server.events(), server.notify("m", 1)), (vec![], Err(SendError::Closed)));
    server.answer(&goodbye, json!("bye"));
    assert_eq!(server.events(), [Event::HungUp(Close::NORMAL), Event::Closed(CloseReason::Application)]);

    // Without an answer it does not wait long, and a lost transport is as good as an answer.
    let mut server = RawServer::connected(config.clone());
    server.with(|client, now| client.close(now, CloseReason::Application));
    server.advance(seconds(2));
    assert_eq!(server.events(), [Event::HungUp(Close::NORMAL), Event::Closed(CloseReason::Application)]);
    let mut server = RawServer::connected(config);
    server.with(|client, now| client.close(now, CloseReason::Application));
    server.cut();
    assert_eq!(server.events(), [Event::Closed(CloseReason::Application)]);
}

#[test]
fn a_close_message_goes_after_everything_that_was_queued() {
    let mut server = RawServer::connected(ClientConfig { close_message: true, ..plain() });
    server.stalled = true;
    server.notify("first", 1).unwrap();
    server.with(|client, now| client.close(now, CloseReason::Application));
    server.stalled = false;
    server.advance(MOMENT);
    server.with(|_, _| ());
    let methods: Vec<_> = server.read().iter().map(|frame| frame["method"].clone()).collect();
    assert_eq!(methods, ["first", "closeSession"]);
}

#[test]
fn a_plain_server_is_sent_no_close_message() {
    let mut server = RawServer::new(ClientConfig { close_message: true, ..plain() });
    server.accept();
    let asked = server.one();
    server.refuse(&asked, -32601);
    server.with(|client, now| client.close(now, CloseReason::Application));
    assert_eq!(server.read(), Vec::<Value>::new());
    assert_eq!(server.events().last(), Some(&Event::Closed(CloseReason::Application)));
}
