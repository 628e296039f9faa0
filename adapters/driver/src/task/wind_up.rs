//! The server stops: what is in flight is finished, nothing new is begun.

use super::{Role, SessionTask};
use crate::runtime::Runtime;
use bowline_core::{CloseReason, ErrorObject, Instant, Outcome, Request, Responder};
use futures_util::stream::FuturesUnordered;
use std::time::Duration;

/// What is left to do before the session closes.
pub(super) struct WindingUp {
    /// Requests that had arrived and not begun when the server stopped: they come before any other, and may begin.
    waiting: usize,
    /// Whether the session was told to close.
    told: bool,
    /// Until when a peer that takes nothing of what is left to write is waited for.
    pub(super) until: Option<Instant>,
}

/// How long that is, from the last that it took or that was answered: longer than a client takes to acknowledge what has come (PROTOCOL 6).
const PATIENCE: Duration = Duration::from_secs(10);

impl WindingUp {
    /// The peer takes what it is sent.
    pub(super) fn peer_takes(&mut self) {
        self.until = None;
    }
}

impl<R: Runtime> SessionTask<R> {
    pub(super) fn wind_up(&mut self) {
        let waiting = self.endpoint.usage().queued + self.held.len();
        self.winding_up.get_or_insert(WindingUp { waiting, told: false, until: None });
    }

    /// Whether the next request may begin.
    pub(super) fn may_begin(&mut self) -> bool {
        match &mut self.winding_up {
            None => true,
            Some(WindingUp { waiting: 0, .. }) => false,
            Some(WindingUp { waiting, .. }) => {
                *waiting -= 1;
                true
            }
        }
    }

    /// Answers a request that has come too late. Its client learns that it may ask elsewhere; a notification is passed over.
    pub(super) fn refuse_request(&mut self, now: Instant, request: Request<'_>) {
        let error = ErrorObject::new(ErrorObject::SHUTTING_DOWN, "Server is shutting down");
        self.endpoint.respond(now, request.responder, Outcome::Error(error));
    }

    /// Gives the endpoint an answer.
    pub(super) fn respond(&mut self, now: Instant, responder: Responder, outcome: Outcome<'_>) {
        if let (Some(_), Role::Server(side)) = (&self.winding_up, &self.role) {
            side.home.registry.tally().finished(1);
        }
        if let Some(winding_up) = &mut self.winding_up {
            winding_up.until = None;
        }
        self.endpoint.respond(now, responder, outcome);
    }

    /// Closes a session in which nothing is in flight any more, and nothing on its way to a peer that takes it. Returns whether it does so now.
    pub(super) fn close_when_done(&mut self, now: Instant) -> bool {
        let given = if self.winding_up.is_some() { self.mailbox().answers() } else { 0 };
        let Some(winding_up @ WindingUp { told: false, .. }) = &mut self.winding_up else { return false };
        let usage = self.endpoint.usage();
        // An answer that was given waits for room, too.
        let waits = usage.queued + given;
        if usage.in_flight > waits || !self.running.as_ref().is_none_or(FuturesUnordered::is_empty) {
            winding_up.until = None;
            return false;
        }
        // A request that waits although nothing runs waits for room, which the peer has to make.
        let unwritten =
            waits > 0 || self.endpoint.wants_write() || self.transport.as_ref().is_some_and(|transport| !transport.is_flushed());
        if unwritten && now < *winding_up.until.get_or_insert(now + PATIENCE) {
            return false;
        }
        (winding_up.told, winding_up.until) = (true, None);
        self.mailbox().close(CloseReason::Shutdown);
        true
    }

    /// The session ends with requests in flight, if there are any.
    pub(super) fn abandon(&mut self) {
        if let (Some(_), Role::Server(side)) = (&self.winding_up, &self.role) {
            side.home.registry.tally().abandoned(self.endpoint.usage().in_flight);
        }
    }
}
