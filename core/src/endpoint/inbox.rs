//! How many application messages the peer has sent us, and how many of them it knows that we have (PROTOCOL 6).

/// Tell the peer after this many messages …
const TELL_MESSAGES: u64 = 256;
/// … or this many bytes of them.
const TELL_BYTES: u32 = 64 * 1024;

/// How much more of the peer's requests is here than there may be before it has to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excess {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    /// Bytes that fill the peer's buffer, if it is like ours.
    pub(super) fills: usize,
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    received: u64,
    told: u64,
    /// How many had come at some moment since.
    mark: u64,
    /// Bytes of what came, now and at those two moments: only differences mean anything, and four gigabytes are more than any.
    bytes: u32,
    told_bytes: u32,
    mark_bytes: u32,
}

impl Inbox {
    #[inline]
    pub(super) fn count(&mut self, bytes: usize) {
        self.received += 1;
        self.bytes = self.bytes.wrapping_add(bytes as u32);
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The number to tell the peer in a `connect` or its answer: what has been received, to the last message.
    pub(super) fn tell(&mut self) -> u64 {
        self.told = self.received;
        self.told_bytes = self.bytes;
        self.received
    }

    /// The number to tell the peer in a ping or its answer, with so much too much here.
    pub(super) fn tell_but(&mut self, excess: Excess) -> u64 {
        let number = self.tellable(excess);
        if number > self.told {
            (self.told, self.told_bytes) = (number, self.bytes);
        }
        if self.mark <= self.told {
            (self.mark, self.mark_bytes) = (self.received, self.bytes);
        }
        self.told
    }

    /// As much as there is too much stays unacknowledged, so it fills the peer's buffer, and the peer stops by itself: its pings never stand behind more messages than
    /// we have room for. What goes beyond that is acknowledged, for the peer may have to answer something before there is room here again.
    fn tellable(&self, excess: Excess) -> u64 {
        let since_mark = if self.mark > self.told { self.bytes.wrapping_sub(self.mark_bytes) as usize } else { 0 };
        let behind_mark = |bytes: usize| if since_mark >= bytes { self.mark } else { self.told };
        let by_messages = self.received.saturating_sub(excess.messages as u64);
        let by_bytes = if excess.bytes == 0 { self.received } else { behind_mark(excess.bytes.min(excess.fills)) };
        // A buffer that is full is full, however few messages it holds.
        by_messages.min(by_bytes).max(behind_mark(excess.fills)).max(self.told)
    }

    pub(super) fn is_told(&self) -> bool {
        self.told == self.received
    }

    /// Whether the peer should be told without waiting for an occasion.
    pub(super) fn is_overdue(&self, excess: Excess) -> bool {
        let news = self.tellable(excess) - self.told;
        news >= TELL_MESSAGES || (news > 0 && self.bytes.wrapping_sub(self.told_bytes) >= TELL_BYTES)
    }
}
