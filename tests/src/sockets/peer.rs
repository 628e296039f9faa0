//! A WebSocket peer that is not ours, for frames that ours never sends.

use super::PATIENCE;
use crate::raw_frame::{Length, RawFrame};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// The head of an HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// All of it, as it came.
    pub text: String,
}

/// A blocking WebSocket client on one connection. Everything it waits for, it waits for within [`PATIENCE`].
#[derive(Debug)]
pub struct Peer<S = TcpStream> {
    socket: WebSocket<S>,
    last_id: u64,
}

impl Peer {
    /// Connects to `path`.
    ///
    /// # Panics
    ///
    /// If that fails.
    #[must_use]
    pub fn connect(address: SocketAddr, path: &str) -> Self {
        Self::over(Self::open(address).expect("the server is there"), path)
    }

    /// Opens a TCP connection that will not wait for ever.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn open(address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Asks for a WebSocket with more `headers`. Returns whatever the server answers.
    ///
    /// # Errors
    ///
    /// If the connection ends before there is an answer.
    pub fn handshake(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<(Head, TcpStream)> {
        let mut stream = Self::open(address)?;
        let head = ask(&mut stream, &address.to_string(), path, headers)?;
        Ok((head, stream))
    }

    /// Reads the head of an HTTP answer, and nothing behind it.
    ///
    /// # Errors
    ///
    /// If the connection ends first, or that is no HTTP.
    pub fn read_head(stream: &mut impl Read) -> io::Result<Head> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            bytes.extend_from_slice(&byte);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Head { status: status.ok_or(io::ErrorKind::InvalidData)?, text })
    }
}

/// Asks for a WebSocket, and reads the head of the answer.
pub(super) fn ask(stream: &mut (impl Read + Write), host: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<Head> {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    );
    stream.write_all(request.as_bytes())?;
    Peer::read_head(stream)
}

/// On any connection.
impl<S: Read + Write> Peer<S> {
    /// Asks for a WebSocket at `path` over `stream`.
    ///
    /// # Panics
    ///
    /// If the server does not grant it.
    #[must_use]
    pub fn over(mut stream: S, path: &str) -> Self {
        let head = ask(&mut stream, "localhost", path, &[]).expect("the server answers");
        assert_eq!(head.status, 101, "{}", head.text);
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        Self { socket: WebSocket::from_raw_socket(stream, Role::Client, Some(config)), last_id: 0 }
    }

    /// Sends a text frame.
    ///
    /// # Panics
    ///
    /// If the connection does not take it.
    pub fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("the connection takes it");
    }

    /// Sends any message, and says whether the connection took it.
    pub fn message(&mut self, message: Message) -> bool {
        self.socket.send(message).is_ok()
    }

    /// Sends bytes that need not be a frame, and says whether the connection took them.
    pub fn bytes(&mut self, bytes: &[u8]) -> bool {
        self.socket.get_mut().write_all(bytes).is_ok()
    }

    /// The next text frame.
    ///
    /// # Panics
    ///
    /// If something else comes, a ping excepted.
    pub fn read(&mut self) -> Value {
        loop {
            match self.socket.read().expect("a frame") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => unexpected(&other),
            }
        }
    }

    /// Sends a request. Returns its id.
    pub fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        self.text(&json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params }).to_string());
        self.last_id
    }

    /// Sends a request, and reads up to its answer.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.request(method, params);
        loop {
            let answer = self.read();
            if answer["id"] == json!(id) && answer.get("method").is_none() {
                return answer;
            }
        }
    }

    /// Sends `connect`. Returns the id of the session.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn greet(&mut self) -> String {
        let answer = self.call("connect", &json!({}));
        answer["result"]["sessionId"].as_str().expect("a session id").to_owned()
    }

    /// Comes back to `session`. Returns the answer.
    pub fn resume(&mut self, session: &str) -> Value {
        self.call("connect", &json!({ "sessionId": session }))
    }

    /// Reads up to the Close frame, and says with which code it comes. `None` if the connection ends without one.
    ///
    /// # Panics
    ///
    /// If it neither closes nor ends within [`PATIENCE`].
    pub fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            match self.socket.read() {
                Ok(Message::Close(close)) => return close.map(|close| (u16::from(close.code), close.reason.to_string())),
                Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => unexpected(&"silence"),
                Err(_) => return None,
            }
        }
    }

    /// The next message, whatever it is.
    ///
    /// # Panics
    ///
    /// If none comes in time, or the connection breaks.
    pub fn message_in(&mut self) -> Message {
        match self.socket.read() {
            Ok(message) => message,
            Err(error) => unexpected(&error),
        }
    }

    /// The connection below.
    #[must_use]
    pub fn stream(&self) -> &S {
        self.socket.get_ref()
    }
}

#[expect(clippy::panic, reason = "a harness for tests, in which a panic is the failure")]
fn unexpected(what: &dyn std::fmt::Debug) -> ! {
    panic!("unexpected: {what:?}")
}

/// A frame as a client sends it, with any first byte (FIN, reserved bits, opcode) and the masking key 0.
#[must_use]
pub fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    RawFrame { first, mask: Some([0; 4]), length: Length::Shortest, payload }.write(&mut frame);
    frame
}
