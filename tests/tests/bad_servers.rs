//! Servers that a client has to survive.

use bowline_core::{CallOutcome, ClientConfig, CloseReason, FirstConnect, InFlight, SessionId};
use bowline_tests::raw::Event;
use bowline_tests::raw_server::RawServer;
use serde_json::{Value, json};
use std::time::Duration;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn retrying() -> ClientConfig {
    ClientConfig { first_connect: FirstConnect::Retry, ..ClientConfig::default() }
}

/// Whether the client, after all this, can connect to a good server and call it.
fn recovers(server: &mut RawServer) {
    server.wait_for_dial();
    server.read();
    server.accept();
    server.greet(json!({"value": "OK", "sessionId": "good", "resume": {"received": 0}}));
    server.read();
    let tag = server.call_plain("m");
    let asked = server.one();
    server.answer(&asked, json!({"value": 1}));
    assert!(matches!(server.outcome(tag), Some(CallOutcome::Result(_))));
}

#[test]
fn one_that_never_answers_connect() {
    let mut server = RawServer::new(retrying());
    let mut dials = 0;
    while server.now().since_origin() < seconds(3600) {
        server.wait_for_dial();
        dials += 1;
        server.accept();
        server.advance(seconds(5));
    }
    assert!((100..800).contains(&dials), "{dials} dials in an hour");
    server.read();
    recovers(&mut server);
}

#[test]
fn one_that_answers_nothing_but_connect() {
    let mut server = RawServer::connected(ClientConfig { heartbeat: None, ..ClientConfig::default() });
    let tags: Vec<_> = (0..10).map(|_| server.call_plain("m")).collect();
    server.advance(seconds(60));
    assert!(tags.iter().all(|tag| server.outcome(*tag) == Some(&CallOutcome::TimedOut)));
    assert_eq!((server.client().usage().calls, server.events()), (0, vec![]));
}

#[test]
fn one_that_answers_everything_twice() {
    let mut server = RawServer::new(ClientConfig::default());
    server.accept();
    let connect = server.one();
    for session in ["S", "T"] {
        server.answer(&connect, json!({"value": "OK", "sessionId": session}));
    }
    assert_eq!(server.client().session_id().map(SessionId::reveal).as_deref(), Some("S"));
    let tag = server.call_plain("m");
    let asked = server.one();
    server.answer(&asked, json!({"value": 1}));
    server.refuse(&asked, 5);
    assert!(matches!(server.outcome(tag), Some(CallOutcome::Result(_))));
    assert_eq!(server.events(), [Event::Dial(1), Event::Opened]);
}

#[test]
fn one_that_answers_ids_that_were_never_asked() {
    let mut server = RawServer::new(ClientConfig::default());
    server.accept();
    for id in [json!(0), json!(77), json!("x"), json!(null), json!(-1), json!(2_147_483_648_u32), json!(1.5)] {
        server.send(&json!({"jsonrpc": "2.0", "id": id, "result": {"sessionId": "X"}}));
        server.send(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": 40007, "message": ""}}));
    }
    assert_eq!((server.events(), server.client().session_id()), (vec![Event::Dial(1)], None));
    server.greet(json!({"value": "OK", "sessionId": "S"}));
    assert_eq!(server.events(), [Event::Opened]);
}

#[test]
fn one_that_talks_rubbish() {
    let mut server = RawServer::connected(ClientConfig { resume: false, ..ClientConfig::default() });
    let tag = server.call_plain("m");
    let asked = server.one();
    for rubbish in ["", "rubbish", "5", "[]", "{}", "[[[", "{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":1}", "\u{0}"] {
        server.send_text(rubbish);
        assert!(server.one()["error"]["code"].is_i64(), "{rubbish}");
    }
    server.send_text(b"\xff\xfe".to_vec());
    server.read();
    server.answer(&asked, json!({"value": 1}));
    assert!(matches!(server.outcome(tag), Some(CallOutcome::Result(_))));
    assert_eq!(server.events(), []);
}

#[test]
fn one_that_answers_connect_with_rubbish() {
    for body in [
        json!({"result": {"value": "OK"}, "error": null}),
        json!({"error": null}),
        json!({"error": {"code": "x"}}),
        json!({"error": {"code": 40007, "message": "but nothing was asked for"}}),
    ] {
        let mut server = RawServer::new(retrying());
        for _ in 0..5 {
            server.accept();
            let mut answer = json!({"jsonrpc": "2.0", "id": server.one()["id"]});
            answer.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            server.send(&answer);
            assert!(!server.is_up(), "{body}");
            assert!(server.events().iter().any(|event| matches!(event, Event::ConnectFailed(Some(_), Some(_)))), "{body}");
            server.wait_for_dial();
        }
        recovers(&mut server);
    }
}

#[test]
fn one_that_says_40007_to_everything() {
    let mut server = RawServer::connected(ClientConfig { resume: false, ..ClientConfig::default() });
    server.cut();
    let (mut connects, mut dials) = (0, 0);
    while server.now().since_origin() < seconds(600) {
        server.wait_for_dial();
        dials += 1;
        server.accept();
        while server.is_up() {
            let connect = server.expect("connect");
            connects += 1;
            server.refuse(&connect, 40007);
        }
    }
    assert_eq!(connects, dials + 1, "only the first asked for the old session");
    assert!(dials < 100, "{dials} dials in ten minutes");
    recovers_without_resumption(&mut server);
}

fn recovers_without_resumption(server: &mut RawServer) {
    server.wait_for_dial();
    server.accept();
    server.greet(json!({"value": "OK", "sessionId": "T"}));
    assert_eq!(server.events().last(), Some(&Event::Renewed));
}

#[test]
fn one_whose_answer_to_connect_names_no_session() {
    for result in [
        json!({"value": "OK"}),
        json!("OK"),
        json!(null),
        json!({"sessionId": 5}),
        json!({"sessionId": ""}),
        json!({"sessionId": "x".repeat(500)}),
    ] {
        let mut server = RawServer::new(ClientConfig::default());
        server.accept();
        server.greet(result.clone());
        assert_eq!(server.events(), [Event::Dial(1), Event::Opened], "{result}");
        assert_eq!(server.client().session_id(), None);
        let tag = server.call_plain("m");
        assert_eq!(server.one()["params"], json!({}));
        server.cut();
        assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted));
        server.accept();
        assert_eq!(server.one()["params"], json!({"resume": {"received": 0}}));
    }
}

#[test]
fn one_that_resumes_a_session_that_it_did_not_name() {
    let mut server = RawServer::new(ClientConfig::default());
    server.accept();
    server.greet(json!({"value": "OK", "resume": {"received": 0}}));
    assert!(!server.client().is_resumable(), "there is nothing to come back to");
    let tag = server.call_plain("m");
    server.read();
    server.cut();
    assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted));
}

#[test]
fn one_that_resumes_what_was_never_offered() {
    let mut server = RawServer::new(ClientConfig { resume: false, ..ClientConfig::default() });
    server.accept();
    server.greet(json!({"value": "OK", "sessionId": "S", "resume": {"received": 0}}));
    assert!(!server.client().is_resumable());
    for n in 0..2000 {
        server.notify("event", n).unwrap();
    }
    assert_eq!(server.client().usage().outbox_messages, 0);
}

#[test]
fn one_that_received_messages_of_a_session_before_it_began() {
    let mut server = RawServer::new(retrying());
    server.accept();
    server.greet(json!({"value": "OK", "sessionId": "S", "resume": {"received": 5}}));
    assert!(!server.is_up(), "a number that cannot be");
    recovers(&mut server);
}

#[test]
fn one_that_answers_with_another_session_than_was_asked_for() {
    for in_flight in [InFlight::Interrupt, InFlight::Repeat] {
        let mut server = RawServer::connected(ClientConfig { in_flight, ..ClientConfig::default() });
        let tag = server.call_plain("m");
        server.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "later"}));
        server.read();
        server.cut();
        server.accept();
        server.greet(json!({"value": "reconnection successful", "sessionId": "T"}));
        assert_eq!(server.events(), [Event::Lost, Event::Dial(1), Event::Renewed], "it is a new session, whatever the server calls it");
        assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted));
        server.finish(0, &json!("an answer of the old session"));
        assert_eq!(server.read(), Vec::<Value>::new());
        assert_eq!(server.client().session_id().map(SessionId::reveal).as_deref(), Some("T"));
    }
}

#[test]
fn one_that_learns_sessions_between_two_connections() {
    for in_flight in [InFlight::Interrupt, InFlight::Repeat] {
        let mut server = RawServer::new(ClientConfig { in_flight, ..ClientConfig::default() });
        server.accept();
        let connect = server.one();
        server.refuse(&connect, -32601);
        let tag = server.call_plain("m");
        server.read();
        server.cut();
        server.accept();
        server.greet(json!({"value": "OK", "sessionId": "S", "resume": {"received": 0}}));
        assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted), "it belonged to no session");
        assert_eq!(server.read(), Vec::<Value>::new());
    }
}

#[test]
fn one_that_floods_the_client_with_requests_and_takes_no_answers() {
    let mut server = RawServer::connected(ClientConfig { resume: false, ..ClientConfig::default() });
    server.stalled = true;
    for id in 0..5000 {
        server.send(&json!({"jsonrpc": "2.0", "id": id, "method": "echo", "params": ["x".repeat(100)]}));
    }
    let usage = server.client().usage();
    assert!(usage.outbox_messages <= 2048 && usage.in_flight <= 4096, "{usage:?}");
    assert!(!server.client().wants_read());
}

#[test]
fn one_that_is_gone_for_good_is_given_up_by_a_client_that_is_told_when() {
    let mut server =
        RawServer::connected(ClientConfig { reconnect: bowline_core::Reconnect::For(seconds(300)), ..ClientConfig::default() });
    let tag = server.call("m", &json!({}), Some(seconds(1000))).unwrap().0;
    server.cut();
    while !server.client().is_closed() {
        if server.is_dialled() {
            server.fail_dial();
        }
        server.advance(Duration::from_millis(100));
    }
    assert_eq!(server.events().last(), Some(&Event::Closed(CloseReason::GaveUp)));
    assert!(server.outcome(tag).is_some());
}
