//! PROTOCOL 6, the client's side: neither side loses, repeats or reorders a message across a cut.

use bowline_core::{CallOutcome, ClientConfig, InFlight, Json, Limits, SendError};
use bowline_tests::raw::Event;
use bowline_tests::raw_server::RawServer;
use serde_json::{Value, json};
use std::time::Duration;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn numbers(frames: &[Value]) -> Vec<u64> {
    frames.iter().map(|frame| frame["params"][0].as_u64().or(frame["params"]["n"].as_u64()).expect("a number")).collect()
}

fn request(id: u32, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method})
}

fn ok(received: u64) -> Value {
    json!({"value": "OK", "sessionId": "S", "resume": {"received": received}})
}

#[test]
fn the_client_offers_it_and_sends_nothing_before_the_answer() {
    let mut server = RawServer::new(ClientConfig::default());
    server.notify("event", 1).unwrap();
    server.accept();
    let connect = server.one();
    assert_eq!(connect["params"], json!({"resume": {"received": 0}}));
    server.answer(&connect, ok(0));
    assert_eq!(numbers(&[server.one()]), [1]);
    assert!(server.client().is_resumable());
}

#[test]
fn a_client_that_lost_the_answer_to_its_first_connect_asks_for_a_new_session_again() {
    let config = ClientConfig { first_connect: bowline_core::FirstConnect::Retry, ..ClientConfig::default() };
    let mut server = RawServer::new(config);
    server.notify("event", 1).unwrap();
    for _ in 0..3 {
        server.accept();
        assert_eq!(server.one()["params"], json!({"resume": {"received": 0}}));
        server.cut();
        server.wait_for_dial();
    }
    server.accept();
    server.greet(ok(0));
    assert_eq!(numbers(&[server.one()]), [1]);
}

#[test]
fn the_client_tells_what_it_received_and_sends_again_what_the_server_did_not() {
    let mut server = RawServer::resumable(ClientConfig::default());
    for n in 1..=4 {
        server.notify("event", n).unwrap();
    }
    assert_eq!(numbers(&server.read()), [1, 2, 3, 4]);
    for _ in 0..3 {
        server.send(&json!({"jsonrpc": "2.0", "method": "note"}));
    }
    server.cut();
    server.notify("event", 5).unwrap();
    server.accept();
    let params = server.greet(ok(2));
    assert_eq!(params, json!({"sessionId": "S", "resume": {"received": 3}}));
    assert_eq!(numbers(&server.read()), [3, 4, 5]);
    assert_eq!(server.events(), [Event::Lost, Event::Dial(1), Event::Resumed]);
}

#[test]
fn the_client_counts_like_the_server_does() {
    let mut server = RawServer::resumable(ClientConfig { heartbeat: Some(seconds(5)), ..ClientConfig::default() });
    let ping = server.one();
    assert_eq!(ping["params"], json!({"interval": 5000, "received": 0}));
    server.answer(&ping, json!({"value": "pong", "received": 0}));
    server.call_plain("m");
    let asked = server.one();
    let counted = [
        request(1, "echo"),
        json!({"jsonrpc": "2.0", "method": "note"}),
        json!([request(2, "echo"), request(3, "echo")]),
        json!([]),
        json!({"jsonrpc": "2.0", "id": asked["id"], "result": 1}),
        json!({"jsonrpc": "2.0", "id": 999, "result": 1}),
        json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "x"}}),
        json!({}),
    ];
    for frame in &counted {
        server.send(frame);
    }
    server.send(&request(5, "ping"));
    server.read();
    server.advance(seconds(5));
    assert_eq!(server.one()["params"], json!({"received": counted.len()}));
}

#[test]
fn calls_survive_the_cut_and_are_settled_once() {
    let mut server = RawServer::resumable(ClientConfig::default());
    let (unseen, seen) = (server.call_plain("seen"), server.call_plain("unseen"));
    let sent = server.read();
    server.cut();
    assert_eq!((server.outcome(seen), server.outcome(unseen)), (None, None));
    server.accept();
    server.greet(ok(1));
    assert_eq!(server.one(), sent[1], "byte for byte the same");
    for call in &sent {
        server.answer(call, json!({}));
        server.answer(call, json!({}));
    }
    assert_eq!(server.client().usage().outbox_messages, 0);
}

#[test]
fn a_pong_acknowledges_and_so_does_an_answer() {
    let mut server = RawServer::resumable(ClientConfig { heartbeat: Some(seconds(5)), ..ClientConfig::default() });
    let ping = server.one();
    for n in 1..=3 {
        server.notify("event", n).unwrap();
    }
    server.answer(&ping, json!({"value": "pong", "received": 2}));
    assert_eq!(server.client().usage().unacknowledged, 1);
    server.call_plain("m");
    let asked = server.read().pop().unwrap();
    server.answer(&asked, json!({}));
    assert_eq!(server.client().usage().unacknowledged, 0);
}

#[test]
fn a_client_that_received_256_messages_or_64_kib_tells_so() {
    let mut server = RawServer::resumable(ClientConfig::default());
    let mut received = 0;
    for _ in 0..3 {
        for _ in 0..255 {
            server.send(&json!({"jsonrpc": "2.0", "method": "note"}));
        }
        assert_eq!(server.read(), Vec::<Value>::new());
        server.send(&json!({"jsonrpc": "2.0", "method": "note"}));
        received += 256;
        let ping = server.one();
        assert_eq!((&ping["method"], &ping["params"]), (&json!("ping"), &json!({"received": received})));
        server.answer(&ping, json!({"value": "pong", "received": 0}));
    }
    let note = json!({"jsonrpc": "2.0", "method": "note", "params": ["x".repeat(33 * 1024)]});
    server.send(&note);
    assert_eq!(server.read(), Vec::<Value>::new());
    server.send(&note);
    assert_eq!(server.one()["params"], json!({"received": received + 2}));
}

#[test]
fn a_client_whose_buffer_is_half_unacknowledged_asks() {
    for limits in [Limits { outbox_messages: 8, ..Limits::default() }, Limits { outbox_bytes: 480, ..Limits::default() }] {
        let mut server = RawServer::resumable(ClientConfig { limits, ..ClientConfig::default() });
        let mut pings = 0;
        for n in 0..200 {
            assert_eq!(server.notify("event", n), Ok(()), "message {n}: the buffer never fills");
            for frame in server.read() {
                if frame["method"] == "ping" {
                    pings += 1;
                    server.answer(&frame, json!({"value": "pong", "received": n + 1}));
                }
            }
        }
        assert!((30..=100).contains(&pings), "{pings} pings");
    }
}

#[test]
fn a_client_that_filled_its_buffer_in_one_go_asks_soon() {
    let limits = Limits { outbox_messages: 4, ..Limits::default() };
    let mut server = RawServer::resumable(ClientConfig { limits, ..ClientConfig::default() });
    server.stalled = true;
    for n in 0..4 {
        server.notify("event", n).unwrap();
    }
    server.stalled = false;
    server.advance(seconds(6));
    let ping = server.read().into_iter().find(|frame| frame["method"] == "ping").expect("it asks");
    server.answer(&ping, json!({"value": "pong", "received": 4}));
    assert!(server.client().has_room());
}

#[test]
fn a_client_that_sent_everything_again_asks_soon_whether_it_arrived() {
    let limits = Limits { outbox_messages: 4, ..Limits::default() };
    let mut server = RawServer::resumable(ClientConfig { limits, ..ClientConfig::default() });
    for n in 0..4 {
        server.notify("event", n).unwrap();
    }
    server.cut();
    server.read();
    server.accept();
    server.greet(ok(0));
    let mut frames = server.read();
    for _ in 0..2 {
        if let Some(ping) = frames.iter().find(|frame| frame["method"] == "ping").cloned() {
            server.answer(&ping, json!({"value": "pong", "received": 4}));
        }
        server.advance(seconds(6));
        frames = server.read();
    }
    assert_eq!(server.client().usage().unacknowledged, 0);
}

#[test]
fn a_client_without_a_heartbeat_tells_what_it_received_after_a_while() {
    let mut server = RawServer::resumable(ClientConfig::default());
    server.send(&json!({"jsonrpc": "2.0", "method": "note"}));
    server.advance(seconds(5));
    let ping = server.one();
    assert_eq!(ping["params"], json!({"received": 1}));
    server.answer(&ping, json!({"value": "pong", "received": 0}));
    server.advance(seconds(200));
    assert_eq!((server.read(), server.client().usage().unacknowledged), (vec![], 0), "and is quiet when all is told");
}

#[test]
fn a_full_buffer_is_back_pressure_at_the_client_too() {
    let limits = Limits { outbox_messages: 4, ..Limits::default() };
    let mut server = RawServer::resumable(ClientConfig { limits, ..ClientConfig::default() });
    server.cut();
    for n in 1..=4 {
        server.notify("event", n).unwrap();
    }
    assert_eq!(server.notify("event", 5), Err(SendError::Full));
    server.accept();
    server.greet(ok(0));
    assert_eq!(numbers(&server.read().into_iter().filter(|frame| frame["method"] != "ping").collect::<Vec<_>>()), [1, 2, 3, 4]);
    assert_eq!(server.notify("event", 5), Err(SendError::Full), "sent is not received");
}

#[test]
fn it_asks_what_has_arrived_once_its_buffer_is_half_full_and_not_over_and_over() {
    for limits in [Limits { outbox_messages: 6, ..Limits::default() }, Limits { outbox_bytes: 300, ..Limits::default() }] {
        let mut server = RawServer::resumable(ClientConfig { limits: limits.clone(), ..ClientConfig::default() });
        let mut n = 0;
        let ping = loop {
            n += 1;
            server.notify("event", n).unwrap();
            let usage = server.client().usage();
            let mut frames = server.read();
            let half_full = 2 * usage.outbox_messages >= limits.outbox_messages || 2 * usage.outbox_bytes >= limits.outbox_bytes;
            assert_eq!(frames.iter().any(|frame| frame["method"] == "ping"), half_full, "{frames:?}");
            if half_full {
                frames.retain(|frame| frame["method"] == "ping");
                break frames.remove(0);
            }
        };
        assert!(n > 2);
        server.answer(&ping, json!({"value": "pong", "received": 0}));
        assert_eq!(server.read(), Vec::<Value>::new(), "nothing has been sent since");
        while server.notify("event", n).is_ok() {
            for ping in server.read().iter().filter(|frame| frame["method"] == "ping") {
                server.answer(ping, json!({"value": "pong", "received": 0}));
            }
        }
        server.read();
        for _ in 0..3 {
            server.advance(Duration::from_millis(200));
            let ping = server.expect("ping");
            server.answer(&ping, json!({"value": "pong", "received": 0}));
        }
    }
}

#[test]
fn a_number_of_the_server_that_cannot_be_makes_a_new_session() {
    for received in [5, 1] {
        let mut server = RawServer::resumable(ClientConfig { heartbeat: Some(seconds(5)), ..ClientConfig::default() });
        let ping = server.one();
        for n in 1..=3 {
            server.notify("event", n).unwrap();
        }
        let tag = server.call_plain("m");
        server.answer(&ping, json!({"value": "pong", "received": 2}));
        server.cut();
        server.read();
        server.accept();
        server.events();
        server.greet(ok(received));
        assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted), "outcome unknown");
        server.wait_for_dial();
        server.accept();
        assert_eq!(server.greet(json!({"value": "OK", "sessionId": "T", "resume": {"received": 0}})), json!({"resume": {"received": 0}}));
        assert_eq!(server.events().last(), Some(&Event::Renewed));
        assert_eq!(server.client().usage().unacknowledged, 0);
    }
}

#[test]
fn a_pong_with_a_number_that_cannot_be_makes_a_new_session_too() {
    let mut server = RawServer::resumable(ClientConfig { heartbeat: Some(seconds(5)), ..ClientConfig::default() });
    let ping = server.one();
    let tag = server.call_plain("m");
    server.answer(&ping, json!({"value": "pong", "received": 9}));
    assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted));
    server.wait_for_dial();
    server.read();
    server.accept();
    assert_eq!(server.one()["params"], json!({"resume": {"received": 0}}));
}

#[test]
fn a_server_that_refuses_the_resumption_gets_a_client_with_a_new_session() {
    let mut server = RawServer::resumable(ClientConfig::default());
    let tag = server.call_plain("sent");
    server.read();
    server.cut();
    server.notify("event", 1).unwrap();
    server.accept();
    let connect = server.one();
    server.send(
        &json!({"jsonrpc": "2.0", "id": connect["id"], "error": {"code": 40007, "message": "x", "data": {"type": "RESUME_MISMATCH"}}}),
    );
    assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted));
    assert_eq!(server.greet(json!({"value": "OK", "sessionId": "T", "resume": {"received": 0}})), json!({"resume": {"received": 0}}));
    assert_eq!(server.events(), [Event::Lost, Event::Dial(1), Event::Renewed]);
    assert_eq!(numbers(&[server.one()]), [1], "what was not sent goes into the new session");
    assert!(server.client().is_resumable());
}

#[test]
fn a_server_that_forgot_resumption_gets_a_client_that_goes_on_without() {
    let mut server = RawServer::resumable(ClientConfig::default());
    let tag = server.call_plain("sent");
    server.send(&request(1, "later"));
    server.read();
    server.cut();
    server.notify("event", 1).unwrap();
    server.finish(0, &json!("late"));
    server.accept();
    server.greet(json!({"value": "reconnection successful", "sessionId": "S"}));
    assert_eq!(server.outcome(tag), Some(&CallOutcome::Interrupted));
    let frames = server.read();
    assert_eq!((frames.len(), numbers(&frames[..1])), (2, vec![1]), "{frames:?}");
    assert_eq!(frames[1]["result"]["value"], "late", "the session is the same: its answers are still owed");
    assert!(!server.client().is_resumable());
    server.cut();
    server.wait_for_dial();
    server.accept();
    assert_eq!(server.one()["params"], json!({"sessionId": "S"}), "and offers it no more");
}

#[test]
fn calls_that_a_server_with_resumption_had_are_not_repeated_to_one_that_forgot_it() {
    let mut server = RawServer::resumable(ClientConfig { in_flight: InFlight::Repeat, ..ClientConfig::default() });
    let before = server.call_plain("before");
    server.read();
    server.cut();
    server.accept();
    server.greet(json!({"value": "reconnection successful", "sessionId": "S"}));
    assert_eq!(server.outcome(before), Some(&CallOutcome::Interrupted), "nobody knows whether it was there and answered");
    assert!(server.read().is_empty());
    let after = server.call_plain("after");
    let sent = server.one();
    server.cut();
    server.wait_for_dial();
    server.accept();
    server.greet(json!({"value": "reconnection successful", "sessionId": "S"}));
    assert_eq!(server.one(), sent, "from then on they are");
    assert_eq!(server.outcome(after), None);
}

#[test]
fn calls_that_timed_out_are_still_sent_again_for_their_numbers_count() {
    let mut server = RawServer::resumable(ClientConfig::default());
    let (tag, _) = server.call("m", &json!({}), Some(seconds(1))).unwrap();
    server.notify("event", 2).unwrap();
    let sent = server.read();
    server.cut();
    server.advance(seconds(1));
    assert_eq!(server.outcome(tag), Some(&CallOutcome::TimedOut));
    server.accept();
    server.greet(ok(0));
    let again: Vec<_> = server.read().into_iter().filter(|frame| frame["method"] != "ping").collect();
    assert_eq!(again, sent);
}

#[test]
fn what_waited_and_is_longer_than_the_server_takes_is_told_and_holds_up_nothing() {
    let mut server = RawServer::new(ClientConfig::default());
    let long = json!({"text": "x".repeat(70_000)});
    let (too_long, _) = server.call("long", &long, None).unwrap();
    let (short, _) = server.call("short", &json!({}), None).unwrap();
    let params = Json::from_value(&long).unwrap();
    server.with(|client, now| client.notify(now, "long", Some(&params))).unwrap();
    server.notify("short", 7).unwrap();
    server.accept();
    server.greet(json!({"value": "OK", "sessionId": "S", "resume": {"received": 0, "max": 65_536}}));
    assert!(matches!(server.outcome(too_long), Some(CallOutcome::TooBig(65_536))));
    assert!(matches!(server.events()[..], [.., Event::TooBig(bytes, 65_536), Event::Opened] if (70_000..71_000).contains(&bytes)));
    let frames = server.read();
    assert_eq!(frames.iter().map(|frame| frame["method"].as_str().unwrap()).collect::<Vec<_>>(), ["short", "short"]);
    server.answer(&frames[0], json!({"value": 1}));
    assert!(matches!(server.outcome(short), Some(CallOutcome::Result(_))));
    assert_eq!(server.client().usage().outbox_messages, 1, "the notification is not acknowledged yet");
}

#[test]
fn in_a_session_made_anew_the_first_request_is_the_first_again() {
    let mut server = RawServer::resumable(ClientConfig::default());
    let request = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "is_first", "params": {}});
    let mut firsts = Vec::new();
    for round in 0..2 {
        for id in [1, 2] {
            server.send(&request(10 * round + id));
            firsts.push(server.one()["result"]["value"].clone());
        }
        server.cut();
        server.accept();
        let connect = server.expect("connect");
        server.refuse(&connect, 40007);
        server.greet(json!({"value": "OK", "sessionId": "T", "resume": {"received": 0}}));
    }
    assert_eq!(firsts, [true, false, true, false]);
}

#[test]
fn a_plain_server_has_said_nothing_of_what_it_takes() {
    let mut server = RawServer::new(ClientConfig::default());
    server.accept();
    server.greet(json!({"value": "OK", "sessionId": "S", "resume": {"received": 0, "max": 1000}}));
    assert_eq!(server.client().peer_takes(), 1000);
    server.cut();
    server.accept();
    let connect = server.expect("connect");
    server.refuse(&connect, -32601);
    assert!(server.client().is_attached());
    assert_eq!(server.client().peer_takes(), usize::MAX);
}

#[test]
fn a_client_with_too_many_requests_does_not_ping_for_nothing() {
    let limits = Limits { queued_bytes: 1000, outbox_bytes: 1 << 20, ..Limits::default() };
    let mut server = RawServer::resumable(ClientConfig { limits, ..ClientConfig::default() });
    for id in 0..10 {
        server.send(&json!({"jsonrpc": "2.0", "id": id, "method": "busy", "params": ["x".repeat(20_000)]}));
    }
    // More came than it is told of at once, but there is nothing that could be told.
    let mut pings = 0;
    for _ in 0..20 {
        for frame in server.read() {
            assert_eq!(frame["method"], "ping", "{frame}");
            pings += 1;
            server.answer(&frame, json!({"value": "pong", "received": 0}));
        }
    }
    assert!(pings <= 2, "{pings}");
}

#[test]
fn both_sides_say_what_they_keep_if_it_is_not_the_usual() {
    let limits = Limits { outbox_messages: 64, outbox_bytes: 5000, message_bytes: 70_000, ..Limits::default() };
    let mut server = RawServer::new(ClientConfig { limits, ..ClientConfig::default() });
    server.accept();
    let told = json!({"received": 0, "max": 70_000, "messages": 64, "bytes": 5000});
    // What a server keeps is told of when half of it has come.
    let resume = json!({"received": 0, "messages": 10, "bytes": 2000});
    assert_eq!(server.greet(json!({"value": "OK", "sessionId": "S", "resume": resume}))["resume"], told);
    for n in 1..=5 {
        assert_eq!(server.read(), Vec::<Value>::new(), "{n}");
        server.send(&json!({"jsonrpc": "2.0", "method": "nothing"}));
    }
    let ping = server.expect("ping");
    assert_eq!(ping["params"]["received"], 5);
    server.answer(&ping, json!({"value": "pong", "received": 0}));
    server.send(&json!({"jsonrpc": "2.0", "method": "nothing", "params": ["x".repeat(1000)]}));
    assert_eq!(server.expect("ping")["params"]["received"], 6);
}
