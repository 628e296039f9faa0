use super::info::TransportInfo;
use super::outgoing::Outgoing;
use super::scratch;
use crate::limits::Permit;
use crate::runtime::BoxStream;
use bowline_core::Close;
use bowline_websocket::{Decoder, Draft, Event, Kind, Role, Violation, close, ping, pong};
use futures_io::{AsyncRead, AsyncWrite};
use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming<'a> {
    /// A whole text message.
    Text(Cow<'a, str>),
    /// A ping or a pong: the peer lives.
    Alive,
    /// What cannot be accepted; the transport has to be closed like this.
    Refused(Close),
    /// The peer said goodbye, with this code and text. The reply to it is waiting to be flushed.
    Closed(Option<(u16, String)>),
}

/// Bytes that were read, of which those from `at` on are not decoded yet.
pub(crate) struct Input {
    bytes: Vec<u8>,
    at: usize,
    end: usize,
    /// Whose the buffer is: the thread's, or the connection's own.
    owner: Owner,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Thread,
    Connection,
}

/// How much is written to the buffer before the socket has to take some of it.
const OUT_HIGH: usize = 64 * 1024;
/// How many bytes of control frames may wait there before nothing is read any more: reading brings about pongs, which nothing else bounds.
const REPLIES_HIGH: usize = 4 * 1024;

/// A WebSocket after its handshake.
///
/// It holds a buffer only as long as there is something in it: what was read and not yet decoded, the beginning of a message, what the socket has not taken.
pub(crate) struct WebSocket {
    stream: BoxStream,
    decoder: Decoder,
    /// What was read and could not be dealt with. Boxed, for it is seldom there.
    unread: Option<Box<Input>>,
    out: Outgoing,
    side: Side,
    /// Whether a close frame was written.
    said_goodbye: bool,
    info: Arc<TransportInfo>,
    /// Its place among the connections of the server.
    _permit: Option<Permit>,
}

impl Input {
    /// What is not decoded yet.
    pub(crate) fn rest(&mut self) -> &mut [u8] {
        &mut self.bytes[self.at..self.end]
    }

    /// Whether it filled the buffer that it was read into, so that there is probably more.
    pub(crate) fn is_full(&self) -> bool {
        self.end == self.bytes.len()
    }

    /// Only the last `n` bytes of it are left to be decoded.
    pub(crate) fn keep_last(&mut self, n: usize) {
        self.at = self.end.saturating_sub(n);
    }

    /// Gives its buffer back, with whatever is in it.
    pub(crate) fn recycle(self) {
        match self.owner {
            Owner::Thread => scratch::give_reading(self.bytes),
            Owner::Connection => {}
        }
    }
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
        let role = match side {
            Side::Server => Role::Server,
            Side::Client => Role::Client,
        };
        let decoder = Decoder::new(role, max_message);
        let (out, info) = (Outgoing::default(), Arc::new(info));
        let mut transport = Self { stream, decoder, unread: None, out, side, said_goodbye: false, info, _permit: permit };
        transport.set_unread(unread);
        transport
    }

    pub(crate) fn info(&self) -> &Arc<TransportInfo> {
        &self.info
    }

    /// The next bytes, to be given to [`decode`](Self::decode) and then to [`put_back`](Self::put_back). An error if nothing more will come.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Input>> {
        if let Some(unread) = self.unread.take() {
            return Poll::Ready(Ok(*unread));
        }
        let mut bytes = scratch::take_reading();
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut bytes);
        if let Poll::Ready(Ok(end @ 1..)) = read {
            return Poll::Ready(Ok(Input { bytes, at: 0, end, owner: Owner::Thread }));
        }
        scratch::give_reading(bytes);
        read.map(|read| Err(read.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())))
    }

    /// The next thing in `bytes`, which it takes from the front; `None` once they are used up. After `Refused` and `Closed` it must not be asked again.
    pub(crate) fn decode<'a>(&mut self, bytes: &mut &'a mut [u8]) -> Option<Incoming<'a>> {
        Some(match self.decoder.decode(bytes) {
            Ok(None) => return None,
            Ok(Some(Event::Text(text))) => Incoming::Text(text),
            Ok(Some(Event::Binary(_))) => Incoming::Refused(Close::BINARY),
            Ok(Some(Event::Ping(payload))) => {
                if !self.said_goodbye {
                    let mask = self.mask();
                    self.out.reply(|out| pong(out, &payload, mask));
                }
                Incoming::Alive
            }
            Ok(Some(Event::Pong(_))) => Incoming::Alive,
            Ok(Some(Event::Close(frame))) => {
                self.write_goodbye(frame.as_ref().map(|frame| (frame.code, "")));
                Incoming::Closed(frame.map(|frame| (frame.code, frame.reason.into())))
            }
            Err(violation) => Incoming::Refused(refusal(violation)),
        })
    }

    /// Gives back what [`poll_read`](Self::poll_read) gave: what is left of it comes first the next time.
    pub(crate) fn put_back(&mut self, input: Input) {
        if input.at < input.end {
            match input.owner {
                Owner::Connection => {
                    self.unread = Some(Box::new(input));
                    return;
                }
                Owner::Thread => self.set_unread(input.bytes[input.at..input.end].to_vec()),
            }
        }
        input.recycle();
    }

    /// Lets `unread` be what is read next, in place of what was left to be decoded.
    pub(crate) fn set_unread(&mut self, unread: Vec<u8>) {
        let input = Input { at: 0, end: unread.len(), bytes: unread, owner: Owner::Connection };
        self.unread = (input.end > 0).then(|| Box::new(input));
    }

    /// Whether another frame may be written before the socket has taken some of what is waiting.
    pub(crate) fn has_room(&self) -> bool {
        self.out.len() < OUT_HIGH
    }

    /// Whether it may be read. Messages that wait to be written are no reason not to: two sides that push would wait for each other.
    pub(crate) fn may_read(&self) -> bool {
        self.out.replies() < REPLIES_HIGH
    }

    /// Whether all that was written is with the system: nothing waits here or in the stream.
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.len() == 0 && self.out.is_flushed()
    }

    /// Whether the last flush has shown that the peer takes what it is sent: the stream had no room before.
    pub(crate) fn has_progressed(&self) -> bool {
        self.out.has_progressed()
    }

    /// How much waits to be flushed.
    pub(crate) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Writes one text frame: `fill` appends its payload, or nothing and says `None`. Returns whether there was one.
    pub(crate) fn write_text(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Option<usize>) -> bool {
        let mask = self.mask();
        let mut draft = Draft::begin(self.out.buffer(), Kind::Text, mask);
        let filled = fill(draft.payload());
        // An empty text frame crashes Kurento's JavaScript client (PROTOCOL 1).
        if filled.is_some_and(|len| len > 0) {
            draft.seal();
        } else {
            drop(draft);
            self.out.release();
        }
        filled.is_some()
    }

    /// Writes a WebSocket ping.
    pub(crate) fn write_ping(&mut self) {
        let mask = self.mask();
        // After a close frame there is nobody to ask any more.
        if !self.said_goodbye {
            self.out.reply(|out| ping(out, &[], mask));
        }
    }

    /// Writes a Close frame. Nothing can be written behind it.
    pub(crate) fn write_close(&mut self, close: Close) {
        self.write_goodbye(Some((close.code, close.reason)));
    }

    fn write_goodbye(&mut self, why: Option<(u16, &str)>) {
        let mask = self.mask();
        if !self.said_goodbye {
            self.said_goodbye = true;
            self.out.reply(|out| close(out, why, mask));
        }
    }

    fn mask(&self) -> Option<[u8; 4]> {
        match self.side {
            Side::Server => None,
            Side::Client => Some(scratch::mask()),
        }
    }

    /// Gives the socket what is waiting.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.out.poll_flush(cx, &mut self.stream)
    }

    /// Ends the sending side, so that the peer knows that nothing more will come.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }

    /// Reads bytes without looking at them.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

/// With what a peer is sent away that does not keep to RFC 6455.
fn refusal(violation: Violation) -> Close {
    tracing::debug!(%violation, "a peer breaks the WebSocket protocol");
    match violation.close_code() {
        1007 => Close { code: 1007, reason: "Text is not UTF-8" },
        1009 => Close::TOO_BIG,
        _ => Close { code: 1002, reason: "WebSocket protocol error" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportKind;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Waker;

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
        let info = TransportInfo::new(TransportKind::WebSocket, None, http::HeaderMap::new());
        let stream = Pinging { at: 0, open: Arc::clone(&open) };
        let mut transport = WebSocket::new(Box::new(stream), Vec::new(), Side::Client, 1024, info, None);
        let mut cx = Context::from_waker(Waker::noop());
        transport.write_text(|out| {
            out.resize(out.len() + 2 * OUT_HIGH, b' ');
            Some(2 * OUT_HIGH)
        });
        assert!(!transport.has_room() && transport.may_read());
        while transport.may_read() {
            let Poll::Ready(Ok(mut input)) = transport.poll_read(&mut cx) else { panic!("there are always more pings") };
            let mut rest = input.rest();
            while transport.may_read()
                && let Some(incoming) = transport.decode(&mut rest)
            {
                assert!(matches!(incoming, Incoming::Alive));
                assert!(transport.waiting() < 2 * OUT_HIGH + 2 * REPLIES_HIGH);
            }
            let left = rest.len();
            input.keep_last(left);
            transport.put_back(input);
        }
        assert!(transport.poll_flush(&mut cx).is_pending() && !transport.may_read());
        open.store(true, Ordering::Relaxed);
        assert!(transport.poll_flush(&mut cx).is_ready() && transport.may_read());
    }
}
