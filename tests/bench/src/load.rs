//! The load: one thread, epoll, frames that are prepared, answers that are checked just enough.
//!
//! Each connection keeps a number of requests under way; a new one goes out for each answer, all that one read gave in one write. An answer
//! counts if its id is that of a request that is under way, which it then is no more, and if it is as long as the first answer, which is
//! checked whole.

use crate::contender::{Server, Talk};
use crate::frame;
use crate::talk::{FIRST_ID, ID_DIGITS, Request};
use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How many connections, and how many requests each has under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) pipeline: usize,
    /// Bytes of each request's params.
    pub(crate) bytes: usize,
}

/// A client acknowledges after this many messages or bytes (docs/protocol.md, section 6).
const ACKNOWLEDGE_MESSAGES: u64 = 256;
const ACKNOWLEDGE_BYTES: usize = 64 * 1024;

/// More than a server writes at once.
const READ_BYTES: usize = 512 * 1024;

/// The longest that a server may say nothing while it owes answers.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Load {
    epoll: Epoll,
    connections: Vec<Connection>,
    events: Vec<EpollEvent>,
    input: Vec<u8>,
    latency: Histogram<u64>,
    /// A connection whose times do not count.
    unwatched: Option<usize>,
}

/// What a run has shown.
pub(crate) struct Tally {
    pub(crate) answers: u64,
    pub(crate) took: Duration,
    /// From the write of a request to the read of its answer, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

/// Whether answers are followed by new requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    GoOn,
    Drain,
}

/// Three digits are more than times are worth.
fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new(3)?)
}

impl Load {
    /// Opens the connections and their sessions; nothing is under way yet.
    pub(crate) fn open(server: &Server, talk: Talk, shape: Shape) -> Result<Self> {
        let mut load = Self::empty()?;
        for _ in 0..shape.connections {
            load.add(server, talk, "echo", shape)?;
        }
        Ok(load)
    }

    fn empty() -> Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::empty())?,
            connections: Vec::new(),
            events: vec![EpollEvent::empty(); 1024],
            input: vec![0; READ_BYTES],
            latency: histogram()?,
            unwatched: None,
        })
    }

    /// Opens one more, which asks for `method`, and whose times do not count.
    pub(crate) fn add_unwatched(&mut self, server: &Server, talk: Talk, method: &str, shape: Shape) -> Result<()> {
        self.unwatched = Some(self.connections.len());
        self.add(server, talk, method, shape)
    }

    fn add(&mut self, server: &Server, talk: Talk, method: &str, shape: Shape) -> Result<()> {
        let begun = talk.begin(server, None)?;
        let request = talk.request(&begun, method, shape.bytes);
        begun.stream.set_nonblocking(true)?;
        let number = self.connections.len() as u64;
        self.epoll.add(&begun.stream, EpollEvent::new(EpollFlags::EPOLLIN, number))?;
        self.connections.push(Connection::new(begun.stream, request, talk, shape.pipeline));
        Ok(())
    }

    /// Keeps the requests under way for this long. They still are when it returns.
    pub(crate) fn run(&mut self, time: Duration) -> Result<Tally> {
        self.latency.reset();
        let begun = Instant::now();
        let before = self.answers();
        for connection in &mut self.connections {
            connection.start(begun)?;
        }
        while begun.elapsed() < time {
            self.turn(Mode::GoOn)?;
        }
        Ok(Tally { answers: self.answers() - before, took: begun.elapsed(), latency: self.latency.clone() })
    }

    /// Sends nothing new and waits for all answers. Every request must have had its one.
    pub(crate) fn drain(&mut self) -> Result<()> {
        while self.connections.iter().any(|connection| connection.under_way > 0) {
            self.turn(Mode::Drain)?;
        }
        let sent: u64 = self.connections.iter().map(|connection| connection.sent).sum();
        if sent != self.answers() {
            bail!("{sent} requests and {} answers", self.answers());
        }
        Ok(())
    }

    fn answers(&self) -> u64 {
        self.connections.iter().map(|connection| connection.answers).sum()
    }

    fn turn(&mut self, mode: Mode) -> Result<()> {
        let timeout = EpollTimeout::try_from(PATIENCE).context("the patience")?;
        let ready = self.epoll.wait(&mut self.events, timeout)?;
        if ready == 0 {
            bail!("no answer for {} s", PATIENCE.as_secs());
        }
        for event in &self.events[..ready] {
            let number = usize::try_from(event.data())?;
            let connection = self.connections.get_mut(number).context("an event of no connection")?;
            let times = (self.unwatched != Some(number)).then_some(&mut self.latency);
            connection.turn(&mut self.input, mode, times)?;
            connection.flush(&self.epoll, number as u64)?;
        }
        Ok(())
    }
}

/// One request that is under way, or was.
#[derive(Clone, Copy)]
struct Slot {
    id: u32,
    sent: Option<Instant>,
}

struct Connection {
    stream: TcpStream,
    request: Request,
    slots: Vec<Slot>,
    under_way: usize,
    sent: u64,
    answers: u64,
    /// The beginning of a frame whose end has not come yet.
    begun: Vec<u8>,
    out: Vec<u8>,
    waits_to_write: bool,
    /// Where the id stands in an answer, and how long an answer is; known from the first.
    answer: Option<(usize, usize)>,
    acknowledging: Option<Acknowledging>,
}

/// What was received since a client told so.
struct Acknowledging {
    pings: u32,
    messages: u64,
    bytes: usize,
}

impl Connection {
    fn new(stream: TcpStream, request: Request, talk: Talk, pipeline: usize) -> Self {
        // The slot of an id is its remainder by their number, and each has ids of its own.
        let step = u32::try_from(pipeline).unwrap_or(u32::MAX);
        let first = FIRST_ID.next_multiple_of(step);
        let slots = (first..first + step).map(|id| Slot { id, sent: None }).collect();
        Self {
            stream,
            request,
            slots,
            under_way: 0,
            sent: 0,
            answers: 0,
            begun: Vec::new(),
            out: Vec::new(),
            waits_to_write: false,
            answer: None,
            acknowledging: talk.acknowledges().then_some(Acknowledging { pings: 0, messages: 0, bytes: 0 }),
        }
    }

    /// Sends what is not under way yet. A socket takes that much at once.
    fn start(&mut self, now: Instant) -> Result<()> {
        for slot in self.slots.iter_mut().filter(|slot| slot.sent.is_none()) {
            slot.sent = Some(now);
            self.request.write(slot.id, &mut self.out);
            self.sent += 1;
            self.under_way += 1;
        }
        // The rest, if any, goes out with the first answers.
        self.write()
    }

    /// Reads once, takes every whole frame, prepares what is to be sent.
    fn turn(&mut self, input: &mut [u8], mode: Mode, mut latency: Option<&mut Histogram<u64>>) -> Result<()> {
        let kept = self.begun.len();
        input[..kept].copy_from_slice(&self.begun);
        let read = match self.stream.read(&mut input[kept..]) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (now, bytes) = (Instant::now(), &input[..kept + read]);
        let mut at = 0;
        while let Ok(found) = frame::find(bytes, at) {
            at = found.payload.end;
            match found.opcode {
                frame::TEXT => {}
                frame::PING => continue,
                other => bail!("a frame of kind {other}"),
            }
            let Some(slot) = self.answered(&bytes[found.payload])? else { continue };
            let step = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
            let slot = &mut self.slots[slot];
            if let (Some(sent), Some(latency)) = (slot.sent.take(), latency.as_deref_mut()) {
                // It grows by itself.
                let _ = latency.record(u64::try_from((now - sent).as_nanos()).unwrap_or(u64::MAX));
            }
            self.answers += 1;
            self.under_way -= 1;
            slot.id += step;
            if mode == Mode::GoOn {
                slot.sent = Some(now);
                self.request.write(slot.id, &mut self.out);
                self.sent += 1;
                self.under_way += 1;
            }
        }
        self.begun.clear();
        self.begun.extend_from_slice(&bytes[at..]);
        Ok(())
    }

    /// Which request this answers; none if it is the answer to an acknowledgement.
    fn answered(&mut self, text: &[u8]) -> Result<Option<usize>> {
        let known = self.answer.filter(|(at, length)| *length == text.len() && text[..*at].ends_with(ID));
        let at = match known {
            Some((at, _)) => at,
            None => memchr::memmem::find(text, ID).map(|at| at + ID.len()).with_context(|| unexpected(text))?,
        };
        let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit());
        let (id, count) = digits.fold((0u32, 0), |(id, count), digit| (id.wrapping_mul(10) + u32::from(digit - b'0'), count + 1));
        if count != ID_DIGITS {
            // A ping's answer.
            return if self.acknowledging.is_some() { Ok(None) } else { bail!(unexpected(text)) };
        }
        if known.is_none() {
            if self.answer.is_some() {
                bail!(unexpected(text));
            }
            self.check_whole(text)?;
            self.answer = Some((at, text.len()));
        }
        let slot = slot_of(id, self.slots.len());
        if self.slots[slot].id != id || self.slots[slot].sent.is_none() {
            bail!("an answer to no request that is under way: {}", unexpected(text));
        }
        self.acknowledge(text.len());
        Ok(Some(slot))
    }

    /// A result, or the request itself from those who only echo, must hold the text that was sent.
    fn check_whole(&self, text: &[u8]) -> Result<()> {
        let answer: serde_json::Value = serde_json::from_slice(text).with_context(|| unexpected(text))?;
        let echoed = answer.get("result").or_else(|| answer.get("params")).with_context(|| unexpected(text))?;
        if echoed["text"].as_str() != Some(&self.request.echoed) {
            bail!("the answer is not what was sent: {}", unexpected(text));
        }
        Ok(())
    }

    fn acknowledge(&mut self, bytes: usize) {
        let Some(state) = &mut self.acknowledging else { return };
        state.messages += 1;
        state.bytes += bytes;
        if state.messages >= ACKNOWLEDGE_MESSAGES || state.bytes >= ACKNOWLEDGE_BYTES {
            state.pings += 1;
            (state.messages, state.bytes) = (0, 0);
            // The answer at hand is not counted yet.
            let (id, received) = (1 + state.pings, self.answers + 1);
            let ping = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","params":{{"received":{received}}}}}"#);
            self.out.extend_from_slice(&frame::masked(&ping));
        }
    }

    fn write(&mut self) -> Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes what is there, and asks to be told when there is room for what is left.
    fn flush(&mut self, epoll: &Epoll, number: u64) -> Result<()> {
        self.write()?;
        if self.out.is_empty() == self.waits_to_write {
            self.waits_to_write = !self.out.is_empty();
            let flags = if self.waits_to_write { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
            epoll.modify(&self.stream, &mut EpollEvent::new(flags, number))?;
        }
        Ok(())
    }
}

const ID: &[u8] = br#""id":"#;

fn slot_of(id: u32, slots: usize) -> usize {
    // A u32 fits into a usize wherever this runs.
    id as usize % slots
}

fn unexpected(text: &[u8]) -> String {
    let shown = &text[..text.len().min(200)];
    format!("unexpected: {}", String::from_utf8_lossy(shown))
}
