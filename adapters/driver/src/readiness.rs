use futures_io::{AsyncRead, AsyncWrite};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A socket that is not read in vain, for a [`Runtime`](crate::Runtime) whose sockets try to read before they wait, as smol's do.
///
/// A read that did not fill its buffer has taken all there was: instead of a second one, which the system would only refuse, it waits until the socket is readable.
/// That is a system call less for each message.
pub struct ReadinessStream<S, F> {
    stream: S,
    poll_readable: F,
    drained: bool,
}

impl<S, F> ReadinessStream<S, F>
where
    F: FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
{
    /// `poll_readable` is asked again until it is ready. It is ready, and wakes the task, once `stream` has something to read, or its end, that came before or after it
    /// was asked; it may be ready at once, and for nothing.
    pub fn new(stream: S, poll_readable: F) -> Self {
        Self { stream, poll_readable, drained: false }
    }
}

impl<S, F> AsyncRead for ReadinessStream<S, F>
where
    S: AsyncRead + Unpin,
    F: FnMut(&mut Context<'_>) -> Poll<io::Result<()>> + Unpin,
{
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        // Asked until it is ready, it has been told of what it woke for, and is not ready for that once more when the next message is waited for.
        if self.drained {
            ready!((self.poll_readable)(cx))?;
            self.drained = false;
        }
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.drained = read < buf.len();
        Poll::Ready(Ok(read))
    }
}

impl<S, F> AsyncWrite for ReadinessStream<S, F>
where
    S: AsyncWrite + Unpin,
    F: Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl<S: fmt::Debug, F> fmt::Debug for ReadinessStream<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessStream").field("stream", &self.stream).field("drained", &self.drained).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::task::Waker;

    /// Gives what it has, five bytes, and counts how often it is asked.
    struct Five(usize);

    impl AsyncRead for Five {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            self.0 += 1;
            Poll::Ready(Ok(buf.len().min(5)))
        }
    }

    #[test]
    fn a_read_that_was_not_filled_is_followed_by_a_wait() {
        let (asked, readable) = (Cell::new(0), Cell::new(false));
        let poll_readable = |_: &mut Context<'_>| {
            asked.set(asked.get() + 1);
            if readable.get() { Poll::Ready(Ok(())) } else { Poll::Pending }
        };
        let mut stream = ReadinessStream::new(Five(0), poll_readable);
        let mut cx = Context::from_waker(Waker::noop());
        let mut read = |buf: &mut [u8]| match Pin::new(&mut stream).poll_read(&mut cx, buf) {
            Poll::Ready(read) => (read.ok(), stream.stream.0),
            Poll::Pending => (None, stream.stream.0),
        };
        assert_eq!(read(&mut [0; 5]), (Some(5), 1), "it need not wait to be read first");
        assert_eq!(read(&mut [0; 8]), (Some(5), 2), "what filled the buffer may have left something");
        assert_eq!((asked.get(), read(&mut [0; 8]), asked.get()), (0, (None, 2), 1), "what did not has left nothing");
        assert_eq!((read(&mut [0; 8]), asked.get()), ((None, 2), 2), "who is woken for something else waits on");
        readable.set(true);
        assert_eq!((read(&mut [0; 5]), asked.get()), ((Some(5), 3), 3));
        assert_eq!((read(&mut [0; 5]), asked.get()), ((Some(5), 4), 3));
    }
}
