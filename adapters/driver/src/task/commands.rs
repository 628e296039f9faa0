//! What the session's handles want.

use super::frames::drain_transmit;
use super::{Role, SessionTask};
use crate::runtime::Runtime;
use crate::session::{Ending, HandOver, Ordered, Urgent, Wishes};
use crate::transport::close_in_background;
use bowline_core::{Call, CallOutcome, Close, CloseReason, Instant, SendError};
use std::task::Context;

impl<R: Runtime> SessionTask<R> {
    /// Takes what is in the mailbox, as far as there is room for it. Returns whether there was anything.
    #[inline]
    pub(super) fn take_commands(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        !self.mailbox().is_empty() && self.empty_mailbox(cx, now)
    }

    fn empty_mailbox(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut any = self.grant_wishes(cx, now);
        while let Some(urgent) = self.mailbox().next_urgent() {
            any = true;
            match urgent {
                // It ended in this very round, and is not closed to its handles yet.
                Urgent::Attach(hand_over) if self.endpoint.is_closed() => self.send_on(*hand_over),
                Urgent::Attach(hand_over) => self.attach(cx, now, *hand_over),
                Urgent::Forget(id) => self.endpoint.forget(id),
                Urgent::Defer(key) => self.defer(now, key),
                Urgent::DeferShared(slot) => self.defer_shared(now, &slot),
            }
        }
        let mut posted = false;
        while let Some(ordered) = self.mailbox().next_ordered(self.endpoint.has_room()) {
            any = true;
            posted |= !matches!(ordered, Ordered::Answer { .. });
            if !self.post(now, ordered) {
                break;
            }
        }
        self.consider_giving_way(now, posted);
        for answer in self.mailbox().answers_ahead() {
            any = true;
            self.post(now, answer);
        }
        // Those that have to wait are given, and the next requests may start: what they say may be what makes room.
        // But no more of them than fill a buffer: nothing else bounds what they are long.
        let (session, endpoint, most) = (&self.session, &mut self.endpoint, self.places.answer_bytes);
        session.shared.mailbox.with_answers(|responder, bytes| {
            if bytes < most {
                endpoint.defer(now, responder);
            }
        });
        if let Some(ending) = self.mailbox().take_closing(now, self.endpoint.is_attached()) {
            any = true;
            self.abandon();
            match ending {
                Ending::Closed(reason) => self.endpoint.close(now, reason),
                Ending::Left => self.leave(now),
            }
        }
        self.drain(cx, now) | any
    }

    /// Closes this side, and says nothing of it to the peer, which keeps the session.
    fn leave(&mut self, now: Instant) {
        if let Some(transport) = &mut self.transport {
            drain_transmit(&mut self.endpoint, transport);
        }
        // Over a transport that it is to leave anyway the endpoint says no goodbye.
        self.endpoint.handle_refused(now, Close::NORMAL);
        self.endpoint.close(now, CloseReason::Application);
    }

    fn grant_wishes(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Wishes { disconnect, reconnect, grace, heartbeat, wind_up } = self.mailbox().take_wishes();
        if let Some(grace) = grace {
            self.endpoint.set_grace(now, grace);
        }
        if let Some(interval) = heartbeat {
            self.endpoint.set_heartbeat(now, interval);
        }
        if disconnect {
            self.lose_transport(cx, now);
        }
        if reconnect {
            self.endpoint.reconnect(now);
        }
        if wind_up {
            self.wind_up();
        }
        wind_up || disconnect || reconnect || grace.is_some() || heartbeat.is_some()
    }

    /// Gives the endpoint what is for the peer. Returns whether it took it.
    fn post(&mut self, now: Instant, ordered: Ordered) -> bool {
        match ordered {
            Ordered::Answer { responder, outcome, .. } => self.respond(now, responder, outcome),
            Ordered::Notify { by, method, params } => {
                // Nobody waits for what else becomes of it.
                match self.endpoint.notify(now, &method, params.as_ref()) {
                    Err(SendError::Full) => {
                        self.mailbox().put_back(Ordered::Notify { by, method, params });
                        return false;
                    }
                    // Its sender was told that it will be sent, before the peer said less, or before an object was put around the params of a Kurento client: only
                    // the log can be told that it will not.
                    Err(error @ (SendError::TooBig(_) | SendError::TooDeep)) => {
                        tracing::warn!(session = ?self.session, %method, %error, "a notification is not sent")
                    }
                    Ok(()) | Err(_) => {}
                }
            }
            Ordered::Call { by, method, params, deadline, tag } => {
                if !tag.is_wanted() {
                    return true;
                }
                let watcher = tag.watcher();
                match self.endpoint.call(now, Call { method: &method, params: params.as_ref(), deadline: Some(deadline), tag }) {
                    Ok(id) if watcher.sent_as(id) => {}
                    Ok(id) => self.endpoint.forget(id),
                    Err((SendError::Full, tag)) => {
                        self.mailbox().put_back(Ordered::Call { by, method, params, deadline, tag });
                        return false;
                    }
                    Err((_, tag)) => tag.settle(CallOutcome::Closed),
                }
            }
        }
        true
    }

    /// Takes over a transport whose client has named this session.
    fn attach(&mut self, cx: &mut Context<'_>, now: Instant, hand_over: HandOver) {
        let HandOver { transport, watch, frame, attributes } = hand_over;
        if self.endpoint.is_overtaken(frame.as_bytes()) {
            self.tell(|| drop(attributes));
            return close_in_background(&self.runtime, transport, Close::MOVED);
        }
        let close = self.endpoint.handle_attached(now);
        self.endpoint.set_watch(now, watch);
        if let (Some(old), Some(close)) = (self.transport.take(), close) {
            close_in_background(&self.runtime, old, close);
        }
        self.session.shared.set_transport(transport.info());
        let surplus = self.session.shared.add_attributes(attributes);
        self.tell(|| drop(surplus));
        self.transport = Some(transport);
        self.drain(cx, now);
        self.feed(cx, now, &frame, &[]);
    }

    /// Deals with the frame of a transport whose session had ended before it arrived there.
    pub(super) fn adopt_orphan(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let orphan = match &mut self.role {
            Role::Server(side) => side.orphan.take(),
            Role::Client(_) => None,
        };
        let Some(frame) = orphan else { return false };
        let received = self.endpoint.handle_unknown_session(now, frame.as_bytes());
        self.received(cx, now, received, &frame, &[]);
        true
    }
}
