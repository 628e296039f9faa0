//! Connections that carry whole frames, and break between any two bytes.

use super::rng::Rng;
use bowline_core::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Who dialled.
    Client,
    /// Who was dialled.
    Server,
}

impl Side {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// One direction of a connection.
#[derive(Debug)]
struct Pipe {
    in_flight: VecDeque<(Instant, Vec<u8>)>,
    arrived: VecDeque<Vec<u8>>,
    unread: usize,
    written: u64,
    /// The connection breaks after this many bytes.
    breaks_at: Option<u64>,
    last_arrival: Instant,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    up: bool,
    pipes: [Pipe; 2],
}

impl Connection {
    /// A new connection.
    #[must_use]
    pub fn new() -> Self {
        let pipe = || Pipe {
            in_flight: VecDeque::new(),
            arrived: VecDeque::new(),
            unread: 0,
            written: 0,
            breaks_at: None,
            last_arrival: Instant::ORIGIN,
        };
        Self { up: true, pipes: [pipe(), pipe()] }
    }

    fn to(&mut self, side: Side) -> &mut Pipe {
        &mut self.pipes[side as usize]
    }

    /// Whether bytes still get through.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Bytes written towards `side` so far.
    #[must_use]
    pub fn written_to(&self, side: Side) -> u64 {
        self.pipes[side as usize].written
    }

    /// Whether a writer to `side` may write now. A dead connection takes everything.
    #[must_use]
    pub fn has_window(&self, side: Side, window: usize) -> bool {
        !self.up || self.pipes[side as usize].unread < window
    }

    /// Writes a frame towards `side`. Returns when it arrives, and whether the connection breaks within it.
    pub fn write(&mut self, now: Instant, side: Side, frame: Vec<u8>, latency: Duration, rng: &mut Rng) -> Option<(Instant, bool)> {
        if !self.up {
            return None;
        }
        let delay = Duration::from_nanos(rng.below(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)) + 1);
        let pipe = self.to(side);
        // A WebSocket header of two bytes stands before each frame.
        pipe.written += frame.len() as u64 + 2;
        let breaks = pipe.breaks_at.is_some_and(|at| pipe.written > at);
        let at = (now + delay).max(pipe.last_arrival);
        pipe.last_arrival = at;
        if !breaks {
            pipe.unread += frame.len();
            pipe.in_flight.push_back((at, frame));
        }
        Some((at, breaks))
    }

    /// The connection will break once `bytes` have been written towards `side`.
    pub fn break_after(&mut self, side: Side, bytes: u64) {
        let pipe = self.to(side);
        pipe.breaks_at = Some(pipe.breaks_at.map_or(bytes, |at| at.min(bytes)));
    }

    /// Moves what has arrived by `now` to where it can be read.
    pub fn advance(&mut self, now: Instant) {
        for pipe in &mut self.pipes {
            while pipe.in_flight.front().is_some_and(|(at, _)| *at <= now) {
                let Some((_, frame)) = pipe.in_flight.pop_front() else { break };
                pipe.arrived.push_back(frame);
            }
        }
    }

    /// The next frame for `side`.
    pub fn read(&mut self, side: Side) -> Option<Vec<u8>> {
        let pipe = self.to(side);
        let frame = pipe.arrived.pop_front()?;
        pipe.unread -= frame.len();
        Some(frame)
    }

    /// When everything written towards `side` will have arrived.
    #[must_use]
    pub fn drained_at(&self, side: Side, now: Instant) -> Instant {
        self.pipes[side as usize].last_arrival.max(now)
    }

    /// Breaks it: what is under way is gone. With `unread`, so is what arrived and was not read.
    pub fn cut(&mut self, unread: bool) {
        self.up = false;
        for pipe in &mut self.pipes {
            pipe.in_flight.clear();
            if unread {
                pipe.arrived.clear();
                pipe.unread = 0;
            }
        }
    }
}

impl Default for Connection {
    fn default() -> Self {
        Self::new()
    }
}
