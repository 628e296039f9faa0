//! What is on its way to the peer: numbering, keeping and replaying (PROTOCOL 6).

use super::log::{Log, Place};
use crate::{MAX_SESSION_ID_BYTES, SessionId, write};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What the member `sessionId` may add to a message.
pub(super) const SESSION_MEMBER_BYTES: usize = 16 + 2 * MAX_SESSION_ID_BYTES;

/// What is kept of the messages that have been written to a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing: the peer does not know resumption.
    Nothing,
    /// Calls, until they are settled: the peer does not know resumption, but knows a call again by its id (PROTOCOL 5).
    Calls,
    /// Every message until it is acknowledged: resumption.
    All,
}

/// The peer named a number of messages that cannot be.
#[derive(Debug)]
pub(super) struct Mismatch;

/// An application message, one text frame, beside its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Whether the session's id goes into its params when it is written: the session may change while the message waits.
    pub(super) add_session_id: bool,
    /// An answer to what another sender may have asked than the one that is there now.
    pub(super) marked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Call(u32),
    Notification,
    /// An answer, or a batch of them: it means something only in the session in which the requests came.
    Answer,
    /// An answer that the frame itself brought about, without a handler: an error, or an answer given before.
    Refusal,
}

/// A message that was just written.
#[derive(Debug)]
pub(super) struct Transmitted {
    pub(super) len: usize,
    /// The call that it makes, and its number, if it was written for the first time.
    pub(super) first_of: Option<(u32, u64)>,
}

#[derive(Debug)]
pub(super) struct Outbox {
    /// Session methods and the answers to them: neither numbered nor kept, and ahead of everything else.
    control: VecDeque<Box<[u8]>>,
    control_bytes: usize,
    /// The last message of all: a `closeSession`, or the answer to one.
    parting: Option<Box<[u8]>>,
    /// First the messages that a transport has had and that are kept, then those that none has had yet.
    log: Log<Entry>,
    /// Where the second begin.
    unsent: Place,
    /// Up to where the present transport has had those before `unsent`.
    replayed: Place,
    /// How many messages of this session have been written for the first time: the number of the newest.
    numbered: u64,
    refusals: usize,
    refusal_bytes: usize,
    keep: Keep,
    /// Bytes of the longest message that the peer takes. A longer one would be sent again over each new transport, and end it.
    pub(super) peer_takes: usize,
    /// While set, no application message is written: who is at the other end is not settled yet.
    held: bool,
    /// While set, nothing that is marked is written. A session that counts its messages has nothing marked.
    withholding: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            control: VecDeque::new(),
            control_bytes: 0,
            parting: None,
            log: Log::new(),
            unsent: Place::default(),
            replayed: Place::default(),
            numbered: 0,
            refusals: 0,
            refusal_bytes: 0,
            keep: Keep::Nothing,
            peer_takes: usize::MAX,
            held: false,
            withholding: false,
        }
    }

    pub(super) fn keep(&self) -> Keep {
        self.keep
    }

    pub(super) fn messages(&self) -> usize {
        self.log.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.log.bytes()
    }

    /// Messages that go before an answer that comes now, and their bytes, where those are not all: calls that are kept only to be sent again, if need be, are
    /// acknowledged by nothing but the end of their request, and may be waited for by what the answer is for.
    pub(super) fn ahead_of_answers(&self) -> Option<(usize, usize)> {
        match self.keep {
            Keep::Calls => Some((self.log.len() - self.unsent.index(), self.log.bytes() - self.unsent.offset())),
            Keep::Nothing | Keep::All => None,
        }
    }

    /// Whether the transport has had every message that is here.
    pub(super) fn has_written_all(&self) -> bool {
        !self.held && self.replayed.index() == self.log.len()
    }

    /// Whether the peer has taken all that there is, and need only acknowledge it.
    pub(super) fn has_only_kept(&self) -> bool {
        self.keep == Keep::All && self.has_written_all()
    }

    /// Answers that reading alone has brought about and that are still here, and their bytes.
    pub(super) fn refusals(&self) -> (usize, usize) {
        (self.refusals, self.refusal_bytes)
    }

    /// Messages that were sent and are not acknowledged, and their bytes.
    pub(super) fn unacknowledged(&self) -> (usize, usize) {
        (self.unsent.index(), self.unsent.offset())
    }

    /// Messages that need not be kept any more: all but the unacknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.numbered - self.unsent.index() as u64
    }

    pub(super) fn numbered(&self) -> u64 {
        self.numbered
    }

    /// Session methods and answers to them that wait, and their bytes.
    pub(super) fn control(&self) -> (usize, usize) {
        (self.control.len(), self.control_bytes)
    }

    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    pub(super) fn release(&mut self) {
        self.held = false;
    }

    pub(super) fn withhold(&mut self, on: bool) {
        self.withholding = on;
    }

    pub(super) fn withholds(&self) -> bool {
        self.withholding
    }

    /// Marks all answers that are here.
    pub(super) fn mark_answers(&mut self) {
        self.log.for_each(|entry| entry.marked = matches!(entry.kind, Kind::Answer | Kind::Refusal));
    }

    pub(super) fn unmark(&mut self) {
        self.log.for_each(|entry| entry.marked = false);
    }

    /// Drops what is marked.
    pub(super) fn forget_marked(&mut self) {
        self.take_waiting(|entry, _| entry.marked, |_, _| ());
    }

    /// Adds the message that `write` appends, and returns its text.
    pub(super) fn push(&mut self, entry: Entry, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let text = self.log.write(entry, write);
        if entry.kind == Kind::Refusal {
            self.refusals += 1;
            self.refusal_bytes += text.len();
        }
        text
    }

    pub(super) fn push_control(&mut self, text: Vec<u8>) {
        self.control_bytes += text.len();
        self.control.push_back(text.into());
    }

    pub(super) fn set_parting(&mut self, text: Vec<u8>) {
        self.parting = Some(text.into());
    }

    /// Whether there is a next message.
    pub(super) fn has_next(&self) -> bool {
        let waiting = !self.held && self.replayed.index() < self.log.len() && (!self.withholding || self.find_unmarked().is_some());
        !self.control.is_empty() || waiting || self.parting.is_some()
    }

    /// Appends the next message to `out`.
    pub(super) fn transmit(&mut self, out: &mut Vec<u8>, session: Option<&SessionId>) -> Option<Transmitted> {
        let start = out.len();
        let written = |out: &Vec<u8>, first_of| Some(Transmitted { len: out.len() - start, first_of });
        if let Some(text) = self.control.pop_front() {
            self.control_bytes -= text.len();
            out.extend_from_slice(&text);
            return written(out, None);
        }
        let next = if self.withholding { self.find_unmarked() } else { Some(self.replayed) };
        if !self.held
            && let Some(next) = next
            && let Some((&entry, text)) = self.log.get(next)
        {
            let len = text.len();
            entry.write(text, out, session);
            if next.index() < self.unsent.index() {
                self.replayed = self.replayed.behind(len);
                return written(out, None);
            }
            self.numbered += 1;
            let first_of = match entry.kind {
                Kind::Call(call) => Some((call, self.numbered)),
                Kind::Notification | Kind::Answer | Kind::Refusal => None,
            };
            if self.keep == Keep::All || (self.keep == Keep::Calls && first_of.is_some()) {
                self.unsent = self.unsent.behind(len);
                self.replayed = self.unsent;
            } else {
                self.log.remove(next);
                self.count_out(entry, len);
            }
            return written(out, first_of);
        }
        let text = self.parting.take()?;
        out.extend_from_slice(&text);
        written(out, None)
    }

    /// The peer has received the first `received` messages.
    pub(super) fn acknowledge(&mut self, received: u64) -> Result<(), Mismatch> {
        if self.keep != Keep::All {
            return Ok(());
        }
        let missing = self.numbered.checked_sub(received).ok_or(Mismatch)?;
        while self.unsent.index() as u64 > missing {
            self.forget_oldest();
        }
        Ok(())
    }

    /// The peer says on a new transport that it has received the first `received` messages: the rest is written again. If it has too many to take more, it has acknowledged less.
    pub(super) fn rewind(&mut self, received: u64, acknowledged: Option<u64>) -> Result<(), Mismatch> {
        if received < self.acknowledged() || received > self.numbered {
            return Err(Mismatch);
        }
        self.acknowledge(acknowledged.map_or(received, |number| number.min(received)))?;
        self.replayed = Place::default();
        for _ in self.acknowledged()..received {
            let Some((_, text)) = self.log.get(self.replayed) else { break };
            self.replayed = self.replayed.behind(text.len());
        }
        Ok(())
    }

    fn forget_oldest(&mut self) {
        if let Some((entry, len)) = self.remove(Place::default()) {
            self.count_out(entry, len);
        }
    }

    fn remove(&mut self, place: Place) -> Option<(Entry, usize)> {
        let (entry, len) = self.log.remove(place)?;
        self.unsent = self.unsent.after_removal(place, len);
        self.replayed = self.replayed.after_removal(place, len);
        Some((entry, len))
    }

    /// The message leaves for good.
    fn count_out(&mut self, entry: Entry, len: usize) {
        if entry.kind == Kind::Refusal {
            self.refusals -= 1;
            self.refusal_bytes -= len;
        }
    }

    /// The transport is gone, and with it what was addressed to it.
    pub(super) fn detach(&mut self) {
        self.control.clear();
        self.control_bytes = 0;
        self.replayed = Place::default();
    }

    /// From now on `keep` of the messages are kept. What was kept and is not any more is dropped.
    pub(super) fn set_keep(&mut self, keep: Keep) {
        if keep == Keep::Nothing || (keep == Keep::Calls && self.keep == Keep::All) {
            self.drop_sent();
        }
        self.keep = keep;
    }

    /// A new session begins: numbers start again, what was sent and every answer belong to the old one; calls and notifications that were not
    /// sent are still to be.
    pub(super) fn restart(&mut self) {
        self.drop_sent();
        self.numbered = 0;
        self.forget_answers();
    }

    /// Who asked is not there any more: the answers that no transport has had are not written. None may be kept of those that one has had.
    pub(super) fn forget_answers(&mut self) {
        self.take_waiting(|entry, _| matches!(entry.kind, Kind::Answer | Kind::Refusal), |_, _| ());
    }

    /// The peer takes no message of more than `max` bytes: those that no transport has had and that are longer are taken out and returned, with their texts. What was
    /// sent already was short enough.
    pub(super) fn take_too_long(&mut self, max: usize) -> Vec<(Entry, Box<[u8]>)> {
        let mut taken = Vec::new();
        self.take_waiting(|entry, text| text.len() + entry.added() > max, |entry, text| taken.push((entry, text.into())));
        taken
    }

    /// Hands the messages for which `is` says so to `take`, if no transport has had them.
    fn take_waiting(&mut self, is: impl Fn(Entry, &[u8]) -> bool, mut take: impl FnMut(Entry, &[u8])) {
        let Self { log, unsent, refusals, refusal_bytes, .. } = self;
        log.retain(*unsent, |entry, text| {
            let taken = is(*entry, text);
            if taken {
                if entry.kind == Kind::Refusal {
                    *refusals -= 1;
                    *refusal_bytes -= text.len();
                }
                take(*entry, text);
            }
            !taken
        });
    }

    /// The first that is not marked.
    #[cold]
    fn find_unmarked(&self) -> Option<Place> {
        self.log.find(self.replayed, |entry| !entry.marked).map(|(place, ..)| place)
    }

    fn drop_sent(&mut self) {
        while self.unsent != Place::default() {
            self.forget_oldest();
        }
    }

    /// Takes a call back that no transport has had yet. False if there is none.
    pub(super) fn forget_waiting_call(&mut self, call: u32) -> bool {
        match self.log.find(self.unsent, |entry| entry.kind == Kind::Call(call)) {
            Some((place, ..)) => self.remove(place).is_some(),
            None => false,
        }
    }

    /// The call has ended. If it was never written it need not be; a kept copy goes, unless its number is still needed.
    pub(super) fn forget_call(&mut self, call: u32, written: bool) {
        if !written {
            self.forget_waiting_call(call);
        } else if self.keep == Keep::Calls
            && let Some((place, ..)) = self.log.find(Place::default(), |entry| entry.kind == Kind::Call(call))
        {
            self.remove(place);
        }
    }

    /// Gives memory back where there is nothing to hold.
    pub(super) fn shrink(&mut self) {
        self.control.shrink_to_fit();
        self.log.shrink();
    }
}

impl Entry {
    /// What is added to its text at most when it is written.
    pub(super) fn added(self) -> usize {
        if self.add_session_id { SESSION_MEMBER_BYTES } else { 0 }
    }

    fn write(self, text: &[u8], out: &mut Vec<u8>, session: Option<&SessionId>) {
        out.extend_from_slice(text);
        if self.add_session_id
            && let Some(id) = session
        {
            // The message ends with the params' brace and its own.
            write::insert_session_id(out, id, 1);
        }
    }
}
