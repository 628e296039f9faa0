use crate::frame::{self, Close, HEARTBEAT, OPEN, quote};
use crate::reception::Reception;
use alloc::vec::Vec;
use bowline_core::Instant;
use core::mem;
use core::time::Duration;

/// The times and the limit of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a response may say nothing before it says that it is alive; 25 s.
    pub heartbeat: Duration,
    /// How long a session lives without anybody who waits for its frames, and how long one that is closed says so; 5 s.
    pub disconnect: Duration,
    /// After how many bytes a stream that the browser keeps is ended, and another one asked for; 128 KiB.
    pub response_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(25), disconnect: Duration::from_secs(5), response_limit: 128 * 1024 }
    }
}

/// One client's link, through all the requests that it makes of it.
///
/// After any input, ask [`poll_transmit`](Self::poll_transmit) until it has nothing, and [`poll_timeout`](Self::poll_timeout). It never loses a message in silence: either a request's response was
/// written whole, or the session ends, as "Connection interrupted".
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    phase: Phase,
    /// Whether the open frame is still to be written.
    greets: bool,
    receiver: Option<Receiver>,
    /// Messages that wait, as strings of JSON with a comma between them.
    messages: Vec<u8>,
    /// Somebody wants to know whether the client is there.
    probe: Probe,
    /// When it ends: nobody waits for frames, or it is closed.
    ends_at: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// To be told to whoever asks.
    Closed {
        close: Close,
        told: bool,
    },
    /// Forgotten.
    Gone,
}

/// A request that waits for frames.
#[derive(Debug)]
struct Receiver {
    reception: Reception,
    state: Receiving,
    /// Bytes of its response.
    sent: usize,
    /// Whether there is more in it than that the session is closed, or lives.
    carries: bool,
    heartbeat_at: Instant,
    /// The client is to be told that the server is alive.
    heartbeat: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    /// Nothing was written.
    New,
    /// More can be written.
    Open,
    /// All was given out.
    Last {
        /// When some of it has to be written.
        until: Instant,
        /// Whether it says that the session is closed.
        closes: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    No,
    Asked,
    /// A stream has a heartbeat for it, which the connection has not taken yet.
    Given,
    /// The client is there.
    Answered,
}

/// What becomes of a request that wants to wait for frames.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// It gets them: [`Session::poll_transmit`].
    Attached,
    /// The response of the one before has been given out and is not written yet. Ask again when it is, or has failed.
    Later,
    /// It is answered with this, [wrapped](Session::refusal) as its kind of response, and nothing else.
    Refused(Close),
    /// There is no such session any more: it is answered as if there had never been one.
    Gone,
}

/// What was appended for a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// There may be more, now or later.
    More,
    /// The response ends with it. Tell by [`Session::handle_written`] when all is written.
    Last,
}

// What happens to it.
impl Session {
    /// One whose client has asked for it now, and is about to wait for frames.
    #[must_use]
    pub fn new(now: Instant, settings: Settings) -> Self {
        Self {
            settings,
            phase: Phase::Open,
            greets: true,
            receiver: None,
            messages: Vec::new(),
            probe: Probe::No,
            ends_at: Some(now + settings.disconnect),
        }
    }

    /// A request came that waits for frames.
    pub fn handle_receiver(&mut self, now: Instant, reception: Reception) -> Admission {
        if let Some(Receiver { state: Receiving::Last { .. }, .. }) = self.receiver {
            return Admission::Later;
        }
        match &self.phase {
            Phase::Gone => return Admission::Gone,
            Phase::Closed { close, .. } if self.receiver.is_some() => return Admission::Refused(close.clone()),
            Phase::Open if self.receiver.is_some() => return Admission::Refused(Close::another_receiver()),
            Phase::Open => self.ends_at = None,
            Phase::Closed { .. } => {}
        }
        if self.probe != Probe::No {
            self.probe = Probe::Answered;
        }
        let heartbeat_at = now + self.settings.heartbeat;
        self.receiver = Some(Receiver { reception, state: Receiving::New, sent: 0, carries: false, heartbeat_at, heartbeat: false });
        Admission::Attached
    }

    /// All that was given out so far was taken by the connection. The response whose [last](Transmit::Last) bytes those were has ended.
    pub fn handle_written(&mut self, now: Instant) {
        let Some(receiver) = &self.receiver else { return };
        match receiver.state {
            Receiving::New => {}
            Receiving::Open => {
                if self.probe == Probe::Given {
                    self.probe = Probe::Answered;
                }
            }
            Receiving::Last { closes, .. } => {
                self.receiver = None;
                match &mut self.phase {
                    Phase::Open => self.ends_at = Some(now + self.settings.disconnect),
                    Phase::Closed { told, .. } => *told |= closes,
                    Phase::Gone => {}
                }
            }
        }
    }

    /// The connection of the request that waits has taken some of what was given out: a slow link is not a dead one.
    pub fn handle_progress(&mut self, now: Instant) {
        let Some(receiver) = &mut self.receiver else { return };
        let later = now + self.settings.disconnect;
        if let Receiving::Last { until, .. } = &mut receiver.state {
            *until = later;
        }
        match self.phase {
            Phase::Closed { .. } => self.ends_at = Some(later),
            Phase::Open | Phase::Gone => {}
        }
    }

    /// The connection of the request that waited broke, or its client gave it up.
    pub fn handle_receiver_gone(&mut self, now: Instant) {
        let Some(receiver) = self.receiver.take() else { return };
        match self.phase {
            Phase::Open => self.interrupt(now),
            // What was in front of the close frame may be missing: the rest must not look as if it was all.
            Phase::Closed { told: false, .. } if receiver.carries => self.interrupt(now),
            Phase::Closed { .. } | Phase::Gone => {}
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ends_at.is_some_and(|at| at <= now) {
            self.forget();
            return;
        }
        let Some(receiver) = &mut self.receiver else { return };
        if let Receiving::Last { until, .. } = receiver.state {
            if until <= now {
                self.handle_receiver_gone(now);
            }
        } else if receiver.heartbeat_at <= now {
            receiver.heartbeat = true;
            receiver.heartbeat_at = now + self.settings.heartbeat;
        }
    }

    fn interrupt(&mut self, now: Instant) {
        // What waited goes with the session.
        self.messages = Vec::new();
        self.phase = Phase::Closed { close: Close::of(Close::INTERRUPTED), told: true };
        self.ends_at = Some(now + self.settings.disconnect);
    }

    fn forget(&mut self) {
        (self.phase, self.ends_at, self.receiver, self.messages) = (Phase::Gone, None, None, Vec::new());
    }
}

// What the application wants.
impl Session {
    /// Sends the client `message`. It is dropped if the session is closed.
    pub fn send(&mut self, message: &str) {
        match self.phase {
            Phase::Open => {
                if !self.messages.is_empty() {
                    self.messages.push(b',');
                }
                quote(&mut self.messages, message);
            }
            Phase::Closed { .. } | Phase::Gone => {}
        }
    }

    /// Closes it, behind what was sent.
    pub fn close(&mut self, now: Instant, close: Close) {
        match self.phase {
            Phase::Open => {
                self.phase = Phase::Closed { close, told: false };
                self.ends_at = Some(now + self.settings.disconnect);
            }
            Phase::Closed { .. } | Phase::Gone => {}
        }
    }

    /// Ends it at once, without a word.
    pub fn abort(&mut self) {
        self.forget();
    }

    /// Asks whether the client is there: [`take_answer`](Self::take_answer) tells. A client that polls is when it polls again; to a stream a heartbeat is written, and its connection has to take it.
    pub fn probe(&mut self) {
        match self.phase {
            Phase::Open => {
                self.probe = Probe::Asked;
                if let Some(receiver) = &mut self.receiver {
                    receiver.heartbeat = true;
                }
            }
            Phase::Closed { .. } | Phase::Gone => {}
        }
    }
}

// What to do.
impl Session {
    /// Appends the next frame, wrapped, for the request that waits. `None` if there is nothing to say, or nobody to whom.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        let receiver = self.receiver.as_mut().filter(|receiver| !matches!(receiver.state, Receiving::Last { .. }))?;
        let reception = &receiver.reception;
        let (before, is_new) = (out.len(), receiver.state == Receiving::New);
        if is_new {
            reception.prelude(out);
        }
        let mut closes = false;
        if mem::take(&mut self.greets) {
            reception.wrap(out, OPEN);
            receiver.carries = true;
        } else if !self.messages.is_empty() {
            let mut frame = Vec::with_capacity(self.messages.len() + 3);
            frame.extend_from_slice(b"a[");
            frame.append(&mut self.messages);
            frame.push(b']');
            self.messages = Vec::new();
            reception.wrap(out, &frame);
            receiver.carries = true;
        } else if let Phase::Closed { close, .. } = &self.phase {
            let mut frame = Vec::new();
            frame::close(&mut frame, close);
            reception.wrap(out, &frame);
            closes = true;
        } else if receiver.heartbeat {
            reception.wrap(out, HEARTBEAT);
            if self.probe == Probe::Asked && reception.is_stream() {
                self.probe = Probe::Given;
            }
            receiver.heartbeat = false;
        } else if out.len() == before {
            return None;
        }
        receiver.sent += out.len() - before;
        receiver.heartbeat_at = now + self.settings.heartbeat;
        let is_full = reception.is_limited() && receiver.sent >= self.settings.response_limit;
        if closes || is_full || !reception.is_stream() {
            receiver.state = Receiving::Last { until: now + self.settings.disconnect, closes };
            return Some(Transmit::Last);
        }
        receiver.state = Receiving::Open;
        Some(Transmit::More)
    }

    /// Appends the whole response to a request that was [refused](Admission::Refused).
    pub fn refusal(reception: &Reception, close: &Close, out: &mut Vec<u8>) {
        let mut text = Vec::new();
        frame::close(&mut text, close);
        reception.prelude(out);
        reception.wrap(out, &text);
    }

    /// Whether the client has answered a [`probe`](Self::probe), once.
    pub fn take_answer(&mut self) -> bool {
        let is_answered = self.probe == Probe::Answered;
        if is_answered {
            self.probe = Probe::No;
        }
        is_answered
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let receiver = self.receiver.as_ref().map(|receiver| match receiver.state {
            Receiving::New | Receiving::Open => receiver.heartbeat_at,
            Receiving::Last { until, .. } => until,
        });
        [self.ends_at, receiver].into_iter().flatten().min()
    }
}

// How it is.
impl Session {
    /// Bytes of messages that wait for somebody to whom they can be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.messages.len()
    }

    /// Whether messages can go both ways.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether nothing more will come of it: the client is gone, or knows that it is closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.phase {
            Phase::Open => false,
            Phase::Closed { told, .. } => told,
            Phase::Gone => true,
        }
    }

    /// Whether it can be forgotten: nobody has to be told any more that it is closed.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }

    /// Whether a request waits for frames, or writes its last.
    #[must_use]
    pub fn has_receiver(&self) -> bool {
        self.receiver.is_some()
    }
}
