//! The codec against another one, and against itself with the same bytes in other pieces.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_tests::hostile::websocket::{Frames, Input, check, decode, tungstenite};
use bowline_tests::raw_frame::{Length, RawFrame};
use bowline_websocket::{Draft, Kind, Role, close, ping, pong};
use proptest::collection::vec;
use proptest::prelude::*;

const MAX: usize = 400;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

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

/// The first byte of a frame, whether it is masked as it should be, and its payload.
type Frame = (u8, bool, Vec<u8>);

fn frame() -> impl Strategy<Value = Frame> {
    let first = prop_oneof![
        6 => Just(0x81), 2 => Just(0x82), 3 => Just(0x01), 1 => Just(0x02), 3 => Just(0x00), 3 => Just(0x80),
        3 => Just(0x89), 2 => Just(0x8a), 1 => Just(0x88), 1 => Just(0x09), 1 => Just(0xc1), 1 => Just(0x83),
    ];
    (first, prop::bool::weighted(0.98), payload())
}

fn input() -> impl Strategy<Value = Input> {
    (prop_oneof![Just(Role::Server), Just(Role::Client)], vec(frame(), 0..12), vec(any::<usize>(), 0..20)).prop_map(
        |(role, frames, cuts)| {
            let mut bytes = Vec::new();
            for (first, right, payload) in &frames {
                let mask = ((role == Role::Server) == *right).then_some(KEY);
                RawFrame { first: *first, mask, length: Length::Shortest, payload }.write(&mut bytes);
            }
            Input { role, max: MAX, bytes, frames: Frames::Whole, cuts, key: KEY }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_mean_the_same_in_any_pieces_and_to_another_codec(input in input()) {
        check(&input);
    }

    #[test]
    fn any_bytes_at_all_are_borne(bytes in vec(any::<u8>(), 0..200), cuts in vec(any::<usize>(), 0..20)) {
        for role in [Role::Server, Role::Client] {
            check(&Input { role, max: MAX, bytes: bytes.clone(), frames: Frames::Torn, cuts: cuts.clone(), key: KEY });
        }
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
        prop_assert_eq!(&decode(role, MAX, &out, &[]), &(wanted.clone(), None));
        prop_assert_eq!(tungstenite(role, MAX, &out), (wanted, None));
    }
}
