//! What carries frames between the endpoints, and what drives each of them.

use super::network::{Connection, Side};
use super::world::{Event, Peer, Who, World};
use bowline_core::{Action, CloseReason, Endpoint, Received, SessionId};
use std::time::Duration;

impl World {
    pub(super) fn dialed(&mut self, client: usize, dial: u64) {
        if self.clients[client].dial != dial {
            return;
        }
        if self.calm.is_none() && self.rng.chance(15) {
            self.note(|| format!("client {client}: dial fails"));
            self.clients[client].endpoint.handle_dial_failed(self.now);
            return self.pump(Who::Client(client));
        }
        let connection = self.connections.len();
        let session = self.sessions.len();
        self.note(|| format!("client {client}: connection {connection}, endpoint {session}"));
        self.connections.push(Connection::new());
        self.owners.push([Some(Who::Client(client)), Some(Who::Session(session))]);
        let id = SessionId::from_random(self.rng.bytes());
        let mut peer = Peer::new(Endpoint::server(self.plan.server.clone(), id));
        peer.connection = Some(connection);
        assert!(peer.endpoint.handle_attached(self.now).is_none(), "a fresh endpoint has no transport");
        self.sessions.push(peer);
        self.clients[client].connection = Some(connection);
        let old = self.clients[client].endpoint.handle_attached(self.now);
        assert!(old.is_none(), "a client dials when it has no transport");
        self.pump(Who::Client(client));
    }

    pub(super) fn cut(&mut self, connection: usize) {
        if !self.connections[connection].is_up() {
            return;
        }
        self.note(|| format!("connection {connection}: cut"));
        self.tally.cuts += 1;
        let unread = self.rng.chance(50);
        self.connections[connection].cut(unread);
        for side in [Side::Client, Side::Server] {
            let blind = self.calm.is_none() && self.rng.chance(self.plan.half_open);
            if !blind {
                let at = self.now + Duration::from_micros(self.rng.below(self.plan.notice.as_micros() as u64));
                self.at(at, Event::Gone { connection, side });
            }
        }
    }

    pub(super) fn gone(&mut self, connection: usize, side: Side) {
        let Some(who) = self.owners[connection][side as usize] else { return };
        self.pump(who);
        if self.owners[connection][side as usize] != Some(who) {
            return;
        }
        self.note(|| format!("{who:?}: sees connection {connection} gone"));
        self.owners[connection][side as usize] = None;
        let now = self.now;
        let peer = self.peer(who);
        peer.connection = None;
        peer.endpoint.handle_detached(now);
        self.pump(who);
    }

    /// Closes this side's connection in order: what was written still arrives.
    pub(super) fn hang_up(&mut self, who: Who) {
        let now = self.now;
        if let Some(connection) = self.peer(who).connection.take() {
            self.owners[connection][Self::side(who) as usize] = None;
            self.close_after_the_rest(connection, Self::side(who));
        }
        let peer = self.peer(who);
        peer.dial += 1;
        peer.endpoint.handle_detached(now);
    }

    pub(super) fn close_after_the_rest(&mut self, connection: usize, by: Side) {
        let to = by.other();
        let at = self.connections[connection].drained_at(to, self.now) + Duration::from_nanos(1);
        self.at(at, Event::Gone { connection, side: to });
    }

    pub(super) fn transmit(&mut self, who: Who) -> bool {
        let Some(connection) = self.peer(who).connection else { return false };
        let to = Self::side(who).other();
        let mut any = false;
        let mut frame = Vec::new();
        while self.connections[connection].has_window(to, self.plan.window) {
            frame.clear();
            let Some(len) = self.peer(who).endpoint.poll_transmit(&mut frame) else { break };
            any = true;
            if len == 0 || len != frame.len() {
                self.stuck("an empty frame");
            }
            self.put(who, connection, to, frame.clone());
        }
        any
    }

    pub(super) fn put(&mut self, who: Who, connection: usize, to: Side, frame: Vec<u8>) {
        self.note(|| format!("{who:?} -> {}", String::from_utf8_lossy(&frame)));
        let is_ping = self.plan.mute && self.calm.is_none() && to == Side::Server && frame.windows(13).any(|w| w == b"\"method\":\"pin");
        if is_ping {
            return;
        }
        let slow = self.calm.is_none() && self.rng.chance(self.plan.spikes);
        let latency = if slow { Duration::from_secs(9) } else { self.plan.latency };
        if let Some((at, breaks)) = self.connections[connection].write(self.now, to, frame, latency, &mut self.rng) {
            self.at(at, if breaks { Event::Cut { connection } } else { Event::Arrive { connection, side: to } });
        }
    }

    pub(super) fn pump(&mut self, who: Who) {
        loop {
            let mut any = false;
            while let Some(action) = self.peer(who).endpoint.poll_action() {
                any = true;
                self.act(who, action);
            }
            any |= self.ask_back(who);
            any |= self.transmit(who);
            any |= self.read(who);
            if !any {
                break;
            }
        }
        self.check_bounds(who);
    }

    pub(super) fn read(&mut self, who: Who) -> bool {
        let now = self.now;
        let side = Self::side(who);
        let Some(connection) = self.peer(who).connection else { return false };
        if !self.peer(who).endpoint.wants_read() {
            return false;
        }
        let Some(frame) = self.connections[connection].read(side) else { return false };
        if let Some(writer) = self.owners[connection][side.other() as usize] {
            // It may have waited for this room.
            if self.plan.window < 1 << 20 {
                self.at(now + Duration::from_nanos(1), Event::Pump(writer));
            }
        }
        let received = self.peer(who).endpoint.handle_frame(now, &frame);
        match received {
            Received::Handled => {}
            Received::Request(request) => {
                let request = request.into_owned();
                while let Some(action) = self.peer(who).endpoint.poll_action() {
                    self.act(who, action);
                }
                self.serve(who, request);
            }
            Received::HandOver(id) => self.hand_over(who, connection, &id, &frame),
        }
        true
    }

    pub(super) fn hand_over(&mut self, from: Who, connection: usize, id: &SessionId, frame: &[u8]) {
        let now = self.now;
        let Some(session) = self.directory.find(id, 0).copied() else {
            if let Received::Request(request) = self.peer(from).endpoint.handle_unknown_session(now, frame) {
                let request = request.into_owned();
                self.serve(from, request);
            }
            return;
        };
        let to = Who::Session(session);
        if self.sessions[session].endpoint.is_overtaken(frame) {
            self.note(|| format!("{from:?}: too late for session {session}"));
            return self.hang_up(from);
        }
        self.note(|| format!("{from:?}: handed over to session {session}"));
        let old = self.sessions[session].connection.replace(connection);
        self.owners[connection][Side::Server as usize] = Some(to);
        let close = self.sessions[session].endpoint.handle_attached(now);
        if let Some(old) = old {
            assert!(close.is_some(), "the endpoint knew of its transport");
            self.owners[old][Side::Server as usize] = None;
            self.close_after_the_rest(old, Side::Server);
        }
        self.peer(from).connection = None;
        self.peer(from).endpoint.handle_detached(now);
        if let Received::Request(request) = self.sessions[session].endpoint.handle_frame(now, frame) {
            let request = request.into_owned();
            while let Some(action) = self.peer(to).endpoint.poll_action() {
                self.act(to, action);
            }
            self.serve(to, request);
        }
        self.at(now + Duration::from_nanos(1), Event::Pump(to));
    }

    pub(super) fn act(&mut self, who: Who, action: Action<u64>) {
        match action {
            Action::Serve(request) => self.serve(who, request),
            Action::Settled { tag, outcome } => self.settled(who, tag, &outcome),
            Action::Opened | Action::Resumed | Action::Renewed => self.opened(who),
            Action::Lost | Action::ConnectFailed { .. } | Action::TooBig { .. } | Action::Probe => {}
            Action::Dial { .. } => {
                if let Who::Client(client) = who {
                    self.clients[client].dial += 1;
                    let dial = self.clients[client].dial;
                    let at = self.now + Duration::from_micros(self.rng.below(self.plan.latency.as_micros() as u64));
                    self.at(at, Event::Dialed { client, dial });
                }
            }
            Action::HangUp(close) => {
                self.note(|| format!("{who:?}: hangs up, {close:?}"));
                self.check_hang_up(who);
                self.transmit(who);
                self.hang_up(who);
            }
            Action::Closed(reason) => self.closed(who, reason),
        }
    }

    /// A transport may be hung up at any time, but no client closes its session here: one that ends does so without a transport.
    fn check_hang_up(&mut self, who: Who) {
        let endpoint = &self.peer(who).endpoint;
        if let (true, Some(id)) = (endpoint.is_closed(), endpoint.session_id().cloned())
            && self.directory.find(&id, 0).is_some()
        {
            self.stuck("a session ended although it had a transport");
        }
    }

    pub(super) fn opened(&mut self, who: Who) {
        let id = self.peer(who).endpoint.session_id().cloned();
        let Some(id) = id else { return };
        match who {
            Who::Session(session) => {
                assert!(self.directory.insert(&id, 0, session).is_ok(), "the directory has room");
            }
            // A session that died since is not in the directory; its number is not needed then.
            Who::Client(client) => self.clients[client].session = self.directory.find(&id, 0).copied(),
        }
    }

    pub(super) fn closed(&mut self, who: Who, reason: CloseReason) {
        self.note(|| format!("{who:?}: closed, {reason:?}"));
        let Who::Session(session) = who else { return self.stuck("a client closed by itself") };
        if let Some(id) = self.sessions[session].endpoint.session_id().cloned()
            && self.directory.find(&id, 0) == Some(&session)
        {
            self.directory.remove(&id);
            self.tally.sessions_lost += 1;
        }
        if !matches!(reason, CloseReason::NeverOpened | CloseReason::GraceExpired) {
            self.stuck("a session closed for no reason");
        }
        self.sessions[session].alive = false;
    }

    pub(super) fn check_bounds(&mut self, who: Who) {
        let (server, client) = (&self.plan.server.limits, &self.plan.client.limits);
        let (limits, peer) = if let Who::Client(_) = who { (client, server) } else { (server, client) };
        let in_flight = limits.in_flight + peer.outbox_messages + 1;
        // The reserve for answers, and whatever is in flight when it is used up.
        let most = limits.in_flight + 2 * limits.outbox_messages + in_flight;
        let usage = self.peer(who).endpoint.usage();
        if usage.outbox_messages > most || usage.in_flight > in_flight {
            self.stuck("a bound is passed");
        }
    }
}
