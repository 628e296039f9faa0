//! A day of a busy server on virtual time: sessions come, call, are cut, come back, expire and close. Afterwards everything is as it was.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "in a test a panic is the failure, of whatever is not foreseen too"
)]

use allocation_counter::measure;
use bowline_core::{Action, CloseReason, Dialect, Directory, Endpoint, Instant, Json, Outcome, Received, Request, ServerConfig, SessionId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Sessions that live at once, at most.
const SESSIONS: usize = 200;

/// A session of the server's, and what its client knows of it.
struct Room {
    endpoint: Endpoint<()>,
    id: SessionId,
    resumes: bool,
    attached: bool,
    /// It will not come back.
    gone: bool,
    next_id: u32,
    /// Messages that the client has received.
    received: u64,
}

#[derive(Debug, Default)]
struct Counts {
    opened: u64,
    calls: u64,
    cuts: u64,
    resumed: u64,
    expired: u64,
    closed: u64,
}

struct World {
    now: Instant,
    seed: u64,
    configs: [Arc<ServerConfig>; 2],
    rooms: BTreeMap<u64, Room>,
    directory: Directory<u64>,
    next_room: u64,
    counts: Counts,
    out: Vec<u8>,
}

impl World {
    fn new(seed: u64) -> Self {
        let config = |dialect| Arc::new(ServerConfig { dialect, ..ServerConfig::default() });
        Self {
            now: Instant::ORIGIN,
            seed,
            configs: [config(Dialect::Kurento), config(Dialect::Strict)],
            rooms: BTreeMap::new(),
            directory: Directory::new(SESSIONS),
            next_room: 0,
            counts: Counts::default(),
            out: Vec::with_capacity(64 * 1024),
        }
    }

    /// A number below `bound` (splitmix64).
    fn draw(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn session_id(&mut self) -> SessionId {
        let (a, b) = (self.draw(u64::MAX), self.draw(u64::MAX));
        SessionId::from_random((u128::from(a) << 64 | u128::from(b)).to_le_bytes())
    }

    fn run(&mut self, until: Instant) {
        while self.now < until {
            let step = Duration::from_millis(self.draw(4000));
            self.pass(self.now + step);
            self.something();
        }
    }

    /// Time passes; every deadline up to then is kept.
    fn pass(&mut self, until: Instant) {
        while let Some(due) = self.rooms.values().filter_map(|room| room.endpoint.poll_timeout()).min().filter(|at| *at <= until) {
            self.now = due;
            let keys: Vec<u64> =
                self.rooms.iter().filter(|(_, room)| room.endpoint.poll_timeout() == Some(due)).map(|(key, _)| *key).collect();
            for key in keys {
                self.rooms.get_mut(&key).unwrap().endpoint.handle_timeout(due);
                self.settle(key);
            }
        }
        self.now = until;
    }

    fn something(&mut self) {
        if self.rooms.len() < SESSIONS && (self.rooms.is_empty() || self.draw(10) == 0) {
            return self.open();
        }
        let at = self.draw(self.rooms.len() as u64) as usize;
        let key = *self.rooms.keys().nth(at).unwrap();
        let (attached, gone) = (self.rooms[&key].attached, self.rooms[&key].gone);
        match (self.draw(20), attached) {
            (0..=11, true) => self.call(key),
            (12..=13, true) => self.acknowledge(key),
            (14..=16, true) => self.cut(key),
            (17, true) => {
                self.cut(key);
                self.rooms.get_mut(&key).unwrap().gone = true;
            }
            (18, true) => self.say_goodbye(key),
            (_, true) => {
                let now = self.now;
                self.rooms.get_mut(&key).unwrap().endpoint.close(now, CloseReason::Application);
                self.settle(key);
            }
            (_, false) if !gone => self.come_back(key),
            (_, false) => {}
        }
    }

    fn open(&mut self) {
        let (resumes, config) = (self.draw(3) > 0, self.draw(2) as usize);
        let id = self.session_id();
        let endpoint = Endpoint::server(Arc::clone(&self.configs[config]), id.clone());
        let room = Room { endpoint, id, resumes, attached: true, gone: false, next_id: 1, received: 0 };
        let key = self.next_room;
        self.next_room += 1;
        self.rooms.insert(key, room);
        assert_eq!(self.rooms.get_mut(&key).unwrap().endpoint.handle_attached(self.now), None);
        self.say(key, if resumes { r#""method":"connect","params":{"resume":{"received":0}}"# } else { r#""method":"connect""# });
        self.directory.insert(&self.rooms[&key].id, 0, key).unwrap();
        self.counts.opened += 1;
    }

    fn call(&mut self, key: u64) {
        let size = if self.draw(10) == 0 { 4096 } else { self.draw(200) as usize };
        let text = "x".repeat(size);
        self.say(key, &format!(r#""method":"echo","params":{{"text":"{text}"}}"#));
        self.counts.calls += 1;
    }

    fn acknowledge(&mut self, key: u64) {
        let room = &self.rooms[&key];
        let params = if room.resumes { format!(r#","params":{{"received":{}}}"#, room.received) } else { String::new() };
        self.say(key, &format!(r#""method":"ping"{params}"#));
    }

    fn say_goodbye(&mut self, key: u64) {
        self.say(key, r#""method":"closeSession""#);
    }

    /// The connection goes; now and then with an answer in it that the client will never have counted.
    fn cut(&mut self, key: u64) {
        let lost = self.draw(2) == 0;
        let before = self.rooms[&key].received;
        if lost {
            self.call(key);
        }
        let now = self.now;
        let room = self.rooms.get_mut(&key).unwrap();
        if lost {
            room.received = before;
        }
        room.attached = false;
        room.endpoint.handle_detached(now);
        self.settle(key);
        self.counts.cuts += 1;
    }

    /// Over a new transport, whose own endpoint finds that it belongs elsewhere.
    fn come_back(&mut self, key: u64) {
        let id = self.session_id();
        let room = self.rooms.get_mut(&key).unwrap();
        let (now, number, received, session) = (self.now, room.next_id, room.received, room.id.reveal());
        room.next_id += 1;
        let resume = if room.resumes { format!(r#","resume":{{"received":{received}}}"#) } else { String::new() };
        let frame = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"connect","params":{{"sessionId":"{session}"{resume}}}}}"#);
        let mut fresh: Endpoint<()> = Endpoint::server(Arc::clone(&self.configs[0]), id);
        assert_eq!(fresh.handle_attached(now), None);
        let Received::HandOver(named) = fresh.handle_text(now, &frame) else { panic!("not handed over") };
        assert_eq!(self.directory.find(&named, 0), Some(&key));
        fresh.handle_detached(now);
        assert!(matches!(fresh.poll_action(), Some(Action::Closed(CloseReason::NeverOpened))));
        assert_eq!(room.endpoint.handle_attached(now), None);
        assert!(matches!(room.endpoint.handle_text(now, &frame), Received::Handled));
        room.attached = true;
        self.settle(key);
        assert!(self.rooms[&key].endpoint.is_attached());
        self.counts.resumed += 1;
    }

    /// A request of the client's, with the members given.
    fn say(&mut self, key: u64, members: &str) {
        let now = self.now;
        let room = self.rooms.get_mut(&key).unwrap();
        let frame = format!(r#"{{"jsonrpc":"2.0","id":{},{members}}}"#, room.next_id);
        room.next_id += 1;
        if let Received::Request(request) = room.endpoint.handle_text(now, &frame) {
            let Request { params, responder, .. } = request;
            room.endpoint.respond(now, responder, Outcome::Result(params.unwrap_or(Json::NULL)));
        }
        self.settle(key);
    }

    fn settle(&mut self, key: u64) {
        let now = self.now;
        let mut over = false;
        let room = self.rooms.get_mut(&key).unwrap();
        while let Some(action) = room.endpoint.poll_action() {
            match action {
                Action::HangUp(_) => {
                    self.out.clear();
                    while room.endpoint.poll_transmit(&mut self.out).is_some() {}
                    room.attached = false;
                    room.endpoint.handle_detached(now);
                }
                Action::Closed(reason) => {
                    over = true;
                    match reason {
                        CloseReason::GraceExpired => self.counts.expired += 1,
                        CloseReason::ClientClosed | CloseReason::Application => self.counts.closed += 1,
                        other => panic!("{other:?}"),
                    }
                }
                Action::Opened | Action::Resumed | Action::Lost => {}
                other => panic!("{other:?}"),
            }
        }
        loop {
            self.out.clear();
            if room.endpoint.poll_transmit(&mut self.out).is_none() {
                break;
            }
            // What is no answer to a session method counts; of those here only an echo's answer has no value.
            room.received += u64::from(!contains(&self.out, b"\"value\":\"") && !contains(&self.out, b"\"result\":\"bye\""));
        }
        assert!(room.endpoint.usage().unacknowledged <= 1024);
        if over {
            self.directory.remove(&room.id);
            self.rooms.remove(&key);
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).take(200).any(|window| window == part)
}

#[test]
fn after_a_day_of_churn_tables_are_empty_and_memory_is_back() {
    let mut world = World::new(7);
    let day = measure(|| {
        world.run(Instant::after_origin(DAY));
        // All clients go; their sessions expire.
        let keys: Vec<u64> = world.rooms.iter().filter(|(_, room)| room.attached).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| world.cut(key));
        world.rooms.values_mut().for_each(|room| room.gone = true);
        world.pass(world.now + Duration::from_secs(11));
        assert!(world.rooms.is_empty() && world.directory.is_empty());
        // The test's own table.
        world.rooms.clear();
    });
    println!("{:?}; at most {} bytes held, {} left", world.counts, day.bytes_max, day.bytes_current);
    let Counts { opened, calls, cuts, resumed, expired, closed } = world.counts;
    assert_eq!(opened, expired + closed);
    assert!(opened > 2000 && calls > 10_000 && cuts > 2000 && resumed > 2000 && expired > 1000 && closed > 1000, "{:?}", world.counts);
    // An empty directory may keep the one node in which it started.
    assert!((0..1024).contains(&day.bytes_current), "{} bytes left after a day that held {} at most", day.bytes_current, day.bytes_max);
}
