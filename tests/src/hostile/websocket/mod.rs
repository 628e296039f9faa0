//! WebSocket frames right and wrong, in pieces that end anywhere, for one end of a connection.
//!
//! However the bytes are cut, the same is told; nothing is told or held that passes the limit; a violation stays, and after a close frame there is nothing; another
//! codec sees the same; and what was told, written again, is told again.

mod oracle;
mod script;

pub use oracle::tungstenite;
pub use script::Script;

use bowline_websocket::{Decoder, Draft, Event, Kind, Role, Violation, close, ping, pong};
use std::borrow::Cow;

/// What an event is, and its payload: of a close frame with its code.
pub type Told = (&'static str, Vec<u8>);

/// The most that a control frame may carry (RFC 6455, section 5.5).
const MAX_CONTROL: usize = 125;
/// More is not fed byte by byte as well.
const FEW: usize = 4096;

/// Whether all frames are as long as they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// They are.
    Whole,
    /// One may stop short. A codec that judges a frame when it has come says less of it than one that judges what there is.
    Torn,
}

/// Bytes for one end of a connection.
#[derive(Clone, Debug)]
pub struct Input {
    /// Which end.
    pub role: Role,
    /// Bytes of the longest message that it takes.
    pub max: usize,
    /// What it reads.
    pub bytes: Vec<u8>,
    /// What is known of that.
    pub frames: Frames,
    /// Where the pieces end in which it comes, by their remainder.
    pub cuts: Vec<usize>,
    /// With which key a client masks.
    pub key: [u8; 4],
}

/// Feeds the bytes in every way, and checks what is told.
///
/// # Panics
///
/// If anything does not hold.
pub fn check(input: &Input) {
    let Input { role, max, bytes, frames, cuts, key } = input;
    let whole = decode(*role, *max, bytes, &[]);
    assert_eq!(decode(*role, *max, bytes, cuts), whole, "cut at {cuts:?}");
    if bytes.len() <= FEW {
        let each: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(decode(*role, *max, bytes, &each), whole, "cut everywhere");
    }
    another_codec_agrees(*role, *max, bytes, *frames, &whole);

    let again = encode(&whole.0, (*role == Role::Server).then_some(*key));
    let read = decode(*role, *max, &again, cuts);
    assert_eq!(read, (whole.0, None), "written again");
    another_codec_agrees(*role, *max, &again, Frames::Whole, &read);
}

/// Feeds `bytes` in pieces that end at `cuts`. Returns what is told, and how it ends.
///
/// # Panics
///
/// If a bound is passed, or something is left over.
#[must_use]
pub fn decode(role: Role, max: usize, bytes: &[u8], cuts: &[usize]) -> (Vec<Told>, Option<Violation>) {
    let mut decoder = Decoder::new(role, max);
    let mut told: Vec<Told> = Vec::new();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let mut start = 0;
    for end in ends {
        let mut piece = bytes[start..end].to_vec();
        start = end;
        let mut rest = &mut piece[..];
        loop {
            let before = rest.len();
            match decoder.decode(&mut rest) {
                Ok(Some(event)) => {
                    assert!(told.last().is_none_or(|(last, _)| *last != "close"), "nothing behind a close frame");
                    told.push(tell(event, max));
                    assert!(rest.len() < before || before == 0, "an event takes bytes");
                }
                Ok(None) => {
                    assert!(rest.is_empty(), "what is there is taken");
                    break;
                }
                Err(violation) => {
                    assert!(matches!(violation.close_code(), 1002 | 1007 | 1009), "{violation}");
                    assert_eq!(decoder.decode(&mut &mut [][..]), Err(violation), "it is told again");
                    return (told, Some(violation));
                }
            }
        }
    }
    (told, None)
}

fn tell(event: Event<'_>, max: usize) -> Told {
    let held = match &event {
        Event::Text(Cow::Owned(text)) => text.capacity(),
        Event::Binary(Cow::Owned(data)) => data.capacity(),
        Event::Text(Cow::Borrowed(text)) => text.len(),
        Event::Binary(Cow::Borrowed(data)) => data.len(),
        Event::Ping(_) | Event::Pong(_) | Event::Close(_) => 0,
    };
    assert!(held <= max, "{held} bytes are held, and {max} allowed");
    let (kind, payload) = match event {
        Event::Text(text) => return ("text", text.into_owned().into_bytes()),
        Event::Binary(data) => return ("binary", data.into_owned()),
        Event::Ping(data) => ("ping", data.into_owned()),
        Event::Pong(data) => ("pong", data.into_owned()),
        Event::Close(None) => ("close", Vec::new()),
        Event::Close(Some(frame)) => ("close", [&frame.code.to_be_bytes(), frame.reason.as_bytes()].concat()),
    };
    assert!(payload.len() <= MAX_CONTROL, "a control frame of {} bytes", payload.len());
    (kind, payload)
}

/// What tungstenite makes of a close frame whose code it does not know: 1002, and this reason.
const UNKNOWN_CODE: &[u8] = b"\x03\xeaProtocol violation";

/// Where several things are wrong at once, which is named first is a matter of taste; and so is a close frame with a code that may not be sent, which tungstenite answers
/// as one: to it, 1014 is such a code. A control frame whose length is written in more than one byte has more than 125 to us, whatever they say. That something is wrong, and all that came before it, is not.
fn another_codec_agrees(role: Role, max: usize, bytes: &[u8], frames: Frames, (told, violation): &(Vec<Told>, Option<Violation>)) {
    let (theirs, code) = tungstenite(role, max, bytes);
    let (mut ours, mut theirs) = (&told[..], &theirs[..]);
    let close = |told: &[Told]| told.last().is_some_and(|(kind, _)| *kind == "close");
    let all_but_last = |told: &[Told]| told.len().saturating_sub(1);
    match (violation, code) {
        (Some(Violation::CloseCode(_)), None) if close(theirs) => theirs = &theirs[..all_but_last(theirs)],
        (Some(Violation::LongControl), None | Some(_)) => theirs = &theirs[..ours.len().min(theirs.len())],
        (Some(violation), None) => assert_eq!(frames, Frames::Torn, "{violation} is no violation to tungstenite"),
        (None, Some(1002)) if close(ours) => ours = &ours[..all_but_last(ours)],
        (None, Some(code)) => unreachable!("tungstenite closes with {code}"),
        (None, None) if close(ours) && theirs.last().is_some_and(|(_, payload)| payload == UNKNOWN_CODE) => {
            (ours, theirs) = (&ours[..all_but_last(ours)], &theirs[..all_but_last(theirs)]);
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    assert_eq!(ours, theirs);
}

/// Writes the same with our encoder.
///
/// # Panics
///
/// If a draft that is given up leaves anything.
#[must_use]
pub fn encode(told: &[Told], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, payload) in told {
        let before = out.len();
        Draft::begin(&mut out, Kind::Text, mask).payload().extend_from_slice(payload);
        assert_eq!(out.len(), before, "a draft that is given up leaves nothing");
        match *kind {
            "ping" => ping(&mut out, payload, mask),
            "pong" => pong(&mut out, payload, mask),
            "close" => {
                let why = payload.split_first_chunk().map(|(code, reason)| (u16::from_be_bytes(*code), std::str::from_utf8(reason)));
                close(&mut out, why.and_then(|(code, reason)| Some((code, reason.ok()?))), mask);
            }
            kind => {
                let mut draft = Draft::begin(&mut out, if kind == "text" { Kind::Text } else { Kind::Binary }, mask);
                draft.payload().extend_from_slice(payload);
                draft.seal();
            }
        }
    }
    out
}
