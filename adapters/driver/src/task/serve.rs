//! Requests and their handlers.

use super::SessionTask;
use super::watch::Watched;
use crate::handler::{Context, HandlerError, Incoming, Panicked, Reply, Work, guarded};
use crate::owed::{AnswerSlot, Owed};
use crate::registry::Errors;
use crate::runtime::Runtime;
use bowline_core::{ErrorObject, Instant, Json, Limits, Outcome, Request};
use futures_util::stream::{FuturesUnordered, Stream};
use std::error::Error;
use std::future::{Future, pending};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

type Handling = Pin<Box<dyn Future<Output = Result<Reply, HandlerError>> + Send>>;

/// What stands where a handler's future was. It takes no memory.
fn nothing() -> Handling {
    Box::pin(pending())
}

/// Who may run. The endpoint minds only what is not answered; a handler may answer and go on.
pub(super) struct Places {
    /// Handlers at work that let no other start, answered or not.
    taken: usize,
    /// How many those may be.
    concurrency: usize,
    /// How many handlers may be at work, with those that let others start.
    most: usize,
    /// Bytes of answers that may wait behind what their own handlers have said, and let others start all the same.
    pub(super) answer_bytes: usize,
    /// Calls that may be unanswered.
    pub(super) calls: usize,
}

impl Places {
    pub(super) fn new(concurrency: usize, limits: &Limits) -> Self {
        Self {
            taken: 0,
            concurrency: concurrency.max(1),
            most: limits.in_flight.max(1),
            answer_bytes: limits.outbox_bytes,
            calls: limits.calls,
        }
    }
}

/// A handler at work.
pub(super) struct Running {
    key: u64,
    /// Whether it has a place, so that no other may start on it.
    placed: bool,
    owed: Owed,
    pub(super) watched: Option<Watched>,
    work: Handling,
}

/// A handler that has ended.
pub(super) struct Finished {
    key: u64,
    placed: bool,
    owed: Owed,
    watched: Option<Watched>,
    result: Result<Result<Reply, HandlerError>, Panicked>,
}

impl Future for Running {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Finished> {
        let result = match guarded(|| self.work.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => Ok(result),
            Err(panicked) => Err(panicked),
        };
        // Whatever the work still holds is dropped here, where a panic does no harm.
        let work = mem::replace(&mut self.work, nothing());
        let dropped = guarded(|| drop(work));
        let result = match (result, dropped) {
            (Ok(result), Ok(())) => Ok(result),
            (Err(panicked), _) => Err(panicked),
            (Ok(result), Err(panicked)) => {
                let _ = guarded(|| drop(result));
                Err(panicked)
            }
        };
        let owed = mem::replace(&mut self.owed, Owed::Here(None));
        Poll::Ready(Finished { key: self.key, placed: self.placed, owed, watched: self.watched.take(), result })
    }
}

impl<R: Runtime> SessionTask<R> {
    /// Gives a request to its handler, when its turn has come: one that has answered and has not returned keeps its place.
    pub(super) fn serve(&mut self, cx: &mut task::Context<'_>, now: Instant, request: Request<'_>) {
        if self.held.is_empty() && self.has_place() {
            self.start(cx, now, request);
        } else {
            self.held.push_back(request.into_owned());
        }
    }

    /// Starts the requests that have waited, as far as there are places. Returns whether there was one.
    pub(super) fn serve_held(&mut self, cx: &mut task::Context<'_>, now: Instant) -> bool {
        let mut any = false;
        while !self.held.is_empty()
            && self.has_place()
            && let Some(request) = self.held.pop_front()
        {
            any = true;
            self.start(cx, now, request);
        }
        any
    }

    fn has_place(&self) -> bool {
        let Places { taken, concurrency, most, .. } = self.places;
        !self.gives_way() && taken < concurrency && self.running.as_ref().map_or(0, FuturesUnordered::len) < most
    }

    /// Calls a request's handler, which often answers at once.
    fn start(&mut self, cx: &mut task::Context<'_>, now: Instant, request: Request<'_>) {
        if !self.may_begin() {
            return self.refuse_request(now, request);
        }
        let Request { method, params, is_first, responder } = request;
        let key = self.next_key;
        self.next_key += 1;
        let is_notification = responder.is_notification();
        tracing::trace!(target: "bowline::request", %method, params = params.as_ref().map(Json::as_str), "starts");
        let context = Context { session: self.session.of_request(key), is_new: is_first, is_notification };
        let mut owed = Owed::new(responder);
        let watched = Some(self.watch(&method, now, is_notification));
        let incoming = Incoming { method: &method, params, dialect: self.endpoint.dialect(), owed: &mut owed };
        let dispatch = &self.dispatch;
        let mut work = nothing();
        let mut polled = Poll::Pending;
        let begun = guarded(|| match dispatch.serve(incoming, context) {
            Work::Done(result) => polled = Poll::Ready(result),
            Work::Later(later) => {
                work = later;
                polled = work.as_mut().poll(cx);
                if polled.is_ready() {
                    work = nothing();
                }
            }
        });
        let result = match (begun, polled) {
            (Ok(()), Poll::Pending) => {
                self.places.taken += 1;
                self.running.get_or_insert_with(FuturesUnordered::new).push(Running { key, placed: true, owed, watched, work });
                return;
            }
            (Ok(()), Poll::Ready(result)) => Ok(result),
            (Err(panicked), polled) => {
                // Not on the way out of the first panic, where a second one would end the program.
                let _ = guarded(|| drop(work));
                let _ = guarded(|| drop(polled));
                Err(panicked)
            }
        };
        self.finish(now, Finished { key, placed: false, owed, watched, result });
    }

    /// Goes on with the handlers that can. Returns whether one has ended.
    pub(super) fn poll_handlers(&mut self, cx: &mut task::Context<'_>, now: Instant) -> bool {
        let mut any = false;
        while let Some(running) = &mut self.running {
            match Pin::new(running).poll_next(cx) {
                Poll::Ready(Some(finished)) => {
                    any = true;
                    self.finish(now, finished);
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        any
    }

    fn finish(&mut self, now: Instant, finished: Finished) {
        let Finished { key, placed, mut owed, watched, result } = finished;
        if placed {
            self.places.taken -= 1;
        }
        let outcome = match result {
            Ok(Ok(Reply::Result(result))) => Outcome::Result(result),
            Ok(Ok(Reply::Empty)) => Outcome::Empty,
            Ok(Err(error)) => match error.into_answer() {
                Ok(answer) => Outcome::Error(answer),
                Err(error) => {
                    let answer = self.uncaught(&*error);
                    self.tell(|| drop(error));
                    Outcome::Error(answer)
                }
            },
            Err(panicked) => Outcome::Error(self.uncaught(&panicked)),
        };
        if let Some(watched) = watched {
            let error = match &outcome {
                Outcome::Error(error) => Some(error),
                Outcome::Result(_) | Outcome::Empty => None,
            };
            self.tell_of(&watched, error);
        }
        let Some(responder) = owed.settle() else { return };
        // An answer goes behind what the handler has sent before, if that is still waiting. The end of a notification says nothing to the peer: it
        // must not wait, or a full buffer would keep the next ones from being served, and in the end the transport from being read.
        if responder.is_notification() || self.mailbox().is_empty() {
            self.respond(now, responder, outcome);
        } else {
            self.mailbox().answer(key, responder, outcome);
        }
    }

    /// Tells the application, and makes of it what the peer may know.
    fn uncaught(&self, error: &(dyn Error + 'static)) -> ErrorObject {
        // What an error says of itself is the application's code, too.
        let text = guarded(|| error.to_string()).unwrap_or_else(|panicked| panicked.to_string());
        tracing::error!(session = ?self.session, label = self.session.label(), error = %text, "a handler failed");
        self.tell(|| self.dispatch.uncaught_error(&self.session, error));
        let answer = ErrorObject::internal();
        match self.errors {
            Errors::Hidden => answer,
            Errors::Exposed => match Json::from_value(&text) {
                Ok(text) => answer.with_data(text),
                Err(_) => answer,
            },
        }
    }

    /// Calls an event of the application's.
    pub(super) fn tell(&self, event: impl FnOnce()) {
        if let Err(panicked) = guarded(event) {
            tracing::error!(session = ?self.session, label = self.session.label(), error = %panicked, "an event's handler failed");
        }
    }

    /// Lets the next request start beside the one with this key.
    pub(super) fn defer(&mut self, now: Instant, key: u64) {
        let Some(running) = &mut self.running else { return };
        if let Some(running) = running.iter_mut().find(|running| running.key == key) {
            self.places.taken -= usize::from(mem::take(&mut running.placed));
            running.owed.with(|responder| self.endpoint.defer(now, responder));
        }
    }

    /// The same for the request with this slot, whose handler may have ended.
    pub(super) fn defer_shared(&mut self, now: Instant, slot: &Arc<AnswerSlot>) {
        if let Some(running) = self.running.as_mut().and_then(|all| all.iter_mut().find(|running| running.owed.is(slot))) {
            self.places.taken -= usize::from(mem::take(&mut running.placed));
        }
        slot.with(|responder| self.endpoint.defer(now, responder));
    }
}
