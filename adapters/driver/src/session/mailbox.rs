mod post;
mod state;

pub(crate) use post::{Ending, HandOver, Ordered, Urgent, Wishes};

use super::call::Forget;
use crate::clock;
use crate::owed::AnswerSlot;
use bowline_core::{CallId, CallOutcome, CloseReason, Instant, Outcome, Responder};
use state::{Life, State, Waiter};
use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long a session that is to be closed goes on for the sake of what was posted before, with a peer that takes nothing.
const CLOSING: Duration = Duration::from_secs(3);

/// The way from a session's handles to its task.
///
/// What goes to the peer keeps its order, but for answers behind what has no room; what concerns the session itself goes past it, so that a full buffer blocks no reconnection.
///
/// The task, which looks here for each message, takes the lock only when somebody has been here.
pub(crate) struct Mailbox {
    state: Mutex<State>,
    /// There may be something for the task. Set with the lock held, by those who leave something; cleared by the task, when it finds nothing.
    touched: AtomicBool,
    /// The task sleeps, and whoever leaves something has to wake it.
    asleep: AtomicBool,
}

/// Why a post was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostError {
    Full,
    Closed,
    TimedOut,
}

/// A sender that waits for room. Its own, from call to call of [`Mailbox::poll_post`].
#[derive(Default)]
pub(crate) struct Ticket(Option<u64>);

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The handles' side.
impl Forget for Mailbox {
    fn forget(&self, call: CallId) {
        self.tell(|state| state.urgent.push_back(Urgent::Forget(call)));
    }

    fn forget_unsent(&self) {
        let mut taken = Default::default();
        self.tell(|state| taken = state.take_calls(|_, tag| !tag.is_wanted()));
        let (_given_up, wakers) = taken;
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), touched: AtomicBool::new(false), asleep: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is there for the task, which is to be woken by what is returned.
    fn touch(&self, state: &State) -> Option<Waker> {
        self.touched.store(true, Ordering::Release);
        if self.asleep.swap(false, Ordering::Relaxed) { state.task.clone() } else { None }
    }

    /// Changes the state and wakes the task, unless it has ended.
    fn tell(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        if state.life != Life::Closed {
            change(&mut state);
            let task = self.touch(&state);
            drop(state);
            wake(task);
        }
    }

    /// Posts a call or a notification, or says why not.
    pub(crate) fn try_post(&self, post: Ordered) -> Result<(), PostError> {
        let mut state = self.lock();
        if state.life != Life::Open {
            return Err(PostError::Closed);
        }
        if !state.has_room() || !state.waiting.is_empty() {
            return Err(PostError::Full);
        }
        state.push(post);
        let task = self.touch(&state);
        drop(state);
        wake(task);
        Ok(())
    }

    /// Posts a call or a notification, waiting for room until `deadline`. Whoever waits longest goes first.
    pub(crate) fn poll_post(
        &self,
        cx: &Context<'_>,
        ticket: &mut Ticket,
        post: &mut Option<Ordered>,
        deadline: Option<(Instant, Instant)>,
    ) -> Poll<Result<(), PostError>> {
        let mut state = self.lock();
        if let Some(mine) = ticket.0 {
            let Ok(at) = state.waiting.binary_search_by_key(&mine, |waiter| waiter.ticket) else {
                ticket.0 = None;
                let refused = state.refused_from.is_some_and(|first| first <= mine);
                return Poll::Ready(if refused { Err(PostError::Closed) } else { Ok(()) });
            };
            if deadline.is_some_and(|(until, now)| until <= now) {
                ticket.0 = None;
                let late = state.waiting.remove(at);
                drop(state);
                // It may be a call, whose end looks into the mailbox.
                drop(late);
                return Poll::Ready(Err(PostError::TimedOut));
            }
            state.waiting[at].waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        if state.life != Life::Open {
            return Poll::Ready(Err(PostError::Closed));
        }
        let Some(post) = post.take() else { return Poll::Ready(Ok(())) };
        if state.has_room() && state.waiting.is_empty() {
            state.push(post);
            let task = self.touch(&state);
            drop(state);
            wake(task);
            return Poll::Ready(Ok(()));
        }
        let mine = state.next_ticket;
        state.next_ticket += 1;
        ticket.0 = Some(mine);
        let until = deadline.map(|(until, _)| until);
        state.waiting.push_back(Waiter { ticket: mine, post, waker: cx.waker().clone(), deadline: until });
        state.note_deadline(until);
        // The task has to mind the deadline.
        let task = self.touch(&state);
        drop(state);
        wake(task);
        Poll::Pending
    }

    /// The sender of `ticket` has given up: what still waits is taken back.
    pub(crate) fn give_up(&self, ticket: &mut Ticket) {
        let Some(mine) = ticket.0.take() else { return };
        let mut state = self.lock();
        let at = state.waiting.binary_search_by_key(&mine, |waiter| waiter.ticket);
        let taken_back = at.ok().and_then(|at| state.waiting.remove(at));
        drop(state);
        drop(taken_back);
    }

    /// Posts the answer to the request `by`. Behind a closed session it goes nowhere.
    pub(crate) fn answer(&self, by: u64, responder: Responder, outcome: Outcome<'static>) {
        self.tell(|state| state.ordered.push_back(Ordered::Answer { by, responder, outcome }));
    }

    /// Gives the task a transport, or gives it back if the session has ended.
    pub(crate) fn attach(&self, hand_over: Box<HandOver>) -> Result<(), Box<HandOver>> {
        let mut state = self.lock();
        if state.life != Life::Open {
            return Err(hand_over);
        }
        state.urgent.push_back(Urgent::Attach(hand_over));
        let task = self.touch(&state);
        drop(state);
        wake(task);
        Ok(())
    }

    pub(crate) fn defer(&self, key: u64) {
        self.tell(|state| state.urgent.push_back(Urgent::Defer(key)));
    }

    pub(crate) fn defer_shared(&self, slot: Arc<AnswerSlot>) {
        self.tell(|state| state.urgent.push_back(Urgent::DeferShared(slot)));
    }

    pub(crate) fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        self.tell(|state| change(&mut state.wishes));
    }

    /// Closes the session, once what was posted before is with the endpoint.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.end_with(Ending::Closed(reason));
    }

    /// As [`close`](Self::close), and the peer keeps its session.
    pub(crate) fn leave(&self) {
        self.end_with(Ending::Left);
    }

    fn end_with(&self, ending: Ending) {
        let mut waiting = VecDeque::new();
        let until = clock::now() + CLOSING;
        self.tell(|state| {
            if state.life == Life::Open {
                state.life = Life::Closing;
                state.closing = Some((ending, until));
                state.note_deadline(Some(until));
                waiting = state.refuse_waiting();
            }
        });
        for waiter in waiting {
            waiter.waker.wake();
        }
    }

    /// Ends the task where it stands.
    pub(crate) fn kill(&self) {
        self.tell(|state| state.life = Life::Killed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().life != Life::Open
    }
}

/// The task's side.
impl Mailbox {
    /// Called first when the task runs: until it sleeps again, nobody need wake it.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Lets the task sleep, unless there is something for it. `room` is whether the endpoint takes posts, `flows` whether it has a transport, `minds` the time at which it
    /// will be woken anyway.
    pub(crate) fn sleep(&self, cx: &Context<'_>, room: bool, flows: bool, minds: Instant) -> Poll<()> {
        let mut state = self.lock();
        let closes = state.closing.is_some() && (state.ordered.is_empty() || !flows);
        // Somebody may have come to wait since the task looked.
        let unminded = state.deadline.is_some_and(|at| at < minds);
        let ready = !state.is_quiet() || closes || unminded || state.life == Life::Killed;
        if ready || (room && !state.ordered.is_empty()) || state.has_answer_ahead() {
            return Poll::Ready(());
        }
        match &mut state.task {
            Some(task) => task.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        self.asleep.store(true, Ordering::Relaxed);
        if state.is_quiet() && state.ordered.is_empty() && state.closing.is_none() && state.deadline.is_none() {
            self.touched.store(false, Ordering::Relaxed);
        }
        Poll::Pending
    }

    fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Acquire)
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.is_touched() && self.lock().life == Life::Killed
    }

    /// Whether nothing at all waits.
    pub(crate) fn is_empty(&self) -> bool {
        if !self.is_touched() {
            return true;
        }
        let state = self.lock();
        state.is_quiet() && state.ordered.is_empty() && state.closing.is_none()
    }

    pub(crate) fn take_wishes(&self) -> Wishes {
        mem::take(&mut self.lock().wishes)
    }

    pub(crate) fn next_urgent(&self) -> Option<Urgent> {
        self.lock().urgent.pop_front()
    }

    /// The next of the ordered, which a post is only if there is `room` for it.
    pub(crate) fn next_ordered(&self, room: bool) -> Option<Ordered> {
        let mut state = self.lock();
        let post = match state.ordered.front()? {
            Ordered::Call { .. } | Ordered::Notify { .. } => true,
            Ordered::Answer { .. } => false,
        };
        if post && !room {
            return None;
        }
        let next = state.ordered.pop_front();
        let granted = if post {
            state.posts -= 1;
            state.post_bytes -= next.as_ref().map_or(0, Ordered::bytes);
            state.grant()
        } else {
            None
        };
        drop(state);
        wake(granted);
        next
    }

    /// The answers that need not wait until the posts before them have room: the peer, which gives that, may wait for just these. What an answer's own handler has said
    /// goes before it all the same.
    pub(crate) fn answers_ahead(&self) -> Vec<Ordered> {
        let mut state = self.lock();
        if !state.has_answer_ahead() {
            return Vec::new();
        }
        let mut said = Vec::new();
        let (ahead, rest) = mem::take(&mut state.ordered).into_iter().partition(|next| next.is_answer_ahead(&mut said));
        state.ordered = rest;
        Vec::from(ahead)
    }

    /// Tells of the answers that wait behind what their own handlers have said, and how many bytes there are up to each.
    pub(crate) fn with_answers(&self, mut tell: impl FnMut(&Responder, usize)) {
        let state = self.lock();
        if state.answers() > 0 {
            let mut total = 0;
            for (responder, bytes) in state.ordered.iter().filter_map(Ordered::answer) {
                total += bytes;
                tell(responder, total);
            }
        }
    }

    /// Whether posts wait.
    pub(crate) fn has_posts(&self) -> bool {
        self.is_touched() && self.lock().posts > 0
    }

    /// Bytes of the answers that wait.
    pub(crate) fn answer_bytes(&self) -> usize {
        let mut bytes = 0;
        if self.is_touched() {
            self.with_answers(|_, total| bytes = total);
        }
        bytes
    }

    /// How many answers wait.
    pub(crate) fn answers(&self) -> usize {
        self.lock().answers()
    }

    /// Puts back what the endpoint did not take.
    pub(crate) fn put_back(&self, post: Ordered) {
        let mut state = self.lock();
        state.posts += 1;
        state.post_bytes += post.bytes();
        state.ordered.push_front(post);
    }

    /// How the session has to end, if it has to by now: what was posted before goes first, as long as it `flows`.
    pub(crate) fn take_closing(&self, now: Instant, flows: bool) -> Option<Ending> {
        let mut state = self.lock();
        let waits = flows && !state.ordered.is_empty();
        state.closing.take_if(|(_, until)| !waits || *until <= now).map(|(ending, _)| ending)
    }

    /// When [`expire`](Self::expire) has to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.is_touched() { self.lock().deadline } else { None }
    }

    /// Ends the calls that waited too long to be sent, and wakes the senders that waited too long for room.
    pub(crate) fn expire(&self, now: Instant) {
        let mut state = self.lock();
        state.deadline = state.closing.map(|(_, until)| until).filter(|until| *until > now);
        let (late, mut wakers) = state.take_calls(|deadline, _| deadline <= now);
        let next = state.ordered.iter().filter_map(Ordered::deadline).min();
        state.note_deadline(next);
        let mut first = None;
        for waiter in &mut state.waiting {
            if waiter.deadline.is_some_and(|until| until <= now) {
                // It takes itself out of the line; until then it needs no timer.
                waiter.deadline = None;
                wakers.push(waiter.waker.clone());
            }
            first = match (first, waiter.deadline) {
                (Some(a), Some(b)) => Some(Instant::min(a, b)),
                (a, b) => a.or(b),
            };
        }
        state.note_deadline(first);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        for tag in late {
            tag.settle(CallOutcome::TimedOut);
        }
    }

    /// Gives back memory.
    pub(crate) fn shrink(&self) {
        let mut state = self.lock();
        state.urgent.shrink_to_fit();
        state.ordered.shrink_to_fit();
        state.waiting.shrink_to_fit();
    }

    /// Ends it: whoever waits learns that the session is closed. Gives back the transports that came too late.
    pub(crate) fn end(&self) -> Vec<HandOver> {
        let mut state = self.lock();
        state.life = Life::Closed;
        state.task = None;
        let waiting = state.refuse_waiting();
        let State { urgent, ordered, .. } = &mut *state;
        let (urgent, ordered) = (mem::take(urgent), mem::take(ordered));
        drop(state);
        // Dropping the calls among them settles them as closed.
        drop(ordered);
        for waiter in waiting {
            waiter.waker.wake();
        }
        urgent
            .into_iter()
            .filter_map(|urgent| match urgent {
                Urgent::Attach(hand_over) => Some(*hand_over),
                Urgent::Forget(_) | Urgent::Defer(_) | Urgent::DeferShared(_) => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
