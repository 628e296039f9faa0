//! Two endpoints in one process, a client's and a server's, that drive each other on virtual time. `cargo run -p bowline-core --example memory`
//!
//! There is no socket, no clock and no runtime here, only two queues of frames. The connection is cut while an answer is on its way; the call ends all
//! the same, and has run once.

use bowline_core::{
    Action, Call, ClientConfig, Directory, Endpoint, ErrorObject, Instant, Json, Outcome, Received, Request, ServerConfig, SessionId,
    decode_params,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// One endpoint and the frames that are on their way to it.
struct Side {
    name: &'static str,
    endpoint: Endpoint<&'static str>,
    inbound: VecDeque<String>,
    /// Whether a transport is to be opened.
    dials: bool,
}

/// What became of one look at the inbound frames.
enum Read {
    Nothing,
    Frame,
    /// The frame names another session: its transport belongs there, and the frame with it.
    Elsewhere(SessionId, String),
}

impl Side {
    fn new(name: &'static str, endpoint: Endpoint<&'static str>) -> Self {
        Self { name, endpoint, inbound: VecDeque::new(), dials: false }
    }

    /// Gives the endpoint one frame.
    fn read(&mut self, now: Instant, log: &mut Vec<String>) -> Read {
        // Back-pressure: what is not read stays with the transport, and in the end with the peer.
        if !self.endpoint.wants_read() {
            return Read::Nothing;
        }
        let Some(frame) = self.inbound.pop_front() else { return Read::Nothing };
        match self.endpoint.handle_text(now, &frame) {
            Received::Handled => {}
            Received::Request(request) => {
                // What the frame has brought about comes first: it may have opened the session.
                self.act(now, log);
                serve(&mut self.endpoint, now, request);
            }
            Received::HandOver(id) => return Read::Elsewhere(id, frame),
        }
        Read::Frame
    }

    fn say(&self, now: Instant, log: &mut Vec<String>, what: &str) {
        log.push(format!("{:>6} ms  {:<7} {what}", now.since_origin().as_millis(), self.name));
    }

    /// Takes the actions.
    fn act(&mut self, now: Instant, log: &mut Vec<String>) {
        while let Some(action) = self.endpoint.poll_action() {
            match action {
                // A request that had to wait for its turn.
                Action::Serve(request) => serve(&mut self.endpoint, now, request),
                Action::Settled { tag, outcome } => self.say(now, log, &format!("{tag}: {outcome:?}")),
                Action::Dial { attempt } => {
                    self.say(now, log, &format!("dials, attempt {attempt}"));
                    self.dials = true;
                }
                Action::HangUp(_) => self.endpoint.handle_detached(now),
                // A real transport sends a WebSocket ping, and says the pong to `handle_pong`.
                Action::Probe => {}
                Action::TooBig { bytes, peer_takes } => {
                    self.say(now, log, &format!("does not send {bytes} bytes to a peer that takes {peer_takes}"));
                }
                told @ (Action::Opened
                | Action::Resumed
                | Action::Renewed
                | Action::Lost
                | Action::ConnectFailed { .. }
                | Action::Closed(_)) => self.say(now, log, &format!("{told:?}")),
            }
        }
    }

    /// After each input: takes the actions, then the frames, which it returns.
    fn settle(&mut self, now: Instant, log: &mut Vec<String>) -> Vec<String> {
        let mut frames = Vec::new();
        loop {
            self.act(now, log);
            let before = frames.len();
            let mut frame = Vec::new();
            while self.endpoint.poll_transmit(&mut frame).is_some() {
                let text = String::from_utf8(std::mem::take(&mut frame)).expect("a frame is text");
                self.say(now, log, &format!("sends {text}"));
                frames.push(text);
            }
            // What was written may have made room for a request that waits.
            if frames.len() == before {
                return frames;
            }
        }
    }
}

/// The application.
fn serve(endpoint: &mut Endpoint<&'static str>, now: Instant, request: Request<'_>) {
    let outcome = match &*request.method {
        "add" => match decode_params::<Vec<i64>>(request.params.as_ref(), endpoint.dialect()) {
            Ok(numbers) => Outcome::Result(Json::from_value(&numbers.iter().sum::<i64>()).expect("a number is JSON")),
            Err(error) => Outcome::Error(ErrorObject::invalid_params(&error.to_string())),
        },
        method => Outcome::Error(ErrorObject::method_not_found(method)),
    };
    endpoint.respond(now, request.responder, outcome);
}

struct World {
    now: Instant,
    client: Side,
    /// An endpoint for each transport that was ever opened. Most of them end at once, when their transport turns out to belong to a session that exists.
    rooms: Vec<Side>,
    directory: Directory<usize>,
    /// The endpoint at the other end of the client's transport.
    attached: Option<usize>,
    log: Vec<String>,
}

impl World {
    fn new() -> Self {
        let mut client = Side::new("client", Endpoint::client(Arc::new(ClientConfig::default()), 7));
        client.endpoint.open(Instant::ORIGIN);
        Self { now: Instant::ORIGIN, client, rooms: Vec::new(), directory: Directory::new(100), attached: None, log: Vec::new() }
    }

    fn call(&mut self, tag: &'static str, numbers: &str) {
        let params = Json::parse(numbers).expect("the example's own text");
        let call = Call { method: "add", params: Some(&params), deadline: None, tag };
        self.client.endpoint.call(self.now, call).expect("there is room");
    }

    /// One round of each side. False if nobody had anything to do: then only time can change something.
    fn round(&mut self) -> bool {
        let frames = self.client.settle(self.now, &mut self.log);
        let dials = std::mem::take(&mut self.client.dials);
        let mut busy = !frames.is_empty() || dials;
        if dials {
            self.connect();
        }
        if let Some(at) = self.attached {
            self.rooms[at].inbound.extend(frames);
            busy |= self.serve_room(at);
        }
        busy | matches!(self.client.read(self.now, &mut self.log), Read::Frame)
    }

    fn serve_room(&mut self, at: usize) -> bool {
        let room = &mut self.rooms[at];
        let read = room.read(self.now, &mut self.log);
        let busy = !matches!(read, Read::Nothing);
        if let Read::Elsewhere(id, frame) = read {
            if let Some(&home) = self.directory.find(&id, 0) {
                room.endpoint.handle_detached(self.now);
                let mut unread = std::mem::take(&mut room.inbound);
                unread.push_front(frame);
                // It would return what the session's old transport is to be closed with, if it still had one.
                let _ = self.rooms[home].endpoint.handle_attached(self.now);
                self.rooms[home].inbound = unread;
                self.attached = Some(home);
                return true;
            }
            // There is no such session. A request would be served here; `connect` gets an error.
            if let Received::Request(request) = room.endpoint.handle_unknown_session(self.now, frame.as_bytes()) {
                let owned = request.into_owned();
                room.act(self.now, &mut self.log);
                serve(&mut room.endpoint, self.now, owned);
            }
        }
        let frames = room.settle(self.now, &mut self.log);
        self.client.inbound.extend(frames);
        if let (true, Some(id)) = (room.endpoint.is_open(), room.endpoint.session_id()) {
            self.directory.insert(id, 0, at).expect("there is room");
        }
        busy
    }

    fn connect(&mut self) {
        // Real ids come from a cryptographic source.
        let id = SessionId::from_random([self.rooms.len() as u8; 16]);
        let mut room = Side::new("server", Endpoint::server(Arc::new(ServerConfig::default()), id));
        let _ = room.endpoint.handle_attached(self.now);
        let _ = self.client.endpoint.handle_attached(self.now);
        self.rooms.push(room);
        self.attached = Some(self.rooms.len() - 1);
    }

    /// The connection is gone, with everything that was on its way.
    fn cut(&mut self) {
        self.log.push(format!("{:>6} ms  -- cut --", self.now.since_origin().as_millis()));
        self.client.inbound.clear();
        self.client.endpoint.handle_detached(self.now);
        if let Some(at) = self.attached.take() {
            self.rooms[at].inbound.clear();
            self.rooms[at].endpoint.handle_detached(self.now);
        }
    }

    /// Lets time pass until `end`, from one deadline to the next.
    fn run_until(&mut self, end: Instant) {
        loop {
            while self.round() {}
            let sides = self.rooms.iter().chain([&self.client]);
            match sides.filter_map(|side| side.endpoint.poll_timeout()).min().filter(|at| *at <= end) {
                Some(at) => self.now = at,
                None => break,
            }
            for side in self.rooms.iter_mut().chain([&mut self.client]) {
                side.endpoint.handle_timeout(self.now);
            }
            // Those without a transport have nobody to write to, but actions all the same.
            for room in &mut self.rooms {
                if !room.endpoint.is_attached() {
                    room.settle(self.now, &mut self.log);
                }
            }
        }
        self.now = end;
    }
}

/// Connects, calls, is cut while the answer is on its way, comes back, and closes. Returns what happened.
pub(crate) fn story() -> Vec<String> {
    let mut world = World::new();
    world.call("first call", "[1,2]");
    world.run_until(Instant::after_origin(Duration::from_secs(1)));
    world.call("second call", "[3,4]");
    // The request goes out and is served; the answer never arrives.
    world.client.endpoint.handle_timeout(world.now);
    let frames = world.client.settle(world.now, &mut world.log);
    if let Some(at) = world.attached {
        world.rooms[at].inbound.extend(frames);
        world.serve_room(at);
    }
    world.cut();
    world.run_until(Instant::after_origin(Duration::from_secs(2)));
    world.client.endpoint.close(world.now, bowline_core::CloseReason::Application);
    world.cut();
    // The server waits its grace for a client that will not come back.
    world.run_until(Instant::after_origin(Duration::from_secs(60)));
    assert!(world.rooms.iter().all(|room| room.endpoint.is_closed()));
    world.log
}

#[allow(dead_code, reason = "a test includes this file too")]
fn main() {
    for line in story() {
        println!("{line}");
    }
}
