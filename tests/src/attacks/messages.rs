//! Attacks with messages, over transports that the server has granted.

use super::bound::{Bound, ENTRY, PONGS, POSTS, READ, TASK, WRITE_BUFFER};
use super::{Anything, Field, Hold, InForce};
use crate::sockets::{PATIENCE, Peer, masked_frame};
use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;
use tungstenite::Message;

/// What the system keeps for a socket of an attacker. Small, so that little is on its way.
const SYSTEM_BUFFER: usize = 16 * 1024;
/// A connection that takes nothing for so long is not read any more.
const STUCK: Duration = Duration::from_millis(300);
/// A server that takes so much from a peer that takes nothing has no bound. The systems' buffers are far smaller.
const FAR_TOO_MUCH: usize = 256 * 1024 * 1024;
/// The length of an answer that is asked for.
const BLOB: usize = 64 * 1024;
/// The length of what is pushed.
const PUSHED: usize = 16 * 1024;
/// Requests of one peer; more than can be in flight.
const DISTINCT: usize = 16 * 1024;
/// Messages in a batch; as many as may be.
const BATCH: usize = 1024;
/// Repetitions of a request in one round.
const REPETITIONS: usize = 1000;
/// FIN and the opcodes of RFC 6455, section 5.2.
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;

/// A transport whose socket holds little, for who does not read. A reader with so small a window would wait for the system's timers.
fn without_buffers(address: SocketAddr) -> Anything<Peer> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(SYSTEM_BUFFER)?;
    socket.set_send_buffer_size(SYSTEM_BUFFER)?;
    socket.connect(&SockAddr::from(address))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Peer::over(stream, "/"))
}

/// Runs `attack` for each of so many peers, all at once.
fn each<T: Send>(peers: usize, attack: impl Fn() -> Anything<T> + Sync) -> Anything<Vec<T>> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..peers).map(|_| scope.spawn(&attack)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "an attacker failed")?).collect()
    })
}

/// Sends `bytes` again and again until the server takes no more, and reads nothing. Returns how many it took.
fn flood(peer: &Peer, bytes: &[u8]) -> Anything<usize> {
    let mut stream = peer.stream().try_clone()?;
    stream.set_write_timeout(Some(STUCK))?;
    let mut sent = 0;
    let mut at = 0;
    while sent < FAR_TOO_MUCH {
        match stream.write(&bytes[at..]) {
            Ok(n) => (sent, at) = (sent + n, (at + n) % bytes.len()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(sent),
            // It was let go, which is a bound, too.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => return Ok(sent),
            Err(error) => return Err(error.into()),
        }
    }
    Err(format!("the server reads on: {sent} bytes").into())
}

/// Floods over so many transports, and holds them.
fn floods(field: &Field, what: &str, bytes: &[u8]) -> Anything<Hold> {
    let held = each(field.peers, || {
        let peer = without_buffers(field.address)?;
        let sent = flood(&peer, bytes)?;
        Ok((peer, sent))
    })?;
    let most = held.iter().map(|(_, sent)| *sent).max().unwrap_or(0);
    let begun = format!("{} transports send {what} and read nothing", held.len());
    Ok(Hold::new(begun, move || {
        drop(held);
        Ok(format!("not read any more after {} KiB at most, the systems' buffers included", most / 1024))
    }))
}

/// What a session may hold that does not take its answers, the longest of which has so many bytes, and whose messages have so many.
fn unread(in_force: &InForce, answer: usize, message: usize) -> Vec<(usize, &'static str)> {
    let limits = &in_force.session;
    vec![
        (TASK, "a task"),
        (READ + 2 * message, "a message that is read"),
        // A peer without room for answers may still send as much as its own buffer holds, and the message that fills it: `Patience::Waiting` of the core.
        (
            limits.queued_bytes + limits.outbox_bytes + limits.message_bytes + message,
            "queued_bytes, outbox_bytes, message_bytes and a message",
        ),
        ((2 * limits.in_flight + limits.outbox_messages) * ENTRY, "in_flight"),
        (limits.outbox_bytes + answer, "outbox_bytes and an answer"),
        (WRITE_BUFFER + answer, "a write buffer and an answer"),
        (limits.duplicate_bytes, "duplicate_bytes"),
    ]
}

pub(super) fn stopped_reader_bound(peers: usize, in_force: &InForce) -> Bound {
    Bound::of_each(peers, "readers", unread(in_force, BLOB, 1024))
}

/// Asks for large answers, and reads none.
pub(super) fn stopped_reader(field: &Field) -> Anything<Hold> {
    // Each with an id of its own: a repetition of what is in flight is passed over, and holds nothing.
    let requests: Vec<u8> = (0..DISTINCT).flat_map(|id| masked_frame(TEXT, request(id, "blob", &json!(BLOB)).as_bytes())).collect();
    floods(field, "requests with answers of 64 KiB", &requests)
}

fn request(id: usize, method: &str, value: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": { "value": value } }).to_string()
}

pub(super) fn never_acknowledges_bound(peers: usize, in_force: &InForce) -> Bound {
    let limits = &in_force.session;
    Bound::of_each(
        peers,
        "sessions",
        [
            (TASK, "a task"),
            (READ, "a read"),
            (POSTS + PUSHED, "the posts and a message"),
            (2 * PUSHED, "the handler's and the one that waits"),
            (WRITE_BUFFER + PUSHED, "a write buffer and a message"),
        ],
    )
    .and(in_force.server.max_replay_bytes, "max_replay_bytes")
    .and(limits.outbox_bytes + PUSHED, "outbox_bytes and a message")
}

/// Gets resumption granted, reads everything that is pushed, and never says so. Every other one goes away then.
pub(super) fn never_acknowledges(field: &Field) -> Anything<Hold> {
    let enough = field.in_force.session.outbox_bytes / PUSHED;
    let mut held = Vec::new();
    for number in 0..field.peers {
        let mut peer = Peer::connect(field.address, "/");
        peer.call("connect", &json!({ "resume": { "received": 0 } }));
        peer.request("push", &json!({ "messages": 10 * enough, "bytes": PUSHED }));
        for _ in 0..enough {
            match peer.message_in() {
                Message::Text(_) => {}
                // It is one of those that keep the most.
                Message::Close(_) => break,
                other @ (Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                    return Err(format!("an acknowledger got {other:?}").into());
                }
            }
        }
        if number % 2 == 0 {
            held.push(peer);
        }
    }
    let begun = format!("{} sessions take {} KiB each and acknowledge nothing", field.peers, enough * PUSHED / 1024);
    Ok(Hold::new(begun, move || {
        drop(held);
        Ok("the rest of what is pushed waits".into())
    }))
}

pub(super) fn pings_bound(peers: usize, _: &InForce) -> Bound {
    Bound::of_each(peers, "transports", [(TASK, "a task"), (READ, "a read"), (PONGS, "pongs")])
}

/// WebSocket pings, as large as they may be.
pub(super) fn pings(field: &Field) -> Anything<Hold> {
    let pings: Vec<u8> = (0..256).flat_map(|_| masked_frame(PING, &[b'p'; 125])).collect();
    floods(field, "pings", &pings)
}

pub(super) fn batches_bound(peers: usize, in_force: &InForce) -> Bound {
    let message = in_force.session.message_bytes;
    let mut each = unread(in_force, message, message);
    each.push((message, "the answers of a batch that is not done"));
    Bound::of_each(peers, "transports", each)
}

/// Batches that are as long and as large as they may be.
pub(super) fn batches(field: &Field) -> Anything<Hold> {
    let member = field.in_force.session.message_bytes / BATCH - 100;
    let text = "b".repeat(member);
    let batch = |number: usize| {
        let ids = number * BATCH..(number + 1) * BATCH;
        let members: Vec<_> = ids.map(|id| request(id, "echo", &json!(text))).collect();
        format!("[{}]", members.join(","))
    };
    let mut reader = Peer::connect(field.address, "/");
    for round in 0..field.rounds {
        reader.text(&batch(round));
        let answers = reader.read();
        if answers.as_array().map(Vec::len) != Some(BATCH) {
            return Err("a batch is not answered whole".into());
        }
    }
    let batches: Vec<u8> = (0..DISTINCT / BATCH).flat_map(|number| masked_frame(TEXT, batch(number).as_bytes())).collect();
    floods(field, "batches of 1,024 requests", &batches)
}

pub(super) fn repetitions_bound(peers: usize, in_force: &InForce) -> Bound {
    Bound::of_each(peers, "transports", unread(in_force, 512, 512))
}

/// Repeats a request that is in flight, beside as many others as may be. Nothing is answered, so it is read on; each has to be told from all others.
pub(super) fn repetitions(field: &Field) -> Anything<Hold> {
    // The longest ids that there are, which differ at their ends.
    let wait = |number: usize| format!(r#"{{"jsonrpc":"2.0","id":"1{number:0250}","method":"wait"}}"#);
    let others = field.in_force.session.in_flight - 1;
    let repetition: Vec<u8> = (0..REPETITIONS).flat_map(|_| masked_frame(TEXT, wait(others - 1).as_bytes())).collect();
    let held = each(field.peers, || {
        let mut peer = Peer::connect(field.address, "/");
        for number in 0..others {
            peer.text(&wait(number));
        }
        for _ in 0..field.rounds {
            if !peer.bytes(&repetition) {
                return Err("a peer that repeats itself was let go".into());
            }
        }
        // What stands before it has been read.
        match peer.call("ping", &json!({}))["result"]["value"].as_str() {
            Some("pong") => Ok(peer),
            _ => Err("a ping behind repetitions is not answered".into()),
        }
    })?;
    let begun = format!("{} times one of {others} requests in flight", held.len() * field.rounds * REPETITIONS);
    Ok(Hold::new(begun, move || {
        drop(held);
        Ok("passed over".into())
    }))
}

pub(super) fn json_bound(peers: usize, in_force: &InForce) -> Bound {
    let message = in_force.session.message_bytes;
    Bound::of_each(
        peers,
        "transports",
        [
            (TASK, "a task"),
            (READ + message, "a message that is read"),
            (message, "its params"),
            (message, "its answer"),
            (WRITE_BUFFER + message, "a write buffer and an answer"),
        ],
    )
}

/// Sends each of `texts` in turn, and checks what comes back.
fn ask(field: &Field, what: &str, texts: &[String], is_right: impl Fn(&Value) -> bool + Sync) -> Anything<Hold> {
    let held = each(field.peers, || {
        let mut peer = Peer::connect(field.address, "/");
        for text in (0..field.rounds).flat_map(|_| texts) {
            peer.text(text);
            let answer = peer.read();
            if !is_right(&answer) {
                return Err(format!("{} got {answer:.200}", &text[..text.len().min(80)]).into());
            }
        }
        Ok(peer)
    })?;
    let asked = held.len() * field.rounds * texts.len();
    let begun = format!("{asked} messages of {} KiB: {what}", texts[0].len() / 1024);
    Ok(Hold::new(begun, move || {
        drop(held);
        Ok(format!("{asked} answered as they should be"))
    }))
}

/// Brackets as deep as a message is long, alone and in the params of a request.
pub(super) fn deep_json(field: &Field) -> Anything<Hold> {
    let most = field.in_force.session.message_bytes - 200;
    let deep = ["[".repeat(most / 2), "]".repeat(most / 2)].concat();
    let objects = ["{\"a\":".repeat(most / 6), "0".into(), "}".repeat(most / 6)].concat();
    let within = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":{deep}}}"#);
    ask(field, "nested as deep as it goes", &[within, deep, objects, "[".repeat(most)], |answer| answer["error"]["code"] == -32700)
}

/// Objects and arrays with as many members as there is room for, in a request and as a batch.
pub(super) fn wide_json(field: &Field) -> Anything<Hold> {
    let most = field.in_force.session.message_bytes - 200;
    let object: Vec<_> = (0..most / 12).map(|number| format!("\"{number:07}\":0")).collect();
    let request = |params: String| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":{params}}}"#);
    let members = request(format!("{{{}}}", object.join(",")));
    let array = request(format!("[{}0]", "0,".repeat(most / 2)));
    let batch = format!("[{}0]", "0,".repeat(most / 2));
    ask(field, "as many members as there is room for", &[members, array, batch], |answer| {
        answer.get("result").is_some() || answer["error"]["code"] == -32600
    })
}
