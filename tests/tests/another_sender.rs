//! PROTOCOL 5: a session that another sender has taken over, or may have.

use bowline_core::{Limits, ServerConfig};
use bowline_tests::raw_client::{House, Wire};
use serde_json::{Value, json};
use std::time::Duration;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn house() -> (House, Wire, String) {
    let mut house = House::new(ServerConfig::default());
    let (wire, id) = house.connect(json!({}));
    (house, wire, id)
}

fn send(house: &mut House, wire: Wire, id: Value, method: &str) {
    house.send(wire, &request(id, method));
}

fn request(id: Value, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}})
}

/// Comes back over a new transport, by a `connect` with this id.
fn back(house: &mut House, id: u32, session: &str) -> Wire {
    let wire = house.open();
    house.ask(wire, id, "connect", json!({"sessionId": session}));
    wire
}

/// A session in which requests with these ids run, and their sender's transport is cut.
fn left_behind(limits: Limits, ids: &[u32]) -> (House, String) {
    let mut house = House::new(ServerConfig { limits, concurrency: 4, ..ServerConfig::default() });
    let (wire, session) = house.connect(json!({}));
    for id in ids {
        send(&mut house, wire, json!(id), "busy");
    }
    house.cut(wire);
    (house, session)
}

/// What came: its id, and the value or the error's code.
fn answers(frames: Vec<Value>) -> Vec<(Value, Value)> {
    let of = |frame: &Value| (frame["id"].clone(), frame["result"].get("value").unwrap_or(&frame["error"]["code"]).clone());
    frames.iter().flat_map(|frame| frame.as_array().map_or_else(|| vec![of(frame)], |batch| batch.iter().map(of).collect())).collect()
}

#[test]
fn another_sender_repeats_nothing_that_is_in_flight() {
    let (mut house, wire, session) = house();
    house.ask(wire, 1, "connect", json!({}));
    send(&mut house, wire, json!(2), "busy");
    house.cut(wire);
    // A page that was loaded anew and kept its session: its ids start again.
    let wire = house.open();
    house.ask(wire, 1, "connect", json!({"sessionId": session}));
    send(&mut house, wire, json!(2), "busy");
    send(&mut house, wire, json!(3), "count");
    house.finish(0, &json!("of the old page"));
    assert_eq!(house.served.iter().filter(|served| served.starts_with("busy")).count(), 2);
    let frames = house.read(wire);
    assert_eq!(frames, Vec::<Value>::new(), "the old page's answer under the new one's id");
    house.finish(1, &json!("of the new page"));
    assert_eq!(
        house.read(wire).iter().map(|frame| frame["result"]["value"].clone()).collect::<Vec<_>>(),
        [json!("of the new page"), json!(1)]
    );
}

#[test]
fn another_sender_that_is_cut_before_it_asks_is_another_still() {
    let (mut house, wire, session) = house();
    send(&mut house, wire, json!(7), "busy");
    let connect = json!({"sessionId": session});
    house.cut(wire);
    house.finish(0, &json!("of the old page"));
    for id in [1, 2] {
        let wire = house.open();
        house.ask(wire, id, "connect", connect.clone());
        house.cut(wire);
    }
    let wire = house.open();
    house.ask(wire, 3, "connect", connect);
    send(&mut house, wire, json!(4), "count");
    assert_eq!(house.read(wire).iter().map(|frame| frame["id"].clone()).collect::<Vec<_>>(), [json!(4)]);
}

#[test]
fn who_only_connects_under_a_used_id_gets_the_answers_a_little_later() {
    let (mut house, wire, session) = house();
    send(&mut house, wire, json!(7), "busy");
    let connect = json!({"sessionId": session});
    let values =
        |frames: Vec<Value>| frames.iter().map(|frame| (frame["id"].clone(), frame["result"]["value"].clone())).collect::<Vec<_>>();
    // It may be another sender, whose first request is under way...
    house.cut(wire);
    house.finish(0, &json!("done"));
    let wire = house.open();
    house.ask(wire, 1, "connect", connect.clone());
    house.advance(Duration::from_millis(499));
    assert_eq!(values(house.read(wire)), []);
    house.advance(Duration::from_millis(1));
    assert_eq!(values(house.read(wire)), [(json!(7), json!("done"))]);
    // ... or it goes on counting with the next one.
    send(&mut house, wire, json!(8), "busy");
    house.cut(wire);
    house.finish(1, &json!("done"));
    let wire = house.open();
    house.ask(wire, 1, "connect", connect.clone());
    send(&mut house, wire, json!(9), "count");
    assert_eq!(values(house.read(wire)), [(json!(8), json!("done")), (json!(9), json!(1))]);
    // Another sender may take its time: then nothing is in flight any more under its ids.
    send(&mut house, wire, json!(10), "busy");
    house.cut(wire);
    let wire = house.open();
    house.ask(wire, 1, "connect", connect.clone());
    house.advance(seconds(60));
    send(&mut house, wire, json!(2), "count");
    house.finish(2, &json!("done"));
    assert_eq!(values(house.read(wire)), [(json!(2), json!(2))]);
    // What a session has been sent goes out before its end.
    send(&mut house, wire, json!(11), "busy");
    house.cut(wire);
    house.finish(3, &json!("done"));
    let wire = house.open();
    house.ask(wire, 1, "connect", connect);
    assert_eq!(values(house.read(wire)), []);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 12, "method": "closeSession"}));
    assert_eq!(house.read(wire).len(), 2);
}

#[test]
fn another_sender_gets_no_answer_that_waited_for_the_one_before() {
    let (mut house, wire, session) = house();
    house.ask(wire, 1, "connect", json!({}));
    send(&mut house, wire, json!(2), "busy");
    send(&mut house, wire, json!(3), "count");
    house.cut(wire);
    house.finish(0, &json!("of the old page"));
    assert!(house.sessions() == 1);
    let wire = house.open();
    assert_eq!(house.ask(wire, 2, "connect", json!({"sessionId": session}))["result"]["value"], "reconnection successful");
    assert_eq!(house.read(wire), Vec::<Value>::new());
    assert_eq!(house.ask(wire, 3, "count", json!({}))["result"]["value"], 2, "its own request, not the stored answer");
}

#[test]
fn the_next_run_of_a_program_that_had_resumption_is_another_sender() {
    let mut house = House::new(ServerConfig::default());
    let (wire, session) = house.connect(json!({"resume": {"received": 0}}));
    send(&mut house, wire, json!(2), "busy");
    send(&mut house, wire, json!(3), "count");
    let home = house.home(wire);
    house.notify(home, "event", 1).unwrap();
    house.cut(wire);
    house.notify(home, "event", 2).unwrap();
    // It has saved the session's id, and nothing else.
    let wire = house.open();
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "connect", "params": {"sessionId": session}}));
    let frames = house.read(wire);
    assert_eq!((frames[0]["result"].get("resume"), &frames[1]["method"], frames.len()), (None, &json!("event"), 2), "{frames:?}");
    send(&mut house, wire, json!(3), "busy");
    house.finish(0, &json!("of the run before"));
    assert_eq!(house.read(wire), Vec::<Value>::new());
    house.finish(1, &json!("of this one"));
    assert_eq!((house.one(wire)["result"]["value"].clone(), house.endpoint(home).usage().in_flight), (json!("of this one"), 0));
}

#[test]
fn ids_that_begin_again_after_two_to_the_31_are_the_same_senders() {
    let (mut house, wire, session) = house();
    let last = i32::MAX as u32;
    assert_eq!(house.ask(wire, last - 1, "count", json!({}))["result"]["value"], 1);
    send(&mut house, wire, json!(last), "busy");
    house.cut(wire);
    let wire = house.open();
    house.ask(wire, 1, "connect", json!({"sessionId": session}));
    house.finish(0, &json!("still asked for"));
    assert_eq!(house.one(wire)["id"], json!(last));
}

#[test]
fn a_batch_tells_who_it_is_by_the_first_id_in_it() {
    let batch = |id: u32, method: &str| json!([{"jsonrpc": "2.0", "method": "nothing"}, request(json!(id), method)]);
    let (mut house, session) = left_behind(Limits::default(), &[2]);
    let wire = back(&mut house, 1, &session);
    house.send(wire, &batch(2, "later"));
    house.finish(0, &json!("of the one before"));
    house.advance(seconds(1));
    assert_eq!(house.read(wire), Vec::<Value>::new());
    let (mut house, session) = left_behind(Limits::default(), &[5]);
    let wire = back(&mut house, 1, &session);
    house.send(wire, &batch(2, "count"));
    send(&mut house, wire, json!(3), "count");
    assert_eq!(answers(house.read(wire)), [(json!(2), json!(1)), (json!(3), json!(2))]);
}

#[test]
fn what_the_new_one_is_refused_is_not_withheld() {
    let (mut house, session) = left_behind(Limits::default(), &[5]);
    let wire = back(&mut house, 1, &session);
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 2, "method": 7}));
    house.send_text(wire, "[{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}]");
    house.send_text(wire, "{bad");
    let refused = [(json!(2), json!(-32600)), (json!(3), json!(-32600)), (Value::Null, json!(-32700))];
    assert_eq!(answers(house.read(wire)), refused);
    send(&mut house, wire, json!(4), "count");
    assert_eq!(answers(house.read(wire)), [(json!(4), json!(1))]);
}

#[test]
fn an_id_that_says_nothing_settles_nothing() {
    let (mut house, session) = left_behind(Limits::default(), &[2]);
    house.finish(0, &json!("of the one before"));
    let wire = back(&mut house, 1, &session);
    for id in [Value::Null, json!("text"), json!(1.5)] {
        send(&mut house, wire, id, "count");
    }
    assert_eq!(house.read(wire).len(), 3);
    send(&mut house, wire, json!(2), "count");
    assert_eq!(answers(house.read(wire)), [(json!(2), json!(4))]);
}

#[test]
fn the_first_request_is_read_although_those_of_the_one_before_leave_no_room() {
    let (mut house, session) = left_behind(Limits { in_flight: 2, ..Limits::default() }, &[2, 3]);
    let wire = back(&mut house, 1, &session);
    send(&mut house, wire, json!(2), "count");
    assert_eq!(house.unread(wire), 0);
    house.advance(seconds(1));
    house.finish(0, &json!("of the one before"));
    assert_eq!(answers(house.read(wire)), [(json!(2), json!(1))]);
}

#[test]
fn only_what_the_one_before_has_asked_is_withheld() {
    let (mut house, session) = left_behind(Limits::default(), &[5]);
    let wire = back(&mut house, 1, &session);
    let home = house.home(wire);
    house.notify(home, "event", 1).unwrap();
    house.finish(0, &json!("done"));
    assert_eq!(house.one(wire)["method"], "event");
    // However often it connects over the same transport: the half-second is one.
    house.advance(Duration::from_millis(400));
    house.ask(wire, 2, "connect", json!({"sessionId": session}));
    house.advance(Duration::from_millis(100));
    assert_eq!(answers(house.read(wire)), [(json!(5), json!("done"))]);
}

#[test]
fn a_batch_of_the_one_before_is_withheld_whole() {
    for (id, expected) in
        [(9, vec![(json!(2), json!("done")), (json!(3), json!("done too")), (json!(9), json!(1))]), (2, vec![(json!(2), json!(1))])]
    {
        let (mut house, session) = left_behind(Limits::default(), &[]);
        let wire = back(&mut house, 1, &session);
        house.send(wire, &json!([request(json!(2), "busy"), request(json!(3), "busy")]));
        house.finish(0, &json!("done"));
        house.cut(wire);
        let wire = back(&mut house, 1, &session);
        house.finish(1, &json!("done too"));
        assert_eq!(house.read(wire), Vec::<Value>::new());
        send(&mut house, wire, json!(id), "count");
        assert_eq!(answers(house.read(wire)), expected);
    }
}

#[test]
fn a_request_that_is_asked_for_again_meanwhile_is_the_new_ones_too() {
    let (mut house, wire, session) = house();
    send(&mut house, wire, json!(7), "count");
    send(&mut house, wire, json!("text"), "busy");
    house.cut(wire);
    let wire = back(&mut house, 1, &session);
    send(&mut house, wire, json!("text"), "busy");
    send(&mut house, wire, json!(2), "count");
    house.finish(0, &json!("done"));
    assert_eq!(answers(house.read(wire)), [(json!("text"), json!("done")), (json!(2), json!(2))]);
}

#[test]
fn a_connect_that_is_refused_changes_nothing() {
    let (mut house, wire, session) = house();
    let first = house.ask(wire, 6, "count", json!({}));
    house.send(wire, &json!({"jsonrpc": "2.0", "id": 1, "method": "connect", "params": {"sessionId": session, "resume": {"received": 0}}}));
    assert_eq!(answers(house.read(wire)), [(json!(1), json!(-32600))]);
    assert_eq!(house.ask(wire, 6, "count", json!({})), first);
}

#[test]
fn who_is_the_same_after_all_repeats_what_it_has_asked() {
    let (mut house, session) = left_behind(Limits::default(), &[5]);
    let wire = back(&mut house, 1, &session);
    send(&mut house, wire, json!(6), "count");
    send(&mut house, wire, json!(5), "busy");
    house.finish(0, &json!("done"));
    assert_eq!(house.served.iter().filter(|served| served.starts_with("busy")).count(), 1);
    assert_eq!(answers(house.read(wire)), [(json!(6), json!(1)), (json!(5), json!("done"))]);
}

#[test]
fn long_after_ids_began_again_the_sender_is_still_the_same() {
    let (mut house, wire, session) = house();
    for id in [i32::MAX as u32, 1, 1 << 29] {
        house.ask(wire, id, "count", json!({}));
    }
    send(&mut house, wire, json!(1 << 30), "busy");
    house.cut(wire);
    let wire = back(&mut house, (1 << 30) + 1, &session);
    house.finish(0, &json!("done"));
    assert_eq!(answers(house.read(wire)), [(json!(1 << 30), json!("done"))]);
}

#[test]
fn what_was_withheld_at_a_cut_is_withheld_however_its_session_is_named_next() {
    for connects in [false, true] {
        let (mut house, session) = left_behind(Limits::default(), &[7]);
        house.finish(0, &json!("of the one before"));
        let wire = back(&mut house, 1, &session);
        house.cut(wire);
        let wire = house.open();
        if connects {
            house.send(wire, &json!({"jsonrpc": "2.0", "id": "text", "method": "connect", "params": {"sessionId": session}}));
            assert_eq!(house.one(wire)["id"], "text");
        }
        house.send(wire, &json!({"jsonrpc": "2.0", "id": 2, "method": "count", "params": {"sessionId": session}}));
        assert_eq!(answers(house.read(wire)), [(json!(2), json!(1))]);
    }
}

#[test]
fn what_was_not_taken_in_the_half_second_is_dropped_for_another_sender() {
    let (mut house, session) = left_behind(Limits::default(), &[2]);
    let wire = back(&mut house, 1, &session);
    house.finish(0, &json!("of the one before"));
    house.stall(wire, true);
    house.advance(seconds(1));
    send(&mut house, wire, json!(2), "busy");
    house.stall(wire, false);
    house.finish(1, &json!("of the new one"));
    assert_eq!(answers(house.read(wire)), [(json!(2), json!("of the new one"))]);
}

#[test]
fn what_is_withheld_counts_for_the_bounds() {
    let limits = Limits { outbox_messages: 10, in_flight: 10, ..Limits::default() };
    for text_ids in [false, true] {
        let (mut house, session) = left_behind(limits.clone(), &[7]);
        for round in 0..20 {
            let wire = back(&mut house, 1, &session);
            house.stall(wire, true);
            for n in 0..30 {
                if text_ids {
                    send(&mut house, wire, json!(format!("{round}-{n}")), "count");
                } else {
                    house.send_text(wire, "{bad");
                }
            }
            let home = house.home(wire);
            let kept = house.endpoint(home).usage().outbox_messages;
            assert!(kept <= 40, "{kept} in round {round}");
            house.cut(wire);
        }
    }
    // Nor does more of what waits for room run.
    let limits = Limits { outbox_bytes: 10_000, in_flight: 400, ..Limits::default() };
    let mut house = House::new(ServerConfig { limits, ..ServerConfig::default() });
    let (wire, session) = house.connect(json!({}));
    send(&mut house, wire, json!(7), "busy");
    for id in 10..310 {
        house.send(wire, &json!({"jsonrpc": "2.0", "id": id, "method": "echo", "params": {"text": "x".repeat(600)}}));
    }
    house.cut(wire);
    house.finish(0, &json!("done"));
    let wire = back(&mut house, 1, &session);
    let home = house.home(wire);
    assert!(house.endpoint(home).usage().outbox_bytes < 12_000);
}

#[test]
fn a_batch_of_the_one_before_is_withheld_when_the_new_one_asks_for_its_rest() {
    let mut house = House::new(ServerConfig { concurrency: 4, ..ServerConfig::default() });
    let (wire, session) = house.connect(json!({}));
    house.send(wire, &json!([request(json!(2), "busy"), request(json!("text"), "busy")]));
    house.finish(0, &json!("of the one before"));
    house.cut(wire);
    let wire = back(&mut house, 1, &session);
    send(&mut house, wire, json!("text"), "busy");
    assert_eq!(house.read(wire), Vec::<Value>::new());
}

#[test]
fn a_batch_of_the_one_before_that_is_half_done_holds_nothing_any_more() {
    let mut house = House::new(ServerConfig { concurrency: 4, ..ServerConfig::default() });
    let (wire, session) = house.connect(json!({}));
    house.send(wire, &json!([request(json!(2), "busy"), request(json!(3), "busy")]));
    house.finish(0, &json!("done"));
    house.cut(wire);
    let wire = back(&mut house, 1, &session);
    let home = house.home(wire);
    assert!(house.endpoint(home).usage().outbox_bytes > 0);
    send(&mut house, wire, json!(2), "count");
    house.finish(1, &json!("done"));
    assert_eq!(answers(house.read(wire)), [(json!(2), json!(1))]);
    assert_eq!(house.endpoint(home).usage().outbox_bytes, 0);
}

#[test]
fn errors_that_are_dropped_with_their_sender_make_room_again() {
    for limits in [Limits { outbox_messages: 4, ..Limits::default() }, Limits { outbox_bytes: 400, ..Limits::default() }] {
        let mut house = House::new(ServerConfig { limits, ..ServerConfig::default() });
        let (mut wire, session) = house.connect(json!({}));
        for round in 0..6 {
            house.ask(wire, 100, "count", json!({}));
            house.stall(wire, true);
            for _ in 0..3 {
                house.send(wire, &json!({"jsonrpc": "2.0", "id": 101, "method": 5}));
            }
            house.cut(wire);
            wire = back(&mut house, 1, &session);
            send(&mut house, wire, json!(2), "count");
            assert_eq!(answers(house.read(wire)), [(json!(2), json!(2 * round + 2))]);
        }
    }
}

#[test]
fn a_batch_that_came_before_it_was_known_who_is_there_is_the_new_senders() {
    let mut house = House::new(ServerConfig { concurrency: 4, ..ServerConfig::default() });
    let (wire, session) = house.connect(json!({}));
    house.send(wire, &json!([request(json!(100), "busy"), request(json!(101), "count")]));
    house.cut(wire);
    let wire = back(&mut house, 1, &session);
    house.send(wire, &json!([request(json!("a"), "busy"), request(json!("b"), "count")]));
    send(&mut house, wire, json!(2), "count");
    assert_eq!(answers(house.read(wire)), [(json!(2), json!(3))]);
    house.finish(0, &json!("of the one before"));
    house.finish(1, &json!("of the new one"));
    assert_eq!(answers(house.read(wire)), [(json!("b"), json!(2)), (json!("a"), json!("of the new one"))]);
}
