//! A client that is left alone for a month of cuts, half-open links, server restarts and dials that fail.

use bowline_core::{ClientConfig, FirstConnect, Usage};
use bowline_tests::raw_server::RawServer;
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// A generator of its own, so that a seed means the same month for ever (xorshift64*).
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % n
    }
}

/// A server that knows at most one session, and how many messages it has had of it.
#[derive(Default)]
struct Site {
    session: Option<String>,
    made: u32,
    received: u64,
    last_ping: Option<Duration>,
    pings: u32,
    resumed: u32,
    renewed: u32,
    half_open: bool,
}

impl Site {
    /// Reads what the client wrote and answers it, unless the link is half open.
    fn serve(&mut self, line: &mut RawServer) {
        loop {
            let frames = line.read();
            if frames.is_empty() {
                return;
            }
            if !self.half_open {
                frames.iter().for_each(|frame| self.answer(line, frame));
            }
        }
    }

    fn answer(&mut self, line: &mut RawServer, frame: &Value) {
        let named = frame["params"]["sessionId"].as_str();
        match frame["method"].as_str() {
            Some("connect") if named.is_some() && named != self.session.as_deref() => {
                self.renewed += 1;
                line.refuse(frame, 40007);
            }
            Some("connect") => {
                match named {
                    Some(_) => self.resumed += 1,
                    None => {
                        self.made += 1;
                        self.session = Some(format!("session {}", self.made));
                        self.received = 0;
                    }
                }
                line.answer(frame, json!({"value": "", "sessionId": self.session, "resume": {"received": self.received}}));
            }
            Some("ping") => {
                self.last_ping = Some(line.now().since_origin());
                self.pings += 1;
                line.answer(frame, json!({"value": "pong", "received": self.received}));
            }
            _ => self.received += 1,
        }
    }
}

fn month(seed: u64) {
    let mut dice = Dice(seed * 2 + 1);
    let config = ClientConfig { heartbeat: Some(Duration::from_secs(30)), first_connect: FirstConnect::Retry, ..ClientConfig::default() };
    let mut line = RawServer::unopened(config, seed);
    line.with(|client, now| client.open(now));
    let mut site = Site::default();
    let mut down_until = Duration::ZERO;
    let mut most = Usage::default();
    let (mut faults, mut hour, mut timeouts) = (0, 1, 0);
    let mut next_fault = Duration::from_secs(60);
    while line.now().since_origin() < 30 * 24 * HOUR {
        let now = line.now().since_origin();
        if line.is_dialled() {
            if now < down_until || dice.up_to(10) == 0 {
                line.fail_dial();
            } else if dice.up_to(20) > 0 {
                site.half_open = false;
                line.accept();
            }
        }
        site.serve(&mut line);
        if now >= next_fault {
            faults += 1;
            match dice.up_to(4) {
                0 => site.half_open = true,
                1 => {
                    site.session = None;
                    line.cut();
                    down_until = now + Duration::from_secs(dice.up_to(600));
                }
                2 if line.is_up() => {
                    line.notify("event", faults).ok();
                    line.cut();
                }
                _ => line.cut(),
            }
            next_fault = now + Duration::from_secs(1 + dice.up_to(1200));
        }
        // A step is short enough that what is asked is answered in time.
        let longest = if line.client().is_attached() { 25 } else { 4 };
        line.advance(Duration::from_secs(1 + dice.up_to(longest)));
        site.serve(&mut line);
        assert!(!line.client().is_closed());
        let usage = line.client().usage();
        most.outbox_messages = most.outbox_messages.max(usage.outbox_messages);
        assert_eq!((usage.actions, usage.calls, usage.in_flight), (0, 0, 0), "seed {seed} at {now:?}");
        line.events();
        if now > HOUR * hour {
            hour += 1;
            assert!(line.timeouts - timeouts < 3000, "seed {seed}: {} timeouts in hour {hour}", line.timeouts - timeouts);
            timeouts = line.timeouts;
        }
    }
    assert!(most.outbox_messages <= 8, "seed {seed}: {most:?}");
    assert!(site.resumed > 100 && site.renewed > 100, "seed {seed}: {faults} faults, resumed {}, renewed {}", site.resumed, site.renewed);

    // The weather clears: however the last fault left it, the heart beats again.
    for _ in 0..200 {
        if line.is_dialled() {
            site.half_open = false;
            line.accept();
        }
        site.serve(&mut line);
        line.advance(Duration::from_secs(1));
    }
    for _ in 0..10 {
        let before = site.pings;
        for _ in 0..35 {
            line.advance(Duration::from_secs(1));
            site.serve(&mut line);
        }
        assert!(site.pings > before, "seed {seed}: no ping since {:?}", site.last_ping);
    }
    assert!(line.client().is_attached());
}

#[test]
fn heartbeats_always_come_back_and_timers_never_spin() {
    month(1);
}
