//! The requests that the peer made and that we have not answered yet: their order, their batches.

use super::duplicates::Print;
use super::inbox::Excess;
use super::resume::Buffer;
use crate::id::Id;
use crate::{Json, Limits};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use slab::Slab;

/// A request in flight, running or waiting for its turn.
#[derive(Debug)]
pub(super) struct Debt {
    /// `None` for a notification.
    pub(super) id: Option<Id>,
    /// The batch in which the answer goes.
    pub(super) batch: Option<usize>,
    /// What it is known again by, if the peer may send it again: the newest with its id may (PROTOCOL 5).
    pub(super) print: Option<Print>,
    /// Whether it holds a place among those that run at once.
    running: bool,
    /// Whether it was there when [`Owed::mark`] was called.
    pub(super) marked: bool,
}

/// A request that waits for its turn.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) key: u32,
    pub(super) notification: bool,
    pub(super) method: Box<str>,
    pub(super) params: Option<Json<'static>>,
    pub(super) is_first: bool,
}

/// How much may be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The limits.
    Normal,
    /// We wait for something that stands behind requests: an answer to a call of ours, or the acknowledgement without which no request can be
    /// started. The peer sends no more than its own buffer holds, and the message that crosses its line, before it waits for us: with room for that both waits end, even
    /// behind all the requests of a session that is lost which there may be.
    Waiting,
    /// The same with a peer with resumption: answers that wait for the rest of their batch have a reserve, and may grow after the peer was told that there is room.
    Resumable(Buffer),
    /// The rest of a batch whose first member was taken in.
    Batch,
}

#[derive(Debug)]
struct Batch {
    /// Members that are not answered yet, and one more while members are still being added.
    open: usize,
    text: Vec<u8>,
    /// Whether it was there when [`Owed::mark`] was called.
    marked: bool,
}

/// The answers of a batch, which are one message.
#[derive(Debug)]
pub(super) struct BatchAnswer {
    pub(super) text: Vec<u8>,
    /// Whether it is [marked](Owed::mark).
    pub(super) marked: bool,
}

/// Bytes of answers that may wait where there is a reserve: the peer leaves up to two buffers unacknowledged, and the messages that cross their lines
/// ([`Inbox`](super::inbox::Inbox)).
pub(super) fn reserve_bytes(limits: &Limits) -> usize {
    let more = limits.queued_bytes.saturating_add(limits.message_bytes.saturating_mul(2));
    limits.outbox_bytes.saturating_mul(3).saturating_add(more)
}

#[derive(Debug)]
pub(super) struct Owed {
    debts: Slab<Debt>,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    running: usize,
    batches: Slab<Batch>,
    batch_bytes: usize,
}

impl Owed {
    pub(super) fn new() -> Self {
        Self { debts: Slab::new(), queue: VecDeque::new(), queued_bytes: 0, running: 0, batches: Slab::new(), batch_bytes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.debts.len()
    }

    /// Requests that wait for their turn.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Whether another request may be taken in.
    /// Whether another request may be taken in.
    #[inline]
    pub(super) fn has_room(&self, limits: &Limits, patience: Patience) -> bool {
        let bytes = self.queued_bytes.saturating_add(self.batch_bytes);
        match patience {
            Patience::Normal => self.debts.len() < limits.in_flight && bytes < limits.queued_bytes,
            Patience::Waiting => self.has_room_behind(limits, bytes, Buffer::of(limits)),
            Patience::Resumable(peer) => {
                let bytes = self.queued_bytes.max(self.batch_bytes.saturating_sub(reserve_bytes(limits)));
                self.has_room_behind(limits, bytes, peer)
            }
            Patience::Batch => {
                let most = limits.outbox_messages.max(Buffer::USUAL.messages);
                self.debts.len() < limits.in_flight.saturating_mul(2).saturating_add(most)
            }
        }
    }

    /// Whether there is room behind all that a peer may send before it waits, if so many bytes are here.
    #[cold]
    fn has_room_behind(&self, limits: &Limits, bytes: usize, peer: Buffer) -> bool {
        self.debts.len() <= limits.in_flight.saturating_add(peer.messages)
            && bytes < limits.queued_bytes.saturating_add(peer.bytes).saturating_add(limits.message_bytes)
    }

    /// How much has to be done before there is room by [the limits](Patience::Normal).
    pub(super) fn excess(&self, limits: &Limits) -> Excess {
        Excess {
            messages: (self.debts.len() + 1).saturating_sub(limits.in_flight),
            bytes: (self.queued_bytes.saturating_add(self.batch_bytes).saturating_add(1)).saturating_sub(limits.queued_bytes),
        }
    }

    pub(super) fn accept(&mut self, id: Option<Id>, batch: Option<usize>, print: Option<Print>) -> u32 {
        if id.is_some()
            && let Some(batch) = batch.and_then(|key| self.batches.get_mut(key))
        {
            batch.open += 1;
        }
        // Limits::in_flight bounds the slab far below 2^32.
        self.debts.insert(Debt { id, batch, print, running: false, marked: false }) as u32
    }

    /// Whether no request waits for its turn.
    pub(super) fn is_queue_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a request that arrives now may start at once, ahead of nobody.
    pub(super) fn may_start(&self, concurrency: usize, in_flight: usize) -> bool {
        self.queue.is_empty() && self.has_place(concurrency, in_flight)
    }

    /// Whether another request may run, and be answered when it likes. An answer acknowledges everything up to its request: with more than `in_flight` that have started
    /// and are not answered, the last one's would have the peer send more than there is room for.
    fn has_place(&self, concurrency: usize, in_flight: usize) -> bool {
        self.running < concurrency.max(1) && self.debts.len() - self.queue.len() < in_flight.max(1)
    }

    pub(super) fn start(&mut self, key: u32) {
        if let Some(debt) = self.debts.get_mut(key as usize) {
            debt.running = true;
            self.running += 1;
        }
    }

    pub(super) fn enqueue(&mut self, queued: Queued) {
        self.queued_bytes += queued.bytes();
        self.queue.push_back(queued);
    }

    /// The request whose turn has come, if there is one and a place for it.
    ///
    /// Without `room` for an answer only a notification starts, which gets none.
    pub(super) fn start_next(&mut self, concurrency: usize, in_flight: usize, room: bool) -> Option<Queued> {
        if !self.has_place(concurrency, in_flight) || !(room || self.queue.front()?.notification) {
            return None;
        }
        let queued = self.queue.pop_front()?;
        self.queued_bytes -= queued.bytes();
        self.start(queued.key);
        Some(queued)
    }

    /// Whether a request waits for its turn that stands in a batch of which answers are waiting already: only when it is done, and those before it are, they can go.
    pub(super) fn is_batch_in_queue(&self) -> bool {
        let batch_of = |next: &Queued| self.debts.get(next.key as usize)?.batch;
        self.batch_bytes > 0 && self.queue.iter().filter_map(batch_of).any(|key| self.bytes_in_batch(key) > 0)
    }

    /// The request no longer holds up the next one.
    pub(super) fn release(&mut self, key: u32) {
        if let Some(debt) = self.debts.get_mut(key as usize)
            && core::mem::take(&mut debt.running)
        {
            self.running -= 1;
        }
    }

    pub(super) fn finish(&mut self, key: u32) -> Option<Debt> {
        self.release(key);
        self.debts.try_remove(key as usize)
    }

    /// The request in flight that this one repeats.
    pub(super) fn find(&self, print: Print) -> Option<u32> {
        // Limits::in_flight bounds the slab far below 2^32.
        self.debts.iter().find(|(_, debt)| debt.print == Some(print)).map(|(key, _)| key as u32)
    }

    /// Another request has come under an id: the one that had it is not asked for again.
    pub(super) fn supersede(&mut self, by: Print) {
        for (_, debt) in &mut self.debts {
            if debt.print.is_some_and(|print| print.is_of_same_id(by)) {
                debt.print = None;
            }
        }
    }

    /// The request was sent again: its one answer goes where the newest asked for it. Returns the answers of a batch that
    /// was waiting for nothing else.
    pub(super) fn redirect(&mut self, key: u32, batch: Option<usize>) -> Option<BatchAnswer> {
        let debt = self.debts.get_mut(key as usize)?;
        let old = core::mem::replace(&mut debt.batch, batch);
        debt.marked = false;
        if let Some(new) = batch.and_then(|key| self.batches.get_mut(key)) {
            new.open += 1;
        }
        self.close_member(old?)
    }

    pub(super) fn open_batch(&mut self) -> usize {
        self.batches.insert(Batch { open: 1, text: Vec::new(), marked: false })
    }

    /// Bytes of answers that wait for the rest of their batch.
    pub(super) fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// Bytes of the answers in one batch.
    pub(super) fn bytes_in_batch(&self, key: usize) -> usize {
        self.batches.get(key).map_or(0, |batch| batch.text.len())
    }

    /// Adds an answer that was not waited for.
    pub(super) fn add_to_batch(&mut self, key: usize, text: &[u8]) {
        if let Some(batch) = self.batches.get_mut(key) {
            batch.text.push(if batch.text.is_empty() { b'[' } else { b',' });
            batch.text.extend_from_slice(text);
            self.batch_bytes += text.len() + 1;
        }
    }

    /// One member is done (or the adding of members is). Returns the answers once nothing is open; none if there are none.
    pub(super) fn close_member(&mut self, key: usize) -> Option<BatchAnswer> {
        let batch = self.batches.get_mut(key)?;
        batch.open -= 1;
        if batch.open > 0 {
            return None;
        }
        let Batch { mut text, marked, .. } = self.batches.remove(key);
        self.batch_bytes -= text.len();
        if text.is_empty() {
            return None;
        }
        text.push(b']');
        Some(BatchAnswer { text, marked })
    }

    /// Marks all that is owed now.
    pub(super) fn mark(&mut self) {
        self.set_marks(true);
    }

    pub(super) fn unmark(&mut self) {
        self.set_marks(false);
    }

    fn set_marks(&mut self, marked: bool) {
        self.debts.iter_mut().for_each(|(_, debt)| debt.marked = marked);
        self.batches.iter_mut().for_each(|(_, batch)| batch.marked = marked);
    }

    /// Who sent the requests that are marked is gone, or the session in which they came: they are served to their end, but nobody is to be answered.
    ///
    /// The newest are not served if there are more than the limits: those were not acknowledged, and they would take the room of [`Patience::Waiting`], which is for as much
    /// as whoever comes next may send.
    pub(super) fn disown_marked(&mut self, limits: &Limits) {
        for (_, debt) in self.debts.iter_mut().filter(|(_, debt)| debt.marked) {
            debt.id = None;
            debt.batch = None;
            debt.print = None;
        }
        let Self { batches, batch_bytes, .. } = self;
        batches.retain(|_, batch| {
            if batch.marked {
                *batch_bytes -= batch.text.len();
            }
            !batch.marked
        });
        while (self.debts.len() > limits.in_flight || self.queued_bytes >= limits.queued_bytes)
            && let Some(place) = self.queue.iter().rposition(|queued| self.debts.get(queued.key as usize).is_some_and(|debt| debt.marked))
            && let Some(queued) = self.queue.remove(place)
        {
            self.queued_bytes -= queued.bytes();
            self.debts.try_remove(queued.key as usize);
        }
    }

    /// The same for all.
    pub(super) fn disown(&mut self, limits: &Limits) {
        self.mark();
        self.disown_marked(limits);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Gives memory back where there is nothing to hold.
    pub(super) fn shrink(&mut self) {
        self.queue.shrink_to_fit();
        if self.debts.is_empty() {
            self.debts = Slab::new();
        }
        if self.batches.is_empty() {
            self.batches = Slab::new();
        }
    }
}

impl Queued {
    fn bytes(&self) -> usize {
        self.method.len() + self.params.as_ref().map_or(0, |params| params.as_str().len())
    }
}
