//! Attacks with requests of SockJS: sessions that cost their peers no connection, and what is posted and never ends.

use super::bound::{Bound, TASK};
use super::{Anything, Field, Hold, InForce};
use crate::sockets::{Http, Peer};
use std::collections::BTreeMap;
use std::io::Write;

/// What a session is beside the task of a transport: its frames, and the task that minds its time.
const LINE: usize = 4 * 1024;

pub(super) fn sessions_bound(_: usize, in_force: &InForce) -> Bound {
    Bound::of_each(in_force.server.max_sockjs_sessions, "max_sockjs_sessions", [(TASK, "a task"), (LINE, "a line")])
}

/// A session for each poll, and one connection for all of them, or a new one for each that is refused.
pub(super) fn sessions(field: &Field) -> Anything<Hold> {
    let mut ends = BTreeMap::<u16, usize>::new();
    let mut http = Http::connect(field.address);
    for id in 0..field.peers {
        let answer = http.ask("POST", &format!("/sockjs/0/{id}/xhr"), "");
        *ends.entry(answer.status).or_default() += 1;
        if answer.header("connection") == Some("close") {
            http = Http::connect(field.address);
        }
    }
    let most = field.in_force.server.max_sockjs_sessions;
    let made = ends.get(&200).copied().unwrap_or_default();
    if made < most || ends.keys().any(|status| ![200, 503].contains(status)) {
        return Err(format!("polls got {ends:?}").into());
    }
    let begun = format!("{} ids", field.peers);
    Ok(Hold::new(begun, move || {
        let said: Vec<_> = ends.iter().map(|(status, times)| format!("{status} × {times}")).collect();
        Ok(said.join(", "))
    }))
}

/// Bytes of a body, a little less than may be.
fn body_bytes(in_force: &InForce) -> usize {
    2 * in_force.session.message_bytes
}

pub(super) fn bodies_bound(peers: usize, in_force: &InForce) -> Bound {
    let each = [(body_bytes(in_force), "twice a message"), (TASK, "a task"), (LINE, "a line")];
    Bound::of_each(peers.min(in_force.server.max_handshakes), "sessions", each)
}

/// Lists of messages that are nearly as long as they may be, and never end.
pub(super) fn bodies(field: &Field) -> Anything<Hold> {
    let bytes = body_bytes(&field.in_force);
    let most = vec![b' '; bytes - 1];
    let mut sending = Vec::new();
    for id in 0..field.peers {
        let opened = Http::once(field.address, "POST", &format!("/sockjs/0/body{id}/xhr"), "");
        if opened.status != 200 {
            return Err(format!("a poll got {}", opened.status).into());
        }
        let mut stream = Peer::open(field.address)?;
        let head = format!("POST /sockjs/0/body{id}/xhr_send HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&most)?;
        sending.push(stream);
    }
    let begun = format!("{} bodies of {bytes} bytes without an end", sending.len());
    // Their sessions have ended long before their time is over, which is as long as a slow network needs.
    Ok(Hold::new(begun, move || {
        let mut ends = BTreeMap::<u16, usize>::new();
        for mut stream in sending {
            stream.write_all(b"[")?;
            *ends.entry(Peer::read_head(&mut stream)?.status).or_default() += 1;
        }
        Ok(format!("{ends:?}"))
    }))
}
