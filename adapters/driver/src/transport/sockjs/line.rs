use crate::clock;
use crate::limits::Permit;
use bowline_core::Instant;
use bowline_sockjs::{Admission, BadPayload, Close, Reception, Session, Settings, Transmit, messages};
use bowline_websocket::{Decoder, Draft, Event, Kind, Role, pong};
use std::borrow::Cow;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Bytes that wait in one direction before no more are taken in that one.
const HIGH: usize = 64 * 1024;
/// Bytes of the session task's that are looked at in one go.
const PIECE: usize = 64 * 1024;
/// What comes in goes no further than this process: nobody has to be kept from guessing it (RFC 6455 section 10.3).
const NO_MASK: Option<[u8; 4]> = Some([0; 4]);

/// A SockJS session, shared by the session task, the requests of its client and the task that minds its time.
pub(crate) struct Line {
    state: Mutex<State>,
    /// Its place among those that have no connection of their own.
    _permit: Option<Permit>,
}

/// The places of a session: one until it is forgotten, and one until its client knows that it has ended.
pub(crate) struct Places {
    pub(super) session: Permit,
    pub(super) untold: Permit,
}

struct State {
    session: Session,
    /// Frames from the client, of which the first `read` bytes are with the session task.
    incoming: Vec<u8>,
    read: usize,
    /// Of what the session task writes.
    decoder: Decoder,
    /// A WebSocket is the only one of its receivers that can be asked by a ping of its own.
    is_socket: bool,
    /// Such a ping is to be written.
    probe: bool,
    /// A request that brings messages is being read.
    sending: bool,
    /// The last receiver that was attached.
    ticket: Ticket,
    /// The last request that wanted to be one.
    applicants: u64,
    /// When the task that minds its time will look at it next.
    minds: Instant,
    wakers: Wakers,
    /// Held until the client knows that it has ended, or is gone: a server that stops waits for that.
    untold: Option<Permit>,
}

/// Which of its receivers a request is. What happens to one that the session has given up is nothing to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// A request that wants to wait for frames, and waits until the one before is done. Dropped, it leaves its turn to another one.
pub(crate) struct Applicant<'l> {
    line: &'l Line,
    number: u64,
}

/// What becomes of a request that wants to wait for frames.
pub(crate) enum Attached {
    /// It gets them, and shows this for it.
    Here(Ticket),
    /// It is answered with this.
    Refused(Close),
    /// There is no such session any more.
    Gone,
}

/// Who waits for something to happen here.
#[derive(Default)]
struct Wakers {
    /// The session task: for bytes, or for room.
    task: Option<Waker>,
    /// The request that waits for frames.
    receiver: Option<Waker>,
    /// The request that comes after it: its number, and its waker.
    next: Option<(u64, Waker)>,
    /// The request that brings messages: for room.
    sender: Option<Waker>,
    /// Who minds its time.
    keeper: Option<Waker>,
}

/// The place of the one request of a session that brings messages; given back when dropped.
pub(crate) struct Sending<'l>(&'l Line);

impl Line {
    pub(crate) fn new(settings: Settings, places: Option<Places>) -> Self {
        let (permit, untold) = places.map(|Places { session, untold }| (session, untold)).unzip();
        let state = State {
            session: Session::new(clock::now(), settings),
            incoming: Vec::new(),
            read: 0,
            // What it reads is our own.
            decoder: Decoder::new(Role::Client, usize::MAX),
            is_socket: false,
            probe: false,
            sending: false,
            ticket: Ticket(0),
            applicants: 0,
            minds: Instant::ORIGIN,
            wakers: Wakers::default(),
            untold,
        };
        Self { state: Mutex::new(state), _permit: permit }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Applicant<'_> {
    /// As [`Session::handle_receiver`]; pending while that says [`Admission::Later`].
    pub(crate) fn poll_attach(&self, cx: &Context<'_>, reception: &Reception) -> Poll<Attached> {
        let mut state = self.line.state();
        Poll::Ready(match state.session.handle_receiver(clock::now(), reception.clone()) {
            // One may wait until the one before is done.
            Admission::Later if state.wakers.next.as_ref().is_some_and(|(number, _)| *number != self.number) => {
                Attached::Refused(Close::another_receiver())
            }
            Admission::Later => {
                state.wakers.next = Some((self.number, cx.waker().clone()));
                return Poll::Pending;
            }
            Admission::Attached => {
                state.ticket.0 += 1;
                state.is_socket = *reception == Reception::WebSocket;
                state.answer_probe();
                state.mind();
                Attached::Here(state.ticket)
            }
            Admission::Refused(close) => Attached::Refused(close),
            Admission::Gone => Attached::Gone,
        })
    }
}

impl Drop for Applicant<'_> {
    fn drop(&mut self) {
        self.line.state().wakers.next.take_if(|(number, _)| *number == self.number);
    }
}

// For a request that waits for frames.
impl Line {
    /// A request that wants to wait for frames.
    pub(crate) fn apply(&self) -> Applicant<'_> {
        let mut state = self.state();
        state.applicants += 1;
        Applicant { line: self, number: state.applicants }
    }

    /// As [`Session::poll_transmit`]; `None` if it waits for no more frames, as the session has ended.
    pub(crate) fn poll_transmit(&self, cx: &Context<'_>, ticket: Ticket, out: &mut Vec<u8>) -> Poll<Option<Transmit>> {
        let mut state = self.state();
        if !state.is_current(ticket) {
            return Poll::Ready(None);
        }
        let waited = state.session.waiting();
        if let Some(transmit) = state.session.poll_transmit(clock::now(), out) {
            if waited >= HIGH {
                wake(&mut state.wakers.task);
            }
            state.mind();
            return Poll::Ready(Some(transmit));
        }
        state.wakers.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready once the session has given up the request, whose response is being written.
    pub(crate) fn poll_given_up(&self, cx: &Context<'_>, ticket: Ticket) -> Poll<()> {
        let mut state = self.state();
        if !state.is_current(ticket) {
            return Poll::Ready(());
        }
        state.wakers.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// As [`Session::handle_written`].
    pub(crate) fn written(&self, ticket: Ticket) {
        let mut state = self.state();
        if state.is_current(ticket) {
            state.session.handle_written(clock::now());
            state.answer_probe();
            if !state.session.has_receiver() {
                state.receiver_left();
            }
        }
    }

    /// As [`Session::handle_progress`].
    pub(crate) fn progressed(&self, ticket: Ticket) {
        let mut state = self.state();
        if state.is_current(ticket) {
            state.session.handle_progress(clock::now());
        }
    }

    /// The request's connection had no room, and has taken some of what waited: the client is slow, and there.
    pub(crate) fn taken(&self, ticket: Ticket) {
        let mut state = self.state();
        if state.is_current(ticket) {
            state.pong();
        }
    }

    /// As [`Session::handle_receiver_gone`].
    pub(crate) fn receiver_gone(&self, ticket: Ticket) {
        let mut state = self.state();
        if state.is_current(ticket) {
            state.session.handle_receiver_gone(clock::now());
            state.receiver_left();
        }
    }

    /// Whether a ping of a WebSocket is to be written; once.
    pub(crate) fn take_probe(&self) -> bool {
        std::mem::take(&mut self.state().probe)
    }

    /// The client is there: its WebSocket has answered.
    pub(crate) fn alive(&self) {
        self.state().pong();
    }
}

// For a request that brings messages.
impl Line {
    /// Whether messages can go both ways.
    pub(crate) fn is_open(&self) -> bool {
        self.state().session.is_open()
    }

    /// The place of the one that does; `None` if another one has it.
    pub(crate) fn begin_sending(&self) -> Option<Sending<'_>> {
        let mut state = self.state();
        if state.sending {
            return None;
        }
        state.sending = true;
        Some(Sending(self))
    }

    /// Ready when there is room for what it brings, or nobody who would want it.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.incoming.len() - state.read < HIGH || !state.session.is_open() {
            return Poll::Ready(());
        }
        state.wakers.sender = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes what it brings: all messages, or none. Whether they were wanted: if the session has ended, nobody does.
    pub(crate) fn deliver(&self, payload: &str) -> Result<bool, BadPayload> {
        let mut state = self.state();
        let State { session, incoming, read, wakers, .. } = &mut *state;
        incoming.drain(..std::mem::take(read));
        let is_open = session.is_open();
        messages(payload, |message| {
            if !is_open {
                return;
            }
            let mut draft = Draft::begin(incoming, Kind::Text, NO_MASK);
            draft.payload().extend_from_slice(message.as_bytes());
            draft.seal();
        })?;
        wake(&mut wakers.task);
        Ok(is_open)
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.0.state().sending = false;
    }
}

// For the session task.
impl Line {
    pub(super) fn poll_read(&self, cx: &Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let rest = &state.incoming[state.read..];
        if rest.is_empty() {
            if state.session.is_over() {
                return Poll::Ready(Ok(0));
            }
            state.wakers.task = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        state.read += n;
        if state.read == state.incoming.len() {
            (state.incoming, state.read) = (Vec::new(), 0);
        }
        wake(&mut state.wakers.sender);
        Poll::Ready(Ok(n))
    }

    pub(super) fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.session.is_over() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.session.waiting() >= HIGH {
            state.wakers.task = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut bytes = bytes[..bytes.len().min(PIECE)].to_vec();
        let n = bytes.len();
        let mut rest = &mut *bytes;
        while let Some(event) = state.decoder.decode(&mut rest).map_err(io::Error::other)? {
            match event {
                Event::Text(text) => state.session.send(&text),
                Event::Ping(_) => state.ask(),
                Event::Close(said) => {
                    let (code, reason) = said.map_or((1000, Cow::Borrowed("")), |said| (said.code, said.reason));
                    state.session.close(clock::now(), Close { code, reason: reason.into_owned() });
                    state.mind();
                }
                // The session task says nothing of the kind.
                Event::Binary(_) | Event::Pong(_) => {}
            }
        }
        wake(&mut state.wakers.receiver);
        Poll::Ready(Ok(n))
    }

    /// The session task is done with it.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        // If it has not said goodbye, the client does not know of it.
        state.session.close(clock::now(), Close { code: 1002, reason: "Connection interrupted".into() });
        (state.incoming, state.read) = (Vec::new(), 0);
        let Wakers { task, receiver, next: _, sender, keeper } = &mut state.wakers;
        [task, receiver, sender, keeper].into_iter().for_each(wake);
    }
}

// For the task that minds its time.
impl Line {
    /// Does what is due. Returns when it wants to be asked again, `None` once the line can be forgotten. It wakes `cx` if that becomes earlier.
    pub(crate) fn keep(&self, cx: &Context<'_>) -> Option<Instant> {
        let mut state = self.state();
        let now = clock::now();
        if state.session.poll_timeout().is_some_and(|at| at <= now) {
            state.session.handle_timeout(now);
            wake(&mut state.wakers.receiver);
            if !state.session.has_receiver() {
                state.receiver_left();
            }
        }
        state.minds = state.session.poll_timeout().unwrap_or(Instant::FAR_FUTURE);
        state.wakers.keeper = Some(cx.waker().clone());
        (!state.session.is_gone()).then_some(state.minds)
    }

    /// Ends it without a word: nothing will come of it.
    pub(crate) fn abort(&self) {
        let mut state = self.state();
        state.session.abort();
        state.wake_next();
        let Wakers { task, receiver, next: _, sender, keeper } = &mut state.wakers;
        [task, receiver, sender, keeper].into_iter().for_each(wake);
    }
}

impl State {
    /// Whether the request with this ticket is the receiver.
    fn is_current(&self, ticket: Ticket) -> bool {
        self.ticket == ticket && self.session.has_receiver()
    }

    /// Lets the task that minds its time look again, if that would look too late.
    fn mind(&mut self) {
        if self.session.is_gone() || self.session.poll_timeout().is_some_and(|at| at < self.minds) {
            wake(&mut self.wakers.keeper);
        }
    }

    /// The session task asks whether the client is there.
    fn ask(&mut self) {
        if self.is_socket {
            self.probe = true;
        } else {
            self.session.probe();
        }
    }

    fn answer_probe(&mut self) {
        if self.session.take_answer() {
            self.pong();
        }
    }

    fn pong(&mut self) {
        if self.session.is_open() {
            pong(&mut self.incoming, &[], NO_MASK);
            wake(&mut self.wakers.task);
        }
    }

    /// No request waits for frames any more: another one may, and if none comes that is the end.
    fn receiver_left(&mut self) {
        self.mind();
        self.wake_next();
        if self.session.is_over() {
            self.untold = None;
            let Wakers { task, sender, .. } = &mut self.wakers;
            [task, sender].into_iter().for_each(wake);
        }
    }

    fn wake_next(&mut self) {
        if let Some((_, waker)) = self.wakers.next.take() {
            waker.wake();
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
