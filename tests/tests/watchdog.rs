//! PROTOCOL 4: the server's watchdog.

use bowline_core::{Close, Limits, ServerConfig};
use bowline_tests::raw::Event;
use bowline_tests::raw_client::{Home, House, Wire};
use serde_json::json;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn house(limits: Limits) -> (House, Wire, Home) {
    let mut house = House::new(ServerConfig { watchdog: true, limits, ..ServerConfig::default() });
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    house.events(home);
    (house, wire, home)
}

fn watched(params: serde_json::Value) -> (House, Wire, Home) {
    let (mut house, wire, home) = house(Limits::default());
    house.ask(wire, 1, "ping", params);
    (house, wire, home)
}

#[test]
fn it_is_off_unless_asked_for() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    house.ask(wire, 1, "ping", json!({"interval": 1000}));
    house.advance(seconds(3600));
    let home = house.home(wire);
    assert_eq!(house.events(home), [Event::Opened]);
}

#[test]
fn it_sleeps_until_the_first_ping() {
    let (mut house, _, home) = house(Limits::default());
    house.advance(seconds(3600));
    assert_eq!(house.events(home), []);
}

#[test]
fn after_three_silent_intervals_it_probes_and_after_one_more_it_closes() {
    let (mut house, wire, home) = watched(json!({"interval": 5000}));
    house.advance(seconds(15) - MOMENT);
    assert_eq!(house.events(home), []);
    house.advance(MOMENT);
    assert_eq!(house.events(home), [Event::Probe]);
    house.advance(seconds(5) - MOMENT);
    assert_eq!(house.events(home), []);
    house.advance(MOMENT);
    assert_eq!(house.events(home), [Event::HungUp(Close::NO_PING), Event::Lost]);
    assert_eq!(house.closed_with(wire), Some(Close { code: 1000, reason: "Close for not receive ping from client" }));
    house.advance(seconds(10));
    assert_eq!(house.sessions(), 0, "the grace ran from there");
}

#[test]
fn without_an_interval_it_waits_twenty_seconds() {
    let (mut house, _, home) = watched(json!({}));
    house.advance(seconds(20) - MOMENT);
    assert_eq!(house.events(home), []);
    house.advance(MOMENT);
    assert_eq!(house.events(home), [Event::Probe]);
}

#[test]
fn later_pings_without_an_interval_keep_the_first() {
    let (mut house, wire, home) = watched(json!({"interval": 1000}));
    house.ask(wire, 2, "ping", json!({}));
    house.advance(seconds(3));
    assert_eq!(house.events(home), [Event::Probe]);
}

#[test]
fn a_ping_with_another_interval_arms_it_anew() {
    let (mut house, wire, home) = watched(json!({"interval": 1000}));
    house.ask(wire, 2, "ping", json!({"interval": 10000}));
    house.advance(seconds(30) - MOMENT);
    assert_eq!(house.events(home), []);
    house.advance(MOMENT);
    assert_eq!(house.events(home), [Event::Probe]);
}

#[test]
fn any_frame_rearms_it() {
    let (mut house, wire, home) = watched(json!({"interval": 5000}));
    for (n, frame) in
        ["{\"method\":\"note\"}", "{\"id\":7,\"method\":\"echo\"}", "rubbish", "{\"id\":99,\"result\":1}", "[]"].iter().enumerate()
    {
        house.advance(seconds(14));
        house.send_text(wire, *frame);
        assert_eq!(house.events(home), [], "frame {n}");
    }
    house.advance(seconds(15));
    assert_eq!(house.events(home), [Event::Probe]);
}

#[test]
fn a_pong_in_time_saves_a_client_that_pings_every_minute_and_announced_five_seconds() {
    let (mut house, wire, home) = watched(json!({"interval": 5000}));
    for minute in 0..30 {
        for _ in 0..4 {
            house.advance(seconds(15));
            assert_eq!(house.events(home), [Event::Probe], "minute {minute}");
            house.pong(wire);
        }
        house.ask(wire, 100 + minute, "ping", json!({}));
    }
    assert!(house.endpoint(home).is_attached());
}

#[test]
fn a_frame_after_the_probe_saves_it_too_for_the_java_client_answers_no_websocket_ping() {
    let (mut house, wire, home) = watched(json!({"interval": 5000}));
    house.advance(seconds(17));
    house.ask(wire, 2, "ping", json!({}));
    house.advance(seconds(14));
    assert_eq!(house.events(home), [Event::Probe]);
}

#[test]
fn a_peer_is_never_judged_while_we_do_not_read() {
    let limits = Limits { in_flight: 2, ..Limits::default() };
    let (mut house, wire, home) = house(limits);
    house.ask(wire, 1, "ping", json!({"interval": 1000}));
    house.send(wire, &json!({"id": 2, "method": "busy"}));
    house.send(wire, &json!({"id": 3, "method": "count"}));
    for n in 0..5 {
        house.send(wire, &json!({"id": 10 + n, "method": "ping"}));
    }
    assert_eq!((house.endpoint(home).wants_read(), house.unread(wire)), (false, 5));
    house.advance(seconds(600));
    assert_eq!(house.events(home), []);
    assert!(house.timeouts < 1000, "{} timeouts", house.timeouts);
    house.finish(0, &json!({}));
    assert_eq!(house.unread(wire), 0);
    house.advance(seconds(3));
    assert_eq!(house.events(home), [Event::Probe], "now it is judged again");
}

#[test]
fn a_probe_is_no_judgement_either_if_we_have_stopped_reading_since() {
    let (mut house, wire, home) = house(Limits { in_flight: 2, ..Limits::default() });
    house.ask(wire, 1, "ping", json!({"interval": 1000}));
    house.send(wire, &json!({"id": 2, "method": "later"}));
    house.send(wire, &json!({"id": 3, "method": "later"}));
    house.call(home, "ask", &json!({}), Some(Duration::from_millis(3500))).unwrap();
    assert!(house.endpoint(home).wants_read(), "a call is out");
    house.advance(seconds(3));
    assert_eq!(house.events(home), [Event::Probe]);
    house.advance(Duration::from_millis(500));
    assert!(!house.endpoint(home).wants_read(), "the call has timed out");
    house.advance(seconds(60));
    assert_eq!(house.events(home), [], "the pong may lie unread");
}

#[test]
fn each_transport_is_watched_from_its_own_first_ping() {
    let (mut house, wire, home) = watched(json!({"interval": 1000}));
    let id = house.ask(wire, 2, "ping", json!({}))["result"]["sessionId"].clone();
    let new = house.open();
    house.ask(new, 3, "connect", json!({"sessionId": id}));
    house.events(home);
    house.advance(seconds(3600));
    assert_eq!(house.events(home), []);
    house.ask(new, 4, "ping", json!({"interval": 1000}));
    house.advance(seconds(3));
    assert_eq!(house.events(home), [Event::Probe]);
}

#[test]
fn a_ping_before_the_session_is_named_watches_the_transport_in_its_session_too() {
    let (mut house, wire, home) = watched(json!({}));
    let id = house.ask(wire, 2, "ping", json!({}))["result"]["sessionId"].clone();
    house.cut(wire);
    // As Kurento's JavaScript client does.
    let new = house.open();
    house.ask(new, 3, "ping", json!({"interval": 1000}));
    house.ask(new, 4, "connect", json!({"sessionId": id}));
    house.events(home);
    house.advance(seconds(3));
    assert_eq!(house.events(home), [Event::Probe]);
    house.advance(seconds(1));
    assert_eq!((house.closed_with(new), house.endpoint(home).is_attached()), (Some(Close::NO_PING), false));
}

#[test]
fn a_ping_before_there_is_a_session_arms_it() {
    let mut house = House::new(ServerConfig { watchdog: true, ..ServerConfig::default() });
    let wire = house.open();
    house.ask(wire, 1, "ping", json!({"interval": 1000}));
    house.advance(seconds(4));
    assert_eq!(house.closed_with(wire), Some(Close::NO_PING));
    assert_eq!(house.sessions(), 0);
}

#[test]
fn a_pong_that_comes_after_the_transport_is_lost_wakes_nothing() {
    let (mut house, wire, home) = watched(json!({"interval": 1000}));
    house.cut(wire);
    house.pong(wire);
    house.events(home);
    house.advance(seconds(9));
    assert_eq!((house.events(home), house.timeouts), (vec![], 0));
    house.advance(seconds(1));
    house.pong(wire);
    assert_eq!(house.endpoint(home).poll_timeout(), None, "it is over");
}

#[test]
fn calls_that_were_queued_when_it_fired_are_sent_over_the_next_transport() {
    let (mut house, wire, home) = watched(json!({"interval": 1000}));
    let id = house.ask(wire, 2, "ping", json!({}))["result"]["sessionId"].clone();
    house.stall(wire, true);
    house.notify(home, "event", 1).unwrap();
    house.advance(seconds(4));
    assert_eq!(house.closed_with(wire), Some(Close::NO_PING));
    let new = house.open();
    house.send(new, &json!({"id": 3, "method": "connect", "params": {"sessionId": id}}));
    let frames = house.read(new);
    assert_eq!((frames.len(), &frames[1]["params"]), (2, &json!([1])));
}

#[test]
fn a_client_that_does_not_take_what_it_brings_about_is_silent_all_the_same() {
    let (mut house, wire, _) = house(Limits::default());
    house.ask(wire, 1, "ping", json!({"interval": 1000}));
    house.stall(wire, true);
    for id in 0..1100 {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": id, "method": 5}));
    }
    house.advance(seconds(60));
    assert!(!house.is_open(wire));
}
