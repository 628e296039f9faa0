mod backoff;
mod calls;
mod client;
mod commands;
mod doubt;
mod duplicates;
mod heartbeat;
mod inbox;
mod log;
mod outbox;
mod owed;
mod receive;
mod resume;
mod server;
mod timeouts;
mod timers;

use crate::config::DEFAULT_MESSAGE_BYTES;
use crate::write::Wrap;
use crate::{Action, CallOutcome, ClientConfig, Close, CloseReason, Dialect, Instant, Limits, Request, Responder, ServerConfig, SessionId};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use calls::{Calls, Ended};
use client::Client;
pub use commands::Call;
use core::time::Duration;
use duplicates::Duplicates;
use inbox::Inbox;
use outbox::{Keep, Outbox};
use owed::{Owed, Patience, reserve_bytes};
use server::Server;
use timers::{Timer, Timers};

/// One side of one session, through all its successive transports.
///
/// It is a state machine without I/O: tell it what happened (`handle_*`) and what the application wants (`call`, `notify`, `respond`,
/// `close` …), then do what it says (`poll_*`). After **each** input:
///
/// 1. take every [`poll_action`](Self::poll_action) and act on it;
/// 2. serve the request that [`handle_frame`](Self::handle_frame) returned, if it did;
/// 3. write every [`poll_transmit`](Self::poll_transmit), as fast as the transport takes it;
/// 4. call [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) has come.
///
/// The `poll_*` methods cost next to nothing when there is nothing, and may be called in any order, as often as you like.
///
/// A server makes one endpoint for each new transport. It has no session at first; a frame opens one, or turns out to belong to another
/// session, to whose endpoint the transport is then handed over ([`Received::HandOver`](crate::Received::HandOver)).
///
/// `T` is a tag of the caller's that comes back when a call is settled.
#[derive(Debug)]
pub struct Endpoint<T> {
    role: Role,
    life: Life,
    link: Link,
    session: Option<SessionId>,
    inbox: Inbox,
    outbox: Outbox,
    calls: Calls<T>,
    owed: Owed,
    duplicates: Duplicates,
    timers: Timers,
    actions: VecDeque<Action<T>>,
    /// An application message went either way over this transport: too late to offer resumption.
    transport_used: bool,
    /// The session has had no application request yet.
    awaits_first: bool,
    /// The time of the newest input, for what is noticed while polling.
    clock: Instant,
}

#[derive(Debug)]
enum Role {
    Server(Server),
    Client(Box<Client>),
}

/// The life of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// There is none yet.
    Fresh,
    Open,
    Closed,
}

/// The link to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// No transport.
    Down,
    /// Client: a transport is being opened.
    Dialing,
    /// Client: `connect` is not answered yet.
    Greeting,
    Up,
    /// The transport is being closed by us: what is left is written, nothing is read.
    Leaving,
}

/// What an endpoint holds at the moment, for metrics and for tests of its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages that wait to be sent or acknowledged.
    pub outbox_messages: usize,
    /// Bytes of those.
    pub outbox_bytes: usize,
    /// Of those messages, the ones that were sent and are kept until they are acknowledged.
    pub unacknowledged: usize,
    /// Bytes of those.
    pub unacknowledged_bytes: usize,
    /// Requests of the peer that are not answered yet.
    pub in_flight: usize,
    /// Of those, the ones that wait for their turn.
    pub queued: usize,
    /// Bytes of those that wait for their turn.
    pub queued_bytes: usize,
    /// Calls of ours that are not settled yet.
    pub calls: usize,
    /// Bytes of answers kept for a peer that asks again.
    pub duplicate_bytes: usize,
    /// Actions that were not taken yet.
    pub actions: usize,
}

// Getters.
impl<T> Endpoint<T> {
    /// The session's id. A server's endpoint has its own from the start; a client's, once the server has named it.
    #[must_use]
    pub fn session_id(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// The dialect of its path.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.role.dialect()
    }

    /// Whether there is a session: it was opened and is not closed, attached or not.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.life == Life::Open
    }

    /// Whether messages can go both ways right now.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.link == Link::Up
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.life == Life::Closed
    }

    /// Whether both sides keep and replay messages (PROTOCOL 6), so that a lost transport loses nothing.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.outbox.keep() == Keep::All
    }

    /// Whether the transport should be read. False is back-pressure: the peer has more requests in flight than it may, or does not take
    /// what it is sent.
    ///
    /// While a call of ours is out, or messages of ours wait for room, it is read on all the same: what ends the wait comes from there. With resumption too: a peer
    /// whose messages are not acknowledged stops by itself, and its pings are still heard. And while it is not known who is there (PROTOCOL 5). Even then no more is taken in than the
    /// limit of requests and a buffer of the peer's, as large as ours or, with resumption, as it says (PROTOCOL 6), and the message or batch that crosses the line.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        let limits = self.limits();
        match self.link {
            Link::Down | Link::Dialing | Link::Leaving => false,
            // The answer to `connect` acknowledges.
            Link::Greeting => true,
            Link::Up => (self.is_drained(1) && self.owed.has_room(limits, Patience::Normal)) || (self.waits() && self.wants_read_on()),
        }
    }

    /// Whether what stands behind requests is waited for.
    fn waits(&self) -> bool {
        self.outbox.keep() == Keep::All || self.calls.len() > 0 || !self.outbox_has_room() || self.outbox.withholds()
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has a frame.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        match self.link {
            Link::Down | Link::Dialing => false,
            Link::Greeting | Link::Up | Link::Leaving => self.outbox.has_next(),
        }
    }

    /// Whether [`call`](Self::call) and [`notify`](Self::notify) have room.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let limits = self.limits();
        self.outbox.messages() < limits.outbox_messages && self.outbox.bytes() < limits.outbox_bytes && self.calls.len() < limits.calls
    }

    /// Bytes of the longest message that the peer takes, as it has said (PROTOCOL 6); `usize::MAX` if there is no telling.
    #[must_use]
    pub fn peer_takes(&self) -> usize {
        self.outbox.peer_takes
    }

    /// How much it holds.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let (unacknowledged, unacknowledged_bytes) = self.outbox.unacknowledged();
        Usage {
            outbox_messages: self.outbox.messages(),
            outbox_bytes: self.outbox.bytes() + self.owed.batch_bytes(),
            unacknowledged,
            unacknowledged_bytes,
            in_flight: self.owed.len(),
            queued: self.owed.queued(),
            queued_bytes: self.owed.queued_bytes(),
            calls: self.calls.len(),
            duplicate_bytes: self.duplicates.bytes(),
            actions: self.actions.len(),
        }
    }

    fn limits(&self) -> &Limits {
        self.role.limits()
    }

    fn concurrency(&self) -> usize {
        match &self.role {
            Role::Server(server) => server.config.concurrency,
            Role::Client(client) => client.config.concurrency,
        }
    }
}

// What to do.
impl<T> Endpoint<T> {
    /// The next thing to do, in order.
    #[inline]
    pub fn poll_action(&mut self) -> Option<Action<T>> {
        if self.actions.is_empty() && self.owed.is_queue_empty() { None } else { self.next_action() }
    }

    fn next_action(&mut self) -> Option<Action<T>> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        let room = self.has_room_for_answer() || (self.outbox_takes(0) && self.owed.is_batch_in_queue());
        let queued = self.owed.start_next(self.concurrency(), self.limits().in_flight, room)?;
        // There may be room for more requests now.
        self.consider_telling(self.clock);
        Some(Action::Serve(Request {
            method: Cow::Owned(String::from(queued.method)),
            params: queued.params,
            is_first: queued.is_first,
            responder: Responder { key: queued.key, notification: queued.notification },
        }))
    }

    /// Appends the payload of one text frame to `out` and returns its length, never zero; `None` when there is nothing to write now.
    ///
    /// Take a frame only when the transport has room: what is not taken stays in the endpoint, within its bounds. Afterwards ask
    /// [`poll_action`](Self::poll_action) again: a request that waited for room may have found it.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        if !self.wants_write() {
            return None;
        }
        let transmitted = self.outbox.transmit(out, self.session.as_ref())?;
        if let Some((call, number)) = transmitted.first_of {
            self.calls.mark_sent(call, number);
        }
        if let Role::Client(_) = self.role {
            // A whole buffer may go out in one burst, and then the server should say soon what it has of it.
            self.consider_telling(self.clock);
        }
        Some(transmitted.len)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.timers.next().min(self.calls.next_deadline());
        (next != Instant::FAR_FUTURE).then_some(next)
    }

    /// Gives back memory that an idle session need not hold. Cheap; call it when a session has had nothing to do for a while.
    pub fn shrink(&mut self) {
        self.outbox.shrink();
        self.calls.shrink();
        self.owed.shrink();
        self.duplicates.shrink();
        self.actions.shrink_to_fit();
    }
}

// What both roles share.
impl<T> Endpoint<T> {
    fn new(role: Role, session: Option<SessionId>) -> Self {
        Self {
            inbox: Inbox::new(),
            role,
            life: Life::Fresh,
            link: Link::Down,
            session,
            outbox: Outbox::new(),
            calls: Calls::new(),
            owed: Owed::new(),
            duplicates: Duplicates::new(),
            timers: Timers::default(),
            actions: VecDeque::new(),
            transport_used: false,
            awaits_first: true,
            clock: Instant::ORIGIN,
        }
    }

    /// Whether the peer takes the answers that reading alone brings about: no more wait than the limit, so many `times`.
    fn is_drained(&self, times: usize) -> bool {
        let limits = self.limits();
        let within = |(messages, bytes)| {
            messages < limits.outbox_messages.saturating_mul(times) && bytes < limits.outbox_bytes.saturating_mul(times)
        };
        within(self.outbox.refusals()) && within(self.outbox.control())
    }

    fn outbox_has_room(&self) -> bool {
        self.outbox_takes(self.owed.batch_bytes())
    }

    /// Whether there is room for answers, beside `more` bytes of others.
    fn outbox_takes(&self, more: usize) -> bool {
        self.fits_outbox(self.outbox.messages(), self.outbox.bytes(), more) || self.fits_behind_kept_calls(more)
    }

    #[cold]
    fn fits_behind_kept_calls(&self, more: usize) -> bool {
        self.outbox.ahead_of_answers().is_some_and(|(messages, bytes)| self.fits_outbox(messages, bytes, more))
    }

    fn fits_outbox(&self, messages: usize, bytes: usize, more: usize) -> bool {
        let limits = self.limits();
        messages < limits.outbox_messages && bytes.saturating_add(more) < limits.outbox_bytes
    }

    /// Whether a request may start: there must be room for its answer, so that a peer that does not take answers gets no more work done.
    ///
    /// With resumption a side may have no room although its peer takes everything: a peer with more requests than it may have acknowledges none of them. What it
    /// waits for may be this very answer, which a handler of its has called for. So there is a reserve, for who has written all that there is, or has too many requests
    /// itself.
    fn has_room_for_answer(&self) -> bool {
        self.outbox_has_room() || self.has_reserve()
    }

    #[cold]
    fn has_reserve(&self) -> bool {
        let limits = self.limits();
        let reserve = limits.in_flight.saturating_add(limits.outbox_messages.saturating_mul(2));
        self.outbox.keep() == Keep::All
            && (self.outbox.has_written_all() || !self.owed.has_room(limits, Patience::Normal))
            && self.outbox.messages() < reserve
            && self.outbox.bytes().saturating_add(self.owed.batch_bytes()) < reserve_bytes(limits)
    }

    fn settle(&mut self, ended: Ended<T>, outcome: CallOutcome) {
        if let Some(tag) = ended.tag {
            self.actions.push_back(Action::Settled { tag, outcome });
        }
    }

    /// What was sent and not answered can't be known any more, unless it is kept to be sent again.
    fn interrupt_sent_calls(&mut self) {
        while let Some(ended) = self.calls.end_sent() {
            self.settle(ended, CallOutcome::Interrupted);
        }
    }

    /// Closes the transport after what is left has been written.
    fn hang_up(&mut self, close: Close) {
        match self.link {
            Link::Down | Link::Leaving => return,
            // There is no transport to write to.
            Link::Dialing => self.outbox.hold(),
            Link::Greeting | Link::Up => {}
        }
        self.link = Link::Leaving;
        self.forget_transport_timers();
        self.actions.push_back(Action::HangUp(close));
    }

    fn forget_transport_timers(&mut self) {
        for timer in self.own_timers().iter().copied().filter(|timer| timer.is_of_transport()) {
            self.timers.clear(timer);
        }
    }

    /// The transport is gone. Without resumption, what a client sent over it and has no answer to can't be known any more. A server's calls go on
    /// until they time out: Kurento's clients answer over the next transport what was asked over the last.
    fn drop_transport(&mut self) {
        self.link = Link::Down;
        self.forget_transport_timers();
        self.outbox.detach();
        if let (Role::Client(_), Keep::Nothing) = (&self.role, self.outbox.keep()) {
            self.interrupt_sent_calls();
        }
    }

    /// Ends the session: whatever was open is settled, the transport is closed.
    fn finish(&mut self, close: Close, reason: CloseReason) {
        if self.life == Life::Closed {
            return;
        }
        while let Some(ended) = self.calls.end_any() {
            self.settle(ended, CallOutcome::Closed);
        }
        self.life = Life::Closed;
        self.owed.clear();
        self.duplicates.clear();
        // What is withheld goes out before the end.
        self.outbox.withhold(false);
        self.hang_up(close);
        self.timers.clear_all();
        self.actions.push_back(Action::Closed(reason));
    }

    /// The peer speaks of messages that cannot be: no agreement is possible about this session any more (PROTOCOL 6).
    fn mismatch(&mut self, now: Instant) {
        match &self.role {
            Role::Server(_) => self.finish(Close::MISMATCH, CloseReason::ResumeMismatch),
            Role::Client(_) => self.abandon_session(now, Close::MISMATCH),
        }
    }
}

impl Role {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Server(server) => server.config.dialect,
            Self::Client(client) => client.config.dialect,
        }
    }

    /// What wraps the results that this side gives.
    fn wrap<'a>(&self, session: Option<&'a SessionId>) -> Wrap<'a> {
        match self.dialect() {
            Dialect::Strict => None,
            Dialect::Kurento => Some(session),
        }
    }

    fn limits(&self) -> &Limits {
        match self {
            Self::Server(server) => &server.config.limits,
            Self::Client(client) => &client.config.limits,
        }
    }
}

/// How long a call waits for its answer, when neither it nor a client's configuration says.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

impl<T> Endpoint<T> {
    fn default_deadline(&self, now: Instant) -> Instant {
        now + match &self.role {
            Role::Server(_) => CALL_TIMEOUT,
            Role::Client(client) => client.config.request_timeout,
        }
    }

    /// The server's side of a session that a transport may open. `id` is used if it does; make it from 16 random bytes
    /// ([`SessionId::from_random`]).
    #[must_use]
    pub fn server(config: Arc<ServerConfig>, id: SessionId) -> Self {
        Self::new(Role::Server(Server::new(config)), Some(id))
    }

    /// The client's side of a session. `seed` feeds the back-off's jitter. It does nothing until [`open`](Self::open).
    #[must_use]
    pub fn client(config: Arc<ClientConfig>, seed: u64) -> Self {
        let session = config.session.clone();
        let offers = config.resume;
        let mut endpoint = Self::new(Role::Client(Box::new(Client::new(config, seed))), session);
        if offers {
            endpoint.outbox.peer_takes = DEFAULT_MESSAGE_BYTES;
        }
        endpoint
    }
}
