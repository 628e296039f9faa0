//! PROTOCOL 3: the reconnection timeout.

use bowline_core::{CallOutcome, CloseReason, ServerConfig};
use bowline_tests::raw::Event;
use bowline_tests::raw_client::House;
use serde_json::json;
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_session_waits_ten_seconds_for_its_client_and_then_closes() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    let home = house.home(wire);
    house.cut(wire);
    assert_eq!(house.events(home), [Event::Opened, Event::Lost]);
    house.advance(seconds(10) - MOMENT);
    assert_eq!(house.events(home), []);
    house.advance(MOMENT);
    assert_eq!(house.events(home), [Event::Closed(CloseReason::GraceExpired)]);
    assert_eq!(CloseReason::GraceExpired.as_str(), "reconnection timeout");
    assert_eq!(house.sessions(), 0);
    let late = house.open();
    assert_eq!(house.ask(late, 1, "connect", json!({"sessionId": id}))["error"]["code"], 40007);
}

#[test]
fn a_session_sets_its_own_time_and_each_loss_starts_it_anew() {
    let mut house = House::new(ServerConfig { grace: seconds(3), ..ServerConfig::default() });
    let (mut wire, id) = house.connect(json!({}));
    let home = house.home(wire);
    house.with(home, |endpoint, now| endpoint.set_grace(now, seconds(30)));
    for n in 0..3 {
        house.cut(wire);
        house.advance(seconds(29));
        wire = house.open();
        assert_eq!(house.ask(wire, n, "connect", json!({"sessionId": id}))["result"]["sessionId"], json!(id));
    }
    house.cut(wire);
    house.advance(seconds(30));
    assert_eq!(house.events(home).last(), Some(&Event::Closed(CloseReason::GraceExpired)));
}

#[test]
fn a_time_set_while_the_client_is_there_does_not_begin() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    house.with(home, |endpoint, now| endpoint.set_grace(now, seconds(1)));
    house.advance(seconds(2));
    assert_eq!(house.events(home), [Event::Opened]);
    assert_eq!(house.ask(wire, 2, "echo", json!({}))["id"], 2);
}

#[test]
fn a_time_set_while_the_session_waits_counts_from_then() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    house.cut(wire);
    house.advance(seconds(9));
    house.with(home, |endpoint, now| endpoint.set_grace(now, seconds(60)));
    house.advance(seconds(59));
    assert_eq!(house.sessions(), 1);
    house.advance(seconds(1));
    assert_eq!(house.sessions(), 0);
}

#[test]
fn without_grace_the_session_closes_as_good_as_at_once() {
    let mut house = House::new(ServerConfig { grace: Duration::ZERO, ..ServerConfig::default() });
    let (wire, _) = house.connect(json!({}));
    house.cut(wire);
    house.advance(MOMENT);
    assert_eq!(house.sessions(), 0);
}

#[test]
fn when_it_closes_its_calls_end_and_its_handlers_answer_into_the_void() {
    let mut house = House::new(ServerConfig::default());
    let (wire, _) = house.connect(json!({}));
    let home = house.home(wire);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "busy"}));
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 2, "method": "count"}));
    house.cut(wire);
    let (tag, _) = house.call(home, "ask", &json!({}), None).unwrap();
    house.advance(seconds(10));
    assert_eq!(house.outcome(tag), Some(&CallOutcome::Closed));
    house.finish(0, &json!(1));
    assert_eq!(house.served, ["busy "], "what waited never starts");
    let usage = house.endpoint(home).usage();
    assert_eq!((usage.in_flight, usage.calls, usage.actions), (0, 0, 0));
    assert_eq!(house.endpoint(home).poll_timeout(), None);
}

#[test]
fn a_session_that_the_application_closes_while_it_waits_is_gone_at_once() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    let home = house.home(wire);
    house.cut(wire);
    house.with(home, |endpoint, now| endpoint.close(now, CloseReason::Application));
    assert_eq!(house.events(home), [Event::Opened, Event::Lost, Event::Closed(CloseReason::Application)]);
    assert_eq!(house.endpoint(home).poll_timeout(), None);
    let again = house.open();
    assert_eq!(house.ask(again, 1, "connect", json!({"sessionId": id}))["error"]["code"], 40007);
}

#[test]
fn a_transport_that_carried_something_unfit_is_closed_and_the_session_waits() {
    use bowline_core::Close;
    for close in [Close::BINARY, Close::TOO_BIG] {
        let mut house = House::new(ServerConfig::default());
        let (wire, id) = house.connect(json!({}));
        let home = house.home(wire);
        house.with(home, |endpoint, now| endpoint.handle_refused(now, close));
        assert_eq!(house.closed_with(wire), Some(close));
        assert_eq!(house.events(home), [Event::Opened, Event::HungUp(close), Event::Lost]);
        let again = house.open();
        assert_eq!(house.ask(again, 1, "connect", json!({"sessionId": id}))["result"]["sessionId"], json!(id));
    }
}

#[test]
fn a_client_with_resumption_is_told_how_long_it_may_stay_away_if_that_is_not_the_usual() {
    let offer = json!({"resume": {"received": 0}});
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(offer.clone());
    let home = house.home(wire);
    let told = |house: &mut House| {
        let wire = house.open();
        let back = json!({"sessionId": id, "resume": {"received": 0}});
        house.ask(wire, 1, "connect", back)["result"]["resume"]["grace"].clone()
    };
    assert_eq!(told(&mut house), json!(null));
    house.with(home, |endpoint, now| endpoint.set_grace(now, Duration::from_micros(2_500_900)));
    assert_eq!(told(&mut house), json!(2500));
    house.with(home, |endpoint, now| endpoint.set_grace(now, Duration::MAX));
    assert_eq!(told(&mut house), json!(u64::MAX));

    let mut house = House::new(ServerConfig { grace: seconds(3), ..ServerConfig::default() });
    let wire = house.open();
    assert_eq!(house.ask(wire, 1, "connect", offer)["result"]["resume"], json!({"received": 0, "grace": 3000}));
}
