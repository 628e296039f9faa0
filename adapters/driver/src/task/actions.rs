//! What the endpoint says has to be done.

use super::frames::drain_transmit;
use super::log;
use super::{Role, ServerSide, SessionTask};
use crate::connection::{ConnectError, ConnectionEvent, SessionKept};
use crate::metrics::{Limit, State};
use crate::runtime::Runtime;
use crate::session::CallTag;
use crate::transport::close_in_background;
use bowline_core::{Action, Close, CloseReason, Instant};
use std::sync::atomic::Ordering;
use std::task::Context;

/// A session over the limit of its path or of the server (RFC 6455 section 7.4.1 and its registry: "try again later").
const TRY_AGAIN_LATER: Close = Close { code: 1013, reason: "Too many sessions" };
/// A transport that nobody uses (RFC 6455 section 7.4.1: "policy violation").
const SILENT: Close = Close { code: 1008, reason: "No session" };

impl<R: Runtime> SessionTask<R> {
    /// Takes every action that waits, and shows what has become of the endpoint. Returns whether there was one.
    pub(super) fn drain(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let any = self.act(cx, now);
        self.mirror();
        any
    }

    /// Takes every action that waits. Returns whether there was one.
    #[inline]
    pub(super) fn act(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut any = self.serve_held(cx, now);
        while let Some(action) = self.endpoint.poll_action() {
            any = true;
            self.take_action(cx, now, action);
        }
        any
    }

    fn take_action(&mut self, cx: &mut Context<'_>, now: Instant, action: Action<CallTag>) {
        self.mirror();
        match action {
            Action::Serve(request) => self.serve(cx, now, request),
            Action::Settled { tag, outcome } => tag.settle(outcome),
            Action::Opened => self.opened(now),
            Action::Resumed => self.resumed(SessionKept::Same),
            Action::Renewed => self.resumed(SessionKept::New),
            Action::Lost => {
                tracing::debug!("detached");
                self.announce(&ConnectionEvent::Disconnected);
            }
            Action::Dial { attempt } => self.dial(attempt),
            Action::ConnectFailed { error, retry_in } => self.connect_failed(error, retry_in),
            Action::TooBig { bytes, peer_takes } => {
                tracing::warn!(session = ?self.session, label = self.session.label(), bytes, peer_takes, "a message that waited is not sent: the peer takes none so long");
            }
            Action::HangUp(close) => self.hang_up(now, close),
            Action::Probe => {
                if let Some(transport) = &mut self.transport {
                    transport.write_ping();
                }
            }
            Action::Closed(reason) => self.closed(reason),
        }
    }

    /// Shows the handles whether there is a transport, and what the peer takes.
    pub(super) fn mirror(&mut self) {
        let attached = self.endpoint.is_attached() && self.endpoint.is_open();
        if attached != self.attached {
            self.attached = attached;
            self.session.shared.attached.store(attached, Ordering::Release);
        }
        self.session.shared.peer_takes.store(self.endpoint.peer_takes(), Ordering::Relaxed);
        let state = match &self.role {
            Role::Server(ServerSide { open_as: Some(_), .. }) => Some(if attached { State::Attached } else { State::Detached }),
            Role::Server(_) | Role::Client(_) => None,
        };
        self.metrics.is(state);
        if let Role::Client(side) = &mut self.role
            && side.shown.as_ref() != self.endpoint.session_id()
        {
            side.shown = self.endpoint.session_id().cloned();
            self.session.shared.set_id(side.shown.as_ref());
            log::show_id(&self.span, &self.session);
        }
    }

    fn opened(&mut self, now: Instant) {
        match &mut self.role {
            Role::Server(side) => {
                // A server's endpoint always has an id.
                let Some(id) = self.endpoint.session_id() else { return };
                if !side.home.registry.open(id, &side.home, &self.session.shared) {
                    tracing::warn!(label = self.session.label(), "too many sessions");
                    self.metrics.limit_hit(Limit::Sessions);
                    self.refuse(now, TRY_AGAIN_LATER);
                    return;
                }
                side.open_as = Some(id.clone());
                self.metrics.opened();
            }
            Role::Client(side) => {
                side.opened = true;
                self.announce(&ConnectionEvent::Connected);
            }
        }
        tracing::debug!("opened");
        self.tell(|| self.dispatch.opened(&self.session));
    }

    fn resumed(&mut self, kept: SessionKept) {
        // What the peer has received was acknowledged with its `connect`: the rest is sent again.
        self.metrics.resumed(|| {
            let usage = self.endpoint.usage();
            (usage.unacknowledged, usage.unacknowledged_bytes)
        });
        tracing::debug!(?kept, "attached again");
        self.announce(&ConnectionEvent::Reconnected(kept));
        self.tell(|| self.dispatch.resumed(&self.session));
    }

    /// Something came over the transport: until it has a session, it has to go on like that.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Role::Server(side) = &self.role {
            self.silent_until = (!self.endpoint.is_open()).then(|| now + side.home.silence);
        }
    }

    /// Closes a transport that has no session and says nothing. Returns whether there was one.
    pub(super) fn end_silence(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        self.silent_until = None;
        let silent = self.transport.is_some() && !self.endpoint.is_open();
        if silent {
            self.metrics.limit_hit(Limit::Silence);
            self.refuse(now, SILENT);
            self.drain(cx, now);
        }
        silent
    }

    /// There shall be no session here: its transport is closed without an answer, which would name a session that is none.
    fn refuse(&mut self, now: Instant, close: Close) {
        if let Some(transport) = self.transport.take() {
            close_in_background(&self.runtime, transport, close);
        }
        self.endpoint.handle_detached(now);
        self.endpoint.close(now, CloseReason::Application);
    }

    fn hang_up(&mut self, now: Instant, close: Close) {
        match close {
            Close::NO_PING => self.metrics.watchdog_closed(),
            Close::TOO_BIG => self.metrics.limit_hit(Limit::MessageBytes),
            Close::GUESSING => self.metrics.limit_hit(Limit::UnknownSessions),
            _ => {}
        }
        if let Role::Client(side) = &mut self.role {
            side.dialing = None;
            if !self.attached {
                // The server's refusal is known better, by the endpoint.
                self.blame(if close == Close::NORMAL { ConnectError::TimedOut } else { ConnectError::Violation(close.reason) });
            }
        }
        if let Some(mut transport) = self.transport.take() {
            drain_transmit(&mut self.endpoint, &mut transport);
            close_in_background(&self.runtime, transport, close);
        }
        self.endpoint.handle_detached(now);
    }

    fn closed(&mut self, reason: CloseReason) {
        // `HangUp` has come before; a transport that is still here would keep the task for ever.
        if let Some(transport) = self.transport.take() {
            close_in_background(&self.runtime, transport, Close::NORMAL);
        }
        let was_open = match &mut self.role {
            Role::Server(side) => match side.open_as.take() {
                Some(id) => {
                    side.home.registry.close(&id, &side.home);
                    self.metrics.closed(Some(reason));
                    true
                }
                None => false,
            },
            Role::Client(side) => {
                side.dialing = None;
                if reason == CloseReason::GaveUp {
                    // It is told if there was never a session.
                    side.hub.fail(side.last_failure.take().unwrap_or(ConnectError::TimedOut));
                }
                side.opened
            }
        };
        self.held.clear();
        self.announce(&ConnectionEvent::Closed(reason));
        if was_open {
            tracing::debug!(reason = reason.as_str(), "closed");
            self.tell(|| self.dispatch.closed(&self.session, reason));
        }
    }
}
