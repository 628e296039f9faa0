//! PROTOCOL 6, the server's side: neither side loses, repeats or reorders a message across a cut.

use bowline_core::{CallOutcome, Close, CloseReason, Dialect, Limits, SendError, ServerConfig};
use bowline_tests::raw::Event;
use bowline_tests::raw_client::{Home, House, Wire};
use serde_json::{Value, json};
use std::time::Duration;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn house(limits: Limits) -> (House, Wire, Home, String) {
    let mut house = House::new(ServerConfig { limits, ..ServerConfig::default() });
    let (wire, id) = house.connect(json!({"resume": {"received": 0}}));
    let home = house.home(wire);
    (house, wire, home, id)
}

/// Comes back over a new transport and says that `received` messages have arrived: the answer to that, and what follows it.
fn resume(house: &mut House, session: &str, received: u64) -> (Wire, Value, Vec<Value>) {
    resume_with(house, session, &json!({"received": received}))
}

fn resume_with(house: &mut House, session: &str, resume: &Value) -> (Wire, Value, Vec<Value>) {
    let wire = house.open();
    let params = json!({"sessionId": session, "resume": resume});
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1_000_000, "method": "connect", "params": params}));
    let mut frames = house.read(wire);
    let answer = frames.remove(0);
    (wire, answer, frames)
}

fn numbers(frames: &[Value]) -> Vec<u64> {
    frames.iter().map(|frame| frame["params"][0].as_u64().or(frame["params"]["n"].as_u64()).expect("a number")).collect()
}

fn request(id: u32, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method})
}

#[test]
fn the_server_takes_the_offer_of_a_new_session() {
    for dialect in [Dialect::Kurento, Dialect::Strict] {
        let mut house = House::new(ServerConfig { dialect, ..ServerConfig::default() });
        let wire = house.open();
        let answer = house.ask(wire, 1, "connect", json!({"resume": {"received": 0}}));
        assert_eq!((&answer["result"]["value"], &answer["result"]["resume"]), (&json!("OK"), &json!({"received": 0})));
        assert!(house.endpoint(house.home(wire)).is_resumable());
    }
}

#[test]
fn a_peer_that_offers_nothing_never_sees_resumption() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    let answer = house.ask(wire, 1, "ping", json!({"interval": 5000, "received": 7}));
    assert_eq!(answer["result"], json!({"value": "pong", "sessionId": id}), "and a number of its own means nothing");
    assert!(house.endpoint(house.home(wire)).is_attached());
    house.cut(wire);
    let (wire, answer, _) = resume(&mut house, &id, 0);
    assert_eq!(answer["result"], json!({"value": "reconnection successful", "sessionId": id}), "too late for this session");
    assert!(!house.endpoint(house.home(wire)).is_resumable());
}

#[test]
fn a_server_without_resumption_leaves_the_offer_out() {
    let mut house = House::new(ServerConfig { resume: false, ..ServerConfig::default() });
    let wire = house.open();
    assert_eq!(house.ask(wire, 1, "connect", json!({"resume": {"received": 0}}))["result"].get("resume"), None);
}

#[test]
fn what_the_client_did_not_receive_is_sent_again_in_order_before_anything_new() {
    let (mut house, wire, home, id) = house(Limits::default());
    for n in 1..=5 {
        house.notify(home, "event", n).unwrap();
    }
    assert_eq!(numbers(&house.read(wire)), [1, 2, 3, 4, 5]);
    house.cut(wire);
    house.notify(home, "event", 6).unwrap();
    let (wire, answer, frames) = resume(&mut house, &id, 3);
    assert_eq!(answer["result"], json!({"value": "reconnection successful", "sessionId": id, "resume": {"received": 0}}));
    assert_eq!(numbers(&frames), [4, 5, 6]);
    house.notify(home, "event", 7).unwrap();
    house.cut(wire);
    assert_eq!(numbers(&resume(&mut house, &id, 3).2), [4, 5, 6, 7], "and again, as long as it is not acknowledged");
    assert_eq!(house.events(home).iter().filter(|event| **event == Event::Resumed).count(), 2);
}

#[test]
fn the_server_counts_every_frame_that_is_no_session_method_of_whatever_kind() {
    let (mut house, wire, home, id) = house(Limits::default());
    house.call(home, "ask", &json!({}), None).unwrap();
    let asked = house.one(wire);
    let counted = [
        request(1, "echo").to_string(),
        json!({"jsonrpc": "2.0", "method": "note"}).to_string(),
        json!([request(2, "echo"), request(3, "ping")]).to_string(),
        json!([]).to_string(),
        json!({"jsonrpc": "2.0", "id": asked["id"], "result": 1}).to_string(),
        json!({"jsonrpc": "2.0", "id": 999, "result": 1}).to_string(),
        "rubbish".to_owned(),
        "{}".to_owned(),
        request(4, "no such method").to_string(),
    ];
    for (n, frame) in counted.iter().enumerate() {
        house.send_text(wire, frame.as_str());
        house.read(wire);
        assert_eq!(house.ask(wire, 100, "ping", json!({}))["result"]["received"], json!(n + 1), "{frame}");
    }
    for frame in [request(5, "ping"), request(6, "connect"), json!({"jsonrpc": "2.0", "method": "ping", "params": {"received": "x"}})] {
        house.send(wire, &frame);
    }
    house.cut(wire);
    let (_, answer, _) = resume(&mut house, &id, 1);
    assert_eq!(answer["result"]["resume"]["received"], json!(counted.len()));
}

#[test]
fn the_server_numbers_every_frame_that_it_sends_of_whatever_kind() {
    let (mut house, wire, home, id) = house(Limits::default());
    house.ask(wire, 1, "echo", json!({}));
    house.ask(wire, 2, "no such method", json!({}));
    house.send(wire, &json!([request(3, "echo"), request(4, "echo")]));
    house.send_text(wire, "rubbish");
    house.notify(home, "event", 1).unwrap();
    house.call(home, "ask", &json!([2]), None).unwrap();
    let sent = house.read(wire);
    assert_eq!(sent.len(), 4);
    house.ask(wire, 5, "ping", json!({}));
    house.cut(wire);
    let (_, _, again) = resume(&mut house, &id, 2);
    assert_eq!(again, sent, "the pong and the answers to connect are not among them");
    assert_eq!(house.endpoint(home).usage().unacknowledged, 4);
}

#[test]
fn a_ping_acknowledges_what_it_says() {
    let (mut house, wire, home, _) = house(Limits::default());
    for n in 1..=5 {
        house.notify(home, "event", n).unwrap();
    }
    for (received, left) in [(2, 3), (2, 3), (5, 0)] {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"received": received}}));
        assert_eq!(house.endpoint(home).usage().unacknowledged, left);
    }
    assert_eq!(house.endpoint(home).usage().outbox_bytes, 0);
}

#[test]
fn an_answer_acknowledges_everything_up_to_its_request() {
    let (mut house, wire, home, _) = house(Limits::default());
    house.notify(home, "event", 1).unwrap();
    house.call(home, "ask", &json!([2]), None).unwrap();
    house.call(home, "ask", &json!([3]), None).unwrap();
    house.notify(home, "event", 4).unwrap();
    let sent = house.read(wire);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": sent[1]["id"], "result": 1}));
    assert_eq!(house.endpoint(home).usage().unacknowledged, 2);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": sent[2]["id"], "result": 1}));
    assert_eq!(house.endpoint(home).usage().unacknowledged, 1);
}

#[test]
fn answers_may_come_in_another_order_than_the_requests() {
    let (mut house, wire, home, _) = house(Limits::default());
    for n in 1..=2 {
        house.call(home, "ask", &json!([n]), None).unwrap();
    }
    let sent = house.read(wire);
    for n in [1, 0] {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": sent[n]["id"], "result": 1}));
        assert_eq!(house.endpoint(home).usage().unacknowledged, 0);
    }
    assert!(house.endpoint(home).is_attached());
}

#[test]
fn a_request_is_executed_once_although_its_answer_was_lost() {
    let (mut house, wire, _, id) = house(Limits::default());
    house.send(wire, &request(1, "count"));
    let lost = house.one(wire);
    house.cut(wire);
    let (_, answer, frames) = resume(&mut house, &id, 0);
    assert_eq!((&answer["result"]["resume"]["received"], frames), (&json!(1), vec![lost]));
    assert_eq!(house.served.len(), 1);
}

#[test]
fn a_handler_that_was_running_at_the_cut_answers_after_it() {
    let (mut house, wire, _, id) = house(Limits::default());
    house.send(wire, &request(1, "busy"));
    house.cut(wire);
    house.finish(0, &json!("done"));
    let (_, _, frames) = resume(&mut house, &id, 0);
    assert_eq!(frames[0]["result"]["value"], "done");
}

#[test]
fn calls_of_the_server_survive_the_cut() {
    let (mut house, wire, home, id) = house(Limits::default());
    let (tag, _) = house.call(home, "ask", &json!([1]), None).unwrap();
    let asked = house.one(wire);
    house.cut(wire);
    let (wire, _, frames) = resume(&mut house, &id, 0);
    assert_eq!(frames, std::slice::from_ref(&asked));
    house.send(wire, &json!({"jsonrpc": "2.0", "id": asked["id"], "result": 5}));
    assert!(matches!(house.outcome(tag), Some(CallOutcome::Result(_))));
}

#[test]
fn a_number_that_cannot_be_ends_the_session_with_40007_and_says_why() {
    for received in [3, 6, u64::MAX] {
        let (mut house, wire, home, id) = house(Limits::default());
        for n in 1..=5 {
            house.notify(home, "event", n).unwrap();
        }
        house.read(wire);
        house.ask(wire, 50, "ping", json!({"received": 4}));
        let (tag, _) = house.call(home, "ask", &json!([6]), Some(seconds(500))).unwrap();
        house.cut(wire);
        if received == 6 {
            // Six were sent: that can be.
            assert!(resume(&mut house, &id, received).1.get("result").is_some());
            continue;
        }
        let (wire, answer, _) = resume(&mut house, &id, received);
        assert_eq!(
            answer["error"],
            json!({"code": 40007, "message": "reconnection error", "type": "RESUME_MISMATCH", "data": {"type": "RESUME_MISMATCH"}})
        );
        assert_eq!(house.closed_with(wire), Some(Close::MISMATCH));
        assert_eq!(house.events(home).last(), Some(&Event::Closed(CloseReason::ResumeMismatch)));
        assert_eq!((house.outcome(tag), house.sessions()), (Some(&CallOutcome::Closed), 0));
    }
}

#[test]
fn a_ping_with_a_number_above_what_was_sent_ends_the_session_too() {
    let (mut house, wire, home, _) = house(Limits::default());
    house.notify(home, "event", 1).unwrap();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"received": 2}}));
    assert_eq!(house.events(home).last(), Some(&Event::Closed(CloseReason::ResumeMismatch)));
}

#[test]
fn what_came_and_is_not_acknowledged_keeps_its_room_and_is_not_sent_again() {
    let (mut house, mut wire, home, id) = house(Limits { outbox_messages: 4, ..Limits::default() });
    for n in 1..=4 {
        house.notify(home, "event", n).unwrap();
    }
    let mut n = 5;
    // What was acknowledged before stays so, and more than came cannot be.
    for (received, acknowledged, again, room) in [(3, 1, vec![4], 1), (3, 0, vec![4, 5], 0), (4, 2, vec![5], 1), (4, 9, vec![5, 6], 2)] {
        house.cut(wire);
        let (answer, frames);
        (wire, answer, frames) = resume_with(&mut house, &id, &json!({"received": received, "acknowledged": acknowledged}));
        assert_eq!(answer["result"]["resume"], json!({"received": 0, "messages": 4}));
        assert_eq!(numbers(&frames), again, "{received} {acknowledged}");
        for _ in 0..room {
            house.notify(home, "event", n).unwrap();
            n += 1;
        }
        assert_eq!(house.notify(home, "event", n), Err(SendError::Full), "{received} {acknowledged}");
    }
}

#[test]
fn a_server_with_too_many_requests_says_so_in_the_answer_to_connect() {
    let (mut house, wire, _, id) = house(Limits { in_flight: 3, ..Limits::default() });
    for n in 1..=4 {
        house.send(wire, &request(n, "busy"));
    }
    house.cut(wire);
    let (wire, answer, _) = resume(&mut house, &id, 0);
    assert_eq!(answer["result"]["resume"], json!({"received": 4, "acknowledged": 2}));
    for n in 0..4 {
        house.finish(n, &json!(n));
    }
    assert_eq!(house.read(wire).len(), 4);
    assert_eq!(house.ask(wire, 2_000_000, "ping", json!({}))["result"]["received"], 4);
}

#[test]
fn a_full_buffer_is_back_pressure_until_the_client_acknowledges() {
    let (mut house, wire, home, id) = house(Limits { outbox_messages: 4, ..Limits::default() });
    for n in 1..=4 {
        house.notify(home, "event", n).unwrap();
    }
    assert_eq!(house.notify(home, "event", 5), Err(SendError::Full));
    house.read(wire);
    house.ask(wire, 50, "ping", json!({"received": 1}));
    house.notify(home, "event", 5).unwrap();
    house.cut(wire);
    assert_eq!(house.notify(home, "event", 6), Err(SendError::Full));
    let (_, _, frames) = resume(&mut house, &id, 1);
    assert_eq!(numbers(&frames), [2, 3, 4, 5], "nothing is silently dropped");
}

#[test]
fn requests_wait_when_there_is_no_room_for_their_answers_and_start_when_there_is() {
    let (mut house, wire, home, _) = house(Limits { outbox_messages: 2, in_flight: 8, ..Limits::default() });
    for id in 1..=16 {
        house.send(wire, &request(id, "count"));
    }
    assert_eq!(
        (house.served.len(), house.read(wire).len()),
        (2 + 2 + 8, 2 + 2 + 8),
        "what it takes and does not acknowledge is in the reserve"
    );
    for received in [2, 4, 12] {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": 100, "method": "ping", "params": {"received": received}}));
    }
    assert_eq!((house.served.len(), house.endpoint(home).is_attached()), (16, true));
}

#[test]
fn the_reserve_is_for_answers_that_are_taken() {
    let (mut house, wire, _, _) = house(Limits { outbox_messages: 2, in_flight: 8, ..Limits::default() });
    house.stall(wire, true);
    for id in 1..=6 {
        house.send(wire, &request(id, "count"));
    }
    assert_eq!(house.served.len(), 2);
    house.stall(wire, false);
    assert_eq!((house.served.len(), house.read(wire).len()), (6, 6));
}

#[test]
fn a_client_that_acknowledges_nothing_gets_no_more_answers_than_the_reserve() {
    let (mut house, wire, home, _) = house(Limits { outbox_messages: 2, in_flight: 3, ..Limits::default() });
    // More than the client keeps, which has not said that it is less than the usual.
    for id in 1..=1100 {
        house.send(wire, &request(id, "count"));
    }
    let usage = house.endpoint(home).usage();
    assert_eq!((house.served.len(), usage.outbox_messages), (2 + 2 + 3, 2 + 2 + 3));
    assert!(!house.endpoint(home).wants_read());
}

#[test]
fn the_reserve_ends_to_the_byte() {
    let mut answer = 100_000;
    for served in [40, 11] {
        let (mut house, wire, home, _) =
            house(Limits { outbox_bytes: 2 * answer, queued_bytes: 3 * answer, message_bytes: answer, in_flight: 3, ..Limits::default() });
        for id in 10..50 {
            house.send(wire, &request(id, "echo"));
        }
        assert_eq!(house.served.len(), served);
        answer = house.endpoint(home).usage().outbox_bytes / served;
    }
}

#[test]
fn a_client_without_room_at_the_server_is_told_of_no_more_messages() {
    let (mut house, wire, _, _) = house(Limits { in_flight: 3, ..Limits::default() });
    for id in 1..=3 {
        house.send(wire, &request(id, "busy"));
        let told = house.ask(wire, 100 + id, "ping", json!({}))["result"]["received"].as_u64();
        assert_eq!(told, Some(u64::from(id.min(2))), "the third fills the server");
    }
}

#[test]
fn a_client_that_comes_back_without_offering_goes_on_without_resumption() {
    let (mut house, wire, home, id) = house(Limits::default());
    house.notify(home, "event", 1).unwrap();
    house.read(wire);
    house.cut(wire);
    house.notify(home, "event", 2).unwrap();
    let wire = house.open();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "connect", "params": {"sessionId": id}}));
    let frames = house.read(wire);
    assert_eq!(frames[0]["result"], json!({"value": "reconnection successful", "sessionId": id}));
    assert_eq!(numbers(&frames[1..]), [2], "what was in the air cannot be known, what was not sent is sent");
    assert!(!house.endpoint(home).is_resumable());
    assert_eq!(house.endpoint(home).usage().unacknowledged, 0);
    assert_eq!(house.ask(wire, 2, "ping", json!({}))["result"].get("received"), None);
}

#[test]
fn resumption_cannot_be_offered_after_other_messages_of_the_transport() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    house.ask(wire, 1, "echo", json!({}));
    assert_eq!(house.ask(wire, 2, "connect", json!({"resume": {"received": 0}}))["error"]["code"], -32600);
    // Pings are no messages.
    let wire = house.open();
    house.ask(wire, 1, "ping", json!({"interval": 5000}));
    assert!(house.ask(wire, 2, "connect", json!({"resume": {"received": 0}}))["result"]["resume"].is_object());
}

#[test]
fn the_old_transport_is_not_read_once_the_number_is_told() {
    let (mut house, old, home, id) = house(Limits::default());
    house.send(old, &request(1, "count"));
    let (new, answer, _) = resume(&mut house, &id, 0);
    assert_eq!(answer["result"]["resume"]["received"], 1);
    house.send(old, &request(2, "count"));
    assert_eq!((house.served.len(), house.closed_with(old), house.closed_with(new)), (1, Some(Close::MOVED), None));
    assert!(house.endpoint(home).is_attached());
}

#[test]
fn a_connect_that_was_overtaken_by_a_newer_one_takes_nothing_away() {
    let (mut house, wire, home, id) = house(Limits::default());
    house.cut(wire);
    let (slow, fast) = (house.open(), house.open());
    let connect = |n: u32| json!({"jsonrpc": "2.0", "id": n, "method": "connect", "params": {"sessionId": id, "resume": {"received": 0}}});
    house.send(fast, &connect(8));
    house.send(slow, &connect(7));
    assert_eq!((house.closed_with(slow), house.closed_with(fast)), (Some(Close::MOVED), None));
    assert_eq!((house.home(fast), house.one(fast)["id"].clone()), (home, json!(8)));
}

#[test]
fn a_connect_after_the_ids_began_again_was_not_overtaken() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    let answer = house.ask(wire, i32::MAX as u32 - 1, "connect", json!({"resume": {"received": 0}}));
    let id = answer["result"]["sessionId"].as_str().unwrap().to_owned();
    house.cut(wire);
    let connect = json!({"sessionId": id, "resume": {"received": 0}});
    let (slow, fast) = (house.open(), house.open());
    // 2^31 - 1 is followed by 1.
    assert_eq!(house.ask(fast, 1, "connect", connect.clone())["result"]["value"], "reconnection successful");
    house.send(slow, &json!({"jsonrpc": "2.0", "id": i32::MAX, "method": "connect", "params": connect}));
    assert_eq!((house.closed_with(slow), house.closed_with(fast)), (Some(Close::MOVED), None));
}

#[test]
fn what_is_said_before_the_client_has_named_its_session_does_not_use_the_transport() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({"resume": {"received": 0}}));
    let home = house.home(wire);
    house.with(home, |endpoint, now| {
        endpoint.handle_detached(now);
        assert_eq!(endpoint.handle_attached(now), None);
        endpoint.notify(now, "event", None).unwrap();
    });
    assert!(house.read(wire).is_empty(), "it waits");
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 9, "method": "connect", "params": {"sessionId": id, "resume": {"received": 0}}}));
    let frames = house.read(wire);
    assert_eq!((&frames[0]["result"]["resume"]["received"], &frames[1]["method"]), (&json!(0), &json!("event")), "{frames:?}");
}

#[test]
fn a_session_that_began_without_resumption_goes_on_without() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    let again = house.ask(wire, 2, "connect", json!({"sessionId": id, "resume": {"received": 0}}));
    assert_eq!(again["result"], json!({"value": "reconnection successful", "sessionId": id}));
    assert!(!house.endpoint(house.home(wire)).is_resumable());
}

#[test]
fn a_connect_is_not_overtaken_by_one_of_two_to_the_30_ids_before() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({"resume": {"received": 0}}));
    house.ask(wire, 1 << 30, "count", json!({}));
    house.cut(wire);
    let wire = house.open();
    let answer = house.ask(wire, (1 << 30) + 2, "connect", json!({"sessionId": id, "resume": {"received": 1}}));
    assert_eq!(answer["result"]["value"], "reconnection successful");
}

#[test]
fn only_a_connect_with_resumption_overtakes() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    house.ask(wire, 9, "connect", json!({"sessionId": id}));
    let wire = house.open();
    let answer = house.ask(wire, 1, "connect", json!({"sessionId": id, "resume": {"received": 0}}));
    assert_eq!(answer["result"]["value"], "reconnection successful");
}

#[test]
fn an_answer_that_waited_and_is_longer_than_the_client_takes_is_an_error() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({"resume": {"received": 0}}));
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "busy"}));
    let call = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "echo", "params": {"text": "x".repeat(200)}});
    house.cut(wire);
    house.finish(0, &json!("x".repeat(400)));
    let wire = house.open();
    let connect = |id: &str, received: u64, max: u64| json!({"sessionId": id, "resume": {"received": received, "max": max}});
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 2, "method": "connect", "params": connect(&id, 0, 300)}));
    let frames = house.read(wire);
    assert_eq!((&frames[1]["id"], &frames[1]["error"]["code"]), (&json!(1), &json!(-32603)), "{frames:?}");
    // So is each in a batch.
    house.cut(wire);
    let wire = house.open();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 3, "method": "connect", "params": connect(&id, 1, 700)}));
    house.read(wire);
    house.stall(wire, true);
    house.send(wire, &json!([call(4), call(5)]));
    house.cut(wire);
    let wire = house.open();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 6, "method": "connect", "params": connect(&id, 1, 400)}));
    let frames = house.read(wire);
    let codes: Vec<_> =
        frames[1].as_array().unwrap().iter().map(|member| (member["id"].clone(), member["error"]["code"].clone())).collect();
    assert_eq!(codes, [(json!(4), json!(-32603)), (json!(5), json!(-32603))]);
}

#[test]
fn who_goes_on_without_resumption_has_said_nothing_of_what_it_takes() {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({"resume": {"received": 0, "max": 300}}));
    house.ask(wire, 1, "count", json!({}));
    house.cut(wire);
    let wire = house.open();
    let answer = house.ask(wire, 1, "echo", json!({"sessionId": id, "text": "x".repeat(400)}));
    assert_eq!(answer["result"]["text"].as_str().map(str::len), Some(400), "{answer}");
}

#[test]
fn the_answers_of_a_batch_are_no_longer_than_what_the_client_takes() {
    let mut house = House::new(ServerConfig { concurrency: 4, ..ServerConfig::default() });
    let (wire, id) = house.connect(json!({"resume": {"received": 0}}));
    let busy = json!({"jsonrpc": "2.0", "id": 3, "method": "busy"});
    house.send(wire, &json!([{"jsonrpc": "2.0", "id": 2, "method": "echo", "params": {"text": "x".repeat(2000)}}, busy]));
    house.cut(wire);
    // It takes less now than when the batch was begun.
    let wire = house.open();
    let connect = json!({"sessionId": id, "resume": {"received": 0, "max": 1000}});
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 4, "method": "connect", "params": connect}));
    house.finish(0, &json!("done"));
    let frames = house.read(wire);
    let codes: Vec<_> =
        frames[1].as_array().unwrap().iter().map(|member| (member["id"].clone(), member["error"]["code"].clone())).collect();
    assert_eq!(codes, [(json!(2), json!(-32603)), (json!(3), json!(-32603))]);
    // Not even the errors fit: one stands for all.
    let batch: Vec<_> = (10..40).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "fail"})).collect();
    house.send(wire, &json!(batch));
    let answer = house.one(wire);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32603)), "{answer}");
}

#[test]
fn a_session_that_went_on_without_resumption_has_no_connect_that_overtakes() {
    let mut house = House::new(ServerConfig::default());
    let wire = house.open();
    let answer = house.ask(wire, 50, "connect", json!({"resume": {"received": 0}}));
    let id = answer["result"]["sessionId"].as_str().unwrap().to_owned();
    house.cut(wire);
    let wire = house.open();
    house.ask(wire, 1, "count", json!({"sessionId": id}));
    house.cut(wire);
    let wire = house.open();
    let answer = house.ask(wire, 3, "connect", json!({"sessionId": id, "resume": {"received": 0}}));
    assert_eq!(answer["result"]["value"], "reconnection successful");
}

#[test]
fn what_a_client_keeps_is_a_number() {
    for (name, value) in [("messages", json!("10")), ("bytes", json!(-1)), ("messages", json!(1.5)), ("max", json!([]))] {
        let mut house = House::new(ServerConfig::default());
        let wire = house.open();
        let answer = house.ask(wire, 1, "connect", json!({"resume": {"received": 0, name: value}}));
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(&format!("resume.{name}")), "{answer}");
    }
    let mut house = House::new(ServerConfig::default());
    let (_, _) = house.connect(json!({"resume": {"received": 0, "messages": u64::MAX, "bytes": 0}}));
}

/// As much as fills the client's buffer is read on for, behind as many requests as there may be: what it has said, or the usual, and never more than that.
#[test]
fn a_server_reads_on_for_what_its_client_keeps() {
    let limits = Limits { in_flight: 3, outbox_messages: 2, ..Limits::default() };
    for (messages, taken) in [(Some(5), 3 + 5 + 1), (Some(1), 3 + 1 + 1), (None, 3 + 1024 + 1), (Some(5000), 3 + 1024 + 1)] {
        let mut house = House::new(ServerConfig { limits: limits.clone(), dialect: Dialect::Strict, ..ServerConfig::default() });
        let mut resume = json!({"received": 0});
        resume["messages"] = messages.map_or(json!(1024), |messages: u32| json!(messages));
        let (wire, _) = house.connect(json!({"resume": resume}));
        let home = house.home(wire);
        for id in 1..=1100 {
            house.send(wire, &request(id, "busy"));
        }
        assert_eq!(house.endpoint(home).usage().in_flight, taken, "{messages:?}");
    }
}
