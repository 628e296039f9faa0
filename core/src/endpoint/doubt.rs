//! Whether a session that came back has another sender, and what becomes of what the one before has asked (PROTOCOL 5).

use super::outbox::{Entry, Kind};
use super::server::Server;
use super::{Endpoint, Role, Timer};
use crate::Instant;
use crate::id::{Id, is_behind};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// How long answers are withheld: the first request of whoever is there follows right behind its `connect`.
const HESITATION: Duration = Duration::from_millis(500);

/// Who came back may be another sender than the one before. What that one has asked is marked in [`Owed`](super::owed::Owed).
#[derive(Debug)]
pub(super) struct Doubt {
    /// The highest id that the one before has used.
    highest: i64,
    /// Answers to it; there are none unless [`Timer::Doubt`] is set.
    withheld: Vec<Box<[u8]>>,
}

impl<T> Endpoint<T> {
    /// The session came back by a `connect` with this id. One that is not above all before it says that another sender has come. Or it is one that does not mind that id: then
    /// it waits for the answers to what it asked over the last transport, as Kurento's clients do. Its first request tells.
    pub(super) fn consider_sender(&mut self, now: Instant, id: &Id) {
        let Id::Int(id) = id.key(self.dialect()) else { return };
        match self.duplicates.highest() {
            Some(highest) if is_behind(id, highest) => {
                self.owed.mark();
                let withheld = self.outbox.take_answers();
                let Role::Server(server) = &mut self.role else { return };
                server.doubt = Some(Box::new(Doubt { highest, withheld }));
                self.timers.set(Timer::Doubt, now, HESITATION);
            }
            Some(_) | None => self.trust_sender(),
        }
    }

    /// A request came under this id.
    #[inline]
    pub(super) fn mind_sender(&mut self, id: Option<&Id>) {
        if let (Role::Server(Server { doubt: Some(doubt), .. }), Some(id)) = (&self.role, id) {
            self.settle_doubt(id, doubt.highest);
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
        self.owed.disown_marked();
        self.duplicates.clear();
        self.end_doubt();
    }

    fn trust_sender(&mut self) {
        self.release_withheld();
        self.owed.unmark();
        self.end_doubt();
    }

    fn end_doubt(&mut self) {
        if let Role::Server(server) = &mut self.role
            && server.doubt.take().is_some()
        {
            self.timers.clear(Timer::Doubt);
        }
    }

    /// Whether answers to what was asked before are withheld.
    pub(super) fn withholds(&self) -> bool {
        matches!(self.role, Role::Server(Server { doubt: Some(_), .. })) && self.timers.is_set(Timer::Doubt)
    }

    /// An answer to what was asked before may be the newest message in the outbox, which had `before` of them.
    #[cold]
    pub(super) fn withhold_newest(&mut self, before: usize) {
        if self.outbox.messages() > before
            && self.withholds()
            && let Role::Server(Server { doubt: Some(doubt), .. }) = &mut self.role
        {
            doubt.withheld.extend(self.outbox.take_newest());
        }
    }

    /// What was withheld is withheld no longer: the time is over, or the transport, or the session.
    pub(super) fn release_withheld(&mut self) {
        if let Role::Server(Server { doubt: Some(doubt), .. }) = &mut self.role {
            for text in core::mem::take(&mut doubt.withheld) {
                self.outbox.push(Entry { kind: Kind::Answer, add_session_id: false }, |out| out.extend_from_slice(&text));
            }
        }
    }

    /// Messages that are withheld, and their bytes.
    pub(super) fn withheld(&self) -> (usize, usize) {
        match &self.role {
            Role::Server(Server { doubt: Some(doubt), .. }) => (doubt.withheld.len(), doubt.withheld.iter().map(|text| text.len()).sum()),
            Role::Server(_) | Role::Client(_) => (0, 0),
        }
    }
}
