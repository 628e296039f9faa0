//! What is measured, once for the clock and once for the counts: an endpoint that answers what it is sent.

#![allow(dead_code, reason = "each bench uses its part")]

use bowline_core::{Action, Dialect, Endpoint, Instant, Json, Outcome, Received, ServerConfig, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// A peer with resumption says how much it has received after so many messages …
const ACKNOWLEDGE_MESSAGES: usize = 256;
/// … or so many bytes, as ours does.
const ACKNOWLEDGE_BYTES: usize = 64 * 1024;

/// One kind of echo.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) resume: bool,
    /// Whether the peer names its session in the params of every request, as Kurento's clients do.
    pub(crate) names_session: bool,
    /// Whether the frames come as bytes that nobody has checked to be UTF-8.
    pub(crate) checks_utf8: bool,
    /// Bytes of the text that is echoed.
    pub(crate) payload: usize,
}

const RESUME: Kind = Kind { name: "", dialect: Dialect::Kurento, resume: true, names_session: false, checks_utf8: false, payload: 100 };

/// The kinds that are measured.
pub(crate) const KINDS: [Kind; 10] = [
    Kind { name: "resume-100", ..RESUME },
    Kind { name: "resume-4k", payload: 4096, ..RESUME },
    Kind { name: "plain-100", resume: false, ..RESUME },
    Kind { name: "plain-4k", resume: false, payload: 4096, ..RESUME },
    Kind { name: "named-100", names_session: true, ..RESUME },
    Kind { name: "named-4k", names_session: true, payload: 4096, ..RESUME },
    Kind { name: "strict-100", dialect: Dialect::Strict, ..RESUME },
    Kind { name: "strict-4k", dialect: Dialect::Strict, payload: 4096, ..RESUME },
    Kind { name: "bytes-100", checks_utf8: true, ..RESUME },
    Kind { name: "bytes-4k", checks_utf8: true, payload: 4096, ..RESUME },
];

impl Kind {
    fn acknowledged_every(&self) -> usize {
        ACKNOWLEDGE_MESSAGES.min(ACKNOWLEDGE_BYTES / self.payload)
    }

    /// The configuration of its endpoints, which all sessions of a path share.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::new(ServerConfig { dialect: self.dialect, ..ServerConfig::default() })
    }
}

/// A server's endpoint with a session, and the frames that its peer will send.
pub(crate) struct Echo {
    server: Endpoint<()>,
    frames: Vec<String>,
    next: usize,
    out: Vec<u8>,
    now: Instant,
    resume: bool,
    checks_utf8: bool,
}

impl Echo {
    /// An endpoint that will be sent `count` requests.
    pub(crate) fn new(kind: Kind, config: &Arc<ServerConfig>, count: usize) -> Self {
        let id = SessionId::from_random([7; 16]);
        let named = if kind.names_session { format!(r#","sessionId":"{}""#, id.reveal()) } else { String::new() };
        let frame = |number| {
            let text = text_of(number, kind.payload);
            format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"echo","params":{{"text":"{text}"{named}}}}}"#)
        };
        let mut frames = Vec::new();
        for number in 1..=count {
            frames.push(frame(number));
            if kind.resume && number % kind.acknowledged_every() == 0 {
                frames.push(format!(r#"{{"jsonrpc":"2.0","id":0,"method":"ping","params":{{"received":{number}}}}}"#));
            }
        }
        let mut server = Endpoint::server(Arc::clone(config), id);
        assert!(server.handle_attached(Instant::ORIGIN).is_none());
        let connect = if kind.resume { r#"{"resume":{"received":0}}"# } else { "{}" };
        let connect = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"connect","params":{connect}}}"#);
        assert!(matches!(server.handle_frame(Instant::ORIGIN, connect.as_bytes()), Received::Handled));
        let mut echo = Self {
            server,
            frames,
            next: 0,
            out: Vec::with_capacity(64 * 1024),
            now: Instant::ORIGIN,
            resume: kind.resume,
            checks_utf8: kind.checks_utf8,
        };
        echo.settle();
        assert_eq!(echo.server.is_resumable(), kind.resume);
        echo
    }

    /// The next frame in, what it causes out. An echo, or now and then a ping that acknowledges.
    pub(crate) fn step(&mut self) {
        let Self { server, frames, next, now, checks_utf8, .. } = self;
        let frame = &frames[*next];
        *next += 1;
        assert!(server.wants_read());
        let received = if *checks_utf8 { server.handle_frame(*now, frame.as_bytes()) } else { server.handle_text(*now, frame) };
        match received {
            Received::Request(request) => {
                while let Some(action) = server.poll_action() {
                    black_box(action);
                }
                server.respond(*now, request.responder, Outcome::Result(request.params.unwrap_or(Json::NULL)));
            }
            Received::Handled => {}
            Received::HandOver(_) => unreachable!("there is one session"),
        }
        self.settle();
    }

    /// Frames that are left.
    pub(crate) fn left(&self) -> usize {
        self.frames.len() - self.next
    }

    /// Time passes. A peer with resumption acknowledges what it has had.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.server.handle_timeout(self.now);
        if self.resume {
            let ping = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"ping","params":{{"received":{}}}}}"#, self.next);
            assert!(matches!(self.server.handle_frame(self.now, ping.as_bytes()), Received::Handled));
            self.settle();
        }
    }

    /// Forgets the frames, whose memory is the bench's and not the endpoint's.
    pub(crate) fn into_endpoint(self) -> Endpoint<()> {
        self.server
    }

    fn settle(&mut self) {
        while let Some(action) = self.server.poll_action() {
            assert!(!matches!(action, Action::Serve(_)), "there is room for every request at once");
        }
        self.out.clear();
        while self.server.poll_transmit(&mut self.out).is_some() {}
        assert!(!self.out.is_empty());
        black_box(&self.out);
    }
}

/// A peer that sends a request again and again while it is in flight, beside as many others as may be: nothing is to be done, but to see that.
pub(crate) struct Repeated {
    server: Endpoint<()>,
    frame: String,
}

impl Repeated {
    pub(crate) fn new() -> Self {
        let config = Arc::new(ServerConfig::default());
        let others = config.limits.in_flight - 1;
        let mut server = Endpoint::server(config, SessionId::from_random([7; 16]));
        assert!(server.handle_attached(Instant::ORIGIN).is_none());
        // The worst ids that there are: long texts that differ at their ends, and are numbers.
        let frame = |number| format!(r#"{{"jsonrpc":"2.0","id":"1{number:0250}","method":"wait"}}"#);
        for number in 0..others {
            let _ = server.handle_text(Instant::ORIGIN, &frame(number));
        }
        assert!(server.wants_read(), "one more is taken in");
        Self { server, frame: frame(others - 1) }
    }

    pub(crate) fn step(&mut self) {
        assert!(matches!(self.server.handle_text(Instant::ORIGIN, &self.frame), Received::Handled));
    }
}

/// What a program without sessions does: the envelope read and written by serde_json, the params untouched.
pub(crate) struct Bare {
    frame: Vec<u8>,
    out: Vec<u8>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[allow(dead_code, reason = "read, as it must be")]
    jsonrpc: &'a str,
    id: u64,
    method: &'a str,
    #[serde(borrow)]
    params: &'a RawValue,
}

#[derive(Serialize)]
struct Response<'a> {
    jsonrpc: &'a str,
    id: u64,
    result: &'a RawValue,
}

impl Bare {
    pub(crate) fn new(payload: usize) -> Self {
        let text = text_of(1, payload);
        let frame = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":{{"text":"{text}"}}}}"#);
        Self { frame: frame.into_bytes(), out: Vec::with_capacity(64 * 1024) }
    }

    pub(crate) fn step(&mut self) {
        let request: Request<'_> = serde_json::from_slice(&self.frame).expect("a request");
        assert_eq!(request.method, "echo");
        self.out.clear();
        serde_json::to_writer(&mut self.out, &Response { jsonrpc: "2.0", id: request.id, result: request.params }).expect("a response");
        black_box(&self.out);
    }
}

/// Text of so many bytes, with a number in it and nothing to escape.
fn text_of(number: usize, bytes: usize) -> String {
    let mut text = format!("{number} ");
    while text.len() < bytes {
        text.push_str("the quick brown fox jumps over the lazy dog; ");
    }
    text.truncate(bytes);
    text
}
