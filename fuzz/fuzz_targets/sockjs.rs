//! SockJS: URLs, payloads and callbacks against a second reading, and a session against a client: nothing is lost in silence, each response is as its kind has to be, no deadline
//! stays behind.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bowline_tests::hostile::sockjs(bytes));
