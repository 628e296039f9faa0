//! How many application messages the peer has sent us, and how many of them it knows that we have (PROTOCOL 6).

use super::resume::Buffer;

/// Tell the peer after this many messages, or half of what it keeps …
const TELL_MESSAGES: u64 = 256;
/// … or this many bytes of them.
const TELL_BYTES: u32 = 64 * 1024;

/// How much more of the peer's requests is here than there may be before it has to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excess {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct Inbox {
    received: u64,
    told: u64,
    /// Behind the older mark stands as much as fills the peer's buffer in bytes, and at most about twice that; behind the newer one something less.
    older: u64,
    newer: u64,
    /// Bytes of what came, now and when the peer was told: only differences mean anything, and four gigabytes are more than any.
    bytes: u32,
    told_bytes: u32,
    /// Bytes that may come before there is a mark again, a message of two gigabytes aside …
    left: i32,
    /// … of those that fill the peer's buffer …
    fills: i32,
    /// … as so many messages do.
    messages: u32,
}

impl Inbox {
    /// Of a new session.
    pub(super) fn new() -> Self {
        let mut inbox = Self { received: 0, told: 0, older: 0, newer: 0, bytes: 0, told_bytes: 0, left: 0, fills: 0, messages: 0 };
        inbox.set_peer(Buffer::USUAL);
        inbox.left = inbox.fills;
        inbox
    }

    /// The peer keeps so much, as far as we read on for it.
    pub(super) fn set_peer(&mut self, buffer: Buffer) {
        self.fills = i32::try_from(buffer.bytes).unwrap_or(i32::MAX);
        self.messages = u32::try_from(buffer.messages).unwrap_or(u32::MAX);
        self.left = self.left.min(self.fills);
    }

    pub(super) fn peer(&self) -> Buffer {
        Buffer { messages: self.messages as usize, bytes: self.fills as usize }
    }

    fn tell_messages(&self) -> u64 {
        u64::from(self.messages / 2).clamp(1, TELL_MESSAGES)
    }

    fn tell_bytes(&self) -> u32 {
        (self.fills as u32 / 2).clamp(1, TELL_BYTES)
    }

    #[inline]
    pub(super) fn count(&mut self, bytes: usize) {
        if self.left <= 0 {
            self.move_marks();
        }
        self.received += 1;
        self.bytes = self.bytes.wrapping_add(bytes as u32);
        self.left = self.left.wrapping_sub(bytes as i32);
    }

    #[cold]
    fn move_marks(&mut self) {
        (self.older, self.newer, self.left) = (self.newer, self.received, self.fills);
    }

    /// So many bytes of the last message were not in the peer's buffer. With them a buffer would seem to be full that is not.
    pub(super) fn discount(&mut self, bytes: usize) {
        self.bytes = self.bytes.wrapping_sub(bytes as u32);
        self.left = self.left.wrapping_add(bytes as i32);
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The number to tell the peer, with so much too much here.
    pub(super) fn tell_but(&mut self, excess: Excess) -> u64 {
        if excess.messages == 0 && excess.bytes == 0 {
            self.told = self.received;
            self.told_bytes = self.bytes;
            return self.received;
        }
        let number = self.tellable(excess);
        self.told_bytes = self.told_bytes.wrapping_add(self.news_bytes(number));
        self.told = number;
        if self.bytes.wrapping_sub(self.told_bytes) < self.tell_bytes() {
            // What is kept back fills the peer's buffer: it is told at once when there is room.
            self.told_bytes = self.bytes.wrapping_sub(self.tell_bytes());
        }
        number
    }

    /// As much as there is too much stays unacknowledged, so it fills the peer's buffer, and the peer stops by itself: its pings never stand behind more messages than
    /// we have room for. What goes beyond a full buffer is acknowledged, for the peer may have to answer something before there is room here again.
    pub(super) fn tellable(&self, excess: Excess) -> u64 {
        let full = self.received.saturating_sub(u64::from(self.messages)).max(self.older);
        let by_messages = self.received.saturating_sub(excess.messages as u64);
        // How many messages too many bytes are is not known.
        let by_bytes = if excess.bytes == 0 { self.received } else { 0 };
        by_messages.min(by_bytes).max(full).max(self.told)
    }

    /// About how many of the bytes that the peer does not know to be here this number tells of.
    fn news_bytes(&self, number: u64) -> u32 {
        let (news, all) = (number - self.told, self.received - self.told);
        let bytes = u64::from(self.bytes.wrapping_sub(self.told_bytes));
        // Never more than all of them, so it fits again.
        bytes.saturating_mul(news).checked_div(all).unwrap_or(0) as u32
    }

    pub(super) fn is_told(&self) -> bool {
        self.told == self.received
    }

    /// Whether the peer should be told without waiting for an occasion.
    pub(super) fn is_overdue(&self, excess: Excess) -> bool {
        let number = self.tellable(excess);
        number - self.told >= self.tell_messages() || self.news_bytes(number) >= self.tell_bytes()
    }
}
