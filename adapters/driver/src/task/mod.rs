//! The session task: one future per session owns its endpoint, its transport, its running handlers and the receiving end of its mailbox.

mod actions;
mod commands;
mod dial;
mod frames;
mod giving_way;
mod log;
mod replay;
mod serve;
mod turns;
mod watch;
mod wind_up;

use crate::clock;
use crate::connection::{ConnectError, Dial, Dialing, Hub};
use crate::handler::Dispatch;
use crate::metrics::SessionMetrics;
use crate::registry::{Errors, Home};
use crate::runtime::{Runtime, Timer};
use crate::session::{Attributes, CallTag, HandOver, Session, Shared};
use crate::transport::{WebSocket, finish_in_background};
use bowline_core::{ClientConfig, Endpoint, Instant, Request, SessionId};
use frames::Read;
use futures_util::stream::FuturesUnordered;
use giving_way::GivingWay;
use serve::{Places, Running};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tracing::Span;
use turns::Turn;
use wind_up::WindingUp;

/// Rounds before a busy session lets the others run.
const ROUNDS: usize = 4;
/// After this long without work a session gives back its buffers.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) struct SessionTask<R: Runtime> {
    runtime: R,
    role: Role,
    dispatch: Arc<dyn Dispatch>,
    errors: Errors,
    endpoint: Endpoint<CallTag>,
    session: Session,
    transport: Option<WebSocket>,
    /// Handlers that were not ready at their first poll.
    running: Option<FuturesUnordered<Running>>,
    places: Places,
    giving_way: GivingWay,
    /// Requests that the endpoint has started and that wait for a place. It starts no more than run at once before one of them is answered.
    held: VecDeque<Request<'static>>,
    next_key: u64,
    timer: Option<R::Timer>,
    /// When `timer` fires, which may be earlier than needed: a deadline that moves away costs nothing.
    timer_at: Instant,
    /// Whom it wakes then.
    timer_wakes: Option<Waker>,
    /// When the session counts as idle; `None` while it is.
    idle_at: Option<Instant>,
    /// When a server's transport is closed for having no session and saying nothing.
    silent_until: Option<Instant>,
    /// Set when the server stops.
    winding_up: Option<WindingUp>,
    attached: bool,
    /// Set while frames wait to be written until the others have had their turn.
    waiting: Option<Turn>,
    metrics: SessionMetrics,
    /// Everything that happens here is logged within it.
    span: Span,
}

enum Role {
    Server(ServerSide),
    /// Boxed, for servers have the many sessions.
    Client(Box<ClientSide>),
}

struct ClientSide {
    dial: Dial,
    /// The transport that is being opened.
    dialing: Option<Dialing>,
    /// Why the attempt under way fails.
    failure: Option<ConnectError>,
    /// Why the one before failed.
    last_failure: Option<ConnectError>,
    hub: Arc<Hub>,
    /// Whether it has ever connected.
    opened: bool,
    /// The id that the handles see.
    shown: Option<SessionId>,
}

/// What a client's task is made of.
pub(crate) struct ClientParts {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) dial: Dial,
    pub(crate) hub: Arc<Hub>,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) errors: Errors,
}

struct ServerSide {
    home: Arc<Home>,
    /// The task's number in the registry.
    number: u64,
    /// The id under which the session stands in the directory.
    open_as: Option<SessionId>,
    /// A frame that names a session that has just ended.
    orphan: Option<Box<str>>,
}

/// What a new transport brings.
pub(crate) struct Arrival {
    pub(crate) transport: WebSocket,
    pub(crate) path: Arc<str>,
    pub(crate) attributes: Attributes,
}

impl<R: Runtime> SessionTask<R> {
    /// The task for a new transport of a server. `random` is 16 bytes from a cryptographic source.
    pub(crate) fn server(runtime: R, home: Arc<Home>, arrival: Arrival, random: [u8; 16]) -> Self {
        let Arrival { transport, path, attributes } = arrival;
        let id = SessionId::from_random(random);
        let shared = Arc::new(Shared::new(Arc::clone(&home.place), path, attributes));
        shared.set_id(Some(&id));
        shared.set_transport(transport.info());
        let number = home.registry.enter(&shared);
        let mut endpoint = Endpoint::server(Arc::clone(&home.config), id);
        // A new endpoint has no other transport that would have to be closed.
        let _ = endpoint.handle_attached(clock::now());
        let (dispatch, errors, metrics) = (Arc::clone(&home.dispatch), home.errors, home.metrics.session());
        let places = Places::new(home.config.concurrency, &home.config.limits);
        let role = Role::Server(ServerSide { home, number, open_as: None, orphan: None });
        let mut task = Self::new(runtime, role, Session::new(shared), endpoint, places, dispatch, errors);
        task.metrics = metrics;
        task.transport = Some(transport);
        task.heard(clock::now());
        task
    }

    /// The task of a client, which connects when it is first polled.
    pub(crate) fn client(runtime: R, session: Session, parts: ClientParts) -> Self {
        let ClientParts { config, dial, hub, dispatch, errors } = parts;
        let shown = config.session.clone();
        let places = Places::new(config.concurrency, &config.limits);
        // It spreads the retries of many clients; without a source of randomness they only come together.
        let mut endpoint = Endpoint::client(config, getrandom::u64().unwrap_or(0));
        endpoint.open(clock::now());
        let role = Role::Client(Box::new(ClientSide { dial, dialing: None, failure: None, last_failure: None, hub, opened: false, shown }));
        Self::new(runtime, role, session, endpoint, places, dispatch, errors)
    }

    fn new(
        runtime: R,
        role: Role,
        session: Session,
        endpoint: Endpoint<CallTag>,
        places: Places,
        dispatch: Arc<dyn Dispatch>,
        errors: Errors,
    ) -> Self {
        let span = log::span(&session);
        Self {
            runtime,
            role,
            dispatch,
            errors,
            endpoint,
            session,
            transport: None,
            running: None,
            places,
            giving_way: GivingWay::No,
            held: VecDeque::new(),
            next_key: 1,
            timer: None,
            timer_at: Instant::FAR_FUTURE,
            timer_wakes: None,
            idle_at: None,
            silent_until: None,
            winding_up: None,
            attached: false,
            waiting: None,
            metrics: SessionMetrics::default(),
            span,
        }
    }

    /// The task for a transport that came to a session just after it ended.
    fn orphaned(runtime: R, home: Arc<Home>, path: Arc<str>, hand_over: HandOver) -> Option<Self> {
        let HandOver { transport, watch, frame, attributes } = hand_over;
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let mut task = Self::server(runtime, home, Arrival { transport, path, attributes }, random);
        if let Role::Server(side) = &mut task.role {
            side.orphan = Some(frame);
        }
        task.endpoint.set_watch(clock::now(), watch);
        Some(task)
    }

    fn mailbox(&self) -> &crate::session::Mailbox {
        &self.session.shared.mailbox
    }

    /// Does what there is to do, until there is nothing more or the others have to get their turn.
    fn run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.mailbox().awake();
        let turn = Turn::begin();
        let mut now = clock::now();
        let before = self.waiting.take();
        if let Some(before) = before {
            turn.waited_since(before);
            self.write_frames(cx, now);
        }
        let patient = turn.is_one_of_many().then_some(turn);
        for round in 0..ROUNDS {
            if self.mailbox().is_killed() {
                return Poll::Ready(());
            }
            if round > 0 {
                now = clock::now();
            }
            let again = self.round(cx, now, patient);
            if self.waiting.is_some() {
                // Who waits in each of its turns has to mind the time here.
                if before.is_some() && self.next_deadline().is_some_and(|at| at <= now) {
                    self.see_to_deadlines(cx, now);
                }
                break;
            }
            if self.is_over() {
                return Poll::Ready(());
            }
            if !again && self.sleep(cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets the task sleep until it is woken, if there is nothing in the mailbox that it does not know of.
    fn sleep(&self, cx: &Context<'_>) -> Poll<()> {
        let minds = if self.timer.is_some() { self.timer_at } else { Instant::FAR_FUTURE };
        self.mailbox().sleep(cx, self.endpoint.has_room(), self.endpoint.is_attached(), minds)
    }

    /// Does what there is to do. Returns whether there may be more. Who is `patient`, in this turn, may leave what is to be written to the next one.
    fn round(&mut self, cx: &mut Context<'_>, now: Instant, patient: Option<Turn>) -> bool {
        let mut busy = self.adopt_orphan(cx, now);
        busy |= self.take_commands(cx, now);
        busy |= self.poll_handlers(cx, now);
        busy |= self.drain(cx, now);
        busy |= self.poll_dial(cx, now);
        let read = self.read_frames(cx, now, patient.is_some());
        // What the handlers of these frames have said goes out with their answers, in one write.
        busy |= self.take_commands(cx, now);
        busy |= self.close_when_done(now);
        if patient.is_some() && read == Read::Part && self.write_later() {
            self.idle_at = Some(now + IDLE);
            self.waiting = patient;
            return true;
        }
        let wrote = self.write_frames(cx, now);
        let again = busy
            || match read {
                // The everyday case: requests came and were answered. There is nothing else, unless the answers have left room for more.
                Read::All => self.transport.is_none() || self.winding_up.is_some() || self.act(cx, now),
                Read::Part => true,
                // With what went out, there may be room to read.
                Read::Nothing => wrote,
            };
        if again || read == Read::All {
            self.idle_at = Some(now + IDLE);
        }
        self.keep_time(cx, now, again) || again
    }

    /// Sees to what is due, and unless there will be `another` round anyway, to being woken for what will be. Returns whether something was due.
    fn keep_time(&mut self, cx: &mut Context<'_>, now: Instant, another: bool) -> bool {
        let mut next = self.next_deadline();
        if next.is_some_and(|at| at <= now) {
            if self.see_to_deadlines(cx, now) {
                return true;
            }
            next = self.next_deadline();
        }
        if another {
            return false;
        }
        let Some(next) = next else {
            (self.timer, self.timer_wakes) = (None, None);
            return false;
        };
        if self.timer.is_none() || next < self.timer_at {
            self.set_timer(next);
        }
        if now < self.timer_at && self.timer_wakes.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            // It has not fired, and knows whom to wake: what wakes the task otherwise leaves it alone.
            return false;
        }
        while let Some(timer) = &mut self.timer {
            match timer.poll(cx) {
                Poll::Pending => {
                    self.timer_wakes = Some(cx.waker().clone());
                    return false;
                }
                Poll::Ready(()) if next <= clock::now() => return true,
                // It was set for a deadline that has moved away.
                Poll::Ready(()) => self.set_timer(next),
            }
        }
        false
    }

    fn next_deadline(&self) -> Option<Instant> {
        let until = self.winding_up.as_ref().and_then(|winding_up| winding_up.until);
        [self.endpoint.poll_timeout(), self.mailbox().deadline(), self.idle_at, self.silent_until, until, self.giving_way.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due. Returns whether there may be more to do because of it.
    fn see_to_deadlines(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut due = false;
        if self.idle_at.is_some_and(|at| at <= now) {
            self.idle_at = None;
            self.shrink();
        }
        if self.silent_until.is_some_and(|at| at <= now) {
            due = self.end_silence(cx, now);
        }
        if self.mailbox().deadline().is_some_and(|at| at <= now) {
            self.mailbox().expire(now);
            due = true;
        }
        if self.giving_way.deadline().is_some_and(|at| at <= now) {
            self.consider_giving_way(now, false);
            due = true;
        }
        if self.winding_up.as_ref().and_then(|winding_up| winding_up.until).is_some_and(|at| at <= now) {
            due = self.close_when_done(now);
        }
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
            self.drain(cx, now);
            due = true;
        }
        due
    }

    fn set_timer(&mut self, at: Instant) {
        (self.timer_at, self.timer_wakes) = (at, None);
        match &mut self.timer {
            Some(timer) => timer.set(clock::to_std(at)),
            none => *none = Some(self.runtime.timer(clock::to_std(at))),
        }
    }

    /// Gives back what an idle session need not hold.
    fn shrink(&mut self) {
        self.endpoint.shrink();
        self.mailbox().shrink();
        if self.running.as_ref().is_some_and(FuturesUnordered::is_empty) {
            self.running = None;
        }
    }

    /// Whether the session has ended and everything was told.
    fn is_over(&self) -> bool {
        self.endpoint.is_closed() && self.transport.is_none()
    }

    /// The transport is gone, for whatever reason; one that is only being opened, too.
    fn lose_transport(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.transport = None;
        if let Some(side) = self.client_side() {
            side.dialing = None;
        }
        self.endpoint.handle_detached(now);
        self.drain(cx, now);
    }

    /// Leaves: nobody may find this session any more, and nobody may wait for it.
    fn end(&mut self) {
        self.abandon();
        let late = self.mailbox().end();
        let attributes = self.session.shared.end_attributes();
        self.tell(|| drop(attributes));
        for watched in self.running.iter().flatten().filter_map(|running| running.watched.as_ref()) {
            self.tell_of_drop(watched);
        }
        for running in self.running.take().into_iter().flatten() {
            // One at a time: what panics in one of them is nothing to the others.
            self.tell(|| drop(running));
        }
        match &mut self.role {
            Role::Server(side) => {
                if let Some(id) = side.open_as.take() {
                    side.home.registry.close(&id, &side.home);
                    self.metrics.closed(None);
                }
                side.home.registry.leave(side.number);
                side.home.registry.keeps(&self.session.shared, 0);
            }
            Role::Client(side) => side.hub.end(),
        }
        for hand_over in late {
            self.send_on(hand_over);
        }
    }

    /// Gives a transport that came too late a task of its own.
    fn send_on(&self, hand_over: HandOver) {
        let Role::Server(side) = &self.role else { return };
        let path = Arc::from(self.session.path());
        if let Some(task) = Self::orphaned(self.runtime.clone(), Arc::clone(&side.home), path, hand_over) {
            self.runtime.spawn(task);
        }
    }

    /// The peer has said goodbye: its reply is written beside everything else.
    fn finish_transport(&mut self) {
        if let Some(transport) = self.transport.take() {
            finish_in_background(&self.runtime, transport);
        }
    }
}

impl<R: Runtime> Future for SessionTask<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let span = this.span.clone();
        let _within = span.enter();
        let polled = this.run(cx);
        this.count();
        polled
    }
}

/// However the task ends, by the session's end or with its runtime.
impl<R: Runtime> Drop for SessionTask<R> {
    fn drop(&mut self) {
        let span = self.span.clone();
        let _within = span.enter();
        self.end();
    }
}

impl<R: Runtime> Unpin for SessionTask<R> {}
