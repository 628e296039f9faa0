//! Whether a session that came back has another sender, and what becomes of what the one before has asked (PROTOCOL 5).
//!
//! While that is not known, what the one before has asked is marked, and so are the answers to it: in [`Owed`](super::owed::Owed) and in [`Outbox`](super::outbox::Outbox).

use super::server::Server;
use super::{Endpoint, Role, Timer};
use crate::Instant;
use crate::id::{Id, is_behind};
use core::time::Duration;

/// How long answers are withheld: the first request of whoever is there follows right behind its `connect`.
const HESITATION: Duration = Duration::from_millis(500);

impl<T> Endpoint<T> {
    /// The session came back by a `connect` with this id. One that is not above all before it says that another sender has come. Or it is one that does not mind that id: then
    /// it waits for the answers to what it asked over the last transport, as Kurento's clients do. Its first request tells.
    pub(super) fn consider_sender(&mut self, now: Instant, id: &Id) {
        let Id::Int(id) = id.key(self.dialect()) else { return };
        match self.duplicates.highest() {
            Some(highest) if is_behind(id, highest) => {
                self.owed.mark();
                self.outbox.mark_answers();
                if let Role::Server(server) = &mut self.role {
                    server.doubt = Some(highest);
                }
                self.withhold(now);
            }
            Some(_) | None => self.trust_sender(),
        }
    }

    /// Marked answers are not written for a while, if there may be some.
    pub(super) fn withhold(&mut self, now: Instant) {
        if let Role::Server(Server { doubt: Some(_), .. }) = self.role {
            self.outbox.withhold(true);
            self.timers.set(Timer::Doubt, now, HESITATION);
        }
    }

    /// A request came under this id.
    #[inline]
    pub(super) fn mind_sender(&mut self, id: Option<&Id>) {
        if let (Role::Server(Server { doubt: Some(highest), .. }), Some(id)) = (&self.role, id) {
            self.settle_doubt(id, *highest);
        }
    }

    #[cold]
    fn settle_doubt(&mut self, id: &Id, highest: i64) {
        match id.key(self.dialect()) {
            Id::Int(id) if is_behind(id, highest) => self.another_sender_came(),
            Id::Int(_) => self.trust_sender(),
            // Says nothing.
            Id::Null | Id::Number(_) | Id::Text(_) => {}
        }
    }

    /// What was asked before, by somebody else, is not answered: under those ids the one that is there now asks other things.
    fn another_sender_came(&mut self) {
        self.owed.disown_marked(self.role.limits());
        self.outbox.forget_marked();
        self.duplicates.clear();
        self.end_doubt();
    }

    fn trust_sender(&mut self) {
        self.owed.unmark();
        self.outbox.unmark();
        self.end_doubt();
    }

    fn end_doubt(&mut self) {
        if let Role::Server(server) = &mut self.role
            && server.doubt.take().is_some()
        {
            self.outbox.withhold(false);
            self.timers.clear(Timer::Doubt);
        }
    }
}
