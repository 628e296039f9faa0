//! The codec against another one, and against itself with the same bytes in other pieces.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_websocket::{Decoder, Draft, Event, Kind, Role, Violation, close, ping, pong};
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::{self, Cursor, Read, Write};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::{self, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

const MAX: usize = 400;

/// What came out of a decoder: its events with their payloads, and how it ended.
type Seen = (Vec<(&'static str, Vec<u8>)>, Option<Violation>);

/// Feeds `bytes` in pieces that end at `cuts`.
fn decode(role: Role, bytes: &[u8], cuts: &[usize]) -> Seen {
    let mut decoder = Decoder::new(role, MAX);
    let mut events = Vec::new();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let mut start = 0;
    for end in ends {
        let mut piece = bytes[start..end].to_vec();
        start = end;
        let mut rest = &mut piece[..];
        loop {
            match decoder.decode(&mut rest) {
                Ok(Some(event)) => events.push(match event {
                    Event::Text(text) => ("text", text.into_owned().into_bytes()),
                    Event::Binary(data) => ("binary", data.into_owned()),
                    Event::Ping(data) => ("ping", data.into_owned()),
                    Event::Pong(data) => ("pong", data.into_owned()),
                    Event::Close(None) => ("close", Vec::new()),
                    Event::Close(Some(frame)) => ("close", [&frame.code.to_be_bytes(), frame.reason.as_bytes()].concat()),
                }),
                Ok(None) => {
                    assert!(rest.is_empty());
                    break;
                }
                Err(violation) => {
                    assert_eq!(decoder.decode(&mut &mut [][..]), Err(violation), "it is told again");
                    return (events, Some(violation));
                }
            }
        }
    }
    (events, None)
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

/// What tungstenite makes of the same bytes, with the code with which it would close.
fn tungstenite(role: Role, bytes: &[u8]) -> (Vec<(&'static str, Vec<u8>)>, Option<u16>) {
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let config = WebSocketConfig::default().max_message_size(Some(MAX)).max_frame_size(Some(MAX));
    let mut socket = WebSocket::from_raw_socket(Both(Cursor::new(bytes.to_vec())), role, Some(config));
    let mut events = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => events.push(("text", text.as_bytes().to_vec())),
            Ok(Message::Binary(data)) => events.push(("binary", data.to_vec())),
            Ok(Message::Ping(data)) => events.push(("ping", data.to_vec())),
            Ok(Message::Pong(data)) => events.push(("pong", data.to_vec())),
            Ok(Message::Close(None)) => {
                events.push(("close", Vec::new()));
                return (events, None);
            }
            Ok(Message::Close(Some(frame))) => {
                events.push(("close", [&u16::from(frame.code).to_be_bytes(), frame.reason.as_bytes()].concat()));
                return (events, None);
            }
            Ok(Message::Frame(_)) => unreachable!("only written"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (events, None),
            Err(Error::Utf8(_)) => return (events, Some(1007)),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => return (events, Some(1009)),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => return (events, None),
            Err(_) => return (events, Some(1002)),
        }
    }
}

/// A frame, right or wrong in any of its parts.
#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    masked: bool,
    payload: Vec<u8>,
}

impl Frame {
    fn write(&self, out: &mut Vec<u8>) {
        let mask = if self.masked { 0x80 } else { 0 };
        out.push(self.first);
        match self.payload.len() {
            len @ 0..126 => out.push(mask | u8::try_from(len).unwrap()),
            len => {
                out.push(mask | 126);
                out.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            }
        }
        let key = [0x37, 0xfa, 0x21, 0x3d];
        if self.masked {
            out.extend_from_slice(&key);
        }
        let masked = self.masked;
        out.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| if masked { byte ^ key } else { *byte }));
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => "[a-zé€😀]{0,40}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..8),
        1 => vec(prop_oneof![Just(0xe2), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f), Just(b'a')], 0..8),
        1 => "[ab]{120,300}".prop_map(String::into_bytes),
        1 => (prop_oneof![Just(1000_u16), Just(1005), Just(1012), Just(3000), Just(5000)], "[a-z]{0,5}")
            .prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
    ]
}

fn frame(role: Role) -> impl Strategy<Value = Frame> {
    let first = prop_oneof![
        6 => Just(0x81), 2 => Just(0x82), 3 => Just(0x01), 1 => Just(0x02), 3 => Just(0x00), 3 => Just(0x80),
        3 => Just(0x89), 2 => Just(0x8a), 1 => Just(0x88), 1 => Just(0x09), 1 => Just(0xc1), 1 => Just(0x83),
    ];
    (first, prop::bool::weighted(0.98), payload()).prop_map(move |(first, right, payload)| Frame {
        first,
        masked: (role == Role::Server) == right,
        payload,
    })
}

fn bytes() -> impl Strategy<Value = (Role, Vec<u8>)> {
    prop_oneof![Just(Role::Server), Just(Role::Client)].prop_flat_map(|role| {
        vec(frame(role), 0..12).prop_map(move |frames| {
            let mut bytes = Vec::new();
            frames.iter().for_each(|frame| frame.write(&mut bytes));
            (role, bytes)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pieces_in_which_bytes_come_change_nothing((role, bytes) in bytes(), cuts in vec(any::<usize>(), 0..20)) {
        let whole = decode(role, &bytes, &[]);
        prop_assert_eq!(&decode(role, &bytes, &cuts), &whole);
        let each: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(&decode(role, &bytes, &each), &whole);
    }

    #[test]
    fn any_bytes_at_all_are_borne(bytes in vec(any::<u8>(), 0..200), cuts in vec(any::<usize>(), 0..20)) {
        for role in [Role::Server, Role::Client] {
            prop_assert_eq!(decode(role, &bytes, &cuts), decode(role, &bytes, &[]));
        }
    }

    #[test]
    fn tungstenite_sees_the_same((role, bytes) in bytes()) {
        let (mut events, violation) = decode(role, &bytes, &[]);
        let (mut theirs, code) = tungstenite(role, &bytes);
        // Where several things are wrong at once, which is named first is a matter of taste; and a close frame with a code that may not be sent is no violation
        // to tungstenite, which answers it as one. That something is wrong, and all that came before it, is not.
        match violation {
            Some(Violation::CloseCode(_)) if code.is_none() => prop_assert_eq!(theirs.pop().map(|(kind, _)| kind), Some("close")),
            Some(_) => prop_assert!(code.is_some(), "{:?} is no violation to tungstenite", violation),
            None if code == Some(1002) && events.last().is_some_and(|(kind, _)| *kind == "close") => { events.pop(); },
            None => prop_assert_eq!(code, None),
        }
        prop_assert_eq!(events, theirs);
    }

    #[test]
    fn what_is_written_is_read_back(messages in vec((any::<bool>(), vec(any::<u8>(), 0..MAX)), 0..8), mask in any::<Option<[u8; 4]>>()) {
        let role = if mask.is_some() { Role::Server } else { Role::Client };
        let mut out = Vec::new();
        let mut wanted = Vec::new();
        for (binary, data) in messages {
            let text = String::from_utf8_lossy(&data).chars().take(MAX / 4).collect::<String>().into_bytes();
            let (kind, name, data) = if binary { (Kind::Binary, "binary", data) } else { (Kind::Text, "text", text) };
            let mut draft = Draft::begin(&mut out, kind, mask);
            draft.payload().extend_from_slice(&data);
            draft.seal();
            // One that is given up leaves nothing.
            Draft::begin(&mut out, kind, mask).payload().extend_from_slice(b"never mind");
            let short = &data[..data.len().min(125)];
            ping(&mut out, &data, mask);
            pong(&mut out, &data, mask);
            wanted.extend([(name, data.clone()), ("ping", short.to_vec()), ("pong", short.to_vec())]);
        }
        close(&mut out, Some((1000, "bye")), mask);
        wanted.push(("close", b"\x03\xe8bye".to_vec()));
        prop_assert_eq!(&decode(role, &out, &[]), &(wanted.clone(), None));
        prop_assert_eq!(tungstenite(role, &out), (wanted, None));
    }
}
