//! Another codec, which reads the same bytes.

use super::Told;
use bowline_websocket::Role;
use std::io::{self, Cursor, Read, Write};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::{self, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

/// A control frame may have so many bytes whatever the limit of messages is.
const MAX_CONTROL: usize = 125;

/// What tungstenite makes of `bytes`, and the code with which it would close the connection.
#[must_use]
pub fn tungstenite(role: Role, max: usize, bytes: &[u8]) -> (Vec<Told>, Option<u16>) {
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let config = WebSocketConfig::default().max_message_size(Some(max)).max_frame_size(Some(max.max(MAX_CONTROL)));
    let mut socket = WebSocket::from_raw_socket(Both(Cursor::new(bytes.to_vec())), role, Some(config));
    let mut told = Vec::new();
    let code = loop {
        match socket.read() {
            Ok(Message::Text(text)) => told.push(("text", text.as_bytes().to_vec())),
            Ok(Message::Binary(data)) => told.push(("binary", data.to_vec())),
            Ok(Message::Ping(data)) => told.push(("ping", data.to_vec())),
            Ok(Message::Pong(data)) => told.push(("pong", data.to_vec())),
            Ok(Message::Close(frame)) => {
                let payload = frame.map(|frame| [&u16::from(frame.code).to_be_bytes(), frame.reason.as_bytes()].concat());
                told.push(("close", payload.unwrap_or_default()));
                break None;
            }
            Ok(Message::Frame(_)) => unreachable!("only written"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break None,
            Err(Error::Utf8(_)) => break Some(1007),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => break Some(1009),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => break None,
            Err(_) => break Some(1002),
        }
    };
    (told, code)
}

/// Reads from the bytes, and takes whatever is written.
struct Both(Cursor<Vec<u8>>);

impl Read for Both {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Both {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
