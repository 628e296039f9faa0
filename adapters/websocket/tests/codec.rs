//! What the codec promises beside being right.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use allocation_counter::measure;
use bowline_websocket::{Decoder, Draft, Event, Kind, Role, Violation, close};
use std::borrow::Cow;

const PIECE: usize = 512 * 1024;

fn text(len: usize, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut draft = Draft::begin(&mut out, Kind::Text, mask);
    draft.payload().extend((0..len).map(|at| b'a' + u8::try_from(at % 26).unwrap()));
    draft.seal();
    out
}

#[test]
fn messages_of_every_size_are_read_back() {
    for (role, mask) in [(Role::Client, None), (Role::Server, Some([1, 2, 3, 4]))] {
        for size in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000, PIECE, PIECE + 1, 2 * PIECE + 5, 3 * PIECE] {
            let mut bytes = text(size, mask);
            let mut decoder = Decoder::new(role, 3 * PIECE);
            let mut rest = &mut bytes[..];
            let Ok(Some(Event::Text(text))) = decoder.decode(&mut rest) else { panic!("no text of {size}") };
            assert_eq!(text.len(), size);
            assert!(text.bytes().enumerate().all(|(at, byte)| usize::from(byte - b'a') == at % 26), "{size}");
            assert_eq!(matches!(text, Cow::Borrowed(_)), size <= PIECE, "a frame that is whole stays where it is");
            assert_eq!(decoder.decode(&mut rest), Ok(None));
        }
    }
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header() {
    let frames: [&[u8]; 3] = [&[0x81, 101], &[0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0x82, 126, 1, 0]];
    for bytes in frames {
        let mut decoder = Decoder::new(Role::Client, 100);
        assert_eq!(decoder.decode(&mut &mut bytes.to_vec()[..]), Err(Violation::TooBig(100)));
    }
    // The fragments count together, control frames between them do not.
    let mut bytes = [&[0x01, 60][..], &[b'a'; 60], &[0x89, 0], &[0x80, 41]].concat();
    let mut rest = &mut bytes[..];
    let mut decoder = Decoder::new(Role::Client, 100);
    assert_eq!(decoder.decode(&mut rest), Ok(Some(Event::Ping(Cow::Borrowed(&[])))));
    assert_eq!(decoder.decode(&mut rest), Err(Violation::TooBig(100)));
}

#[test]
fn a_wrong_text_is_refused_before_it_ends() {
    let mut decoder = Decoder::new(Role::Client, 1000);
    assert_eq!(decoder.decode(&mut &mut [0x01, 100, b'a', 0xe2][..]), Ok(None));
    assert_eq!(decoder.decode(&mut &mut [0x82][..]), Ok(None));
    assert_eq!(decoder.decode(&mut &mut [b'a'][..]), Err(Violation::NotUtf8));
}

#[test]
fn after_a_close_frame_nothing_is_read() {
    let mut bytes = Vec::new();
    close(&mut bytes, Some((1001, "späterer Gruß".repeat(20).as_str())), None);
    bytes.extend_from_slice(&[0xff; 30]);
    let mut rest = &mut bytes[..];
    let mut decoder = Decoder::new(Role::Client, 1000);
    let Ok(Some(Event::Close(Some(frame)))) = decoder.decode(&mut rest) else { panic!("no close frame") };
    assert!(frame.code == 1001 && frame.reason.starts_with("späterer Gruß") && (120..=123).contains(&frame.reason.len()));
    assert_eq!(decoder.decode(&mut &mut [0xff; 30][..]), Ok(None));
}

#[test]
fn a_whole_message_costs_no_allocation_and_a_cut_one_its_own_bytes() {
    let bytes = text(4096, Some([9, 8, 7, 6]));
    let mut decoder = Decoder::new(Role::Server, 10_000);
    let mut whole = bytes.clone();
    let cost = measure(|| assert!(matches!(decoder.decode(&mut &mut whole[..]), Ok(Some(Event::Text(Cow::Borrowed(_)))))));
    assert_eq!(cost.count_total, 0);

    let mut pieces = bytes;
    let (first, second) = pieces.split_at_mut(3000);
    let cost = measure(|| {
        assert_eq!(decoder.decode(&mut &mut first[..]), Ok(None));
        assert!(matches!(decoder.decode(&mut &mut second[..]), Ok(Some(Event::Text(Cow::Owned(_))))));
    });
    assert!(cost.count_total <= 2 && cost.bytes_max <= 4096 + 3000, "{cost:?}");
    assert_eq!(cost.bytes_current, 0, "the decoder keeps nothing");
}

#[test]
fn an_announced_length_costs_nothing() {
    let mut decoder = Decoder::new(Role::Client, usize::MAX);
    let cost = measure(|| assert_eq!(decoder.decode(&mut &mut [0x81, 127, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, b'a'][..]), Ok(None)));
    assert!(cost.bytes_max <= 16, "{cost:?}");
}

#[test]
fn a_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 128, "{} bytes", size_of::<Decoder>());
}
