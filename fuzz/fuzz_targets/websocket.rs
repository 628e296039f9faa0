//! One end of a WebSocket connection: frames well formed and broken, in fragments, masked and not, control frames in between, cut at any byte, under any
//! limit. However they are cut the same is told; no bound is passed; tungstenite sees the same; what was told, written again, is told again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bowline_tests::hostile::websocket(bytes));
