use super::scratch;
use crate::runtime::BoxStream;
use futures_io::AsyncWrite;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes on their way to the socket. Without any it holds no memory.
#[derive(Default)]
pub(super) struct Outgoing {
    /// The first `written` bytes are with the socket already.
    bytes: Vec<u8>,
    written: usize,
    /// Bytes of replies among them: what reading alone has brought about. Counted until the last of them is written.
    replies: usize,
    /// Where the last reply ends in `bytes`.
    replies_end: usize,
    /// Whether the stream has not passed on yet all that it was given: TLS keeps what the socket does not take.
    unflushed: bool,
    /// What was in the way the last time.
    blocked: Blocked,
    progress: bool,
}

/// Why not all went out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Blocked {
    /// It did.
    #[default]
    No,
    /// The stream takes no more.
    Full,
    /// The stream has taken all, and has not passed it on: TLS does so, and takes even more then, whether the peer takes anything or not.
    Behind,
}

impl Outgoing {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Whether the stream, too, has passed on everything.
    pub(super) fn is_flushed(&self) -> bool {
        !self.unflushed
    }

    /// Bytes of replies that wait, or have been written with a reply behind them that waits.
    pub(super) fn replies(&self) -> usize {
        self.replies
    }

    /// The buffer, to append to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = scratch::take_writing();
        }
        &mut self.bytes
    }

    /// Appends a reply.
    pub(super) fn reply(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        write(self.buffer());
        self.replies += self.bytes.len() - before;
        self.replies_end = self.bytes.len();
    }

    /// Gives `stream` what is here.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>, stream: &mut BoxStream) -> Poll<io::Result<()>> {
        let (before, was) = (self.len(), self.blocked);
        let flushed = self.poll_write(cx, stream);
        self.progress = match was {
            Blocked::No => false,
            Blocked::Full => self.len() < before,
            Blocked::Behind => matches!(flushed, Poll::Ready(Ok(()))),
        };
        self.blocked = match flushed {
            Poll::Ready(_) => Blocked::No,
            Poll::Pending if self.len() > 0 => Blocked::Full,
            Poll::Pending => Blocked::Behind,
        };
        flushed
    }

    /// Whether the last flush has shown that the peer takes what it is sent: the stream had no room, and now it had.
    pub(super) fn has_progressed(&self) -> bool {
        self.progress
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, stream: &mut BoxStream) -> Poll<io::Result<()>> {
        self.unflushed |= self.len() > 0;
        while self.len() > 0 {
            match Pin::new(&mut *stream).poll_write(cx, &self.bytes[self.written..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => self.advance(n),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // Moved to the front only when that is cheap in proportion, so that a slow reader costs no copy for each write.
                    if self.written >= self.len() {
                        self.bytes.drain(..self.written);
                        self.replies_end = self.replies_end.saturating_sub(self.written);
                        self.written = 0;
                    }
                    return Poll::Pending;
                }
            }
        }
        self.release();
        let flushed = Pin::new(stream).poll_flush(cx);
        self.unflushed = flushed.is_pending();
        flushed
    }

    /// Gives the buffer back, if there is nothing in it to be written.
    pub(super) fn release(&mut self) {
        if self.len() == 0 {
            scratch::give_writing(std::mem::take(&mut self.bytes));
            (self.written, self.replies, self.replies_end) = (0, 0, 0);
        }
    }

    fn advance(&mut self, n: usize) {
        self.written += n;
        if self.written >= self.replies_end {
            self.replies = 0;
        }
    }
}
