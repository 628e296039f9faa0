//! What a client says: sessions, requests, acknowledgements.

use crate::contender::{Resumption, Server, Talk};
use crate::frame;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

/// Ids of requests have nine digits, so that all frames of one kind have one length. Ids of the few other messages have fewer.
pub(crate) const FIRST_ID: u32 = 100_000_000;
/// The digits of such an id.
pub(crate) const ID_DIGITS: usize = 9;

/// Where a client is after its handshake.
pub(crate) struct Begun {
    pub(crate) stream: TcpStream,
    /// The session's id, where there is a session.
    pub(crate) session: Option<String>,
    /// Requests so far, for their ids.
    asked: u32,
}

impl Talk {
    fn resumption(self) -> Resumption {
        match self {
            Self::Plain => Resumption::Off,
            Self::Strict(resumption) | Self::Kurento(resumption) => resumption,
        }
    }

    /// Whether received messages have to be acknowledged.
    pub(crate) fn acknowledges(self) -> bool {
        self.resumption() == Resumption::On
    }

    pub(crate) fn has_session(self) -> bool {
        self != Self::Plain
    }

    /// A connection to `server`, with a session if this talk has one. `resume` is a session to come back to, and how many messages of it
    /// were received.
    pub(crate) fn begin(self, server: &Server, resume: Option<(&str, u64)>) -> Result<Begun> {
        let mut stream = server.connect()?;
        if !self.has_session() {
            return Ok(Begun { stream, session: None, asked: 0 });
        }
        let mut params = Vec::new();
        if let Some((session, _)) = resume {
            params.push(format!(r#""sessionId":"{session}""#));
        }
        if self.acknowledges() {
            params.push(format!(r#""resume":{{"received":{}}}"#, resume.map_or(0, |(_, received)| received)));
        }
        let connect = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"connect","params":{{{}}}}}"#, params.join(","));
        let answer = ask(&mut stream, &connect)?;
        let session = answer["result"]["sessionId"].as_str().with_context(|| format!("no session: {answer}"))?;
        if self.acknowledges() && answer["result"].get("resume").is_none() {
            bail!("no resumption: {answer}");
        }
        if resume.is_some_and(|(wanted, _)| wanted != session) {
            bail!("another session: {answer}");
        }
        Ok(Begun { session: Some(session.to_owned()), stream, asked: u32::from(resume.is_some()) })
    }

    /// A request in the session of `begun`, ready to be sent with any id.
    pub(crate) fn request(self, begun: &Begun, method: &str, params: usize) -> Request {
        let mut text = format!(r#"{{"jsonrpc":"2.0","id":{FIRST_ID},"method":"{method}","params":{{"text":""#);
        let id_at = r#"{"jsonrpc":"2.0","id":"#.len();
        let filler = "The quick brown fox jumps over the lazy dog and runs on. ";
        let echoed: String = filler.chars().cycle().take(params.saturating_sub(r#"{"text":""}"#.len())).collect();
        text.push_str(&echoed);
        text.push('"');
        if let (Self::Kurento(_), Some(session)) = (self, &begun.session) {
            // A string takes everything.
            let _ = write!(text, r#","sessionId":"{session}""#);
        }
        text.push_str("}}");
        let frame = frame::masked(&text);
        Request { id_at: frame.len() - text.len() + id_at, mask_at: id_at, frame, echoed }
    }
}

impl Talk {
    /// Asks for `method` and waits for the answer, whose params must come back.
    pub(crate) fn call(self, begun: &mut Begun, method: &str, params: usize) -> Result<()> {
        let mut frame = Vec::new();
        let mut request = self.request(begun, method, params);
        begun.asked += 1;
        request.write(FIRST_ID + begun.asked, &mut frame);
        begun.stream.write_all(&frame)?;
        let answer = read_text(&mut begun.stream)?;
        if memchr::memmem::find(&answer, request.echoed.as_bytes()).is_none() {
            bail!("the answer is not what was sent: {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    pub(crate) fn echo(self, begun: &mut Begun, params: usize) -> Result<()> {
        self.call(begun, "echo", params)
    }

    /// Says that every answer so far has arrived.
    pub(crate) fn acknowledge(self, begun: &mut Begun) -> Result<()> {
        let ping = format!(r#"{{"jsonrpc":"2.0","id":3,"method":"ping","params":{{"received":{}}}}}"#, begun.asked);
        let pong = ask(&mut begun.stream, &ping)?;
        if pong["result"]["value"] != "pong" {
            bail!("no pong: {pong}");
        }
        Ok(())
    }

    /// Ends the session, and then the connection as WebSocket has it.
    pub(crate) fn end(self, mut begun: Begun) -> Result<()> {
        if self.has_session() {
            begun.stream.write_all(&frame::masked(r#"{"jsonrpc":"2.0","id":2,"method":"closeSession"}"#))?;
            // "bye", and maybe the server's Close right behind.
            if begun.stream.read(&mut [0; 1024])? == 0 {
                bail!("no answer to closeSession");
            }
        }
        // Who has closed already takes this no more.
        let _ = begun.stream.write_all(&frame::masked_close());
        let _ = begun.stream.shutdown(Shutdown::Write);
        let mut rest = [0; 1024];
        loop {
            match begun.stream.read(&mut rest) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error).context("waiting for the end of a connection"),
            }
        }
    }
}

/// A masked frame in which only the id changes.
pub(crate) struct Request {
    frame: Vec<u8>,
    id_at: usize,
    mask_at: usize,
    /// The text that has to come back.
    pub(crate) echoed: String,
}

impl Request {
    /// Puts the frame with this id behind `out`.
    pub(crate) fn write(&mut self, id: u32, out: &mut Vec<u8>) {
        let mut rest = id;
        for place in (0..ID_DIGITS).rev() {
            // The remainder of ten fits into a byte.
            let digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            self.frame[self.id_at + place] = digit ^ frame::MASK[(self.mask_at + place) % 4];
        }
        out.extend_from_slice(&self.frame);
    }
}

/// Sends a message and reads the one frame that answers it.
fn ask(stream: &mut TcpStream, message: &str) -> Result<Value> {
    stream.write_all(&frame::masked(message))?;
    let answer = read_text(stream)?;
    serde_json::from_slice(&answer).context("an answer that is no JSON")
}

/// Reads one text frame. Nothing may come behind it unasked.
pub(crate) fn read_text(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 8192]);
    loop {
        if let Ok(found) = frame::find(&bytes, 0) {
            if found.opcode != frame::TEXT || found.payload.end != bytes.len() {
                bail!("not the one text frame that was expected");
            }
            return Ok(bytes.split_off(found.payload.start));
        }
        let n = stream.read(&mut chunk).context("no answer")?;
        if n == 0 {
            bail!("the connection was closed");
        }
        bytes.extend_from_slice(&chunk[..n]);
    }
}
