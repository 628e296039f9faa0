//! What only a client's task does: it opens transports, and tells how that went.

use super::{ClientSide, Role, SessionTask};
use crate::connection::{ConnectError, ConnectionEvent};
use crate::runtime::Runtime;
use bowline_core::{ErrorObject, Instant};
use std::task::{Context, Poll};
use std::time::Duration;

impl<R: Runtime> SessionTask<R> {
    pub(super) fn client_side(&mut self) -> Option<&mut ClientSide> {
        match &mut self.role {
            Role::Client(side) => Some(side),
            Role::Server(_) => None,
        }
    }

    /// Begins to open a transport.
    pub(super) fn dial(&mut self, attempt: u32) {
        let again = self.endpoint.is_open();
        let Some(side) = self.client_side() else { return };
        side.dialing = Some((side.dial)());
        side.failure = None;
        if again {
            self.announce(&ConnectionEvent::Reconnecting { attempt });
        }
    }

    /// Goes on with a transport that is being opened. Returns whether that has ended.
    pub(super) fn poll_dial(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(side) = self.client_side() else { return false };
        let Some(dialing) = &mut side.dialing else { return false };
        let Poll::Ready(dialled) = dialing.as_mut().poll(cx) else { return false };
        side.dialing = None;
        match dialled {
            Ok(transport) => {
                self.session.shared.set_transport(transport.info());
                self.transport = Some(transport);
                // A client dials only when it has no transport.
                let _ = self.endpoint.handle_attached(now);
            }
            Err(error) => {
                side.failure = Some(error);
                self.endpoint.handle_dial_failed(now);
            }
        }
        self.drain(cx, now);
        true
    }

    /// Remembers why the attempt under way fails, if that is not known better.
    pub(super) fn blame(&mut self, error: ConnectError) {
        if let Some(side) = self.client_side() {
            side.failure.get_or_insert(error);
        }
    }

    pub(super) fn connect_failed(&mut self, refusal: Option<ErrorObject>, retry_in: Option<Duration>) {
        let Some(side) = self.client_side() else { return };
        let error = match (refusal, side.failure.take()) {
            (Some(refusal), _) => ConnectError::Refused(refusal),
            (None, Some(failure)) => failure,
            (None, None) => ConnectError::Lost,
        };
        tracing::debug!(%error, ?retry_in, "cannot connect");
        let event = ConnectionEvent::ConnectionFailed { error: error.clone(), retry_in };
        match retry_in {
            None => side.hub.fail(error),
            Some(_) => side.last_failure = Some(error),
        }
        self.announce(&event);
    }

    /// Tells those who look at the connection.
    pub(super) fn announce(&mut self, event: &ConnectionEvent) {
        if let Role::Client(side) = &self.role {
            self.tell(|| side.hub.tell(event));
        }
    }
}
