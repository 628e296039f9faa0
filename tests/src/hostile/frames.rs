//! Frames that a peer might send: mostly well formed and near the mark, some broken.

use arbitrary::Arbitrary;

/// A frame.
#[derive(Arbitrary, Clone, Debug)]
pub enum Frame {
    /// One message.
    Message(Message),
    /// An answer to something that we asked for.
    Answer(Answer),
    /// Several messages.
    Batch(Vec<Member>),
    /// A message that stops short, or with a byte changed.
    Broken(Message, u8, Option<u8>),
    /// Anything.
    Raw(Vec<u8>),
}

/// What stands in a batch.
#[derive(Arbitrary, Clone, Debug)]
pub enum Member {
    /// A request or notification.
    Message(Message),
    /// An answer.
    Answer(Answer),
    /// Nothing that makes sense.
    Number(u8),
}

/// A request or notification.
#[derive(Arbitrary, Clone, Debug)]
pub struct Message {
    id: Id,
    method: Method,
    params: Params,
}

/// An id, and how it is spelled.
#[derive(Arbitrary, Clone, Debug)]
pub enum Id {
    /// None: a notification.
    None,
    /// `null`.
    Null,
    /// A number.
    Number(u8),
    /// A number in quotes.
    Quoted(u8),
    /// The next in line.
    Fresh,
    /// A large or negative number.
    Large(i64),
    /// A number with a fraction.
    Fraction(u8),
    /// No id at all.
    Wrong,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the methods of the demo handlers and of the protocol")]
pub enum Method {
    Echo,
    Later,
    Busy,
    Nothing,
    Fail,
    Connect,
    Ping,
    CloseSession,
    Count,
    Unknown,
}

/// The members of params.
#[derive(Arbitrary, Clone, Debug)]
pub struct Params {
    session: Session,
    resume: Option<Count>,
    max: Option<u16>,
    interval: Option<u16>,
    received: Option<Count>,
    pad: Option<u8>,
    shape: Shape,
}

/// Which session is named.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Session {
    /// None.
    None,
    /// One that there is, or was.
    Known(u8),
    /// One that there never was.
    Guess(u8),
    /// No session's name.
    Wrong,
}

/// A number of messages.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Count {
    /// None.
    Zero,
    /// All that were sent.
    All,
    /// So many fewer (or more, below zero).
    Short(i8),
    /// Whatever.
    Any(u64),
    /// No number.
    Wrong,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Shape {
    Object,
    Array,
    Text,
    None,
}

/// An answer to something that we asked for.
#[derive(Arbitrary, Clone, Debug)]
pub struct Answer {
    /// Which request of ours, counted back from the newest.
    to: u8,
    body: Body,
}

#[derive(Arbitrary, Clone, Debug)]
enum Body {
    /// As a server answers `connect`.
    Greeting {
        session: Session,
        resume: Option<Count>,
        max: Option<u16>,
    },
    /// As a server answers `ping`.
    Pong(Option<Count>),
    Result(u8),
    Error(ErrorCode),
    Both,
    Neither,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum ErrorCode {
    UnknownSession,
    MethodNotFound,
    Other(i32),
    Wrong,
}

/// What a peer knows when it writes a frame.
#[derive(Debug, Default)]
pub struct Known {
    /// Sessions that there are or were.
    pub sessions: Vec<String>,
    /// Messages that were sent to it.
    pub sent: u64,
    /// The ids of what it was asked.
    pub asked: Vec<String>,
    /// The last id that it used.
    pub last_id: u64,
}

impl Frame {
    /// Its bytes.
    #[must_use]
    pub fn write(&self, known: &mut Known) -> Vec<u8> {
        match self {
            Self::Message(message) => message.write(known).into(),
            Self::Answer(answer) => answer.write(known).into(),
            Self::Batch(members) => {
                let members: Vec<_> = members.iter().take(8).map(|member| member.write(known)).collect();
                format!("[{}]", members.join(",")).into()
            }
            Self::Broken(message, at, byte) => {
                let mut bytes = message.write(known).into_bytes();
                let at = usize::from(*at) % bytes.len();
                match byte {
                    Some(byte) => bytes[at] = *byte,
                    None => bytes.truncate(at),
                }
                bytes
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

impl Member {
    fn write(&self, known: &mut Known) -> String {
        match self {
            Self::Message(message) => message.write(known),
            Self::Answer(answer) => answer.write(known),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Message {
    fn write(&self, known: &mut Known) -> String {
        let id = match self.id {
            Id::None => String::new(),
            Id::Null => "null".to_owned(),
            Id::Number(n) => n.to_string(),
            Id::Quoted(n) => format!("\"{n}\""),
            Id::Fresh => {
                known.last_id += 1;
                known.last_id.to_string()
            }
            Id::Large(n) => n.to_string(),
            Id::Fraction(n) => format!("{n}.0"),
            Id::Wrong => "{}".to_owned(),
        };
        let id = if id.is_empty() { id } else { format!("\"id\":{id},") };
        let method = match self.method {
            Method::Echo => "echo",
            Method::Later => "later",
            Method::Busy => "busy",
            Method::Nothing => "nothing",
            Method::Fail => "fail",
            Method::Connect => "connect",
            Method::Ping => "ping",
            Method::CloseSession => "closeSession",
            Method::Count => "count",
            Method::Unknown => "unknown",
        };
        let params = self.params.write(known);
        format!("{{\"jsonrpc\":\"2.0\",{id}\"method\":\"{method}\"{params}}}")
    }
}

impl Params {
    fn write(&self, known: &Known) -> String {
        let mut members = Vec::new();
        members.extend(self.session.write(known));
        if let Some(count) = self.resume {
            members.push(resume_member(&count.write(known), self.max));
        }
        members.extend(self.interval.map(|ms| format!("\"interval\":{ms}")));
        members.extend(self.received.map(|count| format!("\"received\":{}", count.write(known))));
        members.extend(self.pad.map(|pad| format!("\"pad\":\"{}\"", "x".repeat(usize::from(pad) * 4))));
        match self.shape {
            Shape::Object => format!(",\"params\":{{{}}}", members.join(",")),
            Shape::Array => ",\"params\":[1]".to_owned(),
            Shape::Text => ",\"params\":\"text\"".to_owned(),
            Shape::None => String::new(),
        }
    }
}

impl Session {
    fn write(self, known: &Known) -> Option<String> {
        let name = match self {
            Self::None => return None,
            Self::Known(n) => known.sessions.get(usize::from(n) % known.sessions.len().max(1))?.clone(),
            Self::Guess(n) => format!("00000000-0000-4000-8000-0000000000{n:02x}"),
            Self::Wrong => return Some("\"sessionId\":5".to_owned()),
        };
        Some(format!("\"sessionId\":\"{name}\""))
    }
}

impl Count {
    fn write(self, known: &Known) -> String {
        match self {
            Self::Zero => "0".to_owned(),
            Self::All => known.sent.to_string(),
            Self::Short(n) => known.sent.saturating_add_signed(-i64::from(n)).to_string(),
            Self::Any(n) => n.to_string(),
            Self::Wrong => "-1".to_owned(),
        }
    }
}

impl Answer {
    fn write(&self, known: &Known) -> String {
        let back = usize::from(self.to) % known.asked.len().max(1);
        let id = known.asked.iter().rev().nth(back).map_or("1", String::as_str);
        let body = match &self.body {
            Body::Greeting { session, resume, max } => {
                let mut members = vec!["\"value\":\"OK\"".to_owned()];
                members.extend(session.write(known));
                if let Some(count) = resume {
                    members.push(resume_member(&count.write(known), *max));
                }
                format!("\"result\":{{{}}}", members.join(","))
            }
            Body::Pong(None) => "\"result\":{\"value\":\"pong\"}".to_owned(),
            Body::Pong(Some(count)) => format!("\"result\":{{\"value\":\"pong\",\"received\":{}}}", count.write(known)),
            Body::Result(n) => format!("\"result\":{n}"),
            Body::Error(code) => {
                let code = match code {
                    ErrorCode::UnknownSession => "40007".to_owned(),
                    ErrorCode::MethodNotFound => "-32601".to_owned(),
                    ErrorCode::Other(code) => code.to_string(),
                    ErrorCode::Wrong => "\"no\"".to_owned(),
                };
                format!("\"error\":{{\"code\":{code},\"message\":\"no\"}}")
            }
            Body::Both => "\"result\":1,\"error\":null".to_owned(),
            Body::Neither => "\"x\":1".to_owned(),
        };
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{body}}}")
    }
}

/// The member `resume`. Every other peer that says how long a message may be says what it keeps, too.
fn resume_member(received: &impl std::fmt::Display, max: Option<u16>) -> String {
    let sizes = match max {
        None => String::new(),
        Some(max) if max % 2 == 0 => format!(",\"max\":{max}"),
        Some(max) => format!(",\"max\":{max},\"messages\":{},\"bytes\":{}", max % 64, 4 * u32::from(max)),
    };
    format!("\"resume\":{{\"received\":{received}{sizes}}}")
}
