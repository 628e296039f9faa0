//! A session, and a client that reads the responses to its requests.
//!
//! What the client has read of responses that were written whole is what was sent, in order, and no less if the session goes on: it never loses a message in silence. Each response is as its kind has to
//! be; each deadline lies ahead once it has been handled; who is forgotten keeps nothing.

use arbitrary::Arbitrary;
use bowline_core::Instant;
use bowline_sockjs::{Admission, Close, Receiving, Reception, Session, Transmit};
use std::collections::VecDeque;
use std::time::Duration;

/// Those of a session, small.
#[derive(Arbitrary, Clone, Debug)]
pub struct Settings {
    heartbeat: u16,
    disconnect: u16,
    response_limit: u16,
}

/// What happens.
#[derive(Arbitrary, Clone, Debug)]
pub enum Operation {
    /// A request comes that waits for frames.
    Receive(u8),
    /// What there is to write is given out, as often as this.
    Transmit(u8),
    /// The connection has taken all that was given out.
    Written,
    /// It has taken some.
    Progress,
    /// It breaks.
    Gone,
    /// So many milliseconds pass.
    Pass(u16),
    /// A message is sent.
    Send(String),
    /// A longer one.
    SendLong(u16),
    /// It is closed.
    Close(u16, String),
    /// Somebody asks whether the client is there.
    Probe,
    /// It is ended.
    Abort,
}

/// No more happens, so that the next one's turn comes soon.
const MOST: usize = 400;
const CALLBACK: &str = "cb-_.1";

/// Lets it happen.
pub(super) fn run(settings: &Settings, operations: Vec<Operation>) {
    let settings = bowline_sockjs::Settings {
        heartbeat: Duration::from_millis(u64::from(settings.heartbeat) + 1),
        disconnect: Duration::from_millis(u64::from(settings.disconnect) + 1),
        response_limit: settings.response_limit.into(),
    };
    let mut link = Link {
        now: Instant::ORIGIN,
        settings,
        session: Session::new(Instant::ORIGIN, settings),
        request: None,
        sent: VecDeque::new(),
        greeted: false,
        closed: None,
        was_open: true,
        asked: false,
    };
    for operation in operations.into_iter().take(MOST) {
        link.operate(operation);
        link.check();
    }
}

/// A request of the client's that waits.
struct Request {
    receiving: Option<Receiving>,
    reception: Reception,
    /// What was given out for it.
    response: Vec<u8>,
    /// How many frames that is.
    frames: usize,
    ended: bool,
    /// When something was said last.
    said_at: Instant,
}

struct Link {
    now: Instant,
    settings: bowline_sockjs::Settings,
    session: Session,
    request: Option<Request>,
    /// Messages that the client has not read yet.
    sent: VecDeque<String>,
    greeted: bool,
    /// With what the application has closed it.
    closed: Option<Close>,
    was_open: bool,
    asked: bool,
}

impl Link {
    fn operate(&mut self, operation: Operation) {
        match operation {
            Operation::Receive(kind) => self.receive(kind),
            Operation::Transmit(times) => {
                for _ in 0..=times % 8 {
                    self.transmit();
                }
            }
            Operation::Written => self.written(),
            Operation::Progress => self.session.handle_progress(self.now),
            Operation::Gone => self.gone(),
            Operation::Pass(millis) => self.pass(Duration::from_millis(millis.into())),
            Operation::Send(message) => self.send(message),
            Operation::SendLong(length) => self.send("é\u{2028}".repeat(usize::from(length) % 4096)),
            Operation::Close(code, reason) => {
                let close = Close { code, reason };
                if self.session.is_open() {
                    self.closed = Some(close.clone());
                }
                self.session.close(self.now, close);
            }
            Operation::Probe => {
                self.session.probe();
                self.asked |= self.session.is_open();
            }
            Operation::Abort => self.session.abort(),
        }
        if self.session.take_answer() {
            assert!(std::mem::take(&mut self.asked), "nobody has asked");
        }
    }

    fn send(&mut self, message: String) {
        let before = self.session.waiting();
        self.session.send(&message);
        if self.session.is_open() {
            assert!(self.session.waiting() >= before + 2, "a message waits");
            self.sent.push_back(message);
        } else {
            assert_eq!(self.session.waiting(), before, "nothing is said to who is gone");
        }
    }

    fn receive(&mut self, kind: u8) {
        let all = [Receiving::Xhr, Receiving::XhrStreaming, Receiving::EventSource, Receiving::HtmlFile, Receiving::Jsonp];
        let receiving = all.get(usize::from(kind) % 6).copied();
        let query = format!("c={CALLBACK}");
        let reception = receiving.map_or(Reception::WebSocket, |receiving| Reception::of(receiving, Some(&query)).expect("a callback"));
        let (had, was_gone) = (self.session.has_receiver(), self.session.is_gone());
        match self.session.handle_receiver(self.now, reception.clone()) {
            Admission::Attached => {
                assert!(!had && !was_gone);
                let said_at = self.now;
                self.request = Some(Request { receiving, reception, response: Vec::new(), frames: 0, ended: false, said_at });
            }
            Admission::Later => assert!(had && self.request.as_ref().is_some_and(|request| request.ended), "nothing to wait for"),
            Admission::Refused(close) => {
                assert!(had);
                let is_known = if self.session.is_open() {
                    close == Close::another_receiver()
                } else {
                    self.closed.as_ref() == Some(&close) || close == interrupted()
                };
                assert!(is_known, "{close:?}");
                let mut response = Vec::new();
                Session::refusal(&reception, &close, &mut response);
                let frames = frames(&reception, receiving, &response, true);
                assert_eq!(frames.len(), 1, "{frames:?}");
                assert_eq!(close_of(&frames[0]), close);
            }
            Admission::Gone => assert!(was_gone),
        }
    }

    fn transmit(&mut self) {
        let mut out = b"!".to_vec();
        let transmit = self.session.poll_transmit(self.now, &mut out);
        assert_eq!(out[0], b'!', "it is appended");
        let Some(request) = self.request.as_mut().filter(|_| self.session.has_receiver()) else {
            assert_eq!((transmit, out.len()), (None, 1), "nobody waits");
            return;
        };
        assert!(transmit.is_none() || !request.ended, "there is something behind the end");
        assert_eq!(transmit.is_some(), out.len() > 1);
        let Some(transmit) = transmit else { return };
        if request.reception == Reception::WebSocket {
            // Each is a message of its own.
            request.response.extend_from_slice(&out[1..]);
            request.response.push(b'\n');
        } else {
            request.response.extend_from_slice(&out[1..]);
        }
        request.frames += 1;
        request.said_at = self.now;
        request.ended = transmit == Transmit::Last;
        assert!(request.reception.is_stream() || request.ended, "a poll has one frame");
    }

    /// The client reads what was written, if that was all.
    fn written(&mut self) {
        let had = self.session.has_receiver();
        self.session.handle_written(self.now);
        if let Some(request) = self.request.take_if(|request| had && request.ended) {
            assert!(!self.session.has_receiver());
            self.read(&request, true);
        }
    }

    /// What the client reads of a response, and whether that is all of it.
    fn read(&mut self, request: &Request, whole: bool) {
        let all = frames(&request.reception, request.receiving, &request.response, whole);
        let last = all.len().saturating_sub(1);
        for (n, frame) in all.iter().enumerate() {
            match frame.as_bytes().first() {
                Some(b'o') => {
                    assert!(frame == "o" && n == 0 && !std::mem::replace(&mut self.greeted, true), "{frame}");
                }
                Some(b'h') => assert_eq!(frame, "h"),
                Some(b'a') => {
                    assert!(self.greeted, "before the first frame");
                    assert!(!frame.chars().any(is_mangled), "{frame:?}");
                    let texts: Vec<String> = serde_json::from_str(&frame[1..]).expect("a list of strings");
                    assert!(!texts.is_empty());
                    for text in texts {
                        assert_eq!(self.sent.pop_front(), Some(text), "in order, and once");
                    }
                }
                Some(b'c') => {
                    assert_eq!(n, last, "behind the end");
                    let close = close_of(frame);
                    // What breaks off in front of the end leaves nothing of the rest.
                    if self.closed.as_ref() == Some(&close) {
                        assert!(self.sent.is_empty(), "something was in front of that");
                    } else {
                        assert_eq!(close, interrupted());
                    }
                }
                _ => unreachable!("no frame: {frame:?}"),
            }
        }
    }

    fn gone(&mut self) {
        let had = self.session.has_receiver();
        self.session.handle_receiver_gone(self.now);
        assert!(!self.session.has_receiver());
        if had {
            assert!(!self.session.is_open(), "nobody knows what has arrived");
            self.request = None;
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            assert!(self.session.poll_timeout().is_none_or(|next| next > self.now), "a deadline that is due after it was handled");
            self.check();
        }
        self.now = end;
    }

    fn check(&mut self) {
        let session = &self.session;
        assert!(!session.is_open() || !session.is_over());
        assert!(!session.is_gone() || session.is_over());
        assert!(self.was_open || !session.is_open(), "nobody comes back from there");
        self.was_open = session.is_open();
        if session.is_gone() {
            assert_eq!((session.poll_timeout(), session.waiting(), session.has_receiver()), (None, 0, false));
        } else {
            let ends = session.poll_timeout().expect("it ends, or says that it lives");
            let longest =
                if session.has_receiver() { self.settings.heartbeat.max(self.settings.disconnect) } else { self.settings.disconnect };
            assert!(ends <= self.now + longest);
        }
        // A request that the session has given up is nothing to the next one.
        if !session.has_receiver() && self.request.as_ref().is_some_and(|request| !request.ended || !session.is_open()) {
            self.request = None;
        }
        assert_eq!(session.has_receiver(), self.request.is_some());
    }
}

/// What a server has to escape, by the protocol.
fn is_mangled(c: char) -> bool {
    let c = u32::from(c);
    c < 0x20
        || (0x200c..=0x200f).contains(&c)
        || (0x2028..=0x202f).contains(&c)
        || (0x2060..=0x206f).contains(&c)
        || (0xfff0..=0xffff).contains(&c)
}

fn interrupted() -> Close {
    Close { code: 1002, reason: "Connection interrupted".into() }
}

fn close_of(frame: &str) -> Close {
    let (code, reason) = serde_json::from_str(frame.strip_prefix('c').expect("a close frame")).expect("a code and a reason");
    Close { code, reason }
}

/// The frames in a response, as a client of its kind takes them out.
fn frames(reception: &Reception, receiving: Option<Receiving>, response: &[u8], whole: bool) -> Vec<String> {
    let text = std::str::from_utf8(response).expect("text");
    let script = |quoted: &str| -> String {
        assert!(!quoted.contains(['<', '>', '&']), "{quoted}");
        serde_json::from_str(quoted).expect("a string of JavaScript that is one of JSON too")
    };
    let frames: Vec<String> = match receiving {
        None => text.lines().map(str::to_owned).collect(),
        Some(Receiving::Xhr) => vec![text.strip_suffix('\n').expect("a line").to_owned()],
        Some(Receiving::XhrStreaming) => {
            let rest = text.strip_prefix(&"h".repeat(2048)).and_then(|rest| rest.strip_prefix('\n')).expect("a prelude");
            rest.split_terminator('\n').map(str::to_owned).collect()
        }
        Some(Receiving::EventSource) => {
            let rest = text.strip_prefix("\r\n").expect("a prelude");
            let events = rest.split_terminator("\r\n\r\n");
            events.map(|event| event.strip_prefix("data: ").expect("an event").replace("%25", "%")).collect()
        }
        Some(Receiving::HtmlFile) => {
            let (page, rest) = text.split_at(1024 + 4);
            assert!(page.contains(&format!("var c = parent.{CALLBACK};\n")) && page.ends_with("\r\n\r\n"), "{page}");
            let scripts = rest.split_terminator(");\n</script>\r\n");
            scripts.map(|text| script(text.strip_prefix("<script>\np(").expect("a script"))).collect()
        }
        Some(Receiving::Jsonp) => {
            let quoted = text.strip_prefix(&format!("/**/{CALLBACK}(")).and_then(|rest| rest.strip_suffix(");\r\n"));
            vec![script(quoted.expect("a call"))]
        }
    };
    assert!(whole || reception.is_stream());
    frames
}
