//! What the applications at both ends say, what goes wrong between them, and what the model makes of it.

use super::network::Side;
use super::world::{Event, Owed, Who, World};
use bowline_core::{Call, CallOutcome, Directory, Json, Outcome, Request, SendError};
use std::time::Duration;

impl World {
    pub(super) fn serve(&mut self, who: Who, request: Request<'static>) {
        let params = request.params.as_ref().map_or("", Json::as_str);
        let (Some(number), Some(origin)) = (field(params, "\"k\":"), field(params, "\"s\":")) else {
            return self.stuck("a request that nobody made");
        };
        let origin = origin as usize;
        let before = self.tally;
        match who {
            Who::Session(session) => self.clients[origin].stream.arrive(number, session as u64, &mut self.tally),
            Who::Client(_) => self.sessions[origin].stream.arrive(number, origin as u64, &mut self.tally),
        }
        if (before.lost, before.repeated, before.reordered) != (self.tally.lost, self.tally.repeated, self.tally.reordered) {
            self.note(|| format!("WRONG: message {number} arrives at {who:?}"));
        }
        let now = self.now;
        let delay = Duration::from_micros(self.rng.below(500_000));
        let owed = Owed { responder: request.responder, number, origin };
        match &*request.method {
            "later" => {
                self.peer(who).endpoint.defer(now, &owed.responder);
                self.at(now + delay, Event::Answer { who, owed });
            }
            "slow" if self.plan.asks_back == Some(Self::side(who)) => self.at(now + delay, Event::AskBack { who, owed }),
            "slow" => self.at(now + delay, Event::Answer { who, owed }),
            _ => self.answer(who, owed),
        }
    }

    /// Calls for a handler that waits to, if there is room. Returns whether one did.
    pub(super) fn ask_back(&mut self, who: Who) -> bool {
        let peer = self.peer(who);
        if !peer.alive || !peer.endpoint.has_room() {
            return false;
        }
        let Some(owed) = peer.wanting.pop_front() else { return false };
        match self.say(who, Some("call"), 0) {
            Ok(number) => {
                self.note(|| format!("{who:?}: asks back with {number} before it answers {}", owed.number));
                self.peer(who).asking.insert(number, owed);
                true
            }
            Err(_) => {
                self.peer(who).wanting.push_front(owed);
                false
            }
        }
    }

    pub(super) fn answer(&mut self, who: Who, owed: Owed) {
        let Owed { responder, number, origin } = owed;
        if !self.peer(who).alive {
            return;
        }
        let now = self.now;
        if !responder.is_notification() {
            match who {
                // A session that its client has left answers into the void.
                Who::Session(session) => {
                    if let Some(client) = self.clients.iter_mut().find(|peer| peer.session == Some(session)) {
                        client.answers.give(number);
                    }
                }
                Who::Client(client) if self.clients[client].session == Some(origin) => self.sessions[origin].answers.give(number),
                Who::Client(_) => {}
            }
        }
        let text = format!("{{\"k\":{number}}}");
        let outcome = Json::parse(&text).map_or(Outcome::Empty, Outcome::Result);
        self.peer(who).endpoint.respond(now, responder, outcome);
        self.pump(who);
    }

    pub(super) fn settled(&mut self, who: Who, number: u64, outcome: &CallOutcome) {
        self.note(|| format!("{who:?}: call {number} settled, {outcome:?}"));
        if !self.peer(who).calls.remove(&number) {
            self.tally.repeated += 1;
        }
        let before = self.tally;
        match outcome {
            CallOutcome::Result(json) => {
                let World { clients, sessions, tally, .. } = self;
                let peer = match who {
                    Who::Client(client) => &mut clients[client],
                    Who::Session(session) => &mut sessions[session],
                };
                peer.answers.arrive(number, tally);
                if field(json.as_str(), "\"k\":") != Some(number) {
                    tally.reordered += 1;
                }
            }
            CallOutcome::TimedOut => {
                self.peer(who).answers.give_up(number);
                self.peer(who).stream.withdraw(number);
            }
            CallOutcome::Interrupted | CallOutcome::Closed => {
                self.peer(who).answers.give_up(number);
                let alive = match who {
                    Who::Client(client) => {
                        // A handler may have called after the last message, and what it said is lost with the session.
                        if self.calm.is_some() {
                            self.at(self.now + Duration::from_secs(1), Event::Farewell { client });
                        }
                        self.clients[client].session.is_some_and(|session| self.sessions[session].alive)
                    }
                    Who::Session(_) => *outcome == CallOutcome::Interrupted,
                };
                if alive {
                    self.note(|| "LOST: the session lives".to_owned());
                    self.tally.lost += 1;
                }
            }
            CallOutcome::Error(_) | CallOutcome::Malformed(_) | CallOutcome::TooBig(_) | CallOutcome::TooDeep => {
                self.stuck("an answer that nobody gave")
            }
        }
        if (before.repeated, before.reordered) != (self.tally.repeated, self.tally.reordered) {
            self.note(|| format!("WRONG: the answer to {number} arrives at {who:?}"));
        }
        if let Some(owed) = self.peer(who).asking.remove(&number) {
            self.answer(who, owed);
        }
    }

    pub(super) fn operate(&mut self) {
        let client = self.rng.below(self.clients.len() as u64) as usize;
        let who = match (self.rng.chance(50), self.clients[client].session.filter(|session| self.sessions[*session].alive)) {
            (true, Some(session)) => Who::Session(session),
            _ => Who::Client(client),
        };
        if self.rng.chance(3) {
            self.clients[client].endpoint.reconnect(self.now);
            return self.pump(Who::Client(client));
        }
        for _ in 0..self.rng.between(1, 8) {
            if self.send(who).is_err() {
                break;
            }
        }
        self.pump(who);
    }

    pub(super) fn send(&mut self, who: Who) -> Result<u64, SendError> {
        let kind = self.rng.below(8) as usize;
        let pad = if self.rng.chance(10) { self.rng.below(3000) as usize } else { 0 };
        self.say(who, [None, None, None, Some("call"), Some("call"), Some("later"), Some("later"), Some("slow")][kind], pad)
    }

    /// Calls `method`, or notifies, and returns the message's number.
    fn say(&mut self, who: Who, method: Option<&str>, pad: usize) -> Result<u64, SendError> {
        let now = self.now;
        let origin = match who {
            Who::Client(index) | Who::Session(index) => index,
        };
        let peer = self.peer(who);
        let number = peer.stream.send();
        let text = format!("{{\"k\":{number},\"s\":{origin},\"pad\":\"{}\"}}", "x".repeat(pad));
        let params = Json::parse(&text).ok();
        let params = params.as_ref();
        let sent = match method {
            None => peer.endpoint.notify(now, "note", params),
            Some(method) => {
                peer.calls.insert(number);
                let called = peer.endpoint.call(now, Call { method, params, deadline: None, tag: number });
                called.map(|_| ()).map_err(|(error, _)| {
                    peer.calls.remove(&number);
                    error
                })
            }
        };
        if sent.is_err() {
            peer.stream.unsend();
        }
        sent.map(|()| number)
    }

    pub(super) fn fault(&mut self) {
        if self.rng.chance(self.plan.restarts) {
            return self.restart();
        }
        if self.rng.chance(15) {
            self.paused_until = self.now + Duration::from_micros(self.rng.below(8_000_000));
            return self.note(|| "the server pauses".to_owned());
        }
        let up: Vec<usize> =
            (0..self.connections.len()).filter(|c| self.connections[*c].is_up() && self.owners[*c] != [None, None]).collect();
        if up.is_empty() {
            return;
        }
        let connection = up[self.rng.below(up.len() as u64) as usize];
        if self.rng.chance(50) {
            return self.cut(connection);
        }
        let side = if self.rng.chance(50) { Side::Client } else { Side::Server };
        let after = self.connections[connection].written_to(side) + self.rng.below(400);
        self.connections[connection].break_after(side, after);
    }

    pub(super) fn restart(&mut self) {
        self.note(|| "the server restarts".to_owned());
        self.tally.sessions_lost += self.directory.len() as u64;
        self.directory = Directory::new(1000);
        for session in &mut self.sessions {
            session.alive = false;
            session.connection = None;
        }
        for connection in 0..self.connections.len() {
            self.owners[connection][Side::Server as usize] = None;
            self.cut(connection);
        }
    }

    pub(super) fn calm_down(&mut self) {
        self.note(|| "calm".to_owned());
        self.calm = Some(self.now);
        for connection in 0..self.connections.len() {
            if !self.connections[connection].is_up() {
                for side in [Side::Client, Side::Server] {
                    self.at(self.now + self.plan.notice, Event::Gone { connection, side });
                }
            }
        }
        for client in 0..self.clients.len() {
            self.at(self.now, Event::Farewell { client });
        }
    }

    /// A last message in the client's last session, so that a gap before it can be seen. A notification: a call might time out before it is sent.
    pub(super) fn farewell(&mut self, client: usize) {
        let peer = &self.clients[client];
        let connected = peer.endpoint.is_attached() && peer.connection.is_some_and(|connection| self.connections[connection].is_up());
        if connected && peer.farewell != peer.session && self.say(Who::Client(client), None, 0).is_ok() {
            self.clients[client].farewell = self.clients[client].session;
        }
        let peer = &self.clients[client];
        if peer.farewell.is_none() || peer.farewell != peer.session || peer.stream.outstanding() > 0 {
            self.at(self.now + Duration::from_secs(1), Event::Farewell { client });
        }
        self.pump(Who::Client(client));
    }
}

/// The number behind `name` in a text that we made.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.split_once(name)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
