//! PROTOCOL 7: how a client connects, reconnects and ends.

use bowline_core::{CallOutcome, ClientConfig, Close, CloseReason, FirstConnect, Limits, Reconnect, SessionId};
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

fn retrying() -> ClientConfig {
    ClientConfig { first_connect: FirstConnect::Retry, ..plain() }
}

fn ok() -> Value {
    json!({"value": "OK", "sessionId": "S"})
}

fn back() -> Value {
    json!({"value": "reconnection successful", "sessionId": "S"})
}

#[test]
fn it_dials_when_opened_and_connects_when_the_dial_succeeds() {
    let mut server = RawServer::unopened(plain(), 7);
    server.with(|client, now| client.reconnect(now));
    assert_eq!(server.events(), [], "what was not opened does not come back");
    server.advance(seconds(100));
    assert_eq!((server.events(), server.timeouts), (vec![], 0));
    server.with(|client, now| client.open(now));
    server.with(|client, now| client.open(now));
    assert_eq!(server.events(), [Event::Dial(1)]);
    server.accept();
    assert_eq!(server.greet(ok()), json!({}));
    assert_eq!(server.events(), [Event::Opened]);
    assert_eq!(server.client().session_id().map(SessionId::reveal).as_deref(), Some("S"));
    assert!(server.client().is_attached() && !server.client().is_resumable());
}

#[test]
fn it_comes_back_to_its_session_at_once() {
    let mut server = RawServer::connected(plain());
    for _ in 0..3 {
        server.advance(seconds(60));
        server.cut();
        assert_eq!(server.events(), [Event::Lost, Event::Dial(1)]);
        server.accept();
        assert_eq!(server.greet(back()), json!({"sessionId": "S"}));
        assert_eq!(server.events(), [Event::Resumed]);
    }
}

#[test]
fn a_saved_session_is_asked_for_in_the_first_connect() {
    let config = ClientConfig { session: SessionId::from_text("saved"), ..ClientConfig::default() };
    let mut server = RawServer::new(config.clone());
    server.accept();
    let params = server.greet(json!({"value": "reconnection successful", "sessionId": "saved"}));
    assert_eq!(params, json!({"sessionId": "saved"}), "its counts are gone, so resumption is not offered");
    assert_eq!(server.events(), [Event::Dial(1), Event::Opened]);

    let mut server = RawServer::new(config);
    server.accept();
    let asked = server.one();
    server.refuse(&asked, 40007);
    server.greet(ok());
    assert_eq!(server.events(), [Event::Dial(1), Event::Opened]);
    assert_eq!(server.client().session_id().map(SessionId::reveal).as_deref(), Some("S"));
}

#[test]
fn on_40007_it_drops_the_id_connects_without_one_and_reports_a_new_session() {
    let mut server = RawServer::connected(plain());
    let sent = server.call_plain("sent");
    server.read();
    server.cut();
    let waiting = server.call_plain("waiting");
    server.accept();
    let asked = server.one();
    assert_eq!(asked["params"], json!({"sessionId": "S"}));
    server.refuse(&asked, 40007);
    assert_eq!(server.greet(json!({"value": "OK", "sessionId": "T"})), json!({}));
    assert_eq!(server.events(), [Event::Lost, Event::Dial(1), Event::Renewed]);
    assert_eq!(server.outcome(sent), Some(&CallOutcome::Interrupted), "outcome unknown");
    let call = server.one();
    assert_eq!((&call["method"], &call["params"]["sessionId"]), (&json!("waiting"), &json!("T")));
    server.answer(&call, json!({}));
    assert!(matches!(server.outcome(waiting), Some(CallOutcome::Result(_))));
}

#[test]
fn a_new_session_owes_no_answers_of_the_old_one() {
    let mut server = RawServer::connected(plain());
    let ask = |id: u32, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    server.send(&ask(1, "later"));
    server.send(&ask(2, "later"));
    server.cut();
    server.finish(0, &json!("old"));
    server.accept();
    let asked = server.one();
    server.refuse(&asked, 40007);
    server.greet(json!({"value": "OK", "sessionId": "T"}));
    assert_eq!(server.read(), Vec::<Value>::new(), "the first answer waited and was dropped");
    server.send(&ask(2, "later"));
    server.finish(1, &json!("old"));
    assert_eq!(server.read(), Vec::<Value>::new(), "nor is the new request 2 answered with the old answer");
    server.finish(2, &json!("new"));
    assert_eq!(server.one()["result"]["value"], "new");
    assert_eq!(server.client().usage().in_flight, 0);
}

#[test]
fn what_the_old_session_asked_is_still_done_in_its_turn() {
    let limits = Limits { in_flight: 4, ..Limits::default() };
    let mut server = RawServer::connected(ClientConfig { limits, ..plain() });
    (1..=4).for_each(|id| server.send(&json!({"jsonrpc": "2.0", "id": id, "method": "busy"})));
    assert_eq!(server.served.len(), 1, "three wait");
    server.cut();
    server.accept();
    let asked = server.one();
    server.refuse(&asked, 40007);
    server.greet(json!({"value": "OK", "sessionId": "T"}));
    (0..4).for_each(|n| server.finish(n, &json!("old")));
    assert_eq!(server.served.len(), 4);
    assert_eq!(server.read(), Vec::<Value>::new(), "nobody is answered");
}

#[test]
fn a_server_without_connect_is_a_plain_json_rpc_server() {
    let mut server = RawServer::new(plain());
    server.accept();
    let asked = server.one();
    server.refuse(&asked, -32601);
    assert_eq!(server.events(), [Event::Dial(1), Event::Opened]);
    assert_eq!(server.client().session_id(), None);
    let tag = server.call_plain("m");
    let asked = server.one();
    assert_eq!(asked["params"], json!({}));
    server.answer(&asked, json!("x"));
    assert!(matches!(server.outcome(tag), Some(CallOutcome::Result(json)) if json.as_str() == "\"x\""));
    let unknown = server.call_plain("m");
    server.cut();
    assert_eq!(server.outcome(unknown), Some(&CallOutcome::Interrupted));
    server.accept();
    server.read();
}

#[test]
fn a_server_that_forgot_connect_on_the_way_is_asked_no_session_any_more() {
    let mut server = RawServer::connected(plain());
    server.cut();
    server.accept();
    let asked = server.one();
    server.refuse(&asked, -32601);
    assert_eq!(server.events(), [Event::Lost, Event::Dial(1), Event::Renewed]);
    assert_eq!(server.client().session_id(), None);
}

#[test]
fn a_server_that_names_no_session_has_a_new_one_for_each_connection() {
    let mut server = RawServer::new(plain());
    server.accept();
    server.greet(json!({"value": "OK"}));
    assert_eq!(server.events(), [Event::Dial(1), Event::Opened]);
    server.cut();
    server.accept();
    assert_eq!(server.greet(json!({"value": "OK"})), json!({}), "there is nothing to ask for");
    assert_eq!(server.events(), [Event::Lost, Event::Dial(1), Event::Renewed]);
}

#[test]
fn a_server_that_answers_no_connect_may_name_the_session_in_any_result() {
    let mut server = RawServer::new(plain());
    server.accept();
    let asked = server.one();
    server.refuse(&asked, -32601);
    server.call_plain("m");
    let asked = server.one();
    server.answer(&asked, json!({"value": 1, "sessionId": "late"}));
    server.call_plain("m");
    assert_eq!(server.one()["params"], json!({"sessionId": "late"}));
    server.cut();
    server.accept();
    assert_eq!(server.one()["params"], json!({"sessionId": "late"}));
}

#[test]
fn any_other_error_to_connect_is_a_failed_connection() {
    let mut server = RawServer::new(retrying());
    server.accept();
    let asked = server.one();
    server.refuse(&asked, -32603);
    let events = server.events();
    assert_eq!(events[..2], [Event::Dial(1), Event::HungUp(Close::NORMAL)]);
    assert!(matches!(events[2], Event::ConnectFailed(Some(-32603), Some(_))), "{events:?}");
    assert!(!server.is_up());
    server.wait_for_dial();
    server.accept();
    server.greet(ok());
    assert_eq!(server.events(), [Event::Dial(2), Event::Opened]);
}

#[test]
fn a_connect_that_is_not_answered_in_five_seconds_has_failed() {
    let mut server = RawServer::new(retrying());
    server.advance(seconds(2));
    server.accept();
    server.advance(seconds(3) - MOMENT);
    assert!(server.is_up());
    server.advance(MOMENT);
    let events = server.events();
    assert!(matches!(events[1..], [Event::HungUp(_), Event::ConnectFailed(None, Some(_)), ..]), "{events:?}");
}

#[test]
fn a_dial_that_takes_five_seconds_has_failed() {
    let mut server = RawServer::new(retrying());
    server.advance(seconds(5));
    assert!(matches!(server.events()[1..], [Event::HungUp(_), Event::ConnectFailed(None, Some(_)), ..]));
}

#[test]
fn a_first_connection_that_fails_closes_the_client_unless_it_is_told_to_go_on() {
    let mut server = RawServer::new(plain());
    let tag = server.call_plain("m");
    server.fail_dial();
    assert_eq!(server.events(), [Event::Dial(1), Event::ConnectFailed(None, None), Event::Closed(CloseReason::GaveUp)]);
    assert_eq!(server.outcome(tag), Some(&CallOutcome::Closed));
    assert_eq!(server.client().poll_timeout(), None);

    let mut server = RawServer::new(retrying());
    let tag = server.call_plain("m");
    server.fail_dial();
    server.wait_for_dial();
    server.accept();
    server.greet(ok());
    let asked = server.one();
    server.answer(&asked, json!({}));
    assert!(matches!(server.outcome(tag), Some(CallOutcome::Result(_))));
}

/// The waits of many clients after the loss of a session that is kept for `kept`, if it is kept by a server that says `greeting`.
fn waits(greeting: &Value, kept: Duration) -> Vec<[Duration; 40]> {
    let waits_of = |seed| {
        let mut server = RawServer::unopened(ClientConfig::default(), seed);
        server.with(|client, now| client.open(now));
        server.accept();
        server.greet(greeting.clone());
        server.advance(seconds(60));
        server.cut();
        server.events();
        assert!(server.is_dialled(), "the first retry comes at once");
        let lost_at = server.now();
        std::array::from_fn(|n| {
            server.fail_dial();
            let doubled = (Duration::from_millis(100) * (1 << n.min(16))).min(seconds(30));
            let bound = if server.now() - lost_at < kept { doubled.min(kept / 5) } else { doubled };
            let waited = server.wait_for_dial();
            assert!(waited <= bound.max(MOMENT), "wait {n} of {waited:?}");
            assert!(matches!(server.events()[0], Event::ConnectFailed(None, Some(told)) if told.max(MOMENT) == waited));
            waited
        })
    };
    (0..200).map(waits_of).collect()
}

#[test]
fn the_back_off_is_drawn_from_a_bound_that_doubles_from_100_ms_to_30_s() {
    for (greeting, kept) in [(json!({"value": "OK"}), Duration::ZERO), (ok(), seconds(10))] {
        let waits = waits(&greeting, kept);
        for n in (0..4).chain(30..40) {
            let longest = waits.iter().map(|waits| waits[n]).max().unwrap();
            let bound = (Duration::from_millis(100) * (1 << n.min(16))).min(seconds(30));
            assert!(longest > bound * 9 / 10, "the whole range is used: wait {n}, {longest:?} of {bound:?}");
        }
    }
}

#[test]
fn while_the_session_may_be_there_no_wait_is_longer_than_a_fifth_of_its_time() {
    let says = |grace: Value| json!({"value": "OK", "sessionId": "S", "resume": {"received": 0, "grace": grace}});
    // Who does not say keeps it for ten seconds, as Kurento's servers do.
    for (greeting, kept) in [(ok(), 10), (says(json!(3000)), 3), (says(json!(u64::MAX)), 1_000_000), (says(json!(0)), 0)] {
        let longest = waits(&greeting, seconds(kept)).into_iter().flatten().max().unwrap();
        assert!(longest > seconds(29), "and later it is as long as any");
    }
}

#[test]
fn so_it_is_for_a_session_that_has_just_begun_after_a_long_time_without_a_server() {
    for seed in 0..100 {
        let mut server = RawServer::unopened(ClientConfig { first_connect: FirstConnect::Retry, ..ClientConfig::default() }, seed);
        server.with(|client, now| client.open(now));
        for _ in 0..12 {
            server.fail_dial();
            server.wait_for_dial();
        }
        server.accept();
        server.greet(json!({"value": "OK", "sessionId": "S", "resume": {"received": 0}}));
        let paid = server.call_plain("pay");
        assert_eq!(server.one()["method"], "pay");
        server.advance(seconds(1));
        server.cut();
        assert!(server.wait_for_dial() <= seconds(2));
        server.accept();
        server.greet(json!({"value": "reconnection successful", "sessionId": "S", "resume": {"received": 1}}));
        assert_eq!(server.outcome(paid), None, "its answer is still to come");
    }
}

#[test]
fn attempts_are_counted_from_the_last_connection() {
    let mut server = RawServer::connected(plain());
    for _ in 0..2 {
        server.advance(seconds(60));
        server.cut();
        for n in 1..5 {
            assert!(server.events().contains(&Event::Dial(n)), "attempt {n}");
            server.fail_dial();
            server.wait_for_dial();
        }
        server.accept();
        server.greet(back());
        server.events();
    }
}

#[test]
fn connections_that_break_as_soon_as_they_are_made_are_not_redialled_in_a_loop() {
    let mut server = RawServer::connected(plain());
    let mut dials = 0;
    while server.now().since_origin() < seconds(3600) {
        server.cut();
        server.wait_for_dial();
        dials += 1;
        server.accept();
        server.greet(back());
    }
    assert!(dials < 1000, "{dials} dials in an hour");
}

#[test]
fn a_client_that_must_never_reconnect_closes_when_it_loses_its_connection() {
    let mut server = RawServer::connected(ClientConfig { reconnect: Reconnect::Never, ..plain() });
    let tag = server.call_plain("m");
    server.cut();
    assert_eq!(server.events(), [Event::Lost, Event::Closed(CloseReason::GaveUp)]);
    assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted));
}

#[test]
fn a_client_that_must_never_reconnect_tries_the_first_time_once_too() {
    let mut server = RawServer::new(ClientConfig { reconnect: Reconnect::Never, first_connect: FirstConnect::Retry, ..plain() });
    server.fail_dial();
    assert_eq!(server.events(), [Event::Dial(1), Event::ConnectFailed(None, None), Event::Closed(CloseReason::GaveUp)]);
}

#[test]
fn a_client_that_may_reconnect_for_a_minute_gives_up_after_it() {
    let mut server = RawServer::connected(ClientConfig { reconnect: Reconnect::For(seconds(60)), ..plain() });
    server.cut();
    let lost = server.now();
    while !server.client().is_closed() {
        if server.is_dialled() {
            server.fail_dial();
        }
        server.advance(Duration::from_millis(10));
    }
    assert!((seconds(60)..seconds(60) + Duration::from_millis(20)).contains(&(server.now() - lost)));
    assert_eq!(server.events().last(), Some(&Event::Closed(CloseReason::GaveUp)));
    assert_eq!(server.client().poll_timeout(), None);
}

#[test]
fn the_minute_starts_again_with_each_connection() {
    let mut server = RawServer::connected(ClientConfig { reconnect: Reconnect::For(seconds(4)), ..plain() });
    for _ in 0..5 {
        server.advance(seconds(60));
        server.cut();
        server.advance(seconds(3));
        server.accept();
        server.greet(back());
    }
    server.advance(seconds(60));
    assert!(server.client().is_attached());
}

#[test]
fn giving_up_ends_a_dial_that_is_under_way() {
    let mut server = RawServer::connected(ClientConfig { reconnect: Reconnect::For(seconds(3)), ..plain() });
    server.cut();
    assert!(server.is_dialled());
    server.events();
    server.advance(seconds(3));
    assert_eq!(server.events(), [Event::HungUp(Close::NORMAL), Event::Closed(CloseReason::GaveUp)]);
}

#[test]
fn five_minutes_without_a_frame_are_a_lost_connection() {
    let mut server = RawServer::connected(plain());
    server.advance(seconds(200));
    server.send(&json!({"jsonrpc": "2.0", "method": "event"}));
    server.advance(seconds(200));
    server.notify("event", 1).unwrap();
    server.advance(seconds(300) - MOMENT);
    assert_eq!(server.events(), []);
    server.advance(MOMENT);
    assert_eq!(server.events(), [Event::HungUp(Close::NORMAL), Event::Lost, Event::Dial(1)]);
    server.accept();
    server.read();
}

#[test]
fn a_client_without_an_idle_timeout_stays() {
    let mut server = RawServer::connected(ClientConfig { idle_timeout: None, ..plain() });
    server.advance(seconds(86_400));
    assert_eq!((server.events(), server.timeouts), (vec![], 0));
}

#[test]
fn reconnect_drops_the_transport_and_dials_at_once() {
    let mut server = RawServer::connected(plain());
    let tag = server.call_plain("m");
    server.read();
    server.with(|client, now| client.reconnect(now));
    assert_eq!(server.events(), [Event::HungUp(Close::NORMAL), Event::Lost, Event::Dial(1)]);
    assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted));
    server.accept();
    assert_eq!(server.greet(back()), json!({"sessionId": "S"}));
    assert_eq!(server.events(), [Event::Resumed]);
}

#[test]
fn reconnect_cuts_a_wait_short() {
    let mut server = RawServer::connected(plain());
    server.cut();
    for _ in 0..12 {
        server.fail_dial();
        server.wait_for_dial();
    }
    server.fail_dial();
    server.events();
    server.with(|client, now| client.reconnect(now));
    assert_eq!(server.events(), [Event::Dial(1)]);
}

#[test]
fn a_connection_that_carried_something_is_retried_at_once_and_one_that_did_not_is_not() {
    for carries in [true, false] {
        let mut server = RawServer::connected(plain());
        let mut at_once = 0;
        for _ in 0..6 {
            if carries {
                server.send(&json!({"jsonrpc": "2.0", "method": "nothing"}));
            }
            server.cut();
            at_once += usize::from(server.is_dialled());
            if !server.is_dialled() {
                server.wait_for_dial();
            }
            server.accept();
            server.greet(back());
        }
        assert_eq!(at_once, if carries { 6 } else { 1 });
    }
}

#[test]
fn a_client_that_never_reconnects_by_itself_does_so_when_told() {
    let mut server = RawServer::connected(ClientConfig { reconnect: Reconnect::Never, ..plain() });
    server.with(|client, now| client.reconnect(now));
    assert!(server.is_dialled());
    server.accept();
    server.greet(back());
    server.cut();
    assert!(server.client().is_closed());
}
