//! Attacks with connections: before the handshake, at it, and before there is a session.

use super::bound::{Bound, TASK};
use super::{Anything, Field, Hold, InForce};
use crate::sockets::{Peer, masked_frame};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::Message;

/// What a handshake reads into at once.
const HEAD_CHUNK: usize = 2 * 1024;
/// From one byte of a slow handshake to the next.
const DRIP: Duration = Duration::from_millis(20);
/// What the table of addresses holds of one.
const ADDRESS: usize = 64;
/// How many it holds.
const ADDRESSES: usize = 4096;

/// Counts what became of connections, by what the server said.
#[derive(Default)]
struct Ends(BTreeMap<String, usize>);

impl Ends {
    fn note(&mut self, end: impl Into<String>) {
        *self.0.entry(end.into()).or_default() += 1;
    }

    fn said(&self) -> String {
        let all: Vec<_> = self.0.iter().map(|(end, times)| format!("{end} × {times}")).collect();
        all.join(", ")
    }
}

/// What the end of a WebSocket is called.
fn close_said(close: Option<(u16, String)>) -> String {
    close.map_or_else(|| "no close".into(), |(code, reason)| format!("{code} {reason}"))
}

pub(super) fn slow_handshakes_bound(_: usize, in_force: &InForce) -> Bound {
    let server = &in_force.server;
    Bound::of_each(
        server.max_handshakes,
        "max_handshakes",
        [(server.max_head_bytes, "max_head_bytes"), (HEAD_CHUNK, "a read"), (TASK, "a task")],
    )
}

/// Heads that never end, each nearly as long as a head may be.
pub(super) fn slow_handshakes(field: &Field) -> Anything<Hold> {
    let filler = field.in_force.server.max_head_bytes - 1024;
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Filler: {}", "a".repeat(filler));
    let mut slow = Vec::new();
    for _ in 0..field.peers {
        let mut stream = Peer::open(field.address)?;
        // One over the bound may be refused and gone before all is written.
        let _ = stream.write_all(head.as_bytes());
        slow.push(stream);
    }
    let begun = format!("{} heads of {filler} bytes without an end", slow.len());
    Ok(Hold::new(begun, move || {
        let mut ends = Ends::default();
        for stream in &mut slow {
            ends.note(drip_to_the_end(stream)?);
        }
        Ok(ends.said())
    }))
}

/// Sends a byte now and then until the server has had enough.
fn drip_to_the_end(stream: &mut TcpStream) -> Anything<String> {
    stream.set_read_timeout(Some(DRIP))?;
    let until = Instant::now() + crate::sockets::PATIENCE;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let _ = stream.write(b"a");
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if Instant::now() > until {
                    return Err("a handshake takes for ever".into());
                }
            }
            Err(_) => break,
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.split(' ').nth(1).unwrap_or("hung up").to_owned())
}

pub(super) fn half_open_bound(_: usize, in_force: &InForce) -> Bound {
    let server = &in_force.server;
    let places = server.max_connections + server.max_handshakes;
    Bound::of_each(places, "max_connections and max_handshakes", [(TASK, "a task")])
}

/// WebSockets of which one half never says a word, and the other only `connect`.
pub(super) fn half_open(field: &Field) -> Anything<Hold> {
    let (mut silent, mut greeted) = (Vec::new(), Vec::new());
    let mut ends = Ends::default();
    for number in 0..field.peers {
        let mut peer = Peer::connect(field.address, "/");
        if number % 2 == 0 {
            silent.push(peer);
        } else {
            // One over the bound is being closed.
            let connect = json!({ "jsonrpc": "2.0", "id": 1, "method": "connect", "params": {} });
            peer.message(Message::text(connect.to_string()));
            greeted.push(peer);
        }
    }
    let begun = format!("{} transports", field.peers);
    Ok(Hold::new(begun, move || {
        for peer in &mut silent {
            let close = peer.closed();
            if !matches!(close, Some((1008 | 1013, _))) {
                return Err(format!("a silent transport: {}", close_said(close)).into());
            }
            ends.note(close_said(close));
        }
        drop(greeted);
        Ok(ends.said())
    }))
}

pub(super) fn session_ids_bound(_: usize, _: &InForce) -> Bound {
    // One connection at a time; the server lets each linger for a moment.
    Bound::of_each(64, "connections that linger", [(TASK, "a task")]).and(ADDRESSES * ADDRESS, "4,096 addresses")
}

/// Guessed session ids, as many over each connection as it lets through.
pub(super) fn session_ids(field: &Field) -> Anything<Hold> {
    let server = &field.in_force.server;
    let begun = Instant::now();
    let (mut ends, mut guesses, mut answered) = (Ends::default(), 0_u64, 0_u64);
    for _ in 0..field.peers {
        let mut peer = Peer::connect(field.address, "/");
        for _ in 0..=field.in_force.session.unknown_sessions {
            guesses += 1;
            let id = format!("6d4f0d2e-6ab1-4b5e-9c1e-{guesses:012x}");
            let connect = json!({ "jsonrpc": "2.0", "id": guesses, "method": "connect", "params": { "sessionId": id } });
            peer.message(Message::text(connect.to_string()));
            match peer.message_in() {
                Message::Text(text) if text.contains("40007") => answered += 1,
                Message::Close(close) => {
                    ends.note(close.map_or_else(String::new, |close| close.reason.to_string()));
                    break;
                }
                other @ (Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                    return Err(format!("a guess got {other:?}").into());
                }
            }
        }
    }
    let seconds = begun.elapsed().as_secs() + 1;
    let allowed = u64::from(server.failed_connects) + u64::from(server.failed_connects_per_second) * seconds;
    if answered > allowed {
        return Err(format!("{answered} guesses were answered; {allowed} may be").into());
    }
    let begun = format!("{guesses} guesses over {} connections", field.peers);
    Ok(Hold::new(begun, move || Ok(format!("{answered} answered (at most {allowed}); closed: {}", ends.said()))))
}

pub(super) fn compression_bound(peers: usize, _: &InForce) -> Bound {
    Bound::of_each(peers, "connections", [(TASK, "a task")])
}

/// Offers permessage-deflate, and sends compressed frames nevertheless: each would unpack to a thousand times its size.
pub(super) fn compression(field: &Field) -> Anything<Hold> {
    let offer = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits; server_no_context_takeover")];
    // A final, compressed text frame: FIN, RSV1, opcode 1.
    let compressed = masked_frame(0xc1, &[0; 16 * 1024]);
    let mut streams = Vec::new();
    for _ in 0..field.peers {
        let (head, mut stream) = Peer::handshake(field.address, "/", &offer)?;
        if head.status != 101 || head.text.to_ascii_lowercase().contains("sec-websocket-extensions") {
            return Err(format!("compression was negotiated: {}", head.text).into());
        }
        stream.write_all(&compressed)?;
        streams.push(stream);
    }
    let begun = format!("{} offers of permessage-deflate", field.peers);
    Ok(Hold::new(begun, move || {
        for stream in &mut streams {
            // A Close frame: FIN and opcode 8, its length, the code.
            let mut close = [0; 4];
            stream.read_exact(&mut close)?;
            if close[0] != 0x88 || close[2..] != 1002_u16.to_be_bytes() {
                return Err(format!("a compressed frame got {close:?}").into());
            }
        }
        Ok(format!("none negotiated; 1002 × {}", streams.len()))
    }))
}
