//! How many application messages the peer has sent us, and how many of them it knows that we have (PROTOCOL 6).

/// Tell the peer after this many messages …
const TELL_MESSAGES: u64 = 256;
/// … or this many bytes of them.
const TELL_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    received: u64,
    told: u64,
    untold_bytes: usize,
}

impl Inbox {
    pub(super) fn count(&mut self, bytes: usize) {
        self.received += 1;
        self.untold_bytes = self.untold_bytes.saturating_add(bytes);
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The number to tell the peer in a `connect` or its answer: what has been received, to the last message.
    pub(super) fn tell(&mut self) -> u64 {
        self.told = self.received;
        self.untold_bytes = 0;
        self.received
    }

    /// The number to tell the peer in a ping or its answer. Without room for more it is told nothing new: what is not acknowledged keeps its buffer full, so
    /// it stops by itself, and its pings never stand behind more messages than we have room for.
    pub(super) fn tell_if(&mut self, room: bool) -> u64 {
        if room { self.tell() } else { self.told }
    }

    pub(super) fn is_told(&self) -> bool {
        self.told == self.received
    }

    /// Whether the peer should be told without waiting for an occasion.
    pub(super) fn is_overdue(&self) -> bool {
        self.received - self.told >= TELL_MESSAGES || self.untold_bytes >= TELL_BYTES
    }
}
