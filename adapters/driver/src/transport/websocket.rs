use super::frame;
use super::info::TransportInfo;
use crate::limits::Permit;
use crate::runtime::BoxStream;
use bowline_core::Close;
use futures_io::{AsyncRead, AsyncWrite};
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message, Utf8Bytes};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A whole text frame.
    Text(Utf8Bytes),
    /// A ping or a pong: the peer lives.
    Alive,
    /// What cannot be accepted; the transport has to be closed like this.
    Refused(Close),
    /// The peer said goodbye. The reply to it is waiting to be flushed.
    Closed,
    /// The connection is gone.
    Lost(io::Error),
}

/// How much is written to the buffer before the socket has to take some of it.
const OUT_HIGH: usize = 32 * 1024;
/// How many bytes of control frames may wait there before nothing is read any more: reading brings about pongs, which nothing else bounds.
const REPLIES_HIGH: usize = 4 * 1024;
/// tungstenite allocates this at once for every connection.
const READ_BUFFER: usize = 4 * 1024;

/// A WebSocket after its handshake.
///
/// tungstenite reads, checks and answers control frames; text frames are written here, into a buffer that can be given back.
pub(crate) struct WebSocket {
    ws: tungstenite::WebSocket<Io>,
    side: Side,
    info: Arc<TransportInfo>,
    /// Its place among the connections of the server.
    _permit: Option<Permit>,
}

impl WebSocket {
    /// `unread` are the bytes that came behind the handshake.
    pub(crate) fn new(
        stream: BoxStream,
        unread: Vec<u8>,
        side: Side,
        max_message: usize,
        info: TransportInfo,
        permit: Option<Permit>,
    ) -> Self {
        let io = Io { stream, waker: Waker::noop().clone(), out: Vec::new(), written: 0, flushed: true, replies: 0, replies_end: 0 };
        let role = match side {
            Side::Server => Role::Server,
            Side::Client => Role::Client,
        };
        // Nothing waits in tungstenite's own write buffer: `Io` takes whatever it is given.
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let ws = tungstenite::WebSocket::from_partially_read(io, unread, role, Some(config));
        Self { ws, side, info: Arc::new(info), _permit: permit }
    }

    pub(crate) fn info(&self) -> &Arc<TransportInfo> {
        &self.info
    }

    /// The next thing that comes in. After `Refused`, `Closed` and `Lost` it must not be asked again.
    pub(crate) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        self.ws.get_mut().wake(cx);
        Poll::Ready(match self.ws.read() {
            Ok(Message::Text(text)) => Incoming::Text(text),
            Ok(Message::Binary(_)) => Incoming::Refused(Close::BINARY),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Incoming::Alive,
            Ok(Message::Close(_)) => Incoming::Closed,
            Err(error) => return Self::read_error(error),
        })
    }

    fn read_error(error: Error) -> Poll<Incoming> {
        use tungstenite::error::ProtocolError;
        const NOT_UTF8: Close = Close { code: 1007, reason: "Text is not UTF-8" };
        const PROTOCOL: Close = Close { code: 1002, reason: "WebSocket protocol error" };
        Poll::Ready(match error {
            Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Error::Io(error) => Incoming::Lost(error),
            Error::Capacity(_) => Incoming::Refused(Close::TOO_BIG),
            Error::Utf8(_) => Incoming::Refused(NOT_UTF8),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Incoming::Lost(io::ErrorKind::UnexpectedEof.into()),
            Error::Protocol(_) => Incoming::Refused(PROTOCOL),
            // Reading ends with none of these but the first two, after a close.
            over @ (Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::AttackAttempt
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_)) => Incoming::Lost(io::Error::other(over)),
        })
    }

    /// Whether another frame may be written before the socket has taken some of what is waiting.
    pub(crate) fn has_room(&self) -> bool {
        self.ws.get_ref().waiting() < OUT_HIGH
    }

    /// Whether it may be read. Messages that wait to be written are no reason not to: two sides that push would wait for each other.
    pub(crate) fn may_read(&self) -> bool {
        self.ws.get_ref().replies < REPLIES_HIGH
    }

    /// Whether something is not with the peer's system yet, here or in the stream.
    pub(crate) fn is_flushed(&self) -> bool {
        self.ws.get_ref().flushed
    }

    /// How much waits to be flushed.
    pub(crate) fn waiting(&self) -> usize {
        self.ws.get_ref().waiting()
    }

    /// Writes one text frame: `fill` appends its payload, or nothing and says `None`. Returns whether there was one.
    pub(crate) fn write_text(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Option<usize>) -> bool {
        let mask = match self.side {
            Side::Server => None,
            Side::Client => Some(random_mask()),
        };
        let out = &mut self.ws.get_mut().out;
        let begun = frame::begin(out, mask);
        let filled = fill(out);
        // An empty text frame crashes Kurento's JavaScript client (PROTOCOL 1).
        if filled.is_some_and(|len| len > 0) {
            frame::seal(out, &begun);
        } else {
            frame::cancel(out, &begun);
        }
        filled.is_some()
    }

    /// Writes a WebSocket ping.
    pub(crate) fn write_ping(&mut self) {
        // `Io` takes everything; after a close there is nobody to ask any more.
        let _ = self.ws.write(Message::Ping(tungstenite::Bytes::new()));
    }

    /// Writes a Close frame. Nothing can be written behind it.
    pub(crate) fn write_close(&mut self, close: Close) {
        // As above: it cannot fail but by having been closed before.
        let _ = self.ws.close(Some(CloseFrame { code: CloseCode::from(close.code), reason: Utf8Bytes::from_static(close.reason) }));
    }

    /// Writes the reply to the peer's Close frame.
    pub(crate) fn write_close_reply(&mut self) {
        // For a server this says that the connection is closed now, which is known.
        let _ = self.ws.flush();
    }

    /// Gives the socket what is waiting.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ws.get_mut().poll_flush(cx)
    }

    /// Ends the sending side, so that the peer knows that nothing more will come.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ws.get_mut().stream).poll_close(cx)
    }

    /// Reads bytes without looking at them.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.ws.get_mut().stream).poll_read(cx, buf)
    }

    /// Gives back the memory that an idle connection need not hold.
    pub(crate) fn shrink(&mut self) {
        let io = self.ws.get_mut();
        if io.out.is_empty() {
            io.out = Vec::new();
        }
    }
}

fn random_mask() -> [u8; 4] {
    // Without a source of randomness no session could be secret either; a fixed key only loses what RFC 6455 section 10.3 protects, proxies.
    getrandom::u32().unwrap_or(0x5af1_c0de).to_ne_bytes()
}

/// tungstenite's blocking view of the stream.
struct Io {
    stream: BoxStream,
    waker: Waker,
    /// What goes to the socket; the first `written` bytes are there already.
    out: Vec<u8>,
    written: usize,
    /// Whether the stream, too, has passed on all that it was given: TLS keeps what the socket does not take.
    flushed: bool,
    /// Bytes of control frames that were put into `out` since it was last written beyond `replies_end`.
    replies: usize,
    /// Where the last of them ends in `out`.
    replies_end: usize,
}

impl Io {
    fn wake(&mut self, cx: &Context<'_>) {
        self.waker.clone_from(cx.waker());
    }

    fn waiting(&self) -> usize {
        self.out.len() - self.written
    }

    fn advance(&mut self, n: usize) {
        self.written += n;
        if self.written >= self.replies_end {
            self.replies = 0;
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed &= self.waiting() == 0;
        while self.waiting() > 0 {
            match Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => self.advance(n),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // Moved to the front only when that is cheap in proportion, so that a slow reader costs no copy for each write.
                    if self.written >= self.waiting() {
                        self.out.drain(..self.written);
                        self.replies_end = self.replies_end.saturating_sub(self.written);
                        self.written = 0;
                    }
                    return Poll::Pending;
                }
            }
        }
        self.out.clear();
        (self.written, self.replies_end) = (0, 0);
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.flushed = flushed.is_ready();
        flushed
    }
}

impl Read for Io {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match Pin::new(&mut self.stream).poll_read(&mut Context::from_waker(&self.waker), buf) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// Text frames go past it: what tungstenite writes by itself are control frames.
impl Write for Io {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(buf);
        self.replies += buf.len();
        self.replies_end = self.out.len();
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportKind;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A peer that pings without end, and takes what it is sent only when it is `open`.
    struct Pinging {
        at: usize,
        open: Arc<AtomicBool>,
    }

    impl AsyncRead for Pinging {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            for byte in &mut *buf {
                *byte = *[0x89, 2, b'h', b'i'].get(self.at % 4).unwrap();
                self.at += 1;
            }
            Poll::Ready(Ok(buf.len()))
        }
    }

    impl AsyncWrite for Pinging {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            if self.open.load(Ordering::Relaxed) { Poll::Ready(Ok(buf.len())) } else { Poll::Pending }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn pongs_that_are_not_taken_end_the_reading_and_messages_do_not() {
        let open = Arc::new(AtomicBool::new(false));
        let info = TransportInfo { kind: TransportKind::WebSocket, peer: None, headers: http::HeaderMap::new() };
        let stream = Pinging { at: 0, open: Arc::clone(&open) };
        let mut transport = WebSocket::new(Box::new(stream), Vec::new(), Side::Client, 1024, info, None);
        let mut cx = Context::from_waker(Waker::noop());
        transport.write_text(|out| {
            out.resize(out.len() + 2 * OUT_HIGH, b' ');
            Some(2 * OUT_HIGH)
        });
        assert!(!transport.has_room() && transport.may_read());
        while transport.may_read() {
            assert!(matches!(transport.poll_incoming(&mut cx), Poll::Ready(Incoming::Alive)));
            assert!(transport.waiting() < 2 * OUT_HIGH + 2 * REPLIES_HIGH);
        }
        assert!(transport.poll_flush(&mut cx).is_pending() && !transport.may_read());
        open.store(true, Ordering::Relaxed);
        assert!(transport.poll_flush(&mut cx).is_ready() && transport.may_read());
    }
}
